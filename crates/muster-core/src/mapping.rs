//! From Okta's attributes to our fields. A bad value costs its field and nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;
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
/// Spellings of languages remembered in one go. Real companies have some dozens; more are worked out each time.
const SPELLINGS_MAX: usize = 1_000;

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
    /// It is not set.
    Missing,
    /// It is no address.
    Malformed,
}

/// What Okta says, in our terms. `None` is a value that Okta does not set (or that cannot be used, with a problem).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Primary e-mail.
    pub email: Result<Email, EmailProblem>,
    /// Job title.
    pub title: Option<String>,
    /// One of the tenant's languages.
    pub language: Option<String>,
    /// Place of work.
    pub location: Option<Name>,
    /// Primary team.
    pub team: Option<Name>,
    /// An https address.
    pub photo_url: Option<String>,
    /// A photo address is set but cannot be used: the old picture stays.
    pub photo_refused: bool,
    /// First day of work.
    pub start_date: Option<Date>,
    /// Login at Okta.
    pub login: Option<String>,
    /// Number at the employer.
    pub employee_number: Option<String>,
    /// Name as Okta shows it.
    pub display_name: Option<String>,
    /// What Okta says of the manager, unresolved.
    pub manager_raw: Option<String>,
    /// What could not be used as it was. The e-mail's problem is in [`Self::email`].
    pub problems: Vec<ProblemCode>,
}

/// Why a start date counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the start date is no date")]
pub struct BadDate;

/// Maps one Okta user's attributes by the tenant's rules. For many, keep a [`Mapper`].
pub fn map(user: &OktaUser, rules: &Rules) -> Mapped {
    Mapper::new(rules).map(user)
}

/// Maps many users by the same rules, and remembers what each spelling of a language means.
#[derive(Debug)]
pub struct Mapper<'r> {
    rules: &'r Rules,
    spellings: BTreeMap<String, Understood>,
}

/// What a spelling of a language means to a tenant.
#[derive(Debug, Clone)]
struct Understood {
    tag: Option<String>,
    problem: Option<ProblemCode>,
}

impl<'r> Mapper<'r> {
    /// A mapper by these rules.
    pub fn new(rules: &'r Rules) -> Self {
        Self { rules, spellings: BTreeMap::new() }
    }

    /// Maps one user. The same user gives the same answer, whoever came before.
    pub fn map(&mut self, user: &OktaUser) -> Mapped {
        let from = &self.rules.map;
        let mut problems = Vec::new();
        let email = match user.attributes.text("email") {
            None => Err(EmailProblem::Missing),
            Some(text) => Email::parse(&text).map_err(|_| EmailProblem::Malformed),
        };
        let kept = |name: &str, problems: &mut Vec<ProblemCode>| {
            user.attributes.text(name).and_then(|text| short(&text, problems))
        };
        let (photo_url, photo_refused) = photo(user, self.rules, &mut problems);
        let start_date = start_date(user, self.rules).unwrap_or_else(|BadDate| {
            problems.push(ProblemCode::StartDateMalformed);
            None
        });
        Mapped {
            first_name: kept("firstName", &mut problems),
            last_name: kept("lastName", &mut problems),
            email,
            title: first_set(user, &from.title).and_then(|text| short(&text, &mut problems)),
            language: first_set(user, &from.language)
                .and_then(|text| self.language(&text, &mut problems)),
            location: first_set(user, &from.location).and_then(|text| place(&text, &mut problems)),
            team: first_set(user, &from.team).and_then(|text| place(&text, &mut problems)),
            photo_url,
            photo_refused,
            start_date,
            login: kept("login", &mut problems),
            employee_number: kept("employeeNumber", &mut problems),
            display_name: kept("displayName", &mut problems),
            manager_raw: first_set(user, &from.manager)
                .and_then(|text| short(&text, &mut problems)),
            problems,
        }
    }

    fn language(&mut self, text: &str, problems: &mut Vec<ProblemCode>) -> Option<String> {
        // The usual case needs no parsing: the tag is spelled as it is enabled.
        if let Some(same) = self.rules.languages.iter().find(|tag| tag.as_str() == text) {
            return Some(same.to_string());
        }
        if let Some(understood) = self.spellings.get(text) {
            problems.extend(understood.problem);
            return understood.tag.clone();
        }
        let understood = understand(text, &self.rules.languages);
        if self.spellings.len() < SPELLINGS_MAX {
            self.spellings.insert(text.to_owned(), understood.clone());
        }
        problems.extend(understood.problem);
        understood.tag
    }
}

/// The start date that Okta sets, if any.
///
/// # Errors
///
/// [`BadDate`] if one is set and is no date.
pub fn start_date(user: &OktaUser, rules: &Rules) -> Result<Option<Date>, BadDate> {
    let Some(text) = first_set(user, &rules.map.start_date) else { return Ok(None) };
    let text = text.trim();
    // A date, or a moment of which the date counts: 2026-11-24T00:00:00.000Z.
    let date = text.split(['T', ' ']).next().unwrap_or(text);
    if date.len() != "2026-11-24".len() {
        return Err(BadDate);
    }
    date.parse().map(Some).map_err(|_| BadDate)
}

fn first_set<'u>(user: &'u OktaUser, names: &[String]) -> Option<Cow<'u, str>> {
    names.iter().filter_map(|name| user.attributes.text(name)).find(|text| !text.trim().is_empty())
}

/// Trims and shortens; line breaks and other control characters become spaces.
fn short(text: &str, problems: &mut Vec<ProblemCode>) -> Option<String> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    // As many bytes are at most as many characters: the usual text is taken as it is.
    if text.len() <= TEXT_MAX && !text.chars().any(char::is_control) {
        return Some(text.to_owned());
    }
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let plain = plain.trim();
    let Some((end, _)) = plain.char_indices().nth(TEXT_MAX) else {
        return (!plain.is_empty()).then(|| plain.to_owned());
    };
    problems.push(ProblemCode::TextShortened);
    Some(plain[..end].trim_end().to_owned())
}

fn place(text: &str, problems: &mut Vec<ProblemCode>) -> Option<Name> {
    Name::parse(&short(text, problems)?)
}

/// Exact, else the base language, else another variant of the language, else the tenant's default.
fn understand(text: &str, enabled: &[Language]) -> Understood {
    let default = || enabled.first().map(ToString::to_string);
    let Some(wanted) = Language::parse(text).filter(is_known) else {
        return Understood { tag: default(), problem: Some(ProblemCode::LanguageUnknown) };
    };
    let exact = enabled.iter().find(|tag| **tag == wanted);
    let base = || enabled.iter().find(|tag| tag.as_str() == wanted.base());
    let sibling = || enabled.iter().find(|tag| tag.base() == wanted.base());
    if let Some(tag) = exact.or_else(base).or_else(sibling) {
        return Understood { tag: Some(tag.to_string()), problem: None };
    }
    Understood { tag: default(), problem: Some(ProblemCode::LanguageNotEnabled) }
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
mod tests;
