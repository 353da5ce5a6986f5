//! What owners and admins do in Muster by hand.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_core::id::{IdSource, PersonId};
use muster_core::name::Name;
use muster_core::person::{Email, Role};
use muster_store::TenantDb;
use muster_store::accounts::NewAccount;
use muster_store::error::StoreError;
use muster_store::history::By;
use muster_store::people::PersonKey;

use super::dice::Dice;
use super::directory::Directory;
use super::people::{BY_HAND, is_by_hand};

pub(crate) const BY: By<'static> =
    By { actor: "os:olga", cause: "cli", run: None, reason: Some("simulated") };

/// Who was given whom as manager by hand.
pub(crate) type HandManagers = BTreeMap<PersonId, PersonId>;

/// Does one thing by hand, if Muster lets it happen; says in words what.
pub(crate) async fn happen(
    tenant: &TenantDb,
    seen: &Directory,
    managers: &mut HandManagers,
    next_hire: usize,
    ids: &mut IdSource,
    now: Timestamp,
    dice: &mut Dice,
) -> Result<String, StoreError> {
    let Some(row) = dice.any(&seen.rows) else { return Ok("nobody here".to_owned()) };
    let (Some(id), email) = (row.id, row.email.clone()) else {
        return Ok("nobody here".to_owned());
    };
    let key = PersonKey::Id(id);
    let (what, done) = match dice.below(12) {
        0 | 1 => ("deactivate", tenant.deactivate_by_hand(&key, BY, ids, now).await.map(drop)),
        2 | 3 => {
            let out: Vec<_> =
                seen.rows.iter().filter(|row| is_by_hand(row)).filter_map(|row| row.id).collect();
            let Some(id) = dice.any(&out) else { return Ok("nobody to reactivate".to_owned()) };
            (
                "reactivate",
                tenant.reactivate_by_hand(&PersonKey::Id(id), false, BY, ids, now).await.map(drop),
            )
        }
        4 => {
            let Some(other) = dice.pick(&seen.rows).id else { return Ok(String::new()) };
            let done = tenant.set_manager_by_hand(&key, Some(other), BY, ids, now).await;
            if done.is_ok() {
                managers.insert(id, other);
            }
            ("manager by hand", done)
        }
        5 => {
            let done = tenant.set_manager_by_hand(&key, None, BY, ids, now).await;
            if done.is_ok() {
                managers.remove(&id);
            }
            ("no manager by hand", done)
        }
        6 => ("protect", tenant.set_protected(&key, !row.protected, BY, ids, now).await.map(drop)),
        7 => ("confirm", tenant.confirm_return(&key, BY, ids, now).await),
        8 => {
            let teams = tenant.teams().await?;
            let Some(team) = dice.any(&teams) else { return Ok("no team".to_owned()) };
            ("lead a team", tenant.set_team_manager(team.id, Some(id), BY, ids, now).await)
        }
        _ => {
            let account = account(next_hire, dice);
            let said = format!("add {} as {}", account.email.shown(), account.role);
            let done = tenant.add_people(&[account], BY, ids, now).await.map(drop);
            return refusable(done).map(|refused| format!("{said}{refused}"));
        }
    };
    refusable(done).map(|refused| format!("{what} {email}{refused}"))
}

/// A refusal in words is an answer; anything else is a fault.
fn refusable(done: Result<(), StoreError>) -> Result<String, StoreError> {
    match done {
        Ok(()) => Ok(String::new()),
        Err(
            StoreError::Conflict(_)
            | StoreError::NotFound(_)
            | StoreError::LastOwner
            | StoreError::Taken(_),
        ) => Ok(" (refused)".to_owned()),
        Err(other) => Err(other),
    }
}

/// An account that Okta does not know: of somebody whom it will know, of somebody else, or of a likely double.
pub(crate) fn account(next_hire: usize, dice: &mut Dice) -> NewAccount {
    let role = dice.pick(&[
        Role::Learner,
        Role::Learner,
        Role::Learner,
        Role::Hr,
        Role::Admin,
        Role::Owner,
    ]);
    let twin = dice.chance(15);
    let address = match dice.below(6) {
        _ if twin => format!("twin.{}@acme.example", dice.below(1_000)),
        0 => format!("board.{}@elsewhere.example", dice.below(1_000)),
        1 => format!("new.{}@acme.example", dice.below(12)),
        2 => format!("p.{}@partner.example", next_hire + dice.below(4)),
        _ => format!("p.{}@acme.example", next_hire + dice.below(4)),
    };
    let mut account = NewAccount::new(Email::parse(&address).expect("an address"), role);
    account.first_name = dice.pick(&["Ana", "Bo", "Cy"]).to_owned();
    account.last_name = dice.pick(&["Ito", "Jones", "King"]).to_owned();
    if dice.chance(50) {
        account.title = Some(format!("{BY_HAND}: chair"));
        account.team = Name::parse(&format!("{BY_HAND} crew"));
        account.location = Name::parse(&format!("{BY_HAND} place"));
        account.start_date = Some(jiff::civil::date(2020, 2, 3));
    }
    if twin {
        account.employee_number = Some(format!("E{:03}", next_hire + dice.below(3)));
    } else if dice.chance(40) {
        account.employee_number = Some(format!("{BY_HAND} {}", dice.below(1_000)));
    }
    account
}
