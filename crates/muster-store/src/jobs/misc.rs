//! The lane of short jobs: one at a time for a tenant, by the same lease and number as the lanes of runs.

use jiff::Timestamp;
use muster_core::id::TenantId;

use super::{Back, Job, JobRow, MISC, bury_in, delete, put_back, read, select_jobs};
use crate::db::{Arg, Tx};
use crate::dialect::Sql;
use crate::error::StoreError;
use crate::history::Write;
use crate::tenants::TenantDb;
use crate::time::micros;

/// A job whose workers die again and again is given up: it may be what kills them.
pub const DEATHS_MAX: i64 = 5;

const DIED: &str = "whoever worked on it died";

/// A job that its holder works on, as long as nobody else claimed the lane since.
#[derive(Debug, Clone)]
pub struct MiscClaim {
    number: i64,
    pub job: Job,
}

/// How the work on a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Done,
    /// It is tried again.
    Retry {
        due_at: Timestamp,
        error: String,
    },
    /// Nothing but a person can help.
    GivenUp {
        error: String,
    },
    /// It was not begun, or may be begun anew.
    HandedBack,
}

#[derive(sqlx::FromRow)]
struct LaneRow {
    claim: i64,
    lease_until: i64,
}

impl TenantDb {
    /// Takes the lane for `owner` until `lease_until` and the most urgent job that is due and of one of `kinds`, unless
    /// somebody's lease still runs. What another one left is put back first.
    pub async fn claim_misc(
        &self,
        kinds: &[&'static str],
        owner: &str,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<MiscClaim>, StoreError> {
        let mut tx = self.db().begin().await?;
        let lane = lock(&mut tx, self.id()).await?;
        if lane.lease_until > micros(now) {
            return Ok(None);
        }
        let left = self.put_back_left(&mut tx).await?;
        let Some(mut job) = next(&mut tx, self.id(), kinds, now).await? else {
            if left {
                tx.commit().await?;
            }
            return Ok(None);
        };
        let number = lane.claim + 1;
        tx.execute(
            "UPDATE jobs SET state = 'taken', attempts = attempts + 1 WHERE tenant_id = $1 AND id = $2",
            &[self.id().into(), job.id.into()],
        )
        .await?;
        tx.execute(
            "UPDATE lanes SET claim = $3, run_id = NULL, owner = $4, lease_until = $5 WHERE tenant_id = $1 AND lane = $2",
            &[
                self.id().into(),
                MISC.into(),
                number.into(),
                owner.into(),
                micros(lease_until).into(),
            ],
        )
        .await?;
        tx.commit().await?;
        job.attempts += 1;
        Ok(Some(MiscClaim { number, job }))
    }

    /// Jobs of a worker that died. Says whether there were any.
    async fn put_back_left(&self, tx: &mut Tx) -> Result<bool, StoreError> {
        let sql = select_jobs!("WHERE tenant_id = $1 AND lane = $2 AND state = 'taken'");
        let rows: Vec<JobRow> = tx.fetch_all(sql, &[self.id().into(), MISC.into()]).await?;
        let left = read(rows)?;
        let deadly = |job: &&Job| {
            job.attempts >= DEATHS_MAX && job.error.as_deref().is_none_or(|error| error == DIED)
        };
        let (dead, back): (Vec<_>, Vec<_>) = left.iter().partition(deadly);
        let dead: Vec<_> = dead.into_iter().map(|job| (job.id, DIED.to_owned())).collect();
        bury_in(tx, self.id(), &dead).await?;
        let back: Vec<_> = back
            .into_iter()
            .map(|job| Back { id: job.id, due_at: None, error: Some(DIED), forgive: 0 })
            .collect();
        put_back(tx, self.id(), &back).await?;
        Ok(!left.is_empty())
    }

    /// Extends the lease.
    ///
    /// # Errors
    ///
    /// [`StoreError::ClaimLost`] when somebody else took over.
    pub async fn renew_misc(
        &self,
        claim: &MiscClaim,
        lease_until: Timestamp,
    ) -> Result<(), StoreError> {
        let sql =
            "UPDATE lanes SET lease_until = $4 WHERE tenant_id = $1 AND lane = $2 AND claim = $3";
        let args = [self.id().into(), MISC.into(), claim.number.into(), micros(lease_until).into()];
        let kept = self.db().execute(sql, &args).await?;
        if kept == 1 { Ok(()) } else { Err(StoreError::ClaimLost) }
    }

    /// Ends the work on a job and gives the lane free.
    ///
    /// # Errors
    ///
    /// [`StoreError::ClaimLost`] when somebody else took over; theirs is the job now.
    pub async fn end_misc(&self, claim: &MiscClaim, ending: &Ending) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        let sql = "UPDATE lanes SET lease_until = 0, owner = NULL WHERE tenant_id = $1 AND lane = $2 AND claim = $3";
        let args = [self.id().into(), MISC.into(), claim.number.into()];
        if tx.execute(sql, &args).await? != 1 {
            return Err(StoreError::ClaimLost);
        }
        let id = claim.job.id;
        match ending {
            Ending::Done => delete(&mut tx, self.id(), &[id]).await?,
            Ending::Retry { due_at, error } => {
                let back = Back { id, due_at: Some(*due_at), error: Some(error), forgive: 0 };
                put_back(&mut tx, self.id(), &[back]).await?;
            }
            Ending::GivenUp { error } => {
                bury_in(&mut tx, self.id(), &[(id, error.clone())]).await?;
            }
            Ending::HandedBack => {
                let back = Back { id, due_at: None, error: None, forgive: 1 };
                put_back(&mut tx, self.id(), &[back]).await?;
            }
        }
        tx.commit().await
    }
}

/// Makes sure, inside a change, that the claim still stands: whoever lost it writes nothing.
pub async fn stands(write: &mut Write, claim: &MiscClaim) -> Result<(), StoreError> {
    let tenant = write.tenant();
    let lane = lock(write.tx(), tenant).await?;
    if lane.claim == claim.number { Ok(()) } else { Err(StoreError::ClaimLost) }
}

async fn lock(tx: &mut Tx, tenant: TenantId) -> Result<LaneRow, StoreError> {
    let sql = Sql::differing(
        "SELECT claim, lease_until FROM lanes WHERE tenant_id = $1 AND lane = $2",
        "SELECT claim, lease_until FROM lanes WHERE tenant_id = $1 AND lane = $2 FOR UPDATE",
    );
    let args = [tenant.into(), MISC.into()];
    if let Some(row) = tx.fetch_optional::<LaneRow>(sql, &args).await? {
        return Ok(row);
    }
    let insert = "INSERT INTO lanes (tenant_id, lane, claim, lease_until) VALUES ($1, $2, 0, 0) ON CONFLICT DO NOTHING";
    tx.execute(insert, &args).await?;
    let row = tx.fetch_optional::<LaneRow>(sql, &args).await?;
    row.ok_or(StoreError::ClaimLost)
}

async fn next(
    tx: &mut Tx,
    tenant: TenantId,
    kinds: &[&'static str],
    now: Timestamp,
) -> Result<Option<Job>, StoreError> {
    let rows: Vec<Arg<'_>> =
        kinds.iter().flat_map(|kind| [tenant.into(), (*kind).into(), micros(now).into()]).collect();
    let due: Vec<JobRow> = tx
        .fetch_rows(
            3,
            &rows,
            "SELECT j.id, j.lane, j.kind, j.key, j.priority, j.due_at, j.attempts, j.enqueued_at, j.cause, j.event_id, j.error
             FROM v JOIN jobs j ON j.tenant_id = v.column1 AND j.kind = v.column2 AND j.due_at <= v.column3
             WHERE v.column1 IS NOT NULL AND j.lane = 'misc' AND j.state = 'waiting'
             ORDER BY j.priority, j.due_at, j.id LIMIT 1",
        )
        .await?;
    Ok(read(due)?.into_iter().next())
}
