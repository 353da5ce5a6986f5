//! Alarms: raised once, seen while they last, ended, and told by mail. All of it holds with several processes at work.

use jiff::{SignedDuration, Timestamp};
use muster_core::alarm::{AlarmCode, SAME_WITHIN};
use muster_core::id::{PersonId, TenantId};
use muster_core::tenant::TenantSlug;
use uuid::Uuid;

use crate::db::{Arg, Db};
use crate::error::StoreError;
use crate::history::Write;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// An alarm that lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAlarm {
    pub tenant: TenantId,
    pub id: Uuid,
    pub code: AlarmCode,
    pub since: Timestamp,
    pub raised_at: Timestamp,
    pub last_seen: Timestamp,
    /// Since when and how many, as [`muster_core::alarm::detail`] worded it.
    pub detail: String,
    /// When everybody who should know was told by mail.
    pub mailed_at: Option<Timestamp>,
}

/// An alarm that somebody must be told by mail. Whoever holds it is the only one to send it, for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmMail {
    pub alarm: OpenAlarm,
    pub slug: TenantSlug,
    /// The tenant's name.
    pub name: String,
    /// Who was told by an earlier try.
    pub told: Vec<PersonId>,
    /// Tries so far, this one included.
    pub tries: i64,
}

/// Whom alarms are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    pub id: PersonId,
    pub email: String,
}

#[derive(sqlx::FromRow)]
struct AlarmRow {
    tenant_id: Uuid,
    id: Uuid,
    code: String,
    since: i64,
    raised_at: i64,
    last_seen: i64,
    detail: String,
    mailed_at: Option<i64>,
}

impl AlarmRow {
    /// `None` for a kind that a newer version raised.
    fn read(self) -> Result<Option<OpenAlarm>, StoreError> {
        let bad = |column| StoreError::BadRow { table: "alarms", column, id: self.id.to_string() };
        let time = |column, value| from_micros(value).ok_or_else(|| bad(column));
        let Some(code) = AlarmCode::parse(&self.code) else { return Ok(None) };
        Ok(Some(OpenAlarm {
            tenant: TenantId::new(self.tenant_id),
            id: self.id,
            code,
            since: time("since", self.since)?,
            raised_at: time("raised_at", self.raised_at)?,
            last_seen: time("last_seen", self.last_seen)?,
            mailed_at: self.mailed_at.map(|at| time("mailed_at", at)).transpose()?,
            detail: self.detail.clone(),
        }))
    }
}

macro_rules! select_alarms {
    ($rest:literal) => {
        concat!(
            "SELECT tenant_id, id, code, since, raised_at, last_seen, detail, mailed_at FROM alarms ",
            $rest
        )
    };
}

fn readable(rows: Vec<AlarmRow>) -> Result<Vec<OpenAlarm>, StoreError> {
    rows.into_iter().filter_map(|row| row.read().transpose()).collect()
}

impl Db {
    /// The alarms that last, of all tenants.
    pub async fn open_alarms(&self) -> Result<Vec<OpenAlarm>, StoreError> {
        let sql = select_alarms!("WHERE cleared_at IS NULL ORDER BY tenant_id, code");
        readable(self.fetch_all(sql, &[]).await?)
    }

    /// Takes up to `limit` alarms to tell by mail. Nobody else is given them before `lease` has passed.
    pub async fn claim_alarm_mail(
        &self,
        now: Timestamp,
        lease: SignedDuration,
        limit: i64,
    ) -> Result<Vec<AlarmMail>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct CountRow {
            n: i64,
        }
        #[derive(sqlx::FromRow)]
        struct MailRow {
            tenant_id: Uuid,
            id: Uuid,
            code: String,
            since: i64,
            raised_at: i64,
            last_seen: i64,
            detail: String,
            mailed_at: Option<i64>,
            mailed_to: String,
            mail_tries: i64,
        }
        #[derive(sqlx::FromRow)]
        struct NameRow {
            slug: String,
            name: String,
        }
        // Looked at first without writing, because almost always there is nothing to do.
        let waiting: Option<CountRow> = self
            .fetch_optional(
                "SELECT COUNT(*) AS n FROM alarms WHERE mailed_at IS NULL AND cleared_at IS NULL AND mail_due_at <= $1",
                &[micros(now).into()],
            )
            .await?;
        if waiting.is_none_or(|row| row.n == 0) {
            return Ok(Vec::new());
        }
        let until = now.checked_add(lease).unwrap_or(Timestamp::MAX);
        let mut tx = self.begin().await?;
        // The conditions stand twice: whoever waited here for another process must look again at what that one did.
        let rows: Vec<MailRow> = tx
            .fetch_all(
                "UPDATE alarms SET mail_due_at = $2, mail_tries = mail_tries + 1
                 WHERE mailed_at IS NULL AND cleared_at IS NULL AND mail_due_at <= $1 AND id IN
                     (SELECT a.id FROM alarms a JOIN tenants t ON t.id = a.tenant_id
                      WHERE t.okta_enabled AND a.mailed_at IS NULL AND a.cleared_at IS NULL AND a.mail_due_at <= $1
                      ORDER BY a.mail_due_at, a.id LIMIT $3)
                 RETURNING tenant_id, id, code, since, raised_at, last_seen, detail, mailed_at, mailed_to, mail_tries",
                &[micros(now).into(), micros(until).into(), limit.into()],
            )
            .await?;
        let mut mails = Vec::new();
        for row in rows {
            let id = row.id;
            let bad = |column| StoreError::BadRow { table: "alarms", column, id: id.to_string() };
            let told = row.mailed_to.split(',').filter(|id| !id.is_empty());
            let told = told
                .map(|id| id.parse().map_err(|_| bad("mailed_to")))
                .collect::<Result<_, _>>()?;
            let tenant: Option<NameRow> = tx
                .fetch_optional(
                    "SELECT slug, name FROM tenants WHERE id = $1",
                    &[row.tenant_id.into()],
                )
                .await?;
            let tenant = tenant.ok_or_else(|| bad("tenant_id"))?;
            let slug = TenantSlug::parse(&tenant.slug).map_err(|_| bad("tenant_id"))?;
            let alarm = AlarmRow {
                tenant_id: row.tenant_id,
                id,
                code: row.code,
                since: row.since,
                raised_at: row.raised_at,
                last_seen: row.last_seen,
                detail: row.detail,
                mailed_at: row.mailed_at,
            };
            if let Some(alarm) = alarm.read()? {
                mails.push(AlarmMail {
                    alarm,
                    slug,
                    name: tenant.name,
                    told,
                    tries: row.mail_tries,
                });
            }
        }
        tx.commit().await?;
        Ok(mails)
    }
}

