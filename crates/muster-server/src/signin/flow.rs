//! The round trip to Okta: sent away with what only this browser has, and what comes back judged against it.
//!
//! Nothing is stored while somebody is away: what must be known afterwards travels sealed in a cookie of that browser. So an answer that
//! another browser brings is no answer (login CSRF), and nobody can fill the database by beginning sign-ins.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use muster_core::claims::{Expected, Identity, judge, with_userinfo};
use muster_core::id::PersonId;
use muster_core::signin::ReturnTo;
use muster_okta::oidc::{AuthorizeRequest, CodeExchange, OidcError};
use muster_store::sessions::TokenHash;
use muster_store::tenants::TenantDb;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::enter::Visitor;
use super::token::{Token, hashed};
use super::{Reached, SignIn, SignInError};

/// How long somebody may be away: passwords are reset and telephones looked for meanwhile.
pub const AWAY_MAX: SignedDuration = SignedDuration::from_mins(30);
/// Longest code that is looked at. Okta's have 43 characters.
const CODE_MAX: usize = 2_048;
/// Longest text of Okta's that is kept.
const TEXT_MAX: usize = 300;

/// What somebody goes to Okta for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Purpose {
    /// To come in.
    #[serde(rename = "s")]
    SignIn,
    /// To prove the connection, being in already.
    #[serde(rename = "c")]
    Connect,
}

impl Purpose {
    /// The path of the address that Okta sends the browser back to.
    pub const fn path(self) -> &'static str {
        match self {
            Self::SignIn => "/users/auth/okta/callback",
            Self::Connect => "/en-US/okta/auth_callback",
        }
    }
}

/// What a browser keeps, sealed, while its person is at Okta.
#[derive(serde::Serialize, serde::Deserialize)]
pub struct Flow {
    state: String,
    nonce: String,
    verifier: String,
    pub purpose: Purpose,
    return_to: String,
    issuer: String,
    /// Seconds since 1970.
    began: i64,
    /// Who is in already, for [`Purpose::Connect`].
    acting: Option<String>,
}

/// Where to send the browser, and what it is to keep.
pub struct Begun {
    pub to: String,
    /// Names the cookie; of the state.
    pub name: String,
    pub sealed: String,
}

/// What came back with the browser, each at most once.
#[derive(Debug, Default)]
pub struct CallbackQuery {
    pub state: Option<String>,
    pub code: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    pub iss: Option<String>,
}

/// Somebody whom Okta vouches for.
pub struct Proven {
    pub identity: Identity,
    pub id_token: SecretString,
    pub state_hash: TokenHash,
    pub return_to: ReturnTo,
    pub issuer: String,
    pub acting: Option<PersonId>,
}

/// What sealed flows are for.
const SEAL: &str = "flow";

/// The cookie's name for a state, without prefix.
pub fn cookie_of(state: &str) -> String {
    state.chars().filter(char::is_ascii_alphanumeric).take(16).collect()
}

impl SignIn {
    /// Sends somebody to Okta.
    pub async fn begin(
        &self,
        tenant: &TenantDb,
        slug: &str,
        purpose: Purpose,
        return_to: &ReturnTo,
        login_hint: Option<&str>,
        acting: Option<PersonId>,
    ) -> Result<Begun, SignInError> {
        let Reached { app, known, .. } = self.reach(tenant).await?;
        let [state, nonce, verifier] = [(); 3].map(|()| Token::new().text().to_owned());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        let to = known.provider.authorize_url(AuthorizeRequest {
            client_id: &app.client_id,
            redirect_uri: &self.redirect_uri(slug, purpose),
            state: &state,
            nonce: &nonce,
            challenge: &challenge,
            login_hint: login_hint.filter(|hint| hint.len() <= 254),
        });
        let flow = Flow {
            nonce,
            verifier,
            purpose,
            return_to: return_to.as_str().to_owned(),
            issuer: known.provider.issuer().to_owned(),
            began: self.now().as_second(),
            acting: acting.map(|person| person.to_string()),
            state: state.clone(),
        };
        let name = cookie_of(&state);
        let plain = serde_json::to_vec(&flow).map_err(|_| SignInError::Malformed("flow"))?;
        let sealed = tenant.seal(SEAL, &name, &plain)?;
        Ok(Begun { to, name, sealed })
    }

    /// Opens what a browser kept for the answer that it brings.
    pub fn opened(
        &self,
        tenant: &TenantDb,
        purpose: Purpose,
        query: &CallbackQuery,
        sealed: Option<&str>,
    ) -> Result<Flow, SignInError> {
        let state = query.state.as_deref().ok_or(SignInError::Malformed("state"))?;
        let opened = sealed.and_then(|sealed| tenant.unseal(SEAL, &cookie_of(state), sealed));
        let flow: Flow = opened
            .and_then(|plain| serde_json::from_slice(&plain).ok())
            .ok_or(SignInError::NotBegun)?;
        if !bool::from(flow.state.as_bytes().ct_eq(state.as_bytes())) || flow.purpose != purpose {
            return Err(SignInError::NotBegun);
        }
        let began = Timestamp::from_second(flow.began).unwrap_or(Timestamp::UNIX_EPOCH);
        if self.now().duration_since(began) > AWAY_MAX {
            return Err(SignInError::TooLate);
        }
        Ok(flow)
    }

