//! Forms that another site sends.

use std::sync::{Arc, Mutex};

use muster_core::person::Role;
use muster_server::web::routes::{TABLE, Who};

use super::{SESSION, ground, is_in, people, sessions, site};
use crate::support::{Browser, OLGA, Page};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Every address that a form may be sent to.
fn forms() -> Vec<&'static str> {
    let posts = TABLE.iter().filter(|row| row.method == "POST" && row.who != Who::Okta);
    let paths: Vec<_> = posts.map(|row| row.path).collect();
    assert!(paths.len() >= 12 && paths.iter().all(|path| !path.contains('{')), "{paths:?}");
    paths
}

#[track_caller]
fn is_refused(page: &Page, case: &str) {
    assert_eq!(page.status, 403, "{case}: {}", page.body);
    assert!(page.has("<h1>"), "{case}: a page that can be read");
    let set = page.answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    assert_eq!(set.count(), 0, "{case}: nothing is set");
}

async fn send(browser: &Browser, path: &str, headers: &[(&str, &str)], body: &str) -> Page {
    let headers: Vec<(&str, &str)> = headers.iter().copied().chain([FORM]).collect();
    browser.clone().send("POST", path, &headers, body.as_bytes()).await
}

#[tokio::test]
async fn no_other_site_can_send_a_form() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let mut owner = site.with_password(OLGA, Role::Owner).await;
    owner.get("/account").await;
    let mut visitor = site.browser();
    visitor.get("/sign-in").await;
    let origin = site.url();
    let plain = origin.replace("https:", "http:");
    let foreign: [&[(&str, &str)]; 13] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "Same-Origin")],
        &[("sec-fetch-site", "")],
        &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "cross-site"), ("origin", &origin)],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", "https://learn.example")],
        &[("origin", "https://company9.learn.example")],
        &[("origin", &plain)],
        &[("origin", &format!("{origin}.evil.example"))],
    ];
    for path in forms() {
        for browser in [&owner, &visitor] {
            let right = format!("csrf={}", browser.csrf);
            for headers in foreign {
                let page = send(browser, path, headers, &right).await;
                is_refused(&page, &format!("{path} {headers:?}"));
            }
        }
    }
    assert!(is_in(&owner).await);
    // What is no browser says nothing of where it comes from, and must know the value all the same.
    let ends = "/account/sessions/end";
    let right = format!("csrf={}&id=x", owner.csrf);
    assert_eq!(send(&owner, ends, &[], &right).await.status, 400);
    assert_eq!(send(&owner, ends, &[("origin", &origin)], &right).await.status, 400);
    assert_eq!(send(&owner, ends, &[], "id=x").await.status, 403);
}

#[tokio::test]
async fn a_form_without_the_value_of_this_session_is_refused() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let who = people(&site).await[0].clone();
    let mut owner = site.with_password(OLGA, Role::Owner).await;
    owner.get("/account").await;
    let mut second = site.browser();
    second.get("/sign-in").await;
    let before = second.csrf.clone();
    site.sign_in(&mut second, &who).await;
    second.get("/account").await;
    let (mut visitor, mut stranger) = (site.browser(), site.browser());
    visitor.get("/sign-in").await;
    stranger.get("/sign-in").await;
    let here = [("sec-fetch-site", "same-origin")];
    for path in forms() {
        for (whose, browser, wrong) in [
            ("another session", &owner, &second.csrf),
            ("another session", &second, &owner.csrf),
            ("before signing in", &second, &before),
            ("another browser", &owner, &visitor.csrf),
            ("nothing", &owner, &String::new()),
            ("the session itself", &owner, &owner.cookies[SESSION]),
        ] {
            for body in [format!("csrf={wrong}"), "x=1".to_owned(), String::new()] {
                let page = send(browser, path, &here, &body).await;
                is_refused(&page, &format!("{path}, {whose}, {body:?}"));
            }
        }
        // In the address it does not count.
        let page = send(&owner, &format!("{path}?csrf={}", owner.csrf), &here, "").await;
        is_refused(&page, path);
    }
    // Login CSRF: nobody can be signed in as somebody else by a form.
    for path in ["/sign-in", "/sign-in/code", "/welcome"] {
        for wrong in [stranger.csrf.as_str(), owner.csrf.as_str(), ""] {
            let page = send(&visitor, path, &here, &format!("csrf={wrong}")).await;
            is_refused(&page, path);
        }
        // A browser without any cookie has no value that could be right.
        let page = send(&site.browser(), path, &here, &format!("csrf={}", visitor.csrf)).await;
        assert_eq!(page.status, 403);
    }
    assert!(is_in(&owner).await && is_in(&second).await);
}

#[tokio::test]
async fn nothing_is_done_by_following_a_link() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let mut owner = site.with_password(OLGA, Role::Owner).await;
    owner.get("/account").await;
    for path in forms() {
        let has_page = TABLE.iter().any(|row| row.method == "GET" && row.path == path);
        let with = format!("{path}?csrf={}&entry=any&break_glass=on&id=x", owner.csrf);
        let page = owner.get(&with).await;
        if has_page {
            assert!(matches!(page.status, 200 | 303 | 410), "{path}: {}", page.status);
        } else {
            assert_eq!(page.status, 405, "{path}");
            assert_eq!(page.answer.header("allow"), Some("POST"), "{path}");
        }
    }
    assert!(is_in(&owner).await);
    let people = site.stand.account(OLGA).await.expect("Olga");
    assert!(!people.break_glass);
}

#[tokio::test]
async fn a_token_that_nobody_asked_for_signs_nobody_in() {
    let ground = ground().await;
    let site = site(&ground).await;
    let who = people(&site).await[0].clone();
    // A real ID token, of a sign-in that was.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    site.stand.line.twist(move |path, body| {
        if path.starts_with("/oauth2/v1/token") {
            kept.lock().expect("free").push(body.to_owned());
        }
        None
    });
    site.sign_in(&mut site.browser(), &who).await;
    let answer: serde_json::Value =
        serde_json::from_str(&seen.lock().expect("free")[0]).expect("tokens");
    let token = answer["id_token"].as_str().expect("an ID token");
    let before = sessions(&site).await;
    for from in ["cross-site", "same-origin", "none"] {
        for fields in [
            &[("id_token", token), ("state", "x")][..],
            &[("id_token", token), ("code", "x")],
            &[("error", "access_denied")],
            &[],
        ] {
            let mut victim = site.browser();
            let page = victim.post_as(from, "/users/auth/okta/callback", fields).await;
            assert_eq!((page.status, page.leads()), (303, "/users/auth/okta"), "{from}");
            assert!(victim.cookies.is_empty(), "{:?}", victim.cookies);
        }
    }
    assert_eq!(sessions(&site).await, before);
    // Nor is somebody who is in moved elsewhere by it.
    let mut inside = site.browser();
    site.sign_in(&mut inside, &people(&site).await[1].clone()).await;
    let session = inside.cookies[SESSION].clone();
    inside.post_as("cross-site", "/users/auth/okta/callback", &[("id_token", token)]).await;
    assert_eq!(inside.cookies[SESSION], session);
    assert!(is_in(&inside).await);
}
