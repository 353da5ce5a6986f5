//! Who is who: addresses that change hands, people who come back under another id, decisions by hand.

use muster_core::id::{OktaUserId, PersonId};
use muster_core::person::{Role, Status, StatusReason};
use muster_core::problem::ProblemCode::{
    EmailConflict, EmailDuplicate, LikelyDuplicate, ReturnerNeedsDecision, WouldLinkWithoutAccess,
};
use muster_core::run::RunState;
use muster_oktasim::Action;
use muster_store::people::PersonKey;
use serde_json::{Value, json};

use super::{ACTIVE, directory, one, planted};
use crate::support::{ANA, Ground, Stand, on_both_engines, problem, standing};

on_both_engines! {
    a_marriage_changes_names_and_addresses_and_nothing_else,
    two_people_swap_their_addresses,
    three_people_hand_their_addresses_round,
    an_address_that_somebody_releases_is_taken_in_the_same_run,
    an_address_that_somebody_keeps_is_refused_and_all_else_arrives,
    of_two_with_one_address_the_second_waits_for_her_own,
    the_same_person_comes_back_under_the_same_id,
    the_same_person_comes_back_under_a_new_id,
    a_return_under_a_new_id_in_one_go_settles_in_two_runs,
    a_return_above_learner_or_under_another_name_needs_a_decision,
    likely_doubles_are_made_one_or_two_by_decision,
    an_account_is_not_linked_to_somebody_who_is_out,
}

fn email(stand: &Stand, who: &str, to: &str) {
    stand.update(who, json!({ "email": to }));
}

async fn a_marriage_changes_names_and_addresses_and_nothing_else(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let before = stand.here(&one(&stand, "email-change-marriage")).await;
    let id = before.okta_user_id.clone().expect("an Okta id");
    muster_oktasim::org::morning()[3].run(&stand.okta, stand.now()).expect("married");
    let run = stand.sync().await;
    assert_eq!(
        (run.counts.updated, run.counts.created, run.counts.deactivated),
        (1, 0, 0),
        "{run:?}"
    );
    let after = stand.here(id.as_str()).await;
    assert_eq!(after.id, before.id);
    assert_eq!(
        (after.email.as_str(), after.last_name.as_str()),
        ("maria.bridewell@fernhill.example", "Bridewell")
    );
    let (mut old, mut new) =
        (serde_json::to_value(&before).expect("JSON"), serde_json::to_value(&after).expect("JSON"));
    for field in ["email", "last_name"] {
        old[field] = Value::Null;
        new[field] = Value::Null;
    }
    assert_eq!(new, old);
    assert!(stand.account(&before.email).await.is_none(), "the old address is free");
    let entry = stand.tenant.timeline(after.id, None, 1).await.expect("a timeline").remove(0);
    let said = entry.after.expect("what changed").to_string();
    assert!(said.contains("maria.bridewell@") && said.contains("Bridewell"), "{said}");
}

async fn two_people_swap_their_addresses(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let logins = planted(&stand, "email-swap");
    let (sam, sue) = (stand.here(&logins[0]).await, stand.here(&logins[1]).await);
    stand.act(&Action::SwapEmails { one: logins[0].clone(), other: logins[1].clone() });
    let run = stand.sync().await;
    assert_eq!(
        (run.state, run.counts.updated, run.counts.review),
        (RunState::Done, 2, 5),
        "{run:?}"
    );
    let (sam_now, sue_now) = (stand.by_id(sam.id).await, stand.by_id(sue.id).await);
    assert_eq!((&sam_now.email, &sue_now.email), (&sue.email, &sam.email));
    assert_eq!((sam_now.okta_user_id, sue_now.okta_user_id), (sam.okta_user_id, sue.okta_user_id));
    let before = directory(&stand).await;
    stand.sync().await;
    assert_eq!(directory(&stand).await, before);
}

async fn three_people_hand_their_addresses_round(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let logins = planted(&stand, "made-by-hand")[1..4].to_vec();
    let mut people = Vec::new();
    for login in &logins {
        people.push(stand.here(login).await);
    }
    let ids: Vec<String> = logins.iter().map(|login| stand.okta_id(login)).collect();
    for (place, id) in ids.iter().enumerate() {
        email(&stand, id, &people[(place + 1) % 3].email);
    }
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.updated), (RunState::Done, 3), "{run:?}");
    for (place, person) in people.iter().enumerate() {
        assert_eq!(stand.by_id(person.id).await.email, people[(place + 1) % 3].email);
    }
}

