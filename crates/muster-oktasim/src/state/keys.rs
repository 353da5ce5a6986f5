//! Keys that sign tokens: RSA-2048 for RS256, two rings of them, one for each authorization server.
//!
//! Drawing a key takes long, so a few are drawn once a process, when first needed, and used in turn. Their material differs
//! from run to run; what names them (`kid`) comes from the org's ids.

use std::sync::OnceLock;

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Org;
use crate::ids::Kind;

/// How many keys a process draws at most: of each ring at most three are shown at once, so four never meet.
const DRAWN: usize = 8;
static POOL: [OnceLock<Option<Drawn>>; DRAWN] = [const { OnceLock::new() }; DRAWN];

/// One key pair in the forms in which it is used.
#[derive(Debug)]
struct Drawn {
    private: EncodingKey,
    modulus: String,
    exponent: String,
}

/// An RSA private key of 2048 bits in PKCS#8 is the same key in PKCS#1 behind a head of this many bytes: a sequence (4),
/// version (3), algorithm (15) and the head of an octet string (4). Source: RFC 5208 5, RFC 8017 A.1.
const PKCS8_HEAD_BYTES: usize = 26;

fn drawn(place: usize) -> Option<&'static Drawn> {
    POOL[place % DRAWN]
        .get_or_init(|| {
            let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
            let private: Pkcs8V1Der<'_> = pair.as_der().ok()?;
            let public = pair.public_key();
            Some(Drawn {
                private: EncodingKey::from_rsa_der(private.as_ref().get(PKCS8_HEAD_BYTES..)?),
                modulus: BASE64URL.encode(public.modulus().big_endian_without_leading_zero()),
                exponent: BASE64URL.encode(public.exponent().big_endian_without_leading_zero()),
            })
        })
        .as_ref()
}

/// Which authorization server speaks. Source: Okta's concept page on authorization servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    /// The org's own, always there.
    Org,
    /// The custom server `default`, which is a product of its own.
    Custom,
}

impl Server {
    /// What its endpoints begin with.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Org => "/oauth2",
            Self::Custom => "/oauth2/default",
        }
    }
}

/// Where the rotation of keys stands: keys are numbered, and each number is used once.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    current: u32,
    /// The key before the current one is still shown.
    old_shown: bool,
}

/// Changes to the keys that sign tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeyChange {
    /// The next key becomes the current one, and a new one is announced.
    pub rotate: bool,
    /// The key before the current one is no longer shown; without this it is shown until the rotation after.
    pub forget_old: bool,
}

impl Org {
    /// The issuer of a server. Source: Okta's concept page on authorization servers.
    pub(crate) fn issuer(&self, server: Server) -> String {
        match server {
            Server::Org => self.base.clone(),
            Server::Custom => format!("{}{}", self.base, server.prefix()),
        }
    }

    /// Changes which keys sign and are shown, at both servers at once.
    pub fn change_keys(&mut self, change: KeyChange) {
        let ring = &mut self.sign_in.ring;
        if change.rotate {
            ring.current += 1;
            ring.old_shown = true;
        }
        if change.forget_old {
            ring.old_shown = false;
        }
    }

    /// The ids of the keys of the org's own server: the one before (if it is still shown), the current and the next.
    pub fn key_ids(&self) -> Value {
        let ring = &self.sign_in.ring;
        let old = ring.old_shown.then(|| self.key_id(Server::Org, ring.current.wrapping_sub(1)));
        json!({
            "previous": old,
            "current": self.key_id(Server::Org, ring.current),
            "next": self.key_id(Server::Org, ring.current + 1)
        })
    }

    /// The key set that a server shows. Source: Okta's concept page on key rotation.
    pub(crate) fn key_set(&self, server: Server) -> Value {
        let keys: Vec<Value> = self
            .shown_keys()
            .filter_map(|number| {
                let key = drawn(place(server, number))?;
                Some(json!({
                    "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.key_id(server, number),
                    "n": key.modulus, "e": key.exponent
                }))
            })
            .collect();
        json!({ "keys": keys })
    }

    /// Signs claims with the current key. Empty only when the machine cannot draw or use keys at all.
    pub(crate) fn sign(&self, server: Server, kind: Option<&str>, claims: &Value) -> String {
        let number = self.sign_in.ring.current;
        let mut header = Header::new(Algorithm::RS256);
        header.typ = kind.map(str::to_owned);
        header.kid = Some(self.key_id(server, number));
        drawn(place(server, number))
            .and_then(|key| jsonwebtoken::encode(&header, claims, &key.private).ok())
            .unwrap_or_default()
    }

    /// The claims of a token that one of the shown keys signed, whether or not it has expired.
    pub(crate) fn signed_here(&self, server: Server, token: &str) -> Option<Value> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let number = self.shown_keys().find(|number| self.key_id(server, *number) == kid)?;
        let key = drawn(place(server, number))?;
        let key = DecodingKey::from_rsa_components(&key.modulus, &key.exponent).ok()?;
        claims(token, &key)
    }

    fn shown_keys(&self) -> impl Iterator<Item = u32> + use<> {
        let Ring { current, old_shown } = self.sign_in.ring;
        let first = if old_shown { current.saturating_sub(1) } else { current };
        first..=current + 1
    }

    /// 43 digits, as real ones have.
    fn key_id(&self, server: Server, number: u32) -> String {
        let seed = format!("{}{}{number}", self.ids.id(Kind::Org, 0), server.prefix());
        hash(seed.as_bytes())
    }
}

/// The claims of a token that this key signed with RS256; times are for the caller to judge, by the caller's clock.
pub(crate) fn claims(token: &str, key: &DecodingKey) -> Option<Value> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    Some(jsonwebtoken::decode::<Value>(token, key, &validation).ok()?.claims)
}

/// SHA-256 in base64url without padding: PKCE's S256. Source: RFC 7636 4.2.
pub(crate) fn hash(bytes: &[u8]) -> String {
    BASE64URL.encode(digest::digest(&digest::SHA256, bytes))
}

/// The left half of SHA-256 in base64url: `at_hash`. Source: OpenID Connect Core 3.1.3.6.
pub(crate) fn half_hash(bytes: &[u8]) -> String {
    BASE64URL.encode(&digest::digest(&digest::SHA256, bytes).as_ref()[..16])
}

fn place(server: Server, number: u32) -> usize {
    let number = usize::try_from(number).unwrap_or_default();
    number * 2 + usize::from(server == Server::Custom)
}
