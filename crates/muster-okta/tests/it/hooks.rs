//! Calls that change something in Okta, and the proof of client id and secret.

use http::Method;
use muster_okta::{ErrorKind, NewEventHook, Request};
use serde_json::{Value, json};

use crate::script::{Scene, TOKEN, answer, refusal};

const UNVERIFIED: &str = r#"{"id":"who1","name":"Muster","status":"ACTIVE","verificationStatus":"UNVERIFIED",
    "description":null,"events":{"type":"EVENT_TYPE","items":["user.lifecycle.create"]},
    "channel":{"type":"HTTP","version":"1.0.0","config":{"uri":"https://acme.example.com/webhooks/okta","headers":[],
    "method":"POST","authScheme":{"type":"HEADER","key":"Authorization"}}}}"#;

fn new_hook() -> NewEventHook {
    NewEventHook {
        name: "Muster".into(),
        description: Some("ours".into()),
        uri: "https://acme.example.com/webhooks/okta".into(),
        secret: "h00k-s3cret".to_owned().into(),
        event_types: vec!["user.lifecycle.create".into()],
    }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).expect("JSON")
}

#[tokio::test]
async fn a_hook_is_made_edited_switched_on_and_verified() {
    let scene = Scene::new([answer(200, UNVERIFIED)]);
    let made = scene.client.create_event_hook(&new_hook()).await.expect("made");
    assert_eq!((made.id.as_str(), made.is_active(), made.is_verified()), ("who1", true, false));
    assert_eq!(made.uri(), Some("https://acme.example.com/webhooks/okta"));
    assert_eq!(made.secret_header(), Some("Authorization"));
    assert_eq!(made.event_types(), ["user.lifecycle.create"]);
    scene.client.replace_event_hook("who1", &new_hook()).await.expect("edited");
    scene.client.activate_event_hook("who1").await.expect("on");
    scene.client.verify_event_hook("who1").await.expect("verified");
    let asked: Vec<Request> = scene.asked().into_iter().map(|(_, request)| request).collect();
    let calls: Vec<_> = asked
        .iter()
        .map(|r| (r.method.clone(), r.path_and_query.as_str(), r.body.len() > 2))
        .collect();
    assert_eq!(
        calls,
        [
            (Method::POST, "/api/v1/eventHooks", true),
            (Method::PUT, "/api/v1/eventHooks/who1", true),
            (Method::POST, "/api/v1/eventHooks/who1/lifecycle/activate", false),
            (Method::POST, "/api/v1/eventHooks/who1/lifecycle/verify", false),
        ]
    );
    assert_eq!(asked[0].header("content-type"), Some("application/json"));
    assert_eq!(asked[0].header("authorization"), Some(format!("SSWS {TOKEN}").as_str()));
    // As Okta's own description of the body has it.
    let want = json!({
        "name": "Muster",
        "description": "ours",
        "events": {"type": "EVENT_TYPE", "items": ["user.lifecycle.create"]},
        "channel": {"type": "HTTP", "version": "1.0.0", "config": {
            "uri": "https://acme.example.com/webhooks/okta", "headers": [],
            "authScheme": {"type": "HEADER", "key": "Authorization", "value": "h00k-s3cret"}
        }}
    });
    assert_eq!((body(&asked[0]), body(&asked[1])), (want.clone(), want));
    for request in asked {
        assert!(!format!("{request:?}").contains("s3cret"), "{request:?}");
    }
}