async fn an_address_that_somebody_releases_is_taken_in_the_same_run(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let logins = planted(&stand, "email-swap");
    let (sam, sue) = (stand.here(&logins[0]).await, stand.here(&logins[1]).await);
    let (sam_id, sue_id) = (stand.okta_id(&logins[0]), stand.okta_id(&logins[1]));
    email(&stand, &sam_id, "sam.new@fernhill.example");
    email(&stand, &sue_id, &sam.email);
    // And somebody new wants the one that becomes free by that.
    let Value::Object(profile) = json!({
        "login": "nina.next@fernhill.example", "email": sue.email, "firstName": "Nina", "lastName": "Next"
    }) else {
        panic!("an object")
    };
    stand.act(&Action::Create {
        profile,
        groups: vec![],
        assign: true,
        activate: true,
        password: true,
    });
    let run = stand.sync().await;
    assert_eq!(
        (run.state, run.counts.updated, run.counts.created),
        (RunState::Done, 2, 1),
        "{run:?}"
    );
    assert_eq!(stand.by_id(sam.id).await.email, "sam.new@fernhill.example");
    assert_eq!(stand.by_id(sue.id).await.email, sam.email);
    assert_eq!(stand.here("nina.next@fernhill.example").await.email, sue.email);
}

async fn an_address_that_somebody_keeps_is_refused_and_all_else_arrives(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let logins = planted(&stand, "email-swap");
    let (sam, sue) = (stand.here(&logins[0]).await, stand.here(&logins[1]).await);
    let (sam_id, sue_id) = (stand.okta_id(&logins[0]), stand.okta_id(&logins[1]));
    // A board member whom Okta does not know has this one.
    stand.update(
        &sam_id,
        json!({"email": "boris.boardman@boardroom.example", "title": "Would-be Boris"}),
    );
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.updated), (RunState::Done, 1), "{run:?}");
    assert_eq!(problem(&run, EmailConflict).map(|told| told.people), Some(1), "{run:?}");
    let now = stand.by_id(sam.id).await;
    assert_eq!(
        (now.email.as_str(), now.title.as_deref()),
        (sam.email.as_str(), Some("Would-be Boris"))
    );
    // From then on it waits for a decision, and says between whom.
    let run = stand.sync().await;
    assert_eq!((run.counts.updated, run.counts.review), (0, 6), "{run:?}");
    assert_eq!(problem(&run, EmailConflict).map(|told| told.people), Some(1), "{run:?}");
    let item = stand
        .items(run.id)
        .await
        .into_iter()
        .find(|item| item.okta_user_id.as_str() == sam_id)
        .expect("an item");
    assert!(item.label == sam.email && item.reason.contains("Boris Boardman"), "{item:?}");
    // An Okta user who is listed with it and stays is no better.
    email(&stand, &sam_id, &sam.email);
    stand.sync().await;
    email(&stand, &sue_id, &sam.email);
    let run = stand.sync().await;
    assert!(
        problem(&run, EmailDuplicate).is_some_and(|told| told.people == 2),
        "Theo and Sue: {run:?}"
    );
    assert_eq!(stand.by_id(sue.id).await.email, sue.email);
    assert_eq!(stand.by_id(sam.id).await.email, sam.email);
    email(&stand, &sue_id, "sue.free@fernhill.example");
    stand.sync().await;
    assert_eq!(stand.by_id(sue.id).await.email, "sue.free@fernhill.example");
}

async fn of_two_with_one_address_the_second_waits_for_her_own(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let [tessa, theo] = planted(&stand, "two-users-one-email").try_into().expect("two");
    let holder = stand.here(&tessa).await;
    email(&stand, &theo, "theo.twin@fernhill.example");
    let run = stand.sync().await;
    assert_eq!((run.counts.created, run.counts.review), (1, 4), "{run:?}");
    assert!(problem(&run, EmailDuplicate).is_none(), "{run:?}");
    assert_eq!(standing(&stand.here(&theo).await), ACTIVE);
    assert_eq!(stand.here(&tessa).await, holder);
    // Whoever has an address keeps it, even against an older Okta user who wants it now.
    email(&stand, &tessa, "theo.twin@fernhill.example");
    let run = stand.sync().await;
    assert_eq!(stand.here(&theo).await.email, "theo.twin@fernhill.example");
    assert_eq!(stand.here(&tessa).await.email, holder.email, "{run:?}");
    assert!(problem(&run, EmailDuplicate).is_some(), "{run:?}");
}

