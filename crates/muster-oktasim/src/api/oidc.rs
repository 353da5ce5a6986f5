//! Signing in: the authorization servers, Okta's own pages, and what leads from them to an app.

mod authorize;
mod client;
mod dashboard;
mod login;
mod logout;
mod page;
mod token;
mod userinfo;

use http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::answer::Answer;
use super::exchange::Request;
use crate::state::Org;
use crate::state::keys::Server;
use crate::state::sign_in::Session;

/// A browser's visit, or a call of an app, without an API token.
#[derive(Debug)]
pub(crate) struct Visit<'r> {
    pub method: &'r Method,
    pub path: &'r str,
    query: Vec<(String, String)>,
    form: Vec<(String, String)>,
    request: &'r Request,
    pub now: Timestamp,
}

impl<'r> Visit<'r> {
    pub(crate) fn new(
        request: &'r Request,
        path: &'r str,
        query: Vec<(String, String)>,
        now: Timestamp,
    ) -> Self {
        let posted = request.method == Method::POST;
        let body: &[u8] = if posted { &request.body } else { &[] };
        let form = url::form_urlencoded::parse(body).into_owned().collect();
        Self { method: &request.method, path, query, form, request, now }
    }

    /// A parameter, of the form or else of the query; an empty one counts as not given.
    fn param(&self, name: &str) -> Option<&str> {
        let found = self.form.iter().chain(&self.query).find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter of the form alone.
    fn field(&self, name: &str) -> Option<&str> {
        let found = self.form.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The same visit as a path that a browser can be sent to.
    fn target(&self) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.form.iter().chain(&self.query));
        let query = query.finish();
        if query.is_empty() { self.path.to_owned() } else { format!("{}?{query}", self.path) }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.request.header(name)
    }

    /// The value of Okta's session cookie.
    fn cookie(&self) -> Option<&str> {
        self.request
            .headers
            .iter()
            .filter(|(name, _)| name == "cookie")
            .flat_map(|(_, value)| value.split(';'))
            .find_map(|pair| pair.trim().strip_prefix("sid="))
    }
}

/// Whether a path is a key set.
pub(crate) fn is_keys(path: &str) -> bool {
    matches!(path, "/oauth2/v1/keys" | "/oauth2/default/v1/keys")
}

/// Whether a path belongs to signing in.
pub(crate) fn is_sign_in(path: &str) -> bool {
    matches!(path, "/login" | "/login/signout" | "/app/UserHome")
        || path.starts_with("/home/oidc_client/")
        || endpoint(path).is_some()
}

/// Server and endpoint of a path.
fn endpoint(path: &str) -> Option<(Server, &str)> {
    let custom = path.strip_prefix("/oauth2/default/v1/").map(|rest| (Server::Custom, rest));
    let found = custom.or_else(|| Some((Server::Org, path.strip_prefix("/oauth2/v1/")?)))?;
    matches!(found.1, "authorize" | "token" | "userinfo" | "logout").then_some(found)
}

impl Org {
    /// Answers everything about signing in.
    pub(crate) fn sign_in_side(&mut self, visit: &Visit<'_>) -> Answer {
        let readable = matches!(*visit.method, Method::GET | Method::POST);
        if !readable {
            return self.wrong_method();
        }
        match (visit.path, endpoint(visit.path)) {
            ("/login", _) => self.login(visit),
            ("/login/signout", _) => self.sign_out(visit),
            ("/app/UserHome", _) => self.user_home(visit),
            (_, Some((Server::Custom, _))) if !self.settings.custom_server => self.not_bought(),
            (_, Some((server, "authorize"))) => self.authorize(visit, server),
            (_, Some((server, "token"))) => self.token_endpoint(visit, server),
            (_, Some((server, "userinfo"))) => self.userinfo(visit, server),
            (_, Some((server, "logout"))) => self.logout(visit, server),
            _ => self.open_tile(visit),
        }
    }

    /// Who is signed in with this browser.
    fn visitor(&self, visit: &Visit<'_>) -> Option<Session> {
        self.session(visit.cookie()?)
    }
}

/// An error of an authorization server. Source: RFC 6749 5.2.
fn refused(status: u16, error: &str, text: &str) -> Answer {
    let body = json!({ "error": error, "error_description": text });
    Answer::json(status, body.to_string().into_bytes())
}

/// An address with more parameters in its query.
fn with_query(uri: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    let (address, fragment) = uri.split_once('#').map_or((uri, None), |(a, f)| (a, Some(f)));
    let joint = if address.contains('?') { '&' } else { '?' };
    let fragment = fragment.map_or_else(String::new, |fragment| format!("#{fragment}"));
    format!("{address}{joint}{}{fragment}", query.finish())
}
