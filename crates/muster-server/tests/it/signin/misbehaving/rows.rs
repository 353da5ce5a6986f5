//! The table: each way to misbehave, with what comes of it.

use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PSS_SHA256};
use muster_okta::transport::TransportError;
use serde_json::{Value, json};

use super::rogue::{
    Answer, Bend, Endpoint, Object, Rogue, STRANGER, encoded, hs256, kid, page, said, unsigned,
    with, written,
};

/// One way to misbehave.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) bend: Bend,
    /// What the page says for support, and the log.
    pub(super) code: &'static str,
    pub(super) status: u16,
    /// What is called until it is refused, a letter each: Discovery, Keys, Token, Userinfo.
    pub(super) calls: &'static str,
}

const SEVEN_DAYS: i64 = 7 * 24 * 3600;

pub(super) fn provider_rows() -> Vec<Row> {
    [claims(), headers(), made(), userinfo(), bodies(), token_answers(), discovery(), keys()]
        .into_iter()
        .flatten()
        .collect()
}

/// An ID token that is signed as it should be, and says something wrong.
fn claims() -> Vec<Row> {
    type Change = fn(&mut Object, i64);
    #[rustfmt::skip]
    let rows: [(&str, Change, &str); 44] = [
        ("iss of another org", |c, _| put(c, "iss", json!("https://evil.okta.com")), "wrong_issuer"),
        ("iss with a slash at its end", |c, _| put(c, "iss", json!("https://fernhill.okta.com/")), "wrong_issuer"),
        ("iss of the custom server", |c, _| put(c, "iss", json!("https://fernhill.okta.com/oauth2/default")), "wrong_issuer"),
        ("iss in capitals", |c, _| put(c, "iss", json!("https://FERNHILL.okta.com")), "wrong_issuer"),
        ("iss in a list", |c, _| put(c, "iss", json!(["https://fernhill.okta.com"])), "claim_missing"),
        ("no iss", |c, _| drop(c.remove("iss")), "claim_missing"),
        ("aud of another app", |c, _| put(c, "aud", json!("0oaanotherapp0000000")), "wrong_audience"),
        ("no aud", |c, _| drop(c.remove("aud")), "claim_missing"),
        ("aud null", |c, _| put(c, "aud", Value::Null), "claim_missing"),
        ("aud a list without us", |c, _| put(c, "aud", json!(["0oaanotherapp0000000", "api://default"])), "wrong_audience"),
        ("aud an empty list", |c, _| put(c, "aud", json!([])), "wrong_audience"),
        ("aud a text that holds ours", |c, _| { let ours = text(c, "aud"); put(c, "aud", json!(format!("{ours} x"))); }, "wrong_audience"),
        ("aud several, no azp", |c, _| { let ours = text(c, "aud"); put(c, "aud", json!([ours, "api://default"])); }, "wrong_azp"),
        ("aud several, azp another", |c, _| { let ours = text(c, "aud"); put(c, "aud", json!([ours, "0oab"])); put(c, "azp", json!("0oab")); }, "wrong_azp"),
        ("azp another", |c, _| put(c, "azp", json!("0oaanotherapp0000000")), "wrong_azp"),
        ("azp null", |c, _| put(c, "azp", Value::Null), "wrong_azp"),
        ("nonce of another sign-in", |c, _| put(c, "nonce", json!("bm9uY2U")), "wrong_nonce"),
        ("nonce in another case", |c, _| { let ours = text(c, "nonce"); put(c, "nonce", json!(flipped(&ours))); }, "wrong_nonce"),
        ("no nonce", |c, _| drop(c.remove("nonce")), "claim_missing"),
        ("nonce empty", |c, _| put(c, "nonce", json!("")), "claim_missing"),
        ("no sub", |c, _| drop(c.remove("sub")), "claim_missing"),
        ("sub empty", |c, _| put(c, "sub", json!("")), "claim_missing"),
        ("sub a number", |c, _| put(c, "sub", json!(7)), "claim_missing"),
        ("sub an e-mail address", |c, _| put(c, "sub", json!("ana@fernhill.example")), "bad_subject"),
        ("sub a path", |c, _| put(c, "sub", json!("../users/me")), "bad_subject"),
        ("sub followed by a line break", |c, _| { let ours = text(c, "sub"); put(c, "sub", json!(format!("{ours}\n"))); }, "bad_subject"),
        ("sub too long", |c, _| put(c, "sub", json!("0".repeat(65))), "bad_subject"),
        ("no exp", |c, _| drop(c.remove("exp")), "claim_missing"),
        ("exp a text", |c, now| put(c, "exp", json!((now + 3600).to_string())), "claim_missing"),
        ("exp beyond all times", |c, _| put(c, "exp", json!(1e300)), "claim_missing"),
        ("exp an hour ago", |c, now| put(c, "exp", json!(now - 3600)), "expired"),
        ("exp just beyond the skew", |c, now| put(c, "exp", json!(now - 120)), "expired"),
        ("exp zero", |c, _| put(c, "exp", json!(0)), "expired"),
        ("exp at the beginning of all times", |c, _| put(c, "exp", json!(-377_705_023_201_i64)), "expired"),
        ("no iat", |c, _| drop(c.remove("iat")), "claim_missing"),
        ("iat null", |c, _| put(c, "iat", Value::Null), "claim_missing"),
        ("iat in an hour", |c, now| put(c, "iat", json!(now + 3600)), "not_yet_valid"),
        ("iat just beyond the skew", |c, now| put(c, "iat", json!(now + 121)), "not_yet_valid"),
        ("iat a week ago, exp in a week", |c, now| { put(c, "iat", json!(now - SEVEN_DAYS)); put(c, "exp", json!(now + SEVEN_DAYS)); }, "too_old"),
        ("nbf in an hour", |c, now| put(c, "nbf", json!(now + 3600)), "not_yet_valid"),
        ("nbf a text", |c, now| put(c, "nbf", json!(now.to_string())), "claim_missing"),
        ("at_hash of another token", |c, _| put(c, "at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA")), "wrong_at_hash"),
        ("at_hash null", |c, _| put(c, "at_hash", Value::Null), "wrong_at_hash"),
        ("claims about nothing", |c, _| c.clear(), "claim_missing"),
    ];
    let row = |(name, change, code)| row(name, Bend::Claims(change), code, 502, "DTK");
    let stranger: Change = |c, _| put(c, "sub", json!("00uNobodyHere000000"));
    let stranger = Bend::Claims(stranger);
    rows.into_iter()
        .map(row)
        .chain([self::row("sub of nobody who is assigned", stranger, "not_assigned", 403, "DTK")])
        .collect()
}

