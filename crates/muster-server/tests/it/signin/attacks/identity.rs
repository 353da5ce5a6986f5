//! Who somebody is: the Okta user, and never an address.

use muster_core::id::OktaUserId;
use muster_core::person::{Email, Role};
use muster_core::run::RunKind;
use muster_oktasim::Action;
use muster_store::accounts::NewAccount;
use muster_store::people::PersonKey;
use serde_json::{Value, json};

use super::{ground, is_in, people, sessions, site};
use crate::support::{ANA, Browser, OLGA, Page, Site, password_of};

/// An assigned Okta user with this login and address.
fn hire(site: &Site, login: &str, email: &str) {
    let Value::Object(profile) = json!({
        "login": login, "email": email, "firstName": "Mallory", "lastName": "Quine",
    }) else {
        panic!("an object")
    };
    let (groups, activate, password, assign) = (Vec::new(), true, true, true);
    site.stand.act(&Action::Create { profile, groups, assign, activate, password });
}

/// Signs in somebody who may have to be read first. Clocks that are moved by those who wait run faster than the reading where a machine
/// is busy: then they are told to come again, and do so when it is done.
async fn come(site: &Site, browser: &mut Browser, who: &str) -> Page {
    let user = OktaUserId::parse(&site.stand.okta_id(who)).expect("an Okta id");
    for _ in 0..20 {
        let page = site.sign_in(browser, who).await;
        if page.code() != "still_reading" {
            return page;
        }
        assert_eq!(page.status, 503);
        while site.stand.tenant.person_waits(&user).await.expect("a look") {
            tokio::task::yield_now().await;
        }
    }
    panic!("{who} is read for ever");
}

async fn add(site: &mut Site, email: &str, role: Role) {
    let new = NewAccount::new(Email::parse(email).expect("an address"), role);
    let (ids, now) = (&mut site.stand.ids, site.stand.clock.now());
    site.stand.tenant.add_people(&[new], ANA, ids, now).await.expect("added");
}

#[tokio::test]
async fn an_address_alone_signs_nobody_in() {
    // (address, role of the account, break-glass, whether its domain is one of the company's: then a learner's is linked)
    let cases = [
        ("ruth@fernhill.example", Role::Owner, false, false),
        ("rosa@elsewhere.example", Role::Owner, false, false),
        ("gina@fernhill.example", Role::Owner, true, false),
        ("adam@fernhill.example", Role::Admin, false, false),
        ("anna@elsewhere.example", Role::Admin, false, false),
        ("hugo@elsewhere.example", Role::Hr, false, false),
        ("lena@elsewhere.example", Role::Learner, false, false),
        ("lars@fernhill.example", Role::Learner, false, true),
        ("hera@fernhill.example", Role::Hr, false, true),
    ];
    let ground = ground().await;
    let mut site = site(&ground).await;
    for (email, role, break_glass, linked) in cases {
        let case = format!("{email}, {role}");
        add(&mut site, email, role).await;
        if break_glass {
            let (key, now) = (PersonKey::Email(email.to_owned()), site.clock().now());
            let ids = &mut site.stand.ids;
            site.stand.tenant.set_protected(&key, true, ANA, ids, now).await.expect("protected");
        }
        let before = site.stand.account(email).await.expect("an account");
        let count = sessions(&site).await;
        let login = format!("mallory.{email}");
        hire(&site, &login, email);
        let mut browser = site.browser();
        let page = come(&site, &mut browser, &login).await;
        let after = site.stand.account(email).await.expect("an account");
        assert_eq!((after.id, after.role), (before.id, role), "{case}");
        if linked {
            assert_eq!(page.location.as_deref(), Some("/"), "{case}: {}", page.body);
            assert!(after.okta_user_id.is_some(), "{case}");
            assert!(is_in(&browser).await, "{case}");
            continue;
        }
        assert_eq!((page.status, page.code()), (403, "needs_decision"), "{case}: {}", page.body);
        assert_eq!(after, before, "{case}: all of it is as it was");
        assert!(!is_in(&browser).await, "{case}");
        assert_eq!(sessions(&site).await, count, "{case}");
        let story = site.stand.story_of(before.id).await;
        assert!(story.contains(&"sign_in_refused".to_owned()), "{case}: {story:?}");
        // A full run changes nothing of it, either.
        let run = site.stand.ask(RunKind::Full, None).await.expect("a run");
        site.stand.engine.drive(&site.stand.tenant, run).await.expect("driven");
        let page = come(&site, &mut browser, &login).await;
        assert_eq!((page.status, page.code()), (403, "needs_decision"), "{case}: again");
        let after = site.stand.account(email).await.expect("an account");
        assert_eq!((after.okta_user_id, after.role), (None, role), "{case}");
        site.stand.act(&Action::Delete { who: login });
    }
}

