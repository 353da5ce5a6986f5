//! A run that holds its removals does everything else.

use std::collections::BTreeSet;

use muster_core::problem::ProblemCode::NobodyAssigned;
use muster_core::run::RunState;
use muster_oktasim::Action;
use muster_store::items::ItemState;
use serde_json::json;

use super::{PEOPLE, access, assign, holds, id, ids, is_refused, unassign_a_third};
use crate::support::{Ground, Stand, on_both_engines, problem};

on_both_engines! {
    a_third_unassigned_is_held_and_everything_else_is_done,
    another_run_holds_again,
    whoever_comes_back_is_held_no_longer,
    a_discarded_run_removes_nobody,
    nobody_assigned_at_all_is_held,
    suspended_and_unassigned_people_count_together,
    a_preview_shows_what_would_be_held,
}

async fn a_third_unassigned_is_held_and_everything_else_is_done(ground: &Ground) {
    let mut stand = Stand::synced(ground, PEOPLE).await;
    let before = access(&stand).await;
    let third = unassign_a_third(&stand);
    let rest = stand.assigned();
    stand.update(&rest[0], json!({"title": "Head of Everything"}));
    stand.update(&third[1], json!({"title": "Not Listed Any More"}));
    let joiner = json!({
        "login": "joy@fernhill.example", "email": "joy@fernhill.example", "firstName": "Joy", "lastName": "Newcombe"
    });
    let serde_json::Value::Object(profile) = joiner else { panic!("an object") };
    let create =
        Action::Create { profile, groups: vec![], assign: true, activate: true, password: true };
    stand.act(&create);
    let run = stand.sync().await;
    holds(&stand, &run, &ids(&stand, &third)).await;
    let counts = run.counts;
    assert_eq!(
        (counts.created, counts.updated, counts.missing),
        (1, 1, third.len() as u64),
        "{run:?}"
    );
    assert_eq!(stand.here(&rest[0]).await.title.as_deref(), Some("Head of Everything"));
    let joy = id(&stand, "joy@fernhill.example");
    let now = access(&stand).await;
    assert_eq!(now.difference(&before).collect::<Vec<_>>(), [&joy]);
    assert!(now.is_superset(&before));
}

async fn another_run_holds_again(ground: &Ground) {
    let mut stand = Stand::synced(ground, PEOPLE).await;
    let third = ids(&stand, &unassign_a_third(&stand));
    let first = stand.sync().await;
    let people = stand.tables.dump("people").await;
    let second = stand.sync().await;
    assert_ne!(first.id, second.id);
    holds(&stand, &second, &third).await;
    holds(&stand, &first, &third).await;
    assert_eq!(stand.tables.dump("people").await, people);
}

async fn whoever_comes_back_is_held_no_longer(ground: &Ground) {
    let mut stand = Stand::synced(ground, PEOPLE).await;
    let before = access(&stand).await;
    let third = unassign_a_third(&stand);
    stand.sync().await;
    // The mistake is noticed: all but four get the app back, and so few may go without a question.
    for who in &third[4..] {
        assign(&stand, who);
    }
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 4), "{run:?}");
    let gone: BTreeSet<_> = before.difference(&access(&stand).await).cloned().collect();
    assert_eq!(gone, ids(&stand, &third[..4]));
}

async fn a_discarded_run_removes_nobody(ground: &Ground) {
    let mut stand = Stand::synced(ground, PEOPLE).await;
    let before = access(&stand).await;
    let third = ids(&stand, &unassign_a_third(&stand));
    let held = stand.sync().await;
    stand.discard(held.id).await.expect("discarded");
    let run = stand.tenant.run(held.id).await.expect("a look").expect("a run");
    assert_eq!(run.state, RunState::Discarded);
    assert_eq!(access(&stand).await, before);
    assert!(stand.removals(held.id, ItemState::Held).await.is_empty());
    is_refused(stand.discard(held.id).await, held.id, "discarded");
    is_refused(stand.approve(held.id).await, held.id, "discarded");
    assert_eq!(access(&stand).await, before);
    // They are still out: the next run asks anew.
    let again = stand.sync().await;
    holds(&stand, &again, &third).await;
}

async fn nobody_assigned_at_all_is_held(ground: &Ground) {
    // However few they are: all of them are too many.
    for people in [3, PEOPLE] {
        let mut stand = Stand::synced(ground, people).await;
        let everybody = stand.assigned();
        for who in &everybody {
            stand.act(&Action::Unassign { who: who.clone(), app: None });
        }
        let with_access = access(&stand).await;
        let run = stand.sync().await;
        holds(&stand, &run, &with_access).await;
        assert_eq!(run.counts.read, 0);
        let told = problem(&run, NobodyAssigned).expect("the cause by name");
        assert!(told.hint.contains("Nobody was removed without your approval"), "{}", told.hint);
        let run = stand.approve(run.id).await.expect("approved");
        assert_eq!(
            (run.state, run.counts.deactivated),
            (RunState::Done, with_access.len() as u64),
            "{run:?}"
        );
        assert!(access(&stand).await.is_empty());
    }
}

async fn suspended_and_unassigned_people_count_together(ground: &Ground) {
    let mut stand = Stand::synced(ground, PEOPLE).await;
    let people = stand.assigned();
    for who in &people[..5] {
        stand.act(&Action::Suspend { who: who.clone() });
    }
    for who in &people[5..10] {
        stand.act(&Action::Unassign { who: who.clone(), app: None });
    }
    // Ten of 89 with access: the guard lets eight go.
    let run = stand.sync().await;
    holds(&stand, &run, &ids(&stand, &people[..10])).await;
    let run = stand.approve(run.id).await.expect("approved");
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 10), "{run:?}");
    let reasons: BTreeSet<_> = [&people[0], &people[7]].into();
    for who in reasons {
        let person = stand.here(who).await;
        let expected = if *who == people[0] { "suspended" } else { "unassigned" };
        assert_eq!(person.status_reason.as_str(), expected, "{who}");
    }
}

async fn a_preview_shows_what_would_be_held(ground: &Ground) {
    let mut stand = Stand::synced(ground, PEOPLE).await;
    let third = ids(&stand, &unassign_a_third(&stand));
    let tables = ["people", "teams", "locations", "memberships", "history"];
    let mut before = Vec::new();
    for table in tables {
        before.push(stand.tables.dump(table).await);
    }
    let preview = stand.preview().await;
    assert_eq!(
        preview.state,
        RunState::Done,
        "a preview holds nothing back, it changes nothing: {preview:?}"
    );
    for (table, before) in tables.iter().zip(before) {
        assert_eq!(stand.tables.dump(table).await, before, "{table}");
    }
    let run = stand.sync().await;
    assert_eq!(preview.counts, run.counts);
    holds(&stand, &run, &third).await;
}