/// A token whose header is wrong; the signature covers it.
fn headers() -> Vec<Row> {
    type Change = fn(&mut Object);
    #[rustfmt::skip]
    let rows: [(&str, Change, &str); 20] = [
        ("kid unknown", |h| put(h, "kid", json!("kid-of-nobody")), "unknown_kid"),
        ("kid of a key that is not shown", |h| put(h, "kid", json!(kid(1))), "unknown_kid"),
        ("kid a path", |h| put(h, "kid", json!("../../../../dev/null")), "unknown_kid"),
        ("kid empty", |h| put(h, "kid", json!("")), "unknown_kid"),
        ("no kid", |h| drop(h.remove("kid")), "no_kid"),
        ("kid a number", |h| put(h, "kid", json!(0)), "no_kid"),
        ("jku", |h| put(h, "jku", json!("https://evil.example/keys")), "key_in_header"),
        ("jku of Okta itself", |h| put(h, "jku", json!("https://fernhill.okta.com/oauth2/v1/keys")), "key_in_header"),
        ("x5u", |h| put(h, "x5u", json!("https://evil.example/cert.pem")), "key_in_header"),
        ("x5c", |h| put(h, "x5c", json!(["MIIB"])), "key_in_header"),
        ("jwk null", |h| put(h, "jwk", Value::Null), "key_in_header"),
        ("crit", |h| { put(h, "crit", json!(["b64"])); put(h, "b64", json!(false)); }, "critical_header"),
        ("crit empty", |h| put(h, "crit", json!([])), "critical_header"),
        ("typ of an access token", |h| put(h, "typ", json!("at+jwt")), "wrong_type"),
        ("typ of a request to sign out", |h| put(h, "typ", json!("global-token-revocation+jwt")), "wrong_type"),
        ("typ of a logout token", |h| put(h, "typ", json!("logout+jwt")), "wrong_type"),
        ("no alg", |h| drop(h.remove("alg")), "wrong_alg"),
        ("alg in lower case", |h| put(h, "alg", json!("rs256")), "wrong_alg"),
        ("alg a list", |h| put(h, "alg", json!(["RS256"])), "wrong_alg"),
        ("alg said to be RS512", |h| put(h, "alg", json!("RS512")), "wrong_alg"),
    ];
    let row = |(name, change, code)| row(name, Bend::Header(change), code, 502, "DTK");
    rows.into_iter().map(row).collect()
}

