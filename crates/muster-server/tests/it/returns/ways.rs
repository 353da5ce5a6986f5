//! Each way out and back again.

use muster_core::person::{Role, Status, StatusReason};
use muster_core::run::RunState;
use muster_oktasim::Action;
use muster_store::people::PersonKey;
use muster_store::people_view::PersonView;
use serde_json::{Value, json};

use crate::support::{ANA, Ground, Stand, on_both_engines, standing};

on_both_engines! {
    whoever_comes_back_finds_everything_as_it_was,
    out_and_back_between_two_runs_leaves_no_trace,
    what_changed_meanwhile_arrives_on_return,
    whoever_is_out_keeps_the_first_reason,
    a_deletion_in_okta_deletes_nobody_here,
    a_managers_people_have_them_back_on_return,
    nobody_comes_back_where_the_rules_say_so,
}

type Way = (&'static str, fn(String) -> Action, fn(String) -> Action, StatusReason);

const WAYS: [Way; 3] = [
    (
        "unassigned and assigned",
        |who| Action::Unassign { who, app: None },
        |who| Action::Assign { who, app: None },
        StatusReason::Unassigned,
    ),
    (
        "suspended and unsuspended",
        |who| Action::Suspend { who },
        |who| Action::Unsuspend { who },
        StatusReason::Suspended,
    ),
    (
        "deactivated and activated",
        |who| Action::Deactivate { who },
        |who| Action::Activate { who },
        StatusReason::DeactivatedInOkta,
    ),
];

/// What must outlast an absence: everything but status and its reason.
fn lasting(person: &PersonView) -> Value {
    let mut json = serde_json::to_value(person).expect("JSON");
    for field in ["status", "status_reason", "okta_status", "deactivated_at"] {
        json.as_object_mut().expect("an object").remove(field).expect("a field");
    }
    json
}

/// Gives somebody a role above learner, a second team and a manager set by hand.
async fn settle_in(stand: &mut Stand, who: &str, hand: bool) {
    let now = stand.now();
    let person = stand.here(who).await;
    stand.set_role(&person.email, Role::Hr).await;
    let other = stand
        .tenant
        .teams()
        .await
        .expect("teams")
        .into_iter()
        .find(|team| Some(&team.name) != person.team.as_ref());
    let team = other.expect("another team").id;
    assert!(
        stand
            .tenant
            .add_membership(person.id, team, ANA, &mut stand.ids, now)
            .await
            .expect("added")
    );
    if hand {
        let boss = stand.here(&stand.assigned()[20]).await.id;
        let key = PersonKey::Id(person.id);
        stand
            .tenant
            .set_manager_by_hand(&key, Some(boss), ANA, &mut stand.ids, now)
            .await
            .expect("set");
    }
}

async fn whoever_comes_back_finds_everything_as_it_was(ground: &Ground) {
    for (place, (name, leave, come_back, reason)) in WAYS.into_iter().enumerate() {
        let mut stand = Stand::synced(ground, 40).await;
        let who = stand.assigned()[7 + place].clone();
        settle_in(&mut stand, &who, place == 1).await;
        let before = stand.here(&who).await;
        assert!(
            before.manager.is_some() && before.team.is_some() && before.location.is_some(),
            "{before:?}"
        );
        let teams = stand.tables.dump("memberships").await;
        let story = stand.story_of(before.id).await;

        stand.act(&leave(who.clone()));
        let run = stand.sync().await;
        assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 1), "{name}: {run:?}");
        let out = stand.by_id(before.id).await;
        assert_eq!(standing(&out), (Status::Deactivated, reason), "{name}");
        assert!(out.deactivated_at.is_some(), "{name}");
        assert_eq!(lasting(&out), lasting(&before), "{name}: only access is taken");
        assert_eq!(stand.tables.dump("memberships").await, teams, "{name}");
        let idle = stand.sync().await;
        assert_eq!((idle.counts.deactivated, idle.counts.updated), (0, 0), "{name}: {idle:?}");

        stand.act(&come_back(who.clone()));
        let run = stand.sync().await;
        assert_eq!((run.state, run.counts.reactivated), (RunState::Done, 1), "{name}: {run:?}");
        let back = stand.here(&who).await;
        assert_eq!(
            serde_json::to_value(&back).expect("JSON"),
            serde_json::to_value(&before).expect("JSON"),
            "{name}"
        );
        assert_eq!(stand.tables.dump("memberships").await, teams, "{name}");
        let mut expected = story;
        expected.extend(["deactivate".to_owned(), "reactivate".to_owned()]);
        assert_eq!(stand.story_of(before.id).await, expected, "{name}");
    }
}

