//! From Okta's attributes to our fields. A bad value costs its field and nothing else.

use std::borrow::Cow;
use std::fmt;

use icu_locale::LocaleCanonicalizer;
use jiff::civil::Date;

use crate::name::Name;
use crate::okta_user::OktaUser;
use crate::person::Email;
use crate::problem::ProblemCode;
use crate::rules::Rules;

/// The longest text kept, in characters.
const TEXT_MAX: usize = Name::CHARACTERS_MAX;
/// The longest photo address kept, in bytes: what browsers and proxies are known to carry.
const URL_MAX: usize = 2_048;

/// A language tag in canonical form (BCP 47): `en-GB`, `de`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Language(Cow<'static, str>);

impl Language {
    /// `en-GB`, which is enabled where a tenant says nothing.
    pub const ENGLISH_BRITISH: Self = Self(Cow::Borrowed("en-GB"));

    /// Reads a tag in any of its spellings: `en_GB`, `EN-gb`, `iw` (which is `he`).
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().replace('_', "-");
        if text.is_empty() || text.len() > 35 {
            return None;
        }
        let mut locale: icu_locale::Locale = text.parse().ok()?;
        LocaleCanonicalizer::new_common().canonicalize(&mut locale);
        // Extensions choose calendars and collations, not what is read.
        Some(Self(Cow::Owned(locale.id.to_string())))
    }

    /// The canonical tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn base(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why Okta's e-mail cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailProblem {
    Missing,
    Malformed,
}

/// What Okta says, in our terms. `None` is a value that Okta does not set (or that cannot be used, with a problem).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub email: Result<Email, EmailProblem>,
    pub title: Option<String>,
    pub language: Option<String>,
    pub location: Option<Name>,
    pub team: Option<Name>,
    pub photo_url: Option<String>,
    /// A photo address is set but cannot be used: the old picture stays.
    pub photo_refused: bool,
    pub start_date: Option<Date>,
    pub login: Option<String>,
    pub employee_number: Option<String>,
    pub display_name: Option<String>,
    pub manager_raw: Option<String>,
    pub problems: Vec<ProblemCode>,
}

/// Maps an Okta user's attributes by the tenant's rules.
pub fn map(user: &OktaUser, rules: &Rules) -> Mapped {
    let mut problems = Vec::new();
    let email = match user.attributes.text("email") {
        None => Err(EmailProblem::Missing),
        Some(text) => Email::parse(&text).map_err(|_| EmailProblem::Malformed),
    };
    let first_name = named(user, "firstName", &mut problems);
    let last_name = named(user, "lastName", &mut problems);
    let title = first_set(user, &rules.map.title).and_then(|text| short(&text, &mut problems));
    let language = language(user, rules, &mut problems);
    let location =
        first_set(user, &rules.map.location).and_then(|text| place(&text, &mut problems));
    let team = first_set(user, &rules.map.team).and_then(|text| place(&text, &mut problems));
    if team.is_none() {
        problems.push(ProblemCode::NoTeam);
    }
    let (photo_url, photo_refused) = photo(user, rules, &mut problems);
    let start_date = start_date(user, rules).unwrap_or_else(|()| {
        problems.push(ProblemCode::StartDateMalformed);
        None
    });
    Mapped {
        first_name,
        last_name,
        email,
        title,
        language,
        location,
        team,
        photo_url,
        photo_refused,
        start_date,
        login: first_of(user, "login", &mut problems),
        employee_number: first_of(user, "employeeNumber", &mut problems),
        display_name: first_of(user, "displayName", &mut problems),
        manager_raw: first_set(user, &rules.map.manager)
            .and_then(|text| short(&text, &mut problems)),
        problems,
    }
}

/// The start date that Okta sets, if any; an error if it is set and is no date.
pub fn start_date(user: &OktaUser, rules: &Rules) -> Result<Option<Date>, ()> {
    let Some(text) = first_set(user, &rules.map.start_date) else { return Ok(None) };
    let text = text.trim();
    // A date, or a moment of which the date counts: 2026-11-24T00:00:00.000Z.
    let date = text.split(['T', ' ']).next().unwrap_or(text);
    if date.len() != 10 {
        return Err(());
    }
    date.parse().map(Some).map_err(|_| ())
}

fn first_set<'u>(user: &'u OktaUser, names: &[String]) -> Option<Cow<'u, str>> {
    names.iter().find_map(|name| user.attributes.text(name)).filter(|text| !text.trim().is_empty())
}

fn first_of(user: &OktaUser, name: &str, problems: &mut Vec<ProblemCode>) -> Option<String> {
    user.attributes.text(name).and_then(|text| short(&text, problems))
}

fn named(user: &OktaUser, name: &str, problems: &mut Vec<ProblemCode>) -> Option<String> {
    first_of(user, name, problems)
}

