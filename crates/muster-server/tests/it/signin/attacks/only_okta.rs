//! The switch that leaves only Okta: it cannot lock a company out, and it keeps passwords out.

use std::time::Duration;

use muster_core::access::Entry;
use muster_core::person::Role;
use muster_oktasim::{Action, AppChange};
use muster_store::connection::ConnectionUpdate;
use serde_json::{Value, json};

use super::{code, enrol, ground, is_in, people, site, type_right};
use crate::support::{ANA, Browser, Ground, OLGA, Page, Site};

const GLASS: &str = "glass@fernhill.example";
const ORDINARY: &str = "ordinary@fernhill.example";
const PAGE: &str = "/integrations/okta";

async fn entry(site: &Site) -> Entry {
    site.stand.tenant.tenant().await.expect("a tenant").entry
}

async fn enforce(browser: &mut Browser) -> Page {
    browser.get(PAGE).await;
    browser.post("/integrations/okta/entry", &[("entry", "okta-only")]).await
}

/// It cannot be done yet: said so, and nothing changed.
async fn is_not_ready(site: &Site, browser: &mut Browser, case: &str) {
    let page = enforce(browser).await;
    assert_eq!(page.status, 409, "{case}: {}", page.body);
    assert_eq!(entry(site).await, Entry::Any, "{case}");
    assert!(!browser.get(PAGE).await.has("value=\"okta-only\""), "{case}: no such button");
}

/// To Okta by *Connect*, and back.
async fn connect(site: &Site, browser: &mut Browser, who: &str) {
    browser.get(PAGE).await;
    let away = browser.post("/integrations/okta/connect", &[]).await;
    let back = site.through_okta(who, away.leads());
    let page = browser.get(&back).await;
    assert_eq!(page.location.as_deref(), Some(PAGE), "{}", page.body);
}

async fn link(browser: &mut Browser) {
    browser.get(PAGE).await;
    let page = browser.link_shown().await;
    assert_eq!(page.leads(), PAGE, "{}", page.body);
    assert!(is_in(browser).await, "whoever links their account stays in");
}

fn olga_at_okta(site: &Site) {
    let Value::Object(profile) = json!({
        "login": OLGA, "email": OLGA, "firstName": "Olga", "lastName": "Owner",
    }) else {
        panic!("an object")
    };
    let (groups, activate, password, assign) = (Vec::new(), true, true, true);
    site.stand.act(&Action::Create { profile, groups, assign, activate, password });
}

/// Olga, linked and just tested, and a break-glass owner with a second factor: their browsers, and the secret.
async fn ready(ground: &Ground) -> (Site, Browser, Browser, String) {
    let mut site = site(ground).await;
    let mut olga = site.with_password(OLGA, Role::Owner).await;
    let mut glass = site.with_password(GLASS, Role::Owner).await;
    olga_at_okta(&site);
    connect(&site, &mut olga, OLGA).await;
    link(&mut olga).await;
    let (secret, _) = enrol(&site, &mut glass).await;
    glass.get(PAGE).await;
    let on = [("break_glass", "on")];
    assert_eq!(glass.post("/integrations/okta/break-glass", &on).await.leads(), PAGE);
    (site, olga, glass, secret)
}

#[tokio::test]
async fn it_needs_a_link_a_test_and_a_break_glass_owner() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let mut olga = site.with_password(OLGA, Role::Owner).await;
    is_not_ready(&site, &mut olga, "nothing was done").await;
    olga_at_okta(&site);
    connect(&site, &mut olga, OLGA).await;
    is_not_ready(&site, &mut olga, "tested, not linked").await;
    link(&mut olga).await;
    is_not_ready(&site, &mut olga, "no break-glass owner").await;
    let mut glass = site.with_password(GLASS, Role::Owner).await;
    glass.get(PAGE).await;
    let on = [("break_glass", "on")];
    glass.post("/integrations/okta/break-glass", &on).await;
    is_not_ready(&site, &mut olga, "a break-glass owner without a second factor").await;
    glass.get("/account/second-factor").await;
    is_not_ready(&site, &mut olga, "with one that was only begun").await;
    enrol(&site, &mut glass).await;
    is_not_ready(&site, &mut glass, "all but who asks: they are not linked").await;
    site.clock().advance(Duration::from_mins(31));
    is_not_ready(&site, &mut olga, "the test is too long ago").await;
    connect(&site, &mut olga, OLGA).await;
    assert_eq!(enforce(&mut olga).await.leads(), PAGE);
    assert_eq!(entry(&site).await, Entry::OktaOnly);
}

