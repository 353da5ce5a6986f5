//! The hook's door of a tenant: what it goes by, who knocked, and what could not be read.

use std::collections::BTreeSet;

use jiff::Timestamp;
use muster_core::event::Interest;
use muster_core::id::{IdSource, TenantId};
use muster_core::tenant::TenantSlug;
use secrecy::SecretString;
use uuid::Uuid;

use crate::db::{Arg, Db};
use crate::error::StoreError;
use crate::history::{By, Subject, Write, json_object};
use crate::runs::{self, Join, NewRun};
use crate::secrets::{self, Sealed, SecretField};
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// What Okta may show in `Authorization`.
#[derive(Debug, Default)]
pub struct HookSecrets {
    /// The present one; `None` before the first was made.
    pub current: Option<SecretString>,
    /// The one before the last rotation and when it ends, while it counts.
    pub before: Option<(SecretString, Timestamp)>,
}

/// All that the door of one tenant goes by.
#[derive(Debug)]
pub struct Door {
    pub tenant: TenantId,
    /// The vendor's switch.
    pub enabled: bool,
    /// Grows whenever anything of this changes.
    pub version: i64,
    pub secrets: HookSecrets,
    pub interest: Interest,
}

/// What the door counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookState {
    pub deliveries: i64,
    pub events: i64,
    /// Events that led to nothing, those of unknown types included.
    pub ignored: i64,
    pub unknown_types: i64,
    /// Calls with a wrong secret since the last good one.
    pub refused: i64,
    pub refused_since: Option<Timestamp>,
    pub refused_at: Option<Timestamp>,
    /// When Okta last verified the hook.
    pub verified_at: Option<Timestamp>,
    pub first_event_at: Option<Timestamp>,
    pub last_event_at: Option<Timestamp>,
    /// Until when the secret before the last rotation counts.
    pub before_until: Option<Timestamp>,
    /// Calls of event hooks that Okta gave up, as its log tells.
    pub undelivered: i64,
    pub undelivered_at: Option<Timestamp>,
    /// Okta's own words for the last of them.
    pub undelivered_why: Option<String>,
}

#[derive(sqlx::FromRow)]
struct StateRow {
    deliveries: i64,
    events: i64,
    ignored: i64,
    unknown_types: i64,
    refused: i64,
    refused_since: Option<i64>,
    refused_at: Option<i64>,
    verified_at: Option<i64>,
    first_event_at: Option<i64>,
    last_event_at: Option<i64>,
    before_until: Option<i64>,
    undelivered: i64,
    undelivered_at: Option<i64>,
    undelivered_why: Option<String>,
}

#[derive(sqlx::FromRow)]
struct DoorRow {
    id: Uuid,
    okta_enabled: bool,
    version: i64,
    app_groups_at: Option<i64>,
    app_id: Option<String>,
    #[sqlx(flatten)]
    secrets: SecretsRow,
}

/// Both secrets as one statement reads them: between two statements a rotation could come, and one that counts before it and
/// after it would be missed.
#[derive(sqlx::FromRow)]
struct SecretsRow {
    before_until: Option<i64>,
    current_key: Option<String>,
    current_nonce: Option<Vec<u8>>,
    current_text: Option<Vec<u8>>,
    before_key: Option<String>,
    before_nonce: Option<Vec<u8>>,
    before_text: Option<Vec<u8>>,
}

/// What a statement selects for a [`SecretsRow`], …
macro_rules! secrets {
    () => {
        "h.before_until, s.key_id AS current_key, s.nonce AS current_nonce, s.ciphertext AS current_text,
         b.key_id AS before_key, b.nonce AS before_nonce, b.ciphertext AS before_text"
    };
}

/// … and from where; `$2` and `$3` are the names of the fields.
macro_rules! of_tenant {
    () => {
        "tenants t LEFT JOIN hook_state h ON h.tenant_id = t.id
         LEFT JOIN secrets s ON s.tenant_id = t.id AND s.field = $2
         LEFT JOIN secrets b ON b.tenant_id = t.id AND b.field = $3"
    };
}

