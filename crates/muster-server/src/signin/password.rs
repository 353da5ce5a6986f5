//! Passwords: hashed with Argon2id, a few at a time, and tried only so often.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use jiff::{SignedDuration, Timestamp};
use muster_core::access::{Barred, Entry, may_enter, may_use_password};
use muster_core::id::{PersonId, TenantId};
use muster_core::person::{Person, Role};
use muster_core::rules::Rules;
use muster_core::signin::{BadPassword, Throttle, judge_password, normal_password};
use muster_store::StoreError;
use muster_store::people::PersonKey;
use muster_store::sessions::TokenHash;
use muster_store::tenants::{Tenant, TenantDb};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use super::enter::{Entered, Visitor};
use super::token::{Token, hashed};
use super::{SignIn, SignInError, by_person};
use crate::clock::random_seed;

/// Why a password does not let in.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Address or password is wrong; which of them is not told.
    #[error("wrong address or password")]
    Wrong,
    #[error("too many wrong tries; wait {}", .0)]
    TooOften(SignedDuration),
    /// Many others are being looked at.
    #[error("too many passwords are being checked")]
    Busy,
    /// Right, and of no use here: they come in by Okta.
    #[error("this account signs in with Okta")]
    OktaOnly,
    #[error("the account may not enter: {0:?}")]
    Barred(Barred),
    #[error("this link is used up or too old")]
    NoLink,
    #[error("the new password is not good enough: {0:?}")]
    Bad(BadPassword),
    #[error("signing in")]
    Session(#[source] SignInError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a right password leads to.
pub enum Checked {
    In(Entered),
    /// A code of the second factor is wanted first.
    Half(HalfIn),
}

/// Somebody whose password was right and whose code is still to come: sealed for their browser.
pub struct HalfIn {
    pub sealed: String,
}

/// A new password with the link that lets it be set.
pub struct NewPassword<'a> {
    pub link: &'a Token,
    pub password: &'a SecretString,
}

/// How long the code may take.
const HALF: SignedDuration = SignedDuration::from_mins(10);
const HALF_SEAL: &str = "half";
/// Passwords that wait to be hashed. More are told to come back: each wait is some hundredths of a second.
const WAITING_MAX: usize = 16;

/// Hashes passwords. One at a time for two processors: each takes 19 MiB and a core for some hundredths of a second, and whoever sends
/// many must not keep the others out.
pub(super) struct Hasher {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// Of no password: what is compared where there is none, so that it takes as long.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$bm9ib2R5IGtub3dzIHdoYXQgdGhpcyBpcyB0aGUgaGE";

impl Hasher {
    pub(super) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let turns = Arc::new(Semaphore::new((cores / 2).max(1)));
        Self { turns, waiting: AtomicUsize::new(0) }
    }

    /// Does something slow when it is its turn.
    async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        struct Waits<'a>(&'a AtomicUsize);
        impl Drop for Waits<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let waits = Waits(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            return Err(PasswordError::Busy);
        }
        let turn =
            Arc::clone(&self.turns).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        // The turn is over when the work is, also when nobody waits for it any more.
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        let done = done.await.map_err(|_| PasswordError::Busy);
        drop(waits);
        done
    }

    async fn verify(
        &self,
        stored: Option<&SecretString>,
        password: &str,
    ) -> Result<bool, PasswordError> {
        let is_stored = stored.is_some();
        let stored =
            stored.map_or_else(|| DECOY.to_owned(), |hash| hash.expose_secret().to_owned());
        let password = normal_password(password);
        let same = self.turn(move || {
            let Ok(parsed) = PasswordHash::new(&stored) else { return false };
            Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()
        });
        Ok(same.await? && is_stored)
    }

    async fn hash(&self, password: &str) -> Result<SecretString, PasswordError> {
        let password = normal_password(password);
        let hashed = self.turn(move || hash(password.as_bytes(), &random_seed())).await?;
        hashed.map(SecretString::from).ok_or(PasswordError::Busy)
    }
}

/// Argon2id, 19 MiB, 2 passes, 1 lane: the crate's default and OWASP's first choice.
fn hash(password: &[u8], seed: &[u8; 32]) -> Option<String> {
    let hashed: PasswordHash =
        Argon2::default().hash_password_with_salt(password, &seed[..16]).ok()?;
    Some(hashed.to_string())
}

