//! Okta as an identity provider: discovery, keys, codes for tokens, userinfo.
//!
//! Calls here are made while somebody waits for a page, so each is made once, within ten seconds, and past the budget of the API.
//! Source: OpenID Connect Core 1.0 and Discovery 1.0; Okta, "OpenID Connect & OAuth 2.0 API".

pub mod assertion;
mod discovery;
mod token;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use bytes::Bytes;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

pub use self::discovery::{AuthorizeRequest, Provider};
pub use self::token::{BadToken, Keys, verify};
use crate::address::OktaAddress;
use crate::reply::Reply;
use crate::request::{Limits, Request, encoded};
use crate::transport::{Transport, TransportError};

/// Why Okta could not be asked, or what it answered is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    /// No whole answer came.
    #[error("{doing}: {cause}")]
    NoReply {
        /// In plain words.
        doing: &'static str,
        /// Why not.
        cause: TransportError,
    },
    /// Okta said no.
    #[error("{doing}: Okta answered {status} {code:?}")]
    Refused {
        /// In plain words.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// OAuth's word for it, or empty.
        code: String,
        /// Okta's text for it, shortened.
        text: String,
    },
    /// Something else than what is documented came.
    #[error("{doing}: the answer cannot be used: {why}")]
    Unreadable {
        /// In plain words.
        doing: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Discovery speaks for another issuer than the one that was asked.
    #[error("the organisation at {wanted} signs as {found:?}")]
    OtherIssuer {
        /// Who was asked.
        wanted: String,
        /// What discovery says.
        found: String,
    },
    /// The private key of the app cannot sign.
    #[error("the app's private key cannot be used: {why}")]
    BadKey {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Discovery names an address that is not the issuer's.
    #[error("discovery names a {name} that is not on the issuer's host")]
    ForeignEndpoint {
        /// Which one.
        name: &'static str,
    },
}

impl OidcError {
    /// A short word for it, for logs and figures.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoReply { cause: TransportError::Timeout, .. } => "too_slow",
            Self::NoReply { cause: TransportError::TooLarge { .. }, .. } => "too_large",
            Self::NoReply { .. } => "no_reply",
            Self::Refused { status: 500.., .. } => "okta_failed",
            Self::Refused { .. } => "okta_refused",
            Self::Unreadable { .. } => "unreadable",
            Self::OtherIssuer { .. } => "issuer_mismatch",
            Self::ForeignEndpoint { .. } => "foreign_endpoint",
            Self::BadKey { .. } => "bad_key",
        }
    }
}

/// A code to be exchanged.
#[derive(Debug)]
pub struct CodeExchange<'a> {
    /// Of the app.
    pub client_id: &'a str,
    /// What proves that it is the app: a client secret (`client_secret_basic`), or a private key in PEM (`private_key_jwt`).
    pub secret: &'a SecretString,
    /// The present moment, and a random word: an assertion is good for minutes and counts once.
    pub now: Timestamp,
    /// See [`CodeExchange::now`].
    pub jti: &'a str,
    /// What came back with the browser.
    pub code: &'a str,
    /// The same as when the code was asked for.
    pub redirect_uri: &'a str,
    /// Of PKCE (RFC 7636).
    pub verifier: &'a str,
}

/// What a code was exchanged for.
#[derive(Debug)]
pub struct Tokens {
    /// Opaque; good for userinfo.
    pub access_token: SecretString,
    /// Signed, not judged yet.
    pub id_token: SecretString,
}

impl Tokens {
    /// What `at_hash` of the ID token must be if it is there: base64url of the left half of SHA-256 of the access token.
    ///
    /// Source: OpenID Connect Core 1.0, 3.1.3.6, for RS256.
    pub fn at_hash(&self) -> String {
        let hash = Sha256::digest(self.access_token.expose_secret().as_bytes());
        URL_SAFE_NO_PAD.encode(&hash[..16])
    }
}

/// Speaks with one organisation's authorization server.
#[derive(Debug, Clone)]
pub struct OidcClient {
    address: OktaAddress,
    transport: Transport,
}

impl OidcClient {
    /// One for the organisation at `address`. Nothing is called yet.
    pub const fn new(address: OktaAddress, transport: Transport) -> Self {
        Self { address, transport }
    }

    /// Reads what the server says of itself; it must speak for the address that is asked, byte for byte.
    ///
    /// # Errors
    ///
    /// [`OidcError`], also when it names an address that is not its own.
    pub async fn discover(&self, client_id: &str) -> Result<Provider, OidcError> {
        const DOING: &str = "reading Okta's discovery document";
        // With the client id the answer tells the issuer of that app, which may have a mode of its own.
        let path = format!("/.well-known/openid-configuration?client_id={}", encoded(client_id));
        let reply = self.send(DOING, Request::get(path)).await?;
        Provider::read(&self.address, served(DOING, &reply)?)
    }

