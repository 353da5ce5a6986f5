//! Fernhill Group, the demo company: 240 people in Okta, 226 of them assigned to the app.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::Value;

use super::chart::Chart;
use super::draft::{Draft, Hold, ManagerBy, drafts, fill};
use super::planted::{Case, Planted, plant};
use crate::ids::Kind;
use crate::profile::Profile;
use crate::stamp::{Seconds, seconds};
use crate::state::Org;
use crate::state::groups::Scope;
use crate::state::people::{Person, Provider, Status};

/// The e-mail of the tenant's first owner, who is in Okta and not assigned to the app.
pub const FIRST_OWNER: &str = "olive.owens@fernhill.example";

/// Builds Fernhill as it stands on a day. The seed changes ids, ordinary names and photos, never the numbers.
pub fn fernhill(seed: u64, today: Date) -> Org {
    let chart = Chart::new();
    let mut drafts = drafts(&chart);
    let cases = plant(&chart, &mut drafts, today);
    let begun = moment(today.checked_sub(3000.days()).unwrap_or(today));
    let mut org = Org::empty("fernhill", seed, begun);
    fill(&mut drafts, &mut org.dice);
    let slots = people(&mut org, &chart, &drafts, today);
    groups(&mut org, &chart, &drafts, &slots);
    remember(&mut org, cases, &slots);
    links(&mut org, &chart, &slots);
    org
}

/// Creates the people; gives the slot of each seat.
fn people(org: &mut Org, chart: &Chart, drafts: &[Draft], today: Date) -> Vec<u32> {
    let mut order: Vec<usize> =
        (0..drafts.len()).filter(|seat| *seat != chart.listed_last).collect();
    order.push(chart.listed_last);
    let mut slots = vec![0; drafts.len()];
    for seat in order {
        let boss = chart.seats[seat].boss.map(|boss| &drafts[boss]);
        let person = person(org, &drafts[seat], boss, today);
        slots[seat] = org.place(person);
    }
    slots
}

fn person(org: &mut Org, draft: &Draft, boss: Option<&Draft>, today: Date) -> Person {
    let age = draft.age_days.unwrap_or(400);
    let born = today.checked_sub(age.days()).unwrap_or(today);
    let created = seconds(moment(born));
    let mut values: Vec<(&str, Value)> = Vec::with_capacity(24);
    let mut set = |name: &'static str, value: Option<&str>| {
        if let Some(value) = value {
            values.push((name, value.into()));
        }
    };
    set("firstName", draft.first.as_deref());
    set("lastName", draft.last.as_deref());
    let display = full_name(draft);
    set("displayName", Some(&display));
    set("login", draft.login.as_deref());
    set("email", draft.email.as_deref());
    set("title", Some(&draft.title));
    set("department", draft.department.as_deref());
    set(
        "organization",
        Some(if draft.number.starts_with("NB") { "Northbeck" } else { "Fernhill" }),
    );
    set("city", draft.city.as_deref());
    set("countryCode", Some(draft.place.country));
    set("timezone", Some(draft.place.zone));
    set("preferredLanguage", draft.preferred.as_deref());
    set("locale", draft.locale.as_deref());
    set("userType", Some(draft.user_type));
    set("employeeNumber", Some(&draft.number));
    set("picture", draft.picture.as_deref());
    // Whoever has no date of their own began a week after Okta knew them.
    let began = born.checked_add(7.days()).unwrap_or(born).to_string();
    let start = draft.start.clone().or_else(|| (!draft.undated).then_some(began));
    set("startDate", start.as_deref());
    let manager_name = boss.map(full_name);
    let manager_id = boss.and_then(|boss| match draft.manager_by {
        ManagerBy::Email => boss.email.clone(),
        ManagerBy::Login => boss.login.clone(),
        ManagerBy::EmployeeNumber => Some(boss.number.clone()),
        ManagerBy::NameOnly => None,
    });
    set("managerId", manager_id.as_deref());
    set("manager", manager_name.as_deref());
    let profile = Profile::from_values(&mut org.pool, values);
    let staged = draft.status == Status::Staged;
    let has_password = draft.provider == Provider::Okta && !staged;
    let left = seconds(moment(today.checked_sub(20.days()).unwrap_or(today)));
    let gone = draft.status == Status::Deprovisioned;
    Person {
        profile,
        status: draft.status,
        before_suspension: Status::Active,
        provider: draft.provider,
        has_password,
        created,
        activated: if staged { 0 } else { created },
        status_changed: if gone { left } else { created },
        last_login: if has_password { left } else { 0 },
        last_updated: if gone { left } else { created },
        password_changed: if has_password { created } else { 0 },
    }
}

