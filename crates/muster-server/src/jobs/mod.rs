//! The loop that sees to what is due, for all tenants side by side.
//!
//! It is woken at once by whoever stores work in this process, and looks into the database twice a second for what others
//! stored and for what became due. Any number of processes may do so: lanes keep them apart.

mod backoff;
mod fair;
mod turn;
mod work;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use muster_store::db::Db;
use muster_store::jobs::{Due, MISC, PERSON};
use muster_store::lanes::BULK;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::fair::{End, Fair};
use self::turn::Turner;
use crate::clock::{Clock, stopped};
use crate::telemetry::chain;
use crate::telemetry::metrics::{Metrics, Pulse};

pub use self::work::{EngineWork, JobError, Verdict, Work};

/// Kinds of jobs that earlier versions made and this one has no use for: they end as if done.
const RETIRED: &[&str] = &[];

/// Turns of each lane that are under way side by side in one process. A turn of the person lane mostly waits for two calls of
/// Okta, a quarter of a second and more: a hundred events a second of as many tenants are thirty turns at once. A full run of an
/// org with narrow limits waits for most of its time, and a tenant must not wait for a few of those.
const ROOM: [(&str, usize); 3] = [(PERSON, 64), (BULK, 16), (MISC, 16)];

/// How often the database is looked into.
const LOOK: Duration = Duration::from_millis(500);
/// Tenants and lanes of one look: far more than fit, so that nobody is left out for the order in which they come.
const LOOK_MAX: i64 = 100_000;
/// How long a lane rests after a turn that went wrong as a whole, the first time and at most.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(1));
/// How long a stop waits for turns that are nearly done.
const GOODBYE: Duration = Duration::from_secs(5);

/// What the loop works with.
pub struct JobsConfig {
    pub clock: Clock,
    /// Seeds the jitter.
    pub seed: [u8; 32],
    /// Who holds a lane, as in [`crate::sync::EngineConfig`].
    pub owner: String,
    /// How long a lane stays taken after its worker was last heard of.
    pub lease: Duration,
    pub metrics: Arc<Metrics>,
    pub pulse: Arc<Pulse>,
}

/// The loop.
pub struct Jobs {
    db: Db,
    clock: Clock,
    owner: String,
    pulse: Arc<Pulse>,
    turner: Arc<Turner>,
    dice: Arc<Dice>,
}

/// Random numbers for jitter.
struct Dice(Mutex<ChaCha8Rng>);

impl Dice {
    fn throw(&self) -> u32 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next_u32()
    }
}

impl Jobs {
    /// A loop over `db` that lets `work` do it.
    pub fn new(db: Db, work: Arc<dyn Work>, config: JobsConfig) -> Self {
        let JobsConfig { clock, seed, owner, lease, metrics, pulse } = config;
        let dice = Arc::new(Dice(Mutex::new(ChaCha8Rng::from_seed(seed))));
        let turner = Turner {
            db: db.clone(),
            clock: clock.clone(),
            work,
            owner: owner.clone(),
            lease,
            metrics,
            dice: Arc::clone(&dice),
            retired: RETIRED,
        };
        Self { db, clock, owner, pulse, turner: Arc::new(turner), dice }
    }

    /// Works until `stop` says so. Then turns that are nearly done are waited for, and all others are left where they are,
    /// free for the next process.
    pub async fn run(
        self,
        mut wakes: mpsc::UnboundedReceiver<Due>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut fair = Fair::default();
        let mut turns: JoinSet<End> = JoinSet::new();
        let mut names: Vec<(Id, Due)> = Vec::new();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut awake = true;
        loop {
            self.begin(&mut fair, &mut turns, &mut names);
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                Some(ended) = turns.join_next_with_id() => {
                    if self.end(&mut fair, &mut names, ended) {
                        looks.reset_immediately();
                    }
                }
                woken = wakes.recv(), if awake => {
                    // Nobody wakes any more: what is due is still found by looking.
                    awake = woken.is_some();
                    let mut next = woken;
                    while let Some(due) = next {
                        fair.ask(due);
                        next = wakes.try_recv().ok();
                    }
                }
                _ = looks.tick() => self.look(&mut fair).await,
            }
        }
        self.stop(turns, &names).await;
    }

    /// Begins turns as long as there is room.
    fn begin(&self, fair: &mut Fair, turns: &mut JoinSet<End>, names: &mut Vec<(Id, Due)>) {
        let now = self.clock.now();
        let has_room = |fair: &Fair| ROOM.map(|(lane, room)| (lane, fair.under_way(lane) < room));
        loop {
            let room = has_room(fair);
            let fits = |lane: &str| room.iter().any(|(name, fits)| *name == lane && *fits);
            let Some(due) = fair.next(now, fits) else { return };
            let turner = Arc::clone(&self.turner);
            let task = turns.spawn(async move { turner.turn(due).await });
            names.push((task.id(), due));
        }
    }

    /// Notes the end of a turn. True when it may have made work for another lane, as a look into the System Log does.
    fn end(
        &self,
        fair: &mut Fair,
        names: &mut Vec<(Id, Due)>,
        ended: Result<(Id, End), tokio::task::JoinError>,
    ) -> bool {
        let (id, end) = match ended {
            Ok((id, end)) => (id, end),
            Err(error) => {
                tracing::error!(%error, "a turn of work panicked");
                (error.id(), End::Failed)
            }
        };
        let Some(at) = names.iter().position(|(name, _)| *name == id) else {
            return false;
        };
        let (_, due) = names.swap_remove(at);
        let makes_work = due.lane == MISC && matches!(end, End::More);
        let now = self.clock.now();
        fair.end(due, end, |failures| {
            now + backoff::after(failures, REST.0, REST.1, self.dice.throw())
        });
        makes_work
    }

    async fn look(&self, fair: &mut Fair) {
        let now = self.clock.now();
        match self.db.tenants_with_work(now, LOOK_MAX).await {
            Ok(found) => {
                self.pulse.beat(now);
                for due in found {
                    fair.ask(due);
                }
            }
            Err(error) => tracing::warn!(error = %chain(&error), "cannot see what is due"),
        }
    }

    async fn stop(&self, mut turns: JoinSet<End>, names: &[(Id, Due)]) {
        // A run of everybody may take an hour: it is left between two of its steps, where anybody can go on.
        let is_short = |id: Id| names.iter().any(|(name, due)| *name == id && due.lane != BULK);
        let mut short = names.iter().filter(|(_, due)| due.lane != BULK).count();
        let waiting = async {
            while short > 0 {
                let id = match turns.join_next_with_id().await {
                    None => break,
                    Some(Ok((id, _))) => id,
                    Some(Err(error)) => error.id(),
                };
                short -= usize::from(is_short(id));
            }
        };
        // Whatever is not done by then is left as it is.
        let _ = timeout(GOODBYE, waiting).await;
        turns.shutdown().await;
        let given = timeout(GOODBYE, self.db.give_up_leases(&self.owner, self.clock.now())).await;
        if !matches!(given, Ok(Ok(()))) {
            tracing::warn!("the lanes of this process stay taken until their leases run out");
        }
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
