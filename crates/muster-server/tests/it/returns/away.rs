//! Long absences, and access that was taken by hand.

use muster_core::person::{Role, Status, StatusReason};
use muster_core::problem::ProblemCode::ReturnsAfterLongAbsence;
use muster_core::run::RunState;
use muster_oktasim::Action;
use muster_store::people::PersonKey;
use serde_json::json;

use crate::support::{ANA, Ground, Stand, on_both_engines, problem, standing};

on_both_engines! {
    above_learner_a_long_absence_must_be_confirmed,
    a_confirmation_that_is_due_outlasts_other_changes,
    access_taken_by_hand_stays_taken,
    access_given_back_by_hand_holds,
}

async fn above_learner_a_long_absence_must_be_confirmed(ground: &Ground) {
    // (role, days away, confirmed by somebody first)
    let cases = [
        (Role::Learner, 300, false),
        (Role::Hr, 29, false),
        (Role::Hr, 31, true),
        (Role::Admin, 31, true),
        (Role::Owner, 29, false),
        (Role::Owner, 31, true),
    ];
    let mut stand = Stand::synced(ground, 40).await;
    for (place, (role, days, expected)) in cases.into_iter().enumerate() {
        let case = format!("{role} after {days} days");
        let who = stand.assigned()[7 + place].clone();
        let person = stand.here(&who).await;
        if role != Role::Learner {
            stand.set_role(&person.email, role).await;
        }
        stand.act(&Action::Suspend { who: who.clone() });
        stand.sync().await;
        // The API token must be used now and then, or Okta ends it.
        for _ in 0..days / 20 {
            stand.wait_days(20);
            stand.sync().await;
        }
        stand.wait_days(days % 20);
        stand.act(&Action::Unsuspend { who: who.clone() });
        let run = stand.sync().await;
        assert_eq!((run.state, run.counts.reactivated), (RunState::Done, 1), "{case}: {run:?}");
        let back = stand.here(&who).await;
        assert_eq!(
            (back.status, back.role, back.confirm_needed),
            (Status::Active, role, expected),
            "{case}"
        );
        assert_eq!(problem(&run, ReturnsAfterLongAbsence).is_some(), expected, "{case}: {run:?}");
        if expected {
            let run = stand.sync().await;
            assert_eq!(
                problem(&run, ReturnsAfterLongAbsence).map(|told| told.people),
                Some(1),
                "{case}: still"
            );
            let (key, now) = (PersonKey::Id(back.id), stand.now());
            stand.tenant.confirm_return(&key, ANA, &mut stand.ids, now).await.expect("confirmed");
            let run = stand.sync().await;
            assert!(!stand.here(&who).await.confirm_needed, "{case}: once is enough");
            assert!(problem(&run, ReturnsAfterLongAbsence).is_none(), "{case}: {run:?}");
        }
    }
}

async fn a_confirmation_that_is_due_outlasts_other_changes(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    let who = stand.assigned()[7].clone();
    let email = stand.here(&who).await.email;
    stand.set_role(&email, Role::Admin).await;
    stand.act(&Action::Suspend { who: who.clone() });
    stand.sync().await;
    for _ in 0..2 {
        stand.wait_days(20);
        stand.sync().await;
    }
    stand.act(&Action::Unsuspend { who: who.clone() });
    stand.sync().await;
    assert!(stand.here(&who).await.confirm_needed);
    stand.update(&who, json!({"title": "In A Hurry"}));
    let run = stand.sync().await;
    assert_eq!(run.counts.updated, 1);
    assert!(stand.here(&who).await.confirm_needed, "a new title confirms nobody");
    assert!(problem(&run, ReturnsAfterLongAbsence).is_some(), "{run:?}");
    stand.set_rules("email_domains = [\"fernhill.example\"]\nlanguages = [\"de\"]\n").await;
    stand.sync().await;
    assert!(stand.here(&who).await.confirm_needed, "nor do new rules");
    // Whoever goes again waits for nothing any more; the next return is judged by itself.
    stand.act(&Action::Suspend { who: who.clone() });
    let run = stand.sync().await;
    assert!(!stand.here(&who).await.confirm_needed);
    assert!(problem(&run, ReturnsAfterLongAbsence).is_none(), "{run:?}");
}

async fn access_taken_by_hand_stays_taken(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    let who = stand.assigned()[7].clone();
    let person = stand.here(&who).await;
    let (key, now) = (PersonKey::Id(person.id), stand.now());
    stand.tenant.deactivate_by_hand(&key, ANA, &mut stand.ids, now).await.expect("deactivated");
    let by_hand = (Status::Deactivated, StatusReason::ByHand);
    // Nothing that Okta says gives it back: not that they are in, not a change, not a way out and back.
    stand.sync().await;
    assert_eq!(standing(&stand.here(&who).await), by_hand);
    stand.update(&who, json!({"title": "Try Me"}));
    assert_eq!(stand.sync().await.counts.updated, 1);
    stand.act(&Action::Suspend { who: who.clone() });
    stand.sync().await;
    stand.act(&Action::Unsuspend { who: who.clone() });
    let run = stand.sync().await;
    assert_eq!(run.counts.reactivated, 0, "{run:?}");
    let after = stand.here(&who).await;
    assert_eq!((standing(&after), after.title.as_deref()), (by_hand, Some("Try Me")));
    // Unless the tenant wants it so.
    stand.set_rules("email_domains = [\"fernhill.example\"]\nokta_wins = true\n").await;
    assert_eq!(stand.sync().await.counts.reactivated, 1);
    assert_eq!(standing(&stand.here(&who).await), (Status::Active, StatusReason::Assigned));
}

async fn access_given_back_by_hand_holds(ground: &Ground) {
    let mut stand = Stand::synced(ground, 40).await;
    let who = stand.assigned()[7].clone();
    let person = stand.here(&who).await;
    let (key, now) = (PersonKey::Id(person.id), stand.now());
    stand.tenant.deactivate_by_hand(&key, ANA, &mut stand.ids, now).await.expect("deactivated");
    stand.sync().await;
    stand
        .tenant
        .reactivate_by_hand(&key, false, ANA, &mut stand.ids, now)
        .await
        .expect("reactivated");
    let run = stand.sync().await;
    assert_eq!((run.counts.reactivated, run.counts.deactivated), (0, 0), "{run:?}");
    assert_eq!(stand.here(&who).await, person);
    // Somebody who leaves Okta's care keeps the account, and the next run makes no second one for the same address.
    stand.tenant.deactivate_by_hand(&key, ANA, &mut stand.ids, now).await.expect("deactivated");
    stand.tenant.reactivate_by_hand(&key, true, ANA, &mut stand.ids, now).await.expect("unlinked");
    let run = stand.sync().await;
    assert_eq!((run.counts.linked, run.counts.created), (1, 0), "{run:?}");
    assert_eq!(stand.here(&who).await.id, person.id);
}
