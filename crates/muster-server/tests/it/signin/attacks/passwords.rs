//! Passwords: guessed, tried from one place, of people who may not use one.

use std::time::Duration;

use muster_core::person::Role;
use muster_store::people::PersonKey;

use super::{HALF, SESSION, ground, is_in, people, sessions, site, type_password, type_right};
use crate::support::{ANA, Browser, OLGA, Page, password_of};

const STRANGER: &str = "nobody.here@fernhill.example";

/// How long one account waits for its next try, and one place.
const ACCOUNT: Duration = Duration::from_secs(31);
const PLACE: Duration = Duration::from_secs(4);

#[track_caller]
fn is_wrong(page: &Page) {
    assert_eq!(page.status, 422, "{}", page.body);
    assert!(page.has("role=\"alert\""), "{}", page.body);
}

#[track_caller]
fn must_wait(page: &Page, browser: &Browser) {
    assert_eq!(page.status, 429, "{}", page.body);
    let (_, rest) = page.body.split_once("role=\"alert\"").expect("words");
    let said = rest.split("</p>").next().unwrap_or_default();
    assert!(said.contains(|c: char| c.is_ascii_digit()), "how long: {said}");
    assert_eq!(browser.cookies.get(SESSION), None);
}

#[tokio::test]
async fn a_wrong_address_looks_like_a_wrong_password() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    drop(site.with_password(OLGA, Role::Owner).await);
    let managed = people(&site).await[0].clone();
    let before = sessions(&site).await;
    let mut browser = site.browser();
    browser.get("/sign-in").await;
    let mut pages = Vec::new();
    // An account, one without a password, none, and what cannot be one.
    for email in
        [OLGA, &managed, STRANGER, "", "not an address", &"a".repeat(300), "%", "' OR 1=1 --"]
    {
        for password in ["wrong, as it happens", "", "x"] {
            let typed = [("email", email), ("password", password)];
            let page = browser.post("/sign-in", &typed).await;
            is_wrong(&page);
            let shown = page.body.replace(&browser.csrf, "…");
            let (before, rest) = shown.split_once("type=\"email\"").expect("a field");
            let (_, after) = rest.split_once("aria-describedby").expect("the rest");
            pages.push(format!("{before}…{after}"));
            site.clock().advance(PLACE);
        }
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:#?}");
    assert_eq!(sessions(&site).await, before);
}

#[tokio::test]
async fn waiting_does_not_tell_who_has_an_account() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    drop(site.with_password(OLGA, Role::Owner).await);
    let managed = people(&site).await[0].clone();
    let mut told = Vec::new();
    for email in [OLGA, &managed, STRANGER] {
        site.clock().advance(Duration::from_mins(10));
        let mut browser = site.browser();
        browser.get("/sign-in").await;
        let mut answers = Vec::new();
        for _ in 0..14 {
            let typed = [("email", email), ("password", "wrong, as it happens")];
            answers.push(browser.post("/sign-in", &typed).await.status);
        }
        told.push(answers);
    }
    assert_eq!(told[0], told[1], "an account without a password");
    assert_eq!(told[0], told[2], "no account");
}

#[tokio::test]
async fn an_account_is_guessed_at_ten_times_and_then_slowly() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    drop(site.with_password(OLGA, Role::Owner).await);
    site.clock().advance(Duration::from_mins(10));
    let mut browser = site.browser();
    for _ in 0..10 {
        is_wrong(&type_password(&mut browser, OLGA, "wrong, as it happens").await);
    }
    must_wait(&type_password(&mut browser, OLGA, "wrong, as it happens").await, &browser);
    must_wait(&type_right(&mut browser, OLGA).await, &browser);
    // Spelling the address in another way is no way round, nor is another browser.
    let shouted = OLGA.to_uppercase();
    let mut other = site.browser();
    let typed = format!("  {shouted} ");
    must_wait(&type_password(&mut other, &typed, &password_of(OLGA)).await, &other);
    // Somebody else is not kept out by that.
    drop(site.with_password("other@fernhill.example", Role::Owner).await);
    // Waiting pays for one try: wrong, and one waits again; right, and one is in.
    site.clock().advance(ACCOUNT);
    is_wrong(&type_password(&mut browser, OLGA, "wrong, as it happens").await);
    must_wait(&type_right(&mut browser, OLGA).await, &browser);
    site.clock().advance(ACCOUNT);
    assert_eq!(type_right(&mut browser, OLGA).await.leads(), "/");
    assert!(is_in(&browser).await);
}

