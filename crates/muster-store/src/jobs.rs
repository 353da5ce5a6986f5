//! Work that waits: known by tenant, kind and key, so that asking twice for the same is asking once.
//!
//! Jobs of the person lane are taken many at a time under a run; those of the lane [`MISC`] one by one ([`misc`]). Both are
//! at least once: whoever takes a job and dies leaves it to the next.

mod backlog;
mod dead;
pub mod misc;

pub use backlog::{Backlog, drop_covered};

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_core::id::{IdSource, JobId, OktaUserId, RunId, TenantId};
use muster_core::run::RunCause;
use uuid::Uuid;

use crate::db::{Arg, Db, Tx};
use crate::dialect::Sql;
use crate::error::StoreError;
use crate::history::Write;
use crate::lanes::BULK;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// The lane of work for single people.
pub const PERSON: &str = "person";
/// The lane of everything else that is short: groups, the app, the System Log, mail.
pub const MISC: &str = "misc";

/// The words for kinds of jobs.
pub mod kind {
    /// Read one person again; the key is the Okta user id.
    pub const PERSON: &str = "person";
    /// Read who is in a group; the key is its id.
    pub const GROUP: &str = "group";
    /// Look at the app and its groups; the key is `app`.
    pub const APP: &str = "app";
    /// Read the System Log; the key is `log`.
    pub const LOG_POLL: &str = "log_poll";
    /// Send a mail; the key names it.
    pub const MAIL: &str = "mail";
}

/// How urgent a job is: small first.
pub mod priority {
    pub const SIGN_IN: i64 = 5;
    pub const HOOK: i64 = 10;
    pub const LOG: i64 = 20;
    /// Looking once more, because Okta may have answered from before the event.
    pub const SECOND_LOOK: i64 = 30;
    pub const BULK: i64 = 50;
}

/// Work that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob<'a> {
    pub lane: &'static str,
    pub kind: &'static str,
    pub key: Cow<'a, str>,
    pub priority: i64,
    pub due_at: Timestamp,
    pub cause: RunCause,
    /// The event that asks for it.
    pub event: Option<Cow<'a, str>>,
}

impl<'a> NewJob<'a> {
    /// Reading one person again.
    pub fn person(id: &'a OktaUserId, priority: i64, due_at: Timestamp, cause: RunCause) -> Self {
        let (lane, kind, key) = (PERSON, kind::PERSON, id.as_str().into());
        Self { lane, kind, key, priority, due_at, cause, event: None }
    }

    /// Something of the lane [`MISC`].
    pub fn misc(
        kind: &'static str,
        key: impl Into<Cow<'a, str>>,
        priority: i64,
        due_at: Timestamp,
        cause: RunCause,
    ) -> Self {
        Self { lane: MISC, kind, key: key.into(), priority, due_at, cause, event: None }
    }

    /// The same, asked for by an event.
    #[must_use]
    pub fn of_event(self, event: impl Into<Cow<'a, str>>) -> Self {
        Self { event: Some(event.into()), ..self }
    }
}

/// Work that waits, is under way or was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: JobId,
    pub lane: String,
    pub kind: String,
    pub key: String,
    pub priority: i64,
    pub due_at: Timestamp,
    /// How often it was taken, this time included.
    pub attempts: i64,
    pub enqueued_at: Timestamp,
    pub cause: RunCause,
    /// The newest event that asks for it.
    pub event: Option<String>,
    /// What went wrong last.
    pub error: Option<String>,
}

#[derive(sqlx::FromRow)]
struct JobRow {
    id: Uuid,
    lane: String,
    kind: String,
    key: String,
    priority: i64,
    due_at: i64,
    attempts: i64,
    enqueued_at: i64,
    cause: String,
    event_id: Option<String>,
    error: Option<String>,
}

