//! What the tests of signing in share: a browser, an app that redeems codes, and somebody who reads tokens.

use http::Method;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use muster_oktasim::{AppChange, Reply, Request};
use serde_json::Value;

use crate::stand::Stand;

/// An active and assigned person.
pub(crate) const MONA: &str = "mona.mover@fernhill.example";
pub(crate) const BACK: &str = "https://acme.learn.example/login/okta/callback";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Source: RFC 7636, appendix B.
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Fernhill with a redirect URI.
pub(crate) fn stand() -> Stand {
    let stand = Stand::fernhill();
    stand.org.change_app(AppChange {
        redirect_uris: Some(vec![BACK.to_owned()]),
        post_logout_redirect_uris: Some(vec!["https://acme.learn.example/bye".to_owned()]),
        ..AppChange::default()
    });
    stand
}

/// A good request for a code, with some parameters changed; an empty value leaves a parameter out.
pub(crate) fn ask(stand: &Stand, changes: &[(&str, &str)]) -> String {
    let client = stand.org.client_id();
    let mut pairs: Vec<(&str, &str)> = vec![
        ("client_id", &client),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", "openid profile email"),
        ("state", "st&te"),
        ("nonce", "n0nce"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    format!("/oauth2/v1/authorize?{}", form(&pairs))
}

pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

pub(crate) fn post(target: &str, pairs: &[(&str, &str)]) -> Request {
    let mut request = Request::new(Method::POST, target);
    request.body = form(pairs).into();
    request
}

/// One parameter of an address.
pub(crate) fn param(location: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(location).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// The code that a person's sign-in gives.
pub(crate) fn code(stand: &Stand, who: &str, changes: &[(&str, &str)]) -> String {
    let location = stand.org.sign_in(who, &ask(stand, changes), stand.now).unwrap();
    param(&location, "code").unwrap_or_else(|| panic!("no code in {location}"))
}

/// Redeems a code as the app with its secret in the body, with some fields changed.
pub(crate) fn redeem(stand: &Stand, code: &str, changes: &[(&str, &str)]) -> Reply {
    let (client, secret) = (stand.org.client_id(), stand.org.client_secret());
    let mut pairs: Vec<(&str, &str)> = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("client_id", &client),
        ("client_secret", &secret),
    ];
    for (name, value) in changes {
        pairs.retain(|(known, _)| known != name);
        if !value.is_empty() {
            pairs.push((name, value));
        }
    }
    stand.send_bare(&post("/oauth2/v1/token", &pairs))
}

/// The ids of the keys that are shown.
pub(crate) fn shown(stand: &Stand) -> Vec<String> {
    let keys = stand.send_bare(&Request::get("/oauth2/v1/keys")).json();
    let keys = keys["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// Claims of a token, checked against a key set as an app would.
pub(crate) fn read(stand: &Stand, keys: &str, token: &str) -> Option<Value> {
    let kid = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let keys = stand.send_bare(&Request::get(keys)).json();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid)?;
    let key = DecodingKey::from_jwk(&serde_json::from_value(key.clone()).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    Some(jsonwebtoken::decode(token, &key, &validation).unwrap().claims)
}

pub(crate) fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

/// The cookie of a new session.
pub(crate) fn cookie(stand: &Stand, who: &str) -> String {
    let reply = stand.send_bare(&post("/login", &[("who", who)]));
    let cookie = reply.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().to_owned()
}
