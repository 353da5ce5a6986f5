//! Runs: asked for, joined, carried on and finished. A run's progress lives in its row, never in memory.

use jiff::Timestamp;
use muster_core::id::{ChangeId, RunId, TenantId};
use muster_core::problem::Problem;
use muster_core::run::{Counts, ListingState, RunCause, RunKind, RunPhase, RunState};
use uuid::Uuid;

use crate::db::Arg;
use crate::error::StoreError;
use crate::history::{NewChange, Subject, Write};
use crate::lanes;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// One run of the loop, as its row says.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub id: RunId,
    pub kind: RunKind,
    pub cause: RunCause,
    /// Who asked for it: `os:ana`, `schedule`.
    pub actor: String,
    pub state: RunState,
    pub phase: RunPhase,
    /// Where the phase stands; only that phase reads it.
    pub cursor: Option<String>,
    /// `None` until the listing was judged (and for runs that list nothing).
    pub listing: Option<ListingState>,
    pub rules_revision: i64,
    /// The run whose held removals this one carries out.
    pub approves: Option<RunId>,
    pub counts: Counts,
    pub problems: Vec<Problem>,
    /// Calls sent to Okta, retries included.
    pub calls: i64,
    /// How often the listing was begun again after a refused cursor.
    pub restarts: i64,
    /// How many people had access when it began; `None` before, and for runs of single people.
    pub had_access: Option<u64>,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    /// When the first page was asked for: nothing observed before this may be overruled by an absence.
    pub read_started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
}

impl Run {
    /// Whether the run still has work to do.
    pub fn is_open(&self) -> bool {
        matches!(self.state, RunState::Queued | RunState::Running)
    }

    /// Adds to the count of people of a problem, or notes the problem anew.
    pub fn note(&mut self, problem: Problem) {
        match self.problems.iter_mut().find(|known| known.code == problem.code) {
            Some(known) => {
                known.people += problem.people;
                known.hint = problem.hint;
            }
            None => self.problems.push(problem),
        }
    }
}

/// A run that somebody asks for.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Used only if no open run can be joined.
    pub id: RunId,
    pub kind: RunKind,
    pub cause: RunCause,
    pub actor: String,
    pub approves: Option<RunId>,
}

/// The answer to asking for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requested {
    pub run: RunId,
    /// The run was already under way, asked for by somebody else.
    pub joined: bool,
}

#[derive(sqlx::FromRow)]
struct RunRow {
    id: Uuid,
    kind: String,
    cause: String,
    actor: String,
    state: String,
    phase: String,
    cursor: Option<String>,
    listing: Option<String>,
    rules_revision: i64,
    approves: Option<Uuid>,
    counts: String,
    problems: String,
    calls: i64,
    restarts: i64,
    had_access: Option<i64>,
    queued_at: i64,
    started_at: Option<i64>,
    read_started_at: Option<i64>,
    finished_at: Option<i64>,
}

fn bad(column: &'static str, id: Uuid) -> StoreError {
    StoreError::BadRow { table: "runs", column, id: RunId::new(id).to_string() }
}

impl TryFrom<RunRow> for Run {
    type Error = StoreError;
    fn try_from(row: RunRow) -> Result<Self, StoreError> {
        let id = row.id;
        let time = |column, value: Option<i64>| {
            value.map(|micros| from_micros(micros).ok_or_else(|| bad(column, id))).transpose()
        };
        Ok(Self {
            id: RunId::new(id),
            kind: RunKind::parse(&row.kind).ok_or_else(|| bad("kind", id))?,
            cause: RunCause::parse(&row.cause).ok_or_else(|| bad("cause", id))?,
            actor: row.actor,
            state: RunState::parse(&row.state).ok_or_else(|| bad("state", id))?,
            phase: RunPhase::parse(&row.phase).ok_or_else(|| bad("phase", id))?,
            cursor: row.cursor,
            listing: row
                .listing
                .map(|text| ListingState::parse(&text).ok_or_else(|| bad("listing", id)))
                .transpose()?,
            rules_revision: row.rules_revision,
            approves: row.approves.map(RunId::new),
            counts: serde_json::from_str(&row.counts).map_err(|_| bad("counts", id))?,
            problems: serde_json::from_str(&row.problems).map_err(|_| bad("problems", id))?,
            calls: row.calls,
            restarts: row.restarts,
            had_access: row.had_access.and_then(|n| u64::try_from(n).ok()),
            queued_at: from_micros(row.queued_at).ok_or_else(|| bad("queued_at", id))?,
            started_at: time("started_at", row.started_at)?,
            read_started_at: time("read_started_at", row.read_started_at)?,
            finished_at: time("finished_at", row.finished_at)?,
        })
    }
}

