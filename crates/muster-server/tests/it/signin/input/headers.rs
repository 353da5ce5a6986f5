//! Every answer is looked at as a scanner does.

use std::collections::BTreeMap;

use muster_server::web::routes::TABLE;

use super::{assets, ground, is_machine, paths, site};
use crate::support::{Answer, Browser, Page, Site};

const HTML: &str = "text/html; charset=utf-8";

/// Status, method, path, headers and body.
type Case<'a> = (u16, &'a str, &'a str, Vec<(&'a str, &'a str)>, &'a str);

#[track_caller]
fn has_policy(answer: &Answer, case: &str) {
    let policy = answer.header("content-security-policy").unwrap_or_else(|| panic!("{case}"));
    let parts = policy.split(';').map(str::trim).filter(|part| !part.is_empty());
    let policy: BTreeMap<&str, &str> =
        parts.map(|part| part.split_once(' ').unwrap_or((part, ""))).collect();
    for (name, want) in [
        ("default-src", "'none'"),
        ("frame-ancestors", "'none'"),
        ("base-uri", "'none'"),
        ("script-src", "'self'"),
        ("style-src", "'self'"),
    ] {
        assert_eq!(policy.get(name), Some(&want), "{case}: {name}");
    }
    let forms = policy.get("form-action").unwrap_or_else(|| panic!("{case}: form-action"));
    assert!(matches!(*forms, "'self'" | "'self' https://fernhill.okta.com"), "{case}: {forms}");
    for (name, sources) in &policy {
        for source in sources.split(' ') {
            let loose = source.contains("unsafe-") || source.contains('*') || source == "http:";
            assert!(!loose, "{case}: {name} {source}");
        }
    }
}

#[track_caller]
fn is_hard(answer: &Answer, case: &str) {
    has_policy(answer, case);
    for (name, want) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(want), "{case}: {name}");
    }
    let permissions = answer.header("permissions-policy").unwrap_or_default();
    for feature in ["camera", "microphone", "geolocation"] {
        assert!(permissions.contains(&format!("{feature}=()")), "{case}: {permissions}");
    }
    let transport = answer.header("strict-transport-security").unwrap_or_default();
    let age = transport.split(';').next().and_then(|part| part.strip_prefix("max-age="));
    let age: u64 = age.and_then(|text| text.parse().ok()).unwrap_or_default();
    assert!(age >= 31_536_000, "{case}: {transport}");
    for name in ["server", "x-powered-by", "access-control-allow-origin"] {
        assert_eq!(answer.header(name), None, "{case}: {name}");
    }
    for (name, _) in &answer.headers {
        let count = answer.headers.iter().filter(|(other, _)| other == name).count();
        assert!(count == 1 || name == "set-cookie", "{case}: {name} {count} times");
    }
    if !answer.body.is_empty() {
        assert!(answer.header("content-type").is_some(), "{case}");
    }
    cookies(answer, case);
}

#[track_caller]
fn cookies(answer: &Answer, case: &str) {
    let lines = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    for (_, line) in lines {
        let mut parts = line.split("; ");
        let name = parts.next().and_then(|pair| pair.split_once('=')).expect("a cookie").0;
        let flags: Vec<&str> = parts.collect();
        assert!(name.starts_with("__Host-"), "{case}: {line}");
        for flag in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
            assert!(flags.contains(&flag), "{case}: {line}");
        }
        assert!(!flags.iter().any(|flag| flag.to_lowercase().starts_with("domain")), "{case}");
    }
}

/// No code and no style in the page itself, and nothing from elsewhere.
#[track_caller]
fn is_plain(body: &str, case: &str) {
    assert!(body.starts_with("<!doctype html>"), "{case}: {}", &body[..body.len().min(40)]);
    assert!(!body.contains("<?"), "{case}: no instructions in HTML");
    for part in body.split('<').skip(1) {
        let tag = part.split('>').next().unwrap_or_default();
        let lower = tag.to_lowercase();
        let name = lower.split_whitespace().next().unwrap_or_default();
        assert!(
            !matches!(name, "style" | "iframe" | "object" | "embed" | "base" | "meta/refresh"),
            "{case}: <{tag}>"
        );
        assert!(!lower.contains("http-equiv"), "{case}: <{tag}>");
        if name == "script" {
            assert!(lower.contains("src=\"/assets/"), "{case}: <{tag}>");
            assert!(part.trim_end().ends_with('>'), "{case}: <{part}");
        }
        // The attributes, without their values.
        let names = lower.split('"').step_by(2).flat_map(str::split_whitespace).skip(1);
        for attribute in names {
            let attribute = attribute.trim_end_matches('=');
            assert!(!attribute.starts_with("on"), "{case}: <{tag}>");
            assert!(attribute != "style", "{case}: <{tag}>");
        }
        for start in ["src=\"", "href=\"", "action=\""] {
            let Some((_, value)) = tag.split_once(start) else { continue };
            assert!(
                value.starts_with('/') && !value.starts_with("//") || value.starts_with('#'),
                "{case}: <{tag}>"
            );
        }
    }
}

#[track_caller]
fn is_good_page(page: &Page, case: &str) {
    is_hard(&page.answer, case);
    assert_eq!(page.answer.header("cache-control"), Some("no-store"), "{case}");
    if page.answer.header("content-type").is_some_and(|kind| kind.starts_with("text/html")) {
        assert_eq!(page.answer.header("content-type"), Some(HTML), "{case}");
        is_plain(&page.body, case);
        assert_eq!(page.body.matches("<h1>").count(), 1, "{case}: one heading");
        assert!(page.body.contains("<html lang=\""), "{case}: a language");
        assert!(page.body.contains("<title>"), "{case}: a title");
    }
}

