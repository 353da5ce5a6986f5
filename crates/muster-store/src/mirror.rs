//! The mirror: what Okta said, staged under the run that read it. Only the attributes that the rules name are kept.

use jiff::Timestamp;
use muster_core::id::{OktaUserId, RunId};
use muster_core::okta_user::{Attributes, OktaStatus, OktaUser};
use muster_core::person::Email;

use crate::db::Arg;
use crate::error::StoreError;
use crate::history::Write;
use crate::time::{from_micros, micros};

/// One person of a page, ready to be staged.
#[derive(Debug, Clone)]
pub struct Staged {
    pub user: OktaUser,
    /// The JSON of the kept attributes.
    pub raw: String,
    pub hash: [u8; 16],
    pub email_key: Option<String>,
    pub name_key: String,
    pub observed_at: Timestamp,
}

impl Staged {
    /// Prepares what one read said for the mirror.
    pub fn new(user: OktaUser, raw: String, observed_at: Timestamp) -> Self {
        let hash = user.fingerprint(&raw);
        let text = |name| user.attributes.text(name).unwrap_or_default();
        let email_key = Email::parse(&text("email")).ok().map(|email| email.key().to_owned());
        let name_key =
            muster_core::name::key_of(&format!("{} {}", text("firstName"), text("lastName")));
        Self { user, raw, hash, email_key, name_key, observed_at }
    }
}

/// A staged row as read back: what Okta said, and whether another Okta user of the listing comes first for its e-mail.
#[derive(Debug, Clone)]
pub struct MirrorRow {
    /// The place in the listing, from 1.
    pub place: i64,
    pub user: OktaUser,
    pub hash: [u8; 16],
    pub observed_at: Timestamp,
    pub email_winner: Option<OktaUserId>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct RawRow {
    place: i64,
    okta_user_id: String,
    okta_status: String,
    okta_created: Option<i64>,
    attributes: String,
    hash: Vec<u8>,
    observed_at: i64,
    email_winner: Option<String>,
}

impl TryFrom<RawRow> for MirrorRow {
    type Error = StoreError;
    fn try_from(row: RawRow) -> Result<Self, StoreError> {
        let bad =
            |column| StoreError::BadRow { table: "mirror", column, id: row.okta_user_id.clone() };
        let id = OktaUserId::parse(&row.okta_user_id).map_err(|_| bad("okta_user_id"))?;
        let attributes: Attributes =
            serde_json::from_str(&row.attributes).map_err(|_| bad("attributes"))?;
        Ok(Self {
            place: row.place,
            user: OktaUser {
                id,
                status: OktaStatus::parse(&row.okta_status),
                created: row.okta_created.and_then(from_micros),
                attributes,
            },
            hash: row.hash.as_slice().try_into().map_err(|_| bad("hash"))?,
            observed_at: from_micros(row.observed_at).ok_or_else(|| bad("observed_at"))?,
            email_winner: row
                .email_winner
                .as_deref()
                .map(|text| OktaUserId::parse(text).map_err(|_| bad("email_winner")))
                .transpose()?,
        })
    }
}

/// Columns of [`MirrorRow`], from a table called `m`.
macro_rules! mirror_columns {
    () => {
        "m.place, m.okta_user_id, m.okta_status, m.okta_created, m.attributes, m.hash, m.observed_at, m.email_winner"
    };
}
pub(crate) use mirror_columns;

/// Stages a page whose first person has the place after `last_place`. A person who was on an earlier page too is taken as the
/// later page shows them.
pub async fn stage(
    write: &mut Write,
    run: RunId,
    page: &[Staged],
    last_place: i64,
) -> Result<(), StoreError> {
    const COLUMNS: usize = 13;
    let tenant = write.tenant().uuid();
    // One statement may not touch the same row twice on PostgreSQL: of a person repeated within the page the last counts.
    let mut last = std::collections::BTreeMap::new();
    for (at, staged) in page.iter().enumerate() {
        last.insert(&staged.user.id, at);
    }
    let mut args: Vec<Arg<'_>> = Vec::with_capacity(page.len() * COLUMNS);
    for (at, staged) in page.iter().enumerate() {
        if last.get(&staged.user.id) != Some(&at) {
            continue;
        }
        args.extend([
            tenant.into(),
            run.uuid().into(),
            (last_place + 1 + i64::try_from(at).unwrap_or(i64::MAX)).into(),
            staged.user.id.as_str().into(),
            staged.user.status.as_str().into(),
            Arg::Int(staged.user.created.map(micros)),
            Arg::from(staged.email_key.as_deref()),
            staged.name_key.as_str().into(),
            staged.raw.as_str().into(),
            Arg::from(staged.hash.as_slice()),
            micros(staged.observed_at).into(),
            Arg::Text(None),
            false.into(),
        ]);
    }
    write
        .tx()
        .insert_many(
            "INSERT INTO mirror (tenant_id, run_id, place, okta_user_id, okta_status, okta_created, email_key, name_key,
                                 attributes, hash, observed_at, email_winner, deferred) VALUES",
            COLUMNS,
            &args,
            "ON CONFLICT (tenant_id, run_id, okta_user_id) DO UPDATE SET okta_status = excluded.okta_status,
                 okta_created = excluded.okta_created, email_key = excluded.email_key, name_key = excluded.name_key,
                 attributes = excluded.attributes, hash = excluded.hash, observed_at = excluded.observed_at",
        )
        .await
        .map(drop)
}

