//! Answers of Okta that come twice, late, to another browser or to another company.

use std::time::Duration;

use super::{BROWSER, SESSION, flow, ground, is_in, people, sessions, site, with_cookies_of};
use crate::support::{Company, Ground, Page, Site, on_both_engines};

on_both_engines! {
    an_answer_counts_once,
    an_answer_that_comes_twice_at_once_counts_once,
    an_answer_is_of_no_use_in_another_browser,
}

#[track_caller]
fn is_to_be_begun_again(page: &Page, code: &str) {
    assert_eq!((page.status, page.code()), (400, code), "{}", page.body);
    assert!(page.has("href=\"/sign-in\""), "{}", page.body);
    assert!(!page.answer.headers.iter().any(|(name, value)| {
        name == "set-cookie" && value.starts_with("__Host-muster=") && !value.contains("Max-Age=0")
    }));
}

async fn an_answer_counts_once(ground: &Ground) {
    let site = site(ground).await;
    let who = people(&site).await[0].clone();
    let mut browser = site.browser();
    let away = browser.get("/users/auth/okta").await;
    let before = browser.clone();
    let back = site.through_okta(&who, away.leads());
    assert_eq!(browser.get(&back).await.leads(), "/");
    assert_eq!(sessions(&site).await, 1);

    // The same address again, in the same browser: shown where they are, by the session that there is.
    let token = browser.cookies[SESSION].clone();
    assert_eq!(browser.get(&back).await.leads(), "/");
    assert_eq!((&browser.cookies[SESSION], sessions(&site).await), (&token, 1));
    // Without it: the answer is worth nothing.
    let mut out = browser.clone();
    out.cookies.remove(SESSION);
    is_to_be_begun_again(&out.get(&back).await, "state_unknown");
    assert!(is_in(&browser).await);
    // With the cookie of the round trip put back by hand: Okta knows that its code was used.
    let mut restored = with_cookies_of(&site, &before);
    let page = restored.get(&back).await;
    assert_eq!(page.status, 400, "{}", page.body);
    // With a fresh code for the same round trip: we know, too.
    let mut restored = with_cookies_of(&site, &before);
    let again = site.through_okta(&who, away.leads());
    is_to_be_begun_again(&restored.get(&again).await, "state_used");
    assert_eq!(sessions(&site).await, 1);
    assert!(is_in(&browser).await && !is_in(&restored).await);
}

async fn an_answer_that_comes_twice_at_once_counts_once(ground: &Ground) {
    let site = site(ground).await;
    let who = people(&site).await[0].clone();
    let mut browser = site.browser();
    let away = browser.get("/users/auth/okta").await;
    let backs = [(); 4].map(|()| site.through_okta(&who, away.leads()));
    let [mut a, mut b, mut c, mut d] = [(); 4].map(|()| browser.clone());
    let pages =
        tokio::join!(a.get(&backs[0]), b.get(&backs[1]), c.get(&backs[2]), d.get(&backs[3]));
    let pages = [pages.0, pages.1, pages.2, pages.3];
    let entered = pages.iter().filter(|page| page.location.as_deref() == Some("/")).count();
    let used = pages.iter().filter(|page| page.code() == "state_used").count();
    assert_eq!((entered, used), (1, 3));
    assert_eq!(sessions(&site).await, 1);
}

async fn an_answer_is_of_no_use_in_another_browser(ground: &Ground) {
    let site = site(ground).await;
    let people = people(&site).await;
    let (mut attacker, mut victim) = (site.browser(), site.browser());
    let away = attacker.get("/users/auth/okta").await;
    let back = site.through_okta(&people[0], away.leads());
    // A link that somebody is made to follow, in a browser that has begun nothing …
    is_to_be_begun_again(&victim.get(&back).await, "state_unknown");
    // … in one that has begun something of its own …
    victim.get("/users/auth/okta").await;
    is_to_be_begun_again(&victim.get(&back).await, "state_unknown");
    // … and in one whose own round trip has got the name of the other.
    let (name, _) = flow(&attacker);
    let (_, own) = flow(&victim);
    victim.cookies.insert(name, own);
    is_to_be_begun_again(&victim.get(&back).await, "state_unknown");
    assert_eq!(sessions(&site).await, 0);
    assert!(!is_in(&victim).await);
    // The one who began may still end it.
    assert_eq!(attacker.get(&back).await.leads(), "/");
}

