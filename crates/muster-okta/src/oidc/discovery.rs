//! What an authorization server says of itself, and what follows from it: whom to call, where to send a browser.

use serde::Deserialize;
use url::Url;

use super::OidcError;
use crate::address::OktaAddress;

/// An authorization server whose discovery document was read and found to speak for itself only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    issuer: String,
    authorization: Url,
    end_session: Option<Url>,
    token: String,
    keys: String,
    userinfo: Option<String>,
}

/// What a browser is sent to Okta with.
#[derive(Debug, Clone, Copy)]
pub struct AuthorizeRequest<'a> {
    /// Of the app.
    pub client_id: &'a str,
    /// Where Okta sends the browser back to, exactly as it is registered.
    pub redirect_uri: &'a str,
    /// Comes back unchanged. Okta refuses a request without it.
    pub state: &'a str,
    /// Comes back in the ID token.
    pub nonce: &'a str,
    /// Of PKCE: base64url of SHA-256 of the verifier.
    pub challenge: &'a str,
    /// Who probably signs in.
    pub login_hint: Option<&'a str>,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    end_session_endpoint: Option<String>,
}

impl Provider {
    /// Reads the document of the server at `address`.
    ///
    /// The issuer must be that address, byte for byte (OpenID Connect Discovery 1.0, 4.3), and every other address must be on its host:
    /// none of them can lead a secret elsewhere.
    pub(super) fn read(address: &OktaAddress, body: &[u8]) -> Result<Self, OidcError> {
        const DOING: &str = "reading Okta's discovery document";
        let document: Document = serde_json::from_slice(body).map_err(|_| {
            let why = "it is not the description of an authorization server".to_owned();
            OidcError::Unreadable { doing: DOING, why }
        })?;
        let wanted = address.to_string();
        if document.issuer != wanted {
            let found = document.issuer.chars().take(200).collect();
            return Err(OidcError::OtherIssuer { wanted, found });
        }
        let own = |name: &'static str, text: &str| {
            let url = Url::parse(text).ok().filter(|url| {
                OktaAddress::of_url(url).as_ref() == Some(address)
                    && url.fragment().is_none()
                    && text.len() <= 500
            });
            url.ok_or(OidcError::ForeignEndpoint { name })
        };
        let path = |name, text: &str| {
            own(name, text).map(|url| url[url::Position::BeforePath..].to_owned())
        };
        let maybe =
            |name, text: &Option<String>| text.as_deref().map(|text| own(name, text)).transpose();
        Ok(Self {
            authorization: own("authorization_endpoint", &document.authorization_endpoint)?,
            token: path("token_endpoint", &document.token_endpoint)?,
            keys: path("jwks_uri", &document.jwks_uri)?,
            userinfo: document
                .userinfo_endpoint
                .as_deref()
                .map(|text| path("userinfo_endpoint", text))
                .transpose()?,
            end_session: maybe("end_session_endpoint", &document.end_session_endpoint)?,
            issuer: document.issuer,
        })
    }

    /// Who signs.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Where to send a browser to sign in: the code flow with PKCE (RFC 7636).
    pub fn authorize_url(&self, request: AuthorizeRequest<'_>) -> String {
        let mut url = self.authorization.clone();
        {
            let mut query = url.query_pairs_mut();
            query
                .append_pair("response_type", "code")
                .append_pair("client_id", request.client_id)
                .append_pair("redirect_uri", request.redirect_uri)
                .append_pair("scope", "openid profile email")
                .append_pair("state", request.state)
                .append_pair("nonce", request.nonce)
                .append_pair("code_challenge", request.challenge)
                .append_pair("code_challenge_method", "S256");
            if let Some(hint) = request.login_hint {
                query.append_pair("login_hint", hint);
            }
        }
        url.into()
    }

    /// Where to send a browser to sign out of Okta too; `None` when the server has no such address.
    ///
    /// Source: OpenID Connect RP-Initiated Logout 1.0.
    pub fn end_session_url(&self, id_token: &str, back_to: &str, state: &str) -> Option<String> {
        let mut url = self.end_session.clone()?;
        url.query_pairs_mut()
            .append_pair("id_token_hint", id_token)
            .append_pair("post_logout_redirect_uri", back_to)
            .append_pair("state", state);
        Some(url.into())
    }

    pub(super) fn token_path(&self) -> &str {
        &self.token
    }

    pub(super) fn keys_path(&self) -> &str {
        &self.keys
    }

    pub(super) fn userinfo_path(&self) -> Option<&str> {
        self.userinfo.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::address::ExtraHosts;

    fn address() -> OktaAddress {
        OktaAddress::parse("acme.okta.com", &ExtraHosts::default(), false).expect("one").address
    }

    fn document() -> Value {
        let at = |path: &str| format!("https://acme.okta.com/oauth2/v1/{path}");
        json!({
            "issuer": "https://acme.okta.com", "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
            "jwks_uri": at("keys"), "userinfo_endpoint": at("userinfo"), "end_session_endpoint": at("logout"), "more": [1],
        })
    }

    fn read(name: &str, value: &Value) -> String {
        let mut document = document();
        document[name] = value.clone();
        match Provider::read(&address(), document.to_string().as_bytes()) {
            Ok(_) => "ok".to_owned(),
            Err(OidcError::ForeignEndpoint { name }) => name.to_owned(),
            Err(error) => error.code().to_owned(),
        }
    }

    #[test]
    fn it_speaks_for_itself_only() {
        #[rustfmt::skip]
        let cases = [
            ("issuer", json!("https://acme.okta.com"), "ok"),
            ("issuer", json!("https://acme.okta.com/"), "issuer_mismatch"),
            ("issuer", json!("https://acme.okta.com/oauth2/default"), "issuer_mismatch"),
            ("issuer", json!("https://ACME.okta.com"), "issuer_mismatch"),
            ("issuer", json!("https://evil.example"), "issuer_mismatch"),
            ("issuer", json!(7), "unreadable"),
            ("token_endpoint", json!("https://evil.example/token"), "token_endpoint"),
            ("token_endpoint", json!("http://acme.okta.com/token"), "token_endpoint"),
            ("token_endpoint", json!("https://acme.okta.com:8443/token"), "token_endpoint"),
            ("token_endpoint", json!("https://a@acme.okta.com/token"), "token_endpoint"),
            ("token_endpoint", json!("https://acme.okta.com.evil.example/token"), "token_endpoint"),
            ("token_endpoint", json!("/oauth2/v1/token"), "token_endpoint"),
            ("token_endpoint", json!(null), "unreadable"),
            ("jwks_uri", json!("https://169.254.169.254/keys"), "jwks_uri"),
            ("jwks_uri", json!("file:///etc/passwd"), "jwks_uri"),
            ("authorization_endpoint", json!("javascript:alert(1)"), "authorization_endpoint"),
            ("authorization_endpoint", json!("https://acme.okta.com/a#b"), "authorization_endpoint"),
            ("userinfo_endpoint", json!("https://evil.example/u"), "userinfo_endpoint"),
            ("userinfo_endpoint", json!(null), "ok"),
            ("end_session_endpoint", json!("https://evil.example/"), "end_session_endpoint"),
            ("end_session_endpoint", json!(null), "ok"),
        ];
        for (name, value, want) in cases {
            assert_eq!(read(name, &value), want, "{name} {value}");
        }
        assert!(Provider::read(&address(), b"<html>").is_err());
    }

    #[test]
    fn what_is_sent_is_encoded() {
        let provider = Provider::read(&address(), document().to_string().as_bytes()).expect("read");
        let url = provider.authorize_url(AuthorizeRequest {
            client_id: "0oa1",
            redirect_uri: "https://acme.example.com/users/auth/okta/callback",
            state: "s",
            nonce: "n",
            challenge: "c",
            login_hint: Some("ana&prompt=none@acme.example"),
        });
        assert!(
            url.starts_with(
                "https://acme.okta.com/oauth2/v1/authorize?response_type=code&client_id=0oa1&"
            ),
            "{url}"
        );
        assert!(url.contains("login_hint=ana%26prompt%3Dnone%40acme.example"), "{url}");
        let out = provider.end_session_url("a.b.c", "https://acme.example.com/signed-out", "s");
        assert!(
            out.expect("one")
                .contains("id_token_hint=a.b.c&post_logout_redirect_uri=https%3A%2F%2F")
        );
    }
}
