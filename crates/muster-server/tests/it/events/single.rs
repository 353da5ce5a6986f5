//! One event, one person.

use std::time::Duration;

use jiff::SignedDuration;
use muster_core::person::{Status, StatusReason};
use muster_core::run::{RunCause, RunKind, RunState};
use muster_oktasim::Action;
use muster_server::sync::Turn;
use muster_store::jobs::PERSON;
use muster_store::runs::NewRun;
use serde_json::json;

use super::wire::{EIGHT, Wire, newest, uuid, work, work_for};
use crate::support::{Company, Ground, Stand, on_both_engines, standing};

on_both_engines! {
    what_happens_in_okta_is_applied_at_once_with_its_cause,
    a_new_person_is_there_at_once,
    with_the_eight_alone_somebody_brought_back_arrives,
    forged_and_doubled_events_change_nothing,
    a_read_from_before_the_event_is_made_good,
    whom_a_dead_worker_was_at_is_read_by_the_next,
    strangers_cost_one_call,
    a_manager_who_arrives_finds_their_people,
    okta_away_for_an_hour_loses_nothing,
    a_full_run_leaves_the_events_of_whom_it_cannot_read,
}

async fn what_happens_in_okta_is_applied_at_once_with_its_cause(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[20].clone();
    let of = |who: &str| who.to_owned();
    let steps = [
        (
            Action::Suspend { who: of(&who) },
            "deactivate",
            (Status::Deactivated, StatusReason::Suspended),
        ),
        (
            Action::Unsuspend { who: of(&who) },
            "reactivate",
            (Status::Active, StatusReason::Assigned),
        ),
        (
            Action::Unassign { who: of(&who), app: None },
            "deactivate",
            (Status::Deactivated, StatusReason::Unassigned),
        ),
        (
            Action::Assign { who: of(&who), app: None },
            "reactivate",
            (Status::Active, StatusReason::Assigned),
        ),
        (
            Action::Deactivate { who: of(&who) },
            "deactivate",
            (Status::Deactivated, StatusReason::DeactivatedInOkta),
        ),
    ];
    for (action, change, status) in steps {
        stand.act(&action);
        let events = wire.take(&stand);
        assert!(!events.is_empty(), "{action:?}");
        wire.deliver(&mut stand, &events).await;
        let before = stand.now();
        assert_eq!(work(&stand).await, 1, "{action:?}");
        assert!(stand.now().duration_since(before).as_millis() < 1_000, "{action:?}");
        let person = stand.here(&who).await;
        assert_eq!(standing(&person), status, "{action:?}");
        let (kind, cause, event) = newest(&stand, person.id).await;
        assert_eq!((kind.as_str(), cause.as_str()), (change, "event"), "{action:?}");
        let event = event.expect("the event");
        assert!(events.iter().any(|known| uuid(known) == event), "{action:?}");
        stand.check().await;
    }
    stand.update(&stand.assigned()[3], json!({"title": "Lead"}));
    wire.deliver_new(&mut stand, &[]).await;
    work(&stand).await;
    assert_eq!(stand.here(&stand.assigned()[3]).await.title.as_deref(), Some("Lead"));
    let (left, _) = stand.tenant.events_waiting().await.expect("a count");
    assert_eq!(left, 0, "every event is applied");
}

async fn a_new_person_is_there_at_once(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let profile = json!({
        "login": "nora.new@fernhill.example", "email": "nora.new@fernhill.example",
        "firstName": "Nora", "lastName": "New", "department": "Observatory",
    });
    let made = stand.act(&Action::Create {
        profile: profile.as_object().expect("an object").clone(),
        groups: Vec::new(),
        assign: true,
        activate: true,
        password: true,
    });
    wire.deliver_new(&mut stand, &[]).await;
    work(&stand).await;
    let nora = stand.here(made.id.as_deref().expect("an id")).await;
    assert_eq!((nora.status, nora.team.as_deref()), (Status::Active, Some("Observatory")));
    stand.check().await;
}

async fn with_the_eight_alone_somebody_brought_back_arrives(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[11].clone();
    stand.act(&Action::Deactivate { who: who.clone() });
    wire.deliver_new(&mut stand, &EIGHT).await;
    work(&stand).await;
    assert_eq!(stand.here(&who).await.status, Status::Deactivated);
    // An admin's reactivation is `activate`, which is not among the eight; the groups' assignment comes back with it.
    stand.act(&Action::Activate { who: who.clone() });
    stand.act(&Action::Assign { who: who.clone(), app: None });
    assert!(wire.deliver_new(&mut stand, &EIGHT).await > 0);
    work(&stand).await;
    assert_eq!(stand.here(&who).await.status, Status::Active);
}

async fn forged_and_doubled_events_change_nothing(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let wire = Wire::from_now(ground, &stand);
    let people = stand.people().await;
    let history = stand.tables.dump("history").await;
    let forged: Vec<_> = stand
        .assigned()
        .iter()
        .take(12)
        .enumerate()
        .map(|(n, who)| {
            json!({
                "uuid": format!("forged-{n}"), "published": "2026-11-23T10:00:00.000Z",
                "eventType": "user.lifecycle.deactivate", "outcome": {"result": "SUCCESS"},
                "target": [{"id": who, "type": "User", "alternateId": "x", "displayName": "x"}],
            })
        })
        .collect();
    for _ in 0..3 {
        wire.deliver(&mut stand, &forged).await;
        work_for(&stand, 10).await;
    }
    assert_eq!(stand.people().await, people);
    assert_eq!(stand.tables.dump("history").await, history);
}

