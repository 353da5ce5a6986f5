//! The accounts that Fernhill made by hand before it connected Okta.

use serde::Serialize;

use super::planted::LINKABLE;
use crate::state::Org;

/// One account as the platform knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HandMade {
    pub email: String,
    pub first: String,
    pub last: String,
    /// `learner`, `admin` or `owner`.
    pub role: &'static str,
    pub title: Option<String>,
    pub start_date: Option<String>,
    pub employee_number: Option<String>,
}

/// The thirty accounts: 24 learners with an Okta user's e-mail, 2 likely duplicates with another e-mail, 3 external
/// people (one of them the admin whose foreign e-mail an Okta user shares), and the second owner. Empty for any org but
/// Fernhill. The first owner is not among them: that account is made with the tenant.
pub fn hand_made(org: &Org) -> Vec<HandMade> {
    if org.name != "fernhill" {
        return Vec::new();
    }
    let mut accounts: Vec<HandMade> =
        logins(org, LINKABLE).iter().filter_map(|login| account(org, login, "learner")).collect();
    for login in logins(org, "likely-duplicate") {
        if let Some(account) = account(org, &login, "learner") {
            let name = account.first.to_lowercase();
            accounts.push(HandMade { email: format!("{name}.double@mail.example"), ..account });
        }
    }
    accounts.push(external(
        "boris.boardman@boardroom.example",
        "Boris",
        "Boardman",
        "Board member",
    ));
    accounts.push(external(
        "coral.coachman@coaching.example",
        "Coral",
        "Coachman",
        "External coach",
    ));
    for (case, role) in [("foreign-domain-admin", "admin"), ("second-owner", "owner")] {
        accounts.extend(logins(org, case).iter().filter_map(|login| account(org, login, role)));
    }
    accounts
}

fn account(org: &Org, login: &str, role: &'static str) -> Option<HandMade> {
    let person = org.person(org.slot_of_login(login)?)?;
    let text = |name: &str| person.profile.text(&org.pool, name);
    let set = |name: &str| Some(text(name)).filter(|text| !text.is_empty());
    Some(HandMade {
        email: text("email"),
        first: text("firstName"),
        last: text("lastName"),
        role,
        title: set("title"),
        start_date: set("startDate"),
        employee_number: None,
    })
}

fn external(email: &str, first: &str, last: &str, title: &str) -> HandMade {
    HandMade {
        email: email.to_owned(),
        first: first.to_owned(),
        last: last.to_owned(),
        role: "learner",
        title: Some(title.to_owned()),
        start_date: None,
        employee_number: None,
    }
}

fn logins(org: &Org, case: &str) -> Vec<String> {
    org.planted
        .iter()
        .filter(|planted| planted.case == case)
        .flat_map(|planted| planted.logins.clone())
        .collect()
}