impl TryFrom<JobRow> for Job {
    type Error = StoreError;
    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        let id = JobId::new(row.id);
        let bad = |column| StoreError::BadRow { table: "jobs", column, id: id.to_string() };
        Ok(Self {
            id,
            lane: row.lane,
            kind: row.kind,
            key: row.key,
            priority: row.priority,
            due_at: from_micros(row.due_at).ok_or_else(|| bad("due_at"))?,
            attempts: row.attempts,
            enqueued_at: from_micros(row.enqueued_at).ok_or_else(|| bad("enqueued_at"))?,
            cause: RunCause::parse(&row.cause).ok_or_else(|| bad("cause"))?,
            event: row.event_id,
            error: row.error,
        })
    }
}

fn read(rows: Vec<JobRow>) -> Result<Vec<Job>, StoreError> {
    rows.into_iter().map(Job::try_from).collect()
}

macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT id, lane, kind, key, priority, due_at, attempts, enqueued_at, cause, event_id, error FROM jobs ",
            $rest
        )
    };
}
use select_jobs;

/// Asks for work, in the transaction of what makes it needed. What waits already only becomes more urgent.
pub async fn enqueue(
    write: &mut Write,
    jobs: &[NewJob<'_>],
    ids: &mut IdSource,
) -> Result<(), StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    let jobs: Vec<_> = jobs.iter().map(|job| (tenant, job)).collect();
    enqueue_in(write.tx(), &jobs, ids, now).await
}

/// As [`enqueue`], for several tenants.
///
/// In the order of their keys, so that two who ask for the same never wait for each other.
pub(crate) async fn enqueue_in(
    tx: &mut Tx,
    jobs: &[(TenantId, &NewJob<'_>)],
    ids: &mut IdSource,
    now: Timestamp,
) -> Result<(), StoreError> {
    const COLUMNS: usize = 10;
    let mut rows: BTreeMap<(TenantId, &str, &str), NewJob<'_>> = BTreeMap::new();
    for (tenant, job) in jobs {
        rows.entry((*tenant, job.kind, &job.key))
            .and_modify(|first| {
                first.priority = first.priority.min(job.priority);
                first.due_at = first.due_at.min(job.due_at);
                if job.event.is_some() {
                    (first.event, first.cause) = (job.event.clone(), job.cause);
                }
            })
            .or_insert_with(|| (*job).clone());
    }
    let mut args: Vec<Arg<'_>> = Vec::with_capacity(rows.len() * COLUMNS);
    for ((tenant, ..), job) in &rows {
        args.extend([
            (*tenant).into(),
            ids.next::<JobId>(now).into(),
            job.lane.into(),
            job.kind.into(),
            Arg::from(&*job.key),
            job.priority.into(),
            micros(job.due_at).into(),
            micros(now).into(),
            job.cause.as_str().into(),
            job.event.as_deref().into(),
        ]);
    }
    tx.execute_rows(
        COLUMNS,
        &args,
        "INSERT INTO jobs (tenant_id, id, lane, kind, key, state, priority, due_at, attempts, enqueued_at, asked_at, cause, event_id)
         SELECT column1, column2, column3, column4, column5, 'waiting', column6, column7, 0, column8, column8, column9, column10
         FROM v WHERE column1 IS NOT NULL
         ON CONFLICT (tenant_id, kind, key) WHERE state = 'waiting' DO UPDATE SET
             priority = CASE WHEN excluded.priority < jobs.priority THEN excluded.priority ELSE jobs.priority END,
             due_at = CASE WHEN excluded.due_at < jobs.due_at THEN excluded.due_at ELSE jobs.due_at END,
             asked_at = CASE WHEN excluded.asked_at > jobs.asked_at THEN excluded.asked_at ELSE jobs.asked_at END,
             cause = CASE WHEN excluded.event_id IS NULL THEN jobs.cause ELSE excluded.cause END,
             event_id = COALESCE(excluded.event_id, jobs.event_id)",
    )
    .await
    .map(drop)
}

/// Takes what is due in a lane under `run`, the most urgent first.
pub async fn take(
    write: &mut Write,
    lane: &str,
    run: RunId,
    limit: i64,
) -> Result<Vec<Job>, StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    // Rows that somebody is just asking for again are left for the next turn.
    let due = Sql::differing(
        select_jobs!(
            "WHERE tenant_id = $1 AND lane = $2 AND state = 'waiting' AND due_at <= $3
             ORDER BY priority, due_at, id LIMIT $4"
        ),
        select_jobs!(
            "WHERE tenant_id = $1 AND lane = $2 AND state = 'waiting' AND due_at <= $3
             ORDER BY priority, due_at, id LIMIT $4 FOR UPDATE SKIP LOCKED"
        ),
    );
    let args = [tenant.into(), lane.into(), micros(now).into(), limit.into()];
    let mut jobs = read(write.tx().fetch_all(due, &args).await?)?;
    let rows: Vec<Arg<'_>> =
        jobs.iter().flat_map(|job| [tenant.into(), job.id.into(), run.into()]).collect();
    write
        .tx()
        .execute_rows(
            3,
            &rows,
            "UPDATE jobs SET state = 'taken', run_id = v.column3, attempts = attempts + 1
             FROM v WHERE v.column1 IS NOT NULL AND jobs.tenant_id = v.column1 AND jobs.id = v.column2",
        )
        .await?;
    for job in &mut jobs {
        job.attempts += 1;
    }
    Ok(jobs)
}

/// What was taken under `run` and not dealt with yet: the run was left by a worker that died.
pub async fn taken(write: &mut Write, run: RunId) -> Result<Vec<Job>, StoreError> {
    let sql = select_jobs!(
        "WHERE tenant_id = $1 AND lane = 'person' AND state = 'taken' AND run_id = $2 ORDER BY priority, due_at, id"
    );
    let args = [write.tenant().into(), run.into()];
    read(write.tx().fetch_all(sql, &args).await?)
}

/// Forgets jobs that are done, and what was given up of the same kind and key.
pub async fn finish(write: &mut Write, ids: &[JobId]) -> Result<(), StoreError> {
    let tenant = write.tenant();
    delete(write.tx(), tenant, ids).await.map(drop)
}

/// A job that did not work out and is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    pub id: JobId,
    pub due_at: Timestamp,
    pub error: String,
}