/// A token that is put together in another way.
fn made() -> Vec<Row> {
    type Make = fn(&Rogue, &Object, &Object) -> String;
    #[rustfmt::skip]
    let rows: [(&str, Make, &str); 32] = [
        ("alg none without signature", |_, h, c| format!("{}.", unsigned(&with(h, "alg", json!("none")), c)), "wrong_alg"),
        ("alg none with a signature", |r, h, c| r.rs256(0, &with(h, "alg", json!("none")), c), "wrong_alg"),
        ("alg nOnE", |_, h, c| format!("{}.", unsigned(&with(h, "alg", json!("nOnE")), c)), "wrong_alg"),
        ("HS256 by the modulus", |r, h, c| hs256(&r.modulus(0), &unsigned(&with(h, "alg", json!("HS256")), c)), "wrong_alg"),
        ("HS256 by the public key in PEM", |r, h, c| hs256(r.pem(0).as_bytes(), &unsigned(&with(h, "alg", json!("HS256")), c)), "wrong_alg"),
        ("HS256 by the client secret", |r, h, c| hs256(r.client_secret.as_bytes(), &unsigned(&with(h, "alg", json!("HS256")), c)), "wrong_alg"),
        ("a MAC by the modulus said to be RS256", |r, h, c| hs256(&r.modulus(0), &unsigned(h, c)), "bad_signature"),
        ("a MAC by the public key said to be RS256", |r, h, c| hs256(r.pem(0).as_bytes(), &unsigned(h, c)), "bad_signature"),
        ("RS384", |r, h, c| r.rsa(&RSA_PKCS1_SHA384, 0, &unsigned(&with(h, "alg", json!("RS384")), c)), "wrong_alg"),
        ("RS384 said to be RS256", |r, h, c| r.rsa(&RSA_PKCS1_SHA384, 0, &unsigned(h, c)), "bad_signature"),
        ("PS256", |r, h, c| r.rsa(&RSA_PSS_SHA256, 0, &unsigned(&with(h, "alg", json!("PS256")), c)), "wrong_alg"),
        ("PS256 said to be RS256", |r, h, c| r.rsa(&RSA_PSS_SHA256, 0, &unsigned(h, c)), "bad_signature"),
        ("signature empty", |_, h, c| format!("{}.", unsigned(h, c)), "bad_signature"),
        ("signature cut off", |_, h, c| unsigned(h, c), "not_a_jwt"),
        ("signature of zeros", |_, h, c| format!("{}.{}", unsigned(h, c), "A".repeat(342)), "bad_signature"),
        ("signature not in base64url", |_, h, c| format!("{}.{}", unsigned(h, c), "+".repeat(342)), "bad_signature"),
        ("payload altered", |r, h, c| spliced(&r.rs256(0, h, c), 1, &encoded(&with(c, "admin", json!(true)))), "bad_signature"),
        ("payload of a token for somebody else", |r, h, c| spliced(&r.rs256(0, h, &with(c, "sub", json!("00uOther"))), 1, &encoded(c)), "bad_signature"),
        ("header altered", |r, h, c| spliced(&r.rs256(0, h, c), 0, &encoded(&with(h, "note", json!("more")))), "bad_signature"),
        ("another key under a known kid", |r, h, c| r.rs256(STRANGER, h, c), "bad_signature"),
        ("a key that is not shown under a known kid", |r, h, c| r.rs256(1, h, c), "bad_signature"),
        ("its own key in the header", |r, h, c| r.rs256(STRANGER, &with(h, "jwk", r.jwk(STRANGER)), c), "key_in_header"),
        ("its own key and its kid in the header", |r, h, c| r.rs256(STRANGER, &with(&with(h, "kid", json!(kid(STRANGER))), "jwk", r.jwk(STRANGER)), c), "key_in_header"),
        ("a payload that is a list", |r, h, _| r.rsa(&RSA_PKCS1_SHA256, 0, &format!("{}.W10", encoded(h))), "bad_signature"),
        ("a header that is a list", |r, _, c| r.rsa(&RSA_PKCS1_SHA256, 0, &format!("W10.{}", encoded(c))), "not_a_jwt"),
        ("a header that is no JSON", |r, _, c| r.rsa(&RSA_PKCS1_SHA256, 0, &format!("aGVsbG8.{}", encoded(c))), "not_a_jwt"),
        ("a token in JSON", |r, h, c| json!({"jws": r.rs256(0, h, c)}).to_string(), "not_a_jwt"),
        ("no JWT", |_, _, _| "hello".to_owned(), "not_a_jwt"),
        ("an empty ID token", |_, _, _| String::new(), "not_a_jwt"),
        ("three empty parts", |_, _, _| "..".to_owned(), "not_a_jwt"),
        ("five parts, as if encrypted", |r, h, c| format!("{}.AAAA.AAAA", r.rs256(0, &with(h, "enc", json!("A256GCM")), c)), "not_a_jwt"),
        ("a token of 20 kB", |r, h, c| r.rs256(0, h, &with(c, "more", json!("x".repeat(20_000)))), "not_a_jwt"),
    ];
    let row = |(name, make, code)| row(name, Bend::Made(make), code, 502, "DTK");
    let large: Make = |r, h, c| r.rs256(0, h, &with(c, "more", json!("x".repeat(750_000))));
    rows.into_iter()
        .map(row)
        .chain([self::row("a token of 1 MB", Bend::Made(large), "too_large", 503, "DT")])
        .collect()
}

