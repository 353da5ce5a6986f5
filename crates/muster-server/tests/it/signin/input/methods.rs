//! Methods that nobody uses, and callers that are programs.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use muster_server::web::routes::TABLE;
use serde_json::Value;

use super::{ground, is_machine, paths, site};
use crate::support::{Browser, Client, Page, Site};

const OTHERS: [&str; 8] = ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "FOO", "PROPFIND", "get"];

/// The methods of a path, as `Allow` should list them.
fn allowed(path: &str) -> BTreeSet<&'static str> {
    let methods = TABLE.iter().filter(|row| row.path == path).map(|row| row.method);
    let mut allowed: BTreeSet<_> = methods.collect();
    // The hook's door is tried by GET and POST only: Okta sends nothing else.
    if allowed.contains("GET") && path != "/webhooks/okta" {
        allowed.insert("HEAD");
    }
    allowed
}

fn said(page: &Page) -> BTreeSet<&str> {
    let allow = page.answer.header("allow").unwrap_or_default();
    allow.split(',').map(str::trim).collect()
}

#[tokio::test]
async fn other_methods_are_refused_by_name() {
    let ground = ground().await;
    let (site, owner) = site(&ground).await;
    let mut tried = 0;
    for (known, path) in paths() {
        let allowed = allowed(known);
        for method in OTHERS.into_iter().chain(["GET", "HEAD", "POST"]) {
            if allowed.contains(method) {
                continue;
            }
            for browser in [&mut owner.clone(), &mut site.browser()] {
                let page = browser.send(method, &path, &[], b"").await;
                let case = format!("{method} {path}");
                assert_eq!(page.status, 405, "{case}: {}", page.body);
                assert_eq!(said(&page), allowed, "{case}");
                let set = page.answer.headers.iter().any(|(name, _)| name == "set-cookie");
                assert!(!set, "{case}");
                tried += 1;
            }
        }
    }
    assert!(tried > 400, "{tried}");
    let mut owner = owner;
    assert_eq!(owner.get("/account").await.status, 200, "and nothing came of it");
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let ground = ground().await;
    let (site, owner) = site(&ground).await;
    let visitor = site.browser();
    for (known, path) in paths() {
        if !allowed(known).contains("HEAD") {
            continue;
        }
        for browser in [&owner, &visitor] {
            let names = |page: &Page| -> BTreeSet<String> {
                page.answer.headers.iter().map(|(name, _)| name.clone()).collect()
            };
            let got = browser.clone().get(&path).await;
            let head = browser.clone().send("HEAD", &path, &[], b"").await;
            assert_eq!(head.status, got.status, "{path}");
            assert_eq!(names(&head), names(&got), "{path}");
            let kind = |page: &Page| page.answer.header("content-type").map(str::to_owned);
            assert_eq!(kind(&head), kind(&got), "{path}");
            // Should a body follow, the next answer on the connection would be garbled.
            let mut client = Client::to(site.address).await;
            let host = site.host();
            client.call("HEAD", &path, &[("host", &host)], b"").await;
            let next = client.call("GET", "/healthz", &[], b"").await;
            assert_eq!((next.status, next.body.as_str()), (200, "alive\n"), "{path}");
        }
    }
}

#[track_caller]
fn is_problem(page: &Page, status: u16, case: &str) {
    assert_eq!(page.status, status, "{case}: {}", page.body);
    let kind = page.answer.header("content-type");
    assert_eq!(kind, Some("application/problem+json"), "{case}: {}", page.body);
    let problem: Value = serde_json::from_str(&page.body).expect("JSON");
    let text = |name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    assert!(text("type").starts_with("urn:muster:problem:"), "{case}: {problem}");
    assert!(!text("title").is_empty() && !text("detail").is_empty(), "{case}: {problem}");
    assert_eq!(problem["status"], status, "{case}");
    assert!(!page.body.contains("fault-"), "{case}: words, not their keys: {problem}");
    assert_eq!(page.answer.header("cache-control"), Some("no-store"), "{case}");
}

#[tokio::test]
async fn programs_are_told_what_is_wrong_in_a_way_they_read() {
    let ground = ground().await;
    let (site, owner) = site(&ground).await;
    let long = "a".repeat(20_000);
    let form = ("content-type", "application/x-www-form-urlencoded");
    for accept in ["application/json", "*/*", "application/problem+json"] {
        let json = ("accept", accept);
        for (status, method, path, headers, body) in [
            (404, "GET", "/nothing/here", vec![], ""),
            (400, "GET", "/sign-in?a=1&a=2", vec![], ""),
            (400, "GET", "/welcome/%FF", vec![], ""),
            (405, "DELETE", "/account", vec![], ""),
            (403, "POST", "/sign-out", vec![("sec-fetch-site", "cross-site")], ""),
            (403, "POST", "/sign-in", vec![form], "x=1"),
            (413, "POST", "/sign-in", vec![form], long.as_str()),
            (415, "POST", "/sign-in", vec![("content-type", "text/plain")], "x=1"),
        ] {
            let browser = Accepting::new(&site, owner.clone());
            let headers: Vec<_> = headers.into_iter().chain([json]).collect();
            let page = browser.send(method, path, &headers, body.as_bytes()).await;
            is_problem(&page, status, &format!("{method} {path} {accept}"));
        }
        let visitor = Accepting::new(&site, site.browser());
        let page = visitor.send("POST", "/account/sessions/end-others", &[json, form], b"").await;
        is_problem(&page, 401, "not signed in");
    }
}

/// A caller that says itself what it accepts.
struct Accepting {
    browser: Browser,
    address: SocketAddr,
}

impl Accepting {
    fn new(site: &Site, browser: Browser) -> Self {
        Self { browser, address: site.address }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Page {
        let cookies: Vec<_> =
            self.browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let mut all = vec![("host", self.browser.host.as_str()), ("cookie", cookies.as_str())];
        all.extend_from_slice(headers);
        let answer = Client::to(self.address).await.call(method, path, &all, body).await;
        Page { status: answer.status, location: None, body: answer.body.clone(), answer }
    }
}

#[tokio::test]
async fn machines_answer_for_themselves() {
    let ground = ground().await;
    let (site, _) = site(&ground).await;
    for (known, path) in paths() {
        if !is_machine(known) {
            continue;
        }
        let page = site.browser().get(&path).await;
        assert!(matches!(page.status, 200 | 400 | 503), "{path}: {}", page.status);
        assert_eq!(page.answer.header("set-cookie"), None, "{path}: no cookies");
        let kept = page.answer.header("cache-control");
        assert_eq!(kept, Some("no-store"), "{path}");
    }
}
