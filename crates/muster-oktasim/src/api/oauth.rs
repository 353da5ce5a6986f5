//! `/oauth2/v1/token` of the org's own authorization server, as far as it goes without anybody signing in: it tells whether a
//! client is who it says it is, and knows no code.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::Method;
use serde_json::json;

use super::answer::Answer;
use super::exchange::Request;
use crate::state::Org;

impl Org {
    /// Judges the client first and only then what it brings. Source: RFC 6749 5.2; texts as in Okta's description of the API.
    pub(crate) fn token_endpoint(&mut self, request: &Request) -> Answer {
        if request.method != Method::POST {
            return self.wrong_method();
        }
        let form: Vec<(String, String)> =
            url::form_urlencoded::parse(&request.body).into_owned().collect();
        let field = |name: &str| {
            form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        let posted = field("client_id").zip(field("client_secret"));
        let posted = posted.map(|(id, secret)| (id.to_owned(), secret.to_owned()));
        let Some((id, secret)) = request.header("authorization").and_then(basic).or(posted) else {
            return refused(
                401,
                "invalid_client",
                "Client authentication failed. Either the client or the client credentials are invalid.",
            );
        };
        let Some(app) = self.apps.iter().find(|app| app.client_id == id) else {
            return refused(401, "invalid_client", "Invalid value for the `client_id` parameter");
        };
        if app.client_secret != secret {
            let text = "The client secret supplied for a confidential client is invalid.";
            return refused(401, "invalid_client", text);
        }
        match field("grant_type") {
            None => refused(400, "invalid_request", "The token request must specify a grant_type."),
            Some("authorization_code") if field("code").is_none() => {
                refused(400, "invalid_request", "The authorization code is missing.")
            }
            // Nobody signs in here yet, so no code was ever given out.
            Some("authorization_code") => {
                refused(400, "invalid_grant", "The authorization code is invalid or has expired.")
            }
            Some(_) => {
                let text = "The client is not authorized to use the provided grant type.";
                refused(400, "unauthorized_client", text)
            }
        }
    }
}

fn refused(status: u16, error: &str, text: &str) -> Answer {
    let body = json!({ "error": error, "error_description": text });
    Answer::json(status, body.to_string().into_bytes())
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