#[tokio::test]
async fn somebody_signed_in_is_not_moved_to_another_account_by_a_link() {
    let ground = ground().await;
    let site = site(&ground).await;
    let people = people(&site).await;
    let mut victim = site.browser();
    site.sign_in(&mut victim, &people[0]).await;
    let token = victim.cookies[SESSION].clone();
    let mut attacker = site.browser();
    let away = attacker.get("/users/auth/okta").await;
    let back = site.through_okta(&people[1], away.leads());
    assert_eq!(victim.get(&back).await.leads(), "/");
    assert_eq!(victim.cookies[SESSION], token);
    let first = site.stand.here(&people[0]).await.email;
    assert!(victim.get("/").await.has(&first), "still the same person");
}

#[tokio::test]
async fn two_tabs_both_end_well_in_either_order() {
    let ground = ground().await;
    let site = site(&ground).await;
    let who = people(&site).await[0].clone();
    for in_order in [true, false] {
        let mut browser = site.browser();
        let first = browser.get("/users/auth/okta?return_to=/account").await;
        let second = browser.get("/users/auth/okta").await;
        let mut tabs = [
            (site.through_okta(&who, first.leads()), "/account"),
            (site.through_okta(&who, second.leads()), "/"),
        ];
        if !in_order {
            tabs.reverse();
        }
        for (back, to) in tabs {
            let page = browser.get(&back).await;
            assert_eq!(page.location.as_deref(), Some(to), "{}", page.body);
            assert!(is_in(&browser).await);
        }
        assert!(!browser.cookies.keys().any(|name| name.contains("flow")), "all is cleared away");
    }
    assert_eq!(sessions(&site).await, 2, "each browser has one");
}

#[tokio::test]
async fn many_tabs_do_not_fill_the_browser() {
    let ground = ground().await;
    let site = site(&ground).await;
    let who = people(&site).await[0].clone();
    let mut browser = site.browser();
    let mut last = None;
    for _ in 0..12 {
        last = Some(browser.get("/users/auth/okta").await);
    }
    let flows = browser.cookies.keys().filter(|name| name.contains("-flow-")).count();
    assert_eq!(flows, 5);
    let back = site.through_okta(&who, last.expect("a tab").leads());
    let page = browser.get(&back).await;
    assert_eq!(page.location.as_deref(), Some("/"), "the newest tab works: {}", page.body);
}

#[tokio::test]
async fn the_back_button_after_signing_in_harms_nothing() {
    let ground = ground().await;
    let site = site(&ground).await;
    let who = people(&site).await[0].clone();
    let mut browser = site.browser();
    let away = browser.get("/users/auth/okta").await;
    let back = site.through_okta(&who, away.leads());
    browser.get(&back).await;
    for _ in 0..3 {
        let page = browser.get(&back).await;
        assert_eq!(page.leads(), "/", "{}", page.body);
        assert!(is_in(&browser).await);
    }
    // *Sign in* on that page leads on, not round.
    assert_eq!(browser.get("/sign-in").await.leads(), "/");
    assert_eq!(browser.go("/").await.status, 200);
}

#[tokio::test]
async fn whoever_is_away_for_too_long_begins_again() {
    let ground = ground().await;
    let site = site(&ground).await;
    let who = people(&site).await[0].clone();
    let mut browser = site.browser();
    let away = browser.get("/users/auth/okta").await;
    site.clock().advance(Duration::from_mins(29));
    let mut other = browser.clone();
    let back = site.through_okta(&who, away.leads());
    assert_eq!(other.get(&back).await.leads(), "/", "29 minutes are fine");
    site.clock().advance(Duration::from_mins(2));
    let back = site.through_okta(&who, away.leads());
    is_to_be_begun_again(&browser.get(&back).await, "state_old");
}

