//! What the clock needs to know of a tenant, and how what it sets off happens once among several processes.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use muster_core::id::{OktaUserId, TenantId};
use muster_core::schedule::{Past, Tick};
use uuid::Uuid;

use crate::db::{Arg, Db};
use crate::error::StoreError;
use crate::history::Write;
use crate::runs::{self, Join, NewRun, Requested};
use crate::tenants::TenantDb;
use crate::time::{days, from_days, from_micros, micros};

/// A run further ahead than this was asked for under a wrong clock, and tells nothing. Clocks of several nodes differ less.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(1);

/// All that the clock needs to know of one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scheduled {
    pub tenant: TenantId,
    pub past: Past,
    pub rules_revision: i64,
    /// The rules in force, as TOML.
    pub rules: String,
    /// The moment for which each tick last fired.
    pub start_dates: Option<Timestamp>,
    pub expiry: Option<Timestamp>,
}

/// Somebody whose plan changes with a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DuePerson {
    pub okta_user_id: OktaUserId,
    /// The day from which on it does.
    pub day: Date,
    /// The zone of the place where they work, if it has one.
    pub zone: Option<String>,
}

#[derive(sqlx::FromRow)]
struct ScheduledRow {
    id: Uuid,
    since: i64,
    attention: Option<String>,
    started_at: Option<i64>,
    failures: i64,
    open: i64,
    rules_revision: i64,
    rules: String,
    start_dates: Option<i64>,
    expiry: Option<i64>,
}

/// Tenants that are connected and switched on, with all that [`Scheduled`] has. `$1` is the moment after which a run was
/// asked for under a wrong clock.
macro_rules! select_scheduled {
    ($rest:literal) => {
        concat!(
            "SELECT t.id, s.set_at AS since, c.attention, t.rules_revision, ru.body AS rules,
                    (SELECT MAX(r.queued_at) FROM runs r WHERE r.tenant_id = t.id AND r.kind = 'full' AND r.approves IS NULL
                         AND r.queued_at <= $1) AS started_at,
                    (SELECT COUNT(*) FROM runs r WHERE r.tenant_id = t.id AND r.kind = 'full' AND r.approves IS NULL
                         AND r.queued_at <= $1 AND r.state IN ('incomplete', 'failed') AND r.queued_at > COALESCE(
                             (SELECT MAX(d.queued_at) FROM runs d WHERE d.tenant_id = t.id AND d.kind = 'full'
                                  AND d.approves IS NULL AND d.state IN ('done', 'held', 'discarded')), 0)) AS failures,
                    (SELECT COUNT(*) FROM runs r WHERE r.tenant_id = t.id AND r.kind = 'full' AND r.approves IS NULL
                         AND r.state IN ('queued', 'running')) AS open,
                    (SELECT k.fired_for FROM ticks k WHERE k.tenant_id = t.id AND k.tick = 'start_dates') AS start_dates,
                    (SELECT k.fired_for FROM ticks k WHERE k.tenant_id = t.id AND k.tick = 'expiry') AS expiry
             FROM tenants t
             JOIN okta_connections c ON c.tenant_id = t.id AND c.api_url IS NOT NULL AND c.client_id IS NOT NULL
             JOIN secrets s ON s.tenant_id = t.id AND s.field = 'api_token'
             JOIN rules ru ON ru.tenant_id = t.id AND ru.revision = t.rules_revision
             WHERE t.okta_enabled ",
            $rest
        )
    };
}

impl TryFrom<ScheduledRow> for Scheduled {
    type Error = StoreError;
    fn try_from(row: ScheduledRow) -> Result<Self, StoreError> {
        let tenant = TenantId::new(row.id);
        let bad = |column| StoreError::BadRow { table: "tenants", column, id: tenant.to_string() };
        let past = Past {
            since: from_micros(row.since).ok_or_else(|| bad("since"))?,
            started: row.started_at.and_then(from_micros),
            failures: u32::try_from(row.failures).unwrap_or(u32::MAX),
            open: row.open > 0,
            blocked: row.attention.is_some(),
        };
        Ok(Self {
            tenant,
            past,
            rules_revision: row.rules_revision,
            rules: row.rules,
            start_dates: row.start_dates.and_then(from_micros),
            expiry: row.expiry.and_then(from_micros),
        })
    }
}

fn not_after(now: Timestamp) -> i64 {
    micros(now.checked_add(CLOCKS_DIFFER).unwrap_or(Timestamp::MAX))
}

