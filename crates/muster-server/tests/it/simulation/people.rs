//! The part of the model that looks at one person: where they stand, and what Okta feeds.

use jiff::civil::Date;
use muster_core::person::{Status, StatusReason};

use super::company::User;
use super::directory::{Row, key};
use super::policy::{Exclusion, Policy};

/// What every value set by hand in the simulation begins with, so that nobody at Okta can have the same.
pub(crate) const BY_HAND: &str = "by hand";

/// Where somebody stands, by D2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    In,
    NotYet(StatusReason),
    Out(StatusReason),
    Excluded,
}

impl Standing {
    /// Whether the company says that they may enter, or will.
    pub(crate) fn is_in(self) -> bool {
        matches!(self, Self::In | Self::NotYet(_))
    }
}

pub(crate) fn standing(user: &User, policy: &Policy, today: Date) -> Standing {
    match user.status.as_str() {
        "SUSPENDED" => return Standing::Out(StatusReason::Suspended),
        "DEPROVISIONED" => return Standing::Out(StatusReason::DeactivatedInOkta),
        _ if !user.assigned => return Standing::Out(StatusReason::Unassigned),
        _ => {}
    }
    let excluded = |rule: &Exclusion| {
        let value = user.text(rule.attribute).map(str::to_lowercase);
        let wanted = rule.value.to_lowercase();
        match rule.test {
            "is" => value.is_some_and(|value| value == wanted),
            "is_not" => value.is_none_or(|value| value != wanted),
            _ => value.is_some_and(|value| value.contains(&wanted)),
        }
    };
    if policy.exclude.iter().any(excluded) {
        return Standing::Excluded;
    }
    if user.status == "STAGED" {
        return Standing::NotYet(StatusReason::Staged);
    }
    let later = start_date(user).is_some_and(|day| day > today);
    if policy.wait_for_start && later {
        Standing::NotYet(StatusReason::BeforeStartDate)
    } else {
        Standing::In
    }
}

pub(crate) fn start_date(user: &User) -> Option<Date> {
    user.text("startDate")?.split('T').next()?.parse().ok()
}

/// The address for comparing, if Okta has one that is one.
pub(crate) fn address(user: &User) -> Option<String> {
    user.text("email")
        .filter(|email| email.contains('@') && !email.contains(' '))
        .map(str::to_lowercase)
}

pub(crate) fn is_by_hand(row: &Row) -> bool {
    row.status == Status::Deactivated && row.reason == StatusReason::ByHand
}

/// D4, D6, D8, D9: everything that Okta feeds, save address and access.
pub(crate) fn feed(row: &mut Row, user: &User, policy: &Policy) {
    row.okta = Some(user.id.clone());
    row.okta_status = Some(user.status.clone());
    row.login = user.text("login").map(str::to_owned);
    row.made = Some(user.created);
    let name = |held: &mut String, said: Option<&str>| {
        if let Some(said) = said {
            said.clone_into(held);
        }
    };
    name(&mut row.first, user.text("firstName"));
    name(&mut row.last, user.text("lastName"));
    let set = |held: &mut Option<String>, said: Option<String>| {
        let keeps = !policy.clear || held.as_ref().is_some_and(|value| value.starts_with(BY_HAND));
        if said.is_some() || !keeps {
            *held = said;
        }
    };
    let short = |text: &str| text.chars().take(255).collect::<String>().trim().to_owned();
    set(&mut row.title, user.text("title").map(short));
    let language = user.text("preferredLanguage").or(user.text("locale"));
    set(&mut row.language, language.map(|text| language_of(text, &policy.languages)));
    set(&mut row.location, user.text("city").map(key));
    set(&mut row.team, user.text("department").map(key));
    set(&mut row.number, user.text("employeeNumber").map(str::to_owned));
    set(&mut row.manager_raw, user.text("managerId").or(user.text("manager")).map(str::to_owned));
    match user.text("picture") {
        // A picture that cannot be had leaves the old one.
        Some(url) if !url.starts_with("https://") => {}
        other => set(&mut row.photo, other.map(str::to_owned)),
    }
    // Days set by hand lie in 2020; nobody at Okta has one there.
    let said = start_date(user).map(|day| day.to_string());
    let by_hand = row.start.as_ref().is_some_and(|day| day.starts_with("2020"));
    if said.is_some() || (policy.clear && !by_hand) {
        row.start = said;
    }
}

/// D8: exact, else the base language, else a sibling, else the tenant's first.
fn language_of(text: &str, enabled: &[&str]) -> String {
    let wanted = match text {
        "en_GB" | "en-gb" => "en-GB",
        "EN" => "en",
        "de_AT" => "de-AT",
        other => other,
    };
    let base = |tag: &str| tag.split('-').next().unwrap_or_default().to_owned();
    let found = enabled
        .iter()
        .find(|tag| **tag == wanted)
        .or_else(|| enabled.iter().find(|tag| **tag == base(wanted)))
        .or_else(|| enabled.iter().find(|tag| base(tag) == base(wanted)));
    found.or(enabled.first()).map(|tag| (*tag).to_owned()).unwrap_or_default()
}
