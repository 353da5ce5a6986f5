//! Every address of the service, and who may use it, in one table.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, on};
use muster_core::access::Action;

use super::fault::Fault;
use super::pages::{account, home, integrations, okta, sign_in, welcome};
use super::{Web, assets, door, guard, health};

/// Who may use an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Anybody, on any host.
    Anybody,
    /// Anybody, on the host of a tenant.
    Visitor,
    /// Okta, which proves itself by what it sends.
    Okta,
    /// Whoever is signed in.
    SignedIn,
    /// Whoever is signed in and may do this.
    May(Action),
}

/// An address with a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub who: Who,
}

const fn get(path: &'static str, who: Who) -> Route {
    Route { method: "GET", path, who }
}

const fn post(path: &'static str, who: Who) -> Route {
    Route { method: "POST", path, who }
}

/// The table. A test holds it against what the router was really given.
pub const TABLE: &[Route] = &[
    get("/healthz", Who::Anybody),
    get("/readyz", Who::Anybody),
    get("/webhooks/okta", Who::Okta),
    post("/webhooks/okta", Who::Okta),
    get("/assets/{file}", Who::Anybody),
    get("/", Who::SignedIn),
    get("/sign-in", Who::Visitor),
    post("/sign-in", Who::Visitor),
    get("/sign-in/code", Who::Visitor),
    post("/sign-in/code", Who::Visitor),
    post("/sign-out", Who::SignedIn),
    get("/signed-out", Who::Visitor),
    get("/welcome", Who::Visitor),
    post("/welcome", Who::Visitor),
    get("/welcome/{token}", Who::Visitor),
    get("/account", Who::SignedIn),
    post("/account/sessions/end", Who::SignedIn),
    post("/account/sessions/end-others", Who::SignedIn),
    get("/account/second-factor", Who::SignedIn),
    post("/account/second-factor", Who::SignedIn),
    post("/account/second-factor/remove", Who::SignedIn),
    post("/account/second-factor/codes", Who::SignedIn),
    get("/integrations", Who::May(Action::OpenIntegration)),
    get("/integrations/okta", Who::May(Action::OpenIntegration)),
    post("/integrations/okta/connect", Who::May(Action::ManageConnection)),
    post("/integrations/okta/link", Who::May(Action::ManageConnection)),
    post("/integrations/okta/entry", Who::May(Action::EnforceSso)),
    post("/integrations/okta/break-glass", Who::May(Action::EnforceSso)),
    post("/integrations/okta/sessions", Who::May(Action::EnforceSso)),
    get("/users/auth/okta", Who::Visitor),
    get("/users/auth/okta/callback", Who::Visitor),
    post("/users/auth/okta/callback", Who::Okta),
    post("/users/auth/okta/global-token-revocation", Who::Okta),
    get("/{locale}/okta/auth_callback", Who::May(Action::ManageConnection)),
];

/// A router that notes what it is given.
pub struct Routes {
    router: Router<Web>,
    listed: Vec<(String, &'static str)>,
}

impl Routes {
    fn new() -> Self {
        Self { router: Router::new(), listed: Vec::new() }
    }

    fn on<H, T>(mut self, method: &Method, path: &'static str, handler: H) -> Self
    where
        H: Handler<T, Web>,
        T: 'static,
    {
        let filter = if method == Method::POST { MethodFilter::POST } else { MethodFilter::GET };
        self.router = self.router.route(path, on(filter, handler));
        self.listed.push((method.to_string(), path));
        self
    }

    fn get<H: Handler<T, Web>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.on(&Method::GET, path, handler)
    }

    fn post<H: Handler<T, Web>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.on(&Method::POST, path, handler)
    }

    /// All that was given, as method and path.
    pub fn listed(&self) -> &[(String, &'static str)] {
        &self.listed
    }
}

/// What is for people.
fn pages() -> Routes {
    Routes::new()
        .get("/assets/{file}", assets::serve)
        .get("/", home::show)
        .get("/sign-in", sign_in::show)
        .post("/sign-in", sign_in::send)
        .get("/sign-in/code", sign_in::show_code)
        .post("/sign-in/code", sign_in::send_code)
        .post("/sign-out", sign_in::out)
        .get("/signed-out", sign_in::gone)
        .get("/welcome", welcome::show)
        .post("/welcome", welcome::send)
        .get("/welcome/{token}", welcome::arrive)
        .get("/account", account::show)
        .post("/account/sessions/end", account::end)
        .post("/account/sessions/end-others", account::end_others)
        .get("/account/second-factor", account::show_second)
        .post("/account/second-factor", account::confirm_second)
        .post("/account/second-factor/remove", account::remove_second)
        .post("/account/second-factor/codes", account::renew_codes)
        .get("/integrations", integrations::list)
        .get("/integrations/okta", integrations::show)
        .post("/integrations/okta/connect", integrations::connect)
        .post("/integrations/okta/link", integrations::link)
        .post("/integrations/okta/entry", integrations::entry)
        .post("/integrations/okta/break-glass", integrations::break_glass)
        .post("/integrations/okta/sessions", integrations::limits)
        .get("/users/auth/okta", okta::begin)
        .get("/users/auth/okta/callback", okta::sign_in_back)
        .post("/users/auth/okta/callback", okta::sent_token)
        .post("/users/auth/okta/global-token-revocation", okta::revoke)
        .get("/{locale}/okta/auth_callback", okta::connect_back)
}

/// What is for machines: they answer every method themselves, in their own words, and have no cookies.
fn machines() -> Routes {
    let mut routes = Routes::new();
    routes.router = routes
        .router
        .route("/healthz", axum::routing::any(health::alive))
        .route("/readyz", axum::routing::any(health::ready))
        .route("/webhooks/okta", axum::routing::any(door::knock));
    routes.listed = vec![
        ("GET".to_owned(), "/healthz"),
        ("GET".to_owned(), "/readyz"),
        ("GET".to_owned(), "/webhooks/okta"),
        ("POST".to_owned(), "/webhooks/okta"),
    ];
    routes
}

/// All that the public router answers, as method and path.
pub fn listed() -> Vec<(String, &'static str)> {
    [machines().listed(), pages().listed()].concat()
}

/// The router for the public.
pub(super) fn public(web: &Web) -> Router {
    let pages = pages()
        .router
        .fallback(|| async { Fault::NOT_FOUND })
        .layer(from_fn_with_state(web.clone(), guard::guard));
    machines().router.merge(pages).with_state(web.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_in_the_table_and_nothing_else_is() {
        let mut given = listed();
        given.sort();
        let mut known: Vec<_> = TABLE.iter().map(|one| (one.method.to_owned(), one.path)).collect();
        known.sort();
        assert_eq!(given, known);
    }
}