async fn the_same_person_comes_back_under_the_same_id(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    // Rhea left before Muster came, and is still in her group.
    let rhea = one(&stand, "rehire-same-id");
    stand.act(&Action::Activate { who: rhea.clone() });
    let run = stand.sync().await;
    assert_eq!((run.counts.read, run.counts.created), (227, 1), "{run:?}");
    let first = stand.here(&rhea).await;
    for job in [false, true] {
        stand.act(&Action::Deactivate { who: rhea.clone() });
        stand.sync().await;
        assert_eq!(stand.here(&rhea).await.status_reason, StatusReason::DeactivatedInOkta);
        stand.act(&if job {
            Action::ReactivateByJob { who: rhea.clone() }
        } else {
            Action::Activate { who: rhea.clone() }
        });
        let run = stand.sync().await;
        assert_eq!((run.counts.reactivated, run.counts.created), (1, 0), "{run:?}");
        assert_eq!(stand.here(&rhea).await, first);
    }
    let story = ["create", "deactivate", "reactivate", "deactivate", "reactivate"];
    assert_eq!(access_story(&stand, first.id).await, story);
}

/// What happened to a person, oldest first, without the moves of their manager.
async fn access_story(stand: &Stand, person: PersonId) -> Vec<String> {
    stand.story_of(person).await.into_iter().filter(|kind| kind != "manager").collect()
}

/// A new Okta user with the e-mail and name of somebody who is gone; tells the new Okta id.
fn rehire(stand: &Stand, email: &str, first: &str, last: &str) -> String {
    let Value::Object(profile) = json!({
        "login": format!("again.{email}"), "email": email, "firstName": first, "lastName": last,
        "department": "Marketing", "userType": "Employee"
    }) else {
        panic!("an object")
    };
    let groups = vec!["app-learn-employees".to_owned()];
    let created = Action::Create { profile, groups, assign: false, activate: true, password: true };
    stand.act(&created).id.expect("an id")
}

async fn the_same_person_comes_back_under_a_new_id(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    for (case, leave) in [("leaver", false), ("deleted", true)] {
        let login = one(&stand, case);
        let before = stand.here(&login).await;
        let old = before.okta_user_id.clone().expect("an Okta id");
        stand.act(&if leave {
            Action::Delete { who: login }
        } else {
            Action::Deactivate { who: login }
        });
        stand.sync().await;
        let new = rehire(&stand, &before.email, &before.first_name, &before.last_name);
        let run = stand.sync().await;
        assert_eq!(
            (run.state, run.counts.linked, run.counts.created),
            (RunState::Done, 1, 0),
            "{run:?}"
        );
        let back = stand.here(&new).await;
        assert_eq!((back.id, standing(&back), &back.email), (before.id, ACTIVE, &before.email));
        assert_eq!(access_story(&stand, before.id).await, ["create", "deactivate", "link"]);
        let timeline = stand.tenant.timeline(before.id, None, 100).await.expect("a timeline");
        let entry = timeline.into_iter().find(|entry| entry.kind == "link").expect("a link");
        let reason = entry.reason.unwrap_or_default();
        assert!(
            reason.contains("re-linked from old id") && reason.contains(old.as_str()),
            "{reason}"
        );
        // Decided once, and stable: no old id takes the access away again.
        let settled = directory(&stand).await;
        for _ in 0..10 {
            let run = stand.sync().await;
            assert_eq!(
                (run.state, run.counts.deactivated, run.counts.linked),
                (RunState::Done, 0, 0),
                "{run:?}"
            );
        }
        assert_eq!(directory(&stand).await, settled);
    }
}

async fn a_return_under_a_new_id_in_one_go_settles_in_two_runs(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let login = one(&stand, "leaver");
    let before = stand.here(&login).await;
    stand.act(&Action::Deactivate { who: login });
    let new = rehire(&stand, &before.email, &before.first_name, &before.last_name);
    for _ in 0..2 {
        let run = stand.sync().await;
        assert_eq!((run.state, run.counts.created), (RunState::Done, 0), "{run:?}");
    }
    let back = stand.here(&new).await;
    assert_eq!((back.id, standing(&back)), (before.id, ACTIVE));
    let settled = directory(&stand).await;
    stand.sync().await;
    assert_eq!(directory(&stand).await, settled);
}