/// The groups of the company, and who has the app through which.
fn groups(org: &mut Org, chart: &Chart, drafts: &[Draft], slots: &[u32]) {
    let at = org.created;
    let employees =
        org.place_group("app-learn-employees", "Everyone on the payroll who learns", at);
    let contractors =
        org.place_group("app-learn-contractors", "Contractors and freelancers who learn", at);
    let berlin = org.place_group("berlin-office", "The Berlin office", at);
    let engineers =
        org.place_group("eng-all", "All engineers; not assigned to the learning app", at);
    org.place_app_group(0, employees, at);
    org.place_app_group(0, contractors, at);
    let timesheets = org.place_app("Timesheets", at);
    org.place_app_group(timesheets, engineers, at);
    for ((seat, draft), slot) in chart.seats.iter().zip(drafts).zip(slots.iter().copied()) {
        let gone = draft.status == Status::Deprovisioned;
        let in_employees =
            matches!(draft.hold, Hold::Employees | Hold::BothGroups) || draft.stays_in_group;
        if in_employees {
            org.place_member(employees, slot);
        }
        if matches!(draft.hold, Hold::Contractors | Hold::BothGroups) {
            org.place_member(contractors, slot);
        }
        let scope = match draft.hold {
            Hold::Employees | Hold::BothGroups => Some(Scope::Group(employees)),
            Hold::Contractors => Some(Scope::Group(contractors)),
            Hold::Direct => Some(Scope::User),
            Hold::Unassigned => None,
        };
        let since: Seconds = org.person(slot).map_or(at, |person| person.created);
        if let Some(scope) = scope {
            org.place_assignment(0, slot, scope, since);
        }
        // Okta leaves deactivated people in their groups.
        if draft.city.as_deref() == Some("Berlin") {
            org.place_member(berlin, slot);
        }
        if seat.department == "Engineering" {
            org.place_member(engineers, slot);
            if !gone {
                org.place_assignment(timesheets, slot, Scope::Group(engineers), since);
            }
        }
    }
}

/// Keeps the cases, the administrator and the owner of the token.
fn remember(org: &mut Org, cases: Vec<Case>, slots: &[u32]) {
    for case in cases {
        let people: Vec<u32> = case.seats.iter().map(|seat| slots[*seat]).collect();
        match (case.name, people.first()) {
            ("okta-administrator", Some(slot)) => org.admin = *slot,
            ("service-account", Some(slot)) => {
                if let Some(token) = org.tokens.first_mut() {
                    token.owner = *slot;
                }
            }
            _ => {}
        }
        let okta_ids =
            people.iter().map(|slot| org.ids.id(Kind::User, *slot).to_string()).collect();
        let logins = people
            .iter()
            .filter_map(|slot| org.person(*slot))
            .map(|person| person.profile.text(&org.pool, "login"))
            .collect();
        org.planted.push(Planted { case: case.name, shows: case.shows, okta_ids, logins });
    }
}

/// The same tree as linked objects.
fn links(org: &mut Org, chart: &Chart, slots: &[u32]) {
    for (seat, slot) in chart.seats.iter().zip(slots.iter().copied()) {
        if let Some(boss) = seat.boss {
            let boss = slots[boss];
            org.linked.insert(("manager".to_owned(), slot), vec![boss]);
            org.linked.entry(("subordinate".to_owned(), boss)).or_default().push(slot);
        }
    }
}

fn full_name(draft: &Draft) -> String {
    let first = draft.first.as_deref().unwrap_or_default();
    let last = draft.last.as_deref().unwrap_or_default();
    format!("{first} {last}").trim().to_owned()
}

/// Nine o'clock UTC of a day.
pub(super) fn moment(day: Date) -> Timestamp {
    day.at(9, 0, 0, 0).to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()).unwrap_or_default()
}
