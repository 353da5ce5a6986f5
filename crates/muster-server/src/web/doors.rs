//! What the doors of tenants go by, kept in memory.
//!
//! It may be old. So nobody is turned away by what is kept: before that it is read again. And whoever was let in by it is
//! looked at again where the delivery is stored, by the version of the door.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
    seen: Mutex<Seen>,
    /// Looks that were begun.
    looks: AtomicU64,
    looking: tokio::sync::Mutex<()>,
    pub(super) refusals: Refusals,
}

/// What the last look that came to its end saw.
#[derive(Default, Clone)]
struct Seen {
    /// Which look that was; 0: none yet. One that failed or was given up saw nothing, so nobody may go by it.
    look: u64,
    kept: Option<Arc<Kept>>,
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
                seen: Mutex::default(),
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
        // However this look ends: names of tenants that do not exist are without number.
        let _forgotten = Stranger { doors: self, slot };
        let looking = slot.looking.lock().await;
        if let Some(seen) = slot.after(came) {
            return Ok(seen.kept);
        }
        if slowed {
            self.clock.pause(SLOWED).await;
        }
        let look = slot.looks.fetch_add(1, Ordering::SeqCst) + 1;
        let door = self.db.door(&slot.slug, self.clock.now()).await?;
        let kept = door.map(|door| Arc::new(Kept::of(door)));
        slot.set(Seen { look, kept: kept.clone() });
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

/// Whose door nobody has seen is forgotten at the end of a look.
struct Stranger<'a> {
    doors: &'a Doors,
    slot: &'a Arc<Slot>,
}

impl Drop for Stranger<'_> {
    fn drop(&mut self) {
        if self.slot.last().is_none() {
            self.doors.forget(self.slot);
        }
    }
}

impl Slot {
    /// The door as it was last seen.
    pub(super) fn last(&self) -> Option<Arc<Kept>> {
        self.locked().kept.clone()
    }

    /// What a look saw that began after somebody came, if there was one.
    fn after(&self, came: Came) -> Option<Seen> {
        Some(self.locked().clone()).filter(|seen| seen.look > came.0)
    }

    fn set(&self, seen: Seen) {
        *self.locked() = seen;
    }

    fn locked(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What somebody comes to now.
    pub(super) fn came(&self) -> Came {
        Came(self.looks.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;
    use muster_core::id::IdSource;
    use muster_core::person::Email;
    use muster_store::history::By;
    use muster_store::secrets::MasterKeys;
    use muster_store::tenants::NewTenant;
    use muster_store::url::DatabaseUrl;

    use super::*;

    const BY: By<'static> = By { actor: "os:ana", cause: "button", run: None, reason: None };

    async fn doors(slug: &TenantSlug) -> Doors {
        let now: Timestamp = "2026-03-01T00:00:00Z".parse().expect("a time");
        let keys =
            MasterKeys::parse("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").expect("a key");
        let db = Db::open(&DatabaseUrl::memory(), keys, [1; 32], now).await.expect("a database");
        let new = NewTenant {
            owner_link: None,
            slug: slug.clone(),
            name: "Acme".to_owned(),
            owner: Email::parse("olga.owner@acme.example").expect("an address"),
            rules: String::new(),
        };
        db.create_tenant(&new, BY, &mut IdSource::seeded([2; 32]), now).await.expect("made");
        Doors::new(db, Clock::manual(now))
    }

    #[tokio::test]
    async fn a_look_that_is_given_up_saw_nothing() {
        let slug = TenantSlug::parse("acme").expect("a slug");
        let doors = doors(&slug).await;
        let (slot, came) = doors.slot(slug);
        let mut second = Box::pin(doors.fresh(&slot, came, false));
        {
            // Whoever looks goes away, as a caller does who hangs up.
            let mut first = pin!(doors.fresh(&slot, came, false));
            assert!(poll!(&mut first).is_pending());
            assert!(poll!(&mut second).is_pending());
        }
        assert!(second.await.expect("a look").is_some(), "who waited looks for themselves");
    }

    #[tokio::test]
    async fn a_look_that_fails_turns_nobody_else_away() {
        let slug = TenantSlug::parse("acme").expect("a slug");
        let doors = doors(&slug).await;
        let (slot, came) = doors.slot(slug);
        let away = "ALTER TABLE tenants RENAME TO elsewhere";
        doors.db.execute(away, &[]).await.expect("renamed");
        let looks = (0..3).map(|_| doors.fresh(&slot, came, false));
        let seen = futures_util::future::join_all(looks).await;
        assert!(seen.iter().all(Result::is_err), "nobody is told that there is no such tenant");
    }

    #[tokio::test]
    async fn those_who_wait_share_one_look() {
        let slug = TenantSlug::parse("acme").expect("a slug");
        let doors = doors(&slug).await;
        let (slot, came) = doors.slot(slug.clone());
        let looks = (0..5).map(|_| doors.fresh(&slot, came, false));
        let seen = futures_util::future::join_all(looks).await;
        assert!(seen.into_iter().all(|seen| seen.expect("a look").is_some()));
        assert_eq!(slot.came().0, 1);
        // Names that nobody has are not kept.
        let (stranger, came) = doors.slot(TenantSlug::parse("nobody").expect("a slug"));
        assert!(doors.fresh(&stranger, came, false).await.expect("a look").is_none());
        assert_eq!(doors.slots.lock().expect("free").len(), 1);
    }
}