    /// Judges the answer that a browser brings back, asking Okta what it is worth.
    pub async fn prove(
        &self,
        tenant: &TenantDb,
        slug: &str,
        flow: &Flow,
        query: &CallbackQuery,
        visitor: &Visitor,
    ) -> Result<Proven, SignInError> {
        // RFC 9207, 2.4: an answer that names another issuer was meant for another sign-in, also when it says no.
        if query.iss.as_ref().is_some_and(|iss| *iss != flow.issuer) {
            return Err(SignInError::OtherIssuer);
        }
        if let Some(error) = &query.error {
            return Err(said(error, query.error_description.as_deref()));
        }
        let code = query.code.as_deref().filter(|code| !code.is_empty() && code.len() <= CODE_MAX);
        let code = code.ok_or(SignInError::Malformed("code"))?;
        let Reached { app, client, known } = self.reach(tenant).await?;
        if known.provider.issuer() != flow.issuer {
            return Err(SignInError::OtherIssuer);
        }
        let jti = Token::new();
        let exchange = CodeExchange {
            client_id: &app.client_id,
            secret: &app.secret,
            now: self.now(),
            jti: jti.text(),
            code,
            redirect_uri: &self.redirect_uri(slug, flow.purpose),
            verifier: &flow.verifier,
        };
        let place = visitor.place.as_deref().and_then(|text| text.parse().ok());
        // Counted before, so that many at once are counted too; only a code that Okta does not know stays counted.
        let counted = self.0.wrong_codes.count(tenant, place, self.now());
        counted.map_err(|_| SignInError::TooOften)?;
        let exchanged = client.exchange(&known.provider, &exchange).await;
        let is_wrong =
            matches!(&exchanged, Err(OidcError::Refused { code, .. }) if code == "invalid_grant");
        if !is_wrong {
            self.0.wrong_codes.forget(tenant, place);
        }
        let tokens = exchanged.map_err(SignInError::Oidc)?;
        let id_token = tokens.id_token.expose_secret();
        let claims = self.0.providers.verified(&known, &client, id_token, None).await?;
        let at_hash = tokens.at_hash();
        let expected = Expected {
            issuer: known.provider.issuer(),
            client_id: &app.client_id,
            nonce: &flow.nonce,
            at_hash: Some(&at_hash),
            now: self.now(),
        };
        let mut identity = judge(&claims, expected).map_err(SignInError::Claims)?;
        if identity.is_thin() {
            let info = client.userinfo(&known.provider, &tokens.access_token).await;
            let info = info.map_err(SignInError::Oidc)?;
            identity = with_userinfo(identity, &info).map_err(SignInError::Claims)?;
        }
        Ok(Proven {
            identity,
            id_token: tokens.id_token,
            state_hash: hashed("state", &flow.state),
            return_to: ReturnTo::parse(&flow.return_to).unwrap_or_else(ReturnTo::home),
            issuer: flow.issuer.clone(),
            acting: flow.acting.as_deref().and_then(|text| text.parse().ok()),
        })
    }

    /// Where to send a browser to leave Okta too; `None` when Okta cannot be asked to.
    pub async fn leave_url(
        &self,
        tenant: &TenantDb,
        slug: &str,
        id_token: &SecretString,
    ) -> Option<String> {
        let Reached { known, .. } = self.reach(tenant).await.ok()?;
        let back = format!("{}/signed-out", self.0.config.public_url.of_tenant(slug));
        known.provider.end_session_url(id_token.expose_secret(), &back, Token::new().text())
    }

    /// Whether `iss` of a start by Okta's tile names the organisation of this tenant.
    pub async fn is_own_issuer(&self, tenant: &TenantDb, iss: &str) -> Result<bool, SignInError> {
        let app = self.app(tenant).await?;
        Ok(iss == app.address.to_string())
    }

    /// Where Okta sends a browser back to; links are built from the configuration, never from a request.
    pub fn redirect_uri(&self, slug: &str, purpose: Purpose) -> String {
        format!("{}{}", self.0.config.public_url.of_tenant(slug), purpose.path())
    }
}

/// What Okta says at the callback: shortened, without control characters.
fn said(error: &str, description: Option<&str>) -> SignInError {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect();
    SignInError::Okta { error: clean(error), description: clean(description.unwrap_or_default()) }
}