type Answering = fn(&Rogue) -> Answer;

/// Userinfo, when the token says too little.
fn userinfo() -> Vec<Row> {
    #[rustfmt::skip]
    let rows: [(&str, Answering, &str, u16); 11] = [
        ("userinfo of somebody else", |_| said(200, &json!({"sub": "00uSomebodyElse0000", "name": "N", "email": "n@x.example"})), "other_subject", 502),
        ("userinfo of one in another case", |r| said(200, &json!({"sub": flipped(&r.who)})), "other_subject", 502),
        ("userinfo without sub", |_| said(200, &json!({"name": "N", "email": "n@x.example"})), "claim_missing", 502),
        ("userinfo whose sub is a list", |r| said(200, &json!({"sub": [r.who]})), "claim_missing", 502),
        ("userinfo a list", |r| said(200, &json!([{"sub": r.who}])), "unreadable", 503),
        ("userinfo a JWT", |r| said(200, &json!(r.rs256(0, &Object::new(), &Object::new()))), "unreadable", 503),
        ("userinfo 500", |_| said(500, &json!({})), "okta_failed", 503),
        ("userinfo 401", |_| said(401, &json!({"error": "invalid_token"})), "okta_refused", 503),
        ("userinfo a page", |_| page(200), "unreadable", 503),
        ("userinfo slow", |_| Err(TransportError::Timeout), "too_slow", 503),
        ("userinfo 1 MB", |_| said(200, &json!({"more": "x".repeat(1_000_000)})), "too_large", 503),
    ];
    at(Endpoint::Userinfo, "DTKU", rows)
}

/// What comes beside the ID token.
fn bodies() -> Vec<Row> {
    type Change = fn(&mut Object);
    #[rustfmt::skip]
    let rows: [(&str, Change, &str, u16, &str); 9] = [
        ("no ID token", |b| drop(b.remove("id_token")), "unreadable", 503, "DT"),
        ("ID token null", |b| put(b, "id_token", Value::Null), "unreadable", 503, "DT"),
        ("ID token a list", |b| { let token = text(b, "id_token"); put(b, "id_token", json!([token])); }, "unreadable", 503, "DT"),
        ("no access token", |b| drop(b.remove("access_token")), "unreadable", 503, "DT"),
        ("another access token", |b| put(b, "access_token", json!("of-somebody-else")), "wrong_at_hash", 502, "DTK"),
        ("token_type mac", |b| put(b, "token_type", json!("mac")), "unreadable", 503, "DT"),
        ("token_type DPoP", |b| put(b, "token_type", json!("DPoP")), "unreadable", 503, "DT"),
        ("no token_type", |b| drop(b.remove("token_type")), "unreadable", 503, "DT"),
        ("an error with status 200", |b| { b.clear(); put(b, "error", json!("invalid_grant")); }, "unreadable", 503, "DT"),
    ];
    let row =
        |(name, change, code, status, calls)| row(name, Bend::Body(change), code, status, calls);
    rows.into_iter().map(row).collect()
}