/// Lets taken jobs wait again, aside from those that are due. One that was asked for again meanwhile is one with that.
pub async fn retry(write: &mut Write, retries: &[Retry]) -> Result<(), StoreError> {
    let tenant = write.tenant();
    let back: Vec<_> = retries
        .iter()
        .map(|retry| Back {
            id: retry.id,
            due_at: Some(retry.due_at),
            error: Some(&retry.error),
            forgive: 0,
        })
        .collect();
    put_back(write.tx(), tenant, &back).await
}

/// Hands back taken jobs as if they had not been taken.
pub async fn hand_back(write: &mut Write, ids: &[JobId]) -> Result<(), StoreError> {
    let tenant = write.tenant();
    let back: Vec<_> =
        ids.iter().map(|id| Back { id: *id, due_at: None, error: None, forgive: 1 }).collect();
    put_back(write.tx(), tenant, &back).await
}

/// Gives taken jobs up: they wait in the list of the dead until somebody has another try, or it works out another way.
pub async fn bury(write: &mut Write, dead: &[(JobId, String)]) -> Result<(), StoreError> {
    let tenant = write.tenant();
    bury_in(write.tx(), tenant, dead).await
}

async fn bury_in(
    tx: &mut Tx,
    tenant: TenantId,
    dead: &[(JobId, String)],
) -> Result<(), StoreError> {
    let rows: Vec<Arg<'_>> = dead
        .iter()
        .flat_map(|(id, error)| [tenant.into(), (*id).into(), error.as_str().into()])
        .collect();
    // One of a kind and key is enough to see.
    tx.execute_rows(
        3,
        &rows,
        "DELETE FROM jobs WHERE state = 'dead' AND (tenant_id, kind, key) IN
             (SELECT j.tenant_id, j.kind, j.key FROM v JOIN jobs j ON j.tenant_id = v.column1 AND j.id = v.column2
              WHERE v.column1 IS NOT NULL)",
    )
    .await?;
    tx.execute_rows(
        3,
        &rows,
        "UPDATE jobs SET state = 'dead', run_id = NULL, error = v.column3
         FROM v WHERE v.column1 IS NOT NULL AND jobs.tenant_id = v.column1 AND jobs.id = v.column2",
    )
    .await
    .map(drop)
}

