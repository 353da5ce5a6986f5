use proptest::prelude::*;

use super::*;
use crate::id::OktaUserId;
use crate::okta_user::{Attributes, OktaStatus};

fn user(attributes: &[(&str, &str)]) -> OktaUser {
    let mut kept = Attributes::default();
    for (name, value) in attributes {
        kept.insert(name, (*value).into());
    }
    OktaUser {
        id: OktaUserId::parse("00u1").expect("an id"),
        status: OktaStatus::Active,
        created: None,
        attributes: kept,
    }
}

fn rules(text: &str) -> Rules {
    Rules::parse(text).expect("rules")
}

#[test]
fn languages() {
    use ProblemCode::{LanguageNotEnabled, LanguageUnknown};
    let rules = rules("languages = [\"en-GB\", \"en-US\", \"de\", \"fr\", \"pl\", \"ja\", \"he\"]");
    #[rustfmt::skip]
    let cases = [
        ("en-GB", "en-GB", None),
        ("en_GB", "en-GB", None),
        ("en-gb", "en-GB", None),
        ("EN", "en-GB", None),
        ("en_US", "en-US", None),
        ("en-AU", "en-GB", None),
        ("de-AT", "de", None),
        ("ja-JP", "ja", None),
        ("iw", "he", None),
        ("pt-PT", "en-GB", Some(LanguageNotEnabled)),
        ("xx", "en-GB", Some(LanguageUnknown)),
        ("not a language", "en-GB", Some(LanguageUnknown)),
    ];
    for (text, want, problem) in cases {
        let mapped = map(&user(&[("preferredLanguage", text)]), &rules);
        assert_eq!(mapped.language.as_deref(), Some(want), "{text}");
        let problems = mapped
            .problems
            .iter()
            .find(|code| matches!(code, LanguageNotEnabled | LanguageUnknown));
        assert_eq!(problems.copied(), problem, "{text}");
    }
    assert_eq!(map(&user(&[("locale", "de_DE")]), &rules).language.as_deref(), Some("de"));
    assert_eq!(map(&user(&[]), &rules).language, None);
}

#[test]
fn photos_and_dates_and_long_texts() {
    use ProblemCode::{PhotoMalformed, PhotoNotHttps, StartDateMalformed, TextShortened};
    let plain = rules("");
    let long = "x".repeat(300);
    #[rustfmt::skip]
    let cases: [(&str, &str, &str, &[ProblemCode]); 10] = [
        ("picture", "https://img.acme.example/a.jpg", "photo", &[]),
        ("picture", "http://img.acme.example/a.jpg", "", &[PhotoNotHttps]),
        ("picture", "ftp://img.acme.example/a.jpg", "", &[PhotoMalformed]),
        ("picture", "https://localhost/a.jpg", "", &[PhotoMalformed]),
        ("picture", "https://a@img.acme.example/", "", &[PhotoMalformed]),
        ("startDate", "2026-12-01", "date", &[]),
        ("startDate", "2026-12-01T00:00:00.000Z", "date", &[]),
        ("startDate", "31/02/2026", "", &[StartDateMalformed]),
        ("startDate", "2026-02-31", "", &[StartDateMalformed]),
        ("title", &long, "title", &[TextShortened]),
    ];
    for (name, value, set, problems) in cases {
        let mapped = map(&user(&[(name, value)]), &plain);
        assert_eq!(mapped.problems, problems, "{name} {value}");
        assert_eq!(mapped.photo_url.is_some(), set == "photo", "{value}");
        assert_eq!(mapped.start_date.is_some(), set == "date", "{value}");
        assert_eq!(
            mapped.title.map(|text| text.chars().count()),
            (set == "title").then_some(255),
            "{value}"
        );
    }
}

#[test]
fn emails() {
    let plain = rules("");
    let email = |text: &str| map(&user(&[("email", text)]), &plain).email;
    assert_eq!(
        email("Ana.Ito+x@Acme.Example").map(|email| email.key().to_owned()),
        Ok("ana.ito+x@acme.example".to_owned())
    );
    assert_eq!(email("ana"), Err(EmailProblem::Malformed));
    assert_eq!(email(" "), Err(EmailProblem::Missing));
}

