//! Universal Logout: Okta ends somebody's sessions here, and nobody else can.

use std::time::Duration;

use muster_core::person::Status;
use muster_oktasim::{Action, AppChange, HookCall, Outcome, SubjectFormat};
use serde_json::json;

use super::{ground, is_in, people, sessions, site};
use crate::support::{Answer, Client, Company, Ground, Site, on_both_engines};

on_both_engines![okta_ends_all_sessions_of_a_person,];

const PATH: &str = "/users/auth/okta/global-token-revocation";

/// The call that Okta makes.
fn call(site: &Site, who: &str) -> HookCall {
    site.stand.act(&Action::SignOutEverywhere { who: who.to_owned() });
    let mut due = site.stand.okta.take_revocations(site.clock().now());
    let revocation = due.pop().expect("a revocation");
    assert!(due.is_empty());
    site.stand.okta.revoked(&revocation, &Outcome::TimedOut, site.clock().now());
    assert_eq!(revocation.call.uri, format!("{}{PATH}", site.url()));
    revocation.call
}

async fn send(site: &Site, call: &HookCall) -> Answer {
    let host = site.host();
    let mut headers = vec![("host", host.as_str())];
    headers.extend(call.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    Client::to(site.address).await.call("POST", PATH, &headers, &call.body).await
}

fn with_token(call: &HookCall, token: &str) -> HookCall {
    let mut call = call.clone();
    for (name, value) in &mut call.headers {
        if name == "authorization" {
            token.clone_into(value);
        }
    }
    call
}

fn token(call: &HookCall) -> String {
    let found = call.headers.iter().find(|(name, _)| name == "authorization");
    found.expect("a token").1.clone()
}

async fn okta_ends_all_sessions_of_a_person(ground: &Ground) {
    let site = site(ground).await;
    let people = people(&site).await;
    let mut theirs = [(); 3].map(|()| site.browser());
    for browser in &mut theirs {
        site.sign_in(browser, &people[0]).await;
    }
    let mut other = site.browser();
    site.sign_in(&mut other, &people[1]).await;
    let call = call(&site, &people[0]);
    let answer = send(&site, &call).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    for browser in &theirs {
        assert!(!is_in(browser).await);
    }
    assert!(is_in(&other).await);
    assert_eq!(sessions(&site).await, 1);
    let person = site.stand.here(&people[0]).await;
    assert_eq!(person.status, Status::Active, "access stays");
    assert!(site.stand.story_of(person.id).await.contains(&"signed_out_by_okta".to_owned()));
    let mut again = site.browser();
    assert_eq!(site.sign_in(&mut again, &people[0]).await.leads(), "/");
}

#[tokio::test]
async fn a_person_may_be_named_by_address() {
    let ground = ground().await;
    let site = site(&ground).await;
    let people = people(&site).await;
    site.stand.okta.change_app(AppChange {
        global_token_revocation_format: Some(SubjectFormat::Email),
        ..AppChange::default()
    });
    let mut browser = site.browser();
    site.sign_in(&mut browser, &people[0]).await;
    assert_eq!(send(&site, &call(&site, &people[0])).await.status, 204);
    assert!(!is_in(&browser).await);
}

#[tokio::test]
async fn only_okta_can_end_a_session_so() {
    let ground = ground().await;
    let home = site(&ground).await;
    let mut other = Site::open(&ground, Company::of(12)).await;
    other.register();
    other.stand.sync().await;
    let who = people(&home).await[0].clone();
    let mut browser = home.browser();
    home.sign_in(&mut browser, &who).await;
    let good = call(&home, &who);
    let bearer = token(&good);
    let (head, signature) = bearer.rsplit_once('.').expect("a signature");
    let turned: String = signature.chars().rev().collect();
    let (_, payload) = head.rsplit_once('.').expect("a payload");
    let for_other = call(&other, &people(&other).await[0]);
    let none = "Bearer eyJhbGciOiJub25lIiwidHlwIjoiZ2xvYmFsLXRva2VuLXJldm9jYXRpb24rand0In0";
    for (case, wrong) in [
        ("another signature", format!("{head}.{turned}")),
        ("no signature", format!("{head}.")),
        ("alg none", format!("{none}.{payload}.")),
        ("junk", "Bearer junk".to_owned()),
        ("nothing", "Bearer ".to_owned()),
        ("another scheme", bearer.replace("Bearer", "Basic")),
        ("the API token", format!("Bearer {}", home.stand.okta.api_token())),
        ("for another company", token(&for_other)),
    ] {
        let answer = send(&home, &with_token(&good, &wrong)).await;
        assert_eq!(answer.status, 401, "{case}: {}", answer.body);
        assert!(answer.header("www-authenticate").is_some(), "{case}");
    }
    let mut bare = good.clone();
    bare.headers.retain(|(name, _)| name != "authorization");
    assert_eq!(send(&home, &bare).await.status, 401, "no token at all");
    // An ID token is signed by the same keys and is not for this.
    let page = {
        let mut own = home.browser();
        home.sign_in(&mut own, &people(&home).await[1].clone()).await;
        own.get("/").await;
        own.post("/sign-out", &[]).await
    };
    let (_, rest) = page.leads().split_once("id_token_hint=").expect("a hint");
    let id_token = rest.split('&').next().expect("a token");
    let answer = send(&home, &with_token(&good, &format!("Bearer {id_token}"))).await;
    assert_eq!(answer.status, 401, "an ID token");
    assert!(is_in(&browser).await);
    // The cookies of somebody who is in do not help.
    let page = browser.post_as("same-origin", PATH, &[]).await;
    assert_eq!(page.status, 401);
    // What was good is good for five minutes.
    home.clock().advance(Duration::from_mins(15));
    let answer = send(&home, &good).await;
    assert_eq!(answer.status, 401, "old: {}", answer.body);
    assert!(is_in(&browser).await);
    assert_eq!(send(&home, &call(&home, &who)).await.status, 204);
    assert!(!is_in(&browser).await);
}

#[tokio::test]
async fn what_it_asks_must_be_clear() {
    let ground = ground().await;
    let site = site(&ground).await;
    let who = people(&site).await[0].clone();
    let mut browser = site.browser();
    site.sign_in(&mut browser, &who).await;
    let good = call(&site, &who);
    let id = site.stand.okta_id(&who);
    let issuer = site.stand.okta.base();
    let said = |value: serde_json::Value| value.to_string();
    for (status, body) in [
        (400, String::new()),
        (400, "{".to_owned()),
        (400, "null".to_owned()),
        (400, "[]".to_owned()),
        (400, said(json!({}))),
        (400, said(json!({"sub_id": {"format": "opaque", "id": id}}))),
        (400, said(json!({"sub_id": {"format": "iss_sub", "sub": id}}))),
        (400, said(json!({"sub_id": id}))),
        (400, said(json!({"sub_id": {"format": "email", "email": 7}}))),
        (413, said(json!({"sub_id": {"format": "email", "email": "a".repeat(5_000)}}))),
        (404, said(json!({"sub_id": {"format": "iss_sub", "iss": issuer, "sub": "00unobody"}}))),
        (404, said(json!({"sub_id": {"format": "iss_sub", "iss": issuer, "sub": ""}}))),
        (404, said(json!({"sub_id": {"format": "iss_sub", "iss": "https://x", "sub": id}}))),
        (404, said(json!({"sub_id": {"format": "email", "email": "nobody@x.example"}}))),
    ] {
        let asked = HookCall { body: body.clone().into_bytes(), ..good.clone() };
        let answer = send(&site, &asked).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
    }
    let invalid = HookCall { body: vec![0xff, 0xfe], ..good.clone() };
    assert_eq!(send(&site, &invalid).await.status, 400);
    assert!(is_in(&browser).await);
    assert_eq!(send(&site, &good).await.status, 204);
    assert_eq!(send(&site, &good).await.status, 204, "once more does no harm");
}