/// Forgets what a run staged: its listing begins again, or its reading is of no more use.
pub async fn clear(write: &mut Write, run: RunId) -> Result<(), StoreError> {
    let tenant = write.tenant().uuid();
    write
        .tx()
        .execute(
            "DELETE FROM mirror WHERE tenant_id = $1 AND run_id = $2",
            &[tenant.into(), run.uuid().into()],
        )
        .await
        .map(drop)
}

/// Forgets up to `limit` people of what a run staged; says how many.
pub async fn sweep(write: &mut Write, run: RunId, limit: i64) -> Result<u64, StoreError> {
    #[derive(sqlx::FromRow)]
    struct EndRow {
        place: i64,
    }
    let tenant = write.tenant().uuid();
    let end: Option<EndRow> = write
        .tx()
        .fetch_optional(
            "SELECT place FROM (SELECT place FROM mirror WHERE tenant_id = $1 AND run_id = $2 ORDER BY place LIMIT $3) AS part
             ORDER BY place DESC LIMIT 1",
            &[tenant.into(), run.into(), limit.into()],
        )
        .await?;
    let Some(end) = end else { return Ok(0) };
    write
        .tx()
        .execute(
            "DELETE FROM mirror WHERE tenant_id = $1 AND run_id = $2 AND place <= $3",
            &[tenant.into(), run.into(), end.place.into()],
        )
        .await
}

/// Forgets up to `limit` people of what finished runs other than `run` staged: the mirror of the tenant is now the reading
/// of `run`. Says how many; 0 when nothing is left.
pub async fn sweep_others(write: &mut Write, run: RunId, limit: i64) -> Result<u64, StoreError> {
    #[derive(sqlx::FromRow)]
    struct RunRow {
        run_id: uuid::Uuid,
    }
    let tenant = write.tenant().uuid();
    let older: Option<RunRow> = write
        .tx()
        .fetch_optional(
            "SELECT r.id AS run_id FROM runs r WHERE r.tenant_id = $1 AND r.id <> $2
             AND r.state NOT IN ('queued', 'running') AND EXISTS
                 (SELECT 1 FROM mirror m WHERE m.tenant_id = r.tenant_id AND m.run_id = r.id) ORDER BY r.id LIMIT 1",
            &[tenant.into(), run.into()],
        )
        .await?;
    match older {
        Some(older) => sweep(write, RunId::new(older.run_id), limit).await,
        None => Ok(0),
    }
}