#[tokio::test]
async fn every_page_has_the_headers_that_protect_it() {
    let ground = ground().await;
    let (site, owner) = site(&ground).await;
    let mut pages = 0;
    let mut visitor = site.browser();
    visitor.get("/sign-in").await;
    for browser in [&owner, &visitor] {
        for (known, path) in paths() {
            let has_get = TABLE.iter().any(|row| row.path == known && row.method == "GET");
            if is_machine(known) || !has_get {
                continue;
            }
            let page = browser.clone().get(&path).await;
            is_good_page(&page, &format!("GET {path}: {}", page.status));
            pages += usize::from(page.status == 200);
        }
        for row in TABLE.iter().filter(|row| row.method == "POST" && !is_machine(row.path)) {
            let page = browser.clone().post(row.path, &[]).await;
            is_good_page(&page, &format!("POST {}: {}", row.path, page.status));
        }
    }
    assert!(pages >= 8, "{pages}");
}

#[tokio::test]
async fn pages_of_what_went_wrong_have_them_too() {
    let ground = ground().await;
    let (site, owner) = site(&ground).await;
    let long = "a".repeat(20_000);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let cookie = format!("__Host-muster={long}");
    let cases: Vec<Case<'_>> = vec![
        (404, "GET", "/nothing/here", vec![], ""),
        (404, "POST", "/nothing/here", vec![], ""),
        (400, "GET", "/sign-in?return_to=%FF", vec![], ""),
        (400, "GET", "/welcome/%FF", vec![], ""),
        (400, "GET", "/assets/%FF", vec![], ""),
        (405, "PUT", "/account", vec![], ""),
        (405, "GET", "/sign-out", vec![], ""),
        (403, "POST", "/sign-out", vec![("sec-fetch-site", "cross-site"), form], "x=1"),
        (403, "POST", "/sign-out", vec![form], "x=1"),
        (413, "POST", "/sign-in", vec![form], &long),
        (415, "POST", "/sign-in", vec![("content-type", "application/json")], "{}"),
        (431, "GET", "/account", vec![("cookie", &cookie)], ""),
        (400, "GET", "/users/auth/okta/callback", vec![], ""),
        (400, "GET", "/users/auth/okta?iss=x", vec![], ""),
    ];
    for (status, method, path, headers, body) in cases {
        let mut browser = if headers.iter().any(|(name, _)| *name == "cookie") {
            site.browser()
        } else {
            owner.clone()
        };
        let page = browser.send(method, path, &headers, body.as_bytes()).await;
        let case = format!("{method} {path}");
        assert_eq!(page.status, status, "{case}: {}", page.body);
        is_good_page(&page, &case);
        assert_eq!(page.answer.header("content-type"), Some(HTML), "{case}");
        assert!(!page.heading().is_empty(), "{case}");
    }
    let mut nowhere = Browser::new(site.address, "nobody.learn.example");
    let page = nowhere.get("/").await;
    assert_eq!(page.status, 404);
    is_good_page(&page, "no company");
    let page = site.browser().post("/account/sessions/end-others", &[]).await;
    assert_eq!(page.status, 401);
    is_good_page(&page, "not signed in");
}

#[tokio::test]
async fn assets_may_be_kept_for_ever_and_nothing_else_may() {
    let ground = ground().await;
    let (site, mut owner) = site(&ground).await;
    let page = owner.get("/").await;
    for path in assets(&page.body) {
        let page = site.browser().get(&path).await;
        assert_eq!(page.status, 200, "{path}");
        is_hard(&page.answer, &path);
        let kept = page.answer.header("cache-control").unwrap_or_default();
        assert!(kept.contains("immutable") && kept.contains("max-age=31536000"), "{path}: {kept}");
        assert_eq!(page.answer.header("set-cookie"), None, "{path}");
        let kind = page.answer.header("content-type").unwrap_or_default();
        let want = match path.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(kind, want);
    }
    for path in ["/assets/muster.css", "/assets/..%2f..%2fCargo.toml", "/assets/", "/assets/x/y"] {
        let page = site.browser().get(path).await;
        assert_eq!(page.status, 404, "{path}");
        assert_eq!(page.answer.header("cache-control"), Some("no-store"), "{path}");
    }
}

/// Signed-out pages name nobody's Okta; who is in may leave there.
#[tokio::test]
async fn forms_may_lead_to_okta_only_for_who_is_in() {
    let ground = ground().await;
    let (site, mut owner): (Site, Browser) = site(&ground).await;
    let policy =
        |page: &Page| page.answer.header("content-security-policy").unwrap_or_default().to_owned();
    assert!(policy(&owner.get("/account").await).contains("https://fernhill.okta.com"));
    assert!(!policy(&site.browser().get("/sign-in").await).contains("okta.com"));
}

#[tokio::test]
async fn the_code_of_a_second_factor_is_a_clean_page() {
    let ground = ground().await;
    let (_site, mut owner) = site(&ground).await;
    let page = owner.get("/account/second-factor").await;
    assert_eq!(page.status, 200);
    is_good_page(&page, "with a picture");
    let page = owner.post("/account/second-factor", &[("code", "1")]).await;
    assert_eq!(page.status, 422);
    is_good_page(&page, "with a picture and an error");
}