impl Db {
    /// Every tenant for which something may fall due by the clock: connected, and switched on.
    pub async fn scheduled(&self, now: Timestamp) -> Result<Vec<Scheduled>, StoreError> {
        let sql = select_scheduled!("ORDER BY t.id");
        let rows: Vec<ScheduledRow> = self.fetch_all(sql, &[not_after(now).into()]).await?;
        rows.into_iter().map(Scheduled::try_from).collect()
    }
}

impl TenantDb {
    /// What the clock goes by for this tenant; `None` while it is not connected or switched off.
    pub async fn scheduled(&self, now: Timestamp) -> Result<Option<Scheduled>, StoreError> {
        let args = [not_after(now).into(), self.id().into()];
        let row: Option<ScheduledRow> =
            self.db().fetch_optional(select_scheduled!("AND t.id = $2"), &args).await?;
        row.map(Scheduled::try_from).transpose()
    }

    /// Asks for the run that is due, if things still stand as they did when that was decided from `seen`. `None` when somebody
    /// else was faster: so a moment has one run, however many processes look.
    pub async fn request_scheduled_run(
        &self,
        new: &NewRun,
        seen: &Past,
        now: Timestamp,
    ) -> Result<Option<Requested>, StoreError> {
        let mut write = self.write(now).await?;
        let args = [not_after(now).into(), self.id().into()];
        let row: Option<ScheduledRow> =
            write.tx().fetch_optional(select_scheduled!("AND t.id = $2"), &args).await?;
        let present = row.map(Scheduled::try_from).transpose()?;
        if present.is_none_or(|present| present.past != *seen) {
            return Ok(None);
        }
        let requested = runs::request(&mut write, new, Join::Open).await?;
        write.commit().await?;
        Ok(Some(requested))
    }

    /// The zones of the places of this tenant that have one, each once.
    pub async fn place_zones(&self) -> Result<Vec<String>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct ZoneRow {
            time_zone: String,
        }
        let rows: Vec<ZoneRow> = self
            .db()
            .fetch_all(
                "SELECT DISTINCT time_zone FROM locations WHERE tenant_id = $1 AND time_zone IS NOT NULL ORDER BY time_zone",
                &[self.id().into()],
            )
            .await?;
        Ok(rows.into_iter().map(|row| row.time_zone).collect())
    }
}

/// People whose plan changes with a day up to `until`, by Okta id: `limit` of them after `after`.
pub async fn people_due(
    write: &mut Write,
    until: Date,
    after: Option<&OktaUserId>,
    limit: i64,
) -> Result<Vec<DuePerson>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct DueRow {
        okta_user_id: String,
        due_day: i64,
        time_zone: Option<String>,
    }
    let tenant = write.tenant();
    let rows: Vec<DueRow> = write
        .tx()
        .fetch_all(
            "SELECT p.okta_user_id, p.due_day, l.time_zone FROM people p
             LEFT JOIN locations l ON l.tenant_id = p.tenant_id AND l.id = p.location_id
             WHERE p.tenant_id = $1 AND p.due_day IS NOT NULL AND p.due_day <= $2 AND p.okta_user_id > $3
             ORDER BY p.okta_user_id LIMIT $4",
            &[
                tenant.into(),
                days(until).into(),
                after.map_or("", OktaUserId::as_str).into(),
                limit.into(),
            ],
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let bad = |column| StoreError::BadRow {
                table: "people",
                column,
                id: row.okta_user_id.clone(),
            };
            Ok(DuePerson {
                okta_user_id: OktaUserId::parse(&row.okta_user_id)
                    .map_err(|_| bad("okta_user_id"))?,
                day: from_days(row.due_day).ok_or_else(|| bad("due_day"))?,
                zone: row.time_zone,
            })
        })
        .collect()
}

/// Lets a tick fire for a moment, in the transaction of what it sets off; false when it did already.
pub async fn fire(write: &mut Write, tick: Tick, moment: Timestamp) -> Result<bool, StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    let args: [Arg<'_>; 4] =
        [tenant.into(), tick.as_str().into(), micros(moment).into(), micros(now).into()];
    let fired = write
        .tx()
        .execute(
            "INSERT INTO ticks (tenant_id, tick, fired_for, fired_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (tenant_id, tick) DO UPDATE SET fired_for = excluded.fired_for, fired_at = excluded.fired_at
             WHERE ticks.fired_for < excluded.fired_for",
            &args,
        )
        .await?;
    Ok(fired > 0)
}