#[tokio::test]
async fn right_ones_are_not_counted() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    drop(site.with_password(OLGA, Role::Owner).await);
    for _ in 0..15 {
        site.clock().advance(PLACE);
        let mut browser = site.browser();
        assert_eq!(type_right(&mut browser, OLGA).await.status, 303);
    }
}

#[tokio::test]
async fn one_place_tries_many_accounts_only_slowly() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    drop(site.with_password(OLGA, Role::Owner).await);
    site.clock().advance(Duration::from_mins(10));
    let mut browser = site.browser();
    browser.get("/sign-in").await;
    for n in 0..30 {
        let email = format!("guess{n}@fernhill.example");
        is_wrong(&browser.post("/sign-in", &[("email", &email), ("password", "x")]).await);
    }
    must_wait(&type_password(&mut browser, "guess30@fernhill.example", "x").await, &browser);
    must_wait(&type_right(&mut browser, OLGA).await, &browser);
    // A header that anybody can send does not make it another place.
    let body = format!("email={OLGA}&password=x&csrf={}", browser.csrf);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-forwarded-for", "192.0.2.77"),
        ("x-real-ip", "192.0.2.77"),
        ("forwarded", "for=192.0.2.77"),
    ];
    let page = browser.send("POST", "/sign-in", &headers, body.as_bytes()).await;
    must_wait(&page, &browser);
    site.clock().advance(PLACE);
    assert_eq!(type_right(&mut browser, OLGA).await.leads(), "/");
}

#[tokio::test]
async fn tries_side_by_side_are_all_counted() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    drop(site.with_password(OLGA, Role::Owner).await);
    site.clock().advance(Duration::from_mins(10));
    let mut browser = site.browser();
    browser.get("/sign-in").await;
    let tries = (0..25).map(|_| {
        let mut browser = browser.clone();
        async move {
            let typed = [("email", OLGA), ("password", "wrong, as it happens")];
            browser.post("/sign-in", &typed).await.status
        }
    });
    let answers = futures_util::future::join_all(tries).await;
    let looked_at = answers.iter().filter(|status| **status == 422).count();
    assert!(looked_at <= 10, "{answers:?}");
    assert!(answers.iter().all(|status| matches!(status, 422 | 429 | 503)), "{answers:?}");
}

#[tokio::test]
async fn whom_okta_feeds_has_no_use_for_a_password() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let who = people(&site).await[0].clone();
    let person = site.stand.here(&who).await;
    assert_eq!(person.role, Role::Learner);
    // Even if one was set in some way: by a link from before they were linked, say.
    let token = site.link(&person.email).await;
    let mut browser = site.browser();
    browser.get(&format!("/welcome/{}", token.text())).await;
    browser.get("/welcome").await;
    let password = password_of(&person.email);
    browser.post("/welcome", &[("password", &password), ("again", &password)]).await;
    let before = sessions(&site).await;
    let page = type_right(&mut browser, &person.email).await;
    assert!(matches!(page.status, 403 | 422), "{} {}", page.status, page.body);
    assert_eq!(browser.cookies.get(SESSION), None);
    assert_eq!(browser.cookies.get(HALF), None);
    assert_eq!(sessions(&site).await, before);
    // A wrong one is told nothing of that.
    is_wrong(&type_password(&mut browser, &person.email, "wrong, as it happens").await);
}

#[tokio::test]
async fn a_right_password_opens_nothing_for_somebody_without_access() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let email = "guest@elsewhere.example";
    let live = site.with_password(email, Role::Learner).await;
    assert!(is_in(&live).await);
    let (key, now) = (PersonKey::Email(email.to_owned()), site.clock().now());
    let ids = &mut site.stand.ids;
    site.stand.tenant.deactivate_by_hand(&key, ANA, ids, now).await.expect("deactivated");
    assert!(!is_in(&live).await);
    let mut browser = site.browser();
    let page = type_right(&mut browser, email).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert!(page.has("deactivated"), "it is said: {}", page.body);
    assert_eq!(browser.cookies.get(SESSION), None);
    // Whoever does not know the password is not told.
    is_wrong(&type_password(&mut browser, email, "wrong, as it happens").await);
    assert_eq!(sessions(&site).await, 0);
    let ids = &mut site.stand.ids;
    site.stand.tenant.reactivate_by_hand(&key, false, ANA, ids, now).await.expect("back");
    assert_eq!(type_right(&mut browser, email).await.leads(), "/");
    assert!(!is_in(&live).await, "the session of before stays ended");
}

