//! Who works on which run, and when to take over from somebody who went away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use muster_core::id::TenantId;
use muster_core::id::{Fresh, IdSource, RunId};
use muster_core::run::{Counts, RunCause, RunKind, RunPhase};
use muster_store::db::Db;
use muster_store::error::StoreError;
use muster_store::events::Applied;
use muster_store::lanes::{BULK, Claim};
use muster_store::runs::{self, Join, NewRun, Requested, Run};
use muster_store::tenants::TenantDb;
use tokio::sync::watch;
use tracing::Instrument as _;

use super::job::{Job, RunError};
use super::named;
use crate::clock::Clock;
use crate::connect::{Connect, NotConnected};

/// How often somebody who waits for another's run looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// What an [`Engine`] works with.
#[derive(Clone)]
pub struct EngineConfig {
    pub clock: Clock,
    /// Seeds the ids that runs draw.
    pub seed: [u8; 32],
    pub connect: Arc<dyn Connect>,
    /// Who holds a lane, for people who look: host and process.
    pub owner: String,
    /// How long a lane stays taken after its worker was last heard of.
    pub lease: Duration,
    pub pace: Pace,
}

/// How much a run does at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long steps may share one transaction while nobody else waits to write. Zero: each step has its own.
    pub slice: Duration,
    /// How long they share it although somebody waits. To commit costs as much as a few steps: with a commit for each of them
    /// everybody would wait longer.
    pub least: Duration,
    /// Pages fetched ahead while others are being stored; 0: each page is stored before the next is asked for.
    pub pages_ahead: usize,
}

impl Pace {
    /// Large transactions and a few pages ahead.
    pub const BRISK: Self =
        Self { slice: Duration::from_millis(150), least: Duration::from_millis(5), pages_ahead: 4 };
    /// Each step on its own, for tests that break runs off between them.
    pub const STEP_BY_STEP: Self =
        Self { slice: Duration::ZERO, least: Duration::ZERO, pages_ahead: 0 };
}

/// What came of looking for work in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// There was nothing to do.
    Idle,
    /// Somebody else is at it.
    Busy,
    /// Something was done, for so many people in the person lane.
    Done { people: usize },
}

/// Where a run is, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    pub phase: Option<RunPhase>,
    pub counts: Counts,
    /// People staged so far.
    pub staged: u64,
    /// Calls sent to Okta.
    pub calls: u64,
    /// Calls used and allowed in the present window of Okta's rate limit, once known.
    pub share: Option<(u64, u64)>,
}

/// Is told of events that led to something, when their work is lasting.
pub type OnApplied = Arc<dyn Fn(TenantId, &[Applied], Timestamp) + Send + Sync>;

/// Carries out runs. Any number of engines, in any number of processes, may work on one database.
pub struct Engine {
    db: Db,
    config: EngineConfig,
    ids: Mutex<IdSource>,
    progress: watch::Sender<Progress>,
    on_applied: Option<OnApplied>,
}

impl Engine {
    /// An engine that works on `db`.
    pub fn new(db: Db, config: EngineConfig) -> Self {
        let ids = Mutex::new(IdSource::seeded(config.seed));
        Self {
            db,
            config,
            ids,
            progress: watch::Sender::new(Progress::default()),
            on_applied: None,
        }
    }

    /// The same, and `tell` hears of each event whose work is done.
    #[must_use]
    pub fn telling(self, tell: OnApplied) -> Self {
        Self { on_applied: Some(tell), ..self }
    }

    pub(super) fn applied(&self, tenant: TenantId, events: &[Applied]) {
        if let Some(tell) = &self.on_applied {
            tell(tenant, events, self.now());
        }
    }

    /// The database this engine works on.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The clock this engine goes by.
    pub fn clock(&self) -> &Clock {
        &self.config.clock
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.config.clock.now()
    }

    pub(super) fn connect(&self) -> &dyn Connect {
        self.config.connect.as_ref()
    }

    /// Draws an id.
    pub fn id<T: From<Fresh>>(&self, now: Timestamp) -> T {
        self.draw(|ids| ids.next(now))
    }