#[tokio::test]
async fn making_a_hook_is_sent_once_and_verifying_it_again_and_again() {
    for fault in
        [answer(503, r#"{"errorCode":"E0000010"}"#), Err(muster_okta::TransportError::Timeout)]
    {
        let scene = Scene::new([fault.clone(), answer(200, UNVERIFIED)]);
        let error = scene.client.create_event_hook(&new_hook()).await.expect_err("no answer");
        assert_eq!((error.kind(), scene.client.calls()), (ErrorKind::Unavailable, 1));
        let scene = Scene::new([fault, answer(200, UNVERIFIED)]);
        scene.client.verify_event_hook("who1").await.expect("verified");
        assert_eq!(scene.client.calls(), 2);
    }
    // A limit means that nothing was done.
    let limited = crate::script::limited(429, 100, 0, 10, "{}");
    let scene = Scene::new([limited, answer(200, UNVERIFIED)]);
    scene.client.create_event_hook(&new_hook()).await.expect("made");
    assert_eq!(scene.client.calls(), 2);
}

#[tokio::test]
async fn an_url_that_does_not_answer_rightly_is_told_with_its_reason() {
    let told = r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: eventHook","errorLink":"E0000001",
        "errorId":"oae1","errorCauses":[{"errorSummary":"Unable to verify event hook. Hook Muster execution failed"}]}"#;
    let scene = Scene::new([answer(400, told)]);
    let error = scene.client.verify_event_hook("who1").await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::BadRequest);
    assert_eq!(error.causes(), ["Unable to verify event hook. Hook Muster execution failed"]);
}

#[tokio::test]
async fn client_id_and_secret_are_shown_to_the_token_endpoint() {
    const URI: &str = "https://acme.example.com/users/auth/okta/callback";
    let secret = "cl1ent+s3cret/".to_owned().into();
    for (status, code, accepted) in [
        (400, "invalid_grant", Some(true)),
        (401, "invalid_client", Some(false)),
        (400, "invalid_client", Some(false)),
        (400, "unauthorized_client", None),
        (403, "access_denied", None),
    ] {
        let told = format!(r#"{{"error":"{code}","error_description":"A sentence."}}"#);
        let scene = Scene::new([answer(status, &told)]);
        let known = scene.client.client_accepted("0oa1", &secret, URI).await;
        assert_eq!(known.as_ref().ok().copied(), accepted, "{code}: {known:?}");
        let request = scene.asked().remove(0).1;
        assert_eq!(
            (request.method.as_str(), request.path_and_query.as_str()),
            ("POST", "/oauth2/v1/token")
        );
        // Base64 of `0oa1:cl1ent%2Bs3cret%2F`, each part encoded as RFC 6749 2.3.1 has it. Never the API token.
        assert_eq!(request.header("authorization"), Some("Basic MG9hMTpjbDFlbnQlMkJzM2NyZXQlMkY="));
        let body = String::from_utf8(request.body.to_vec()).expect("text");
        assert!(
            body.contains("grant_type=authorization_code") && body.contains("code=muster-check"),
            "{body}"
        );
        assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    }
    // Somebody in between who says yes to everything is no proof.
    let scene = Scene::new([answer(200, r#"{"access_token":"x"}"#)]);
    let error =
        scene.client.client_accepted("0oa1", &secret, URI).await.expect_err("no code was given");
    assert_eq!(error.kind(), ErrorKind::Unreadable);
}

#[tokio::test]
async fn discovery_is_asked_for_without_the_token() {
    let told = r#"{"issuer":"https://acme.okta.com","token_endpoint":"https://acme.okta.com/oauth2/v1/token","x":[1]}"#;
    let scene = Scene::new([answer(200, told)]);
    let discovery = scene.client.discovery().await.expect("read");
    assert_eq!(discovery.issuer, "https://acme.okta.com");
    let request = scene.asked().remove(0).1;
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn a_call_for_somebody_who_waits_gives_up_sooner() {
    let scene =
        Scene::with([Err(muster_okta::TransportError::Timeout)], |config| config.tries_max = 2);
    scene.client.me().await.expect_err("no answer");
    assert_eq!(scene.client.calls(), 2);
    assert!(scene.waited().as_secs() <= 2, "{:?}", scene.waited());
}

#[tokio::test]
async fn a_wrong_token_or_right_is_told_apart() {
    for (status, code, kind) in
        [(401, "E0000011", ErrorKind::Credentials), (403, "E0000006", ErrorKind::Rights)]
    {
        let scene = Scene::new([refusal(status, code)]);
        let error = scene.client.create_event_hook(&new_hook()).await.expect_err("refused");
        assert_eq!(error.kind(), kind);
    }
}
