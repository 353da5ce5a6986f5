//! The second factor: nobody with a password alone comes in, and nobody takes it off without it.

use std::time::Duration;

use muster_core::person::Role;

use super::{
    HALF, SESSION, code, enrol, ground, is_in, sessions, site, type_password, type_right,
    with_cookies_of,
};
use crate::support::{Browser, OLGA, Page, Site};

/// Somebody with a second factor: its secret and the recovery codes.
async fn enrolled(site: &mut Site) -> (String, Vec<String>) {
    let mut browser = site.with_password(OLGA, Role::Owner).await;
    let enrolled = enrol(site, &mut browser).await;
    browser.get("/").await;
    browser.post("/sign-out", &[]).await;
    // The step of the code that confirmed it is used.
    site.clock().advance(Duration::from_mins(2));
    enrolled
}

/// The password is right; now the code is wanted.
async fn half_in(site: &Site) -> Browser {
    let mut browser = site.browser();
    let page = type_right(&mut browser, OLGA).await;
    assert_eq!(page.leads(), "/sign-in/code?return_to=%2F", "{}", page.body);
    assert!(browser.cookies.contains_key(HALF) && !browser.cookies.contains_key(SESSION));
    assert!(!is_in(&browser).await, "half in is not in");
    assert_eq!(browser.get("/sign-in/code").await.status, 200);
    browser
}

async fn type_code(browser: &mut Browser, code: &str) -> Page {
    browser.post("/sign-in/code", &[("code", code)]).await
}

#[track_caller]
fn is_wrong(page: &Page, browser: &Browser) {
    assert_eq!(page.status, 422, "{}", page.body);
    assert!(!browser.cookies.contains_key(SESSION));
}

#[tokio::test]
async fn a_code_counts_once() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let (secret, _) = enrolled(&mut site).await;
    let mut browser = half_in(&site).await;
    let right = code(&site, &secret);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for typed in [wrong, "", "12345", "1234567", "abcdef", "٠١٢٣٤٥", &"1".repeat(5_000)] {
        is_wrong(&type_code(&mut browser, typed).await, &browser);
        site.clock().advance(Duration::from_secs(40));
    }
    let right = code(&site, &secret);
    let mut replayed = browser.clone();
    assert_eq!(type_code(&mut browser, &right).await.leads(), "/");
    assert!(is_in(&browser).await);
    assert!(!browser.cookies.contains_key(HALF));
    is_wrong(&type_code(&mut replayed, &right).await, &replayed);
    // Nor does one of an earlier step count after a later one.
    let mut another = half_in(&site).await;
    is_wrong(&type_code(&mut another, &right).await, &another);
    site.clock().advance(Duration::from_secs(30));
    let spaced = code(&site, &secret);
    let spaced = format!(" {} {} ", &spaced[..3], &spaced[3..]);
    assert_eq!(type_code(&mut another, &spaced).await.leads(), "/", "as telephones show it");
}

#[tokio::test]
async fn a_code_counts_for_a_short_time() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let (secret, _) = enrolled(&mut site).await;
    let old = code(&site, &secret);
    site.clock().advance(Duration::from_secs(65));
    let mut browser = half_in(&site).await;
    is_wrong(&type_code(&mut browser, &old).await, &browser);
    let of_now = code(&site, &secret);
    site.clock().advance(Duration::from_secs(30));
    assert_eq!(type_code(&mut browser, &of_now).await.leads(), "/", "one step late is fine");
}

#[tokio::test]
async fn a_recovery_code_counts_once() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let (_, codes) = enrolled(&mut site).await;
    let mut browser = half_in(&site).await;
    let typed = codes[0].to_uppercase().replace(' ', "-");
    assert_eq!(type_code(&mut browser, &typed).await.leads(), "/", "however it is typed");
    assert!(browser.get("/account").await.has("9"), "it is told how many are left");
    let mut browser = half_in(&site).await;
    is_wrong(&type_code(&mut browser, &codes[0]).await, &browser);
    assert_eq!(type_code(&mut browser, &codes[1]).await.leads(), "/");
}

#[tokio::test]
async fn codes_are_guessed_at_only_slowly() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let (secret, codes) = enrolled(&mut site).await;
    site.clock().advance(Duration::from_mins(10));
    let mut browser = half_in(&site).await;
    let right = code(&site, &secret);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..10 {
        is_wrong(&type_code(&mut browser, wrong).await, &browser);
    }
    for typed in [wrong, &right, &codes[0]] {
        let page = type_code(&mut browser, typed).await;
        assert_eq!(page.status, 429, "{}", page.body);
    }
    // Beginning anew with the password does not give new tries.
    let mut anew = half_in(&site).await;
    assert_eq!(type_code(&mut anew, &codes[1]).await.status, 429);
    site.clock().advance(Duration::from_secs(31));
    let right = code(&site, &secret);
    assert_eq!(type_code(&mut browser, &right).await.leads(), "/");
}