/// Wrong tries by something that is not in the database, in this process.
struct Tries<K> {
    throttle: Throttle,
    counted: Mutex<HashMap<K, Timestamp>>,
}

/// What is remembered; when there is more, whoever may try again is forgotten, and then all.
const TRIES_MAX: usize = 20_000;

impl<K: Eq + std::hash::Hash> Tries<K> {
    fn new(throttle: Throttle) -> Self {
        Self { throttle, counted: Mutex::default() }
    }

    /// Counts one try; the wait if there were too many.
    fn count(&self, key: K, now: Timestamp) -> Result<(), SignedDuration> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= TRIES_MAX {
            counted.retain(|_, forgotten| *forgotten > now);
            if counted.len() >= TRIES_MAX {
                counted.clear();
            }
        }
        let forgotten = counted.entry(key).or_insert(Timestamp::UNIX_EPOCH);
        if let Some(wait) = self.throttle.wait(*forgotten, now) {
            return Err(wait);
        }
        *forgotten = self.throttle.after_one_more(*forgotten, now);
        Ok(())
    }

    /// Takes one counted try back, because it was right.
    fn forget(&self, key: &K) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(forgotten) = counted.get_mut(key) {
            *forgotten -= self.throttle.every;
        }
    }
}

/// Wrong tries at one address from one place, whether or not anybody has that address here: else it could be told who has.
pub(super) struct Addresses(Tries<TokenHash>);

impl Addresses {
    pub(super) fn new() -> Self {
        Self(Tries::new(Throttle::ACCOUNT))
    }