#[tokio::test]
async fn an_answer_without_what_belongs_to_it_is_refused() {
    let ground = ground().await;
    let site = site(&ground).await;
    let who = people(&site).await[0].clone();
    let callback = "/users/auth/okta/callback";
    for path in [callback.to_owned(), format!("{callback}?code=x"), format!("{callback}?state=")] {
        let page = site.browser().get(&path).await;
        assert_eq!(page.status, 400, "{path}");
    }
    let mut browser = site.browser();
    let away = browser.get("/users/auth/okta").await;
    let back = site.through_okta(&who, away.leads());
    let (_, query) = back.split_once('?').expect("a query");
    let state = query.split('&').find(|pair| pair.starts_with("state=")).expect("a state");
    for (case, path) in [
        ("no code", format!("{callback}?{state}")),
        ("an empty code", format!("{callback}?{state}&code=")),
        ("a long code", format!("{callback}?{state}&code={}", "a".repeat(3_000))),
        ("an invented code", format!("{callback}?{state}&code=invented")),
        ("another issuer", format!("{back}&iss=https%3A%2F%2Fevil.okta.com")),
        ("two states", format!("{back}&{state}")),
        ("for Connect", back.replace(callback, "/en-US/okta/auth_callback")),
    ] {
        let mut tried = browser.clone();
        let page = tried.get(&path).await;
        let refused = page.status == 400 || page.leads().starts_with("/sign-in?");
        assert!(refused && !is_in(&tried).await, "{case}: {} {}", page.status, page.body);
    }
    assert_eq!(sessions(&site).await, 0);
    // The address that Okta sends for Connect is not one for signing in, either.
    let mut owner = site.browser();
    let page = owner.get(&format!("/en-US/okta/auth_callback?{query}")).await;
    assert!(page.leads().starts_with("/sign-in?return_to="), "{}", page.leads());
}

#[tokio::test]
async fn two_companies_in_one_browser_know_nothing_of_each_other() {
    let ground = ground().await;
    let home = site(&ground).await;
    let mut other = Site::open(&ground, Company::of(12)).await;
    other.register();
    other.stand.sync().await;
    let (mut here, mut there) = (home.browser(), other.browser());
    let (one, two) = (people(&home).await[0].clone(), people(&other).await[1].clone());
    home.sign_in(&mut here, &one).await;
    other.sign_in(&mut there, &two).await;
    assert!(is_in(&here).await && is_in(&there).await, "side by side");
    // The cookies of the one, sent to the other.
    let mut crossed = other.browser();
    crossed.cookies.clone_from(&here.cookies);
    assert!(!is_in(&crossed).await);
    let mut crossed = home.browser();
    crossed.cookies.clone_from(&there.cookies);
    assert!(!is_in(&crossed).await);
    // A round trip begun here and ended there.
    let mut here = home.browser();
    let away = here.get("/users/auth/okta").await;
    let back = home.through_okta(&one, away.leads());
    let mut crossed = other.browser();
    crossed.cookies.clone_from(&here.cookies);
    is_to_be_begun_again(&crossed.get(&back).await, "state_unknown");
    assert_eq!(here.get(&back).await.leads(), "/");
    // Signing out of the one leaves the other.
    here.get("/").await;
    here.post("/sign-out", &[]).await;
    assert!(!is_in(&here).await && is_in(&there).await);
}

#[tokio::test]
async fn what_was_planted_before_is_worth_nothing_after() {
    let ground = ground().await;
    let site = site(&ground).await;
    let people = people(&site).await;
    // The attacker signs in, and plants all the cookies in the victim's browser.
    let mut attacker = site.browser();
    attacker.get("/sign-in").await;
    let planted = attacker.cookies[BROWSER].clone();
    site.sign_in(&mut attacker, &people[1]).await;
    let token = attacker.cookies[SESSION].clone();
    let mut victim = site.browser();
    victim.cookies.insert(SESSION.to_owned(), token.clone());
    victim.cookies.insert(BROWSER.to_owned(), planted.clone());
    site.sign_in(&mut victim, &people[0]).await;
    assert_ne!(victim.cookies[SESSION], token);
    assert!(is_in(&victim).await && !is_in(&attacker).await, "the old one is worth nothing");
    assert_eq!(victim.cookies.get(BROWSER), None, "the planted one is gone");
    victim.get("/").await;
    victim.post("/sign-out", &[]).await;
    victim.get("/sign-in").await;
    assert_ne!(victim.cookies.get(BROWSER), Some(&planted), "and does not come back");
}
