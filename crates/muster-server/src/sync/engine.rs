//! Who works on which run, and when to take over from somebody who went away.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use muster_core::id::{Fresh, IdSource, RunId};
use muster_core::run::{Counts, RunPhase};
use muster_store::db::Db;
use muster_store::error::StoreError;
use muster_store::lanes::{BULK, Claim};
use muster_store::runs::{NewRun, Requested, Run};
use muster_store::tenants::TenantDb;
use tokio::sync::watch;

use super::connect::Connect;
use super::job::{Job, RunError};
use crate::clock::Clock;

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

/// Carries out runs. Any number of engines, in any number of processes, may work on one database.
pub struct Engine {
    db: Db,
    config: EngineConfig,
    ids: Mutex<IdSource>,
    progress: watch::Sender<Progress>,
}

impl Engine {
    /// An engine that works on `db`.
    pub fn new(db: Db, config: EngineConfig) -> Self {
        let ids = Mutex::new(IdSource::seeded(config.seed));
        Self { db, config, ids, progress: watch::Sender::new(Progress::default()) }
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
    pub(super) fn fork_ids(&self, now: Timestamp) -> IdSource {
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
                self.work(tenant, claim).await?;
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

    async fn work(&self, tenant: &TenantDb, claim: Claim) -> Result<(), RunError> {
        // Boxed: a run's future is large, and whoever waits for it should not have to hold it.
        match Box::pin(Job::open(self, tenant, claim).await?.carry_on()).await {
            // Somebody thought us gone and took over: theirs is the run now.
            Err(RunError::Store(StoreError::ClaimLost)) => Ok(()),
            other => other,
        }
    }
}
