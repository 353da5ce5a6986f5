//! Jobs that were given up.

use jiff::Timestamp;
use muster_core::id::JobId;

use super::{Job, MISC, delete, read, select_jobs};
use crate::db::Arg;
use crate::error::StoreError;
use crate::tenants::TenantDb;
use crate::time::micros;

impl TenantDb {
    /// What was given up, the newest first.
    pub async fn dead_jobs(&self, limit: i64) -> Result<Vec<Job>, StoreError> {
        let sql = select_jobs!("WHERE tenant_id = $1 AND state = 'dead' ORDER BY id DESC LIMIT $2");
        read(self.db().fetch_all(sql, &[self.id().into(), limit.into()]).await?)
    }

    /// Has another try at what was given up; says how many jobs wait again.
    pub async fn retry_dead(&self, ids: &[JobId], now: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.db().begin().await?;
        let rows: Vec<Arg<'_>> = ids
            .iter()
            .flat_map(|id| [self.id().into(), (*id).into(), micros(now).into()])
            .collect();
        // What waits already needs no second one.
        tx.execute_rows(
            3,
            &rows,
            "DELETE FROM jobs WHERE (tenant_id, id) IN
                 (SELECT t.tenant_id, t.id FROM v JOIN jobs t ON t.tenant_id = v.column1 AND t.id = v.column2
                  JOIN jobs w ON w.tenant_id = t.tenant_id AND w.kind = t.kind AND w.key = t.key AND w.state = 'waiting'
                  WHERE v.column1 IS NOT NULL AND t.state = 'dead')",
        )
        .await?;
        let again = tx
            .execute_rows(
                3,
                &rows,
                "UPDATE jobs SET state = 'waiting', attempts = 0, due_at = v.column3 FROM v
                 WHERE v.column1 IS NOT NULL AND jobs.tenant_id = v.column1 AND jobs.id = v.column2 AND jobs.state = 'dead'",
            )
            .await?;
        tx.commit().await?;
        Ok(again)
    }

    /// Forgets what was given up.
    pub async fn drop_dead(&self, ids: &[JobId]) -> Result<(), StoreError> {
        let mut tx = self.db().begin().await?;
        delete(&mut tx, self.id(), ids).await?;
        tx.commit().await
    }

    /// Jobs of the lane [`MISC`] that wait, for people who look.
    pub async fn misc_jobs(&self, limit: i64) -> Result<Vec<Job>, StoreError> {
        let sql = select_jobs!(
            "WHERE tenant_id = $1 AND lane = $2 AND state = 'waiting' ORDER BY priority, due_at, id LIMIT $3"
        );
        read(self.db().fetch_all(sql, &[self.id().into(), MISC.into(), limit.into()]).await?)
    }
}
