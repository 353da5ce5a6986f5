//! When single people were last read by their id, whatever came of it.
//!
//! A full run applies pages that it read minutes ago. What a read by id showed meanwhile is newer, and that must be known too
//! when it changed nothing: somebody who is no longer assigned and has no account leaves no other trace.

use jiff::Timestamp;
use muster_core::id::{OktaUserId, RunId};

use crate::db::Arg;
use crate::error::StoreError;
use crate::history::Write;
use crate::tenants::TenantDb;
use crate::time::micros;

/// Somebody was read as out so shortly before (in microseconds) this page of the listing was asked for that Okta may have made
/// the one or the other of what was before.
macro_rules! out_shortly_before {
    () => {
        "(s.is_out AND s.observed_at > m.observed_at - 10000000)"
    };
}

/// Somebody read the person by their id after this page of the listing was asked for; or a little earlier, and they were out.
/// `$2` is the run whose page it is.
macro_rules! seen_since {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM sightings s WHERE s.tenant_id = m.tenant_id AND s.okta_user_id = m.okta_user_id
                     AND s.run_id <> $2 AND (s.observed_at > m.observed_at OR ",
            $crate::sightings::out_shortly_before!(),
            "))"
        )
    };
}
pub(crate) use {out_shortly_before, seen_since};

/// A read of one person by their id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    pub okta_user_id: String,
    /// When Okta was asked.
    pub at: Timestamp,
    /// They were not assigned, or their status was out.
    pub is_out: bool,
}

/// Notes what `run` read by id. An older read never takes the place of a newer one.
pub async fn note(write: &mut Write, run: RunId, sightings: &[Sighting]) -> Result<(), StoreError> {
    let tenant = write.tenant();
    let rows: Vec<Arg<'_>> = sightings
        .iter()
        .flat_map(|one| {
            [
                tenant.into(),
                one.okta_user_id.as_str().into(),
                micros(one.at).into(),
                one.is_out.into(),
                run.into(),
            ]
        })
        .collect();
    write
        .tx()
        .execute_rows(
            5,
            &rows,
            "INSERT INTO sightings (tenant_id, okta_user_id, observed_at, is_out, run_id)
             SELECT column1, column2, column3, column4, column5 FROM v WHERE column1 IS NOT NULL
             ON CONFLICT (tenant_id, okta_user_id) DO UPDATE SET observed_at = excluded.observed_at,
                 is_out = excluded.is_out, run_id = excluded.run_id
             WHERE excluded.observed_at >= sightings.observed_at",
        )
        .await
        .map(drop)
}

/// Forgets reads of before `began`: no run under way goes by pages that old.
pub async fn forget(write: &mut Write, began: Timestamp) -> Result<(), StoreError> {
    let sql = "DELETE FROM sightings WHERE tenant_id = $1 AND observed_at < $2";
    let args = [write.tenant().into(), micros(began).into()];
    write.tx().execute(sql, &args).await.map(drop)
}

impl TenantDb {
    /// Whether somebody was read by their id since then, and was in.
    pub async fn was_seen_in(
        &self,
        user: &OktaUserId,
        since: Timestamp,
    ) -> Result<bool, StoreError> {
        #[derive(sqlx::FromRow)]
        struct CountRow {
            n: i64,
        }
        let sql = "SELECT COUNT(*) AS n FROM sightings
                   WHERE tenant_id = $1 AND okta_user_id = $2 AND observed_at > $3 AND NOT is_out";
        let args = [self.id().into(), user.into(), micros(since).into()];
        let row: Option<CountRow> = self.db().fetch_optional(sql, &args).await?;
        Ok(row.is_some_and(|row| row.n > 0))
    }
}

/// Whom `run` left alone because they had been read as out shortly before their page was asked for: Okta may have made the page
/// of what was before, or the read. Somebody must look once more.
pub async fn in_doubt(write: &mut Write, run: RunId) -> Result<Vec<OktaUserId>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct DoubtRow {
        okta_user_id: String,
    }
    let tenant = write.tenant();
    let sql = concat!(
        "SELECT s.okta_user_id FROM sightings s
         JOIN mirror m ON m.tenant_id = s.tenant_id AND m.okta_user_id = s.okta_user_id AND m.run_id = $2
         WHERE s.tenant_id = $1 AND s.run_id <> $2 AND s.observed_at <= m.observed_at AND ",
        out_shortly_before!(),
        " ORDER BY s.okta_user_id"
    );
    let rows: Vec<DoubtRow> = write.tx().fetch_all(sql, &[tenant.into(), run.into()]).await?;
    Ok(rows.into_iter().filter_map(|row| OktaUserId::parse(&row.okta_user_id).ok()).collect())
}
