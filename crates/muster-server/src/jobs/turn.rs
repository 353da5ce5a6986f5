//! One turn of one lane.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use muster_store::StoreError;
use muster_store::db::Db;
use muster_store::jobs::misc::{Ending, MiscClaim};
use muster_store::jobs::{Due, MISC, PERSON};
use muster_store::tenants::TenantDb;
use tracing::Instrument as _;

use super::fair::End;
use super::work::{JobError, Verdict, Work};
use super::{Dice, backoff, later};
use crate::clock::Clock;
use crate::sync::{RunError, Turn};
use crate::telemetry::chain;
use crate::telemetry::metrics::Metrics;

/// How long a job rests after a failure, the first time and at most.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(15));
/// A job that failed so often is given up: about a day.
const ATTEMPTS_MAX: i64 = 100;
/// People of one turn; a turn with so many had not all who wait.
const PEOPLE_MAX: usize = 200;

pub(super) struct Turner {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) work: Arc<dyn Work>,
    pub(super) owner: String,
    pub(super) lease: Duration,
    pub(super) metrics: Arc<Metrics>,
    pub(super) dice: Arc<Dice>,
    pub(super) retired: &'static [&'static str],
}

impl Turner {
    /// Takes a turn, and says whether there may be more.
    pub(super) async fn turn(&self, due: Due) -> End {
        let span = tracing::debug_span!("turn", tenant = %due.tenant, lane = due.lane);
        self.take(due).instrument(span).await
    }

    async fn take(&self, due: Due) -> End {
        let begun = self.clock.now();
        let tenant = self.db.tenant(due.tenant);
        let (end, outcome) = match due.lane {
            PERSON => Self::judge(due, self.work.person_turn(&tenant).await, |people| {
                if people >= PEOPLE_MAX { End::More } else { End::Enough }
            }),
            MISC => self.misc(due, &tenant).await,
            _ => Self::judge(due, self.work.bulk_turn(&tenant).await, |_| End::More),
        };
        let took = self.clock.now().duration_since(begun);
        self.metrics.turn(due.lane, outcome, Duration::try_from(took).unwrap_or_default());
        end
    }

    fn judge(
        due: Due,
        turn: Result<Turn, RunError>,
        more: impl FnOnce(usize) -> End,
    ) -> (End, &'static str) {
        match turn {
            Ok(Turn::Idle) => (End::Enough, "idle"),
            Ok(Turn::Busy) => (End::Enough, "busy"),
            Ok(Turn::Done { people }) => (more(people), "done"),
            Err(error) => {
                tracing::warn!(tenant = %due.tenant, lane = due.lane, error = %chain(&error), "a turn of work failed");
                (End::Failed, "failed")
            }
        }
    }

    async fn misc(&self, due: Due, tenant: &TenantDb) -> (End, &'static str) {
        let now = self.clock.now();
        let kinds: Vec<_> = self.work.kinds().iter().chain(self.retired).copied().collect();
        let claimed = tenant.claim_misc(&kinds, &self.owner, later(now, self.lease), now).await;
        let claim = match claimed {
            Ok(Some(claim)) => claim,
            Ok(None) => return (End::Enough, "idle"),
            Err(error) => return failed(due, &error),
        };
        let (kind, key) = (claim.job.kind.as_str(), claim.job.key.as_str());
        let done = if self.retired.contains(&kind) {
            tracing::info!(tenant = %due.tenant, kind, key, "this kind of work is not needed any more");
            Ok(Ok(()))
        } else {
            self.beating(tenant, &claim, self.work.job(tenant, &claim)).await
        };
        let ended = match done {
            Ok(done) => {
                let (ending, outcome) = self.ending(due, &claim, done);
                tenant.end_misc(&claim, &ending).await.map(|()| outcome)
            }
            Err(error) => Err(error),
        };
        match ended {
            Ok(outcome) => (End::More, outcome),
            // Somebody thought us gone and took over: theirs is the job now.
            Err(StoreError::ClaimLost) => (End::Enough, "lost"),
            Err(error) => failed(due, &error),
        }
    }

    fn ending(
        &self,
        due: Due,
        claim: &MiscClaim,
        done: Result<(), JobError>,
    ) -> (Ending, &'static str) {
        let Err(JobError { verdict, what: error }) = done else { return (Ending::Done, "done") };
        let job = &claim.job;
        let failures = u32::try_from(job.attempts).unwrap_or(u32::MAX);
        let now = self.clock.now();
        let due_at = match verdict {
            Verdict::RetryAt(at) => Some(at.max(now)),
            Verdict::BackOff if job.attempts < ATTEMPTS_MAX => {
                Some(later(now, backoff::after(failures, REST.0, REST.1, self.dice.throw())))
            }
            Verdict::BackOff | Verdict::GiveUp => None,
        };
        if let Some(due_at) = due_at {
            tracing::warn!(tenant = %due.tenant, kind = job.kind, key = job.key, attempts = job.attempts, %due_at, error,
                           "a job failed and is tried again");
            return (Ending::Retry { due_at, error }, "retried");
        }
        tracing::error!(tenant = %due.tenant, kind = job.kind, key = job.key, attempts = job.attempts, error,
                        "a job is given up");
        (Ending::GivenUp { error }, "given_up")
    }

    /// Does a job while keeping its lane.
    async fn beating<T>(
        &self,
        tenant: &TenantDb,
        claim: &MiscClaim,
        job: impl Future<Output = T>,
    ) -> Result<T, StoreError> {
        let mut job = pin!(job);
        loop {
            tokio::select! {
                biased;
                done = &mut job => return Ok(done),
                () = self.clock.pause(self.lease / 3) => {
                    tenant.renew_misc(claim, later(self.clock.now(), self.lease)).await?;
                }
            }
        }
    }
}

fn failed(due: Due, error: &StoreError) -> (End, &'static str) {
    tracing::warn!(tenant = %due.tenant, lane = due.lane, error = %chain(error), "a turn of work failed");
    (End::Failed, "failed")
}