#[tokio::test]
async fn half_a_way_in_belongs_to_one_browser() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let (secret, _) = enrolled(&mut site).await;
    let mut browser = half_in(&site).await;
    let mut other = site.browser();
    other.get("/sign-in").await;
    other.cookies.insert(HALF.to_owned(), browser.cookies[HALF].clone());
    let right = code(&site, &secret);
    assert_eq!(type_code(&mut other, &right).await.leads(), "/sign-in", "begin again");
    assert!(!is_in(&other).await);
    for broken in ["", "x", &"A".repeat(120), &browser.cookies[HALF][1..]] {
        other.cookies.insert(HALF.to_owned(), broken.to_owned());
        let page = type_code(&mut other, &right).await;
        assert_eq!(page.leads(), "/sign-in", "{broken}");
    }
    assert_eq!(type_code(&mut browser, &right).await.leads(), "/", "the code was not used up");
    // Ten minutes later it is too late.
    let mut slow = half_in(&site).await;
    site.clock().advance(Duration::from_secs(601));
    let right = code(&site, &secret);
    assert_eq!(type_code(&mut slow, &right).await.leads(), "/sign-in");
}

#[tokio::test]
async fn who_loses_access_halfway_does_not_come_in() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let (secret, _) = enrolled(&mut site).await;
    let mut browser = half_in(&site).await;
    let due = format!("UPDATE people SET confirm_needed = TRUE WHERE email_key = '{OLGA}'");
    assert_eq!(site.stand.tables.execute(&due).await, 1);
    let page = type_code(&mut browser, &code(&site, &secret)).await;
    assert_eq!(page.status, 403, "{}", page.body);
    assert_eq!(sessions(&site).await, 0);
}

#[tokio::test]
async fn it_is_taken_off_only_by_who_has_it() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let mut browser = site.with_password(OLGA, Role::Owner).await;
    let page = browser.get("/account/second-factor").await;
    let (_, rest) = page.body.split_once("id=\"secret\">").expect("a secret");
    let begun = rest.split('<').next().expect("a secret").to_owned();
    // Begun is not confirmed: the password alone still lets in.
    assert_eq!(type_right(&mut site.browser(), OLGA).await.leads(), "/");
    let page = browser.post("/account/second-factor", &[("code", "123")]).await;
    assert_eq!(page.status, 422);
    assert!(page.has(&begun), "the same secret again, for the same picture");
    browser.get("/account/second-factor").await;
    let (secret, codes) = enrol(&site, &mut browser).await;
    assert_eq!(secret, begun);
    // From then on it is never shown again.
    let page = browser.get("/account/second-factor").await;
    assert_eq!(page.leads(), "/account");
    browser.get("/account").await;
    for typed in ["", "000000", "wrong", &secret] {
        let page = browser.post("/account/second-factor/remove", &[("code", typed)]).await;
        assert_eq!(page.status, 409, "{typed}");
    }
    assert_eq!(type_right(&mut site.browser(), OLGA).await.leads(), "/sign-in/code?return_to=%2F");
    let page = browser.post("/account/second-factor/remove", &[("code", &codes[3])]).await;
    assert_eq!(page.leads(), "/account", "{}", page.body);
    assert_eq!(type_right(&mut site.browser(), OLGA).await.leads(), "/");
    // The old secret and codes are of no use for the next one.
    browser.get("/account/second-factor").await;
    let (next, _) = enrol(&site, &mut browser).await;
    assert_ne!(next, secret);
    let mut again = half_in(&site).await;
    is_wrong(&type_code(&mut again, &codes[4]).await, &again);
}

#[tokio::test]
async fn a_new_password_does_not_take_it_off() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let (secret, _) = enrolled(&mut site).await;
    let token = site.link(OLGA).await;
    let mut browser = site.browser();
    browser.get(&format!("/welcome/{}", token.text())).await;
    browser.get("/welcome").await;
    let new = "an entirely other sentence";
    browser.post("/welcome", &[("password", new), ("again", new)]).await;
    let page = type_password(&mut browser, OLGA, new).await;
    assert_eq!(page.leads(), "/sign-in/code?return_to=%2F");
    browser.get("/sign-in/code").await;
    assert_eq!(type_code(&mut browser, &code(&site, &secret)).await.leads(), "/");
    let stolen = with_cookies_of(&site, &browser);
    assert!(is_in(&stolen).await);
}