#[tokio::test]
async fn a_test_as_somebody_else_is_no_test() {
    let ground = ground().await;
    let (site, mut olga, _, _) = ready(&ground).await;
    let who = people(&site).await[0].clone();
    connect(&site, &mut olga, &who).await;
    is_not_ready(&site, &mut olga, "somebody else was shown").await;
    olga.get(PAGE).await;
    let page = olga.link_shown().await;
    assert_eq!(page.status, 409, "she is linked, and the other belongs to another account");
}

/// Source: GitLab issue 211962, where a whole company was locked out by a wrong configuration.
#[tokio::test]
async fn a_connection_that_does_not_work_cannot_be_enforced() {
    let ground = ground().await;
    let (mut site, mut olga, _, _) = ready(&ground).await;
    let set = async |site: &mut Site, secret: String| {
        let update =
            ConnectionUpdate { client_secret: Some(secret.into()), ..ConnectionUpdate::default() };
        let (ids, now) = (&mut site.stand.ids, site.stand.clock.now());
        site.stand.tenant.set_connection(update, ANA, ids, now).await.expect("set");
    };
    set(&mut site, "a wrong secret".to_owned()).await;
    is_not_ready(&site, &mut olga, "what was tested is another connection").await;
    olga.get(PAGE).await;
    let away = olga.post("/integrations/okta/connect", &[]).await;
    let back = site.through_okta(OLGA, away.leads());
    let page = olga.get(&back).await;
    assert_eq!(page.status, 502, "{}", page.body);
    assert!(page.has("secret"), "it is said what is wrong: {}", page.body);
    is_not_ready(&site, &mut olga, "the test failed").await;
    let right = site.stand.okta.client_secret();
    set(&mut site, right).await;
    is_not_ready(&site, &mut olga, "not tested since").await;
    connect(&site, &mut olga, OLGA).await;
    assert_eq!(enforce(&mut olga).await.leads(), PAGE);
}

/// The app of Okta has not got the address that people sign in at: Connect would work, and nobody else could come in.
#[tokio::test]
async fn a_test_that_found_something_wrong_is_no_test() {
    let ground = ground().await;
    let (site, mut olga, _, _) = ready(&ground).await;
    site.clock().advance(Duration::from_mins(31));
    site.stand.okta.change_app(AppChange {
        redirect_uris: Some(vec![format!("{}/en-US/okta/auth_callback", site.url())]),
        ..AppChange::default()
    });
    connect(&site, &mut olga, OLGA).await;
    assert!(olga.get(PAGE).await.has("class=\"bad\""), "it is shown");
    is_not_ready(&site, &mut olga, "nobody could sign in").await;
}

