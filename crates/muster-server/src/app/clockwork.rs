//! What happens by itself: daily runs, days that begin, the reading of the System Log, alarms.

use std::time::Duration;

use jiff::Timestamp;
use muster_core::id::IdSource;
use muster_core::run::RunCause;
use muster_store::db::Db;
use muster_store::error::StoreError;
use muster_store::jobs::{Due, MISC, NewJob, kind, priority};
use muster_store::lanes::BULK;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

use crate::alarms::Ticked;
use crate::clock::{Clock, random_seed, stopped};
use crate::mail::Mailer;
use crate::telemetry::chain;
use crate::{alarms, schedule};

/// How often the clock is looked at, and everybody's alarms.
const LOOK: Duration = Duration::from_secs(30);

/// Looks at the clock and sets off what is due. Any number of processes may: each moment fires once.
pub(super) struct Clockwork {
    pub(super) db: Db,
    pub(super) clock: Clock,
    /// How often the System Log is read; `None`: never.
    pub(super) log_poll: Option<Duration>,
    pub(super) wake: mpsc::UnboundedSender<Due>,
}

impl Clockwork {
    /// Looks until `stop` says so.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut ids = IdSource::seeded(random_seed());
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                _ = looks.tick() => {}
            }
            let now = self.clock.now();
            if let Err(error) = self.look(&mut ids, now).await {
                tracing::error!(error = %chain(&error), "what is due by the clock could not be seen to");
            }
            if let Err(error) = alarms::look(&self.db, &mut ids, now).await {
                tracing::error!(error = %chain(&error), "alarms could not be looked at");
            }
        }
    }

    async fn look(&self, ids: &mut IdSource, now: Timestamp) -> Result<(), StoreError> {
        schedule::tick(&self.db, ids, now).await?;
        let tenants = self.db.scheduled(now).await?;
        for scheduled in &tenants {
            if scheduled.past.open {
                // Nobody listens any more only when the service stops.
                let _ = self.wake.send(Due { tenant: scheduled.tenant, lane: BULK });
            }
            if self.log_poll.is_some() {
                self.read_log(scheduled.tenant, ids, now).await?;
            }
        }
        Ok(())
    }

    /// Sees to it that the tenant's log is read: each reading asks for the next, and this asks for the first.
    async fn read_log(
        &self,
        tenant: muster_core::id::TenantId,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tenant = self.db.tenant(tenant);
        if tenant.jobs_waiting(kind::LOG_POLL).await? > 0 {
            return Ok(());
        }
        let every = self.log_poll.unwrap_or_default();
        let polled = tenant.log_cursor().await?.polled_at;
        let due = polled.and_then(|at| at.checked_add(every).ok()).unwrap_or(now).max(now);
        let job = NewJob::misc(kind::LOG_POLL, "log", priority::LOG, due, RunCause::Log);
        tenant.ask(&[job], ids, now).await?;
        if due <= now {
            let _ = self.wake.send(Due { tenant: tenant.id(), lane: MISC });
        }
        Ok(())
    }
}

/// Sends the mail about alarms. On its own: a mail server that hardly answers must keep nobody's daily run.
pub(super) struct Post {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) mailer: Mailer,
}

impl Post {
    /// Sends until `stop` says so.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                _ = looks.tick() => {}
            }
            let mut ticked = Ticked::default();
            let telling = alarms::tell(&self.db, &self.mailer, &self.clock, &mut ticked);
            tokio::select! {
                biased;
                // What was being sent is sent again once its lease is over.
                () = stopped(&mut stop) => return,
                told = telling => if let Err(error) = told {
                    tracing::error!(error = %chain(&error), "mail about alarms could not be seen to");
                }
            }
        }
    }
}
