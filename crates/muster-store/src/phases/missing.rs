//! The missing step: who has access and is not in the listing, and how many there are to compare with.

use jiff::Timestamp;
use muster_core::id::{OktaUserId, RunId};
use muster_core::person::Person;

use crate::error::StoreError;
use crate::history::Write;
use crate::people::{PersonRow, person_columns, person_joins};
use crate::time::micros;

#[derive(sqlx::FromRow)]
struct CountRow {
    n: i64,
}

/// How many people Okta feeds who are not deactivated: what the guard's percentage refers to.
pub async fn with_access(write: &mut Write) -> Result<u64, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<CountRow> = write
        .tx()
        .fetch_all(
            "SELECT COUNT(*) AS n FROM people WHERE tenant_id = $1 AND okta_user_id IS NOT NULL AND status <> 'deactivated'",
            &[tenant.into()],
        )
        .await?;
    Ok(rows.first().map_or(0, |row| u64::try_from(row.n).unwrap_or(0)))
}

/// People with access whom the listing of `run` lacks, after Okta id `after`: nobody observed since the listing began, and
/// nobody whom it named by a record that could not be read.
pub async fn next(
    write: &mut Write,
    run: RunId,
    read_started_at: Timestamp,
    after: &str,
    limit: i64,
) -> Result<Vec<Person>, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<PersonRow> = write
        .tx()
        .fetch_all(
            concat!(
                // First whom the listing lacks, from two indices alone; then the rows of these few.
                "WITH lacking AS MATERIALIZED
                     (SELECT q.okta_user_id FROM people q WHERE q.tenant_id = $1 AND q.okta_user_id > $4
                      AND NOT EXISTS (SELECT 1 FROM mirror m WHERE m.tenant_id = $1 AND m.run_id = $2
                                      AND m.okta_user_id = q.okta_user_id))
                 SELECT ",
                person_columns!(),
                " FROM lacking JOIN people p ON p.tenant_id = $1 AND p.okta_user_id = lacking.okta_user_id ",
                person_joins!(),
                " WHERE p.status <> 'deactivated' AND (p.observed_at IS NULL OR p.observed_at < $3)
                  AND NOT EXISTS (SELECT 1 FROM sightings s WHERE s.tenant_id = $1 AND s.okta_user_id = p.okta_user_id
                                  AND s.observed_at >= $3 AND s.run_id <> $2)
                  AND NOT EXISTS (SELECT 1 FROM run_items i WHERE i.tenant_id = $1 AND i.run_id = $2
                                  AND i.okta_user_id = p.okta_user_id AND i.change = 'skip'
                                  AND i.problems = 'record_unreadable')
                  ORDER BY p.okta_user_id LIMIT $5"
            ),
            &[
                tenant.into(),
                run.uuid().into(),
                micros(read_started_at).into(),
                after.into(),
                limit.into(),
            ],
        )
        .await?;
    rows.into_iter().map(Person::try_from).collect()
}

/// Some people with access whom the directory knows, those of the listing first: to see that a read by id works. Nobody
/// whose removal the run is about: they may well be gone.
pub async fn canaries(
    write: &mut Write,
    run: RunId,
    limit: i64,
) -> Result<Vec<OktaUserId>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        okta_user_id: String,
    }
    let tenant = write.tenant().uuid();
    let args = [tenant.into(), run.uuid().into(), limit.into()];
    let mut rows: Vec<Row> = write
        .tx()
        .fetch_all(
            "SELECT okta_user_id FROM mirror WHERE tenant_id = $1 AND run_id = $2 ORDER BY place LIMIT $3",
            &args,
        )
        .await?;
    if rows.is_empty() {
        rows = write
            .tx()
            .fetch_all(
                "SELECT p.okta_user_id FROM people p WHERE p.tenant_id = $1 AND p.okta_user_id IS NOT NULL
                 AND p.status <> 'deactivated' AND NOT EXISTS
                     (SELECT 1 FROM run_items i WHERE i.tenant_id = p.tenant_id AND i.run_id = $2
                      AND i.okta_user_id = p.okta_user_id AND i.change = 'deactivate')
                 ORDER BY p.okta_user_id LIMIT $3",
                &args,
            )
            .await?;
    }
    rows.into_iter()
        .map(|row| {
            OktaUserId::parse(&row.okta_user_id).map_err(|_| StoreError::BadRow {
                table: "people",
                column: "okta_user_id",
                id: row.okta_user_id,
            })
        })
        .collect()
}
