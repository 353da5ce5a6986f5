//! The rules of a tenant: what Okta's attributes mean here, who is in, and how careful to be.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::civil::Time;
use serde::Deserialize;
use toml::Spanned;

use crate::mapping::Language;
use crate::okta_user::OktaUser;

/// How Okta's managers are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ManagerMode {
    /// Everybody has the manager that Okta names.
    Individual,
    /// A team has the manager of its first member.
    Team,
    /// Okta's managers are ignored.
    Off,
}

/// When new people are invited by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InviteMode {
    Off,
    Now,
    OnStartDate,
}

/// What becomes of somebody who comes back under a new Okta id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Returners {
    /// Learners on a listed domain whose name and e-mail match get their old account back.
    Automatic,
    /// A person decides about each.
    Review,
}

/// How many removals a run may make by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuardRule {
    pub people: u64,
    /// 1 to 100, of the people with access.
    pub percent: u64,
}

/// Which Okta attributes feed a field: the first that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMap {
    pub title: Vec<String>,
    pub location: Vec<String>,
    pub language: Vec<String>,
    pub team: Vec<String>,
    pub manager: Vec<String>,
    pub photo: Vec<String>,
    pub start_date: Vec<String>,
}

/// How an exclusion compares. Texts are compared without case and outer white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    Is,
    IsNot,
    Contains,
}

/// People with this attribute stay out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclude {
    pub attribute: String,
    pub test: Test,
    pub value: String,
}

impl Exclude {
    /// The rule in words, as shown beside whom it keeps out.
    pub fn name(&self) -> String {
        let test = match self.test {
            Test::Is => "is",
            Test::IsNot => "is not",
            Test::Contains => "contains",
        };
        format!("{} {test} {}", self.attribute, self.value)
    }
}

/// The rules of a tenant, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Lower case. Accounts may be linked by e-mail only inside these.
    pub email_domains: Vec<String>,
    /// Enabled languages; the first is the default. Never empty.
    pub languages: Vec<Language>,
    /// IANA name.
    pub time_zone: String,
    pub full_run_at: Time,
    pub manager: ManagerMode,
    /// Whether a unique first and last name may stand for a manager.
    pub manager_by_name: bool,
    pub invite: InviteMode,
    pub guard: GuardRule,
    /// Whether a value that Okta clears is cleared here.
    pub clear_empty: bool,
    /// Whether people who are back in scope get their access back.
    pub reactivate: bool,
    /// Whether Okta overrules a deactivation by hand.
    pub okta_wins: bool,
    pub returners: Returners,
    pub map: FieldMap,
    pub exclude: Vec<Exclude>,
}

/// Why a text is not a set of rules. Nothing of it is used then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BadRules {
    /// Counted from 1.
    pub line: Option<usize>,
    pub message: String,
}

