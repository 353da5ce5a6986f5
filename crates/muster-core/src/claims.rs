//! What an ID token says, and whether that may be believed. The signature is checked before, by whoever has the keys.
//!
//! Source: OpenID Connect Core 1.0, 3.1.3.7 (ID Token Validation) and 3.1.3.8 (at_hash); Okta, "Validate ID tokens".

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::id::OktaUserId;

/// How far the clocks of Okta and of this machine may be apart.
pub const SKEW: SignedDuration = SignedDuration::from_mins(2);
/// No ID token is good for longer than this after it was made, whatever it says. Okta's own are good for an hour.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What an ID token must agree with.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// As discovery gave it, byte for byte.
    pub issuer: &'a str,
    /// Our client id at that issuer.
    pub client_id: &'a str,
    /// What was sent with the request to sign in.
    pub nonce: &'a str,
    /// The left half of SHA-256 of the access token that came with it, in base64url: what `at_hash` must be if it is there.
    pub at_hash: Option<&'a str>,
    /// The present moment.
    pub now: Timestamp,
}

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The Okta user id. Okta's org server and its custom servers both put it into the ID token's `sub`.
    pub user: OktaUserId,
    /// To be shown only: nobody is ever found by it.
    pub email: Option<String>,
    /// To be shown only.
    pub name: Option<String>,
    /// The login at Okta, to be shown only.
    pub login: Option<String>,
}

/// Why an ID token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadClaims {
    /// A claim that must be there is not, or is of another kind.
    #[error("the ID token has no usable {0:?}")]
    Missing(&'static str),
    /// It was made by somebody else.
    #[error("the ID token is from {found:?}, not from {wanted:?}")]
    Issuer {
        /// What it says.
        found: String,
        /// What discovery says.
        wanted: String,
    },
    /// It was made for another app.
    #[error("the ID token is for another client")]
    Audience,
    /// It was made for several apps, and not asked for by us.
    #[error("the ID token was given to another party (azp)")]
    AuthorizedParty,
    /// Another sign-in asked for it.
    #[error("the ID token answers another sign-in (nonce)")]
    Nonce,
    /// Its time is over.
    #[error("the ID token ended at {0}")]
    Expired(Timestamp),
    /// It is from the future, or begins there.
    #[error("the ID token begins at {0}: a clock is wrong")]
    NotYet(Timestamp),
    /// It is too old, although it says that it has not ended.
    #[error("the ID token is of {0}, too long ago")]
    TooOld(Timestamp),
    /// The access token that came with it is another one.
    #[error("the ID token belongs to another access token (at_hash)")]
    AccessToken,
    /// `sub` is not an Okta user id.
    #[error("the ID token's subject is not an Okta user id")]
    Subject,
    /// Userinfo is about somebody else.
    #[error("userinfo is about another subject than the ID token")]
    OtherSubject,
}

impl BadClaims {
    /// A short word for it, for logs and figures.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "claim_missing",
            Self::Issuer { .. } => "wrong_issuer",
            Self::Audience => "wrong_audience",
            Self::AuthorizedParty => "wrong_azp",
            Self::Nonce => "wrong_nonce",
            Self::Expired(_) => "expired",
            Self::NotYet(_) => "not_yet_valid",
            Self::TooOld(_) => "too_old",
            Self::AccessToken => "wrong_at_hash",
            Self::Subject => "bad_subject",
            Self::OtherSubject => "other_subject",
        }
    }
}

/// Judges the claims of an ID token whose signature is good.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn judge(claims: &Map<String, Value>, expected: Expected<'_>) -> Result<Identity, BadClaims> {
    let issuer = text(claims, "iss").ok_or(BadClaims::Missing("iss"))?;
    if issuer != expected.issuer {
        let found = issuer.chars().take(200).collect();
        return Err(BadClaims::Issuer { found, wanted: expected.issuer.to_owned() });
    }
    let several = audience(claims, expected.client_id)?;
    match claims.get("azp") {
        None if several => return Err(BadClaims::AuthorizedParty),
        Some(azp) if azp.as_str() != Some(expected.client_id) => {
            return Err(BadClaims::AuthorizedParty);
        }
        _ => {}
    }
    times(claims, expected.now)?;
    if text(claims, "nonce").ok_or(BadClaims::Missing("nonce"))? != expected.nonce {
        return Err(BadClaims::Nonce);
    }
    if let Some(said) = claims.get("at_hash")
        && said.as_str() != expected.at_hash
    {
        return Err(BadClaims::AccessToken);
    }
    identity(claims)
}

