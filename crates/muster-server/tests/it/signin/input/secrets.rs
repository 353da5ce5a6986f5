//! A whole walk through the site, and no secret in anything that was shown.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use muster_oktasim::Action;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::super::attacks::code;
use super::ground;
use crate::support::{ANA, Browser, Company, OLGA, Page, Site};

const PASSWORD: &str = "a sentence that nobody else knows";
const HOOK_SECRET: &str = "hook-secret-0123456789-abcdefgh";

/// What was shown, and where.
struct Walk {
    site: Site,
    browser: Browser,
    shown: Vec<Shown>,
    /// Values of all cookies that were ever set, but for the few words of the flash.
    cookies: BTreeSet<String>,
}

struct Shown {
    at: String,
    body: String,
    location: String,
    cookies: Vec<String>,
}

impl Walk {
    fn note(&mut self, at: &str, page: &Page) {
        let set = page.answer.headers.iter().filter(|(name, _)| name == "set-cookie");
        let cookies: Vec<String> = set.map(|(_, line)| line.clone()).collect();
        self.shown.push(Shown {
            at: at.to_owned(),
            body: page.body.clone(),
            location: page.location.clone().unwrap_or_default(),
            cookies,
        });
        let values = self.browser.cookies.values().filter(|value| value.len() >= 40);
        self.cookies.extend(values.cloned());
    }

    async fn get(&mut self, path: &str) -> Page {
        let page = self.browser.get(path).await;
        self.note(&format!("GET {path}"), &page);
        page
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.browser.post(path, fields).await;
        self.note(&format!("POST {path}"), &page);
        page
    }

    async fn pages(&mut self) {
        for path in ["/", "/account", "/integrations", "/integrations/okta", "/nothing"] {
            self.get(path).await;
        }
    }
}

