//! Signing out: by an app, at Okta, and everywhere at once.

use muster_oktasim::{Action, AppChange, Outcome, Request, Sim, SimConfig, SubjectFormat};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::browser::{MONA, ask, code, cookie, form, read, redeem, stand, text};
use crate::stand::{Stand, who};

fn signed_in(stand: &Stand, session: &str) -> bool {
    stand.send_bare(&Request::get(ask(stand, &[])).with("cookie", session)).status == 302
}

#[test]
fn an_app_signs_a_person_out() {
    let mut stand = stand();
    let tokens = redeem(&stand, &code(&stand, MONA, &[]), &[]).json();
    let token = tokens["id_token"].as_str().unwrap().to_owned();
    let session = cookie(&stand, MONA);
    assert!(signed_in(&stand, &session));
    // An ID token that has expired will do.
    stand.wait(7200);
    let bye = "https://acme.learn.example/bye";
    let logout = |hint: &str, to: &str| {
        let pairs = [("id_token_hint", hint), ("post_logout_redirect_uri", to), ("state", "s 1")];
        let target = format!("/oauth2/v1/logout?{}", form(&pairs));
        stand.send_bare(&Request::get(target).with("cookie", &session))
    };
    for (hint, to) in [("", bye), ("nonsense", bye), (&token[..token.len() - 4], bye)] {
        let reply = logout(hint, to);
        assert_eq!((reply.status, reply.header("location")), (400, None));
    }
    let reply = logout(&token, "https://evil.example/");
    assert_eq!((reply.status, reply.header("location")), (400, None));
    assert!(signed_in(&stand, &session), "a refused request changes nothing");
    let reply = logout(&token, bye);
    assert_eq!(reply.header("location"), Some("https://acme.learn.example/bye?state=s+1"));
    assert!(reply.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!signed_in(&stand, &session));
    assert_eq!(stand.events().last(), Some(&"user.session.end"));
}

#[test]
fn a_person_signs_out_at_okta() {
    let stand = stand();
    let session = cookie(&stand, MONA);
    let reply = stand.send_bare(&Request::get("/login/signout").with("cookie", &session));
    assert!(text(&reply).contains("Signed out"));
    assert!(!signed_in(&stand, &session));
}

#[test]
fn an_administrator_signs_a_person_out_everywhere() {
    let stand = stand();
    let session = cookie(&stand, MONA);
    stand.act(&Action::SignOutEverywhere { who: who(MONA) });
    assert!(stand.org.take_revocations(stand.now).is_empty(), "the app did not ask to be told");
    assert!(!signed_in(&stand, &session));

    let uri = "https://acme.learn.example/revoke";
    let set = |format| {
        stand.org.change_app(AppChange {
            global_token_revocation_uri: Some(uri.to_owned()),
            global_token_revocation_format: Some(format),
            ..AppChange::default()
        });
    };
    let id = stand.org.person_id(MONA).unwrap();
    let (base, at) = (stand.org.base(), stand.now.as_second());
    for (format, subject) in [
        (SubjectFormat::IssSub, json!({ "format": "iss_sub", "iss": base, "sub": id })),
        (SubjectFormat::Email, json!({ "format": "email", "email": MONA })),
    ] {
        set(format);
        stand.act(&Action::SignOutEverywhere { who: who(MONA) });
        let calls = stand.org.take_revocations(stand.now);
        assert_eq!(calls.len(), 1);
        let call = &calls[0].call;
        assert_eq!(call.uri, uri);
        let body: Value = serde_json::from_slice(&call.body).unwrap();
        assert_eq!(body, json!({ "sub_id": subject }));
        let bearer = call.headers.iter().find(|(name, _)| name == "authorization").unwrap();
        let token = bearer.1.strip_prefix("Bearer ").unwrap();
        let kind = jsonwebtoken::decode_header(token).unwrap().typ;
        assert_eq!(kind.as_deref(), Some("global-token-revocation+jwt"));
        let claims = read(&stand, "/oauth2/v1/keys", token).unwrap();
        let client = stand.org.client_id();
        for (name, value) in [
            ("iss", json!(base)),
            ("sub", json!(client)),
            ("aud", json!(uri)),
            ("iat", json!(at)),
            ("exp", json!(at + 300)),
            ("nbf", json!(at - 300)),
        ] {
            assert_eq!(claims[name], value, "{name}");
        }
        assert!(claims["jti"].is_string());
        stand.org.revoked(&calls[0], &Outcome::Answered(204, Vec::new()), stand.now);
    }
    assert_eq!(stand.events().last(), Some(&"user.authentication.universal_logout"));
}

#[tokio::test]
async fn the_served_simulator_calls_the_app_itself() {
    let sim = Sim::start(SimConfig::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    sim.org().change_app(AppChange {
        global_token_revocation_uri: Some(format!("http://acme.localhost:{port}/revoke")),
        ..AppChange::default()
    });
    let now = "2026-11-23T10:00:00Z".parse().unwrap();
    sim.org().act(&Action::SignOutEverywhere { who: who(MONA) }, now).unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut text = String::new();
    let mut bytes = [0; 4096];
    while !text.contains("\"iss_sub\"") {
        let read = stream.read(&mut bytes).await.unwrap();
        assert!(read > 0, "{text}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert!(text.starts_with("POST /revoke HTTP/1.1"));
    assert!(text.contains("authorization: Bearer "));
}
