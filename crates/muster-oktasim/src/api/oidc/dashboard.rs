//! Okta's dashboard: the tiles of the apps that a person has.

use super::page::{escape, hidden, page};
use super::{Visit, with_query};
use crate::api::answer::Answer;
use crate::api::apps::EMBED;
use crate::ids::Kind;
use crate::state::keys::Server;
use crate::state::sign_in::{Grant, LoginMode, Session};
use crate::state::{Org, index};

impl Org {
    /// `/app/UserHome`. A tile is there only if the app has a way in from Okta and the person is assigned; opening an app to
    /// everyone gives no tile. Source: Okta's help on apps made with the integration wizard.
    pub(super) fn user_home(&mut self, visit: &Visit<'_>) -> Answer {
        let Some(session) = self.visitor(visit) else {
            return self.login_page(&visit.target(), None, None, None, 200);
        };
        let tiles: String = (0_u32..)
            .zip(&self.apps)
            .filter(|(number, app)| app.active && self.assignment(*number, session.slot).is_some())
            .filter_map(|(number, app)| {
                let href = self.tile(number)?;
                let label = escape(&app.label);
                Some(format!("<li><a href=\"{}\">{label}</a></li>\n", escape(&href)))
            })
            .collect();
        let tiles = if tiles.is_empty() {
            "<p>No apps.</p>".to_owned()
        } else {
            format!("<ul>\n{tiles}</ul>")
        };
        let name = self
            .person(session.slot)
            .map(|person| person.profile.full_name(&self.pool))
            .unwrap_or_default();
        let body = format!(
            "<p>Signed in as {}.</p>\n{tiles}\n<p><a href=\"/login/signout\">Sign out</a></p>",
            escape(&name)
        );
        page(200, "My apps", &body)
    }

    /// `/home/oidc_client/{app}/…`: the app's link on the dashboard, and the page that sends an ID token of Okta's own accord.
    pub(super) fn open_tile(&mut self, visit: &Visit<'_>) -> Answer {
        let id = visit.path.split('/').nth(3).unwrap_or_default();
        let known = self.ids.number(Kind::App, id).filter(|app| index(*app) < self.apps.len());
        let Some(app) = known else { return self.not_found(id, "AppInstance") };
        let Some(session) = self.visitor(visit) else {
            return self.login_page(&visit.target(), None, None, None, 200);
        };
        let open = self.app(app).is_some_and(|app| app.active) && self.may_use(app, session.slot);
        match self.apps[index(app)].login_mode() {
            LoginMode::Spec if open => match self.tile(app) {
                Some(to) => Answer::redirect(to),
                None => self.not_found(id, "AppInstance"),
            },
            LoginMode::Okta if open => self.send_id_token(app, session, visit),
            _ => page(403, "No access", "<p>This app was not assigned to you.</p>"),
        }
    }

    /// Where a tile leads. Source: Okta's API description, `idp_initiated_login`.
    fn tile(&self, number: u32) -> Option<String> {
        let app = self.app(number)?;
        match app.login_mode() {
            LoginMode::Disabled => None,
            LoginMode::Spec => {
                let issuer = self.issuer(Server::Org);
                Some(with_query(app.initiate_login_uri.as_deref()?, &[("iss", &issuer)]))
            }
            LoginMode::Okta => {
                Some(format!("/home/oidc_client/{}/{EMBED}", self.ids.id(Kind::App, number)))
            }
        }
    }

    /// The simplified way: an ID token that the app never asked for, without state and nonce. A button stands in for Okta's
    /// script that posts by itself.
    fn send_id_token(&mut self, app: u32, session: Session, visit: &Visit<'_>) -> Answer {
        let Some(to) = self.app(app).and_then(|app| app.redirect_uris.first().cloned()) else {
            return page(400, "Error 400", "<p>The app has no redirect URI.</p>");
        };
        if !self.apps[index(app)].grant_types.iter().any(|grant| grant == "implicit") {
            let text =
                "<p>An ID token is sent this way only to apps with the grant type Implicit.</p>";
            return page(400, "Error 400", text);
        }
        let grant = Grant {
            server: Server::Org,
            app,
            slot: session.slot,
            scopes: ["openid", "profile", "email"].map(str::to_owned).to_vec(),
            nonce: None,
            signed_in: session.since,
        };
        self.log_sso(session.slot, app, visit.path, visit.now);
        let token = self.id_token(&grant, None, visit);
        let label = self.app(app).map(|app| escape(&app.label)).unwrap_or_default();
        let body = format!(
            "<p>Okta now sends an ID token to {label}, which did not ask for one. A real Okta does this without being \
             asked again.</p>\n<form method=\"post\" action=\"{}\">{}\n<button>Send the ID token to {label}</button>\
             </form>",
            escape(&to),
            hidden("id_token", &token)
        );
        page(200, "Open the app", &body)
    }
}