#[tokio::test]
async fn somebody_to_be_confirmed_is_told_so_after_the_right_password() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let email = "back@fernhill.example";
    let live = site.with_password(email, Role::Owner).await;
    let due = format!("UPDATE people SET confirm_needed = TRUE WHERE email_key = '{email}'");
    assert_eq!(site.stand.tables.execute(&due).await, 1);
    assert!(!is_in(&live).await);
    let mut browser = site.browser();
    let page = type_right(&mut browser, email).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert!(page.has("an owner or admin must say so"), "it is said: {}", page.body);
    assert_eq!(browser.cookies.get(SESSION), None);
}

#[tokio::test]
async fn a_link_works_once_and_not_by_looking_at_it() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    drop(site.with_password(OLGA, Role::Owner).await);
    let live = site.with_password("second@fernhill.example", Role::Owner).await;
    let token = site.link("second@fernhill.example").await;
    let path = format!("/welcome/{}", token.text());
    // A mail scanner looks at it, thrice.
    for _ in 0..3 {
        let mut scanner = site.browser();
        let page = scanner.get(&path).await;
        assert_eq!((page.status, page.leads()), (303, "/welcome"));
        assert!(!page.body.contains(token.text()));
        let page = scanner.get("/welcome").await;
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(!page.has(token.text()), "not in the page either");
        assert!(scanner.send("HEAD", &path, &[], b"").await.status == 303);
    }
    let mut browser = site.browser();
    browser.get(&path).await;
    browser.get("/welcome").await;
    let mut twin = browser.clone();
    let new = "an entirely other sentence";
    for (one, other) in [("short", "short"), (new, "another"), ("", ""), (new, "")] {
        let page = browser.post("/welcome", &[("password", one), ("again", other)]).await;
        assert_eq!(page.status, 422, "{one:?} {other:?}");
        assert!(!page.has(new) && !page.has(token.text()));
    }
    assert!(is_in(&live).await);
    let set = [("password", new), ("again", new)];
    assert_eq!(browser.post("/welcome", &set).await.leads(), "/sign-in");
    assert!(!is_in(&live).await, "who had the old password is out");
    assert_eq!(twin.post("/welcome", &set).await.status, 410, "a second use");
    let mut late = site.browser();
    late.get(&path).await;
    assert_eq!(late.get("/welcome").await.status, 410);
    let old = type_right(&mut browser, "second@fernhill.example").await;
    is_wrong(&old);
    assert_eq!(type_password(&mut browser, "second@fernhill.example", new).await.status, 303);
}

#[tokio::test]
async fn a_link_that_ended_or_was_replaced_is_gone() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let first = site.link(OLGA).await;
    let second = site.link(OLGA).await;
    let new = "an entirely other sentence";
    let mut browser = site.browser();
    browser.get(&format!("/welcome/{}", first.text())).await;
    assert_eq!(browser.get("/welcome").await.status, 410, "replaced");
    browser.get(&format!("/welcome/{}", second.text())).await;
    assert_eq!(browser.get("/welcome").await.status, 200);
    site.clock().advance(Duration::from_hours(24));
    let page = browser.post("/welcome", &[("password", new), ("again", new)]).await;
    assert_eq!(page.status, 410, "too late");
    for path in ["/welcome/x", &format!("/welcome/{}", "A".repeat(43))] {
        let mut browser = site.browser();
        browser.get(path).await;
        assert_eq!(browser.get("/welcome").await.status, 410, "{path}");
    }
    // Whose access was taken meanwhile has no use for theirs.
    let email = "guest@elsewhere.example";
    drop(site.with_password(email, Role::Learner).await);
    let token = site.link(email).await;
    let (key, now) = (PersonKey::Email(email.to_owned()), site.clock().now());
    let ids = &mut site.stand.ids;
    site.stand.tenant.deactivate_by_hand(&key, ANA, ids, now).await.expect("deactivated");
    let mut browser = site.browser();
    browser.get(&format!("/welcome/{}", token.text())).await;
    assert_eq!(browser.get("/welcome").await.status, 410);
}