macro_rules! select_run {
    ($rest:literal) => {
        concat!(
            "SELECT id, kind, cause, actor, state, phase, cursor, listing, rules_revision, approves, counts, problems, \
             calls, restarts, had_access, queued_at, started_at, read_started_at, finished_at FROM runs WHERE tenant_id = $1 ",
            $rest
        )
    };
}

impl TenantDb {
    /// One run.
    pub async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError> {
        let row: Option<RunRow> = self
            .db()
            .fetch_optional(select_run!("AND id = $2"), &[self.id().into(), id.uuid().into()])
            .await?;
        row.map(Run::try_from).transpose()
    }

    /// The newest runs, newest first.
    pub async fn runs(&self, limit: i64) -> Result<Vec<Run>, StoreError> {
        let rows: Vec<RunRow> = self
            .db()
            .fetch_all(
                select_run!("ORDER BY queued_at DESC, id DESC LIMIT $2"),
                &[self.id().into(), limit.into()],
            )
            .await?;
        rows.into_iter().map(Run::try_from).collect()
    }

    /// The newest full run that saw a whole listing.
    pub async fn newest_full_run(&self) -> Result<Option<Run>, StoreError> {
        let row: Option<RunRow> = self
            .db()
            .fetch_optional(
                select_run!(
                    "AND kind = 'full' AND approves IS NULL AND state IN ('done', 'held', 'discarded')
                     ORDER BY id DESC LIMIT 1"
                ),
                &[self.id().into()],
            )
            .await?;
        row.map(Run::try_from).transpose()
    }

    /// Whether the last full run that ended did not see everything.
    pub async fn full_run_failed_last(&self) -> Result<bool, StoreError> {
        let row: Option<RunRow> = self
            .db()
            .fetch_optional(
                select_run!(
                    "AND kind = 'full' AND approves IS NULL AND state NOT IN ('queued', 'running')
                     ORDER BY id DESC LIMIT 1"
                ),
                &[self.id().into()],
            )
            .await?;
        let last = row.map(Run::try_from).transpose()?;
        Ok(last.is_some_and(|run| matches!(run.state, RunState::Incomplete | RunState::Failed)))
    }

    /// The full run that is asked for or under way, the newest if there are several.
    pub async fn open_full_run(&self) -> Result<Option<Run>, StoreError> {
        let row: Option<RunRow> = self
            .db()
            .fetch_optional(
                select_run!(
                    "AND kind = 'full' AND approves IS NULL AND state IN ('queued', 'running')
                     ORDER BY id DESC LIMIT 1"
                ),
                &[self.id().into()],
            )
            .await?;
        row.map(Run::try_from).transpose()
    }

    /// Asks for a run on the bulk lane. An open run of the same kind and purpose is joined instead: pressing twice does
    /// nothing twice.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] when the run to be approved holds nothing (any more).
    pub async fn request_run(&self, new: &NewRun, now: Timestamp) -> Result<Requested, StoreError> {
        let mut write = self.write(now).await?;
        let requested = request(&mut write, new, Join::Open).await?;
        if !requested.joined {
            write.commit().await?;
        }
        Ok(requested)
    }

    /// Ends a held run without removing anybody.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] when the run holds nothing (any more).
    pub async fn discard_run(
        &self,
        id: RunId,
        actor: &str,
        reason: Option<String>,
        change: muster_core::id::ChangeId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut write = self.write(now).await?;
        let done = write
            .tx()
            .execute(
                "UPDATE runs SET state = 'discarded', finished_at = $3 WHERE tenant_id = $1 AND id = $2 AND state = 'held'
                 AND NOT EXISTS (SELECT 1 FROM runs other WHERE other.tenant_id = $1 AND other.approves = $2
                                 AND other.state IN ('queued', 'running'))",
                &[self.id().into(), id.uuid().into(), micros(now).into()],
            )
            .await?;
        if done == 0 {
            drop(write);
            return Err(StoreError::Conflict(match self.run(id).await? {
                None => format!("there is no run {id}"),
                Some(run) if run.state == RunState::Held => {
                    format!("run {id} is being approved just now")
                }
                Some(run) => format!("run {id} holds no removals: it is {}", run.state),
            }));
        }
        write
            .tx()
            .execute(
                "UPDATE run_items SET state = 'dismissed' WHERE tenant_id = $1 AND run_id = $2 AND state = 'held'",
                &[self.id().into(), id.uuid().into()],
            )
            .await?;
        write.record(crate::history::NewChange {
            id: change,
            at: now,
            subject: crate::history::Subject::Run(id),
            kind: "discard",
            actor: actor.to_owned(),
            cause: RunCause::Cli.as_str().to_owned(),
            run: Some(id),
            event: None,
            reason,
            before: None,
            after: None,
        });
        write.commit().await
    }
}

