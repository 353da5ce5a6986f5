//! Storing deliveries: those that arrive while a transaction is being written go together into the next one, and each answer
//! waits for its own commit. Right after, what was stored is sorted into events and work.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use muster_core::id::{IdSource, TenantId};
use muster_store::StoreError;
use muster_store::db::Db;
use muster_store::events::{Arrival, Stored};
use muster_store::inbox::TakenIn;
use muster_store::jobs::Due;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::clock::Clock;
use crate::telemetry::metrics::Metrics;

/// Deliveries that may wait; more of them are told to come again.
const WAITING_MAX: usize = 4_096;
/// Deliveries of one transaction.
const TOGETHER_MAX: usize = 512;
/// Events of one transaction, save that a single delivery is never split: it bounds how long the writer is held.
const EVENTS_MAX: usize = 2_000;
/// How long a transaction may take before it is given up. The answers have been given by then.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long more is waited for before what was stored is sorted, …
const SORT_AFTER: Duration = Duration::from_millis(3);
/// … and how often it is sorted although more keeps coming in: some of the writer's time is for those who wait for the work.
const SORT_EVERY: Duration = Duration::from_millis(12);
/// How often somebody looks for what another process stored and did not come to sort.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often wrong secrets are written down, and failures told.
const NOTE_EVERY: Duration = Duration::from_secs(5);

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is lasting.
    Stored,
    /// Nothing was stored: the door changed after it let the delivery in.
    DoorChanged,
    /// Nothing was stored.
    Failed,
}

enum Order {
    Store(Arrival, oneshot::Sender<Outcome>),
    Refused(TenantId),
    /// Whether whoever verified showed the secret.
    Verified(TenantId, bool),
}

/// Where deliveries are handed in.
#[derive(Clone)]
pub(super) struct Group(mpsc::Sender<Order>);

impl Group {
    /// Stores a delivery; the answer comes after its commit.
    pub(super) async fn store(&self, arrival: Arrival) -> Outcome {
        let (done, outcome) = oneshot::channel();
        // A full queue is waited for as long as the caller likes.
        if self.0.send(Order::Store(arrival, done)).await.is_err() {
            return Outcome::Failed;
        }
        outcome.await.unwrap_or(Outcome::Failed)
    }

    /// Notes a wrong secret, sooner or later.
    pub(super) fn refused(&self, tenant: TenantId) {
        // When there is so much to store that this does not fit, it is not worth noting.
        let _ = self.0.try_send(Order::Refused(tenant));
    }

    /// Notes that the hook was verified; `proven` says whether by somebody who showed the secret.
    pub(super) fn verified(&self, tenant: TenantId, proven: bool) {
        let _ = self.0.try_send(Order::Verified(tenant, proven));
    }
}

/// What stores the deliveries of this process, one transaction after the other.
pub struct Groups {
    db: Db,
    clock: Clock,
    ids: IdSource,
    metrics: Arc<Metrics>,
    wake: mpsc::UnboundedSender<Due>,
    orders: mpsc::Receiver<Order>,
    waiting: VecDeque<(Arrival, oneshot::Sender<Outcome>)>,
    refused: BTreeMap<TenantId, Refused>,
    /// Whose hook was verified and is not written down yet, and whether by somebody who showed the secret.
    verified: BTreeMap<TenantId, bool>,
    verified_noted: Option<Timestamp>,
    told_at: Option<Timestamp>,
    /// Whether something may wait to be sorted.
    unsorted: bool,
    sorted: Instant,
}

/// Wrong secrets that are not written down yet.
struct Refused {
    times: i64,
    since: Timestamp,
    noted_at: Option<Timestamp>,
}

pub(super) fn new(
    db: Db,
    clock: Clock,
    ids: IdSource,
    metrics: Arc<Metrics>,
    wake: mpsc::UnboundedSender<Due>,
) -> (Group, Groups) {
    let (sender, orders) = mpsc::channel(WAITING_MAX);
    let groups = Groups {
        db,
        clock,
        ids,
        metrics,
        wake,
        orders,
        waiting: VecDeque::new(),
        refused: BTreeMap::new(),
        verified: BTreeMap::new(),
        verified_noted: None,
        told_at: None,
        unsorted: true,
        sorted: Instant::now(),
    };
    (Group(sender), groups)
}

impl Groups {
    /// Stores until nobody can hand anything in any more, and everything is stored.
    pub async fn run(mut self) {
        let mut orders = Vec::new();
        loop {
            if self.waiting.is_empty() && !self.receive(&mut orders).await {
                break;
            }
            while let Ok(order) = self.orders.try_recv() {
                orders.push(order);
                if orders.len() >= TOGETHER_MAX {
                    break;
                }
            }
            for order in orders.drain(..) {
                match order {
                    Order::Store(arrival, done) => self.waiting.push_back((arrival, done)),
                    Order::Refused(tenant) => self.count_refused(tenant),
                    Order::Verified(tenant, proven) => {
                        *self.verified.entry(tenant).or_default() |= proven;
                    }
                }
            }
            let group = self.next_group();
            if !group.is_empty() {
                self.store(group).await;
            }
            if self.unsorted && self.sorted.elapsed() >= SORT_EVERY {
                self.sort().await;
            }
            self.note_refused().await;
            self.note_verified().await;
        }
    }

    /// Waits for something to do. False: nobody can hand anything in any more.
    async fn receive(&mut self, orders: &mut Vec<Order>) -> bool {
        let patience = if self.unsorted { SORT_AFTER } else { LOOK_EVERY };
        match timeout(patience, self.orders.recv()).await {
            Ok(next) => {
                let is_some = next.is_some();
                orders.extend(next);
                is_some
            }
            Err(_) if self.unsorted => {
                self.sort().await;
                true
            }
            Err(_) => {
                // Should the database not answer, the next look will tell.
                self.unsorted = self.db.inbox_waits().await.unwrap_or(false);
                true
            }
        }
    }