macro_rules! verified {
    () => {
        "INSERT INTO hook_state (tenant_id, version, deliveries, events, ignored, unknown_types, refused, verified_at)
         SELECT column1, 0, 0, 0, 0, 0, 0, column2 FROM v WHERE column1 IS NOT NULL
         ON CONFLICT (tenant_id) DO UPDATE SET verified_at = excluded.verified_at"
    };
}

/// The arguments of a statement from [`of_tenant`], which `first` tells the tenant.
fn fields(first: Arg<'_>) -> [Arg<'_>; 3] {
    let [current, before] = [SecretField::HookSecret, SecretField::HookSecretBefore];
    [first, current.as_str().into(), before.as_str().into()]
}

impl SecretsRow {
    fn open(self, tenant: &TenantDb, now: Timestamp) -> Result<HookSecrets, StoreError> {
        let open = |field, sealed| secrets::opened(tenant.db(), tenant.id(), field, "", &sealed);
        let current = Sealed::of(self.current_key, self.current_nonce, self.current_text);
        let current = current.map(|sealed| open(SecretField::HookSecret, sealed)).transpose()?;
        let before = Sealed::of(self.before_key, self.before_nonce, self.before_text)
            .zip(self.before_until.and_then(from_micros).filter(|until| *until > now))
            .map(|(sealed, until)| Ok((open(SecretField::HookSecretBefore, sealed)?, until)))
            .transpose();
        Ok(HookSecrets { current, before: before? })
    }
}

impl Db {
    /// Notes that the hooks of these tenants were verified; `proven` when whoever did it showed the secret, so that wrong ones
    /// shown before are of the past.
    pub async fn note_verified(
        &self,
        tenants: &[TenantId],
        proven: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let rows: Vec<Arg<'_>> =
            tenants.iter().flat_map(|tenant| [(*tenant).into(), micros(now).into()]).collect();
        let sql = if proven {
            concat!(verified!(), ", refused = 0, refused_since = NULL")
        } else {
            verified!()
        };
        self.execute_rows(2, &rows, sql).await.map(drop)
    }

    /// What the door of a subdomain goes by; `None` when there is no such tenant.
    pub async fn door(
        &self,
        slug: &TenantSlug,
        now: Timestamp,
    ) -> Result<Option<Door>, StoreError> {
        let sql = concat!(
            "SELECT t.id, t.okta_enabled, COALESCE(h.version, 0) AS version, h.app_groups_at,
                    COALESCE(c.app_id, c.client_id) AS app_id, ",
            secrets!(),
            " FROM ",
            of_tenant!(),
            " LEFT JOIN okta_connections c ON c.tenant_id = t.id WHERE t.slug = $1"
        );
        let row: Option<DoorRow> = self.fetch_optional(sql, &fields(slug.as_str().into())).await?;
        let Some(row) = row else { return Ok(None) };
        let tenant = self.tenant(TenantId::new(row.id));
        let secrets = row.secrets.open(&tenant, now)?;
        // This is read after the version: should it be newer, the version no longer stands when it matters.
        let app_groups = match row.app_groups_at {
            Some(_) => tenant.app_groups().await?.map(|groups| groups.ids),
            None => None::<BTreeSet<String>>,
        };
        let interest = Interest { app_id: row.app_id, app_groups };
        let (enabled, version) = (row.okta_enabled, row.version);
        Ok(Some(Door { tenant: tenant.id(), enabled, version, secrets, interest }))
    }
}