impl TenantDb {
    /// The alarms of this tenant that last, by code.
    pub async fn open_alarms(&self) -> Result<Vec<OpenAlarm>, StoreError> {
        let sql = select_alarms!("WHERE tenant_id = $1 AND cleared_at IS NULL ORDER BY code");
        readable(self.db().fetch_all(sql, &[self.id().into()]).await?)
    }

    /// Whom alarms are told: active owners and admins, by e-mail.
    pub async fn alarm_recipients(&self) -> Result<Vec<Recipient>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct PersonRow {
            id: Uuid,
            email: String,
        }
        let rows: Vec<PersonRow> = self
            .db()
            .fetch_all(
                "SELECT id, email FROM people WHERE tenant_id = $1 AND role IN ('owner', 'admin') AND status = 'active'
                 ORDER BY email_key",
                &[self.id().into()],
            )
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| Recipient { id: PersonId::new(row.id), email: row.email })
            .collect())
    }

    /// Notes how the mail of an alarm went: who was told by now, and when to try again; `None` when nobody is left.
    pub async fn alarm_mailed(
        &self,
        id: Uuid,
        told: &[PersonId],
        again_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let told = told.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let mailed_at = again_at.is_none().then(|| micros(now));
        self.db()
            .execute(
                "UPDATE alarms SET mailed_to = $3, mailed_at = $4, mail_due_at = COALESCE($5, mail_due_at)
                 WHERE tenant_id = $1 AND id = $2",
                &[
                    self.id().into(),
                    id.into(),
                    told.into(),
                    Arg::Int(mailed_at),
                    Arg::Int(again_at.map(micros)),
                ],
            )
            .await
            .map(drop)
    }
}

/// What became of an alarm that the facts give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Raised {
    /// Somebody must be told.
    New,
    /// It ended a short while ago and is back: whoever was told knows.
    Again,
    /// It lasts.
    Known,
}

/// Notes an alarm, under `id` if it is a new one.
pub async fn raise(
    write: &mut Write,
    id: Uuid,
    code: AlarmCode,
    since: Timestamp,
    detail: &str,
) -> Result<Raised, StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    let seen = "UPDATE alarms SET last_seen = $3, detail = $4 WHERE tenant_id = $1 AND code = $2 AND cleared_at IS NULL";
    let args = [tenant.into(), code.as_str().into(), micros(now).into(), detail.into()];
    if write.tx().execute(seen, &args).await? > 0 {
        return Ok(Raised::Known);
    }
    let lately = now.checked_sub(SAME_WITHIN).unwrap_or(Timestamp::MIN);
    let again = write
        .tx()
        .execute(
            "UPDATE alarms SET cleared_at = NULL, last_seen = $3, detail = $4 WHERE tenant_id = $1 AND code = $2 AND id =
                 (SELECT a.id FROM alarms a WHERE a.tenant_id = $1 AND a.code = $2 AND a.cleared_at >= $5
                  ORDER BY a.cleared_at DESC, a.id DESC LIMIT 1)",
            &[
                tenant.into(),
                code.as_str().into(),
                micros(now).into(),
                detail.into(),
                micros(lately).into(),
            ],
        )
        .await?;
    if again > 0 {
        return Ok(Raised::Again);
    }
    write
        .tx()
        .execute(
            "INSERT INTO alarms (tenant_id, id, code, since, raised_at, last_seen, detail, mailed_to, mail_due_at, mail_tries)
             VALUES ($1, $2, $3, $4, $5, $5, $6, '', $5, 0)",
            &[
                tenant.into(),
                id.into(),
                code.as_str().into(),
                micros(since).into(),
                micros(now).into(),
                detail.into(),
            ],
        )
        .await?;
    Ok(Raised::New)
}

/// Ends an alarm; says whether it lasted until now.
pub async fn clear(write: &mut Write, code: AlarmCode) -> Result<bool, StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    let sql = "UPDATE alarms SET cleared_at = $3 WHERE tenant_id = $1 AND code = $2 AND cleared_at IS NULL";
    let args = [tenant.into(), code.as_str().into(), micros(now).into()];
    Ok(write.tx().execute(sql, &args).await? > 0)
}
