//! Keys, and whether a token was signed by one of them. What the token says is judged elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Bytes of the longest token that is looked at. Okta's are about 1 kB.
const LENGTH_MAX: usize = 16 * 1024;
/// Keys that are looked at. Okta shows two or three.
const KEYS_MAX: usize = 20;
/// The shortest modulus, in bytes: 2048 bits (RFC 7518, 3.3).
const MODULUS_MIN: usize = 256;
const MODULUS_MAX: usize = 1024;

/// The keys of an issuer, by their id.
#[derive(Clone)]
pub struct Keys {
    keys: BTreeMap<String, DecodingKey>,
    good_for: Duration,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// It is not a signed JWT at all.
    #[error("it is not a signed JWT")]
    Shape,
    /// Only RS256 is taken: `none`, and secrets in place of keys, are how tokens are forged.
    #[error("it is signed by {0:?}, and not by RS256")]
    Algorithm(String),
    /// It brings its own key, or names where to fetch one.
    #[error("it names a key by {0:?}, which is not heeded")]
    KeyInHeader(&'static str),
    /// It wants something to be understood that is not.
    #[error("it has critical headers")]
    Critical,
    /// It is a token for another use.
    #[error("its type is {0:?}")]
    Type(String),
    /// It does not say by which key it is signed.
    #[error("it does not name its key")]
    NoKeyId,
    /// The key it names is not among the issuer's.
    #[error("its key is not among the issuer's")]
    UnknownKey,
    /// Somebody altered it, or it was signed by another key.
    #[error("its signature is wrong")]
    Signature,
}

impl BadToken {
    /// A short word for it, for logs and figures.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Shape => "not_a_jwt",
            Self::Algorithm(_) => "wrong_alg",
            Self::KeyInHeader(_) => "key_in_header",
            Self::Critical => "critical_header",
            Self::Type(_) => "wrong_type",
            Self::NoKeyId => "no_kid",
            Self::UnknownKey => "unknown_kid",
            Self::Signature => "bad_signature",
        }
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Keys {
    /// Reads a JWK set; keys of other kinds, without an id, or too weak are left out. `cache` is the header `Cache-Control`.
    pub(super) fn read(body: &[u8], cache: Option<&str>) -> Result<Self, &'static str> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(body).map_err(|_| "it is not a set of keys")?;
        let mut keys = BTreeMap::new();
        for value in set.keys.into_iter().take(KEYS_MAX) {
            if let Some((kid, key)) = serde_json::from_value(value).ok().and_then(usable) {
                // Of two with one id neither can be meant more than the other.
                keys.entry(kid).or_insert(key);
            }
        }
        if keys.is_empty() {
            return Err("it has no key for RS256");
        }
        Ok(Self { keys, good_for: max_age(cache) })
    }

    /// How long they may be kept.
    pub const fn good_for(&self) -> Duration {
        self.good_for
    }
}

fn usable(jwk: Jwk) -> Option<(String, DecodingKey)> {
    let fits =
        |value: &Option<String>, wanted: &str| value.as_deref().is_none_or(|value| value == wanted);
    if jwk.kty != "RSA" || !fits(&jwk.usage, "sig") || !fits(&jwk.alg, "RS256") {
        return None;
    }
    let (kid, n, e) = (jwk.kid?, jwk.n?, jwk.e?);
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().map(|bytes| bytes.len());
    let strong = (MODULUS_MIN..=MODULUS_MAX).contains(&bytes(&n)?) && (1..=8).contains(&bytes(&e)?);
    if !strong || kid.is_empty() || kid.len() > 200 {
        return None;
    }
    Some((kid, DecodingKey::from_rsa_components(&n, &e).ok()?))
}

/// `max-age`, between a minute and a day: Okta says "until the next rotation", which may be six weeks away and come sooner.
fn max_age(cache: Option<&str>) -> Duration {
    const LEAST: u64 = 60;
    const MOST: u64 = 24 * 60 * 60;
    let directives = cache.unwrap_or_default().split(',').map(str::trim);
    let seconds = directives
        .filter_map(|directive| directive.strip_prefix("max-age="))
        .find_map(|seconds| seconds.parse::<u64>().ok());
    Duration::from_secs(seconds.unwrap_or(3_600).clamp(LEAST, MOST))
}

