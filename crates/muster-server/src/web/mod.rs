//! The outside of the service by HTTP: the hook's door, whether it is well, and the pages.
//!
//! The door waits neither for Okta nor for a run: what comes in there is stored, and answered. Signing in asks Okta while somebody waits,
//! for ten seconds at most.

mod assets;
mod body;
mod cookies;
mod door;
mod doors;
mod fault;
mod fields;
mod group;
mod guard;
mod health;
mod host;
mod listen;
mod page;
mod pages;
mod refusals;
pub mod routes;
mod site;
mod words;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use jiff::Timestamp;
use muster_core::id::IdSource;
use muster_store::db::Db;
use muster_store::jobs::Due;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::config::parse::{IpRange, PublicUrl};
use crate::signin::SignIn;
use crate::telemetry::metrics::{Metrics, Pulse};

use self::body::Budget;
use self::doors::Doors;
use self::group::Group;
use self::words::Languages;

pub use self::group::Groups;
pub use self::listen::serve;

/// How long a delivery may wait for its commit. Okta gives up after 3 s.
const STORE: Duration = Duration::from_secs(2);

/// What the web works with.
pub struct WebConfig {
    pub public_url: PublicUrl,
    pub trusted_proxies: Vec<IpRange>,
    pub clock: Clock,
    /// Seeds the ids of what is stored.
    pub seed: [u8; 32],
    pub metrics: Arc<Metrics>,
    /// Of the loop that does the work.
    pub pulse: Arc<Pulse>,
    /// Whom to tell of work that is due.
    pub wake: mpsc::UnboundedSender<Due>,
    pub stop: watch::Receiver<bool>,
    pub signin: SignIn,
    /// Whom people may ask.
    pub support_contact: Option<String>,
}

/// What answers calls. Cloning it is cheap.
#[derive(Clone)]
pub struct Web(Arc<Shared>);

struct Shared {
    db: Db,
    public_url: PublicUrl,
    trusted_proxies: Vec<IpRange>,
    clock: Clock,
    ids: Mutex<IdSource>,
    metrics: Arc<Metrics>,
    pulse: Arc<Pulse>,
    stop: watch::Receiver<bool>,
    doors: Doors,
    group: Group,
    budget: Budget,
    signin: SignIn,
    languages: Languages,
    support_contact: Option<String>,
}

impl Web {
    /// The web, and what stores for it: nothing is answered unless [`Groups::run`] is awaited beside it.
    pub fn new(db: Db, config: WebConfig) -> (Self, Groups) {
        let WebConfig {
            public_url,
            trusted_proxies,
            clock,
            seed,
            metrics,
            pulse,
            wake,
            stop,
            signin,
            support_contact,
        } = config;
        let mut ids = IdSource::seeded(seed);
        let own = fork(&mut ids, clock.now());
        let (group, groups) =
            group::new(db.clone(), clock.clone(), own, Arc::clone(&metrics), wake);
        let shared = Shared {
            doors: Doors::new(db.clone(), clock.clone()),
            db,
            public_url,
            trusted_proxies,
            clock,
            ids: Mutex::new(ids),
            metrics,
            pulse,
            stop,
            group,
            budget: Budget::default(),
            signin,
            languages: Languages::read(),
            support_contact,
        };
        (Self(Arc::new(shared)), groups)
    }

    /// What the public may call.
    pub fn public(&self) -> Router {
        routes::public(self)
    }

    /// What operators may call, on an address of their own.
    pub fn operators(&self) -> Router {
        Router::new()
            .route("/healthz", any(health::alive))
            .route("/readyz", any(health::ready))
            .route("/metrics", get(health::metrics))
            .fallback(nothing_here)
            .with_state(self.clone())
    }
}

impl Shared {
    /// For a change that somebody makes in the web: ids, and the present moment.
    fn ids(&self) -> (IdSource, Timestamp) {
        let now = self.clock.now();
        (self.fork_ids(now), now)
    }

    fn fork_ids(&self, now: Timestamp) -> IdSource {
        fork(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner), now)
    }
}

fn fork(ids: &mut IdSource, now: Timestamp) -> IdSource {
    let mut seed = [0; 32];
    for part in seed.chunks_mut(8) {
        let drawn = ids.draw(now).as_u128().to_le_bytes();
        part.copy_from_slice(&drawn[..8]);
    }
    IdSource::seeded(seed)
}

async fn nothing_here() -> Response {
    told(StatusCode::NOT_FOUND, "there is nothing here")
}

/// A short answer in words.
fn told(status: StatusCode, text: &'static str) -> Response {
    let mut response =
        (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response();
    let no_store = http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}

/// The answer to a method that a route does not have.
fn not_allowed(allowed: &'static str) -> Response {
    let mut response = told(StatusCode::METHOD_NOT_ALLOWED, "this address does not do that");
    response.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static(allowed));
    response
}

fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}
