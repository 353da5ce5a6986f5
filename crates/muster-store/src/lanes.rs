//! Lanes: one job at a time for a tenant, by a lease that only saves waiting. Safety rests on the claim number: whoever
//! lost the lane writes nothing, however late they wake up.

use jiff::{SignedDuration, Timestamp};
use muster_core::id::{RunId, TenantId};
use muster_core::problem::{Problem, ProblemCode, hint};
use muster_core::run::{RunKind, RunState};
use uuid::Uuid;

use crate::db::Arg;
use crate::error::StoreError;
use crate::history::Write;
use crate::jobs::{self, Job, Retry};
use crate::runs::{self, NewRun, Run};
use crate::tenants::TenantDb;
use crate::time::micros;

/// A run that nobody worked on for so long is not gone on with: what it read of Okta is too old to be applied.
const FORSAKEN: SignedDuration = SignedDuration::from_hours(1);

/// A run of single people whose workers die so often is taken apart, …
const DEATHS_MAX: i64 = 5;
/// … and whom it was about waits for so long.
const ASIDE: SignedDuration = SignedDuration::from_mins(15);
/// … and each of them so much longer than the one before.
const APART: SignedDuration = SignedDuration::from_secs(5);

/// The lane of full runs and previews.
pub const BULK: &str = "bulk";

/// Proof that its holder works on a lane, as long as nobody else claimed it since.
#[derive(Debug, Clone)]
pub struct Claim {
    lane: &'static str,
    run: RunId,
    number: i64,
}

impl Claim {
    /// The run that the lane works on.
    pub fn run(&self) -> RunId {
        self.run
    }
}

#[derive(sqlx::FromRow)]
struct LaneRow {
    claim: i64,
    run_id: Option<Uuid>,
    lease_until: i64,
}

