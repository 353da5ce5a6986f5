//! Many people at once, while a full run reads, while listings fail, and while other things happen.

use std::time::Duration;

use muster_core::id::OktaUserId;
use muster_core::person::Status;
use muster_core::run::{RunCause, RunKind, RunPhase, RunState};
use muster_oktasim::{Action, Area, Fault, Faults, Right, Rule, TokenState};
use muster_store::jobs::{NewJob, priority};
use serde_json::json;

use super::older::up_to;
use super::wire::{Wire, work, work_for};
use crate::support::{Company, Ground, Stand, on_both_engines};

on_both_engines! {
    whoever_is_asked_for_after_the_storm_s_run_read_them_is_read_again,
    a_storm_while_listings_fail_is_read_person_by_person,
    days_that_begin_for_many_at_once_are_no_storm,
    a_person_run_ends_no_trouble_but_its_own,
    a_second_event_about_a_leaver_is_no_second_removal,
}

async fn full_runs(stand: &Stand) -> usize {
    let runs = stand.tenant.runs(200).await.expect("runs");
    runs.iter().filter(|run| run.kind == RunKind::Full).count()
}

async fn attention(stand: &Stand) -> Option<String> {
    stand.tenant.connection().await.expect("a connection").attention
}

async fn whoever_is_asked_for_after_the_storm_s_run_read_them_is_read_again(ground: &Ground) {
    let mut stand = Stand::synced_company(ground, Company::of(200)).await;
    let mut wire = Wire::from_now(ground, &stand);
    let people: Vec<String> = stand.assigned()[..120].to_vec();
    for who in &people {
        stand.update(who, json!({"title": "Stormy"}));
    }
    wire.deliver_new(&mut stand, &[]).await;
    stand.clock.advance(Duration::from_secs(3));
    up_to(&stand, RunPhase::People).await;
    // They wait for this run, which has read them already.
    stand.clock.advance(Duration::from_secs(1));
    stand.update(&people[50], json!({"title": "Calm"}));
    wire.deliver_new(&mut stand, &[]).await;
    stand.clock.advance(Duration::from_mins(1));
    work_for(&stand, 20).await;
    for (n, who) in people.iter().enumerate() {
        let title = if n == 50 { "Calm" } else { "Stormy" };
        assert_eq!(stand.here(who).await.title.as_deref(), Some(title), "{who}");
    }
    let (waiting, _) = stand.tenant.events_waiting().await.expect("a count");
    assert_eq!(waiting, 0);
}

async fn a_storm_while_listings_fail_is_read_person_by_person(ground: &Ground) {
    let mut stand = Stand::synced_company(ground, Company::of(200)).await;
    let mut wire = Wire::from_now(ground, &stand);
    let people: Vec<String> = stand.assigned()[..120].to_vec();
    for who in &people[1..] {
        stand.update(who, json!({"title": "Stormy"}));
    }
    stand.act(&Action::Deactivate { who: people[0].clone() });
    wire.deliver_new(&mut stand, &[]).await;
    let before = full_runs(&stand).await;
    stand.okta.faults(|faults| faults.add(Rule::on_app_users().fault(Fault::Status(500))));
    work_for(&stand, 20).await;
    stand.okta.faults(Faults::clear);
    assert_eq!(stand.here(&people[0]).await.status, Status::Deactivated);
    for who in &people[1..] {
        assert_eq!(stand.here(who).await.title.as_deref(), Some("Stormy"), "{who}");
    }
    assert!(full_runs(&stand).await <= before + 1, "one try, and no more before its time");
}

async fn days_that_begin_for_many_at_once_are_no_storm(ground: &Ground) {
    let mut stand = Stand::synced_company(ground, Company::of(100)).await;
    let now = stand.now();
    let ids: Vec<OktaUserId> = stand
        .assigned()
        .iter()
        .map(|who| OktaUserId::parse(&stand.okta_id(who)).expect("an id"))
        .collect();
    let jobs: Vec<NewJob<'_>> =
        ids.iter().map(|id| NewJob::person(id, priority::BULK, now, RunCause::StartDate)).collect();
    stand.tenant.ask(&jobs, &mut stand.ids, now).await.expect("asked");
    let before = full_runs(&stand).await;
    work_for(&stand, 10).await;
    assert_eq!(full_runs(&stand).await, before);
    assert_eq!(stand.tenant.backlog(stand.now()).await.expect("a count"), None);
}

async fn a_person_run_ends_no_trouble_but_its_own(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[7].clone();
    let event = async |stand: &mut Stand, wire: &mut Wire<'_>, title: &str| {
        stand.update(&who, json!({"title": title}));
        wire.deliver_new(stand, &[]).await;
        work(stand).await;
    };
    stand.update(&who, json!({"title": "One"}));
    wire.deliver_new(&mut stand, &[]).await;
    stand.okta.set_token_state(TokenState::Revoked);
    work(&stand).await;
    assert_eq!(attention(&stand).await.as_deref(), Some("token_refused"));
    // Asked again and refused again.
    work_for(&stand, 8).await;
    assert_eq!(attention(&stand).await.as_deref(), Some("token_refused"));
    stand.okta.set_token_state(TokenState::Ok);
    work_for(&stand, 60).await;
    assert_eq!(attention(&stand).await, None, "the token is taken: that is over");
    assert_eq!(stand.here(&who).await.title.as_deref(), Some("One"));
    // What a full run met is over when a full run says so.
    stand.okta.set_right(Area::Apps, Right::None);
    assert_eq!(stand.sync().await.state, RunState::Failed);
    let met = attention(&stand).await;
    assert!(met.is_some_and(|code| code != "token_refused"));
    stand.okta.set_right(Area::Apps, Right::Read);
    event(&mut stand, &mut wire, "Two").await;
    assert_eq!(stand.here(&who).await.title.as_deref(), Some("Two"));
    assert!(attention(&stand).await.is_some());
    stand.sync().await;
    assert_eq!(attention(&stand).await, None);
}

async fn a_second_event_about_a_leaver_is_no_second_removal(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let leavers: Vec<String> = stand.assigned()[10..14].to_vec();
    for round in 0..2 {
        for who in &leavers {
            if round == 0 {
                stand.act(&Action::Unassign { who: who.clone(), app: None });
            } else {
                stand.update(who, json!({"title": "Gone"}));
            }
        }
        wire.deliver_new(&mut stand, &[]).await;
        work(&stand).await;
        stand.clock.advance(Duration::from_mins(1));
    }
    for who in &leavers {
        assert_eq!(stand.here(who).await.status, Status::Deactivated);
    }
    let runs = stand.tenant.runs(50).await.expect("runs");
    assert!(runs.iter().all(|run| run.state == RunState::Done), "nothing is held");
    stand.check().await;
}
