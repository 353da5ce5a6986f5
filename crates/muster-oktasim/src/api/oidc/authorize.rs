//! `authorize`: a browser asks for a code in an app's name.

use super::{Visit, page, with_query};
use crate::api::answer::Answer;
use crate::ids::Kind;
use crate::state::keys::Server;
use crate::state::sign_in::{ClientAuth, Grant, Session};
use crate::state::{Org, index};

/// Scopes that mean something here. Source: discovery documents.
const SCOPES: [&str; 7] =
    ["openid", "profile", "email", "address", "phone", "offline_access", "groups"];

/// A request that may be answered at the app's redirect URI.
#[derive(Debug)]
struct Wish<'v> {
    app: u32,
    redirect_uri: &'v str,
    state: Option<&'v str>,
}

impl Wish<'_> {
    /// Sends the browser back with an error. Source: Okta's list of errors at the callback.
    fn refuse(&self, error: &str, text: &str) -> Answer {
        let mut pairs = Vec::new();
        if let Some(state) = self.state {
            pairs.push(("state", state));
        }
        pairs.push(("error", error));
        pairs.push(("error_description", text));
        Answer::redirect(with_query(self.redirect_uri, &pairs))
    }
}

impl Org {
    /// Judges client and redirect URI first, and shows its own page when one of them is wrong: nothing may be sent to an
    /// address that nobody registered. Everything else goes back to the app.
    pub(super) fn authorize(&mut self, visit: &Visit<'_>, server: Server) -> Answer {
        self.authorize_as(visit, server, self.visitor(visit), false)
    }

    /// The same, for somebody who may just have signed in (`fresh`).
    pub(super) fn authorize_as(
        &mut self,
        visit: &Visit<'_>,
        server: Server,
        session: Option<Session>,
        fresh: bool,
    ) -> Answer {
        let wish = match self.wish(visit) {
            Ok(wish) => wish,
            Err(answer) => return answer,
        };
        if let Err((error, text)) = self.judge(visit, &wish) {
            return wish.refuse(error, text);
        }
        let too_old =
            visit.param("max_age").and_then(|age| age.parse::<i64>().ok()).is_some_and(|age| {
                session
                    .is_some_and(|session| visit.now.as_second() - session.since.as_second() > age)
            });
        let prompt = visit.param("prompt");
        let again = !fresh && (prompt == Some("login") || too_old);
        let Some(session) = session.filter(|_| !again) else {
            if prompt == Some("none") {
                let text = "The client specified not to prompt, but the user is not logged in.";
                return wish.refuse("login_required", text);
            }
            return self.login_page(&visit.target(), visit.param("login_hint"), None, None, 200);
        };
        if !self.may_use(wish.app, session.slot) {
            let text = "User is not assigned to the client application.";
            return wish.refuse("access_denied", text);
        }
        let grant = Grant {
            server,
            app: wish.app,
            slot: session.slot,
            scopes: scopes(visit).map(str::to_owned).collect(),
            nonce: visit.param("nonce").map(str::to_owned),
            signed_in: session.since,
        };
        let challenge = visit.param("code_challenge");
        let code = self.issue_code(grant, wish.redirect_uri, challenge, visit.now);
        let state = wish.state.unwrap_or_default();
        Answer::redirect(with_query(wish.redirect_uri, &[("code", &code), ("state", state)]))
    }

    /// The app and the place to answer at, or Okta's own page.
    fn wish<'v>(&self, visit: &'v Visit<'_>) -> Result<Wish<'v>, Answer> {
        let client = visit.param("client_id").unwrap_or_default();
        let app = self.apps.iter().position(|app| app.client_id == client && app.active);
        let Some(app) = app.and_then(|app| u32::try_from(app).ok()) else {
            let text = "Invalid value for 'client_id' parameter.";
            return Err(page::error(400, "invalid_client", text));
        };
        let registered = &self.apps[index(app)].redirect_uris;
        match visit.param("redirect_uri") {
            Some(uri) if registered.iter().any(|known| known == uri) => {
                Ok(Wish { app, redirect_uri: uri, state: visit.param("state") })
            }
            _ => {
                let text = format!(
                    "The 'redirect_uri' parameter must be a Login redirect URI in the client app settings: \
                     {}/admin/app/oidc_client/instance/{}#tab-general",
                    self.base,
                    self.ids.id(Kind::App, app)
                );
                Err(page::error(400, "invalid_request", &text))
            }
        }
    }

    /// What can be wrong whoever signs in.
    fn judge(
        &self,
        visit: &Visit<'_>,
        wish: &Wish<'_>,
    ) -> Result<(), (&'static str, &'static str)> {
        let app = &self.apps[index(wish.app)];
        if wish.state.is_none() {
            // Okta asks for it though OAuth does not. Source: Okta's API description, operation `authorize`.
            let text = "The authentication request has an invalid 'state' parameter.";
            return Err(("invalid_request", text));
        }
        let grants = app.grant_types.iter().any(|grant| grant == "authorization_code");
        if visit.param("response_type") != Some("code") || !grants {
            let text = "The response type is not supported by the authorization server. Configured \
                        response types: [code].";
            return Err(("unsupported_response_type", text));
        }
        if visit.param("response_mode").is_some_and(|mode| mode != "query") {
            let text = "The authorization server does not support the requested response mode.";
            return Err(("unsupported_response_mode", text));
        }
        if scopes(visit).any(|scope| !SCOPES.contains(&scope)) {
            let text =
                "One or more scopes are not configured for the authorization server resource.";
            return Err(("invalid_scope", text));
        }
        if !scopes(visit).any(|scope| scope == "openid") {
            let text = "The authentication request must include the 'openid' scope.";
            return Err(("invalid_scope", text));
        }
        match (visit.param("code_challenge"), visit.param("code_challenge_method")) {
            (Some(challenge), Some("S256")) if challenge.len() == 43 => Ok(()),
            (Some(_), Some("S256")) => {
                Err(("invalid_request", "The value of the 'code_challenge' parameter is invalid."))
            }
            // Without a method PKCE means `plain`, which Okta does not do.
            (Some(_), _) | (None, Some(_)) => {
                let text = "The value of the 'code_challenge_method' parameter is not supported.";
                Err(("invalid_request", text))
            }
            (None, None) if app.pkce_required || app.client_auth == ClientAuth::None => {
                Err(("invalid_request", "PKCE code challenge is required by the application."))
            }
            (None, None) => Ok(()),
        }
    }
}

fn scopes<'v>(visit: &'v Visit<'_>) -> impl Iterator<Item = &'v str> + use<'v> {
    visit.param("scope").unwrap_or_default().split_whitespace()
}
