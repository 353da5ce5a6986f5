//! Bursts of removals, and storms of events.

use std::time::Duration;

use muster_core::person::Status;
use muster_core::problem::ProblemCode;
use muster_core::run::{RunKind, RunState};
use muster_oktasim::{Action, Area, Right};
use muster_store::runs::Run;
use serde_json::json;

use super::wire::{Wire, work, work_for};
use crate::support::{Company, Ground, Stand, on_both_engines};

on_both_engines! {
    a_burst_of_removals_is_held_as_a_full_run_would_hold_it,
    a_burst_that_goes_on_stays_held,
    an_approved_burst_lets_the_next_leaver_go,
    whoever_is_hidden_from_a_narrowed_token_stays,
    a_storm_becomes_one_full_run,
}

async fn a_burst_of_removals_is_held_as_a_full_run_would_hold_it(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let leavers: Vec<String> = stand.assigned()[10..18].to_vec();
    for who in &leavers {
        stand.act(&Action::Unassign { who: who.clone(), app: None });
        wire.deliver_new(&mut stand, &[]).await;
        work(&stand).await;
    }
    let mut gone = 0;
    for who in &leavers {
        gone += usize::from(stand.here(who).await.status == Status::Deactivated);
    }
    assert_eq!(gone, 5, "five may go at once, the others wait for a human");
    let held = pens(&stand).await;
    let [pen] = &held[..] else { panic!("one pen for the burst, not {}", held.len()) };
    assert_eq!(pen.counts.held, 3);
    let told = pen.problems.iter().find(|told| told.code == ProblemCode::RemovalsHeld);
    assert_eq!(told.map(|told| told.people), Some(3), "{:?}", pen.problems);
    let waiting = stand.tenant.items(pen.id, None, 100).await.expect("items");
    assert!(waiting.iter().all(|item| item.label.contains('@')), "{waiting:?}");
    let approved = stand.approve(pen.id).await.expect("approved");
    assert_eq!(approved.counts.deactivated, 3);
    for who in &leavers {
        assert_eq!(stand.here(who).await.status, Status::Deactivated);
    }
    stand.check().await;
}

/// Held runs of single people, newest first.
async fn pens(stand: &Stand) -> Vec<Run> {
    let runs = stand.tenant.runs(50).await.expect("runs");
    runs.into_iter().filter(|run| run.state == RunState::Held).collect()
}

async fn leave(stand: &mut Stand, wire: &mut Wire<'_>, who: &str) {
    stand.act(&Action::Unassign { who: who.to_owned(), app: None });
    wire.deliver_new(stand, &[]).await;
    work(stand).await;
}

async fn a_burst_that_goes_on_stays_held(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    let mut wire = Wire::from_now(ground, &stand);
    let leavers: Vec<String> = stand.assigned()[5..30].to_vec();
    for who in &leavers {
        leave(&mut stand, &mut wire, who).await;
        stand.clock.advance(Duration::from_mins(1));
    }
    let mut gone = 0;
    for who in &leavers {
        gone += usize::from(stand.here(who).await.status == Status::Deactivated);
    }
    assert_eq!(gone, 5, "one a minute is still one burst");
    let pens = pens(&stand).await;
    assert_eq!(pens.iter().map(|run| run.counts.held).sum::<u64>(), 20);
    // None grows for longer than the burst it belongs to: what a human has looked at stays what it was.
    assert_eq!(pens.len(), 2, "{pens:?}");
    stand.check().await;
}

async fn an_approved_burst_lets_the_next_leaver_go(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    let mut wire = Wire::from_now(ground, &stand);
    let leavers: Vec<String> = stand.assigned()[5..14].to_vec();
    for who in &leavers[..8] {
        leave(&mut stand, &mut wire, who).await;
    }
    stand.clock.advance(Duration::from_mins(6));
    leave(&mut stand, &mut wire, &leavers[8]).await;
    let [pen] = &pens(&stand).await[..] else { panic!("one pen") };
    assert_eq!(pen.counts.held, 4);
    stand.approve(pen.id).await.expect("approved");
    // The five of before are over ten minutes ago now; the four of the pen were looked at by a human.
    stand.clock.advance(Duration::from_mins(5));
    let next = stand.assigned()[20].clone();
    leave(&mut stand, &mut wire, &next).await;
    assert_eq!(stand.here(&next).await.status, Status::Deactivated);
}

async fn whoever_is_hidden_from_a_narrowed_token_stays(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[12].clone();
    for log in [Right::Read, Right::None] {
        stand.okta.set_right(Area::Logs, Right::Read);
        stand.update(&who, json!({"title": format!("Lead {log:?}")}));
        let events = wire.take(&stand);
        stand.okta.set_right(Area::Logs, log);
        stand.okta.hide(std::slice::from_ref(&who)).expect("hidden");
        wire.deliver(&mut stand, &events).await;
        stand.engine.person_turn(&stand.tenant).await.expect("a turn");
        assert_eq!(stand.here(&who).await.status, Status::Active, "with log rights {log:?}");
        stand.okta.hide(&[]).expect("shown");
        stand.clock.advance(Duration::from_mins(1));
        work(&stand).await;
        assert_eq!(stand.here(&who).await.title, Some(format!("Lead {log:?}")));
    }
}

async fn a_storm_becomes_one_full_run(ground: &Ground) {
    let mut stand = Stand::synced_company(ground, Company::of(200)).await;
    let mut wire = Wire::from_now(ground, &stand);
    let people: Vec<String> = stand.assigned()[..120].to_vec();
    for who in &people {
        stand.update(who, json!({"title": "Stormy"}));
    }
    wire.deliver_new(&mut stand, &[]).await;
    stand.line.take_calls();
    work_for(&stand, 8).await;
    let calls = stand.line.take_calls().len();
    assert!(calls <= 8, "{calls} calls where a listing costs 3");
    for who in &people {
        assert_eq!(stand.here(who).await.title.as_deref(), Some("Stormy"));
    }
    let runs = stand.tenant.runs(20).await.expect("runs");
    assert_eq!(runs.iter().filter(|run| run.kind == RunKind::Full).count(), 2);
    let (waiting, _) = stand.tenant.events_waiting().await.expect("a count");
    assert_eq!(waiting, 0);
}
