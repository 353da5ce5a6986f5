//! Which app calls the token endpoint, and how it proves that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::JwkSet;
use serde_json::Value;

use super::{Visit, refused};
use crate::api::answer::Answer;
use crate::state::Org;
use crate::state::groups::App;
use crate::state::keys::{Server, claims};
use crate::state::sign_in::ClientAuth;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How far ahead an assertion may end. Source: Okta's guide on client authentication.
const ASSERTION_SECONDS: i64 = 3600;

impl Org {
    /// The number of the app that calls. A secret is taken from the header or from the body, whichever way is set.
    ///
    /// Source: RFC 6749 2.3.1 and 5.2, RFC 7523 3; texts as in Okta's description of the API.
    pub(super) fn client(&self, visit: &Visit<'_>, server: Server) -> Result<u32, Answer> {
        if let Some(assertion) = visit.field("client_assertion") {
            return self.asserted(visit, server, assertion);
        }
        let basic = visit.header("authorization").and_then(basic);
        let posted = visit
            .field("client_id")
            .map(|id| (id.to_owned(), visit.field("client_secret").unwrap_or_default().to_owned()));
        let Some((id, secret)) = basic.or(posted) else { return Err(unproven()) };
        let number = self.app_of_client(&id)?;
        let app = self.app(number).ok_or_else(unproven)?;
        match app.client_auth {
            ClientAuth::None if secret.is_empty() => Ok(number),
            ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost => {
                if secret.is_empty() {
                    return Err(unproven());
                }
                if app.client_secret != secret {
                    let text = "The client secret supplied for a confidential client is invalid.";
                    return Err(refused(401, "invalid_client", text));
                }
                Ok(number)
            }
            ClientAuth::None | ClientAuth::PrivateKeyJwt => {
                let text = "The client authentication method is not the one of the application.";
                Err(refused(401, "invalid_client", text))
            }
        }
    }

    fn asserted(&self, visit: &Visit<'_>, server: Server, assertion: &str) -> Result<u32, Answer> {
        let invalid = |text: &str| Err(refused(401, "invalid_client", text));
        if visit.field("client_assertion_type") != Some(ASSERTION) {
            return invalid("The client_assertion_type is invalid.");
        }
        // Who it says it is decides whose keys are tried.
        let Ok(said) = jsonwebtoken::dangerous::insecure_decode_claims::<Value>(assertion) else {
            return invalid("The client_assertion token is not a valid JWT.");
        };
        let id = said["sub"].as_str().unwrap_or_default();
        let number = self.app_of_client(id)?;
        let Some(app) = self.app(number).filter(|app| fits(app)) else {
            return invalid("The client authentication method is not the one of the application.");
        };
        let Some(proven) = app.jwks.as_ref().and_then(|keys| verified(keys, assertion)) else {
            return invalid("The client_assertion signature is invalid.");
        };
        let own = format!("{}{}/v1/token", self.base, server.prefix());
        let here = match &proven["aud"] {
            Value::Array(all) => all.iter().any(|one| *one == own),
            one => *one == own,
        };
        let now = visit.now.as_second();
        let alive =
            proven["exp"].as_i64().is_some_and(|exp| exp > now && exp <= now + ASSERTION_SECONDS);
        if proven["iss"] != proven["sub"] || proven["sub"] != id {
            return invalid("The client_assertion has other values for 'iss' and 'sub'.");
        }
        if !here {
            return invalid(
                "The audience claim for client_assertion must be the endpoint invoked.",
            );
        }
        if !alive {
            return invalid("The client_assertion token has an expiration that is not acceptable.");
        }
        Ok(number)
    }

    fn app_of_client(&self, id: &str) -> Result<u32, Answer> {
        let found = self.apps.iter().position(|app| app.client_id == id && app.active);
        found.and_then(|place| u32::try_from(place).ok()).ok_or_else(|| {
            refused(401, "invalid_client", "Invalid value for the `client_id` parameter")
        })
    }
}

fn fits(app: &App) -> bool {
    app.client_auth == ClientAuth::PrivateKeyJwt
}

/// The claims, if one of the keys signed them; the key is named by `kid`, or all are tried.
fn verified(keys: &JwkSet, assertion: &str) -> Option<Value> {
    let kid = jsonwebtoken::decode_header(assertion).ok()?.kid;
    keys.keys
        .iter()
        .filter(|key| kid.is_none() || key.common.key_id == kid)
        .filter_map(|key| DecodingKey::from_jwk(key).ok())
        .find_map(|key| claims(assertion, &key))
}

fn unproven() -> Answer {
    let text =
        "Client authentication failed. Either the client or the client credentials are invalid.";
    refused(401, "invalid_client", text)
}

/// Client id and secret out of `Basic …`, each of which is encoded on its own. Source: RFC 6749 2.3.1.
fn basic(header: &str) -> Option<(String, String)> {
    let text =
        String::from_utf8(BASE64.decode(header.strip_prefix("Basic ")?.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((decoded(id), decoded(secret)))
}

fn decoded(text: &str) -> String {
    // One pair without a value: its name is the whole text.
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}
