//! The rules of a tenant: what Okta's attributes mean here, who is in, and how careful to be.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use crate::mapping::Language;
use crate::okta_user::OktaUser;
use crate::person::Email;

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
    /// Nobody is.
    Off,
    /// As soon as they are in.
    Now,
    /// On their first day; until then they have no access.
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
    /// Always allowed, however few people there are.
    pub people: u64,
    /// 1 to 100, of the people with access.
    pub percent: u64,
}

/// Which Okta attributes feed a field: the first that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMap {
    /// Job title.
    pub title: Vec<String>,
    /// Place of work.
    pub location: Vec<String>,
    /// Language.
    pub language: Vec<String>,
    /// Primary team.
    pub team: Vec<String>,
    /// Manager, in whatever form.
    pub manager: Vec<String>,
    /// Address of the picture.
    pub photo: Vec<String>,
    /// First day of work.
    pub start_date: Vec<String>,
}

/// How an exclusion compares. Texts are compared without case and outer white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// The value, or one of several, is this.
    Is,
    /// None of the values is this; so also when nothing is set.
    IsNot,
    /// The value, or one of several, has this in it.
    Contains,
}

/// People with this attribute stay out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclude {
    /// Name of the Okta attribute.
    pub attribute: String,
    /// How it is compared.
    pub test: Test,
    /// With what. Never blank.
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
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the TOML")]
pub struct Rules {
    /// Lower case. Accounts may be linked by e-mail only inside these.
    pub email_domains: Vec<String>,
    /// Enabled languages; the first is the default. Never empty.
    pub languages: Vec<Language>,
    /// IANA name.
    pub time_zone: String,
    /// When the daily run is due, in that zone.
    pub full_run_at: Time,
    /// How Okta's managers are used.
    pub manager: ManagerMode,
    /// Whether a unique first and last name may stand for a manager.
    pub manager_by_name: bool,
    /// When new people are invited.
    pub invite: InviteMode,
    /// How many removals a run may make by itself.
    pub guard: GuardRule,
    /// Whether a value that Okta clears is cleared here.
    pub clear_empty: bool,
    /// Whether people who are back in scope get their access back.
    pub reactivate: bool,
    /// Whether Okta overrules a deactivation by hand.
    pub okta_wins: bool,
    /// What becomes of people who come back under a new Okta id.
    pub returners: Returners,
    /// Where each field comes from.
    pub map: FieldMap,
    /// Who stays out.
    pub exclude: Vec<Exclude>,
}

/// Why a text is not a set of rules. Nothing of it is used then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct BadRules {
    /// Counted from 1.
    pub line: Option<usize>,
    /// What is wrong, in words.
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

/// One name or a list of names. Written by hand, because a derived choice tells people nothing when neither fits.
struct OneOrMore(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}

struct OneOrMoreVisitor;