impl TenantDb {
    /// Puts `new` in place of the hook secret. The former one still counts until `keep_old_until`; with `None` it ends at
    /// once. The first secret of a tenant is set by this too.
    pub async fn rotate_hook_secret(
        &self,
        new: &SecretString,
        keep_old_until: Option<Timestamp>,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut write = self.write(now).await?;
        bump(&mut write).await?;
        let old = secrets::own(&mut write, self.db(), SecretField::HookSecret).await?;
        let kept = old.zip(keep_old_until.filter(|until| *until > now));
        let until = kept.as_ref().map(|(_, until)| *until);
        match kept {
            Some((old, _)) => {
                let field = SecretField::HookSecretBefore;
                secrets::put(&mut write, self.db(), field, "", &old, by.actor).await?;
            }
            None => secrets::forget(&mut write, SecretField::HookSecretBefore).await?,
        }
        secrets::put(&mut write, self.db(), SecretField::HookSecret, "", new, by.actor).await?;
        let sql = "UPDATE hook_state SET before_until = $2 WHERE tenant_id = $1";
        write.tx().execute(sql, &[self.id().into(), until.map(micros).into()]).await?;
        let until = until.map(|until| until.to_string());
        let after = json_object([
            ("field", Some(SecretField::HookSecret.as_str())),
            ("former_counts_until", until.as_deref()),
        ]);
        write.record_by(ids.next(now), by, Subject::Credential, "credential", None, Some(after));
        write.commit().await
    }

    /// What Okta may show at the door now, opened.
    pub async fn hook_secrets(&self, now: Timestamp) -> Result<HookSecrets, StoreError> {
        let sql = concat!("SELECT ", secrets!(), " FROM ", of_tenant!(), " WHERE t.id = $1");
        let row: Option<SecretsRow> =
            self.db().fetch_optional(sql, &fields(self.id().into())).await?;
        row.map_or_else(|| Ok(HookSecrets::default()), |row| row.open(self, now))
    }

    /// What the door counted so far.
    pub async fn hook_state(&self) -> Result<HookState, StoreError> {
        let sql = "SELECT deliveries, events, ignored, unknown_types, refused, refused_since, refused_at, verified_at,
                          first_event_at, last_event_at, before_until, undelivered, undelivered_at, undelivered_why
                   FROM hook_state WHERE tenant_id = $1";
        let row: Option<StateRow> = self.db().fetch_optional(sql, &[self.id().into()]).await?;
        let time = |at: Option<i64>| at.and_then(from_micros);
        let state = row.map(|row| HookState {
            deliveries: row.deliveries,
            events: row.events,
            ignored: row.ignored,
            unknown_types: row.unknown_types,
            refused: row.refused,
            refused_since: time(row.refused_since),
            refused_at: time(row.refused_at),
            verified_at: time(row.verified_at),
            first_event_at: time(row.first_event_at),
            last_event_at: time(row.last_event_at),
            before_until: time(row.before_until),
            undelivered: row.undelivered,
            undelivered_at: time(row.undelivered_at),
            undelivered_why: row.undelivered_why,
        });
        Ok(state.unwrap_or_default())
    }

    /// Notes `times` calls with a wrong secret, the first of them at `since`.
    pub async fn note_refused(
        &self,
        times: i64,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "INSERT INTO hook_state (tenant_id, version, deliveries, events, ignored, unknown_types, refused,
                                           refused_since, refused_at)
                   VALUES ($1, 0, 0, 0, 0, 0, $2, $3, $4)
                   ON CONFLICT (tenant_id) DO UPDATE SET refused = hook_state.refused + excluded.refused,
                       refused_since = COALESCE(hook_state.refused_since, excluded.refused_since),
                       refused_at = excluded.refused_at";
        let args = [self.id().into(), times.into(), micros(since).into(), micros(now).into()];
        self.db().execute(sql, &args).await.map(drop)
    }
}

/// Notes that Okta gave up calls of event hooks, as its log tells: when each was, and why. What was noted before is known by
/// its time.
pub async fn note_undelivered(
    write: &mut Write,
    calls: &[(Timestamp, String)],
) -> Result<(), StoreError> {
    let tenant = write.tenant();
    for (at, why) in calls {
        let sql = "INSERT INTO hook_state (tenant_id, version, deliveries, events, ignored, unknown_types, refused,
                                           undelivered, undelivered_at, undelivered_why)
                   VALUES ($1, 0, 0, 0, 0, 0, 0, 1, $2, $3)
                   ON CONFLICT (tenant_id) DO UPDATE SET undelivered = hook_state.undelivered + 1,
                       undelivered_at = excluded.undelivered_at, undelivered_why = excluded.undelivered_why
                   WHERE COALESCE(hook_state.undelivered_at, 0) < excluded.undelivered_at";
        let args = [tenant.into(), micros(*at).into(), why.as_str().into()];
        write.tx().execute(sql, &args).await?;
    }
    Ok(())
}