#[test]
fn the_first_attribute_that_is_set() {
    let rules = rules("[map]\ntitle = [\"a\", \"b\", \"c\"]\nteam = \"\"");
    let title = |attributes: &[(&str, &str)]| map(&user(attributes), &rules).title;
    assert_eq!(title(&[("b", "B"), ("c", "C")]).as_deref(), Some("B"));
    assert_eq!(title(&[("a", " "), ("c", " C ")]).as_deref(), Some("C"));
    assert_eq!(title(&[]), None);
    // A list whose first entry is blank, a number and a flag are values like any other.
    let mut odd = user(&[("department", "Sales")]);
    odd.attributes.insert("a", serde_json::json!(["", "x"]));
    odd.attributes.insert("b", serde_json::json!(7));
    let mapped = map(&odd, &rules);
    assert_eq!((mapped.title.as_deref(), mapped.team), (Some("7"), None));
}

#[test]
fn names_of_all_kinds() {
    // E15: one part, right to left, with marks, long; E26: spellings of one place.
    let plain = rules("");
    let mapped = map(&user(&[("firstName", "  נועה "), ("displayName", "Prince")]), &plain);
    assert_eq!((mapped.first_name.as_deref(), mapped.last_name), (Some("נועה"), None));
    let mapped = map(
        &user(&[("lastName", "D\u{2019}Souza\nLima"), ("department", "People\t& \u{0}Culture")]),
        &plain,
    );
    assert_eq!(mapped.last_name.as_deref(), Some("D\u{2019}Souza Lima"));
    assert_eq!(
        mapped.team.map(|team| team.shown().to_owned()).as_deref(),
        Some("People & Culture")
    );
    let long = "é".repeat(256);
    let mapped = map(&user(&[("firstName", &long), ("city", &long)]), &plain);
    assert_eq!(mapped.first_name.map(|name| name.chars().count()), Some(255));
    assert_eq!(mapped.location.map(|place| place.shown().chars().count()), Some(255));
    assert_eq!(map(&user(&[("title", &"é".repeat(255))]), &plain).problems, []);
    assert_eq!(map(&user(&[("title", "\u{1}\u{2}")]), &plain).title, None);
}

#[test]
fn a_bad_value_costs_its_field_and_nothing_else() {
    // E67
    let bad = user(&[
        ("email", "ana@acme.example"),
        ("firstName", "Ana"),
        ("preferredLanguage", "xx"),
        ("picture", "http://img.acme.example/a"),
        ("startDate", "soon"),
        ("department", "Sales"),
    ]);
    let mapped = map(&bad, &rules(""));
    assert!(mapped.email.is_ok() && mapped.first_name.is_some() && mapped.team.is_some());
    assert!(mapped.photo_refused && mapped.start_date.is_none());
    let told =
        [ProblemCode::PhotoNotHttps, ProblemCode::StartDateMalformed, ProblemCode::LanguageUnknown];
    assert_eq!(mapped.problems, told);
}

proptest! {
    /// Anything may stand in a profile: nothing panics, limits hold, and what is remembered changes no answer.
    #[test]
    fn whatever_okta_says(
        users in proptest::collection::vec(
            proptest::collection::btree_map(
                proptest::sample::select(vec!["email", "firstName", "title", "locale", "city", "picture", "startDate", "managerId"]),
                prop_oneof![".{0,20}", "[a-z]{2}[-_][A-Z]{2}", "https://.{0,9}", "\\PC{250,300}", "20[0-9]{2}-[0-9]{2}-[0-9]{2}.{0,3}"],
                0..8,
            ),
            1..6,
        ),
    ) {
        let rules = rules("languages = [\"en-GB\", \"de\"]");
        let mut mapper = Mapper::new(&rules);
        for attributes in &users {
            let pairs: Vec<(&str, &str)> = attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let user = user(&pairs);
            let mapped = mapper.map(&user);
            prop_assert_eq!(&mapped, &map(&user, &rules));
            prop_assert_eq!(&mapped, &mapper.map(&user));
            for text in [&mapped.first_name, &mapped.title, &mapped.manager_raw].into_iter().flatten() {
                prop_assert!((1..=255).contains(&text.chars().count()));
                prop_assert_eq!(text.trim(), text.as_str());
            }
            if let Some(place) = &mapped.location {
                prop_assert!(!place.key().is_empty() || place.shown().chars().count() <= 255);
            }
            if let Some(language) = &mapped.language {
                prop_assert!(["en-GB", "de"].contains(&language.as_str()));
            }
            if let Some(url) = &mapped.photo_url {
                prop_assert!(url.len() <= 2_048 && url.get(..8).is_some_and(|head| head.eq_ignore_ascii_case("https://")));
            }
        }
    }
}
