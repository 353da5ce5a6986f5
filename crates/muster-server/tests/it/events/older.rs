//! A full run goes by pages that it read a while ago. What somebody read by id meanwhile is newer.

use std::pin::pin;
use std::time::Duration;

use futures_util::poll;
use muster_core::id::RunId;
use muster_core::person::Status;
use muster_core::problem::ProblemCode;
use muster_core::run::{RunKind, RunPhase, RunState};
use muster_oktasim::Action;
use muster_server::sync::Turn;
use muster_store::history::By;
use serde_json::json;

use super::wire::Wire;
use crate::support::{Ground, Stand, on_both_engines, problem};

on_both_engines! {
    who_left_since_their_page_was_read_stays_out,
    who_never_had_an_account_and_left_since_gets_none,
    who_came_back_since_they_were_proven_out_stays,
    an_address_is_not_given_to_who_left_since,
    who_was_read_as_out_just_before_their_page_is_looked_at_again,
    a_run_that_was_left_for_long_does_not_go_on,
    a_run_ends_where_it_is_when_the_integration_is_switched_off,
}

/// Works on a full run until it has come to `phase`, and leaves it there as a process does that dies.
pub(super) async fn up_to(stand: &Stand, phase: RunPhase) -> RunId {
    let run = stand.ask(RunKind::Full, None).await.expect("asked");
    let mut work = pin!(stand.engine.drive(&stand.tenant, run));
    while stand.tenant.run(run).await.expect("a query").expect("a run").phase < phase {
        assert!(poll!(&mut work).is_pending(), "the run is over");
        tokio::task::yield_now().await;
    }
    run
}

/// Works in the lane of single people alone, for ten seconds.
async fn read_people(stand: &Stand) {
    for _ in 0..10 {
        while stand.engine.person_turn(&stand.tenant).await.expect("a turn") != Turn::Idle {}
        stand.clock.advance(Duration::from_secs(1));
    }
}

/// Lets somebody else take the run over and end it.
async fn finish(stand: &mut Stand, run: RunId) -> RunState {
    stand.clock.advance(Duration::from_mins(5));
    let run = Box::pin(stand.engine.drive(&stand.tenant, run)).await.expect("a run");
    stand.check().await;
    run.state
}

fn unassign(stand: &Stand, who: &str) {
    stand.act(&Action::Unassign { who: who.to_owned(), app: None });
}

fn assign(stand: &Stand, who: &str) {
    stand.act(&Action::Assign { who: who.to_owned(), app: None });
}

async fn who_left_since_their_page_was_read_stays_out(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[7].clone();
    stand.update(&who, json!({"title": "Somebody else"}));
    let run = up_to(&stand, RunPhase::People).await;
    unassign(&stand, &who);
    wire.deliver_new(&mut stand, &[]).await;
    read_people(&stand).await;
    assert_eq!(stand.here(&who).await.status, Status::Deactivated);
    // An event more, which shows nothing new.
    stand.update(&who, json!({"title": "Gone"}));
    wire.deliver_new(&mut stand, &[]).await;
    read_people(&stand).await;
    assert_eq!(finish(&mut stand, run).await, RunState::Done);
    assert_eq!(stand.here(&who).await.status, Status::Deactivated, "by an older page");
}

async fn who_never_had_an_account_and_left_since_gets_none(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[7].clone();
    unassign(&stand, &who);
    stand.sync().await;
    // Out already: whoever reads them finds nothing to write.
    assign(&stand, &who);
    let run = up_to(&stand, RunPhase::People).await;
    unassign(&stand, &who);
    wire.deliver_new(&mut stand, &[]).await;
    read_people(&stand).await;
    assert_eq!(finish(&mut stand, run).await, RunState::Done);
    assert_eq!(stand.here(&who).await.status, Status::Deactivated, "by an older page");
    // The same with somebody who is a stranger here.
    let profile = json!({"login": "new@acme.example", "email": "new@acme.example", "firstName": "Nia", "lastName": "New"});
    let new = stand.act(&Action::Create {
        profile: profile.as_object().cloned().unwrap_or_default(),
        groups: Vec::new(),
        assign: true,
        activate: true,
        password: true,
    });
    drop(new);
    let run = up_to(&stand, RunPhase::People).await;
    unassign(&stand, "new@acme.example");
    wire.deliver_new(&mut stand, &[]).await;
    read_people(&stand).await;
    assert_eq!(finish(&mut stand, run).await, RunState::Done);
    assert!(stand.of_okta("new@acme.example").await.is_none(), "by an older page");
}

async fn who_came_back_since_they_were_proven_out_stays(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[7].clone();
    unassign(&stand, &who);
    let run = up_to(&stand, RunPhase::Removals).await;
    assign(&stand, &who);
    wire.deliver_new(&mut stand, &["application.user_membership.add"]).await;
    read_people(&stand).await;
    assert_eq!(finish(&mut stand, run).await, RunState::Done);
    assert_eq!(stand.here(&who).await.status, Status::Active, "by an older read");
}

