//! A token that no longer sees everybody: neither in lists nor by id.

use muster_core::person::{Status, StatusReason};
use muster_core::problem::ProblemCode::TokenNarrowed;
use muster_core::run::RunState;
use muster_oktasim::{Action, Area, Fault, Right, Rule};

use super::{company, fail, is_incomplete, mend};
use crate::support::{Ground, on_both_engines, standing};

on_both_engines! {
    a_narrowed_token_removes_nobody,
    a_few_hidden_people_count_as_deleted_only_where_no_log_can_tell,
    people_who_were_deleted_are_told_from_people_who_are_hidden,
    a_log_that_fails_is_no_log_without_a_deletion,
    whoever_was_brought_back_and_is_hidden_is_not_taken_as_deleted,
    everybody_deleted_is_told_from_everybody_hidden,
}

async fn a_narrowed_token_removes_nobody(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    let before = stand.with_access().await;
    let (readable, unreadable) = (Right::Read, Right::None);
    let cases = [
        ("1 hidden, log readable", 1, readable),
        ("3 hidden, log readable", 3, readable),
        ("10 hidden, log readable", 10, readable),
        ("6 hidden, no log", 6, unreadable),
        ("10 hidden, no log", 10, unreadable),
        ("a third hidden, no log", 37, unreadable),
        ("all but one hidden, log readable", people.len() - 1, readable),
        ("all but one hidden, no log", people.len() - 1, unreadable),
        ("everybody hidden, log readable", people.len(), readable),
        ("everybody hidden, no log", people.len(), unreadable),
    ];
    for (name, hidden, log) in cases {
        stand.okta.set_right(Area::Logs, log);
        stand.okta.hide(&people[people.len() - hidden..]).expect("hidden");
        let run = stand.sync().await;
        is_incomplete(name, &run, TokenNarrowed);
        assert_eq!(stand.with_access().await, before, "{name}");
    }
    stand.okta.hide(&[]).expect("shown");
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.unchanged), (RunState::Done, people.len() as u64));
}

async fn a_few_hidden_people_count_as_deleted_only_where_no_log_can_tell(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    stand.okta.set_right(Area::Logs, Right::None);
    stand.okta.hide(&people[10..13]).expect("hidden");
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 3), "{run:?}");
    for who in &people[10..13] {
        let person = stand.here(who).await;
        assert_eq!(standing(&person), (Status::Deactivated, StatusReason::DeletedInOkta), "{who}");
    }
    // Once the token sees them again they are back, as they were.
    stand.okta.hide(&[]).expect("shown");
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.reactivated), (RunState::Done, 3), "{run:?}");
}

async fn people_who_were_deleted_are_told_from_people_who_are_hidden(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    // More than may go by a 404 alone: the log knows of each.
    let deleted: Vec<_> = people[20..28].iter().map(|who| stand.okta_id(who)).collect();
    for who in &people[20..28] {
        stand.act(&Action::Delete { who: who.clone() });
    }
    // One more who is only hidden spoils it for all: the token cannot be trusted any more.
    stand.okta.hide(&people[50..51]).expect("hidden");
    let before = stand.with_access().await;
    is_incomplete("deleted and hidden", &stand.sync().await, TokenNarrowed);
    assert_eq!(stand.with_access().await, before);
    stand.okta.hide(&[]).expect("shown");
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 8), "{run:?}");
    for person in stand.people().await {
        let is_deleted = person
            .okta_user_id
            .as_ref()
            .is_some_and(|id| deleted.iter().any(|one| one == id.as_str()));
        assert_eq!(
            is_deleted,
            person.status_reason == StatusReason::DeletedInOkta,
            "{}",
            person.email
        );
    }
}

async fn a_log_that_fails_is_no_log_without_a_deletion(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    for who in &people[20..23] {
        stand.act(&Action::Delete { who: who.clone() });
    }
    let before = stand.with_access().await;
    fail(&stand, Rule::on("/api/v1/logs").fault(Fault::Status(500)));
    let run = stand.sync().await;
    assert_eq!(run.state, RunState::Incomplete, "{run:?}");
    assert_eq!(stand.with_access().await, before);
    mend(&stand);
    assert_eq!(stand.sync().await.counts.deactivated, 3);
}

async fn whoever_was_brought_back_and_is_hidden_is_not_taken_as_deleted(ground: &Ground) {
    let mut stand = company(ground).await;
    let who = stand.assigned()[10].clone();
    stand.act(&Action::Deactivate { who: who.clone() });
    stand.act(&Action::Activate { who: who.clone() });
    stand.act(&Action::Assign { who: who.clone(), app: None });
    stand.sync().await;
    stand.okta.hide(std::slice::from_ref(&who)).expect("hidden");
    let run = stand.sync().await;
    is_incomplete("hidden after a deactivation that is over", &run, TokenNarrowed);
    assert_eq!(stand.here(&who).await.status, Status::Active);
}

async fn everybody_deleted_is_told_from_everybody_hidden(ground: &Ground) {
    let mut stand = company(ground).await;
    for who in stand.assigned() {
        stand.act(&Action::Delete { who });
    }
    let run = stand.sync().await;
    assert_eq!(run.state, RunState::Held, "{run:?}");
    assert!(run.counts.held > 100, "all of them wait for a human: {run:?}");
}
