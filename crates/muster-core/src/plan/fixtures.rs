//! People and Okta users for tests, plain until a test changes them.

use jiff::civil::Date;
use uuid::Uuid;

use super::*;
use crate::okta_user::Attributes;

pub(crate) const TODAY: Date = Date::constant(2026, 11, 24);

pub(crate) fn now() -> Timestamp {
    "2026-11-24T03:00:00Z".parse().expect("a moment")
}

pub(crate) fn days_ago(days: i64) -> Option<Timestamp> {
    now().checked_sub(SignedDuration::from_hours(24 * days)).ok()
}

pub(crate) fn date(year: i16, month: i8, day: i8) -> Date {
    Date::constant(year, month, day)
}

pub(crate) fn okta_id(text: &str) -> OktaUserId {
    OktaUserId::parse(text).expect("an id")
}

pub(crate) fn person_id(n: u128) -> PersonId {
    PersonId::new(Uuid::from_u128(n))
}

pub(crate) fn ana() -> Vec<(&'static str, &'static str)> {
    vec![
        ("login", "ana@acme.example"),
        ("email", "ana@acme.example"),
        ("firstName", "Ana"),
        ("lastName", "Ito"),
        ("department", "Sales"),
    ]
}

pub(crate) fn user(id: &str, status: &str, attributes: &[(&str, &str)]) -> OktaUser {
    let mut kept = Attributes::default();
    for (name, value) in attributes {
        kept.insert(name, (*value).into());
    }
    OktaUser { id: okta_id(id), status: OktaStatus::parse(status), created: None, attributes: kept }
}

/// An account made by hand: Ana Ito, whom Okta does not know.
pub(crate) fn person(n: u128, email: &str) -> Person {
    let email = Email::parse(email).expect("an address");
    Person {
        id: person_id(n),
        version: 1,
        role: Role::Learner,
        break_glass: false,
        pinned: FieldSet::default(),
        deactivated_at: None,
        profile: Profile {
            first_name: "Ana".to_owned(),
            last_name: "Ito".to_owned(),
            ..nobody(&email, Status::Active, StatusReason::Unmanaged)
        },
    }
}

pub(crate) fn rules(text: &str) -> Rules {
    Rules::parse(&format!("email_domains = [\"acme.example\"]\n{text}")).expect("rules")
}

/// What the directory holds after `planned` was carried out, as the store does it.
pub(crate) fn applied(
    row: &Row,
    planned: &Planned,
    new: PersonId,
    at: Timestamp,
) -> Option<Person> {
    let after = planned.after.clone()?;
    let old = row.known.as_ref().or_else(|| row.facts.account(planned.target?));
    let out = after.status == Status::Deactivated;
    Some(Person {
        id: planned.target.unwrap_or(new),
        version: old.map_or(1, |old| old.version + 1),
        role: old.map_or(Role::Learner, |old| old.role),
        break_glass: old.is_some_and(|old| old.break_glass),
        pinned: old.map(|old| old.pinned).unwrap_or_default(),
        deactivated_at: out.then(|| old.and_then(|old| old.deactivated_at).unwrap_or(at)),
        profile: after,
    })
}