/// Notes that something changed that the door goes by.
pub(crate) async fn bump(write: &mut Write) -> Result<(), StoreError> {
    let tenant = write.tenant();
    let sql = "INSERT INTO hook_state (tenant_id, version, deliveries, events, ignored, unknown_types, refused)
               VALUES ($1, 1, 0, 0, 0, 0, 0)
               ON CONFLICT (tenant_id) DO UPDATE SET version = hook_state.version + 1";
    write.tx().execute(sql, &[tenant.into()]).await.map(drop)
}

/// A body that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    pub at: Timestamp,
    /// In words, without anything of the body.
    pub reason: String,
    /// Bytes of the whole body, as far as it was read.
    pub size: i64,
    /// Its first 64 KiB.
    pub body: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct AsideRow {
    at: i64,
    reason: String,
    size: i64,
    body: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct VersionRow {
    version: i64,
}

/// How many bodies of a tenant are kept: enough to see what is wrong.
const ASIDES_MAX: i64 = 20;

impl TenantDb {
    /// Keeps a body aside and makes a full run due, because nobody knows whom it named. `false`, and nothing is done, when
    /// the door's `version` no longer stands.
    pub async fn keep_aside(
        &self,
        aside: &Aside,
        run: &NewRun,
        version: i64,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut write = self.write(now).await?;
        let sql = "INSERT INTO hook_state (tenant_id, version, deliveries, events, ignored, unknown_types, refused, first_event_at,
                                           last_event_at)
                   VALUES ($1, 0, 1, 0, 0, 0, 0, $2, $2)
                   ON CONFLICT (tenant_id) DO UPDATE SET deliveries = hook_state.deliveries + 1, refused = 0,
                       refused_since = NULL, first_event_at = COALESCE(hook_state.first_event_at, excluded.first_event_at),
                       last_event_at = excluded.last_event_at
                   RETURNING version";
        let args = [self.id().into(), micros(aside.at).into()];
        let row: Option<VersionRow> = write.tx().fetch_optional(sql, &args).await?;
        if row.is_none_or(|row| row.version != version) {
            return Ok(false);
        }
        let args = [
            self.id().into(),
            ids.draw(now).into(),
            micros(aside.at).into(),
            aside.reason.as_str().into(),
            aside.size.into(),
            aside.body.as_slice().into(),
        ];
        let sql = "INSERT INTO hook_asides (tenant_id, id, at, reason, size, body) VALUES ($1, $2, $3, $4, $5, $6)";
        write.tx().execute(sql, &args).await?;
        let sql = "DELETE FROM hook_asides WHERE tenant_id = $1 AND id NOT IN
                   (SELECT id FROM hook_asides WHERE tenant_id = $1 ORDER BY at DESC, id DESC LIMIT $2)";
        write.tx().execute(sql, &[self.id().into(), ASIDES_MAX.into()]).await?;
        runs::request(&mut write, run, Join::Unread).await?;
        write.commit().await?;
        Ok(true)
    }

    /// The bodies kept aside, newest first.
    pub async fn asides(&self) -> Result<Vec<Aside>, StoreError> {
        let sql = "SELECT at, reason, size, body FROM hook_asides WHERE tenant_id = $1 ORDER BY at DESC, id DESC";
        let rows: Vec<AsideRow> = self.db().fetch_all(sql, &[self.id().into()]).await?;
        let aside = |row: AsideRow| {
            let bad = || StoreError::BadRow {
                table: "hook_asides",
                column: "at",
                id: row.at.to_string(),
            };
            let at = from_micros(row.at).ok_or_else(bad)?;
            Ok(Aside { at, reason: row.reason, size: row.size, body: row.body })
        };
        rows.into_iter().map(aside).collect()
    }
}
