//! Signing out: started by an app, or at Okta itself.

use super::page::{error, page};
use super::{Visit, with_query};
use crate::api::answer::Answer;
use crate::state::Org;
use crate::state::keys::Server;

/// Makes a browser forget Okta's session.
const FORGET: &str = "sid=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0";

impl Org {
    /// `logout`: an ID token says which app asks; one that has expired will do. Source: Okta's guide on signing users out;
    /// OpenID Connect RP-Initiated Logout 2.
    pub(super) fn logout(&mut self, visit: &Visit<'_>, server: Server) -> Answer {
        let hint = visit.param("id_token_hint").and_then(|hint| self.signed_here(server, hint));
        let client = hint
            .filter(|claims| claims["iss"] == self.issuer(server))
            .and_then(|claims| claims["aud"].as_str().map(str::to_owned));
        let Some(app) = self.apps.iter().find(|app| Some(&app.client_id) == client.as_ref()) else {
            let text = "The 'id_token_hint' parameter is missing or is not a valid ID token.";
            return error(400, "invalid_request", text);
        };
        let to = visit.param("post_logout_redirect_uri");
        if to.is_some_and(|to| !app.post_logout_uris.iter().any(|known| known == to)) {
            let text = "The 'post_logout_redirect_uri' parameter must be a Logout redirect URI in the client app \
                        settings.";
            return error(400, "invalid_request", text);
        }
        self.forget(visit);
        let answer = match (to, visit.param("state")) {
            (Some(to), Some(state)) => Answer::redirect(with_query(to, &[("state", state)])),
            (Some(to), None) => Answer::redirect(to),
            (None, _) => signed_out(),
        };
        answer.with("set-cookie", FORGET)
    }

    /// `/login/signout`: ends Okta's own session and nothing else.
    pub(super) fn sign_out(&mut self, visit: &Visit<'_>) -> Answer {
        self.forget(visit);
        signed_out().with("set-cookie", FORGET)
    }

    fn forget(&mut self, visit: &Visit<'_>) {
        if let Some(cookie) = visit.cookie() {
            self.end_session(cookie, visit.path, visit.now);
        }
    }
}

fn signed_out() -> Answer {
    page(
        200,
        "Signed out",
        "<p>You are signed out of Okta.</p>\n<p><a href=\"/login\">Sign in</a></p>",
    )
}