/// Trims, drops control characters and shortens.
fn short(text: &str, problems: &mut Vec<ProblemCode>) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let plain = !text.chars().any(char::is_control);
    if plain && text.len() <= TEXT_MAX {
        return Some(text.to_owned());
    }
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    if clean.chars().count() > TEXT_MAX {
        problems.push(ProblemCode::TextShortened);
        return Some(clean.chars().take(TEXT_MAX).collect::<String>().trim_end().to_owned());
    }
    (!clean.trim().is_empty()).then_some(clean)
}

fn place(text: &str, problems: &mut Vec<ProblemCode>) -> Option<Name> {
    Name::parse(&short(text, problems)?)
}

/// The first attribute that is set decides: exact, else the base language, else the tenant's default.
fn language(user: &OktaUser, rules: &Rules, problems: &mut Vec<ProblemCode>) -> Option<String> {
    let text = first_set(user, &rules.map.language)?;
    let enabled = &rules.languages;
    // The usual case needs no parsing: the tag is spelled as it is enabled.
    if let Some(same) = enabled.iter().find(|tag| tag.as_str() == text) {
        return Some(same.to_string());
    }
    let default = enabled.first().map(ToString::to_string);
    let Some(wanted) = Language::parse(&text).filter(|tag| is_known(tag)) else {
        problems.push(ProblemCode::LanguageUnknown);
        return default;
    };
    let exact = enabled.iter().find(|tag| **tag == wanted);
    let base = || enabled.iter().find(|tag| tag.as_str() == wanted.base());
    let sibling = || enabled.iter().find(|tag| tag.base() == wanted.base());
    match exact.or_else(base).or_else(sibling) {
        Some(tag) => Some(tag.to_string()),
        None => {
            problems.push(ProblemCode::LanguageNotEnabled);
            default
        }
    }
}

/// Whether a tag names a language that exists, as far as the common locale data knows it.
fn is_known(tag: &Language) -> bool {
    let Ok(mut locale) = tag.as_str().parse::<icu_locale::LanguageIdentifier>() else {
        return false;
    };
    // Likely subtags are listed for every language the data knows; an invented one gains none.
    let expander = icu_locale::LocaleExpander::new_extended();
    locale.script = None;
    locale.region = None;
    expander.maximize(&mut locale) == icu_locale::TransformResult::Modified
}

fn photo(
    user: &OktaUser,
    rules: &Rules,
    problems: &mut Vec<ProblemCode>,
) -> (Option<String>, bool) {
    let Some(text) = first_set(user, &rules.map.photo) else { return (None, false) };
    let text = text.trim();
    let problem = if text.get(..8).is_some_and(|head| head.eq_ignore_ascii_case("https://")) {
        let host = text[8..].split(['/', '?', '#']).next().unwrap_or_default();
        let fine = text.len() <= URL_MAX
            && host.contains('.')
            && !host.contains('@')
            && text.chars().all(|c| c.is_ascii_graphic());
        if fine {
            return (Some(text.to_owned()), false);
        }
        ProblemCode::PhotoMalformed
    } else if text.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("http://")) {
        ProblemCode::PhotoNotHttps
    } else {
        ProblemCode::PhotoMalformed
    };
    problems.push(problem);
    (None, true)
}

#[cfg(test)]
mod tests {
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
        let rules =
            rules("languages = [\"en-GB\", \"en-US\", \"de\", \"fr\", \"pl\", \"ja\", \"he\"]");
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
        use ProblemCode::{
            NoTeam, PhotoMalformed, PhotoNotHttps, StartDateMalformed, TextShortened,
        };
        let plain = rules("");
        let long = "x".repeat(300);
        #[rustfmt::skip]
        let cases: [(&str, &str, &str, &[ProblemCode]); 10] = [
            ("picture", "https://img.acme.example/a.jpg", "photo", &[NoTeam]),
            ("picture", "http://img.acme.example/a.jpg", "", &[NoTeam, PhotoNotHttps]),
            ("picture", "ftp://img.acme.example/a.jpg", "", &[NoTeam, PhotoMalformed]),
            ("picture", "https://localhost/a.jpg", "", &[NoTeam, PhotoMalformed]),
            ("picture", "https://a@img.acme.example/", "", &[NoTeam, PhotoMalformed]),
            ("startDate", "2026-12-01", "date", &[NoTeam]),
            ("startDate", "2026-12-01T00:00:00.000Z", "date", &[NoTeam]),
            ("startDate", "31/02/2026", "", &[NoTeam, StartDateMalformed]),
            ("startDate", "2026-02-31", "", &[NoTeam, StartDateMalformed]),
            ("title", &long, "title", &[TextShortened, NoTeam]),
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
}