async fn out_and_back_between_two_runs_leaves_no_trace(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    let before = (stand.tables.dump("people").await, stand.tables.dump("history").await);
    for (place, (_, leave, come_back, _)) in WAYS.into_iter().enumerate() {
        let who = stand.assigned()[7 + place].clone();
        stand.act(&leave(who.clone()));
        stand.act(&come_back(who));
    }
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.unchanged), (RunState::Done, 40), "{run:?}");
    assert_eq!((stand.tables.dump("people").await, stand.tables.dump("history").await), before);
}

async fn what_changed_meanwhile_arrives_on_return(ground: &Ground) {
    for (place, (name, leave, come_back, _)) in WAYS.into_iter().enumerate() {
        let mut stand = Stand::synced(ground, 40).await;
        let who = stand.assigned()[7 + place].clone();
        stand.act(&leave(who.clone()));
        stand.sync().await;
        stand
            .update(&who, json!({"title": "Returned", "city": "Porto", "department": "Old Hands"}));
        let away = stand.sync().await;
        assert_eq!(away.counts.reactivated + away.counts.deactivated, 0, "{name}: {away:?}");
        stand.act(&come_back(who.clone()));
        let run = stand.sync().await;
        assert_eq!(run.counts.reactivated, 1, "{name}: {run:?}");
        let back = stand.here(&who).await;
        let fields = [&back.title, &back.location, &back.team].map(|field| field.as_deref());
        assert_eq!(fields, [Some("Returned"), Some("Porto"), Some("Old Hands")], "{name}");
        assert_eq!(standing(&back), (Status::Active, StatusReason::Assigned), "{name}");
    }
}

async fn whoever_is_out_keeps_the_first_reason(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    let who = stand.assigned()[7].clone();
    stand.act(&Action::Suspend { who: who.clone() });
    stand.sync().await;
    let out = stand.here(&who).await;
    stand.act(&Action::Unassign { who: who.clone(), app: None });
    stand.sync().await;
    stand.act(&Action::Deactivate { who: who.clone() });
    stand.sync().await;
    let now = stand.here(&who).await;
    assert_eq!(standing(&now), (Status::Deactivated, StatusReason::Suspended));
    assert_eq!(now.deactivated_at, out.deactivated_at);
    let story = stand.story_of(now.id).await;
    assert_eq!(story.iter().filter(|kind| *kind == "deactivate").count(), 1, "{story:?}");
}

async fn a_deletion_in_okta_deletes_nobody_here(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    let who = stand.assigned()[7].clone();
    settle_in(&mut stand, &who, true).await;
    let before = stand.here(&who).await;
    let teams = stand.tables.dump("memberships").await;
    stand.act(&Action::Delete { who });
    for round in 0..3 {
        let run = stand.sync().await;
        assert_eq!(
            (run.state, run.counts.deactivated),
            (RunState::Done, u64::from(round == 0)),
            "{run:?}"
        );
        let after = stand.by_id(before.id).await;
        assert_eq!(standing(&after), (Status::Deactivated, StatusReason::DeletedInOkta));
        assert_eq!(lasting(&after), lasting(&before));
        assert_eq!(stand.tables.dump("memberships").await, teams);
    }
}

async fn a_managers_people_have_them_back_on_return(ground: &Ground) {
    use muster_core::problem::ProblemCode::ManagerInactive;
    let mut stand = Stand::synced(ground, 40).await;
    let people = stand.assigned();
    // Number 2 leads numbers 13 to 18.
    let (boss, report) = (people[2].clone(), people[13].clone());
    let led = stand.here(&report).await;
    assert_eq!(
        led.manager.as_ref().map(|manager| manager.email.clone()),
        Some(stand.here(&boss).await.email)
    );
    stand.act(&Action::Deactivate { who: boss.clone() });
    let run = stand.sync().await;
    assert_eq!(run.counts.deactivated, 1);
    assert_eq!(crate::support::problem(&run, ManagerInactive).expect("told").people, 6, "{run:?}");
    assert_eq!(stand.here(&report).await.manager, None, "not handed to anybody silently");
    stand.act(&Action::Activate { who: boss });
    let run = stand.sync().await;
    assert!(crate::support::problem(&run, ManagerInactive).is_none());
    assert_eq!(stand.here(&report).await, led);
}

async fn nobody_comes_back_where_the_rules_say_so(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    stand.set_rules("email_domains = [\"fernhill.example\"]\nreactivate = false\n").await;
    let who = stand.assigned()[7].clone();
    stand.act(&Action::Suspend { who: who.clone() });
    stand.sync().await;
    stand.act(&Action::Unsuspend { who: who.clone() });
    stand.update(&who, json!({"title": "Still Out"}));
    let run = stand.sync().await;
    assert_eq!((run.counts.reactivated, run.counts.updated), (0, 1), "{run:?}");
    let person = stand.here(&who).await;
    assert_eq!(standing(&person), (Status::Deactivated, StatusReason::Suspended));
    assert_eq!(person.title.as_deref(), Some("Still Out"));
}
