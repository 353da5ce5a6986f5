//! What is known of the authorization servers of tenants: their addresses and keys, for as long as they may be kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use muster_core::id::TenantId;
use muster_okta::oidc::{BadToken, Keys, OidcClient, OidcError, Provider, verify};
use serde_json::{Map, Value};

use super::SignInError;
use crate::clock::Clock;

/// Tenants that are remembered. Each is a few kB; the oldest make room.
const KEPT_MAX: usize = 2_000;
/// How long discovery is good for. Okta says a day; an hour lets a changed domain show sooner.
const DISCOVERY: Duration = Duration::from_hours(1);
/// Not more often than this are keys fetched because of a key that is not known: whoever forges tokens could else have us call Okta as
/// often as they like.
const REFETCH: Duration = Duration::from_secs(30);

/// Something that is fetched by one while the others wait, and kept.
#[derive(Debug)]
struct Kept<T> {
    held: Mutex<Option<(T, Timestamp)>>,
    /// One at a time fetches. The others take what that one brought, or are told why it brought nothing.
    turn: tokio::sync::Mutex<Option<(OidcError, Timestamp)>>,
    /// How often it was fetched, or could not be.
    fetches: AtomicU64,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        let (held, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { held, turn, fetches: AtomicU64::default() }
    }
}

impl<T: Clone> Kept<T> {
    /// What is kept if it is `good`, else what `fetch` brings. With `rest`, a fetch that failed is not repeated before it is over.
    async fn get(
        &self,
        clock: &Clock,
        good: impl Fn(&T, Timestamp) -> bool,
        rest: Option<Duration>,
        fetch: impl Future<Output = Result<T, OidcError>>,
    ) -> Result<(T, Timestamp), OidcError> {
        let held = || lock(&self.held).clone().filter(|(value, at)| good(value, *at));
        if let Some(held) = held() {
            return Ok(held);
        }
        let before = self.fetches.load(Ordering::Relaxed);
        let mut failed = self.turn.lock().await;
        if let Some(held) = held() {
            return Ok(held);
        }
        if let Some((error, at)) = &*failed {
            // Whoever waited while it failed need not wait for the same once more.
            let waited = self.fetches.load(Ordering::Relaxed) != before;
            if waited || rest.is_some_and(|rest| !is_past(*at, rest, clock.now())) {
                return Err(error.clone());
            }
        }
        let fetched = fetch.await;
        self.fetches.fetch_add(1, Ordering::Relaxed);
        let at = clock.now();
        match fetched {
            Ok(value) => {
                *failed = None;
                *lock(&self.held) = Some((value.clone(), at));
                Ok((value, at))
            }
            Err(error) => {
                *failed = Some((error.clone(), at));
                Err(error)
            }
        }
    }
}

/// One tenant's server.
#[derive(Debug)]
struct Server {
    /// For whom it was read: another client or address is another server.
    of: (String, String),
    since: Timestamp,
    known: Kept<Arc<Known>>,
}

/// A server as it was read, with the keys at the address that it named then.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) provider: Provider,
    keys: Kept<Arc<Keys>>,
}

/// All of them.
pub(super) struct Providers {
    clock: Clock,
    servers: Mutex<BTreeMap<TenantId, Arc<Server>>>,
}

impl Providers {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, servers: Mutex::default() }
    }

    /// The server of a tenant, read anew when it is not known or too old.
    pub(super) async fn get(
        &self,
        tenant: TenantId,
        client: &OidcClient,
        address: &str,
        client_id: &str,
    ) -> Result<Arc<Known>, OidcError> {
        let server = self.server(tenant, (address.to_owned(), client_id.to_owned()));
        let good = |_: &Arc<Known>, at| !is_past(at, DISCOVERY, self.clock.now());
        let fetch = async {
            let provider = client.discover(client_id).await?;
            Ok(Arc::new(Known { provider, keys: Kept::default() }))
        };
        server.known.get(&self.clock, good, None, fetch).await.map(|(known, _)| known)
    }

    fn server(&self, tenant: TenantId, of: (String, String)) -> Arc<Server> {
        let mut servers = lock(&self.servers);
        if let Some(server) = servers.get(&tenant).filter(|server| server.of == of) {
            return Arc::clone(server);
        }
        if servers.len() >= KEPT_MAX && !servers.contains_key(&tenant) {
            let oldest = servers.iter().min_by_key(|(_, server)| server.since);
            let oldest = oldest.map(|(id, _)| *id);
            oldest.and_then(|id| servers.remove(&id));
        }
        let since = self.clock.now();
        let server = Arc::new(Server { of, since, known: Kept::default() });
        servers.insert(tenant, Arc::clone(&server));
        server
    }

    /// Checks a token's signature. A key that is not known is looked for once more: Okta rotates keys without notice.
    pub(super) async fn verified(
        &self,
        known: &Known,
        client: &OidcClient,
        token: &str,
        typ: Option<&str>,
    ) -> Result<Map<String, Value>, SignInError> {
        let (keys, at) = self.keys(known, client, None).await?;
        match verify(token, &keys, typ) {
            Err(BadToken::UnknownKey) => {
                let (fresh, _) = self.keys(known, client, Some(at)).await?;
                verify(token, &fresh, typ).map_err(SignInError::Token)
            }
            other => other.map_err(SignInError::Token),
        }
    }

    /// The keys, fetched when there are none, when they are too old, or when somebody needs newer ones than those of `newer_than`.
    async fn keys(
        &self,
        known: &Known,
        client: &OidcClient,
        newer_than: Option<Timestamp>,
    ) -> Result<(Arc<Keys>, Timestamp), SignInError> {
        let good = |keys: &Arc<Keys>, at: Timestamp| {
            let now = self.clock.now();
            match newer_than {
                None => !is_past(at, keys.good_for(), now),
                Some(than) => at > than || !is_past(at, REFETCH, now),
            }
        };
        let rest = newer_than.map(|_| REFETCH);
        let fetch = async { client.keys(&known.provider).await.map(Arc::new) };
        let kept = known.keys.get(&self.clock, good, rest, fetch).await;
        kept.map_err(SignInError::Oidc)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_past(from: Timestamp, span: Duration, now: Timestamp) -> bool {
    now.duration_since(from).unsigned_abs() >= span
}