    /// Reads the keys that sign now.
    ///
    /// # Errors
    ///
    /// [`OidcError`].
    pub async fn keys(&self, provider: &Provider) -> Result<Keys, OidcError> {
        const DOING: &str = "reading Okta's keys";
        let reply = self.send(DOING, Request::get(provider.keys_path())).await?;
        let body = served(DOING, &reply)?;
        Keys::read(body, reply.header("cache-control"))
            .map_err(|why| OidcError::Unreadable { doing: DOING, why: why.to_owned() })
    }

    /// Exchanges a code. It is sent once: a code works once, so sending it again could only fail.
    ///
    /// # Errors
    ///
    /// [`OidcError`].
    pub async fn exchange(
        &self,
        provider: &Provider,
        exchange: &CodeExchange<'_>,
    ) -> Result<Tokens, OidcError> {
        const DOING: &str = "exchanging the code";
        #[derive(Deserialize)]
        struct TokenBody {
            access_token: SecretString,
            id_token: SecretString,
            token_type: String,
        }
        let unreadable = |why: &str| OidcError::Unreadable { doing: DOING, why: why.to_owned() };
        let CodeExchange { client_id, secret, code, redirect_uri, verifier, now, jti } = exchange;
        let mut body = format!(
            "grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}",
            encoded(code),
            encoded(redirect_uri),
            encoded(verifier)
        );
        let mut headers =
            vec![("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
        if assertion::is_key(secret) {
            let audience = format!("{}{}", self.address, provider.token_path());
            let signed = assertion::sign(secret, client_id, &audience, *now, jti)
                .map_err(|why| OidcError::BadKey { why })?;
            body.push_str("&client_assertion_type=");
            body.push_str(&encoded("urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
            body.push_str("&client_assertion=");
            body.push_str(&signed);
        } else {
            headers.push(("authorization".to_owned(), basic(client_id, secret)));
        }
        let request = Request {
            method: http::Method::POST,
            headers,
            body: Bytes::from(body),
            ..Request::get(provider.token_path())
        };
        let reply = self.send(DOING, request).await?;
        let read: TokenBody = serde_json::from_slice(served(DOING, &reply)?)
            .map_err(|_| unreadable("it has no ID token beside an access token"))?;
        if !read.token_type.eq_ignore_ascii_case("bearer") {
            return Err(unreadable("its access token is of an unknown type"));
        }
        Ok(Tokens { access_token: read.access_token, id_token: read.id_token })
    }

    /// Reads what Okta tells of the person behind an access token. The caller compares `sub`.
    ///
    /// # Errors
    ///
    /// [`OidcError`], also when the server has no such address.
    pub async fn userinfo(
        &self,
        provider: &Provider,
        access_token: &SecretString,
    ) -> Result<Map<String, Value>, OidcError> {
        const DOING: &str = "reading userinfo";
        let unreadable = |why: &str| OidcError::Unreadable { doing: DOING, why: why.to_owned() };
        let path =
            provider.userinfo_path().ok_or_else(|| unreadable("there is no such address"))?;
        let token = access_token.expose_secret();
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(unreadable("the access token fits in no header"));
        }
        let request = Request {
            headers: vec![("authorization".into(), format!("Bearer {token}"))],
            ..Request::get(path)
        };
        let reply = self.send(DOING, request).await?;
        serde_json::from_slice(served(DOING, &reply)?)
            .map_err(|_| unreadable("it is not a JSON object"))
    }

    async fn send(&self, doing: &'static str, mut request: Request) -> Result<Reply, OidcError> {
        request.headers.push(("accept".into(), "application/json".into()));
        request.headers.push(("user-agent".into(), crate::call::USER_AGENT.into()));
        request.limits = Limits::SIGN_IN;
        let reply = self.transport.send(&self.address, request).await;
        let reply = reply.map_err(|cause| OidcError::NoReply { doing, cause })?;
        // A transport within the process has no limits of its own.
        if reply.body.len() > Limits::SIGN_IN.body_max {
            let cause = TransportError::TooLarge { limit: Limits::SIGN_IN.body_max };
            return Err(OidcError::NoReply { doing, cause });
        }
        Ok(reply)
    }
}

/// The body of an answer that is one.
fn served<'a>(doing: &'static str, reply: &'a Reply) -> Result<&'a Bytes, OidcError> {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    if !reply.is_success() {
        let told: Option<Refusal> = serde_json::from_slice(&reply.body).ok();
        let clean = |text: String| -> String {
            text.chars().filter(|c| !c.is_control()).take(200).collect()
        };
        let (code, text) = told.map_or_else(Default::default, |told| {
            (clean(told.error), clean(told.error_description))
        });
        return Err(OidcError::Refused { doing, status: reply.status, code, text });
    }
    if reply.status != 200 {
        let why = format!("its status is {}", reply.status);
        return Err(OidcError::Unreadable { doing, why });
    }
    Ok(&reply.body)
}

/// `client_secret_basic`: each part is encoded on its own before they are joined. Source: RFC 6749, 2.3.1.
pub(crate) fn basic(client_id: &str, secret: &SecretString) -> String {
    let pair = format!("{}:{}", encoded(client_id), encoded(secret.expose_secret().trim()));
    format!("Basic {}", BASE64.encode(pair))
}