    fn next_group(&mut self) -> Vec<(Arrival, oneshot::Sender<Outcome>)> {
        let mut group = Vec::new();
        let mut events = 0;
        while let Some((arrival, _)) = self.waiting.front() {
            events += arrival.events.len();
            if !group.is_empty() && (group.len() >= TOGETHER_MAX || events > EVENTS_MAX) {
                break;
            }
            group.extend(self.waiting.pop_front());
        }
        group
    }

    async fn store(&mut self, group: Vec<(Arrival, oneshot::Sender<Outcome>)>) {
        let (mut arrivals, mut answers): (Vec<Arrival>, Vec<_>) = group.into_iter().unzip();
        while !arrivals.is_empty() {
            let now = self.clock.now();
            let storing = self.db.take_in(&arrivals, &mut self.ids, now);
            let outcome = match timeout(PATIENCE, storing).await {
                Ok(Ok(TakenIn::Lasting)) => {
                    self.metrics.group(arrivals.len());
                    self.unsorted = true;
                    Outcome::Stored
                }
                Ok(Ok(TakenIn::DoorChanged(tenants))) => {
                    let kept = arrivals.into_iter().zip(answers);
                    let (changed, rest): (Vec<_>, Vec<_>) =
                        kept.partition(|(arrival, _)| tenants.contains(&arrival.tenant));
                    for (_, answer) in changed {
                        let _ = answer.send(Outcome::DoorChanged);
                    }
                    (arrivals, answers) = rest.into_iter().unzip();
                    continue;
                }
                Ok(Err(error)) => {
                    self.tell(&error, arrivals.len());
                    Outcome::Failed
                }
                Err(_) => {
                    tracing::error!(
                        deliveries = arrivals.len(),
                        "events could not be stored: the database did not answer"
                    );
                    Outcome::Failed
                }
            };
            for answer in answers {
                // Whoever went away does not miss the answer.
                let _ = answer.send(outcome);
            }
            return;
        }
    }

    /// Sorts some of what was stored, and wakes those who do the work.
    async fn sort(&mut self) {
        let now = self.clock.now();
        let sorting = self.db.sort_inbox(&mut self.ids, now);
        match timeout(PATIENCE, sorting).await {
            Ok(Ok(Some(Stored { deliveries: _, fresh, copies, due }))) => {
                self.metrics.sorted(fresh, copies);
                for due in due {
                    // Nobody listens any more when the process stops; the work is in the database.
                    let _ = self.wake.send(due);
                }
            }
            Ok(Ok(None)) | Err(_) => self.unsorted = false,
            // Another process sorts, too, and came first.
            Ok(Err(error)) if error.gave_way() => {}
            Ok(Err(error)) => {
                let error = crate::telemetry::chain(&error);
                tracing::error!(%error, "what was stored cannot be sorted yet; it is tried again");
                self.unsorted = false;
            }
        }
        self.sorted = Instant::now();
    }

    /// Says that deliveries are not stored, once in a while.
    fn tell(&mut self, error: &StoreError, deliveries: usize) {
        let now = self.clock.now();
        if self.told_at.is_some_and(|told| now.duration_since(told).unsigned_abs() < NOTE_EVERY) {
            return;
        }
        self.told_at = Some(now);
        let error = crate::telemetry::chain(error);
        tracing::error!(%error, deliveries, "events could not be stored; okta is asked to send them again");
    }

    fn count_refused(&mut self, tenant: TenantId) {
        let now = self.clock.now();
        let refused =
            self.refused.entry(tenant).or_insert(Refused { times: 0, since: now, noted_at: None });
        if refused.times == 0 {
            refused.since = now;
        }
        refused.times += 1;
    }

    async fn note_refused(&mut self) {
        let now = self.clock.now();
        let long_ago = |noted: Timestamp| now.duration_since(noted).unsigned_abs() >= NOTE_EVERY;
        self.refused
            .retain(|_, refused| refused.times > 0 || !refused.noted_at.is_none_or(long_ago));
        let due: Vec<_> = self
            .refused
            .iter_mut()
            .filter(|(_, refused)| refused.times > 0 && refused.noted_at.is_none_or(long_ago))
            .map(|(tenant, refused)| {
                refused.noted_at = Some(now);
                (*tenant, std::mem::take(&mut refused.times), refused.since)
            })
            .collect();
        for (tenant, times, since) in due {
            tracing::warn!(%tenant, times, "calls of the event hook with a wrong secret");
            let db = self.db.tenant(tenant);
            self.best_effort(db.note_refused(times, since, now)).await;
        }
    }

    /// Writes down whose hook was verified, once in a while: anybody may verify, and deliveries wait meanwhile.
    async fn note_verified(&mut self) {
        let now = self.clock.now();
        let lately = |noted: Timestamp| now.duration_since(noted).unsigned_abs() < NOTE_EVERY;
        if self.verified.is_empty() || self.verified_noted.is_some_and(lately) {
            return;
        }
        self.verified_noted = Some(now);
        let verified = std::mem::take(&mut self.verified);
        for proven in [true, false] {
            let tenants: Vec<TenantId> = verified
                .iter()
                .filter(|(_, shown)| **shown == proven)
                .map(|(tenant, _)| *tenant)
                .collect();
            self.best_effort(self.db.note_verified(&tenants, proven, now)).await;
        }
    }

    /// Does what is nice to have, and does not insist.
    async fn best_effort(&self, noting: impl Future<Output = Result<(), StoreError>>) {
        if let Ok(Err(error)) = timeout(super::STORE, noting).await {
            tracing::debug!(error = %error, "not noted");
        }
    }
}