    /// A source of ids of its own, for one run.
    pub(crate) fn fork_ids(&self, now: Timestamp) -> IdSource {
        let mut seed = [0; 32];
        for part in seed.chunks_mut(8) {
            let drawn = self.draw(|ids| ids.draw(now)).as_u128().to_le_bytes();
            part.copy_from_slice(&drawn[..8]);
        }
        IdSource::seeded(seed)
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut IdSource) -> T) -> T {
        // A poisoned lock means that another thread died between two draws; the source itself is still whole.
        draw(&mut self.ids.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Watches the run that this engine works on.
    pub fn watch(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(super) fn show(&self, progress: Progress) {
        self.progress.send_replace(progress);
    }

    pub(super) fn lease_until(&self, now: Timestamp) -> Timestamp {
        now.checked_add(self.config.lease).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn pace(&self) -> Pace {
        self.config.pace
    }

    pub(super) fn heartbeat(&self) -> Duration {
        self.config.lease / 3
    }

    /// Asks for a run, or joins the one under way.
    pub async fn request(&self, tenant: &TenantDb, new: &NewRun) -> Result<Requested, StoreError> {
        tenant.request_run(new, self.now()).await
    }

    /// Waits for the end of `run`, working on it (and on what stands before it in its lane) whenever nobody else does.
    ///
    /// # Errors
    ///
    /// Only what keeps this engine from working at all, such as a database that cannot be reached. What goes wrong
    /// with Okta is in the run.
    pub async fn drive(&self, tenant: &TenantDb, run: RunId) -> Result<Run, RunError> {
        loop {
            let now = self.now();
            let Some(state) = tenant.run(run).await? else { return Err(RunError::NoSuchRun(run)) };
            if !state.is_open() {
                return Ok(state);
            }
            let claim =
                tenant.claim_lane(BULK, &self.config.owner, self.lease_until(now), now).await?;
            if let Some(claim) = claim {
                self.work(tenant, claim, Vec::new()).await?;
            } else {
                let progress = Progress {
                    phase: Some(state.phase),
                    counts: state.counts,
                    staged: state.counts.read,
                    calls: u64::try_from(state.calls).unwrap_or(0),
                    share: None,
                };
                self.show(progress);
                self.config.clock.pause(LOOK_AGAIN).await;
            }
        }
    }

    /// Reads again whoever waits, as many as are read at a time, if nobody else is at it. When more wait than a listing would
    /// cost, a full run is asked for in their place as soon as the storm is over.
    ///
    /// Dropped halfway it leaves the run between two steps, for whoever comes next.
    ///
    /// # Errors
    ///
    /// As [`Engine::bulk_turn`].
    pub async fn person_turn(&self, tenant: &TenantDb) -> Result<Turn, RunError> {
        let now = self.now();
        // Whom somebody was at who died waits for nobody else.
        if !tenant.is_reading_people().await? && !self.is_for_single_runs(tenant, now).await? {
            return Ok(Turn::Idle);
        }
        let new = NewRun {
            id: self.id(now),
            kind: RunKind::Person,
            cause: RunCause::Event,
            actor: "okta".to_owned(),
            approves: None,
        };
        let (owner, until) = (&self.config.owner, self.lease_until(now));
        let claimed = tenant.claim_people(&new, owner, until, named::PEOPLE_MAX, now).await?;
        let Some((claim, jobs)) = claimed else { return Ok(Turn::Busy) };
        let people = jobs.len();
        match self.work(tenant, claim, jobs).await {
            Ok(()) => Ok(Turn::Done { people }),
            Err(RunError::NotConnected(why)) if !matches!(why, NotConnected::Store(_)) => {
                tracing::warn!(tenant = %tenant.id(), error = %why, "people could not be read");
                Ok(Turn::Done { people })
            }
            Err(error) => Err(error),
        }
    }

    /// Whether somebody waits who is to be read again alone. A storm is not: a full run is asked for once it is over.
    async fn is_for_single_runs(
        &self,
        tenant: &TenantDb,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(backlog) = tenant.backlog(now).await? else { return Ok(false) };
        if !named::is_storm(&backlog) {
            return Ok(true);
        }
        if named::is_over(&backlog, now) {
            let (cause, actor) = (RunCause::Event, "okta".to_owned());
            let new =
                NewRun { id: self.id(now), kind: RunKind::Full, cause, actor, approves: None };
            let mut write = tenant.write(now).await?;
            runs::request(&mut write, &new, Join::Unread).await?;
            write.commit().await?;
        }
        Ok(false)
    }

    /// Works on the next run of the bulk lane to its end, if there is one and nobody else is at it.
    ///
    /// Dropped halfway it leaves the run between two steps, for whoever comes next.
    ///
    /// # Errors
    ///
    /// As [`Engine::drive`]. A connection that cannot be used is no error here: the run has ended, and says so.
    pub async fn bulk_turn(&self, tenant: &TenantDb) -> Result<Turn, RunError> {
        let now = self.now();
        let claim = tenant.claim_lane(BULK, &self.config.owner, self.lease_until(now), now).await?;
        let Some(claim) = claim else {
            let busy = tenant.lane_busy(BULK, now).await?;
            return Ok(if busy { Turn::Busy } else { Turn::Idle });
        };
        match self.work(tenant, claim, Vec::new()).await {
            Ok(()) => Ok(Turn::Done { people: 0 }),
            Err(RunError::NotConnected(why)) if !matches!(why, NotConnected::Store(_)) => {
                tracing::warn!(tenant = %tenant.id(), error = %why, "a run could not begin");
                Ok(Turn::Done { people: 0 })
            }
            Err(error) => Err(error),
        }
    }

    async fn work(
        &self,
        tenant: &TenantDb,
        claim: Claim,
        named: Vec<muster_store::jobs::Job>,
    ) -> Result<(), RunError> {
        let span = tracing::debug_span!("run", tenant = %tenant.id(), run = %claim.run(), people = named.len());
        // Boxed: a run's future is large, and whoever waits for it should not have to hold it.
        let job = Box::pin(async { Job::open(self, tenant, claim, named).await?.carry_on().await });
        match job.instrument(span).await {
            // Somebody thought us gone and took over: theirs is the run now.
            Err(RunError::Store(StoreError::ClaimLost)) => Ok(()),
            other => other,
        }
    }
}