    /// Counts one; gives what to forget when it was right.
    fn count(
        &self,
        tenant: &Tenant,
        address: &str,
        place: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<TokenHash, PasswordError> {
        let place = place.map(network);
        let key = hashed(
            "tries",
            &format!("{}\n{place:?}\n{}", tenant.id, address.trim().to_lowercase()),
        );
        self.0.count(key, now).map_err(PasswordError::TooOften)?;
        Ok(key)
    }
}

/// Wrong tries by place in the network, a tenant's apart from another's.
pub struct Places(Tries<(TenantId, IpAddr)>);

impl Default for Places {
    fn default() -> Self {
        Self(Tries::new(Throttle::PLACE))
    }
}

impl Places {
    /// Counts one try from a place; the wait if there were too many.
    pub(super) fn count(
        &self,
        tenant: &TenantDb,
        place: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(), SignedDuration> {
        place.map_or(Ok(()), |place| self.0.count((tenant.id(), network(place)), now))
    }

    /// Takes one counted try back, because it was right.
    pub(super) fn forget(&self, tenant: &TenantDb, place: Option<IpAddr>) {
        if let Some(place) = place {
            self.0.forget(&(tenant.id(), network(place)));
        }
    }
}

/// One subscriber has a whole /64 of IPv6.
fn network(place: IpAddr) -> IpAddr {
    match place {
        IpAddr::V4(_) => place,
        IpAddr::V6(six) => {
            let [a, b, c, d, ..] = six.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
    }
}

impl SignIn {
    /// Looks at an address and a password. Whether the address is known cannot be told from the answer, nor from how long it takes.
    pub async fn check_password(
        &self,
        db: &TenantDb,
        tenant: &Tenant,
        email: &str,
        password: &SecretString,
        browser: &Token,
        visitor: &Visitor,
    ) -> Result<Checked, PasswordError> {
        let place = visitor.place.as_deref().and_then(|text| text.parse().ok());
        self.0.places.count(db, place, self.now()).map_err(PasswordError::TooOften)?;
        let key = PersonKey::Email(email.trim().to_lowercase());
        let person = db.find_person(&key).await?;
        let stored = match &person {
            Some(person) => db.password(person.id).await?,
            None => None,
        };
        let here = self.0.addresses.count(tenant, email, place, self.now())?;
        let tried = match (&person, &stored) {
            (Some(person), Some(_)) => Some(self.count_try(db, person.id).await?),
            _ => None,
        };
        let hash = stored.as_ref().map(|stored| &stored.hash);
        let right = self.0.hasher.verify(hash, password.expose_secret()).await?;
        let (Some(person), true) = (person, right) else { return Err(PasswordError::Wrong) };
        self.0.places.forget(db, place);
        self.0.addresses.0.forget(&here);
        if let Some((before, after)) = tried {
            db.forget_try(person.id, after, before).await?;
        }
        let factor = db.second_factor(person.id).await?;
        let has_factor = factor.is_some_and(|factor| factor.confirmed_at.is_some());
        self.may_come_by_password(db, tenant, &person, has_factor).await?;
        if has_factor {
            let set_at = stored.as_ref().map_or(0, |stored| stored.set_at.as_microsecond());
            let half = format!("{}\n{}\n{set_at}", person.id, self.now().as_second());
            let sealed = db.seal(HALF_SEAL, browser.text(), half.as_bytes())?;
            return Ok(Checked::Half(HalfIn { sealed }));
        }
        let entered = self.enter_by_password(db, &person, visitor).await;
        entered.map(Checked::In).map_err(PasswordError::Session)
    }

    /// The one gate for passwords: status, and whether a password counts here at all.
    async fn may_come_by_password(
        &self,
        db: &TenantDb,
        tenant: &Tenant,
        person: &Person,
        has_factor: bool,
    ) -> Result<(), PasswordError> {
        may_enter(person.profile.status, person.profile.reason, false)
            .map_err(PasswordError::Barred)?;
        let text = db.rules().await?.body;
        // Rules that cannot be read name no domain: then nobody counts as somebody whom Okta knows but by their account.
        let domains = Rules::parse(&text).map(|rules| rules.email_domains).unwrap_or_default();
        // Where Okta is demanded of everybody else, a password alone is not enough for whoever may do more than learn.
        let alone = tenant.entry == Entry::OktaOnly && person.role != Role::Learner && !has_factor;
        if may_use_password(person, tenant.entry, &domains) && !alone {
            Ok(())
        } else {
            Err(PasswordError::OktaOnly)
        }
    }

    /// Counts a try of an account before it is judged, against all that come from everywhere; gives what was counted before and after.
    pub(super) async fn count_try(
        &self,
        db: &TenantDb,
        person: PersonId,
    ) -> Result<(Timestamp, Timestamp), PasswordError> {
        const ROUNDS: u32 = 8;
        for _ in 0..ROUNDS {
            let stored = db.password(person).await?.ok_or(PasswordError::NoLink)?;
            let (before, now) = (stored.forgotten_at, self.now());
            if let Some(wait) = Throttle::CEILING.wait(before, now) {
                return Err(PasswordError::TooOften(wait));
            }
            let after = Throttle::CEILING.after_one_more(before, now);
            // Else somebody else tries the same account at this very moment.
            if db.count_try(person, before, after).await? {
                return Ok((before, after));
            }
        }
        Err(PasswordError::Busy)
    }

    /// Whose half way in this is, if it is not too long ago.
    fn half(&self, db: &TenantDb, browser: &Token, sealed: &str) -> Option<(PersonId, i64)> {
        let plain = db.unseal(HALF_SEAL, browser.text(), sealed)?;
        let text = std::str::from_utf8(&plain).ok()?;
        let (person, rest) = text.split_once('\n')?;
        let (began, set_at) = rest.split_once('\n')?;
        let began = Timestamp::from_second(began.parse().ok()?).ok()?;
        if self.now().duration_since(began) > HALF {
            return None;
        }
        Some((person.parse().ok()?, set_at.parse().ok()?))
    }

    /// Whether a code of a second factor lets somebody in who is half in.
    pub async fn check_code(
        &self,
        db: &TenantDb,
        tenant: &Tenant,
        browser: &Token,
        half: &str,
        code: &str,
        visitor: &Visitor,
    ) -> Result<Entered, PasswordError> {
        let (person, set_at) = self.half(db, browser, half).ok_or(PasswordError::NoLink)?;
        let person = db.find_person(&PersonKey::Id(person)).await?.ok_or(PasswordError::NoLink)?;
        let stored = db.password(person.id).await?.ok_or(PasswordError::NoLink)?;
        // Another password was set since: what was half done was done with the old one.
        if stored.set_at.as_microsecond() != set_at {
            return Err(PasswordError::NoLink);
        }
        let place = visitor.place.as_deref().and_then(|text| text.parse().ok());
        let address = format!("code of {}", person.id);
        let here = self.0.addresses.count(tenant, &address, place, self.now())?;
        let (before, after) = self.count_try(db, person.id).await?;
        self.may_come_by_password(db, tenant, &person, true).await?;
        if !self.takes_code(db, person.id, code).await? {
            return Err(PasswordError::Wrong);
        }
        self.0.addresses.0.forget(&here);
        db.forget_try(person.id, after, before).await?;
        self.enter_by_password(db, &person, visitor).await.map_err(PasswordError::Session)
    }

    /// Whose link this is.
    pub async fn link_of(&self, db: &TenantDb, link: &Token) -> Result<Option<Person>, StoreError> {
        match db.password_link(&link.hash("link"), self.now()).await? {
            Some(person) => db.find_person(&PersonKey::Id(person)).await,
            None => Ok(None),
        }
    }

    /// Sets a password by a link.
    pub async fn set_password(
        &self,
        db: &TenantDb,
        tenant: &Tenant,
        new: NewPassword<'_>,
        visitor: &Visitor,
    ) -> Result<PersonId, PasswordError> {
        let place = visitor.place.as_deref().and_then(|text| text.parse().ok());
        self.0.places.count(db, place, self.now()).map_err(PasswordError::TooOften)?;
        let person = self.link_of(db, new.link).await?.ok_or(PasswordError::NoLink)?;
        let profile = &person.profile;
        let (mailbox, _) = profile.email.key().split_once('@').unwrap_or_default();
        let known = [
            profile.email.key(),
            mailbox,
            profile.first_name.as_str(),
            profile.last_name.as_str(),
            tenant.name.as_str(),
            tenant.slug.as_str(),
        ];
        let password = new.password.expose_secret();
        judge_password(&normal_password(password), &known).map_err(PasswordError::Bad)?;
        let hash = self.0.hasher.hash(password).await?;
        let (by, mut ids, now) = (by_person("link"), Self::ids(), self.now());
        let set = db.set_password_by_link(&new.link.hash("link"), &hash, by, &mut ids, now).await?;
        set.ok_or(PasswordError::NoLink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_only() {
        let hasher = Hasher::new();
        let stored = hasher.hash("correct horse battery").await.expect("hashed");
        assert!(stored.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        for (password, right) in
            [("correct horse battery", true), ("correct horse batterY", false), ("", false)]
        {
            assert_eq!(hasher.verify(Some(&stored), password).await.expect("looked"), right);
        }
        assert!(
            !hasher.verify(None, "nobody's").await.expect("looked"),
            "the decoy lets nobody in"
        );
    }

    #[tokio::test]
    async fn whoever_sends_many_is_told_to_wait() {
        let hasher = Arc::new(Hasher::new());
        let held = Arc::clone(&hasher.turns)
            .acquire_many_owned(u32::try_from(hasher.turns.available_permits()).expect("few"));
        let held = held.await.expect("all turns");
        let mut waiting = tokio::task::JoinSet::new();
        let mut last = None;
        for _ in 0..WAITING_MAX {
            let hasher = Arc::clone(&hasher);
            last = Some(waiting.spawn(async move { hasher.verify(None, "x").await }));
        }
        while hasher.waiting.load(Ordering::Relaxed) < WAITING_MAX {
            tokio::task::yield_now().await;
        }
        assert!(matches!(hasher.verify(None, "x").await, Err(PasswordError::Busy)));
        // Whoever goes away makes room.
        last.expect("one").abort();
        assert!(waiting.join_next().await.expect("one").is_err_and(|error| error.is_cancelled()));
        assert_eq!(hasher.waiting.load(Ordering::Relaxed), WAITING_MAX - 1);
        drop(held);
        while let Some(one) = waiting.join_next().await {
            assert!(matches!(one.expect("ended"), Ok(false)));
        }
        assert_eq!(hasher.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_place_may_try_so_often() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        let places: Tries<IpAddr> = Tries::new(Throttle::PLACE);
        let place = |text: &str| network(text.parse().expect("an address"));
        for _ in 0..30 {
            assert!(places.count(place("2001:db8::1"), now).is_ok());
        }
        assert!(places.count(place("2001:db8::2"), now).is_err(), "the same network");
        places.forget(&place("2001:db8::1"));
        assert!(places.count(place("2001:db8::2"), now).is_ok(), "a right one was taken back");
        assert!(places.count(place("2001:db8:1::1"), now).is_ok());
        assert!(places.count(place("192.0.2.1"), now).is_ok());
    }
}
