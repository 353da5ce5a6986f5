//! What is known of the authorization servers of tenants: their addresses and keys, for as long as they may be kept.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
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

/// One server as it was read.
#[derive(Debug)]
pub(super) struct Known {
    /// For whom it was read: another client or address is another server.
    of: (String, String),
    pub(super) provider: Provider,
    read_at: Timestamp,
    keys: Mutex<Option<Held>>,
    /// One at a time fetches keys; the others take what that one brought, or are told why it brought nothing.
    fetching: tokio::sync::Mutex<Option<Failed>>,
    /// How often keys were fetched, or could not be.
    fetches: AtomicU64,
}

/// Why keys could not be fetched the last time.
#[derive(Debug)]
struct Failed {
    error: OidcError,
    at: Timestamp,
}

#[derive(Debug, Clone)]
struct Held {
    keys: Arc<Keys>,
    at: Timestamp,
}

/// All of them.
pub(super) struct Providers {
    clock: Clock,
    known: Mutex<BTreeMap<TenantId, Arc<Known>>>,
}

impl Providers {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, known: Mutex::default() }
    }

    /// The server of a tenant, read anew when it is not known or too old.
    pub(super) async fn get(
        &self,
        tenant: TenantId,
        client: &OidcClient,
        address: &str,
        client_id: &str,
    ) -> Result<Arc<Known>, OidcError> {
        let now = self.clock.now();
        let of = (address.to_owned(), client_id.to_owned());
        let known = self.lock().get(&tenant).cloned();
        if let Some(known) = known
            && known.of == of
            && !is_past(known.read_at, DISCOVERY, now)
        {
            return Ok(known);
        }
        let provider = client.discover(client_id).await?;
        let (keys, fetching) = (Mutex::default(), tokio::sync::Mutex::default());
        let fetches = AtomicU64::default();
        let known = Arc::new(Known { of, provider, read_at: now, keys, fetching, fetches });
        let mut all = self.lock();
        if all.len() >= KEPT_MAX && !all.contains_key(&tenant) {
            let oldest = all.iter().min_by_key(|(_, known)| known.read_at).map(|(id, _)| *id);
            oldest.and_then(|id| all.remove(&id));
        }
        all.insert(tenant, Arc::clone(&known));
        Ok(known)
    }

    /// Checks a token's signature. A key that is not known is looked for once more: Okta rotates keys without notice.
    pub(super) async fn verified(
        &self,
        known: &Known,
        client: &OidcClient,
        token: &str,
        typ: Option<&str>,
    ) -> Result<Map<String, Value>, SignInError> {
        let held = self.keys(known, client, None).await?;
        match verify(token, &held.keys, typ) {
            Err(BadToken::UnknownKey) => {
                let fresh = self.keys(known, client, Some(held.at)).await?;
                verify(token, &fresh.keys, typ).map_err(SignInError::Token)
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
    ) -> Result<Held, SignInError> {
        let good = |held: &Held| {
            let now = self.clock.now();
            match newer_than {
                None => !is_past(held.at, held.keys.good_for(), now),
                Some(at) => held.at > at || !is_past(held.at, REFETCH, now),
            }
        };
        let held = || known.keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(held) = held().filter(&good) {
            return Ok(held);
        }
        let before = known.fetches.load(Ordering::Relaxed);
        let mut failed = known.fetching.lock().await;
        if let Some(held) = held().filter(&good) {
            return Ok(held);
        }
        if let Some(Failed { error, at }) = &*failed {
            // Whoever waited while it failed need not wait for the same once more.
            let waited = known.fetches.load(Ordering::Relaxed) != before;
            if waited || (newer_than.is_some() && !is_past(*at, REFETCH, self.clock.now())) {
                return Err(SignInError::Oidc(error.clone()));
            }
        }
        let fetched = client.keys(&known.provider).await;
        known.fetches.fetch_add(1, Ordering::Relaxed);
        let keys = match fetched {
            Ok(keys) => keys,
            Err(error) => {
                *failed = Some(Failed { error: error.clone(), at: self.clock.now() });
                return Err(SignInError::Oidc(error));
            }
        };
        *failed = None;
        let held = Held { keys: Arc::new(keys), at: self.clock.now() };
        *known.keys.lock().unwrap_or_else(PoisonError::into_inner) = Some(held.clone());
        Ok(held)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<TenantId, Arc<Known>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_past(from: Timestamp, span: Duration, now: Timestamp) -> bool {
    now.duration_since(from).unsigned_abs() >= span
}
