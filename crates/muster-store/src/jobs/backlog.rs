//! Many who wait at once: what a full run makes superfluous, and what it does not.

use jiff::Timestamp;
use muster_core::id::RunId;

use crate::error::StoreError;
use crate::history::Write;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// Drops what was asked for by `until` and waits in the person lane: the full run `run`, which began to read then, covers it.
/// Whose record it could not read is looked at again, at `again` if not later: by their id there may be more to see.
pub async fn drop_covered(
    write: &mut Write,
    until: Timestamp,
    run: RunId,
    again: Timestamp,
) -> Result<u64, StoreError> {
    let tenant = write.tenant();
    write
        .tx()
        .execute(
            "UPDATE jobs SET due_at = $3 WHERE tenant_id = $1 AND lane = 'person' AND state = 'waiting' AND due_at < $3
             AND EXISTS (SELECT 1 FROM run_items i WHERE i.tenant_id = $1 AND i.run_id = $2 AND i.okta_user_id = jobs.key
                         AND i.change = 'skip' AND i.problems = 'record_unreadable')",
            &[tenant.into(), run.into(), micros(again).into()],
        )
        .await?;
    // A day that began somewhere is another matter: a full run goes by the day where the tenant lives.
    let sql = "DELETE FROM jobs WHERE tenant_id = $1 AND lane = 'person' AND state = 'waiting' AND asked_at <= $2
               AND cause <> 'start_date' AND NOT EXISTS
                   (SELECT 1 FROM run_items i WHERE i.tenant_id = $1 AND i.run_id = $3 AND i.okta_user_id = jobs.key
                    AND i.change = 'skip' AND i.problems = 'record_unreadable')";
    let dropped =
        write.tx().execute(sql, &[tenant.into(), micros(until).into(), run.into()]).await?;
    // Who was asked for again since waits since then.
    let sql = "UPDATE jobs SET enqueued_at = asked_at WHERE tenant_id = $1 AND lane = 'person' AND state = 'waiting'
               AND enqueued_at <= $2 AND asked_at > $2";
    write.tx().execute(sql, &[tenant.into(), micros(until).into()]).await?;
    Ok(dropped)
}

/// What waits in the person lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// People who are due and whom a full run would read as well.
    pub people: u64,
    /// Since when the first of them waits.
    pub oldest: Option<Timestamp>,
    /// When the last event came by hook.
    pub last_event: Option<Timestamp>,
    /// How many people the newest finished full run read; `None` before there was one.
    pub listed: Option<u64>,
    /// A full run is asked for or under way that has not begun to read, or began after the first of them was asked for.
    pub covered_soon: bool,
    /// The last full run that ended did not see everything, or nothing at all: the next would hardly fare better so soon.
    pub last_failed: bool,
}

impl TenantDb {
    /// What waits in the person lane at `now`; `None` when nothing does.
    pub async fn backlog(&self, now: Timestamp) -> Result<Option<Backlog>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct Row {
            n: i64,
            covered: i64,
            oldest: Option<i64>,
            last_event: Option<i64>,
        }
        let args = [self.id().into(), micros(now).into()];
        let row: Option<Row> = self
            .db()
            .fetch_optional(
                "SELECT COUNT(*) AS n,
                        COUNT(CASE WHEN cause <> 'start_date' THEN 1 END) AS covered,
                        MIN(CASE WHEN cause <> 'start_date' THEN enqueued_at END) AS oldest,
                        (SELECT last_event_at FROM hook_state WHERE tenant_id = $1) AS last_event
                 FROM jobs WHERE tenant_id = $1 AND lane = 'person' AND state = 'waiting' AND due_at <= $2",
                &args,
            )
            .await?;
        let Some(row) = row.filter(|row| row.n > 0) else { return Ok(None) };
        let oldest = row.oldest.and_then(from_micros);
        let full = self.newest_full_run().await?;
        let open = self.open_full_run().await?;
        Ok(Some(Backlog {
            people: u64::try_from(row.covered).unwrap_or(0),
            oldest,
            last_event: row.last_event.and_then(from_micros),
            listed: full.map(|run| run.counts.read),
            covered_soon: open
                .is_some_and(|run| run.read_started_at.is_none_or(|began| oldest <= Some(began))),
            last_failed: self.full_run_failed_last().await?,
        }))
    }
}