/// Which open run may be joined by whoever asks for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Any.
    Open,
    /// One that has not begun to read: something happened that the others may have passed already.
    Unread,
}

/// Asks for a run inside a change; as [`TenantDb::request_run`].
pub async fn request(write: &mut Write, new: &NewRun, join: Join) -> Result<Requested, StoreError> {
    lanes::stop_forsaken(write, lanes::BULK).await?;
    let tenant = write.tenant();
    let open: Option<RunRow> = write
        .tx()
        .fetch_optional(
            select_run!(
                "AND state IN ('queued', 'running') AND kind = $2
                 AND (approves = $3 OR (approves IS NULL AND $3 IS NULL))
                 AND ($4 OR read_started_at IS NULL) ORDER BY queued_at, id LIMIT 1"
            ),
            &[
                tenant.into(),
                new.kind.as_str().into(),
                Arg::Uuid(new.approves.map(RunId::uuid)),
                (join == Join::Open).into(),
            ],
        )
        .await?;
    if let Some(row) = open {
        return Ok(Requested { run: RunId::new(row.id), joined: true });
    }
    if let Some(held) = new.approves {
        let Some(run) = load(write, held).await? else {
            return Err(StoreError::Conflict(format!("there is no run {held}")));
        };
        if run.state != RunState::Held {
            return Err(StoreError::Conflict(format!(
                "run {held} holds no removals: it is {}",
                run.state
            )));
        }
        // Who let the removals pass is on record also when nobody is left to be removed.
        write.record(NewChange {
            id: ChangeId::new(new.id.uuid()),
            at: write.now(),
            subject: Subject::Run(held),
            kind: "approve",
            actor: new.actor.clone(),
            cause: new.cause.as_str().to_owned(),
            run: Some(new.id),
            event: None,
            reason: None,
            before: None,
            after: None,
        });
    }
    insert(write, new).await?;
    Ok(Requested { run: new.id, joined: false })
}

/// Queues a run.
pub(crate) async fn insert(write: &mut Write, new: &NewRun) -> Result<(), StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    write
        .tx()
        .execute(
            "INSERT INTO runs (tenant_id, id, kind, cause, actor, state, phase, rules_revision, approves, counts,
                               problems, calls, restarts, queued_at)
             SELECT $1, $2, $3, $4, $5, 'queued', 'start', rules_revision, $6, $7, '[]', 0, 0, $8
             FROM tenants WHERE id = $1",
            &[
                tenant.into(),
                new.id.uuid().into(),
                new.kind.as_str().into(),
                new.cause.as_str().into(),
                new.actor.as_str().into(),
                Arg::Uuid(new.approves.map(RunId::uuid)),
                counts_text(&Counts::default())?.into(),
                micros(now).into(),
            ],
        )
        .await
        .map(drop)
}

/// The run of single people that began since then and whose removals wait for a human, if there is one. It stays as it is
/// until the write ends: nobody approves or discards it meanwhile.
pub async fn pen_since(write: &mut Write, since: Timestamp) -> Result<Option<Run>, StoreError> {
    let tenant = write.tenant();
    let row: Option<RunRow> = write
        .tx()
        .fetch_optional(
            select_run!(
                "AND id >= $2 AND kind = 'person' AND state = 'held'
                 AND NOT EXISTS (SELECT 1 FROM runs other WHERE other.tenant_id = $1 AND other.approves = runs.id)
                 ORDER BY id LIMIT 1"
            ),
            &[tenant.uuid().into(), first_id(since).into()],
        )
        .await?;
    let Some(pen) = row.map(Run::try_from).transpose()? else { return Ok(None) };
    // Taken only if it still waits: on PostgreSQL somebody may have decided in between.
    let taken = write
        .tx()
        .execute(
            "UPDATE runs SET finished_at = finished_at WHERE tenant_id = $1 AND id = $2 AND state = 'held'",
            &[tenant.uuid().into(), pen.id.uuid().into()],
        )
        .await?;
    Ok((taken == 1).then_some(pen))
}

