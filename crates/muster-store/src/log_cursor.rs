//! Where the reading of a tenant's System Log stands.

use jiff::Timestamp;

use crate::error::StoreError;
use crate::history::Write;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// Where the reading stands; all empty before the first one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogCursor {
    /// The next page, as Okta named it.
    pub next_link: Option<String>,
    /// The newest event seen, by Okta's clock.
    pub last_published: Option<Timestamp>,
    pub polled_at: Option<Timestamp>,
    /// `None` while all is well, else the code of what is wrong.
    pub state: Option<String>,
    /// Names the types of events that the next page holds: whoever asks for others cannot go on from there.
    pub types: Option<String>,
}

#[derive(sqlx::FromRow)]
struct CursorRow {
    next_link: Option<String>,
    last_published: Option<i64>,
    polled_at: Option<i64>,
    state: Option<String>,
    types: Option<String>,
}

impl TenantDb {
    /// Where the reading of the System Log stands.
    pub async fn log_cursor(&self) -> Result<LogCursor, StoreError> {
        let sql = "SELECT next_link, last_published, polled_at, state, types FROM log_cursors WHERE tenant_id = $1";
        let row: Option<CursorRow> = self.db().fetch_optional(sql, &[self.id().into()]).await?;
        let cursor = row.map(|row| LogCursor {
            next_link: row.next_link,
            last_published: row.last_published.and_then(from_micros),
            polled_at: row.polled_at.and_then(from_micros),
            state: row.state,
            types: row.types,
        });
        Ok(cursor.unwrap_or_default())
    }
}

/// Stores where the reading stands, in the transaction that stores what was read.
pub async fn save(write: &mut Write, cursor: &LogCursor) -> Result<(), StoreError> {
    let tenant = write.tenant();
    write
        .tx()
        .execute(
            "INSERT INTO log_cursors (tenant_id, next_link, last_published, polled_at, state, types)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id) DO UPDATE SET next_link = excluded.next_link, last_published = excluded.last_published,
                 polled_at = excluded.polled_at, state = excluded.state, types = excluded.types",
            &[
                tenant.into(),
                cursor.next_link.as_deref().into(),
                cursor.last_published.map(micros).into(),
                cursor.polled_at.map(micros).into(),
                cursor.state.as_deref().into(),
                cursor.types.as_deref().into(),
            ],
        )
        .await
        .map(drop)
}