#[tokio::test]
async fn an_owner_keeps_their_way_in_while_somebody_has_their_address() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let olga = site.with_password(OLGA, Role::Owner).await;
    hire(&site, "mallory@fernhill.example", OLGA);
    let mut mallory = site.browser();
    let page = come(&site, &mut mallory, "mallory@fernhill.example").await;
    assert_eq!((page.status, page.code()), (403, "needs_decision"), "{}", page.body);
    assert!(is_in(&olga).await);
    let mut again = site.browser();
    again.get("/sign-in").await;
    let typed = [("email", OLGA), ("password", &password_of(OLGA))];
    assert_eq!(again.post("/sign-in", &typed).await.leads(), "/");
}

#[tokio::test]
async fn a_login_that_is_somebody_elses_address_is_of_no_use() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let olga = site.with_password(OLGA, Role::Owner).await;
    hire(&site, OLGA, "mallory@fernhill.example");
    let mut mallory = site.browser();
    let page = come(&site, &mut mallory, OLGA).await;
    assert_eq!(page.location.as_deref(), Some("/"), "{}", page.body);
    let page = mallory.get("/").await;
    assert!(page.has("mallory@fernhill.example"), "they are themselves: {}", page.body);
    assert_eq!(mallory.get("/integrations").await.status, 403);
    assert!(is_in(&olga).await);
    let owner = site.stand.account(OLGA).await.expect("Olga");
    assert_eq!(owner.okta_user_id, None);
}

#[tokio::test]
async fn a_swapped_address_moves_nobody_to_another_account() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let people = people(&site).await;
    let (one, two) = (site.stand.here(&people[0]).await, site.stand.here(&people[1]).await);
    let action = Action::SwapEmails { one: people[0].clone(), other: people[1].clone() };
    site.stand.act(&action);
    let mut browser = site.browser();
    site.sign_in(&mut browser, one.okta_user_id.as_ref().expect("an id").as_str()).await;
    assert!(browser.get("/").await.has(&one.email), "as we know them");
    site.stand.sync().await;
    assert!(is_in(&browser).await);
    let after = site.stand.by_id(one.id).await;
    assert_eq!(after.email, two.email);
    assert!(browser.get("/").await.has(&two.email), "the same account with its new address");
}

#[tokio::test]
async fn a_changed_address_and_login_keep_account_and_session() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let who = people(&site).await[0].clone();
    let before = site.stand.here(&who).await;
    let mut browser = site.browser();
    site.sign_in(&mut browser, &who).await;
    let new = "married.name@fernhill.example";
    site.stand.update(&who, json!({"email": new, "login": new}));
    site.stand.sync().await;
    assert!(is_in(&browser).await);
    assert!(browser.get("/").await.has(new));
    let after = site.stand.account(new).await.expect("the same account");
    assert_eq!((after.id, &after.okta_user_id), (before.id, &before.okta_user_id));
    assert_eq!(site.stand.account(&before.email).await, None);
    let mut again = site.browser();
    assert_eq!(site.sign_in(&mut again, new).await.leads(), "/");
    assert!(is_in(&again).await && is_in(&browser).await);
    let accounts = site.stand.people().await.len();
    site.stand.sync().await;
    assert_eq!(site.stand.people().await.len(), accounts, "nobody was made anew");
}

#[tokio::test]
async fn somebody_who_was_never_assigned_makes_no_account() {
    let ground = ground().await;
    let site = site(&ground).await;
    let before = site.stand.people().await.len();
    // Broker mode: Okta lets everybody through, assigned or not.
    hire(&site, "stranger@fernhill.example", "stranger@fernhill.example");
    let who = "stranger@fernhill.example".to_owned();
    site.stand.act(&Action::Unassign { who: who.clone(), app: None });
    site.stand.act(&Action::BrokerMode { on: true });
    let mut browser = site.browser();
    let page = site.sign_in(&mut browser, &who).await;
    assert_eq!((page.status, page.code()), (403, "not_assigned"), "{}", page.body);
    assert!(!is_in(&browser).await);
    assert_eq!(site.stand.people().await.len(), before);
}