async fn a_return_above_learner_or_under_another_name_needs_a_decision(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let (leo, mona) =
        (stand.here(&one(&stand, "leaver")).await, stand.here(&one(&stand, "mover")).await);
    stand.set_role(&leo.email, Role::Hr).await;
    for person in [&leo, &mona] {
        stand.act(&Action::Deactivate { who: person.email.clone() });
    }
    stand.sync().await;
    let new_leo = rehire(&stand, &leo.email, &leo.first_name, &leo.last_name);
    let new_mona = rehire(&stand, &mona.email, "Ramona", "Stranger");
    for _ in 0..2 {
        let run = stand.sync().await;
        assert_eq!(
            (run.counts.review, run.counts.linked, run.counts.created),
            (7, 0, 0),
            "{run:?}"
        );
        assert_eq!(
            problem(&run, ReturnerNeedsDecision).map(|told| told.people),
            Some(2),
            "{run:?}"
        );
        for (person, new) in [(&leo, &new_leo), (&mona, &new_mona)] {
            assert_eq!(stand.by_id(person.id).await.status, Status::Deactivated);
            assert!(stand.of_okta(new).await.is_none());
        }
    }
    // A person decides: it is Leo, with the role he had.
    let now = stand.now();
    let user = OktaUserId::parse(&new_leo).expect("an Okta id");
    let key = PersonKey::Id(leo.id);
    stand.tenant.set_pairing(&user, &key, true, ANA, &mut stand.ids, now).await.expect("paired");
    let run = stand.sync().await;
    assert_eq!((run.counts.linked, run.counts.review), (1, 6), "{run:?}");
    let back = stand.by_id(leo.id).await;
    assert_eq!((standing(&back), back.role, back.okta_user_id), (ACTIVE, Role::Hr, Some(user)));
}

async fn likely_doubles_are_made_one_or_two_by_decision(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let [dora, dan] = planted(&stand, "likely-duplicate").try_into().expect("two");
    let run = stand.sync().await;
    assert_eq!(problem(&run, LikelyDuplicate).map(|told| told.people), Some(2), "{run:?}");
    let private = stand.account("dora.double@mail.example").await.expect("an account");
    let other = stand.account("dan.double@mail.example").await.expect("an account");
    let now = stand.now();
    for (login, account, same) in [(&dora, private.id, true), (&dan, other.id, false)] {
        let user = OktaUserId::parse(&stand.okta_id(login)).expect("an Okta id");
        let key = PersonKey::Id(account);
        stand.tenant.set_pairing(&user, &key, same, ANA, &mut stand.ids, now).await.expect("noted");
    }
    let run = stand.sync().await;
    assert_eq!((run.counts.linked, run.counts.created, run.counts.review), (1, 1, 3), "{run:?}");
    assert!(problem(&run, LikelyDuplicate).is_none(), "{run:?}");
    let one = stand.here(&dora).await;
    assert_eq!((one.id, one.email.as_str(), standing(&one)), (private.id, dora.as_str(), ACTIVE));
    let two = stand.here(&dan).await;
    assert_ne!(two.id, other.id);
    assert_eq!(stand.by_id(other.id).await, other);
}

async fn an_account_is_not_linked_to_somebody_who_is_out(ground: &Ground) {
    let mut stand = Stand::fernhill(ground).await;
    let lina = one(&stand, "link-by-email");
    let account = stand.account(&lina).await.expect("an account");
    stand.act(&Action::Suspend { who: lina.clone() });
    let run = stand.sync().await;
    assert_eq!((run.counts.linked, run.counts.review), (23, 6), "{run:?}");
    assert!(problem(&run, WouldLinkWithoutAccess).is_some(), "{run:?}");
    assert_eq!(stand.by_id(account.id).await, account, "she keeps the access that she has here");
    stand.act(&Action::Unsuspend { who: lina.clone() });
    assert_eq!(stand.sync().await.counts.linked, 1);
    assert_eq!(stand.here(&lina).await.id, account.id);
}