async fn a_read_from_before_the_event_is_made_good(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    stand.okta.settings(|settings| settings.stale_seconds = 3);
    let who = stand.assigned()[7].clone();
    stand.act(&Action::Deactivate { who: who.clone() });
    wire.deliver_new(&mut stand, &[]).await;
    work(&stand).await;
    assert_eq!(stand.here(&who).await.status, Status::Active, "Okta answers from before");
    work_for(&stand, 14).await;
    assert_eq!(stand.here(&who).await.status, Status::Deactivated);
    let (waiting, _) = stand.tenant.events_waiting().await.expect("a count");
    assert_eq!(waiting, 0);
}

async fn whom_a_dead_worker_was_at_is_read_by_the_next(ground: &Ground) {
    let mut stand = Stand::synced(ground, 20).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[7].clone();
    stand.update(&who, json!({"title": "Orphan"}));
    wire.deliver_new(&mut stand, &[]).await;
    // Somebody takes the work and dies: nothing else waits, and nothing will come.
    let now = stand.now();
    let new = NewRun {
        id: stand.engine.id(now),
        kind: RunKind::Person,
        cause: RunCause::Event,
        actor: "okta".to_owned(),
        approves: None,
    };
    let until = now + SignedDuration::from_secs(15);
    let claimed = stand.tenant.claim_people(&new, "dead:1", until, 200, now).await;
    assert!(claimed.expect("a query").is_some());
    assert_eq!(stand.engine.person_turn(&stand.tenant).await.expect("a turn"), Turn::Busy);
    stand.clock.advance(Duration::from_secs(16));
    let due = ground.db.tenants_with_work(stand.now(), 10).await.expect("a query");
    assert!(due.iter().any(|due| due.tenant == stand.tenant.id() && due.lane == PERSON), "{due:?}");
    work(&stand).await;
    assert_eq!(stand.here(&who).await.title.as_deref(), Some("Orphan"));
    let runs = stand.tenant.runs(1).await.expect("runs");
    assert_eq!((runs[0].id, runs[0].state), (new.id, RunState::Done), "the same run, ended");
}

async fn strangers_cost_one_call(ground: &Ground) {
    let mut stand = Stand::synced_company(ground, Company::fernhill()).await;
    let mut wire = Wire::from_now(ground, &stand);
    let users = stand.okta_users();
    let assigned = stand.assigned();
    let stranger = users.keys().find(|id| !assigned.contains(id)).expect("somebody else").clone();
    stand.update(&stranger, json!({"title": "Elsewhere"}));
    wire.deliver_new(&mut stand, &[]).await;
    stand.line.take_calls();
    work(&stand).await;
    assert!(stand.line.take_calls().len() <= 1);
    assert!(stand.of_okta(&stranger).await.is_none_or(|person| person.status != Status::Active));
}

async fn a_manager_who_arrives_finds_their_people(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[9].clone();
    stand.update(&who, json!({"managerId": "mona.manager@fernhill.example"}));
    wire.deliver_new(&mut stand, &[]).await;
    work(&stand).await;
    assert!(
        stand
            .here(&who)
            .await
            .manager
            .is_none_or(|manager| manager.email != "mona.manager@fernhill.example")
    );
    let profile = json!({
        "login": "mona.manager@fernhill.example", "email": "mona.manager@fernhill.example",
        "firstName": "Mona", "lastName": "Manager",
    });
    stand.act(&Action::Create {
        profile: profile.as_object().expect("an object").clone(),
        groups: Vec::new(),
        assign: true,
        activate: true,
        password: true,
    });
    wire.deliver_new(&mut stand, &[]).await;
    work(&stand).await;
    let manager = stand.here(&who).await.manager.expect("a manager");
    assert_eq!(manager.email, "mona.manager@fernhill.example");
}

async fn okta_away_for_an_hour_loses_nothing(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[4].clone();
    stand.act(&Action::Deactivate { who: who.clone() });
    wire.deliver_new(&mut stand, &[]).await;
    stand.line.twist(|_, _| Some("<html>down</html>".to_owned()));
    for _ in 0..60 {
        work(&stand).await;
        stand.clock.advance(std::time::Duration::from_mins(1));
    }
    assert_eq!(stand.here(&who).await.status, Status::Active);
    stand.line.straighten();
    stand.clock.advance(std::time::Duration::from_secs(700));
    work(&stand).await;
    assert_eq!(stand.here(&who).await.status, Status::Deactivated);
    stand.check().await;
}

async fn a_full_run_leaves_the_events_of_whom_it_cannot_read(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let (odd, other) = (stand.assigned()[4].clone(), stand.assigned()[5].clone());
    stand.act(&Action::Suspend { who: odd.clone() });
    stand.act(&Action::Suspend { who: other.clone() });
    wire.deliver_new(&mut stand, &[]).await;
    let login = format!("\"login\":\"{odd}\"");
    stand.line.twist(move |path, body| {
        // In the list only: by their id they can be read.
        let at = body.find(&login).filter(|_| path.contains("expand=user"))?;
        let profile = body[..at].rfind("\"profile\":")?;
        Some(format!("{}\"profil\":{}", &body[..profile], &body[profile + "\"profile\":".len()..]))
    });
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.skipped), (RunState::Done, 1), "{run:?}");
    assert_eq!(stand.here(&other).await.status, Status::Deactivated);
    assert_eq!(stand.here(&odd).await.status, Status::Active);
    let (left, _) = stand.tenant.events_waiting().await.expect("a count");
    assert!(left > 0, "the event is not yet answered");
    assert_eq!(work(&stand).await, 0, "not at once again");
    stand.clock.advance(std::time::Duration::from_mins(10));
    assert_eq!(work(&stand).await, 1);
    assert_eq!(stand.here(&odd).await.status, Status::Deactivated);
    let (left, _) = stand.tenant.events_waiting().await.expect("a count");
    assert_eq!(left, 0, "every event is applied");
}