async fn an_address_is_not_given_to_who_left_since(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let people = stand.assigned();
    let (one, other) = (people[7].clone(), people[8].clone());
    let [first, second] =
        [stand.here(&one).await.email.clone(), stand.here(&other).await.email.clone()];
    // They swap addresses, so that both wait for the step that settles it.
    stand.update(&one, json!({"email": second, "login": "one@acme.example"}));
    stand.update(&other, json!({"email": first, "login": "other@acme.example"}));
    wire.take(&stand);
    let run = up_to(&stand, RunPhase::Emails).await;
    unassign(&stand, "one@acme.example");
    wire.deliver_new(&mut stand, &[]).await;
    read_people(&stand).await;
    assert_eq!(stand.here("one@acme.example").await.status, Status::Deactivated);
    assert_eq!(finish(&mut stand, run).await, RunState::Done);
    assert_eq!(
        stand.here("one@acme.example").await.status,
        Status::Deactivated,
        "by an older page"
    );
}

async fn who_was_read_as_out_just_before_their_page_is_looked_at_again(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let who = stand.assigned()[7].clone();
    unassign(&stand, &who);
    stand.sync().await;
    wire.take(&stand);
    // Read as out, and two seconds later the listing shows them in, which may be Okta's past.
    stand.update(&who, json!({"title": "Back soon"}));
    wire.deliver_new(&mut stand, &[]).await;
    while stand.engine.person_turn(&stand.tenant).await.expect("a turn") != Turn::Idle {}
    stand.clock.advance(Duration::from_secs(2));
    assign(&stand, &who);
    let run = up_to(&stand, RunPhase::People).await;
    assert_eq!(finish(&mut stand, run).await, RunState::Done);
    assert_eq!(stand.here(&who).await.status, Status::Deactivated);
    read_people(&stand).await;
    assert_eq!(stand.here(&who).await.status, Status::Active, "a second look tells");
}

async fn a_run_that_was_left_for_long_does_not_go_on(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let people = stand.assigned();
    let (who, other) = (people[7].clone(), people[8].clone());
    // One is about to be removed and one to be let in by what was read on Friday; on Monday neither is true.
    unassign(&stand, &other);
    stand.sync().await;
    assign(&stand, &other);
    unassign(&stand, &who);
    let run = up_to(&stand, RunPhase::People).await;
    assign(&stand, &who);
    unassign(&stand, &other);
    stand.wait_days(3);
    assert_eq!(finish(&mut stand, run).await, RunState::Failed);
    let left = stand.tenant.run(run).await.expect("a query").expect("a run");
    assert!(problem(&left, ProblemCode::RunStopped).is_some(), "{left:?}");
    assert_eq!(stand.here(&who).await.status, Status::Active);
    assert_eq!(stand.here(&other).await.status, Status::Deactivated);
    // Whoever asks does not join it, and what is true now is applied.
    let again = up_to(&stand, RunPhase::People).await;
    stand.wait_days(1);
    let next = stand.sync().await;
    assert_ne!(next.id, again);
    assert_eq!(next.state, RunState::Done);
    assert_eq!(stand.here(&who).await.status, Status::Active);
    assert_eq!(stand.here(&other).await.status, Status::Deactivated);
}

async fn a_run_ends_where_it_is_when_the_integration_is_switched_off(ground: &Ground) {
    let mut stand = Stand::synced(ground, 30).await;
    let mut wire = Wire::from_now(ground, &stand);
    let people = stand.assigned();
    unassign(&stand, &people[7]);
    let run = up_to(&stand, RunPhase::Removals).await;
    // Somebody of the person lane waits, too.
    stand.update(&people[9], json!({"title": "Waits"}));
    wire.deliver_new(&mut stand, &["user.account.update_profile"]).await;
    let by = By { actor: "os:ana", cause: "cli", run: None, reason: None };
    let now = stand.now();
    stand.tenant.set_okta_enabled(false, by, &mut stand.ids, now).await.expect("switched");
    let left = Box::pin(stand.engine.drive(&stand.tenant, run)).await.expect("a run");
    assert_eq!(left.state, RunState::Failed);
    assert!(problem(&left, ProblemCode::RunStopped).is_some(), "{left:?}");
    assert_eq!(stand.here(&people[7]).await.status, Status::Active, "nobody is removed any more");
    let turn = stand.engine.person_turn(&stand.tenant).await.expect("a turn");
    assert!(!matches!(turn, Turn::Done { .. }), "{turn:?}");
    assert_ne!(stand.here(&people[9]).await.title.as_deref(), Some("Waits"), "and nobody is read");
    let now = stand.now();
    stand.tenant.set_okta_enabled(true, by, &mut stand.ids, now).await.expect("switched");
    read_people(&stand).await;
    assert_eq!(stand.here(&people[9]).await.title.as_deref(), Some("Waits"));
    assert_eq!(stand.sync().await.state, RunState::Done);
    assert_eq!(stand.here(&people[7]).await.status, Status::Deactivated);
}
