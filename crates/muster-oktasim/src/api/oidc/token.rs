//! `token`: an app redeems a code.

use http::Method;
use serde_json::{Map, Value, json};

use super::{Visit, refused};
use crate::api::answer::Answer;
use crate::ids::Kind;
use crate::state::Org;
use crate::state::keys::{Server, half_hash, hash};
use crate::state::sign_in::{Code, Grant, TOKEN_SECONDS};

impl Org {
    /// Judges the client first and only then what it brings. Source: RFC 6749 5.2; texts as in Okta's description of the API.
    pub(super) fn token_endpoint(&mut self, visit: &Visit<'_>, server: Server) -> Answer {
        if visit.method != Method::POST {
            return self.wrong_method();
        }
        let app = match self.client(visit, server) {
            Ok(app) => app,
            Err(answer) => return answer,
        };
        match visit.field("grant_type") {
            None => refused(400, "invalid_request", "The token request must specify a grant_type."),
            Some("authorization_code") => match visit.field("code") {
                None => refused(400, "invalid_request", "The authorization code is missing."),
                Some(code) => match self.redeem(code, server, app, visit.now) {
                    None => bad_code(),
                    Some(code) => self.tokens_for(visit, code),
                },
            },
            Some(_) => {
                let text = "The client is not authorized to use the provided grant type.";
                refused(400, "unauthorized_client", text)
            }
        }
    }

    fn tokens_for(&mut self, visit: &Visit<'_>, code: Code) -> Answer {
        if visit.field("redirect_uri") != Some(&code.redirect_uri) {
            let text = "The 'redirect_uri' does not match the redirection URI used in the authorization request.";
            return refused(400, "invalid_grant", text);
        }
        let proof = visit.field("code_verifier").map(|verifier| hash(verifier.as_bytes()));
        if code.challenge.is_some() && code.challenge != proof {
            return refused(400, "invalid_grant", "PKCE verification failed.");
        }
        let grant = code.grant;
        let live = self.person(grant.slot).is_some_and(|person| person.status.may_sign_in());
        if !live {
            return bad_code();
        }
        let access_token = self.issue_access_token(grant.clone(), visit.now);
        let id_token = self.id_token(&grant, Some(&access_token), visit);
        Answer::value(&json!({
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "access_token": access_token,
            "scope": grant.scopes.join(" "),
            "id_token": id_token
        }))
    }

    /// An ID token. With an access token beside it it is thin: of what depends on scopes it says no more than `email`, `name`
    /// and `preferred_username`. Source: Okta's table of scope-dependent claims.
    pub(super) fn id_token(
        &mut self,
        grant: &Grant,
        access_token: Option<&str>,
        visit: &Visit<'_>,
    ) -> String {
        let jti = format!("ID.{}", self.dice.token(43));
        let at = visit.now.as_second();
        let mut claims = Map::new();
        let mut put = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        put("sub", json!(self.ids.id(Kind::User, grant.slot).as_str()));
        if let Some(person) = self.person(grant.slot) {
            if allows(grant, "profile") {
                put("name", json!(person.profile.full_name(&self.pool)));
                put("preferred_username", person.profile.get(&self.pool, "login"));
            }
            if allows(grant, "email") {
                put("email", person.profile.get(&self.pool, "email"));
            }
        }
        put("ver", json!(1));
        put("iss", json!(self.issuer(grant.server)));
        put("aud", json!(self.app(grant.app).map(|app| app.client_id.as_str())));
        put("iat", json!(at));
        put("exp", json!(at + TOKEN_SECONDS));
        put("jti", json!(jti));
        put("amr", json!(["pwd"]));
        put("idp", json!(self.ids.id(Kind::Org, 0).as_str()));
        put("auth_time", json!(grant.signed_in.as_second()));
        if let Some(nonce) = &grant.nonce {
            put("nonce", json!(nonce));
        }
        if let Some(token) = access_token {
            put("at_hash", json!(half_hash(token.as_bytes())));
        }
        self.sign(grant.server, None, &Value::Object(claims))
    }
}

/// Whether a scope was granted.
pub(super) fn allows(grant: &Grant, scope: &str) -> bool {
    grant.scopes.iter().any(|granted| granted == scope)
}

fn bad_code() -> Answer {
    refused(400, "invalid_grant", "The authorization code is invalid or has expired.")
}