impl<'de> Visitor<'de> for OneOrMoreVisitor {
    type Value = OneOrMore;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the name of an Okta attribute, or a list of names")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<OneOrMore, E> {
        // An empty text says that nothing feeds the field.
        Ok(OneOrMore(if name.is_empty() { Vec::new() } else { vec![name.to_owned()] }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<OneOrMore, A::Error> {
        let mut all = Vec::new();
        while let Some(name) = names.next_element()? {
            all.push(name);
        }
        Ok(OneOrMore(all))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGuard {
    people: Option<u64>,
    percent: Option<Spanned<u64>>,
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
    is: Option<Spanned<String>>,
    is_not: Option<Spanned<String>>,
    contains: Option<Spanned<String>>,
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
        let bad = Bad { text };
        let names =
            |list: Option<Spanned<OneOrMore>>, default: &[&str]| attributes(list, default, bad);
        let map = FieldMap {
            title: names(raw.map.title, &["title"])?,
            location: names(raw.map.location, &["city"])?,
            language: names(raw.map.language, &["preferredLanguage", "locale"])?,
            team: names(raw.map.team, &["department"])?,
            manager: names(raw.map.manager, &["managerId", "manager"])?,
            photo: names(raw.map.photo, &["picture"])?,
            start_date: names(raw.map.start_date, &["startDate"])?,
        };
        Ok(Self {
            email_domains: domains(&raw.email_domains, bad)?,
            languages: languages(raw.languages.as_ref(), bad)?,
            time_zone: time_zone(raw.time_zone, bad)?,
            full_run_at: time_of_day(raw.full_run_at.as_ref(), bad)?,
            manager: raw.manager.unwrap_or(ManagerMode::Individual),
            manager_by_name: raw.manager_by_name.unwrap_or(false),
            invite: raw.invite.unwrap_or(InviteMode::Off),
            guard: guard(raw.guard, bad)?,
            clear_empty: raw.clear_empty.unwrap_or(true),
            reactivate: raw.reactivate.unwrap_or(true),
            okta_wins: raw.okta_wins.unwrap_or(false),
            returners: raw.returners.unwrap_or(Returners::Automatic),
            map,
            exclude: exclusions(raw.exclude, bad)?,
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

/// Makes errors that know their line.
#[derive(Clone, Copy)]
struct Bad<'t> {
    text: &'t str,
}

impl Bad<'_> {
    fn at<T>(self, value: &Spanned<T>, message: String) -> BadRules {
        BadRules { line: Some(line_of(self.text, value.span().start)), message }
    }
}

fn domains(list: &[Spanned<String>], bad: Bad<'_>) -> Result<Vec<String>, BadRules> {
    list.iter()
        .map(|domain| {
            let name = domain.get_ref().trim().trim_start_matches('@').to_lowercase();
            if name.contains('.') && Email::parse(&format!("a@{name}")).is_ok() {
                return Ok(name);
            }
            let message = format!("{:?} is not a domain of e-mail addresses", domain.get_ref());
            Err(bad.at(domain, message))
        })
        .collect()
}

fn languages(
    list: Option<&Spanned<Vec<Spanned<String>>>>,
    bad: Bad<'_>,
) -> Result<Vec<Language>, BadRules> {
    let Some(list) = list else { return Ok(vec![Language::ENGLISH_BRITISH]) };
    if list.get_ref().is_empty() {
        return Err(bad.at(list, "at least one language must be enabled".to_owned()));
    }
    let mut tags = Vec::new();
    for text in list.get_ref() {
        let Some(tag) = Language::parse(text.get_ref()) else {
            let message =
                format!("{:?} is not a language tag (such as en-GB or de)", text.get_ref());
            return Err(bad.at(text, message));
        };
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    Ok(tags)
}

fn time_zone(zone: Option<Spanned<String>>, bad: Bad<'_>) -> Result<String, BadRules> {
    let Some(zone) = zone else { return Ok("UTC".to_owned()) };
    if TimeZone::get(zone.get_ref()).is_ok() {
        return Ok(zone.into_inner());
    }
    let message = format!("{:?} is not a time zone (such as Europe/London)", zone.get_ref());
    Err(bad.at(&zone, message))
}

fn time_of_day(time: Option<&Spanned<String>>, bad: Bad<'_>) -> Result<Time, BadRules> {
    let Some(time) = time else { return Ok(Time::constant(3, 0, 0, 0)) };
    Time::from_str(time.get_ref()).map_err(|_| {
        bad.at(time, format!("{:?} is not a time of day (such as 03:00)", time.get_ref()))
    })
}

fn guard(raw: Option<RawGuard>, bad: Bad<'_>) -> Result<GuardRule, BadRules> {
    let (people, percent) = raw.map_or((None, None), |raw| (raw.people, raw.percent));
    let percent = match percent {
        None => 10,
        Some(percent) if (1..=100).contains(percent.get_ref()) => percent.into_inner(),
        Some(percent) => {
            let message = format!("percent must be 1 to 100, not {}", percent.get_ref());
            return Err(bad.at(&percent, message));
        }
    };
    Ok(GuardRule { people: people.unwrap_or(5), percent })
}

fn exclusions(rows: Vec<Spanned<RawExclude>>, bad: Bad<'_>) -> Result<Vec<Exclude>, BadRules> {
    let mut exclude = Vec::new();
    for row in rows {
        if exclude.len() == ROWS_MAX {
            return Err(bad.at(&row, format!("there are more than {ROWS_MAX} exclusions")));
        }
        let RawExclude { attribute, is, is_not, contains } = row.get_ref();
        let name = attribute.get_ref();
        if !is_attribute(name) {
            return Err(bad.at(attribute, format!("{name:?} is not the name of an Okta attribute")));
        }
        let tests = [(Test::Is, is), (Test::IsNot, is_not), (Test::Contains, contains)];
        let mut given = tests.into_iter().filter_map(|(test, value)| Some((test, value.as_ref()?)));
        let (Some((test, value)), None) = (given.next(), given.next()) else {
            let message = "an exclusion has exactly one of is, is_not and contains".to_owned();
            return Err(bad.at(&row, message));
        };
        // Everybody's attribute contains nothing, and nobody's is nothing: a slip that would keep out all or none.
        if value.get_ref().trim().is_empty() {
            return Err(
                bad.at(value, "an exclusion compares with a value, not with nothing".to_owned())
            );
        }
        exclude.push(Exclude { attribute: name.clone(), test, value: value.get_ref().clone() });
    }
    Ok(exclude)
}

fn attributes(
    list: Option<Spanned<OneOrMore>>,
    default: &[&str],
    bad: Bad<'_>,
) -> Result<Vec<String>, BadRules> {
    let Some(list) = list else {
        return Ok(default.iter().map(|name| (*name).to_owned()).collect());
    };
    let OneOrMore(names) = list.get_ref();
    if names.len() > ROWS_MAX {
        return Err(bad.at(&list, format!("a field may name at most {ROWS_MAX} attributes")));
    }
    match names.iter().find(|name| !is_attribute(name)) {
        Some(name) => Err(bad.at(&list, format!("{name:?} is not the name of an Okta attribute"))),
        None => Ok(list.into_inner().0),
    }
}

/// Letters, digits and underscores, which is what Okta allows in names of custom attributes, and the dots and hyphens that
/// attributes of other directories bring.
fn is_attribute(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b == b'-')
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests;
