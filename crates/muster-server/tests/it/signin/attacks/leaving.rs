//! Whoever loses access is out at the next click, by whatever way it was lost.

use std::time::Duration;

use muster_core::id::OktaUserId;
use muster_core::person::{Role, Status};
use muster_core::run::{RunCause, RunState};
use muster_oktasim::Action;
use muster_server::sync::Turn;
use muster_store::jobs::{NewJob, priority};
use muster_store::people::PersonKey;

use super::{is_in, people, sessions, site};
use crate::support::{ANA, Browser, Company, Ground, Site, on_both_engines};

on_both_engines! {
    a_full_run_ends_the_session,
    a_run_for_one_person_ends_the_session,
    deactivation_by_hand_ends_the_session,
    an_approval_ends_the_session_and_not_before,
    whoever_must_be_confirmed_is_out_until_then,
}

/// Two people who are in: one who will leave, one who stays.
async fn two_in(site: &Site) -> (String, Browser, Browser) {
    let people = people(site).await;
    let (mut leaver, mut other) = (site.browser(), site.browser());
    assert_eq!(site.sign_in(&mut leaver, &people[1]).await.leads(), "/");
    assert_eq!(site.sign_in(&mut other, &people[2]).await.leads(), "/");
    leaver.get("/account").await;
    (people[1].clone(), leaver, other)
}

/// Out, by every kind of click; and not back in by Okta.
async fn is_out(site: &Site, who: &str, leaver: &Browser, other: &Browser, code: &str) {
    assert!(!is_in(leaver).await);
    let page = leaver.clone().post("/account/sessions/end-others", &[]).await;
    assert_eq!(page.status, 401);
    assert_eq!(sessions(site).await, 1, "the row is gone, not only passed over");
    assert!(is_in(other).await, "nobody else is touched");
    let mut again = site.browser();
    let away = again.get("/users/auth/okta").await;
    let back = site.stand.okta.sign_in(who, away.leads(), site.clock().now());
    // Okta may refuse by itself; whom it lets through, we do not.
    if let Ok(back) = back {
        let back = back.strip_prefix(&site.url()).expect("an address of ours").to_owned();
        let page = again.get(&back).await;
        assert_eq!(page.status, 403, "{}", page.body);
        assert!(page.code() == code || page.code() == "okta_access_denied", "{}", page.code());
    }
    assert!(!is_in(&again).await);
}

async fn a_full_run_ends_the_session(ground: &Ground) {
    let mut site = site(ground).await;
    let (who, leaver, other) = two_in(&site).await;
    site.stand.act(&Action::Unassign { who: who.clone(), app: None });
    assert!(is_in(&leaver).await, "we know nothing of it yet");
    let run = site.stand.sync().await;
    assert_eq!(run.counts.deactivated, 1, "{run:?}");
    is_out(&site, &who, &leaver, &other, "deactivated").await;
}

async fn a_run_for_one_person_ends_the_session(ground: &Ground) {
    let mut site = site(ground).await;
    let (who, leaver, other) = two_in(&site).await;
    let user = OktaUserId::parse(&site.stand.okta_id(&who)).expect("an Okta id");
    site.stand.act(&Action::Deactivate { who: who.clone() });
    site.clock().advance(Duration::from_mins(1));
    let now = site.clock().now();
    let job = NewJob::person(&user, priority::SIGN_IN, now, RunCause::Event);
    site.stand.tenant.ask(&[job], &mut site.stand.ids, now).await.expect("asked");
    while site.stand.engine.person_turn(&site.stand.tenant).await.expect("a turn") != Turn::Idle {}
    is_out(&site, user.as_str(), &leaver, &other, "deactivated").await;
}

async fn deactivation_by_hand_ends_the_session(ground: &Ground) {
    let mut site = site(ground).await;
    let (who, leaver, other) = two_in(&site).await;
    let key = PersonKey::Id(site.stand.here(&who).await.id);
    let (ids, now) = (&mut site.stand.ids, site.stand.clock.now());
    site.stand.tenant.deactivate_by_hand(&key, ANA, ids, now).await.expect("deactivated");
    // Okta still lets them through: only we stand in the way.
    is_out(&site, &who, &leaver, &other, "deactivated").await;
    // Given back, they come in again, with a session that is new.
    let ids = &mut site.stand.ids;
    site.stand.tenant.reactivate_by_hand(&key, false, ANA, ids, now).await.expect("back");
    assert!(!is_in(&leaver).await);
    assert_eq!(site.sign_in(&mut site.browser(), &who).await.leads(), "/");
}

async fn an_approval_ends_the_session_and_not_before(ground: &Ground) {
    let mut site = Site::open(ground, Company::of(90)).await;
    site.register();
    site.stand.sync().await;
    let people = people(&site).await;
    let (mut leaver, mut other) = (site.browser(), site.browser());
    site.sign_in(&mut leaver, &people[0]).await;
    site.sign_in(&mut other, &people[1]).await;
    leaver.get("/account").await;
    for who in people.iter().step_by(3) {
        site.stand.act(&Action::Unassign { who: who.clone(), app: None });
    }
    let held = site.stand.sync().await;
    assert_eq!(held.state, RunState::Held, "{held:?}");
    assert!(is_in(&leaver).await, "held is not removed");
    let run = site.stand.approve(held.id).await.expect("approved");
    assert_eq!(run.state, RunState::Done, "{run:?}");
    is_out(&site, &people[0], &leaver, &other, "deactivated").await;
}

async fn whoever_must_be_confirmed_is_out_until_then(ground: &Ground) {
    let mut site = site(ground).await;
    let who = people(&site).await[1].clone();
    let person = site.stand.here(&who).await;
    site.stand.set_role(&person.email, Role::Hr).await;
    let mut live = site.browser();
    assert_eq!(site.sign_in(&mut live, &who).await.leads(), "/");
    site.stand.act(&Action::Suspend { who: who.clone() });
    site.stand.sync().await;
    assert!(!is_in(&live).await);
    for _ in 0..2 {
        site.stand.wait_days(20);
        site.stand.sync().await;
    }
    site.stand.act(&Action::Unsuspend { who: who.clone() });
    site.stand.sync().await;
    let back = site.stand.here(&who).await;
    assert_eq!((back.status, back.confirm_needed), (Status::Active, true));
    let mut browser = site.browser();
    let page = site.sign_in(&mut browser, &who).await;
    assert_eq!((page.status, page.code()), (403, "to_confirm"), "{}", page.body);
    assert!(!is_in(&browser).await && sessions(&site).await == 0);
    let (key, now) = (PersonKey::Id(back.id), site.clock().now());
    site.stand.tenant.confirm_return(&key, ANA, &mut site.stand.ids, now).await.expect("said so");
    assert_eq!(site.sign_in(&mut browser, &who).await.leads(), "/");
    assert!(!is_in(&live).await);
    // And somebody who is in when it becomes due is out.
    let due =
        format!("UPDATE people SET confirm_needed = TRUE WHERE email_key = '{}'", person.email);
    assert_eq!(site.stand.tables.execute(&due).await, 1);
    assert!(!is_in(&browser).await);
    assert_eq!(sessions(&site).await, 0);
}