/// The last place that a run has filled; 0 before its first page.
pub async fn last_place(write: &mut Write, run: RunId) -> Result<i64, StoreError> {
    #[derive(sqlx::FromRow)]
    struct PlaceRow {
        place: i64,
    }
    let tenant = write.tenant();
    let row: Option<PlaceRow> = write
        .tx()
        .fetch_optional(
            "SELECT place FROM mirror WHERE tenant_id = $1 AND run_id = $2 ORDER BY place DESC LIMIT 1",
            &[tenant.into(), run.into()],
        )
        .await?;
    Ok(row.map_or(0, |row| row.place))
}

/// How many people a run has staged.
pub async fn count(write: &mut Write, run: RunId) -> Result<u64, StoreError> {
    #[derive(sqlx::FromRow)]
    struct CountRow {
        n: i64,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<CountRow> = write
        .tx()
        .fetch_all(
            "SELECT COUNT(*) AS n FROM mirror WHERE tenant_id = $1 AND run_id = $2",
            &[tenant.into(), run.uuid().into()],
        )
        .await?;
    Ok(rows.first().map_or(0, |row| u64::try_from(row.n).unwrap_or(0)))
}

/// An Okta user whose e-mail other Okta users of the listing have too.
#[derive(Debug, Clone)]
pub struct Rival {
    pub row: MirrorRow,
    pub email_key: String,
    /// The directory already shows this e-mail for this very Okta user.
    pub holds: bool,
}

/// Everybody of the listing who shares an e-mail with somebody else of it, in no order. In a healthy org these are few.
pub async fn rivals(write: &mut Write, run: RunId) -> Result<Vec<Rival>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct KeyRow {
        email_key: String,
    }
    #[derive(sqlx::FromRow)]
    struct RivalRow {
        #[sqlx(flatten)]
        raw: RawRow,
        email_key: String,
        holds: bool,
    }
    let tenant = write.tenant().uuid();
    let scope = [Arg::from(tenant), Arg::from(run.uuid())];
    // Asked in two steps: the first is one sorted pass, and nearly always the last.
    let shared: Vec<KeyRow> = write
        .tx()
        .fetch_all(
            "SELECT email_key FROM mirror WHERE tenant_id = $1 AND run_id = $2 AND email_key IS NOT NULL
             GROUP BY email_key HAVING COUNT(*) > 1 LIMIT 1",
            &scope,
        )
        .await?;
    if shared.iter().all(|row| row.email_key.is_empty()) {
        return Ok(Vec::new());
    }
    let rows: Vec<RivalRow> = write
        .tx()
        .fetch_all(
            concat!(
                "SELECT ",
                mirror_columns!(),
                ", m.email_key, (p.email_key IS NOT NULL AND p.email_key = m.email_key) AS holds
                 FROM mirror m LEFT JOIN people p ON p.tenant_id = m.tenant_id AND p.okta_user_id = m.okta_user_id
                 WHERE m.tenant_id = $1 AND m.run_id = $2 AND m.email_key IN
                     (SELECT email_key FROM mirror WHERE tenant_id = $1 AND run_id = $2 AND email_key IS NOT NULL
                      GROUP BY email_key HAVING COUNT(*) > 1)"
            ),
            &scope,
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Rival { row: row.raw.try_into()?, email_key: row.email_key, holds: row.holds })
        })
        .collect()
}

/// Notes for each loser of a contest for an e-mail who won it.
pub async fn set_winners(
    write: &mut Write,
    run: RunId,
    losers: &[(OktaUserId, OktaUserId)],
) -> Result<(), StoreError> {
    let tenant = write.tenant().uuid();
    for (loser, winner) in losers {
        write
            .tx()
            .execute(
                "UPDATE mirror SET email_winner = $4 WHERE tenant_id = $1 AND run_id = $2 AND okta_user_id = $3",
                &[tenant.into(), run.uuid().into(), loser.as_str().into(), winner.as_str().into()],
            )
            .await?;
    }
    Ok(())
}
