//! The second net: what no hook brought is in the System Log.

use std::time::Duration;

use muster_core::person::Status;
use muster_core::run::RunCause;
use muster_oktasim::Action;
use muster_store::jobs::{NewJob, kind, priority};
use serde_json::json;

use super::wire::{Wire, newest, work, work_for};
use crate::support::{Ground, Stand, on_both_engines};

on_both_engines! {
    an_hour_without_hooks_is_found_in_the_log,
    a_group_that_goes_takes_its_people_with_it,
}

async fn poll(stand: &mut Stand) {
    let now = stand.now();
    let job = NewJob::misc(kind::LOG_POLL, "log", priority::LOG, now, RunCause::Log);
    stand.tenant.ask(&[job], &mut stand.ids, now).await.expect("asked");
    work(stand).await;
}

async fn an_hour_without_hooks_is_found_in_the_log(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    poll(&mut stand).await;
    let began = stand.now();
    let people = stand.assigned();
    // One by hook, three by none.
    stand.update(&people[2], json!({"title": "Seen"}));
    let brought = wire.deliver_new(&mut stand, &[]).await;
    work(&stand).await;
    for who in &people[3..6] {
        stand.clock.advance(Duration::from_mins(20));
        stand.act(&Action::Deactivate { who: who.clone() });
    }
    let missed = wire.take(&stand).into_iter().filter(|event| {
        let name = event["eventType"].as_str().expect("a type");
        muster_core::event::is_understood(name)
    });
    let missed = i64::try_from(missed.count()).expect("few");
    assert!(missed >= 3);
    for who in &people[3..6] {
        assert_eq!(stand.here(who).await.status, Status::Active);
    }
    stand.clock.advance(Duration::from_secs(1));
    poll(&mut stand).await;
    for who in &people[3..6] {
        let person = stand.here(who).await;
        assert_eq!(person.status, Status::Deactivated);
        assert_eq!(newest(&stand, person.id).await.1, "log");
    }
    let end = stand.now() + Duration::from_secs(1);
    let compared = stand.tenant.compare_events(began, end, 60).await.expect("compared");
    assert_eq!((compared.missed, compared.hooked), (missed, i64::try_from(brought).expect("few")));
    // Asked again, the log has nothing new.
    let calls = stand.line.take_calls().len();
    assert!(calls > 0);
    poll(&mut stand).await;
    assert_eq!(stand.line.take_calls().len(), 1, "one look into the log and nobody to read");
    stand.check().await;
}

async fn a_group_that_goes_takes_its_people_with_it(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let mut wire = Wire::from_now(ground, &stand);
    let before = stand.assigned().len();
    stand.clock.advance(Duration::from_secs(1));
    stand.act(&Action::DeleteGroup { group: "app-learn-contractors".to_owned() });
    wire.deliver_new(&mut stand, &["group.lifecycle.delete"]).await;
    work_for(&stand, 10).await;
    // Those whom the group alone brought go: within the guard of a tenth.
    let assigned: Vec<_> = stand.assigned().iter().map(|who| stand.okta_id(who)).collect();
    assert!(assigned.len() < before);
    for person in stand.people().await {
        if person.status == Status::Active
            && let Some(id) = &person.okta_user_id
        {
            assert!(assigned.iter().any(|known| known == id.as_str()), "{}", person.email);
        }
    }
    stand.check().await;
}