fn token_answers() -> Vec<Row> {
    #[rustfmt::skip]
    let rows: [(&str, Answering, &str, u16); 16] = [
        ("token 500", |_| said(500, &json!({})), "okta_failed", 503),
        ("token 503 with a page", |_| page(503), "okta_failed", 503),
        ("token a page with 200", |_| page(200), "unreadable", 503),
        ("token 400 invalid_grant", |_| said(400, &json!({"error": "invalid_grant", "error_description": "The code has expired."})), "okta_refused", 400),
        ("token 401 invalid_client", |_| said(401, &json!({"error": "invalid_client"})), "okta_refused", 502),
        ("token 429", |_| said(429, &json!({"errorCode": "E0000047"})), "okta_refused", 503),
        ("token 404", |_| page(404), "okta_refused", 503),
        ("token 302", |_| page(302), "okta_refused", 503),
        ("token 201", |_| said(201, &json!({})), "unreadable", 503),
        ("token 204", |_| written(204, String::new()), "unreadable", 503),
        ("token empty", |_| written(200, String::new()), "unreadable", 503),
        ("token huge", |_| said(200, &json!({"more": "x".repeat(1_000_000)})), "too_large", 503),
        ("token nested deeply", |_| written(200, "[".repeat(100_000)), "unreadable", 503),
        ("token slow", |_| Err(TransportError::Timeout), "too_slow", 503),
        ("token refuses connections", |_| Err(TransportError::Connect("connection refused".to_owned())), "no_reply", 503),
        ("token cut off", |_| Err(TransportError::Cut), "no_reply", 503),
    ];
    at(Endpoint::Token, "DT", rows)
}

/// Whoever cannot say who they are is not even gone to.
fn discovery() -> Vec<Row> {
    type Change = fn(&mut Object);
    #[rustfmt::skip]
    let changes: [(&str, Change, &str, u16); 13] = [
        ("issuer another", |d| put(d, "issuer", json!("https://evil.okta.com")), "issuer_mismatch", 502),
        ("issuer with a slash at its end", |d| put(d, "issuer", json!("https://fernhill.okta.com/")), "issuer_mismatch", 502),
        ("issuer with HTML", |d| put(d, "issuer", json!("<script>alert(1)</script>")), "issuer_mismatch", 502),
        ("no issuer", |d| drop(d.remove("issuer")), "unreadable", 503),
        ("token endpoint elsewhere", |d| put(d, "token_endpoint", json!("https://evil.example/oauth2/v1/token")), "foreign_endpoint", 502),
        ("token endpoint on a host that begins so", |d| put(d, "token_endpoint", json!("https://fernhill.okta.com.evil.example/t")), "foreign_endpoint", 502),
        ("token endpoint behind a user", |d| put(d, "token_endpoint", json!("https://fernhill.okta.com@evil.example/t")), "foreign_endpoint", 502),
        ("authorization endpoint a script", |d| put(d, "authorization_endpoint", json!("javascript:alert(1)")), "foreign_endpoint", 502),
        ("keys elsewhere", |d| put(d, "jwks_uri", json!("https://evil.example/keys")), "foreign_endpoint", 502),
        ("keys in a cloud's metadata", |d| put(d, "jwks_uri", json!("http://169.254.169.254/keys")), "foreign_endpoint", 502),
        ("userinfo elsewhere", |d| put(d, "userinfo_endpoint", json!("https://evil.example/u")), "foreign_endpoint", 502),
        ("logout elsewhere", |d| put(d, "end_session_endpoint", json!("https://evil.example/")), "foreign_endpoint", 502),
        ("no token endpoint", |d| drop(d.remove("token_endpoint")), "unreadable", 503),
    ];
    let row = |(name, change, code, status)| row(name, Bend::Discovery(change), code, status, "D");
    #[rustfmt::skip]
    let answers: [(&str, Answering, &str, u16); 7] = [
        ("discovery a page", |_| page(200), "unreadable", 503),
        ("discovery 404", |_| page(404), "okta_refused", 503),
        ("discovery 302", |_| page(302), "okta_refused", 503),
        ("discovery 500", |_| page(500), "okta_failed", 503),
        ("discovery down", |_| Err(TransportError::Connect("connection refused".to_owned())), "no_reply", 503),
        ("discovery slow", |_| Err(TransportError::Timeout), "too_slow", 503),
        ("discovery huge", |_| said(200, &json!({"more": "x".repeat(1_000_000)})), "too_large", 503),
    ];
    changes.into_iter().map(row).chain(at(Endpoint::Discovery, "D", answers)).collect()
}