async fn delete(tx: &mut Tx, tenant: TenantId, ids: &[JobId]) -> Result<(), StoreError> {
    let rows: Vec<Arg<'_>> = ids.iter().flat_map(|id| [tenant.into(), (*id).into()]).collect();
    tx.execute_rows(
        2,
        &rows,
        "DELETE FROM jobs WHERE state = 'dead' AND (tenant_id, kind, key) IN
             (SELECT j.tenant_id, j.kind, j.key FROM v JOIN jobs j ON j.tenant_id = v.column1 AND j.id = v.column2
              WHERE v.column1 IS NOT NULL)",
    )
    .await?;
    tx.execute_rows(
        2,
        &rows,
        "DELETE FROM jobs WHERE (tenant_id, id) IN (SELECT column1, column2 FROM v WHERE column1 IS NOT NULL)",
    )
    .await
    .map(drop)
}

struct Back<'a> {
    id: JobId,
    /// `None`: as before.
    due_at: Option<Timestamp>,
    error: Option<&'a str>,
    /// Attempts that do not count.
    forgive: i64,
}

async fn put_back(tx: &mut Tx, tenant: TenantId, back: &[Back<'_>]) -> Result<(), StoreError> {
    let rows: Vec<Arg<'_>> = back
        .iter()
        .flat_map(|one| {
            let due = one.due_at.map(micros);
            [tenant.into(), one.id.into(), due.into(), one.error.into(), one.forgive.into()]
        })
        .collect();
    // What was asked for meanwhile takes over how often it was tried and when it is due, …
    tx.execute_rows(
        5,
        &rows,
        "UPDATE jobs SET due_at = CASE WHEN v.column3 > jobs.due_at THEN v.column3 ELSE jobs.due_at END,
                attempts = t.attempts - v.column5, error = COALESCE(v.column4, t.error)
         FROM v, jobs t
         WHERE v.column1 IS NOT NULL AND t.tenant_id = v.column1 AND t.id = v.column2 AND jobs.tenant_id = t.tenant_id
               AND jobs.kind = t.kind AND jobs.key = t.key AND jobs.state = 'waiting'",
    )
    .await?;
    // … and takes its place.
    tx.execute_rows(
        5,
        &rows,
        "DELETE FROM jobs WHERE (tenant_id, id) IN
             (SELECT t.tenant_id, t.id FROM v JOIN jobs t ON t.tenant_id = v.column1 AND t.id = v.column2
              JOIN jobs w ON w.tenant_id = t.tenant_id AND w.kind = t.kind AND w.key = t.key AND w.state = 'waiting'
              WHERE v.column1 IS NOT NULL AND t.state = 'taken')",
    )
    .await?;
    tx.execute_rows(
        5,
        &rows,
        "UPDATE jobs SET state = 'waiting', run_id = NULL, due_at = COALESCE(v.column3, jobs.due_at),
                attempts = jobs.attempts - v.column5, error = COALESCE(v.column4, jobs.error)
         FROM v WHERE v.column1 IS NOT NULL AND jobs.tenant_id = v.column1 AND jobs.id = v.column2
                AND jobs.state = 'taken'",
    )
    .await
    .map(drop)
}

/// Drops what waits of a kind, because something larger takes its place; says how many it was.
pub async fn drop_waiting(write: &mut Write, kind: &str) -> Result<u64, StoreError> {
    let sql = "DELETE FROM jobs WHERE tenant_id = $1 AND kind = $2 AND state = 'waiting'";
    let args = [write.tenant().into(), kind.into()];
    write.tx().execute(sql, &args).await
}

/// Work that is due for a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    pub tenant: TenantId,
    pub lane: &'static str,
}

#[derive(sqlx::FromRow)]
struct DueRow {
    tenant_id: Uuid,
    lane: String,
}

#[derive(sqlx::FromRow)]
struct CountRow {
    n: i64,
}

