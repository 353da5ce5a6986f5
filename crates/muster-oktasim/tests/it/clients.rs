//! How an app proves who it is, and what its settings show.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use muster_oktasim::{AppChange, ClientAuth, LoginMode, Reply, Request};
use serde_json::{Value, json};

use crate::browser::{BACK, MONA, VERIFIER, code, form, post, redeem, stand};
use crate::stand::Stand;

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn basic(stand: &Stand, code: &str, id: &str, secret: &str) -> Reply {
    let pair = STANDARD.encode(format!("{id}:{secret}"));
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
    ];
    let mut request = Request::new(http::Method::POST, "/oauth2/v1/token")
        .with("authorization", &format!("Basic {pair}"));
    request.body = form(&fields).into();
    stand.send_bare(&request)
}

#[test]
fn a_secret_is_taken_either_way() {
    let stand = stand();
    let (id, secret) = (stand.org.client_id(), stand.org.client_secret());
    assert_eq!(basic(&stand, &code(&stand, MONA, &[]), &id, &secret).status, 200);
    assert_eq!(redeem(&stand, &code(&stand, MONA, &[]), &[]).status, 200);
    // A wrong secret does not use the code up.
    let kept = code(&stand, MONA, &[]);
    let wrong = basic(&stand, &kept, &id, "wrong");
    assert_eq!((wrong.status, &wrong.json()["error"]), (401, &json!("invalid_client")));
    assert_eq!(redeem(&stand, &kept, &[("client_secret", "")]).status, 401);
    assert_eq!(redeem(&stand, &kept, &[]).status, 200);
    // Another app cannot redeem it.
    let kept = code(&stand, MONA, &[]);
    let (other, other_secret) = ("0oaOther", "none");
    assert_eq!(basic(&stand, &kept, other, other_secret).status, 401);
}

#[test]
fn an_app_without_a_secret_needs_pkce() {
    let stand = stand();
    let none = Some(ClientAuth::None);
    let change = AppChange { token_endpoint_auth_method: none, ..AppChange::default() };
    stand.org.change_app(change);
    let given = code(&stand, MONA, &[]);
    assert_eq!(redeem(&stand, &given, &[("client_secret", "")]).status, 200);
    let bare =
        crate::browser::ask(&stand, &[("code_challenge", ""), ("code_challenge_method", "")]);
    assert!(stand.org.sign_in(MONA, &bare, stand.now).unwrap().contains("error=invalid_request"));
}

#[test]
fn an_app_may_sign_with_its_own_key() {
    let stand = stand();
    let (ours, public) = key("k1");
    let (foreign, _) = key("k1");
    let jwks = json!({ "keys": [public] });
    let change = json!({ "jwks": jwks, "token_endpoint_auth_method": "private_key_jwt" });
    assert_eq!(stand.send_bare(&Request::put("/_sim/app", &change)).status, 200);
    let shown = stand.get(&format!("/api/v1/apps/{}", stand.app)).json();
    assert_eq!(shown["settings"]["oauthClient"]["jwks"]["keys"][0]["kid"], "k1");
    let id = stand.org.client_id();
    let now = stand.now.as_second();
    let good = json!({
        "iss": id, "sub": id, "aud": format!("{}/oauth2/v1/token", stand.org.base()),
        "exp": now + 300, "iat": now, "jti": "1"
    });
    let call = |key: &EncodingKey, claims: &Value| {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some("k1".to_owned());
        let assertion = jsonwebtoken::encode(&header, claims, key).unwrap();
        let given = code(&stand, MONA, &[]);
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", given.as_str()),
            ("redirect_uri", BACK),
            ("code_verifier", VERIFIER),
            ("client_assertion_type", KIND),
            ("client_assertion", &assertion),
        ];
        let reply = stand.send_bare(&post("/oauth2/v1/token", &fields));
        (reply.status, reply.json()["error"].as_str().unwrap_or_default().to_owned())
    };
    let refused = (401, "invalid_client".to_owned());
    assert_eq!(call(&ours, &good), (200, String::new()));
    assert_eq!(call(&foreign, &good), refused, "another key");
    for (name, value) in [
        ("iss", json!("someone")),
        ("sub", json!("someone")),
        ("aud", json!(stand.org.base())),
        ("exp", json!(now - 1)),
        ("exp", json!(now + 7200)),
        ("exp", json!(null)),
    ] {
        let mut claims = good.clone();
        claims[name] = value.clone();
        assert_eq!(call(&ours, &claims), refused, "{name} {value}");
    }
    // The secret no longer counts.
    assert_eq!(redeem(&stand, &code(&stand, MONA, &[]), &[]).status, 401);
}

/// A key pair: the private half to sign with, the public one as a JWK.
fn key(kid: &str) -> (EncodingKey, Value) {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    // PKCS#1 lies behind a head of 26 bytes.
    let private = EncodingKey::from_rsa_der(&der.as_ref()[26..]);
    let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let public = pair.public_key();
    let jwk = json!({
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": kid,
        "n": number(public.modulus().big_endian_without_leading_zero()),
        "e": number(public.exponent().big_endian_without_leading_zero())
    });
    (private, jwk)
}

#[test]
fn settings_stand_where_okta_shows_them() {
    let stand = stand();
    let app = |stand: &Stand| stand.get(&format!("/api/v1/apps/{}", stand.app)).json();
    let before = app(&stand);
    let grants = json!(["authorization_code", "refresh_token", "implicit"]);
    assert_eq!(before["settings"]["oauthClient"]["grant_types"], grants);
    assert_eq!(before["universalLogout"]["status"], "DISABLED");
    stand.org.change_app(AppChange {
        initiate_login_uri: Some("https://acme.learn.example/login/okta/start".to_owned()),
        idp_initiated_login: Some(LoginMode::Okta),
        grant_types: Some(vec!["authorization_code".to_owned()]),
        pkce_required: Some(true),
        token_endpoint_auth_method: Some(ClientAuth::ClientSecretPost),
        global_token_revocation_uri: Some("http://127.0.0.1:9/revoke".to_owned()),
        ..AppChange::default()
    });
    let after = app(&stand);
    let oauth = &after["settings"]["oauthClient"];
    assert_eq!(oauth["redirect_uris"], json!([BACK]));
    assert_eq!(oauth["post_logout_redirect_uris"], json!(["https://acme.learn.example/bye"]));
    assert_eq!(oauth["initiate_login_uri"], "https://acme.learn.example/login/okta/start");
    assert_eq!(oauth["idp_initiated_login"]["mode"], "OKTA");
    assert_eq!(oauth["grant_types"], json!(["authorization_code"]));
    assert_eq!(oauth["response_types"], json!(["code"]));
    let credentials = &after["credentials"]["oauthClient"];
    assert_eq!(credentials["client_id"], stand.org.client_id());
    assert_eq!(credentials["token_endpoint_auth_method"], "client_secret_post");
    assert_eq!(credentials["pkce_required"], true);
    assert_eq!(after["universalLogout"]["status"], "ENABLED");
}
