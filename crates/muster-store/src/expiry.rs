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

/// How long an alarm is known after it ended.
const ALARMS: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Drops alarms that ended long ago.
pub async fn alarms(write: &mut Write, now: Timestamp) -> Result<(), StoreError> {
    let args = [write.tenant().into(), micros(now - ALARMS).into()];
    let sql = "DELETE FROM alarms WHERE tenant_id = $1 AND cleared_at < $2";
    write.tx().execute(sql, &args).await.map(drop)
}

macro_rules! old_person_runs {
    () => {
        "FROM runs WHERE tenant_id = $1 AND kind = 'person' AND finished_at < $2
         AND state IN ('done', 'incomplete', 'failed', 'discarded')"
    };
}

/// Drops events that arrived before `before` and need nothing any more, bodies kept aside since then, and runs of single people that
/// ended by then and hold nothing: what they changed is in the history.
///
/// A copy of an event that was dropped costs one read more than it need.
pub async fn events(write: &mut Write, before: Timestamp) -> Result<(), StoreError> {
    let args = [write.tenant().uuid().into(), micros(before).into()];
    for sql in [
        "DELETE FROM okta_events WHERE tenant_id = $1 AND COALESCE(hook_at, logged_at) < $2
             AND (applied_at IS NOT NULL OR kind IS NULL)",
        "DELETE FROM hook_asides WHERE tenant_id = $1 AND at < $2",
        concat!(
            "DELETE FROM mirror WHERE tenant_id = $1 AND run_id IN (SELECT id ",
            old_person_runs!(),
            ")"
        ),
        concat!(
            "DELETE FROM run_items WHERE tenant_id = $1 AND run_id IN (SELECT id ",
            old_person_runs!(),
            ")"
        ),
        concat!("DELETE ", old_person_runs!()),
    ] {
        write.tx().execute(sql, &args).await?;
    }
    Ok(())
}
