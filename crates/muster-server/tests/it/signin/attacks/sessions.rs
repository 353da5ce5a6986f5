//! Sessions: whose they are, and when they end.

use std::time::Duration;

use muster_core::person::Role;

use super::{BROWSER, SESSION, ground, is_in, people, sessions, site, type_right, with_cookies_of};
use crate::support::{OLGA, password_of};

#[tokio::test]
async fn an_invented_session_is_not_the_one_after_a_password() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    drop(site.with_password(OLGA, Role::Owner).await);
    let planted = "A".repeat(43);
    let mut victim = site.browser();
    for name in [SESSION, BROWSER] {
        victim.cookies.insert(name.to_owned(), planted.clone());
    }
    let page = type_right(&mut victim, OLGA).await;
    assert_eq!(page.leads(), "/", "{}", page.body);
    assert_ne!(victim.cookies[SESSION], planted);
    assert_eq!(victim.cookies.get(BROWSER), None);
    let mut attacker = site.browser();
    attacker.cookies.insert(SESSION.to_owned(), planted);
    assert!(is_in(&victim).await && !is_in(&attacker).await);
}

#[tokio::test]
async fn somebody_else_in_the_same_browser_ends_the_first_session() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let people = people(&site).await;
    let mut browser = site.browser();
    site.sign_in(&mut browser, &people[0]).await;
    let first = with_cookies_of(&site, &browser);
    assert!(is_in(&first).await);
    // By Okta …
    site.sign_in(&mut browser, &people[1]).await;
    assert!(!is_in(&first).await && is_in(&browser).await);
    assert_eq!(sessions(&site).await, 1);
    let second = with_cookies_of(&site, &browser);
    // … and with a password.
    drop(site.with_password(OLGA, Role::Owner).await);
    let before = sessions(&site).await;
    browser.get("/").await;
    let typed = [("email", OLGA), ("password", &password_of(OLGA))];
    assert_eq!(browser.post("/sign-in", &typed).await.leads(), "/");
    assert!(!is_in(&second).await && is_in(&browser).await);
    assert_eq!(sessions(&site).await, before, "one ended, one began");
}

#[tokio::test]
async fn signing_out_ends_the_session_on_the_server() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let people = people(&site).await;
    let mut by_okta = site.browser();
    site.sign_in(&mut by_okta, &people[0]).await;
    let by_password = site.with_password(OLGA, Role::Owner).await;
    for mut browser in [by_okta, by_password] {
        browser.get("/").await;
        let stolen = browser.clone();
        assert!(is_in(&stolen).await);
        let page = browser.post("/sign-out", &[]).await;
        assert_eq!(page.status, 303);
        assert_eq!(browser.cookies.get(SESSION), None);
        assert!(!is_in(&stolen).await);
        let page = stolen.clone().post("/sign-out", &[]).await;
        assert_eq!(page.status, 401, "there is nothing to end any more");
    }
    assert_eq!(sessions(&site).await, 0);
}

#[tokio::test]
async fn only_ones_own_sessions_can_be_ended() {
    let ground = ground().await;
    let site = site(&ground).await;
    let people = people(&site).await;
    let (mut mine, mut phone, mut yours) = (site.browser(), site.browser(), site.browser());
    site.sign_in(&mut mine, &people[0]).await;
    site.sign_in(&mut phone, &people[0]).await;
    site.sign_in(&mut yours, &people[1]).await;
    let ids = |body: &str| -> Vec<String> {
        let parts = body.split("name=\"id\" value=\"").skip(1);
        parts.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
    };
    let page = yours.get("/account").await;
    let theirs = ids(&page.body);
    let page = mine.get("/account").await;
    for id in theirs {
        mine.post("/account/sessions/end", &[("id", &id)]).await;
    }
    assert!(is_in(&yours).await, "not by somebody else");
    // There is one other session of mine; this one has no button, or only one of its own.
    for id in ids(&page.body) {
        if is_in(&phone).await && is_in(&mine).await {
            mine.post("/account/sessions/end", &[("id", &id)]).await;
        }
    }
    assert!(!is_in(&phone).await || !is_in(&mine).await);
    assert!(is_in(&yours).await);
}

#[tokio::test]
async fn ending_all_others_leaves_this_one() {
    let ground = ground().await;
    let site = site(&ground).await;
    let people = people(&site).await;
    let mut mine = site.browser();
    let mut others = [(); 3].map(|()| site.browser());
    site.sign_in(&mut mine, &people[0]).await;
    for other in &mut others {
        site.sign_in(other, &people[0]).await;
    }
    let mut yours = site.browser();
    site.sign_in(&mut yours, &people[1]).await;
    mine.get("/account").await;
    let page = mine.post("/account/sessions/end-others", &[]).await;
    assert_eq!(page.leads(), "/account");
    for other in &others {
        assert!(!is_in(other).await);
    }
    assert!(is_in(&mine).await && is_in(&yours).await);
}

#[tokio::test]
async fn a_session_ends_by_itself() {
    let ground = ground().await;
    let site = site(&ground).await;
    let people = people(&site).await;
    let hour = Duration::from_hours(1);
    let mut idle = site.browser();
    let mut used = site.browser();
    site.sign_in(&mut idle, &people[0]).await;
    site.sign_in(&mut used, &people[0]).await;
    for _ in 0..12 {
        assert!(is_in(&used).await);
        site.clock().advance(hour);
    }
    assert!(!is_in(&idle).await, "twelve hours without a click");
    for _ in 12..167 {
        assert!(is_in(&used).await);
        site.clock().advance(hour);
    }
    assert!(is_in(&used).await);
    site.clock().advance(hour);
    assert!(!is_in(&used).await, "a week altogether, however much it was used");
}

#[tokio::test]
async fn shorter_limits_count_for_those_who_are_in() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let mut owner = site.with_password(OLGA, Role::Owner).await;
    let who = people(&site).await[0].clone();
    let mut browser = site.browser();
    site.sign_in(&mut browser, &who).await;
    site.clock().advance(Duration::from_mins(20));
    owner.get("/integrations/okta").await;
    for (idle, absolute) in [("4", "60"), ("60", "59"), ("x", "60"), ("60", "129601"), ("", "")] {
        let fields = [("idle", idle), ("absolute", absolute)];
        let page = owner.post("/integrations/okta/sessions", &fields).await;
        assert_eq!(page.status, 409, "{idle} {absolute}");
    }
    assert!(is_in(&browser).await);
    site.clock().advance(Duration::from_mins(20));
    let fields = [("idle", "15"), ("absolute", "600")];
    let page = owner.post("/integrations/okta/sessions", &fields).await;
    assert_eq!(page.leads(), "/integrations/okta", "{}", page.body);
    assert!(!is_in(&browser).await);
    assert!(is_in(&owner).await, "who just clicked stays");
}

#[tokio::test]
async fn of_two_session_cookies_none_counts() {
    let ground = ground().await;
    let site = site(&ground).await;
    let who = people(&site).await[0].clone();
    let mut browser = site.browser();
    site.sign_in(&mut browser, &who).await;
    let own = format!("{SESSION}={}", browser.cookies[SESSION]);
    for cookies in [
        format!("{own}; {SESSION}={}", "B".repeat(43)),
        format!("{SESSION}={}; {own}", "B".repeat(43)),
        own.replace("__Host-", ""),
        own.to_lowercase(),
        format!("{own}x"),
    ] {
        let mut bare = site.browser();
        let page = bare.send("GET", "/account", &[("cookie", &cookies)], b"").await;
        assert_eq!(page.status, 303, "{cookies}");
    }
    assert!(is_in(&browser).await);
}
