//! Approving: exactly the people of the list who are still out, each read again, once.

use std::collections::BTreeSet;

use muster_core::id::RunId;
use muster_core::problem::ProblemCode::{TokenNarrowed, TokenRefused};
use muster_core::run::{RunCause, RunKind, RunState};
use muster_oktasim::{Action, Area, Fault, Right, Rule, TokenState};
use muster_server::cli::Exit;
use muster_store::items::ItemState;
use serde_json::json;

use super::{PEOPLE, access, assign, holds, id, ids, is_refused, unassign_a_third};
use crate::support::{Company, Ground, Stand, on_both_engines, problem};

on_both_engines! {
    an_approval_removes_exactly_the_people_of_its_list_who_are_still_out,
    an_approval_happens_once,
    approving_twice_at_the_same_time_is_one_approval,
    a_run_that_holds_nothing_cannot_be_approved,
    an_approval_that_okta_refuses_can_be_given_again,
    an_approval_that_okta_cannot_answer_can_be_given_again,
    hidden_people_are_not_removed_by_an_approval,
    an_approval_works_when_the_first_people_of_the_list_were_deleted,
    people_kept_out_by_a_new_rule_are_held_and_can_be_approved,
    of_two_held_runs_each_is_settled_by_itself,
}

async fn held_third(ground: &Ground) -> (Stand, Vec<String>, RunId) {
    let mut stand = Stand::synced(ground, PEOPLE).await;
    let third = unassign_a_third(&stand);
    let run = stand.sync().await;
    holds(&stand, &run, &ids(&stand, &third)).await;
    (stand, third, run.id)
}

async fn an_approval_removes_exactly_the_people_of_its_list_who_are_still_out(ground: &Ground) {
    let (mut stand, third, held) = held_third(ground).await;
    let before = access(&stand).await;
    // Two are back, one was suspended meanwhile, one deleted; two more left since and nobody has looked at them.
    assign(&stand, &third[0]);
    assign(&stand, &third[1]);
    stand.act(&Action::Suspend { who: third[2].clone() });
    let deleted = id(&stand, &third[3]);
    let expected: BTreeSet<_> = ids(&stand, &third[2..]);
    stand.act(&Action::Delete { who: third[3].clone() });
    let since: Vec<_> =
        stand.assigned().into_iter().filter(|who| !third.contains(who)).take(2).collect();
    for who in &since {
        stand.act(&Action::Unassign { who: who.clone(), app: None });
    }
    stand.update(&since[0], json!({"title": "Not For An Approval"}));
    stand.line.take_calls();
    let run = stand.approve(held).await.expect("approved");
    assert_eq!((run.state, Exit::of_run(&run)), (RunState::Done, Exit::Done), "{run:?}");
    assert_eq!((run.cause, run.approves), (RunCause::Approval, Some(held)));
    let gone: BTreeSet<_> = before.difference(&access(&stand).await).cloned().collect();
    assert_eq!(gone, expected);
    assert_eq!(
        (run.counts.deactivated, run.counts.unchanged),
        (expected.len() as u64, 2),
        "{run:?}"
    );
    let listed = stand.line.take_calls().into_iter().any(|call| call.path.contains("/users?"));
    assert!(!listed, "an approval reads single people, no listing");
    let reason = |person: &muster_store::people_view::PersonView| person.status_reason.as_str();
    assert_eq!(reason(&stand.here(&third[2]).await), "suspended");
    assert_eq!(reason(&stand.here(deleted.as_str()).await), "deleted_in_okta");
    assert_eq!(reason(&stand.here(&third[4]).await), "unassigned");
    assert_ne!(stand.here(&since[0]).await.title.as_deref(), Some("Not For An Approval"));

    let settled = stand.tenant.run(held).await.expect("a look").expect("a run");
    assert_eq!(settled.state, RunState::Done);
    assert_eq!(
        (settled.counts.held, settled.counts.deactivated),
        (0, expected.len() as u64),
        "{settled:?}"
    );
    let applied: BTreeSet<_> = stand.removals(held, ItemState::Applied).await.into_iter().collect();
    assert_eq!(applied, expected);
    // Those who left since go with the next run: two are no reason to ask.
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 2), "{run:?}");
}