impl TenantDb {
    /// Takes the lane for `owner` until `lease_until`, if nobody's lease on it still runs and there is work: the run that
    /// was left unfinished, else the oldest one queued.
    pub async fn claim_lane(
        &self,
        lane: &'static str,
        owner: &str,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Claim>, StoreError> {
        let mut write = self.write(now).await?;
        let Some(free) = free(&mut write, lane).await? else { return Ok(None) };
        let run = match free.left {
            Some(run) => Some(run),
            None => oldest_queued(&mut write).await?,
        };
        let Some(run) = run else {
            // A run that was stopped stays so.
            write.commit().await?;
            return Ok(None);
        };
        let claim = occupy(&mut write, lane, free.number, run, owner, lease_until).await?;
        write.commit().await?;
        Ok(Some(claim))
    }

    /// Takes the person lane for `owner`, with the most urgent people who wait, `limit` at most: those of a run that was left
    /// unfinished, else those of `new`, which begins with them.
    pub async fn claim_people(
        &self,
        new: &NewRun,
        owner: &str,
        lease_until: Timestamp,
        limit: i64,
        now: Timestamp,
    ) -> Result<Option<(Claim, Vec<Job>)>, StoreError> {
        let mut write = self.write(now).await?;
        let Some(free) = free(&mut write, jobs::PERSON).await? else { return Ok(None) };
        let left = match free.left {
            Some(run) => left_people(&mut write, run).await?,
            None => None,
        };
        let (run, taken) = if let Some(left) = left {
            left
        } else {
            let taken = jobs::take(&mut write, jobs::PERSON, new.id, limit).await?;
            let Some(first) = taken.first() else {
                // Whoever was stopped or put aside stays so.
                write.commit().await?;
                return Ok(None);
            };
            runs::insert(&mut write, &NewRun { cause: first.cause, ..new.clone() }).await?;
            (new.id, taken)
        };
        let claim = occupy(&mut write, jobs::PERSON, free.number, run, owner, lease_until).await?;
        write.commit().await?;
        Ok(Some((claim, taken)))
    }

    /// Whether a run of single people is open: somebody is at it, or was until they died.
    pub async fn is_reading_people(&self) -> Result<bool, StoreError> {
        #[derive(sqlx::FromRow)]
        struct OpenRow {
            n: i64,
        }
        let sql = "SELECT COUNT(*) AS n FROM runs WHERE tenant_id = $1 AND kind = 'person' AND state IN ('queued', 'running')";
        let row: Option<OpenRow> = self.db().fetch_optional(sql, &[self.id().into()]).await?;
        Ok(row.is_some_and(|row| row.n > 0))
    }

    /// Begins a step of the claimed run: locks the tenant, makes sure that the claim still stands and extends its lease.
    ///
    /// # Errors
    ///
    /// [`StoreError::ClaimLost`] when somebody else took over; nothing may be written then.
    pub async fn step(
        &self,
        claim: &Claim,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let mut write = self.write(now).await?;
        let kept = write
            .tx()
            .execute(
                // Whoever slept for long has old pages, too: their run is stopped, by whoever looks next.
                "UPDATE lanes SET lease_until = $4 WHERE tenant_id = $1 AND lane = $2 AND claim = $3 AND run_id = $5
                 AND lease_until >= $6",
                &[
                    self.id().into(),
                    claim.lane.into(),
                    claim.number.into(),
                    micros(lease_until).into(),
                    claim.run.uuid().into(),
                    micros(now - FORSAKEN).into(),
                ],
            )
            .await?;
        if kept == 1 { Ok(write) } else { Err(StoreError::ClaimLost) }
    }

    /// Extends the lease while nothing is written, in a long wait for Okta say.
    pub async fn renew(
        &self,
        claim: &Claim,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.step(claim, lease_until, now).await?.commit().await
    }

    /// Whether a lease on the lane still runs.
    pub async fn lane_busy(&self, lane: &'static str, now: Timestamp) -> Result<bool, StoreError> {
        let row: Option<LaneRow> = self
            .db()
            .fetch_optional(
                "SELECT claim, run_id, lease_until FROM lanes WHERE tenant_id = $1 AND lane = $2",
                &[self.id().into(), lane.into()],
            )
            .await?;
        Ok(row.is_some_and(|row| row.lease_until > micros(now)))
    }
}

/// Whom a run was about whose worker went away. When that happens again and again one of them may be the reason: they are put
/// aside for a while, and others come first.
async fn left_people(
    write: &mut Write,
    run: RunId,
) -> Result<Option<(RunId, Vec<Job>)>, StoreError> {
    let people = jobs::taken(write, run).await?;
    let Some(mut left) = runs::load(write, run).await? else { return Ok(None) };
    left.restarts += 1;
    if left.restarts < DEATHS_MAX {
        runs::save(write, &left).await?;
        return Ok(Some((run, people)));
    }
    let error = "whoever read them died";
    // One after the other, so that the others do not die with the one again.
    let mut due_at = write.now() + ASIDE;
    let mut later = Vec::new();
    for job in &people {
        later.push(Retry { id: job.id, due_at, error: error.to_owned() });
        due_at += APART;
    }
    jobs::retry(write, &later).await?;
    stop(write, left, "its worker died again and again").await?;
    Ok(None)
}

/// A lane that nobody works on.
struct Free {
    /// The number of the next claim.
    number: i64,
    /// The run that its last worker left unfinished.
    left: Option<RunId>,
}

/// Whether the vendor's switch is on for the tenant: while it is off nothing is done.
async fn is_on(write: &mut Write) -> Result<bool, StoreError> {
    #[derive(sqlx::FromRow)]
    struct OnRow {
        okta_enabled: bool,
    }
    let tenant = write.tenant();
    let sql = "SELECT okta_enabled FROM tenants WHERE id = $1";
    let row: Option<OnRow> = write.tx().fetch_optional(sql, &[tenant.into()]).await?;
    Ok(row.is_some_and(|row| row.okta_enabled))
}

async fn free(write: &mut Write, lane: &'static str) -> Result<Option<Free>, StoreError> {
    if !is_on(write).await? {
        return Ok(None);
    }
    stop_forsaken(write, lane).await?;
    let (tenant, now) = (write.tenant(), write.now());
    let row: Option<LaneRow> = write
        .tx()
        .fetch_optional(
            "SELECT claim, run_id, lease_until FROM lanes WHERE tenant_id = $1 AND lane = $2",
            &[tenant.into(), lane.into()],
        )
        .await?;
    if row.as_ref().is_some_and(|row| row.lease_until > micros(now)) {
        return Ok(None);
    }
    let left = match row.as_ref().and_then(|row| row.run_id) {
        Some(id) => runs::load(write, RunId::new(id)).await?.filter(Run::is_open),
        None => None,
    };
    let number = row.map_or(0, |row| row.claim) + 1;
    Ok(Some(Free { number, left: left.map(|run| run.id) }))
}

/// Ends the run that the lane's last worker left unfinished, if that was too long ago.
pub(crate) async fn stop_forsaken(write: &mut Write, lane: &'static str) -> Result<(), StoreError> {
    #[derive(sqlx::FromRow)]
    struct LeftRow {
        run_id: Uuid,
    }
    let args = [write.tenant().into(), lane.into(), micros(write.now() - FORSAKEN).into()];
    let sql = "SELECT l.run_id FROM lanes l JOIN runs r ON r.tenant_id = l.tenant_id AND r.id = l.run_id
               WHERE l.tenant_id = $1 AND l.lane = $2 AND l.lease_until < $3 AND r.state IN ('queued', 'running')";
    let left: Option<LeftRow> = write.tx().fetch_optional(sql, &args).await?;
    let Some(left) = left else { return Ok(()) };
    let Some(run) = runs::load(write, RunId::new(left.run_id)).await? else { return Ok(()) };
    stop(write, run, "nobody worked on it for more than an hour").await
}

/// Ends a run that is not to go on. Whom it was about waits again.
async fn stop(write: &mut Write, mut run: Run, why: &str) -> Result<(), StoreError> {
    let people: Vec<_> = jobs::taken(write, run.id).await?.iter().map(|job| job.id).collect();
    jobs::hand_back(write, &people).await?;
    run.note(Problem {
        code: ProblemCode::RunStopped,
        people: 0,
        hint: hint(ProblemCode::RunStopped, why),
    });
    run.state = RunState::Failed;
    run.finished_at = Some(write.now());
    runs::save(write, &run).await
}

/// Ends all runs of the tenant that are open, and takes the lanes from whoever works on them.
pub(crate) async fn stop_all(write: &mut Write, why: &str) -> Result<(), StoreError> {
    for run in runs::open(write).await? {
        stop(write, run, why).await?;
    }
    let sql = "UPDATE lanes SET claim = claim + 1, run_id = NULL, owner = NULL, lease_until = 0
               WHERE tenant_id = $1 AND run_id IS NOT NULL";
    let tenant = write.tenant();
    write.tx().execute(sql, &[tenant.into()]).await.map(drop)
}

async fn occupy(
    write: &mut Write,
    lane: &'static str,
    number: i64,
    run: RunId,
    owner: &str,
    lease_until: Timestamp,
) -> Result<Claim, StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    write
        .tx()
        .execute(
            "INSERT INTO lanes (tenant_id, lane, claim, run_id, owner, lease_until) VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id, lane) DO UPDATE SET claim = excluded.claim, run_id = excluded.run_id,
                 owner = excluded.owner, lease_until = excluded.lease_until",
            &[
                tenant.into(),
                lane.into(),
                number.into(),
                run.uuid().into(),
                owner.into(),
                micros(lease_until).into(),
            ],
        )
        .await?;
    write
        .tx()
        .execute(
            "UPDATE runs SET state = 'running', started_at = COALESCE(started_at, $3) WHERE tenant_id = $1 AND id = $2",
            &[tenant.into(), run.uuid().into(), micros(now).into()],
        )
        .await?;
    Ok(Claim { lane, run, number })
}

async fn oldest_queued(write: &mut Write) -> Result<Option<RunId>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct IdRow {
        id: Uuid,
    }
    let tenant: TenantId = write.tenant();
    let row: Option<IdRow> = write
        .tx()
        .fetch_optional(
            "SELECT id FROM runs WHERE tenant_id = $1 AND state IN ('queued', 'running') AND kind <> $2
             ORDER BY queued_at, id LIMIT 1",
            &[tenant.uuid().into(), RunKind::Person.as_str().into()],
        )
        .await?;
    Ok(row.map(|row| RunId::new(row.id)))
}

/// Gives the lane free, in the transaction that finishes its run.
pub async fn release(write: &mut Write, claim: &Claim) -> Result<(), StoreError> {
    let tenant: TenantId = write.tenant();
    write
        .tx()
        .execute(
            "UPDATE lanes SET run_id = NULL, owner = NULL, lease_until = 0 WHERE tenant_id = $1 AND lane = $2 AND claim = $3",
            &[tenant.uuid().into(), claim.lane.into(), Arg::Int(Some(claim.number))],
        )
        .await
        .map(drop)
}