#[tokio::test]
async fn from_then_on_passwords_are_of_no_use_but_one() {
    let ground = ground().await;
    let (mut site, mut olga, mut glass, secret) = ready(&ground).await;
    let ordinary = site.with_password(ORDINARY, Role::Owner).await;
    let guest = "guest@elsewhere.example";
    drop(site.with_password(guest, Role::Learner).await);
    let insider = "insider@fernhill.example";
    drop(site.with_password(insider, Role::Learner).await);
    assert_eq!(enforce(&mut olga).await.leads(), PAGE);
    assert!(!is_in(&ordinary).await, "what began with a password ends");
    for email in [ORDINARY, OLGA, insider] {
        let mut browser = site.browser();
        let page = type_right(&mut browser, email).await;
        assert_eq!(page.status, 403, "{email}: {}", page.body);
        assert!(!is_in(&browser).await);
    }
    let mut browser = site.browser();
    assert_eq!(type_right(&mut browser, guest).await.leads(), "/", "Okta cannot know a guest");
    // Break glass.
    let before = site.stand.account(GLASS).await.expect("an owner").id;
    site.clock().advance(Duration::from_mins(1));
    let mut browser = site.browser();
    let page = type_right(&mut browser, GLASS).await;
    assert_eq!(page.leads(), "/sign-in/code?return_to=%2F", "with the second factor");
    assert!(!site.stand.story_of(before).await.contains(&"break_glass_used".to_owned()));
    browser.get("/sign-in/code").await;
    let typed = code(&site, &secret);
    let page = browser.post("/sign-in/code", &[("code", &typed)]).await;
    assert_eq!(page.leads(), "/", "{}", page.body);
    assert!(is_in(&browser).await);
    let story = site.stand.story_of(before).await;
    assert_eq!(story.iter().filter(|kind| *kind == "break_glass_used").count(), 1, "{story:?}");
    // Olga comes in by Okta.
    let mut browser = site.browser();
    assert_eq!(site.sign_in(&mut browser, OLGA).await.leads(), "/");
    // What keeps the door open cannot be taken away.
    glass.get(PAGE).await;
    let off = [("break_glass", "off")];
    assert_eq!(glass.post("/integrations/okta/break-glass", &off).await.status, 409);
    site.clock().advance(Duration::from_mins(1));
    let typed = code(&site, &secret);
    let page = glass.post("/account/second-factor/remove", &[("code", &typed)]).await;
    assert_eq!(page.status, 409, "{}", page.body);
    assert_eq!(entry(&site).await, Entry::OktaOnly);
    let account = site.stand.account(GLASS).await.expect("an owner");
    assert!(account.break_glass);
    let factor = site.stand.tenant.second_factor(before).await.expect("a look");
    assert!(factor.is_some_and(|factor| factor.confirmed_at.is_some()), "it is still there");
    // After letting people in by other ways, both can.
    glass.get(PAGE).await;
    let any = [("entry", "any")];
    assert_eq!(glass.post("/integrations/okta/entry", &any).await.leads(), PAGE);
    assert_eq!(glass.post("/integrations/okta/break-glass", &off).await.leads(), PAGE);
    let mut browser = site.browser();
    assert_eq!(type_right(&mut browser, ORDINARY).await.leads(), "/");
}

#[tokio::test]
async fn the_last_recovery_code_of_the_break_glass_owner_still_lets_in() {
    let ground = ground().await;
    let (site, mut olga, _, _) = ready(&ground).await;
    assert_eq!(enforce(&mut olga).await.leads(), PAGE);
    let used = "UPDATE recovery_codes SET used_at = 1";
    assert_eq!(site.stand.tables.execute(used).await, 10);
    let mut browser = site.browser();
    let page = type_right(&mut browser, GLASS).await;
    assert_eq!(page.leads(), "/sign-in/code?return_to=%2F", "{}", page.body);
}

#[tokio::test]
async fn where_the_integration_is_switched_off_passwords_count_again() {
    let ground = ground().await;
    let (mut site, mut olga, _, _) = ready(&ground).await;
    drop(site.with_password(ORDINARY, Role::Owner).await);
    assert_eq!(enforce(&mut olga).await.leads(), PAGE);
    let (ids, now) = (&mut site.stand.ids, site.stand.clock.now());
    site.stand.tenant.set_okta_enabled(false, ANA, ids, now).await.expect("off");
    let mut browser = site.browser();
    assert_eq!(browser.get("/users/auth/okta").await.status, 404);
    assert!(!browser.get("/sign-in").await.has("/users/auth/okta"), "nor is it offered");
    let page = type_right(&mut browser, ORDINARY).await;
    assert_eq!(page.location.as_deref(), Some("/"), "nobody is locked out: {}", page.body);
}

#[tokio::test]
async fn an_admin_cannot_turn_it() {
    let ground = ground().await;
    let (mut site, mut olga, _, _) = ready(&ground).await;
    let mut admin = site.with_password("admin@fernhill.example", Role::Admin).await;
    let page = enforce(&mut admin).await;
    assert_eq!(page.status, 403);
    assert!(!admin.get(PAGE).await.has("/integrations/okta/entry"), "nor is it offered");
    assert_eq!(enforce(&mut olga).await.leads(), PAGE);
    let who = site.stand.assigned()[0].clone();
    let mut admin = site.browser();
    site.sign_in(&mut admin, &who).await;
    let id = site.stand.okta_id(&who);
    let raised = format!("UPDATE people SET role = 'admin' WHERE okta_user_id = '{id}'");
    assert_eq!(site.stand.tables.execute(&raised).await, 1);
    admin.get(PAGE).await;
    let page = admin.post("/integrations/okta/entry", &[("entry", "any")]).await;
    assert_eq!(page.status, 403);
    assert_eq!(entry(&site).await, Entry::OktaOnly);
}
