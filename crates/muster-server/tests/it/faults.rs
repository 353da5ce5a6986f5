//! Okta fails, lies or falls silent: whatever it does, nobody loses access by it.

mod lasting;
mod lists;
mod passing;
mod refused;
mod shapes;
mod token;
mod wire;

use std::collections::BTreeSet;

use muster_core::id::OktaUserId;
use muster_core::problem::ProblemCode;
use muster_core::run::RunState;
use muster_oktasim::{Action, Rule};
use muster_server::cli::Exit;
use muster_store::runs::Run;
use serde_json::json;

use crate::support::{Company, Ground, Stand, problem};

/// Enough people for five pages, the last of them short.
pub(crate) const PEOPLE: u32 = 112;
pub(crate) const PAGE: u32 = 25;
pub(crate) const FIRST: u16 = 1;
pub(crate) const MIDDLE: u16 = 3;
pub(crate) const LAST: u16 = 5;

/// A synced company of five pages.
async fn company(ground: &Ground) -> Stand {
    Stand::synced_company(ground, Company::of(PEOPLE).paged(PAGE)).await
}

/// Three people who are truly out and whom no run has noticed yet: two unassigned, one suspended.
struct Leavers(BTreeSet<OktaUserId>);

impl Leavers {
    fn leave(stand: &Stand) -> Self {
        let people = stand.assigned();
        let [suspended, one, other] = [&people[3], &people[40], &people[90]];
        stand.act(&Action::Suspend { who: suspended.clone() });
        stand.act(&Action::Unassign { who: one.clone(), app: None });
        stand.act(&Action::Unassign { who: other.clone(), app: None });
        let id = |who: &String| OktaUserId::parse(&stand.okta_id(who)).expect("an Okta id");
        Self([id(suspended), id(one), id(other)].into())
    }

    /// Once Okta works again the three go, and nobody else.
    async fn are_all_who_go(self, stand: &mut Stand) {
        let before: BTreeSet<_> = stand.with_access().await.into_iter().collect();
        assert!(before.is_superset(&self.0), "they still had access until now");
        let run = stand.sync().await;
        assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 3), "{run:?}");
        let after: BTreeSet<_> = stand.with_access().await.into_iter().collect();
        assert_eq!(before.difference(&after).cloned().collect::<BTreeSet<_>>(), self.0);
    }
}

/// Gives a person a new title in Okta.
fn promote(stand: &Stand, who: &str, title: &str) {
    stand.update(who, json!({ "title": title }));
}

/// Adds a fault to the listing of the app's people.
fn fail(stand: &Stand, rule: Rule) {
    stand.okta.faults(|faults| faults.add(rule));
}

fn mend(stand: &Stand) {
    stand.okta.faults(muster_oktasim::Faults::clear);
}

/// The run was incomplete for this cause, told by a hint with cause and fix, and scripts see it by the exit code.
#[track_caller]
fn is_incomplete(case: &str, run: &Run, code: ProblemCode) {
    assert_eq!(run.state, RunState::Incomplete, "{case}: {run:?}");
    assert_eq!(Exit::of_run(run), Exit::Incomplete, "{case}");
    let told = problem(run, code).unwrap_or_else(|| panic!("{case}: no {code:?} in {run:?}"));
    assert!(told.hint.contains("Nobody was removed"), "{case}: {}", told.hint);
}
