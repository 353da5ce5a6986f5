use super::*;

#[test]
fn the_first_rules_are_the_defaults() {
    let written = Rules::parse(&Rules::default_text(None)).expect("the first rules");
    assert_eq!(written, Rules::parse("").expect("no rules at all"));
    let with_domain =
        Rules::parse(&Rules::default_text(Some("acme.example"))).expect("the first rules");
    assert_eq!(with_domain.email_domains, ["acme.example"]);
}

#[test]
fn one_attribute_or_several() {
    let rules =
        Rules::parse("[map]\ntitle = [\"jobTitle\", \"title\"]\nphoto = \"\"\n").expect("rules");
    assert_eq!(rules.map.title, ["jobTitle", "title"]);
    assert!(rules.map.photo.is_empty());
    assert_eq!(rules.map.team, ["department"]);
    assert!(rules.attribute_names().contains("jobTitle"));
}

#[test]
fn what_is_wrong_and_where() {
    #[rustfmt::skip]
    let cases = [
        ("languages = [\"en-GB\"]\ncolour = \"red\"",               2, "unknown field `colour`"),
        ("\n\nemail_domains = [\"acme\"]",                          3, "not a domain"),
        ("email_domains = \"acme.example\"",                        1, "expected a sequence"),
        ("languages = []",                                          1, "at least one language"),
        ("languages = [\"en-GB\",\n \"klingonish-language\"]",      2, "not a language tag"),
        ("time_zone = \"Europe/Bristol\"",                          1, "not a time zone"),
        ("full_run_at = \"25:00\"",                                 1, "not a time of day"),
        ("manager = \"boss\"",                                      1, "unknown variant `boss`"),
        ("guard = { people = 5, percent = 0 }",                     1, "percent must be 1 to 100"),
        ("guard = { people = -1, percent = 10 }",                   1, "invalid value"),
        ("[map]\nshoe_size = \"shoeSize\"",                         2, "unknown field `shoe_size`"),
        ("[map]\ntitle = \"job title\"",                            2, "not the name of an Okta attribute"),
        ("[map]\ntitle = 5",                                        2, "or a list of names"),
            ("[map]\ntitle = [\"title\", 5]",                           2, "expected a string"),
            ("[map]\nteam = [\"department\", \"\"]",                    2, "not the name of an Okta attribute"),
        ("[[exclude]]\nattribute = \"userType\"",                   1, "exactly one of"),
        ("[[exclude]]\nattribute = \"userType\"\nis = \"a\"\ncontains = \"b\"", 1, "exactly one of"),
        ("guard = { people = 5, percents = 10 }",                    1, "unknown field `percents`"),
            ("guard = 5",                                               1, ""),
            ("[[exclude]]\nattribute = \"userType\"\ncontains = \" \"",  3, "not with nothing"),
            ("[[exclude]]\nattribute = \"user type\"\nis = \"a\"",      2, "not the name of an Okta attribute"),
            ("\n[[exclude]]\nis = \"a\"",                               2, "missing field `attribute`"),
            ("languages = [\"en-GB\"]\r\nmanager = 5",                  2, ""),
            ("clear_empty = \"yes\"",                                   1, "expected a boolean"),
            ("manager = \"team\"\nmanager = \"off\"",                    2, "duplicate key"),
            ("invite = now",                                            1, ""),
    ];
    for (text, line, message) in cases {
        let bad = Rules::parse(text).expect_err(text);
        assert_eq!(bad.line, Some(line), "{text}: {bad}");
        assert!(bad.message.contains(message), "{text}: {bad}");
    }
}

#[test]
fn the_sample_of_the_documentation() {
    let rules = Rules::parse(
        r#"
email_domains = ["acme.example", "@Northbeck.Example "]
languages = ["en_gb", "de", "en-GB"]
time_zone = "Europe/London"
full_run_at = "03:30"
manager = "team"
invite = "on_start_date"
guard = { percent = 20 }

[map]
manager = "managerId"

[[exclude]]
attribute = "userType"
is = "Contractor"
"#,
    )
    .expect("rules");
    assert_eq!(rules.email_domains, ["acme.example", "northbeck.example"]);
    let languages: Vec<_> = rules.languages.iter().map(Language::as_str).collect();
    assert_eq!(languages, ["en-GB", "de"]);
    assert_eq!(
        (rules.time_zone.as_str(), rules.full_run_at),
        ("Europe/London", Time::constant(3, 30, 0, 0))
    );
    assert_eq!((rules.manager, rules.invite), (ManagerMode::Team, InviteMode::OnStartDate));
    assert_eq!(rules.guard, GuardRule { people: 5, percent: 20 });
    assert_eq!(rules.map.manager, ["managerId"]);
    assert_eq!(rules.exclude[0].name(), "userType is Contractor");
    assert!(rules.attribute_names().contains("userType"));
}

#[test]
fn too_much_is_refused() {
    let row = "[[exclude]]\nattribute = \"a\"\nis = \"b\"\n";
    assert!(Rules::parse(&row.repeat(ROWS_MAX)).is_ok());
    let bad = Rules::parse(&row.repeat(ROWS_MAX + 1)).expect_err("one too many");
    assert_eq!(bad.line, Some(ROWS_MAX * 3 + 1));
    let bad = Rules::parse(&"#".repeat(BYTES_MAX + 1)).expect_err("too long");
    assert_eq!(bad.to_string(), "the rules are longer than 65536 bytes");
}
