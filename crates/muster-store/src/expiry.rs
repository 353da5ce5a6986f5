//! What is kept only for a while.

use jiff::{SignedDuration, Timestamp};

use crate::error::StoreError;
use crate::history::Write;
use crate::time::micros;

/// How long the reading and the rows of a preview are kept.
const PREVIEWS: SignedDuration = SignedDuration::from_hours(24);

/// Drops what previews that ended more than a day ago had read and found.
pub async fn previews(write: &mut Write, now: Timestamp) -> Result<(), StoreError> {
    let tenant = write.tenant().uuid();
    let args = [tenant.into(), micros(now - PREVIEWS).into()];
    for sql in [
        "DELETE FROM mirror WHERE tenant_id = $1 AND run_id IN (SELECT id FROM runs WHERE tenant_id = $1
             AND kind = 'preview' AND finished_at IS NOT NULL AND finished_at < $2)",
        "DELETE FROM run_items WHERE tenant_id = $1 AND run_id IN (SELECT id FROM runs WHERE tenant_id = $1
             AND kind = 'preview' AND finished_at IS NOT NULL AND finished_at < $2)",
    ] {
        write.tx().execute(sql, &args).await?;
    }
    Ok(())
}
