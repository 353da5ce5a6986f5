//! Too many at once: removals wait for a human, who approves exactly what was shown, once, or drops it.

mod approval;
mod bounds;
mod held;

use std::collections::BTreeSet;

use muster_core::id::{OktaUserId, RunId};
use muster_core::problem::ProblemCode::RemovalsHeld;
use muster_core::run::RunState;
use muster_oktasim::Action;
use muster_server::cli::Exit;
use muster_store::StoreError;
use muster_store::items::ItemState;
use muster_store::runs::Run;

use crate::support::{Stand, problem};

/// People of a stand, a multiple of three. One of them is suspended from the start: the others have access.
const PEOPLE: u32 = 90;

fn id(stand: &Stand, who: &str) -> OktaUserId {
    OktaUserId::parse(&stand.okta_id(who)).expect("an Okta id")
}

fn ids<'a>(stand: &Stand, who: impl IntoIterator<Item = &'a String>) -> BTreeSet<OktaUserId> {
    who.into_iter().map(|who| id(stand, who)).collect()
}

async fn access(stand: &Stand) -> BTreeSet<OktaUserId> {
    stand.with_access().await.into_iter().collect()
}

/// Takes every third person out of the app, as if a group had been removed by mistake; tells who they are.
fn unassign_a_third(stand: &Stand) -> Vec<String> {
    let people: Vec<String> = stand.assigned().into_iter().step_by(3).collect();
    for who in &people {
        stand.act(&Action::Unassign { who: who.clone(), app: None });
    }
    people
}

fn assign(stand: &Stand, who: &str) {
    stand.act(&Action::Assign { who: who.to_owned(), app: None });
}

/// The run holds exactly these removals, says so with the way on, and nobody lost access.
async fn holds(stand: &Stand, run: &Run, who: &BTreeSet<OktaUserId>) {
    assert_eq!((run.state, Exit::of_run(run)), (RunState::Held, Exit::Held), "{run:?}");
    assert_eq!((run.counts.held, run.counts.deactivated), (who.len() as u64, 0), "{run:?}");
    let held: BTreeSet<_> = stand.removals(run.id, ItemState::Held).await.into_iter().collect();
    assert_eq!(held, *who);
    let told = problem(run, RemovalsHeld).expect("a problem");
    assert_eq!(told.people, who.len() as u64);
    for way in ["--approve", "run discard", "Nobody has lost access", &run.id.to_string()] {
        assert!(told.hint.contains(way), "no {way:?} in {}", told.hint);
    }
    assert!(access(stand).await.is_superset(who), "somebody lost access");
}

/// Asking was refused in words that name the run and say why.
#[track_caller]
fn is_refused<T: std::fmt::Debug>(answer: Result<T, StoreError>, run: RunId, why: &str) {
    match answer {
        Err(StoreError::Conflict(text)) => {
            assert!(text.contains(&run.to_string()) && text.contains(why), "{text}");
        }
        other => panic!("not refused: {other:?}"),
    }
}