impl std::fmt::Display for BadRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGuard {
    people: Spanned<u64>,
    percent: Spanned<u64>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawMap {
    title: Option<Spanned<OneOrMore>>,
    location: Option<Spanned<OneOrMore>>,
    language: Option<Spanned<OneOrMore>>,
    team: Option<Spanned<OneOrMore>>,
    manager: Option<Spanned<OneOrMore>>,
    photo: Option<Spanned<OneOrMore>>,
    start_date: Option<Spanned<OneOrMore>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExclude {
    attribute: Spanned<String>,
    is: Option<String>,
    is_not: Option<String>,
    contains: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    #[serde(default)]
    email_domains: Vec<Spanned<String>>,
    languages: Option<Spanned<Vec<Spanned<String>>>>,
    time_zone: Option<Spanned<String>>,
    full_run_at: Option<Spanned<String>>,
    manager: Option<ManagerMode>,
    manager_by_name: Option<bool>,
    invite: Option<InviteMode>,
    guard: Option<RawGuard>,
    clear_empty: Option<bool>,
    reactivate: Option<bool>,
    okta_wins: Option<bool>,
    returners: Option<Returners>,
    #[serde(default)]
    map: RawMap,
    #[serde(default)]
    exclude: Vec<Spanned<RawExclude>>,
}

/// The largest rules that are read.
const BYTES_MAX: usize = 64 * 1024;
/// The most attributes a field may fall back through, and the most rows of exclusions.
const ROWS_MAX: usize = 50;

impl Rules {
    /// Reads rules from TOML.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, with its line: an unknown key, a wrong kind of value, or a value that cannot be.
    pub fn parse(text: &str) -> Result<Self, BadRules> {
        let bad = |at: usize, message: String| BadRules { line: Some(line_of(text, at)), message };
        if text.len() > BYTES_MAX {
            return Err(BadRules {
                line: None,
                message: format!("the rules are longer than {BYTES_MAX} bytes"),
            });
        }
        let raw: RawRules = toml::from_str(text).map_err(|error| BadRules {
            line: error.span().map(|span| line_of(text, span.start)),
            message: error.message().trim().replace('\n', ", "),
        })?;
        let domains = raw.email_domains.iter().map(|domain| {
            let shown = domain.get_ref().trim().trim_start_matches('@').to_lowercase();
            let fine =
                shown.contains('.') && crate::person::Email::parse(&format!("a@{shown}")).is_ok();
            if fine {
                Ok(shown)
            } else {
                Err(bad(
                    domain.span().start,
                    format!("{:?} is not a domain of e-mail addresses", domain.get_ref()),
                ))
            }
        });
        let languages = match &raw.languages {
            None => vec![Language::ENGLISH_BRITISH],
            Some(list) if list.get_ref().is_empty() => {
                return Err(bad(
                    list.span().start,
                    "at least one language must be enabled".to_owned(),
                ));
            }
            Some(list) => {
                let mut tags = Vec::new();
                for tag in list.get_ref() {
                    let parsed = Language::parse(tag.get_ref()).ok_or_else(|| {
                        bad(
                            tag.span().start,
                            format!(
                                "{:?} is not a language tag (such as en-GB or de)",
                                tag.get_ref()
                            ),
                        )
                    })?;
                    if !tags.contains(&parsed) {
                        tags.push(parsed);
                    }
                }
                tags
            }
        };
        let time_zone = match raw.time_zone {
            None => "UTC".to_owned(),
            Some(zone) => match jiff::tz::TimeZone::get(zone.get_ref()) {
                Ok(_) => zone.into_inner(),
                Err(_) => {
                    let message =
                        format!("{:?} is not a time zone (such as Europe/London)", zone.get_ref());
                    return Err(bad(zone.span().start, message));
                }
            },
        };
        let full_run_at = match raw.full_run_at {
            None => Time::constant(3, 0, 0, 0),
            Some(time) => Time::from_str(time.get_ref()).map_err(|_| {
                bad(
                    time.span().start,
                    format!("{:?} is not a time of day (such as 03:00)", time.get_ref()),
                )
            })?,
        };
        let guard = match raw.guard {
            None => GuardRule { people: 5, percent: 10 },
            Some(guard) => {
                let percent = *guard.percent.get_ref();
                if !(1..=100).contains(&percent) {
                    return Err(bad(
                        guard.percent.span().start,
                        format!("percent must be 1 to 100, not {percent}"),
                    ));
                }
                GuardRule { people: guard.people.into_inner(), percent }
            }
        };
        let names =
            |list: Option<Spanned<OneOrMore>>, default: &[&str]| attributes(list, default, &bad);
        let map = FieldMap {
            title: names(raw.map.title, &["title"])?,
            location: names(raw.map.location, &["city"])?,
            language: names(raw.map.language, &["preferredLanguage", "locale"])?,
            team: names(raw.map.team, &["department"])?,
            manager: names(raw.map.manager, &["managerId", "manager"])?,
            photo: names(raw.map.photo, &["picture"])?,
            start_date: names(raw.map.start_date, &["startDate"])?,
        };
        let mut exclude = Vec::new();
        for row in raw.exclude {
            let at = row.span().start;
            let row = row.into_inner();
            let name = row.attribute.get_ref();
            if !is_attribute(name) {
                return Err(bad(
                    row.attribute.span().start,
                    format!("{name:?} is not the name of an Okta attribute"),
                ));
            }
            let tests =
                [(Test::Is, row.is), (Test::IsNot, row.is_not), (Test::Contains, row.contains)];
            let mut given = tests.into_iter().filter_map(|(test, value)| Some((test, value?)));
            let (Some((test, value)), None) = (given.next(), given.next()) else {
                return Err(bad(
                    at,
                    "an exclusion has exactly one of is, is_not and contains".to_owned(),
                ));
            };
            exclude.push(Exclude { attribute: row.attribute.into_inner(), test, value });
        }
        if exclude.len() > ROWS_MAX {
            return Err(BadRules {
                line: None,
                message: format!("there are more than {ROWS_MAX} exclusions"),
            });
        }
        Ok(Self {
            email_domains: domains.collect::<Result<_, _>>()?,
            languages,
            time_zone,
            full_run_at,
            manager: raw.manager.unwrap_or(ManagerMode::Individual),
            manager_by_name: raw.manager_by_name.unwrap_or(false),
            invite: raw.invite.unwrap_or(InviteMode::Off),
            guard,
            clear_empty: raw.clear_empty.unwrap_or(true),
            reactivate: raw.reactivate.unwrap_or(true),
            okta_wins: raw.okta_wins.unwrap_or(false),
            returners: raw.returners.unwrap_or(Returners::Automatic),
            map,
            exclude,
        })
    }

    /// The rules that a tenant begins with, as TOML with comments.
    pub fn default_text(email_domain: Option<&str>) -> String {
        let domain = email_domain.map(|domain| format!("\"{domain}\"")).unwrap_or_default();
        format!(
            "email_domains = [{domain}]  # accounts may be linked by e-mail only inside these
languages = [\"en-GB\"]  # enabled here; the first is the default
time_zone = \"UTC\"
full_run_at = \"03:00\"
manager = \"individual\"  # or \"team\" (first member's manager), or \"off\"
manager_by_name = false  # may a unique first and last name stand for a manager?
invite = \"off\"  # or \"now\", or \"on_start_date\"
guard = {{ people = 5, percent = 10 }}  # removals above the larger of both are held
clear_empty = true  # clear here what Okta clears
reactivate = true  # people who are back in scope get their access back
okta_wins = false  # may Okta overrule a deactivation by hand?
returners = \"automatic\"  # or \"review\": people who come back under a new Okta id

[map]  # our field = Okta attribute, or a list: the first that is set
title = \"title\"
location = \"city\"
language = [\"preferredLanguage\", \"locale\"]
team = \"department\"
manager = [\"managerId\", \"manager\"]
photo = \"picture\"
start_date = \"startDate\"
"
        )
    }

    /// Every attribute that these rules read, and those that are always kept.
    pub fn attribute_names(&self) -> BTreeSet<String> {
        let map = &self.map;
        [
            &map.title,
            &map.location,
            &map.language,
            &map.team,
            &map.manager,
            &map.photo,
            &map.start_date,
        ]
        .into_iter()
        .flatten()
        .cloned()
        .chain(self.exclude.iter().map(|rule| rule.attribute.clone()))
        .chain(OktaUser::ALWAYS_KEPT.iter().map(|name| (*name).to_owned()))
        .collect()
    }
}

fn attributes(
    list: Option<Spanned<OneOrMore>>,
    default: &[&str],
    bad: &impl Fn(usize, String) -> BadRules,
) -> Result<Vec<String>, BadRules> {
    let Some(list) = list else {
        return Ok(default.iter().map(|name| (*name).to_owned()).collect());
    };
    let at = list.span().start;
    let names = match list.into_inner() {
        // An empty text says that nothing feeds the field.
        OneOrMore::One(name) if name.is_empty() => Vec::new(),
        OneOrMore::One(name) => vec![name],
        OneOrMore::More(names) => names,
    };
    if names.len() > ROWS_MAX {
        return Err(bad(at, format!("a field may name at most {ROWS_MAX} attributes")));
    }
    match names.iter().find(|name| !is_attribute(name)) {
        Some(name) => Err(bad(at, format!("{name:?} is not the name of an Okta attribute"))),
        None => Ok(names),
    }
}

/// Okta's own rule for names of custom attributes: letters, digits and underscores.
fn is_attribute(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b == b'-')
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
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
        let rules = Rules::parse("[map]\ntitle = [\"jobTitle\", \"title\"]\nphoto = \"\"\n")
            .expect("rules");
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
            ("[map]\ntitle = 5",                                        2, "did not match"),
            ("[[exclude]]\nattribute = \"userType\"",                   1, "exactly one of"),
            ("[[exclude]]\nattribute = \"userType\"\nis = \"a\"\ncontains = \"b\"", 1, "exactly one of"),
            ("invite = now",                                            1, ""),
        ];
        for (text, line, message) in cases {
            let bad = Rules::parse(text).expect_err(text);
            assert_eq!(bad.line, Some(line), "{text}: {bad}");
            assert!(bad.message.contains(message), "{text}: {bad}");
        }
    }
}
