//! What is to be done in a turn, as the loop sees it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use muster_core::run::RunCause;
use muster_store::jobs::misc::MiscClaim;
use muster_store::jobs::{NewJob, kind, priority};
use muster_store::tenants::TenantDb;

use crate::sync::{Engine, HintError, RunError, Turn};
use crate::telemetry::chain;

/// Those who do the work. The loop knows when and for whom, they know how.
pub trait Work: Send + Sync + 'static {
    /// One turn of the person lane: whoever waits, as many as are read at a time.
    fn person_turn<'a>(&'a self, tenant: &'a TenantDb) -> BoxFuture<'a, Result<Turn, RunError>>;

    /// One turn of the bulk lane: a whole run.
    fn bulk_turn<'a>(&'a self, tenant: &'a TenantDb) -> BoxFuture<'a, Result<Turn, RunError>>;

    /// The kinds of short jobs that [`Work::job`] knows.
    fn kinds(&self) -> &[&'static str];

    /// One short job. What it writes, it writes only while its claim stands.
    fn job<'a>(
        &'a self,
        tenant: &'a TenantDb,
        claim: &'a MiscClaim,
    ) -> BoxFuture<'a, Result<(), JobError>>;
}

/// Whether a job that failed is tried again: the call that failed knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// At this moment, and not before.
    RetryAt(Timestamp),
    /// After a while, longer each time.
    BackOff,
    /// Never: only a person can help.
    GiveUp,
}

/// Why a job did not work out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct JobError {
    pub verdict: Verdict,
    pub what: String,
}

/// The work of this service.
pub struct EngineWork {
    pub engine: Arc<Engine>,
    /// How often the System Log is read; `None`: never.
    pub log_poll: Option<Duration>,
}

impl EngineWork {
    async fn do_job(&self, tenant: &TenantDb, claim: &MiscClaim) -> Result<(), JobError> {
        let done = match claim.job.kind.as_str() {
            kind::GROUP => self.engine.look_at_group(tenant, claim).await,
            kind::APP => self.engine.look_at_app(tenant, claim).await,
            kind::LOG_POLL => return self.poll(tenant, claim).await,
            other => {
                let what = format!("nobody knows how to do {other:?}");
                return Err(JobError { verdict: Verdict::GiveUp, what });
            }
        };
        done.map_err(|error| failed(&error))
    }

    /// Reads the log and asks for the next time, whatever came of this one: a net that is gone after one failure is none.
    async fn poll(&self, tenant: &TenantDb, claim: &MiscClaim) -> Result<(), JobError> {
        let Some(every) = self.log_poll else { return Ok(()) };
        let polled = self.engine.poll_log(tenant, claim).await;
        let now = self.engine.now();
        let due = match &polled {
            Ok(polled) if polled.more => now,
            _ => super::later(now, every),
        };
        let next = NewJob::misc(kind::LOG_POLL, "log", priority::LOG, due, RunCause::Log);
        let mut ids = self.engine.fork_ids(now);
        if let Err(error) = tenant.ask(&[next], &mut ids, now).await {
            return Err(JobError { verdict: Verdict::BackOff, what: chain(&error) });
        }
        match polled {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(tenant = %tenant.id(), error = %chain(&error), "the System Log could not be read");
                Ok(())
            }
        }
    }
}

fn failed(error: &HintError) -> JobError {
    let verdict = match error.verdict() {
        muster_okta::error::Verdict::RetryAt(at) => Verdict::RetryAt(at),
        muster_okta::error::Verdict::BackOff => Verdict::BackOff,
        muster_okta::error::Verdict::GiveUp => Verdict::GiveUp,
    };
    JobError { verdict, what: chain(error) }
}

impl Work for EngineWork {
    fn person_turn<'a>(&'a self, tenant: &'a TenantDb) -> BoxFuture<'a, Result<Turn, RunError>> {
        Box::pin(self.engine.person_turn(tenant))
    }

    fn bulk_turn<'a>(&'a self, tenant: &'a TenantDb) -> BoxFuture<'a, Result<Turn, RunError>> {
        Box::pin(self.engine.bulk_turn(tenant))
    }

    fn kinds(&self) -> &[&'static str] {
        &[kind::GROUP, kind::APP, kind::LOG_POLL]
    }

    fn job<'a>(
        &'a self,
        tenant: &'a TenantDb,
        claim: &'a MiscClaim,
    ) -> BoxFuture<'a, Result<(), JobError>> {
        Box::pin(self.do_job(tenant, claim))
    }
}
