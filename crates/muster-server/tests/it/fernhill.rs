//! Fernhill Group, the demo company: every case that is planted there, from the first preview through a year of changes.

mod cases;
mod changes;
mod first_runs;
mod identities;
mod managers;
mod rules;

use muster_core::person::{Status, StatusReason};
use muster_store::people_view::PersonView;

use crate::support::Stand;

/// Tables that hold the directory: a run that changes nobody writes none of their rows.
const DIRECTORY: [&str; 5] = ["people", "teams", "memberships", "locations", "history"];

const ACTIVE: (Status, StatusReason) = (Status::Active, StatusReason::Assigned);

/// All rows of the directory.
async fn directory(stand: &Stand) -> Vec<(&'static str, Vec<String>)> {
    let mut all = Vec::new();
    for table in DIRECTORY {
        all.push((table, stand.tables.dump(table).await));
    }
    all
}

/// The logins of the people who show a case.
fn planted(stand: &Stand, case: &str) -> Vec<String> {
    let found = stand.okta.with(|org| {
        org.planted()
            .iter()
            .find(|planted| planted.case == case)
            .map(|planted| planted.logins.clone())
    });
    found.unwrap_or_else(|| panic!("no case {case}"))
}

/// The login of the only person, or of the first, who shows a case.
fn one(stand: &Stand, case: &str) -> String {
    planted(stand, case).remove(0)
}

/// The e-mail of somebody's effective manager.
fn led_by(person: &PersonView) -> Option<&str> {
    person.manager.as_ref().map(|manager| manager.email.as_str())
}