/// The smallest id that a run drawn at `since` can have: ids begin with the time at which they were drawn.
fn first_id(since: Timestamp) -> Uuid {
    Uuid::from_u128(u128::try_from(since.as_millisecond()).unwrap_or(0) << 80)
}

/// How many removals the runs of single people made or held since then. What a human approved is no longer counted, and
/// where removals wait together, all of them count for as long as others join.
pub async fn removals_since(write: &mut Write, since: Timestamp) -> Result<u64, StoreError> {
    #[derive(sqlx::FromRow)]
    struct CountsRow {
        counts: String,
    }
    let tenant = write.tenant();
    let rows: Vec<CountsRow> = write
        .tx()
        .fetch_all(
            "SELECT counts FROM runs WHERE tenant_id = $1 AND id >= $2 AND kind = 'person'
             AND state IN ('done', 'held', 'discarded') AND NOT EXISTS
                 (SELECT 1 FROM runs other WHERE other.tenant_id = $1 AND other.approves = runs.id AND other.state = 'done')
             UNION ALL
             SELECT counts FROM runs WHERE tenant_id = $1 AND state = 'held' AND kind = 'person' AND id < $2
             AND finished_at >= $3",
            &[tenant.into(), first_id(since).into(), micros(since).into()],
        )
        .await?;
    let counts = rows.iter().map(|row| serde_json::from_str::<Counts>(&row.counts));
    Ok(counts.filter_map(Result::ok).map(|counts| counts.deactivated + counts.held).sum())
}

fn counts_text(counts: &Counts) -> Result<String, StoreError> {
    serde_json::to_string(counts).map_err(|_| StoreError::BadRow {
        table: "runs",
        column: "counts",
        id: String::new(),
    })
}

/// Reads a run inside a write, so that it cannot change under the writer.
pub async fn load(write: &mut Write, id: RunId) -> Result<Option<Run>, StoreError> {
    let tenant = write.tenant();
    let row: Option<RunRow> = write
        .tx()
        .fetch_optional(select_run!("AND id = $2"), &[tenant.uuid().into(), id.uuid().into()])
        .await?;
    row.map(Run::try_from).transpose()
}

/// The runs that are asked for or under way.
pub(crate) async fn open(write: &mut Write) -> Result<Vec<Run>, StoreError> {
    let tenant = write.tenant();
    let sql = select_run!("AND state IN ('queued', 'running') ORDER BY id");
    let rows: Vec<RunRow> = write.tx().fetch_all(sql, &[tenant.into()]).await?;
    rows.into_iter().map(Run::try_from).collect()
}

/// Stores where a run stands, in the same transaction as the work that brought it there.
pub async fn save(write: &mut Write, run: &Run) -> Result<(), StoreError> {
    let tenant: TenantId = write.tenant();
    let problems = serde_json::to_string(&run.problems).map_err(|_| StoreError::BadRow {
        table: "runs",
        column: "problems",
        id: run.id.to_string(),
    })?;
    write
        .tx()
        .execute(
            "UPDATE runs SET state = $3, phase = $4, cursor = $5, listing = $6, rules_revision = $7, counts = $8,
                             problems = $9, calls = $10, restarts = $11, started_at = $12, read_started_at = $13,
                             finished_at = $14, had_access = $15
             WHERE tenant_id = $1 AND id = $2",
            &[
                tenant.uuid().into(),
                run.id.uuid().into(),
                run.state.as_str().into(),
                run.phase.as_str().into(),
                Arg::from(run.cursor.as_deref()),
                Arg::from(run.listing.map(ListingState::as_str)),
                run.rules_revision.into(),
                counts_text(&run.counts)?.into(),
                problems.into(),
                run.calls.into(),
                run.restarts.into(),
                Arg::Int(run.started_at.map(micros)),
                Arg::Int(run.read_started_at.map(micros)),
                Arg::Int(run.finished_at.map(micros)),
                Arg::Int(run.had_access.and_then(|n| i64::try_from(n).ok())),
            ],
        )
        .await
        .map(drop)
}
