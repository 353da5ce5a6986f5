//! Work that tells what it is asked for, and does what it is told.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use muster_core::id::{IdSource, RunId, TenantId};
use muster_server::clock::Clock;
use muster_server::jobs::{JobError, Jobs, JobsConfig, Work};
use muster_server::sync::{RunError, Turn};
use muster_server::telemetry::metrics::{Metrics, Pulse};
use muster_store::jobs::misc::MiscClaim;
use muster_store::jobs::{self, Due, PERSON, kind};
use muster_store::{Db, StoreError, TenantDb};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

/// Something that the work was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Asked {
    /// A turn of a tenant took these people.
    People(TenantId, Vec<String>),
    Bulk(TenantId),
    Job(TenantId, String, i64),
}

type Script = Box<dyn Fn(&str, i64) -> Result<(), JobError> + Send + Sync>;

/// The work.
pub(super) struct Fake {
    clock: Clock,
    ids: Mutex<IdSource>,
    tell: mpsc::UnboundedSender<Asked>,
    /// Tenants whose turns wait for a permit each.
    gates: Mutex<BTreeMap<TenantId, Arc<Semaphore>>>,
    /// Tenants whose Okta is away.
    pub(super) away: Mutex<Vec<TenantId>>,
    script: Script,
}

impl Fake {
    /// Keeps the turns of a tenant waiting until they get a permit.
    pub(super) fn gate(&self, tenant: TenantId) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.gates.lock().expect("whole").insert(tenant, Arc::clone(&gate));
        gate
    }

    async fn pass(&self, tenant: TenantId) {
        let gate = self.gates.lock().expect("whole").get(&tenant).cloned();
        if let Some(gate) = gate {
            gate.acquire().await.expect("open").forget();
        }
    }

    async fn people(&self, tenant: &TenantDb) -> Result<Turn, StoreError> {
        let now = self.clock.now();
        let run: RunId = self.ids.lock().expect("whole").next(now);
        let mut write = tenant.write(now).await?;
        let taken = jobs::take(&mut write, PERSON, run, 200).await?;
        write.commit().await?;
        if taken.is_empty() {
            return Ok(Turn::Idle);
        }
        let keys = taken.iter().map(|job| job.key.clone()).collect();
        // Whoever listens no longer is told nothing.
        let _ = self.tell.send(Asked::People(tenant.id(), keys));
        self.pass(tenant.id()).await;
        let ids: Vec<_> = taken.iter().map(|job| job.id).collect();
        let mut write = tenant.write(now).await?;
        if self.away.lock().expect("whole").contains(&tenant.id()) {
            jobs::hand_back(&mut write, &ids).await?;
            write.commit().await?;
            return Err(StoreError::Conflict("okta is away".into()));
        }
        jobs::finish(&mut write, &ids).await?;
        write.commit().await?;
        Ok(Turn::Done { people: taken.len() })
    }
}

impl Work for Fake {
    fn person_turn<'a>(&'a self, tenant: &'a TenantDb) -> BoxFuture<'a, Result<Turn, RunError>> {
        Box::pin(async { self.people(tenant).await.map_err(RunError::Store) })
    }

    fn bulk_turn<'a>(&'a self, tenant: &'a TenantDb) -> BoxFuture<'a, Result<Turn, RunError>> {
        Box::pin(async {
            let _ = self.tell.send(Asked::Bulk(tenant.id()));
            self.pass(tenant.id()).await;
            Ok(Turn::Idle)
        })
    }

    fn kinds(&self) -> &[&'static str] {
        &[kind::GROUP, kind::APP]
    }

    fn job<'a>(
        &'a self,
        tenant: &'a TenantDb,
        claim: &'a MiscClaim,
    ) -> BoxFuture<'a, Result<(), JobError>> {
        Box::pin(async {
            let job = &claim.job;
            let _ = self.tell.send(Asked::Job(tenant.id(), job.key.clone(), job.attempts));
            self.pass(tenant.id()).await;
            (self.script)(&job.key, job.attempts)
        })
    }
}

/// A loop at work.
pub(super) struct Loop {
    pub(super) fake: Arc<Fake>,
    pub(super) asked: mpsc::UnboundedReceiver<Asked>,
    pub(super) wake: mpsc::UnboundedSender<Due>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Loop {
    pub(super) fn over(
        db: &Db,
        clock: &Clock,
        owner: &str,
        script: impl Fn(&str, i64) -> Result<(), JobError> + Send + Sync + 'static,
    ) -> Self {
        let (tell, asked) = mpsc::unbounded_channel();
        let fake = Arc::new(Fake {
            clock: clock.clone(),
            ids: Mutex::new(IdSource::seeded([6; 32])),
            tell,
            gates: Mutex::default(),
            away: Mutex::default(),
            script: Box::new(script),
        });
        let config = JobsConfig {
            clock: clock.clone(),
            seed: [5; 32],
            owner: owner.to_owned(),
            // So short that the heartbeat, which moves the clock too, hardly moves it.
            lease: Duration::from_millis(30),
            metrics: Arc::new(Metrics::default()),
            pulse: Arc::new(Pulse::default()),
        };
        let work: Arc<dyn Work> = Arc::clone(&fake) as Arc<dyn Work>;
        let jobs = Jobs::new(db.clone(), work, config);
        let (wake, wakes) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(jobs.run(wakes, stopped));
        Self { fake, asked, wake, stop, tasks }
    }

    /// The next thing that the work is asked for.
    pub(super) async fn next(&mut self) -> Asked {
        let next = tokio::time::timeout(Duration::from_mins(1), self.asked.recv()).await;
        next.expect("something is asked for").expect("the loop goes on")
    }

    /// Stops it, and waits for its end.
    pub(super) async fn stop(mut self) -> mpsc::UnboundedReceiver<Asked> {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic");
        }
        self.asked
    }
}