fn keys() -> Vec<Row> {
    #[rustfmt::skip]
    let rows: [(&str, Answering, &str, u16); 14] = [
        ("keys down", |_| Err(TransportError::Connect("connection refused".to_owned())), "no_reply", 503),
        ("keys slow", |_| Err(TransportError::Timeout), "too_slow", 503),
        ("keys 500", |_| said(500, &json!({})), "okta_failed", 503),
        ("keys a page", |_| page(200), "unreadable", 503),
        ("keys an empty set", |_| said(200, &json!({"keys": []})), "unreadable", 503),
        ("keys no set", |r| said(200, &r.jwk(0)), "unreadable", 503),
        ("keys huge", |_| said(200, &json!({"keys": [], "more": "x".repeat(1_000_000)})), "too_large", 503),
        ("a key of 1024 bits", |r| one_key(r, "n", &json!(base64url(&r.modulus(0)[..128]))), "unreadable", 503),
        ("a key of 1024 bits behind zeros", |r| one_key(r, "n", &json!(base64url(&[&[0; 128], &r.modulus(0)[..128]].concat()))), "bad_signature", 502),
        ("a key for encryption", |r| one_key(r, "use", &json!("enc")), "unreadable", 503),
        ("a key for PS256", |r| one_key(r, "alg", &json!("PS256")), "unreadable", 503),
        ("a key that is a secret", |r| said(200, &json!({"keys": [{"kty": "oct", "kid": kid(0), "alg": "HS256", "k": base64url(&r.modulus(0))}]})), "unreadable", 503),
        ("a key without its id", |r| one_key(r, "kid", &Value::Null), "unreadable", 503),
        ("another key by the same id", |r| { let other = r.jwk(STRANGER); one_key(r, "n", &other["n"]) }, "bad_signature", 502),
    ];
    at(Endpoint::Keys, "DTK", rows)
}

fn at<const N: usize>(
    endpoint: Endpoint,
    calls: &'static str,
    rows: [(&'static str, Answering, &'static str, u16); N],
) -> Vec<Row> {
    let row =
        |(name, answer, code, status)| row(name, Bend::At(endpoint, answer), code, status, calls);
    rows.into_iter().map(row).collect()
}

fn row(
    name: &'static str,
    bend: Bend,
    code: &'static str,
    status: u16,
    calls: &'static str,
) -> Row {
    Row { name, bend, code, status, calls }
}

fn put(part: &mut Object, name: &str, value: Value) {
    part.insert(name.to_owned(), value);
}

fn text(part: &Object, name: &str) -> String {
    part[name].as_str().expect("a text").to_owned()
}

/// The same letters, small ones large and large ones small.
fn flipped(text: &str) -> String {
    let flip = |c: char| {
        if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
    };
    text.chars().map(flip).collect()
}

/// A token with one of its three parts replaced.
fn spliced(token: &str, at: usize, part: &str) -> String {
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[at] = part;
    parts.join(".")
}

/// The key that signs, shown with something else in it.
fn one_key(rogue: &Rogue, name: &str, value: &Value) -> Answer {
    let mut key = rogue.jwk(0);
    key[name] = value.clone();
    said(200, &json!({ "keys": [key] }))
}

fn base64url(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
