//! Where somebody ends up after signing in: always within the site.

use std::time::Duration;

use muster_core::person::Role;
use url::Url;

use super::{ground, people, site, type_right};
use crate::support::{OLGA, Site, password_of};

/// As they stand in a query.
const EVIL: &[&str] = &[
    "//evil.example",
    "///evil.example",
    "/%5Cevil.example",
    "%5C%5Cevil.example",
    "%2f%2fevil.example",
    "%2F%5Cevil.example",
    "/%2f%2fevil.example",
    "/%252f%252fevil.example",
    "/%09/evil.example",
    "%09//evil.example",
    "/%0a/evil.example",
    "/%0D%0ALocation:%20https://evil.example",
    "https:evil.example",
    "https:%2f%2fevil.example",
    "https://evil.example/",
    "http://evil.example",
    "ftp://evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "@evil.example",
    ".evil.example",
    ":80@evil.example",
    "/..//evil.example",
    "/.%2f/evil.example",
    "%20//evil.example",
    "/%20/evil.example",
    "/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    "%E3%80%82evil.example",
    "/%E2%81%84evil.example",
];

/// Where a browser goes that is at this site and is told this.
#[track_caller]
fn stays(site: &Site, location: &str) {
    let here = Url::parse(&site.url()).expect("an address");
    let there = here.join(location).unwrap_or_else(|_| panic!("{location}"));
    assert_eq!(there.origin(), here.origin(), "{location}");
    assert!(location.starts_with('/') && !location.starts_with("//"), "{location}");
}

#[tokio::test]
async fn after_a_password_nobody_ends_elsewhere() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    let mut inside = site.with_password(OLGA, Role::Owner).await;
    for evil in EVIL {
        // Who is in already is sent on at once.
        let page = inside.get(&format!("/sign-in?return_to={evil}")).await;
        stays(&site, page.leads());
        // Who is not is shown the form, which carries nothing evil either.
        let mut browser = site.browser();
        let page = browser.get(&format!("/sign-in?return_to={evil}")).await;
        assert_eq!(page.status, 200, "{evil}");
        assert!(!page.has("<script>alert"), "{evil}: {}", page.body);
        let (_, rest) = page.body.split_once("name=\"return_to\" value=\"").expect("a field");
        stays(&site, rest.split('"').next().unwrap_or_default());
        let decoded = percent_encoding::percent_decode_str(evil).decode_utf8_lossy();
        site.clock().advance(Duration::from_secs(10));
        let typed = [("email", OLGA), ("password", &password_of(OLGA)), ("return_to", &*decoded)];
        let page = browser.post("/sign-in", &typed).await;
        assert_eq!(page.status, 303, "{evil}: {}", page.body);
        stays(&site, page.leads());
    }
}

#[tokio::test]
async fn after_okta_nobody_ends_elsewhere() {
    let ground = ground().await;
    let site = site(&ground).await;
    let who = people(&site).await[0].clone();
    for evil in EVIL {
        let mut browser = site.browser();
        let away = browser.get(&format!("/users/auth/okta?return_to={evil}")).await;
        assert!(away.leads().starts_with("https://fernhill.okta.com/"), "{}", away.leads());
        assert!(!away.leads().contains("evil"), "nothing of it goes to Okta");
        let back = site.through_okta(&who, away.leads());
        let page = browser.get(&back).await;
        stays(&site, page.leads());
    }
}

#[tokio::test]
async fn a_good_place_is_come_back_to() {
    let ground = ground().await;
    let mut site = site(&ground).await;
    drop(site.with_password(OLGA, Role::Owner).await);
    let who = people(&site).await[0].clone();
    for good in ["/account", "/account?x=1&y=%2F%2Fa", "/integrations/okta"] {
        let mut browser = site.browser();
        let page = browser.get(good).await;
        let asked = page.leads().to_owned();
        assert!(asked.starts_with("/sign-in?return_to="), "{asked}");
        let page = browser.get(&asked).await;
        let (_, rest) = page.body.split_once("href=\"/users/auth/okta").expect("a link to Okta");
        let link = format!("/users/auth/okta{}", rest.split('"').next().unwrap_or_default());
        let away = browser.get(&link).await;
        let back = site.through_okta(&who, away.leads());
        assert_eq!(browser.get(&back).await.leads(), good);
    }
    let mut browser = site.browser();
    browser.get("/sign-in?return_to=/account").await;
    let page = type_right(&mut browser, OLGA).await;
    assert_eq!(page.leads(), "/", "the form says where to, not what was asked before");
    // Pages that make sense only once are no places to come back to.
    for once in ["/sign-in", "/sign-out", "/users/auth/okta", "/welcome", "/signed-out"] {
        let mut browser = site.browser();
        site.sign_in(&mut browser, &who).await;
        let page = browser.get(&format!("/sign-in?return_to={once}")).await;
        assert_eq!(page.leads(), "/", "{once}");
    }
}

#[tokio::test]
async fn a_tile_of_another_organisation_starts_nothing() {
    let ground = ground().await;
    let site = site(&ground).await;
    for iss in [
        "https://evil.okta.com",
        "https://fernhill.okta.com.evil.example",
        "https://fernhill.okta.com@evil.example",
        "https://fernhill.okta.com/oauth2/default",
        "http://fernhill.okta.com",
        "fernhill.okta.com",
        "",
    ] {
        let mut browser = site.browser();
        let iss = percent_encoding::utf8_percent_encode(iss, percent_encoding::NON_ALPHANUMERIC);
        let page = browser.get(&format!("/users/auth/okta?iss={iss}")).await;
        assert_eq!((page.status, page.code()), (400, "other_issuer"), "{iss}");
        assert!(!browser.cookies.keys().any(|name| name.contains("flow")), "{iss}");
    }
    let mut browser = site.browser();
    let tile = "/users/auth/okta?iss=https%3A%2F%2Ffernhill.okta.com&login_hint=a%40b.example";
    let page = browser.get(tile).await;
    let to = Url::parse(page.leads()).expect("an address");
    assert_eq!(to.host_str(), Some("fernhill.okta.com"));
    assert!(to.query_pairs().any(|(name, value)| name == "login_hint" && value == "a@b.example"));
    let page = browser.get(&format!("{tile}&iss=https%3A%2F%2Fevil.okta.com")).await;
    assert_eq!(page.status, 400, "two issuers");
}
