//! What the doors of tenants go by, kept in memory.
//!
//! It may be old. So nobody is turned away by what is kept: before that it is read again. And whoever was let in by it is
//! looked at again where the delivery is stored, by the version of the door.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use muster_core::event::Interest;
use muster_core::id::TenantId;
use muster_core::tenant::TenantSlug;
use muster_store::StoreError;
use muster_store::db::Db;
use muster_store::hooks::Door;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::refusals::Refusals;
use crate::clock::Clock;

/// How long the next look at a door waits while somebody guesses secrets there. All who wait share one look.
const SLOWED: Duration = Duration::from_millis(100);

/// What somebody showed in `Authorization`, as a hash: it is compared in the same time whatever it is, and no secret stays in
/// memory.
#[derive(Clone, Copy)]
pub(super) struct Shown([u8; 32]);

impl Shown {
    pub(super) fn of(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }

    fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// What the door of one tenant goes by, as it was once read.
pub(super) struct Kept {
    pub(super) tenant: TenantId,
    pub(super) enabled: bool,
    pub(super) version: i64,
    pub(super) interest: Interest,
    current: Option<Shown>,
    before: Option<(Shown, Timestamp)>,
}

impl Kept {
    fn of(door: Door) -> Self {
        let shown = |secret: &SecretString| Shown::of(secret.expose_secret().as_bytes());
        Self {
            tenant: door.tenant,
            enabled: door.enabled,
            version: door.version,
            interest: door.interest,
            current: door.secrets.current.as_ref().map(shown),
            before: door.secrets.before.as_ref().map(|(secret, until)| (shown(secret), *until)),
        }
    }

    /// Whether this secret opens the door now. Both secrets are compared, whatever the first comparison says.
    pub(super) fn admits(&self, shown: &Shown, now: Timestamp) -> bool {
        let no = Choice::from(0);
        let current = self.current.as_ref().map_or(no, |current| current.is(shown));
        let before = match &self.before {
            Some((before, until)) if *until > now => before.is(shown),
            Some(_) | None => no,
        };
        bool::from(current | before)
    }
}

/// The doors of all tenants that somebody called.
pub(super) struct Doors {
    db: Db,
    clock: Clock,
    slots: Mutex<HashMap<TenantSlug, Arc<Slot>>>,
}

/// A door, and who is looking at it.
pub(super) struct Slot {
    slug: TenantSlug,
    kept: Mutex<Option<Arc<Kept>>>,
    /// Looks that were begun.
    looks: AtomicU64,
    looking: tokio::sync::Mutex<()>,
    pub(super) refusals: Refusals,
}

/// How many looks had been begun when somebody came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Came(u64);

impl Doors {
    pub(super) fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock, slots: Mutex::default() }
    }

    /// The place of a tenant's door. Note when one came, before anything is decided.
    pub(super) fn slot(&self, slug: TenantSlug) -> (Arc<Slot>, Came) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(slug).or_insert_with_key(|slug| {
            Arc::new(Slot {
                slug: slug.clone(),
                kept: Mutex::default(),
                looks: AtomicU64::new(0),
                looking: tokio::sync::Mutex::default(),
                refusals: Refusals::default(),
            })
        });
        (Arc::clone(slot), Came(slot.looks.load(Ordering::SeqCst)))
    }

    /// The door as it was last seen, or as it is when nobody saw it yet.
    pub(super) async fn seen(
        &self,
        slot: &Arc<Slot>,
        came: Came,
    ) -> Result<Option<Arc<Kept>>, StoreError> {
        match slot.last() {
            Some(kept) => Ok(Some(kept)),
            None => self.fresh(slot, came, false).await,
        }
    }

    /// The door as it was when somebody came, or later. `None`: there is no such tenant.
    pub(super) async fn fresh(
        &self,
        slot: &Arc<Slot>,
        came: Came,
        slowed: bool,
    ) -> Result<Option<Arc<Kept>>, StoreError> {
        let looking = slot.looking.lock().await;
        if slot.looks.load(Ordering::SeqCst) > came.0 {
            return Ok(slot.last());
        }
        if slowed {
            self.clock.pause(SLOWED).await;
        }
        slot.looks.fetch_add(1, Ordering::SeqCst);
        let found = self.db.door(&slot.slug, self.clock.now()).await;
        let kept = match found {
            Ok(door) => door.map(|door| Arc::new(Kept::of(door))),
            Err(error) => {
                // Nobody may take this for a look.
                slot.set(None);
                self.forget(slot);
                return Err(error);
            }
        };
        slot.set(kept.clone());
        if kept.is_none() {
            // Names of tenants that do not exist are without number.
            self.forget(slot);
        }
        drop(looking);
        Ok(kept)
    }

    fn forget(&self, slot: &Arc<Slot>) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.get(&slot.slug).is_some_and(|known| Arc::ptr_eq(known, slot)) {
            slots.remove(&slot.slug);
        }
    }
}

impl Slot {
    /// The door as it was last seen.
    pub(super) fn last(&self) -> Option<Arc<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, kept: Option<Arc<Kept>>) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = kept;
    }

    /// What somebody comes to now.
    pub(super) fn came(&self) -> Came {
        Came(self.looks.load(Ordering::SeqCst))
    }
}