async fn an_approval_happens_once(ground: &Ground) {
    let (mut stand, third, held) = held_third(ground).await;
    let run = stand.approve(held).await.expect("approved");
    assert_eq!(
        (run.state, run.counts.deactivated),
        (RunState::Done, third.len() as u64),
        "{run:?}"
    );
    // One is given the app back, and gets access with the next run. The old approval must not take it again.
    let after = access(&stand).await;
    is_refused(stand.approve(held).await, held, "holds no removals");
    is_refused(stand.discard(held).await, held, "holds no removals");
    is_refused(stand.approve(run.id).await, run.id, "holds no removals");
    assert_eq!(access(&stand).await, after);
    let run = stand.sync().await;
    assert_eq!(
        (run.state, run.counts.held, run.counts.deactivated),
        (RunState::Done, 0, 0),
        "{run:?}"
    );
}

async fn approving_twice_at_the_same_time_is_one_approval(ground: &Ground) {
    let (mut stand, third, held) = held_third(ground).await;
    let first = stand.ask(RunKind::Full, Some(held)).await.expect("asked");
    let second = stand.ask(RunKind::Full, Some(held)).await.expect("joined");
    assert_eq!(first, second);
    is_refused(stand.discard(held).await, held, "being approved");
    let run = Box::pin(stand.engine.drive(&stand.tenant, first)).await.expect("a run");
    assert_eq!(
        (run.state, run.counts.deactivated),
        (RunState::Done, third.len() as u64),
        "{run:?}"
    );
    stand.check().await;
    let deactivations =
        stand.tables.texts("SELECT kind FROM history WHERE kind = 'deactivate'").await;
    assert_eq!(deactivations.len(), third.len(), "each is removed once");
}

async fn a_run_that_holds_nothing_cannot_be_approved(ground: &Ground) {
    let mut stand = Stand::synced(ground, 10).await;
    let done = stand.sync().await.id;
    is_refused(stand.approve(done).await, done, "holds no removals: it is done");
    is_refused(stand.discard(done).await, done, "holds no removals: it is done");
    let nowhere: RunId = stand.engine.id(stand.now());
    is_refused(stand.approve(nowhere).await, nowhere, "there is no run");
    is_refused(stand.discard(nowhere).await, nowhere, "there is no run");
}

async fn an_approval_that_okta_refuses_can_be_given_again(ground: &Ground) {
    let (mut stand, third, held) = held_third(ground).await;
    let before = access(&stand).await;
    stand.okta.set_token_state(TokenState::Revoked);
    let run = stand.approve(held).await.expect("asked");
    assert_eq!((run.state, Exit::of_run(&run)), (RunState::Failed, Exit::Refused), "{run:?}");
    assert!(problem(&run, TokenRefused).is_some());
    assert_eq!(access(&stand).await, before);
    stand.okta.set_token_state(TokenState::Ok);
    // In the middle of it, too.
    stand.okta.faults(|faults| {
        faults.add(Rule::on("/api/v1/users/").nth(20).fault(Fault::Status(403)));
    });
    let run = stand.approve(held).await.expect("asked");
    assert_eq!(run.state, RunState::Failed, "{run:?}");
    assert_eq!(access(&stand).await, before, "all of them or nobody");
    stand.okta.faults(muster_oktasim::Faults::clear);
    let standing = stand.tenant.run(held).await.expect("a look").expect("a run");
    holds(&stand, &standing, &ids(&stand, &third)).await;
    let run = stand.approve(held).await.expect("approved");
    assert_eq!(
        (run.state, run.counts.deactivated),
        (RunState::Done, third.len() as u64),
        "{run:?}"
    );
}

async fn an_approval_that_okta_cannot_answer_can_be_given_again(ground: &Ground) {
    let (mut stand, third, held) = held_third(ground).await;
    let before = access(&stand).await;
    for fault in [Fault::Status(500), Fault::Drop, Fault::Html] {
        stand
            .okta
            .faults(|faults| faults.add(Rule::on("/api/v1/users/").nth(20).fault(fault.clone())));
        let run = stand.approve(held).await.expect("asked");
        assert_eq!(
            (run.state, Exit::of_run(&run)),
            (RunState::Incomplete, Exit::Incomplete),
            "{run:?}"
        );
        assert_eq!(access(&stand).await, before, "{fault:?}");
        stand.okta.faults(muster_oktasim::Faults::clear);
    }
    let run = stand.approve(held).await.expect("approved");
    assert_eq!(
        (run.state, run.counts.deactivated),
        (RunState::Done, third.len() as u64),
        "{run:?}"
    );
}

