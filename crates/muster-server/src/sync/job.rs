//! One claimed run on its way through the phases.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use muster_core::id::{IdSource, RunId};
use muster_core::problem::{Problem, ProblemCode};
use muster_core::rules::Rules;
use muster_core::run::{ListingState, RunKind, RunPhase, RunState};
use muster_okta::error::{ErrorKind, OktaError};
use muster_okta::keep::KeepAttributes;
use muster_store::error::StoreError;
use muster_store::health;
use muster_store::history::Write;
use muster_store::jobs::Job as NamedJob;
use muster_store::lanes::{self, Claim};
use muster_store::runs::{self, Run};
use muster_store::tenants::TenantDb;

use super::engine::{Engine, Pace, Progress};
use crate::connect::{Connected, NotConnected};

/// Why an engine cannot work.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The rules that the run goes by cannot be read back.
    #[error("the stored rules (revision {revision}) cannot be read: {message}")]
    Rules { revision: i64, message: String },
    #[error(transparent)]
    NotConnected(#[from] NotConnected),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an answer of Okta means for a run.
pub(super) enum Setback {
    /// Nothing more can be read now; what was read is true as far as it goes.
    Truncated(Problem),
    /// Nothing may be done before a person looks.
    Refused(Problem),
}

impl Setback {
    pub(super) fn of(error: &OktaError) -> Self {
        let detail = error.to_string();
        let (code, refused) = match error.kind() {
            ErrorKind::Credentials => (ProblemCode::TokenRefused, true),
            ErrorKind::Rights => (ProblemCode::RightsMissing, true),
            ErrorKind::NotFound => (ProblemCode::AppNotFound, true),
            ErrorKind::Unreadable => (ProblemCode::OktaUnreadable, false),
            ErrorKind::BadCursor => (ProblemCode::ListingTruncated, false),
            _ => (ProblemCode::OktaUnreachable, false),
        };
        tracing::warn!(error = %chain(error), code = ?code, "okta did not give what was asked for");
        let problem = problem(code, 0, &detail);
        if refused { Self::Refused(problem) } else { Self::Truncated(problem) }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

pub(super) fn problem(code: ProblemCode, people: u64, detail: &str) -> Problem {
    Problem { code, people, hint: muster_core::problem::hint(code, detail) }
}

pub(super) struct Job<'a> {
    pub(super) engine: &'a Engine,
    pub(super) db: &'a TenantDb,
    pub(super) claim: Claim,
    pub(super) run: Run,
    pub(super) rules: Rules,
    pub(super) keep: KeepAttributes,
    pub(super) today: Date,
    pub(super) staged: u64,
    pub(super) ids: IdSource,
    okta: Option<Arc<Connected>>,
    calls_before: i64,
    /// Those whom a person run is about, with what asked for them.
    pub(super) named: Vec<NamedJob>,
    /// Whether Okta answered for somebody of a person run, and refused nobody.
    pub(super) was_answered: bool,
    /// Whose rows this worker wrote, or would have if nothing were held.
    pub(super) touched: BTreeSet<String>,
    /// A transaction that several steps share.
    held: Option<Write>,
    /// When the present transaction began.
    begun: Timestamp,
}

impl<'a> Job<'a> {
    pub(super) async fn open(
        engine: &'a Engine,
        db: &'a TenantDb,
        claim: Claim,
        named: Vec<NamedJob>,
    ) -> Result<Self, RunError> {
        let id = claim.run();
        let run = db.run(id).await?.ok_or(RunError::NoSuchRun(id))?;
        let stored =
            db.rules_at(run.rules_revision).await?.map(|stored| stored.body).unwrap_or_default();
        let rules = Rules::parse(&stored).map_err(|bad| RunError::Rules {
            revision: run.rules_revision,
            message: bad.to_string(),
        })?;
        let keep = KeepAttributes::new(rules.attribute_names());
        // The day of a run is the day on which it was asked for, where the tenant lives: a run that is taken over after
        // midnight goes on as it began.
        let zone = TimeZone::get(&rules.time_zone).unwrap_or(TimeZone::UTC);
        let today = run.queued_at.to_zoned(zone).date();
        let calls_before = run.calls;
        Ok(Self {
            engine,
            db,
            claim,
            run,
            rules,
            keep,
            today,
            staged: 0,
            ids: engine.fork_ids(engine.now()),
            okta: None,
            calls_before,
            held: None,
            named,
            was_answered: false,
            touched: BTreeSet::new(),
            begun: Timestamp::UNIX_EPOCH,
        })
    }

    /// Works until the run is finished. A connection that cannot be used ends it as failed: waiting would mend nothing.
    pub(super) async fn carry_on(mut self) -> Result<(), RunError> {
        match self.phases().await {
            Err(RunError::NotConnected(NotConnected::Store(cause))) => Err(cause.into()),
            Err(RunError::NotConnected(cause)) => {
                let write = self.step().await?;
                let mut write = write;
                self.run.note(problem(ProblemCode::OktaUnreachable, 0, &cause.to_string()));
                self.wait_all(&mut write, &cause.to_string()).await?;
                self.finish(write, RunState::Failed).await?;
                Err(cause.into())
            }
            other => other,
        }
    }

    async fn phases(&mut self) -> Result<(), RunError> {
        while self.run.is_open() {
            self.show();
            match self.run.phase {
                RunPhase::Start => self.start().await?,
                RunPhase::Read if self.run.kind == RunKind::Person => self.read_named().await?,
                RunPhase::Read => self.read().await?,
                RunPhase::Judge => self.judge().await?,
                RunPhase::People => self.people().await?,
                RunPhase::Emails => self.emails().await?,
                RunPhase::Managers => self.managers().await?,
                RunPhase::Missing => self.missing().await?,
                RunPhase::Removals => self.removals().await?,
                RunPhase::Report => self.report().await?,
            }
        }
        self.show();
        Ok(())
    }

    pub(super) fn is_preview(&self) -> bool {
        self.run.kind == RunKind::Preview
    }

    pub(super) fn is_truncated(&self) -> bool {
        self.run.listing == Some(ListingState::Truncated)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// Begins a step, or goes on in the transaction of the one before.
    pub(super) async fn step(&mut self) -> Result<Write, StoreError> {
        if let Some(write) = self.held.take() {
            return Ok(write);
        }
        let now = self.now();
        self.begun = now;
        self.db.step(&self.claim, self.engine.lease_until(now), now).await
    }

    /// Ends a step: everything of it is kept together, with how far the run came. Short steps share a transaction for as long
    /// as the pace of the engine allows, longer while nobody else waits to write: one commit then serves many people.
    pub(super) async fn commit(&mut self, mut write: Write) -> Result<(), StoreError> {
        if self.may_go_on() {
            write.write_history().await?;
            self.held = Some(write);
            self.show();
            return Ok(());
        }
        self.store(write).await
    }

    /// Whether the present transaction may take in more.
    pub(super) fn may_go_on(&self) -> bool {
        let Pace { slice, least, .. } = self.engine.pace();
        let most = if self.db.is_awaited() { least } else { slice };
        self.now().duration_since(self.begun).unsigned_abs() < most
    }

    /// Commits what steps have left open. Nothing outside may be waited for before.
    pub(super) async fn flush(&mut self) -> Result<(), StoreError> {
        match self.held.take() {
            Some(write) => self.store(write).await,
            None => Ok(()),
        }
    }

    /// Stores how far the run came, and commits at once.
    pub(super) async fn store(&mut self, mut write: Write) -> Result<(), StoreError> {
        self.run.calls = self.calls();
        runs::save(&mut write, &self.run).await?;
        write.commit().await?;
        self.show();
        Ok(())
    }

    /// Calls sent for this run so far, those of earlier workers included.
    pub(super) fn calls(&self) -> i64 {
        let sent = self.okta.as_ref().map_or(0, |okta| okta.client.calls());
        self.calls_before + i64::try_from(sent).unwrap_or(0)
    }

    /// Goes to the next phase, in a step of its own.
    pub(super) async fn enter(
        &mut self,
        phase: RunPhase,
        cursor: Option<String>,
    ) -> Result<(), StoreError> {
        let write = self.step().await?;
        self.run.phase = phase;
        self.run.cursor = cursor;
        self.commit(write).await
    }

    /// Ends the run in `state` and gives the lane free.
    pub(super) async fn finish(
        &mut self,
        mut write: Write,
        state: RunState,
    ) -> Result<(), StoreError> {
        self.run.state = state;
        self.run.finished_at = Some(self.now());
        self.note_health(&mut write).await?;
        lanes::release(&mut write, &self.claim).await?;
        tracing::info!(run = %self.run.id, state = %state, counts = ?self.run.counts, "run finished");
        self.store(write).await
    }

    /// How Okta answered, as far as this run asked: who was refused was answered.
    async fn note_health(&self, write: &mut Write) -> Result<(), StoreError> {
        let silent = |problem: &&Problem| {
            matches!(problem.code, ProblemCode::OktaUnreachable | ProblemCode::OktaUnreadable)
        };
        match self.run.problems.iter().find(silent) {
            Some(problem) => health::failed(write, problem.code.name()).await,
            None if self.calls() > self.calls_before => health::answered(write).await,
            None => Ok(()),
        }
    }

    /// Makes the client at its first use. What was written so far is lasting before anything is asked.
    pub(super) async fn okta(&mut self) -> Result<Arc<Connected>, RunError> {
        self.flush().await?;
        if self.okta.is_none() {
            let okta = self.engine.connect().connect(self.db).await?;
            if self.run.kind != RunKind::Person {
                okta.client.be_patient();
            }
            self.okta = Some(Arc::new(okta));
        }
        self.connected()
    }

    /// The client, once [`Self::okta`] made it.
    pub(super) fn connected(&self) -> Result<Arc<Connected>, RunError> {
        let none = || NotConnected::Incomplete("Okta is not connected".to_owned());
        self.okta.clone().ok_or_else(|| none().into())
    }

    /// Waits for something outside while keeping the lane.
    pub(super) async fn beating<T>(&self, work: impl Future<Output = T>) -> Result<T, StoreError> {
        debug_assert!(self.held.is_none(), "nothing outside is waited for inside a transaction");
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                out = &mut work => return Ok(out),
                () = self.engine.clock().pause(self.engine.heartbeat()) => {
                    let now = self.now();
                    self.db.renew(&self.claim, self.engine.lease_until(now), now).await?;
                    self.show();
                }
            }
        }
    }

    pub(super) fn show(&self) {
        let share = self.okta.as_ref().and_then(|okta| okta.client.limit_share());
        self.engine.show(Progress {
            phase: Some(self.run.phase),
            counts: self.run.counts,
            staged: self.staged.max(self.run.counts.read),
            calls: u64::try_from(self.calls()).unwrap_or(0),
            share,
        });
    }
}
