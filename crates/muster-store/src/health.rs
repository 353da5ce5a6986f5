//! How Okta answered a tenant last: since when it does not, if it does not.

use jiff::Timestamp;

use crate::error::StoreError;
use crate::history::Write;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// How Okta answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OktaHealth {
    /// When it last answered as it should.
    pub ok_at: Option<Timestamp>,
    /// Since when it does not; `None` when the last call was answered.
    pub failing_since: Option<Timestamp>,
    /// The code of what went wrong last.
    pub failure: Option<String>,
}

impl TenantDb {
    /// How Okta answered this tenant last.
    pub async fn okta_health(&self) -> Result<OktaHealth, StoreError> {
        #[derive(sqlx::FromRow)]
        struct HealthRow {
            ok_at: Option<i64>,
            failing_since: Option<i64>,
            failure: Option<String>,
        }
        let sql = "SELECT ok_at, failing_since, failure FROM okta_health WHERE tenant_id = $1";
        let row: Option<HealthRow> = self.db().fetch_optional(sql, &[self.id().into()]).await?;
        Ok(row.map_or_else(OktaHealth::default, |row| OktaHealth {
            ok_at: row.ok_at.and_then(from_micros),
            failing_since: row.failing_since.and_then(from_micros),
            failure: row.failure,
        }))
    }
}

/// Notes that Okta answered as it should.
pub async fn answered(write: &mut Write) -> Result<(), StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    write
        .tx()
        .execute(
            "INSERT INTO okta_health (tenant_id, ok_at) VALUES ($1, $2)
             ON CONFLICT (tenant_id) DO UPDATE SET ok_at = excluded.ok_at, failing_since = NULL, failure = NULL",
            &[tenant.into(), micros(now).into()],
        )
        .await
        .map(drop)
}

/// Notes that it did not, for the reason with this code.
pub async fn failed(write: &mut Write, code: &str) -> Result<(), StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    write
        .tx()
        .execute(
            "INSERT INTO okta_health (tenant_id, failing_since, failure) VALUES ($1, $2, $3)
             ON CONFLICT (tenant_id) DO UPDATE
                 SET failing_since = COALESCE(okta_health.failing_since, excluded.failing_since), failure = excluded.failure",
            &[tenant.into(), micros(now).into(), code.into()],
        )
        .await
        .map(drop)
}