/// Checks the signature of a token, and that its header asks for nothing odd; gives what it says. `typ` is what its type must be, where
/// one must be.
///
/// # Errors
///
/// [`BadToken::UnknownKey`] when the keys may have changed since they were read; else it is not to be believed at all.
pub fn verify(token: &str, keys: &Keys, typ: Option<&str>) -> Result<Map<String, Value>, BadToken> {
    let header = header(token)?;
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    match text("alg") {
        Some("RS256") => {}
        other => {
            let other = other.unwrap_or_default().chars().take(20).collect();
            return Err(BadToken::Algorithm(other));
        }
    }
    for name in ["jwk", "jku", "x5c", "x5u", "x5t"] {
        if header.contains_key(name) {
            return Err(BadToken::KeyInHeader(name));
        }
    }
    if header.contains_key("crit") {
        return Err(BadToken::Critical);
    }
    let found = text("typ").map(str::to_ascii_lowercase);
    let right = match (typ, found.as_deref()) {
        (Some(typ), found) => found == Some(typ),
        (None, found) => matches!(found, None | Some("jwt")),
    };
    if !right {
        return Err(BadToken::Type(found.unwrap_or_default().chars().take(60).collect()));
    }
    let kid = text("kid").ok_or(BadToken::NoKeyId)?;
    let key = keys.keys.get(kid).ok_or(BadToken::UnknownKey)?;
    let mut only_signature = Validation::new(Algorithm::RS256);
    only_signature.required_spec_claims.clear();
    only_signature.validate_exp = false;
    only_signature.validate_nbf = false;
    only_signature.validate_aud = false;
    jsonwebtoken::decode::<Map<String, Value>>(token, key, &only_signature)
        .map(|decoded| decoded.claims)
        .map_err(|_| BadToken::Signature)
}

fn header(token: &str) -> Result<Map<String, Value>, BadToken> {
    if token.len() > LENGTH_MAX || token.split('.').count() != 3 {
        return Err(BadToken::Shape);
    }
    let first = token.split('.').next().unwrap_or_default();
    let bytes = URL_SAFE_NO_PAD.decode(first).map_err(|_| BadToken::Shape)?;
    serde_json::from_slice(&bytes).map_err(|_| BadToken::Shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_kept_for_between_a_minute_and_a_day() {
        for (cache, seconds) in [
            (None, 3_600),
            (Some("max-age=3828277, must-revalidate"), 86_400),
            (Some("public, max-age=600"), 600),
            (Some("max-age=0"), 60),
            (Some("no-store"), 3_600),
            (Some("max-age=99999999999999999999"), 3_600),
        ] {
            assert_eq!(max_age(cache).as_secs(), seconds, "{cache:?}");
        }
    }

    #[test]
    fn keys_of_other_kinds_are_left_out() {
        let n = URL_SAFE_NO_PAD.encode([0xC3; 256]);
        let weak = URL_SAFE_NO_PAD.encode([0xC3; 128]);
        let set = serde_json::json!({"keys": [
            {"kty": "RSA", "kid": "good", "use": "sig", "alg": "RS256", "n": n, "e": "AQAB"},
            {"kty": "RSA", "kid": "plain", "n": n, "e": "AQAB"},
            {"kty": "RSA", "kid": "weak", "n": weak, "e": "AQAB"},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": n, "e": "AQAB"},
            {"kty": "RSA", "kid": "ps", "alg": "PS256", "n": n, "e": "AQAB"},
            {"kty": "RSA", "n": n, "e": "AQAB"},
            {"kty": "EC", "kid": "ec", "crv": "P-256", "x": "a", "y": "b"},
            {"kty": "oct", "kid": "oct", "k": "c2VjcmV0"},
            7,
        ]});
        let keys = Keys::read(set.to_string().as_bytes(), None).expect("some");
        assert_eq!(format!("{keys:?}"), "{\"good\", \"plain\"}");
        for bad in ["{\"keys\":[]}", "{}", "<html>", "[]"] {
            assert!(Keys::read(bad.as_bytes(), None).is_err(), "{bad}");
        }
    }
}