async fn hidden_people_are_not_removed_by_an_approval(ground: &Ground) {
    let (mut stand, third, held) = held_third(ground).await;
    let before = access(&stand).await;
    for (log, hidden) in [(Right::Read, &third[10..11]), (Right::None, &third[10..16])] {
        stand.okta.set_right(Area::Logs, log);
        stand.okta.hide(hidden).expect("hidden");
        let run = stand.approve(held).await.expect("asked");
        assert_eq!(run.state, RunState::Incomplete, "{run:?}");
        assert!(problem(&run, TokenNarrowed).is_some(), "{run:?}");
        assert_eq!(access(&stand).await, before);
    }
    stand.okta.hide(&[]).expect("shown");
    let run = stand.approve(held).await.expect("approved");
    assert_eq!(
        (run.state, run.counts.deactivated),
        (RunState::Done, third.len() as u64),
        "{run:?}"
    );
}

async fn an_approval_works_when_the_first_people_of_the_list_were_deleted(ground: &Ground) {
    let mut stand = Stand::synced(ground, PEOPLE).await;
    let mut people = stand.assigned();
    people.sort_by_key(|who| stand.okta_id(who));
    people.truncate(20);
    let expected = ids(&stand, &people);
    for who in &people {
        stand.act(&Action::Delete { who: who.clone() });
    }
    let run = stand.sync().await;
    holds(&stand, &run, &expected.intersection(&access(&stand).await).cloned().collect()).await;
    let held = run.counts.held;
    let run = stand.approve(run.id).await.expect("approved");
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, held), "{run:?}");
    assert!(access(&stand).await.is_disjoint(&expected));
}

async fn people_kept_out_by_a_new_rule_are_held_and_can_be_approved(ground: &Ground) {
    const RULES: &str = "email_domains = [\"fernhill.example\"]\n[[exclude]]\nattribute = \"department\"\nis = \"Engineering\"\n";
    let mut stand = Stand::synced_company(ground, Company::of(PEOPLE)).await;
    let before = access(&stand).await;
    let mut engineers = BTreeSet::new();
    for person in stand.people().await {
        if person.team.as_deref() == Some("Engineering") {
            engineers.extend(person.okta_user_id.filter(|id| before.contains(id)));
        }
    }
    assert!(engineers.len() > 9, "enough of them to be held");
    stand.set_rules(RULES).await;
    let run = stand.sync().await;
    holds(&stand, &run, &engineers).await;
    // One of them moves to another team before somebody looks: he is in again.
    let moved = engineers.pop_first().expect("somebody");
    stand.update(moved.as_str(), json!({"department": "Marketing"}));
    let run = stand.approve(run.id).await.expect("approved");
    assert_eq!(
        (run.state, run.counts.deactivated),
        (RunState::Done, engineers.len() as u64),
        "{run:?}"
    );
    let gone: BTreeSet<_> = before.difference(&access(&stand).await).cloned().collect();
    assert_eq!(gone, engineers);
    let person = stand.here(engineers.first().expect("somebody").as_str()).await;
    assert_eq!(person.status_reason.as_str(), "filtered");
    let run = stand.sync().await;
    assert_eq!(
        (run.state, run.counts.deactivated, run.counts.held),
        (RunState::Done, 0, 0),
        "{run:?}"
    );
}

async fn of_two_held_runs_each_is_settled_by_itself(ground: &Ground) {
    let (mut stand, third, first) = held_third(ground).await;
    let second = stand.sync().await.id;
    let run = stand.approve(second).await.expect("approved");
    assert_eq!(run.counts.deactivated, third.len() as u64);
    let after = access(&stand).await;
    // Everybody of the older list is out already: approving it removes nobody twice.
    let run = stand.approve(first).await.expect("approved");
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 0), "{run:?}");
    assert_eq!(access(&stand).await, after);
    let deactivations =
        stand.tables.texts("SELECT kind FROM history WHERE kind = 'deactivate'").await;
    assert_eq!(deactivations.len(), third.len());
}