/// What userinfo adds to what the ID token said. `sub` must be the same: it could be a substituted token's.
///
/// Source: OpenID Connect Core 1.0, 5.3.2.
///
/// # Errors
///
/// [`BadClaims::OtherSubject`], or what is missing.
pub fn with_userinfo(
    identity: Identity,
    userinfo: &Map<String, Value>,
) -> Result<Identity, BadClaims> {
    let found = text(userinfo, "sub").ok_or(BadClaims::Missing("sub"))?;
    if found != identity.user.as_str() {
        return Err(BadClaims::OtherSubject);
    }
    let Identity { user, email, name, login } = identity;
    Ok(Identity {
        user,
        email: email.or_else(|| shown(userinfo, "email")),
        name: name.or_else(|| shown(userinfo, "name")),
        login: login.or_else(|| shown(userinfo, "preferred_username")),
    })
}

impl Identity {
    /// Whether userinfo would tell more.
    pub const fn is_thin(&self) -> bool {
        self.email.is_none() || self.name.is_none()
    }
}

/// What the token of a request to sign somebody out everywhere must agree with.
#[derive(Debug, Clone, Copy)]
pub struct RevocationExpected<'a> {
    /// As discovery gave it.
    pub issuer: &'a str,
    /// Our client id at that issuer.
    pub client_id: &'a str,
    /// The address that was called, as people outside know it.
    pub endpoint: &'a str,
    /// The present moment.
    pub now: Timestamp,
}

/// Judges the claims of a request to sign somebody out everywhere, whose signature is good.
///
/// Source: Okta, "Universal Logout": `iss` is the org, `sub` the client, `aud` the endpoint, and it is good for five minutes.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn judge_revocation(
    claims: &Map<String, Value>,
    expected: RevocationExpected<'_>,
) -> Result<(), BadClaims> {
    let issuer = text(claims, "iss").ok_or(BadClaims::Missing("iss"))?;
    if issuer != expected.issuer {
        let found = issuer.chars().take(200).collect();
        return Err(BadClaims::Issuer { found, wanted: expected.issuer.to_owned() });
    }
    audience(claims, expected.endpoint)?;
    if text(claims, "sub").ok_or(BadClaims::Missing("sub"))? != expected.client_id {
        return Err(BadClaims::Audience);
    }
    text(claims, "jti").ok_or(BadClaims::Missing("jti"))?;
    times(claims, expected.now)
}

/// Whether the token is for several clients. It is an error if it is not for ours.
fn audience(claims: &Map<String, Value>, client_id: &str) -> Result<bool, BadClaims> {
    match claims.get("aud") {
        Some(Value::String(one)) if one == client_id => Ok(false),
        Some(Value::Array(all)) if all.iter().any(|one| one.as_str() == Some(client_id)) => {
            Ok(all.len() > 1)
        }
        Some(Value::String(_) | Value::Array(_)) => Err(BadClaims::Audience),
        _ => Err(BadClaims::Missing("aud")),
    }
}

fn times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), BadClaims> {
    let ends = time(claims, "exp")?.ok_or(BadClaims::Missing("exp"))?;
    let made = time(claims, "iat")?.ok_or(BadClaims::Missing("iat"))?;
    // Durations are compared, so that a time at the end of all times overflows nothing.
    if now.duration_since(ends) >= SKEW {
        return Err(BadClaims::Expired(ends));
    }
    for begins in [Some(made), time(claims, "nbf")?].into_iter().flatten() {
        if begins.duration_since(now) > SKEW {
            return Err(BadClaims::NotYet(begins));
        }
    }
    if now.duration_since(made) > AGE_MAX {
        return Err(BadClaims::TooOld(made));
    }
    Ok(())
}

/// A NumericDate: seconds since 1970, perhaps with a fraction. Source: RFC 7519, 2.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<Timestamp>, BadClaims> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        // Beyond this no whole second is exact, and no time is meant.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "within bounds, the fraction does not matter"
        )]
        (float.abs() < 1e12).then_some(float as i64)
    });
    let at = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    at.map(Some).ok_or(BadClaims::Missing(name))
}

fn identity(claims: &Map<String, Value>) -> Result<Identity, BadClaims> {
    let subject = text(claims, "sub").ok_or(BadClaims::Missing("sub"))?;
    Ok(Identity {
        user: OktaUserId::parse(subject).map_err(|_| BadClaims::Subject)?,
        email: shown(claims, "email"),
        name: shown(claims, "name"),
        login: shown(claims, "preferred_username"),
    })
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A text that is only shown: of sane length, without control characters.
fn shown(claims: &Map<String, Value>, name: &str) -> Option<String> {
    let text: String = text(claims, name)?.chars().filter(|c| !c.is_control()).take(255).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
#[path = "claims/tests.rs"]
mod tests;
