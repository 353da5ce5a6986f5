//! Those whom a listing names by a record that cannot be read: items of the run, each with the one problem
//! `record_unreadable`.

use muster_core::id::RunId;
use muster_core::problem::ProblemCode;

use crate::error::StoreError;
use crate::history::Write;

#[derive(sqlx::FromRow)]
struct CountRow {
    n: i64,
}

/// How many people are noted as unreadable so far.
pub async fn count(write: &mut Write, run: RunId) -> Result<u64, StoreError> {
    let args = [write.tenant().into(), run.into(), ProblemCode::RecordUnreadable.name().into()];
    let row: Option<CountRow> = write
        .tx()
        .fetch_optional(
            "SELECT COUNT(*) AS n FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND change = 'skip'
             AND problems = $3",
            &args,
        )
        .await?;
    Ok(row.map_or(0, |row| u64::try_from(row.n).unwrap_or(0)))
}

/// How many people of a listing just read could not be read at all. Whoever could be read on another page is forgotten here.
pub async fn settle(write: &mut Write, run: RunId) -> Result<u64, StoreError> {
    let noted = count(write, run).await?;
    if noted == 0 {
        return Ok(0);
    }
    let args = [write.tenant().into(), run.into(), ProblemCode::RecordUnreadable.name().into()];
    let read = write
        .tx()
        .execute(
            "DELETE FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND change = 'skip' AND problems = $3 AND EXISTS
                 (SELECT 1 FROM mirror m WHERE m.tenant_id = $1 AND m.run_id = $2
                  AND m.okta_user_id = run_items.okta_user_id)",
            &args,
        )
        .await?;
    Ok(noted.saturating_sub(read))
}

/// The first `limit` of them in the order of their Okta ids: what to call each, and what is wrong with the record.
pub async fn named(
    write: &mut Write,
    run: RunId,
    limit: i64,
) -> Result<Vec<(String, String)>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        label: String,
        reason: String,
    }
    let code = ProblemCode::RecordUnreadable.name();
    let args = [write.tenant().into(), run.into(), code.into(), limit.into()];
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            "SELECT label, reason FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND change = 'skip' AND problems = $3
             ORDER BY okta_user_id LIMIT $4",
            &args,
        )
        .await?;
    Ok(rows.into_iter().map(|row| (row.label, row.reason)).collect())
}
