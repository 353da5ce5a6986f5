//! How an app shows at the token endpoint that it is the app, without a secret that both sides know.
//!
//! Source: RFC 7523, 2.2 and 3; OpenID Connect Core 1.0, 9 (`private_key_jwt`); Okta, "Build a JWT for client authentication".

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

/// How long an assertion is good for. Okta takes up to an hour.
const GOOD_FOR: SignedDuration = SignedDuration::from_mins(5);

/// Whether what an admin entered is a private key and not a client secret.
pub fn is_key(secret: &SecretString) -> bool {
    secret.expose_secret().contains("-----BEGIN ")
}

/// Whether a private key can be used to sign.
///
/// # Errors
///
/// What is wrong with it.
pub fn check(key: &SecretString) -> Result<(), &'static str> {
    read(key).map(drop)
}

/// The key, and the id by which Okta knows it, if a line `kid: …` before the key says so (explanatory text, RFC 7468, 5.2).
fn read(key: &SecretString) -> Result<(EncodingKey, Option<String>), &'static str> {
    let text = key.expose_secret();
    let at = text.find("-----BEGIN ").ok_or("it is not in PEM")?;
    let (before, pem) = text.split_at(at);
    let kid = before.lines().find_map(|line| line.trim().strip_prefix("kid:"));
    let kid = kid.map(str::trim).filter(|kid| !kid.is_empty()).map(str::to_owned);
    let key = EncodingKey::from_rsa_pem(pem.trim().as_bytes()).map_err(
        |_| "it is not an RSA private key in PEM (PKCS #8 or PKCS #1), without a password",
    )?;
    Ok((key, kid))
}

/// Signs an assertion for one exchange.
pub(super) fn sign(
    key: &SecretString,
    client_id: &str,
    audience: &str,
    now: Timestamp,
    jti: &str,
) -> Result<String, &'static str> {
    let (key, kid) = read(key)?;
    let header = Header { kid, ..Header::new(Algorithm::RS256) };
    let now = now.as_second();
    let claims = json!({
        "iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + GOOD_FOR.as_secs(), "jti": jti,
    });
    jsonwebtoken::encode(&header, &claims, &key).map_err(|_| "it does not sign")
}