impl Db {
    /// Who has work that is due and that nobody is at: at most `limit` pairs of a tenant and a lane. Tenants whose switch is
    /// off have none.
    pub async fn tenants_with_work(
        &self,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<Due>, StoreError> {
        let sql = "SELECT d.tenant_id, d.lane FROM (
                SELECT tenant_id, lane FROM jobs WHERE state = 'waiting' AND due_at <= $1
                UNION
                SELECT tenant_id, CASE WHEN kind = 'person' THEN 'person' ELSE 'bulk' END AS lane FROM runs
                WHERE state IN ('queued', 'running')
            ) d JOIN tenants t ON t.id = d.tenant_id
            WHERE t.okta_enabled AND NOT EXISTS (SELECT 1 FROM lanes l WHERE l.tenant_id = d.tenant_id AND l.lane = d.lane
                                                 AND l.lease_until > $1)
            ORDER BY d.tenant_id, d.lane LIMIT $2";
        let rows: Vec<DueRow> = self.fetch_all(sql, &[micros(now).into(), limit.into()]).await?;
        let due = |row: DueRow| {
            let lane = [PERSON, MISC, BULK].into_iter().find(|lane| *lane == row.lane)?;
            Some(Due { tenant: TenantId::new(row.tenant_id), lane })
        };
        // A lane that this version does not know is left to those that do.
        Ok(rows.into_iter().filter_map(due).collect())
    }

    /// Gives up every lease of `owner`, who stops: others may go on at once.
    pub async fn give_up_leases(&self, owner: &str, now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE lanes SET lease_until = $2 WHERE owner = $1 AND lease_until > $2";
        self.execute(sql, &[owner.into(), micros(now).into()]).await.map(drop)
    }

    /// How many jobs there are of each lane and state.
    pub async fn job_counts(&self) -> Result<Vec<JobCount>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct GroupRow {
            lane: String,
            state: String,
            n: i64,
            oldest: Option<i64>,
        }
        let sql = "SELECT lane, state, COUNT(*) AS n, MIN(due_at) AS oldest FROM jobs GROUP BY lane, state ORDER BY lane, state";
        let rows: Vec<GroupRow> = self.fetch_all(sql, &[]).await?;
        let count = |row: GroupRow| JobCount {
            lane: row.lane,
            state: row.state,
            jobs: row.n,
            oldest_due: row.oldest.and_then(from_micros),
        };
        Ok(rows.into_iter().map(count).collect())
    }
}

/// How many jobs of a lane are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobCount {
    pub lane: String,
    /// `waiting`, `taken`, `dead`.
    pub state: String,
    pub jobs: i64,
    pub oldest_due: Option<Timestamp>,
}

impl TenantDb {
    /// How many jobs of a kind wait, those not yet due included.
    pub async fn jobs_waiting(&self, kind: &str) -> Result<i64, StoreError> {
        let sql = "SELECT COUNT(*) AS n FROM jobs WHERE tenant_id = $1 AND kind = $2 AND state = 'waiting'";
        let row: Option<CountRow> =
            self.db().fetch_optional(sql, &[self.id().into(), kind.into()]).await?;
        Ok(row.map_or(0, |row| row.n))
    }

    /// Whether a person is still to be read, or is being read.
    pub async fn person_waits(&self, user: &OktaUserId) -> Result<bool, StoreError> {
        // Two looks, each by the index of its state.
        let sql = "SELECT (SELECT COUNT(*) FROM jobs WHERE tenant_id = $1 AND kind = 'person' AND key = $2 AND state = 'waiting')
                        + (SELECT COUNT(*) FROM jobs WHERE tenant_id = $1 AND lane = 'person' AND key = $2 AND state = 'taken') AS n";
        let row: Option<CountRow> =
            self.db().fetch_optional(sql, &[self.id().into(), user.into()]).await?;
        Ok(row.is_some_and(|row| row.n > 0))
    }

    /// Asks for work in a transaction of its own, without waiting for whoever changes the tenant.
    pub async fn ask(
        &self,
        jobs: &[NewJob<'_>],
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        let jobs: Vec<_> = jobs.iter().map(|job| (self.id(), job)).collect();
        enqueue_in(&mut tx, &jobs, ids, now).await?;
        tx.commit().await
    }
}