fn between(text: &str, start: &str, end: &str) -> String {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split(end).next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn no_secret_is_shown_on_a_whole_walk() {
    let ground = ground().await;
    let mut site = Site::open(&ground, Company::of(12)).await;
    site.register();
    site.stand.sync().await;
    let now = site.clock().now();
    let hook = SecretString::from(HOOK_SECRET);
    let ids = &mut site.stand.ids;
    site.stand.tenant.rotate_hook_secret(&hook, None, ANA, ids, now).await.expect("rotated");
    let Value::Object(profile) = json!({
        "login": OLGA, "email": OLGA, "firstName": "Olga", "lastName": "Owner",
    }) else {
        panic!("an object")
    };
    let (groups, activate, password, assign) = (Vec::new(), true, true, true);
    site.stand.act(&Action::Create { profile, groups, assign, activate, password });
    // Every token that Okta gives out.
    let tokens = Arc::new(Mutex::new(Vec::<Value>::new()));
    let kept = Arc::clone(&tokens);
    site.stand.line.twist(move |path, body| {
        if path.starts_with("/oauth2/v1/token") {
            let given = serde_json::from_str::<Value>(body).expect("JSON");
            kept.lock().expect("free").extend(Some(given).filter(|given| given["error"].is_null()));
        }
        None
    });
    let link = site.link(OLGA).await.text().to_owned();
    let browser = site.browser();
    let mut walk = Walk { site, browser, shown: Vec::new(), cookies: BTreeSet::new() };
    let mut codes = Vec::new();

    // The link, and a password after some bad ones.
    walk.get(&format!("/welcome/{link}")).await;
    walk.get("/welcome").await;
    walk.post("/welcome", &[("password", PASSWORD), ("again", "another")]).await;
    walk.post("/welcome", &[("password", "short"), ("again", "short")]).await;
    walk.post("/welcome", &[("password", PASSWORD), ("again", PASSWORD)]).await;
    // Wrong, and right.
    walk.get("/sign-in").await;
    walk.post("/sign-in", &[("email", "x@y.example"), ("password", PASSWORD)]).await;
    let page = walk.post("/sign-in", &[("email", OLGA), ("password", PASSWORD)]).await;
    assert_eq!(page.leads(), "/");
    walk.pages().await;
    // A second factor.
    let page = walk.get("/account/second-factor").await;
    let secret = between(&page.body, "id=\"secret\">", "<");
    walk.post("/account/second-factor", &[("code", "1")]).await;
    let typed = code(&walk.site, &secret);
    let page = walk.post("/account/second-factor", &[("code", &typed)]).await;
    let recovery: Vec<String> = page
        .body
        .split("<li><code>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(recovery.len(), 10);
    walk.pages().await;
    walk.post("/sign-out", &[]).await;
    walk.site.clock().advance(std::time::Duration::from_mins(2));
    walk.get("/sign-in").await;
    walk.post("/sign-in", &[("email", OLGA), ("password", PASSWORD)]).await;
    walk.get("/sign-in/code").await;
    walk.post("/sign-in/code", &[("code", "1")]).await;
    let page = walk.post("/sign-in/code", &[("code", &recovery[0])]).await;
    assert_eq!(page.leads(), "/");
    walk.pages().await;
    // Connect, and link.
    let away = walk.post("/integrations/okta/connect", &[]).await;
    let back = walk.site.through_okta(OLGA, away.leads());
    codes.push(between(&back, "code=", "&"));
    walk.get(&back).await;
    walk.get("/integrations/okta").await;
    walk.browser.link_shown().await;
    walk.pages().await;
    walk.get("/sign-in").await;
    // By Okta, as she and as somebody else, and some answers that are of no use.
    let other = walk.site.stand.assigned()[0].clone();
    for who in [OLGA, &other] {
        let away = walk.get("/users/auth/okta").await;
        let back = walk.site.through_okta(who, away.leads());
        codes.push(between(&back, "code=", "&"));
        let page = walk.get(&back).await;
        assert_eq!(page.leads(), "/", "{who}: {}", page.body);
        walk.get(&back).await;
        walk.pages().await;
    }
    let page = walk.post("/sign-out", &[]).await;
    let leave = page.leads().to_owned();
    walk.get("/signed-out").await;
    let away = walk.get("/users/auth/okta").await;
    let state = between(away.leads(), "state=", "&");
    walk.get(&format!("/users/auth/okta/callback?state={state}&code=invented-by-somebody")).await;

    // All that must not have been shown, and what it is.
    let org = &walk.site.stand.okta;
    let mut secrets = vec![
        ("the client secret", org.client_secret()),
        ("the API token", org.api_token()),
        ("the hook's secret", HOOK_SECRET.to_owned()),
        ("a password", PASSWORD.to_owned()),
        ("the link", link.clone()),
        ("a code that was typed", "invented-by-somebody".to_owned()),
    ];
    secrets.extend(codes.into_iter().map(|code| ("a code", code)));
    for given in tokens.lock().expect("free").iter() {
        for name in ["id_token", "access_token"] {
            let token = given[name].as_str().expect("a token").to_owned();
            secrets
                .push((if name == "id_token" { "an ID token" } else { "an access token" }, token));
        }
    }
    let plain: String = secret.chars().filter(|c| !c.is_whitespace()).collect();
    secrets.push(("the secret of a second factor", secret));
    secrets.push(("the secret of a second factor", plain));
    secrets.extend(recovery.into_iter().map(|code| ("a recovery code", code)));
    secrets.extend(walk.cookies.iter().map(|value| ("a cookie", value.clone())));
    assert!(secrets.iter().filter(|(name, _)| *name == "an ID token").count() == 3);
    assert!(walk.cookies.len() >= 12, "{}", walk.cookies.len());
    assert!(leave.contains("id_token_hint="), "{leave}");

    let mut hints = 0;
    for shown in &walk.shown {
        for (name, secret) in &secrets {
            assert!(secret.len() >= 15, "{name}: {secret}");
            let factor = shown.at.ends_with(" /account/second-factor")
                && matches!(*name, "the secret of a second factor" | "a recovery code");
            assert!(!shown.body.contains(secret) || factor, "{name} in the page of {}", shown.at);
            if shown.location.contains(secret) {
                // OpenID Connect RP-Initiated Logout wants it.
                assert_eq!(*name, "an ID token", "{name} in where {} leads", shown.at);
                assert_eq!((&shown.at[..], &shown.location), ("POST /sign-out", &leave));
                hints += 1;
            }
            for cookie in &shown.cookies {
                let own = *name == "a cookie"
                    || (*name == "the link" && cookie.starts_with("__Host-muster-link="));
                assert!(!cookie.contains(secret) || own, "{name} in a cookie of {}", shown.at);
            }
        }
    }
    assert_eq!(hints, 1, "in the one redirect to Okta's logout");
}
