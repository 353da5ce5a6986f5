//! Tenants, and the handle that sees one of them.

use jiff::Timestamp;
use muster_core::access::Entry;
use muster_core::id::{IdSource, TenantId};
use muster_core::person::{Email, Role};
use muster_core::signin::SessionLimits;
use muster_core::tenant::TenantSlug;
use uuid::Uuid;

use crate::accounts::{self, NewAccount};
use crate::credentials;
use crate::db::{Arg, Db};
use crate::entry;
use crate::error::StoreError;
use crate::history::{By, Subject, Write, json_object};
use crate::hooks;
use crate::lanes;
use crate::rules;
use crate::sessions::TokenHash;
use crate::time::{from_micros, micros};

/// One company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    /// The subdomain.
    pub slug: TenantSlug,
    pub name: String,
    /// The vendor's switch: nothing of the integration works while it is off.
    pub okta_enabled: bool,
    pub created_at: Timestamp,
    /// The number of the last history entry.
    pub history_seq: i64,
    /// The `history_seq` at which managers were last resolved for everybody.
    pub managers_seq: i64,
    /// The revision of the rules in force.
    pub rules_revision: i64,
    /// By which ways people come in.
    pub entry: Entry,
    /// How long their sessions last.
    pub session_limits: SessionLimits,
}

/// A tenant to be made.
#[derive(Debug, Clone)]
pub struct NewTenant {
    pub slug: TenantSlug,
    pub name: String,
    /// The first owner: an account that Okta does not know, active at once.
    pub owner: Email,
    /// The rules at first, as TOML.
    pub rules: String,
    /// Of the link with which the owner sets a password, and when it ends.
    pub owner_link: Option<(TokenHash, Timestamp)>,
}

/// A handle that sees one tenant. It has no method that takes a tenant, so it cannot see two.
#[derive(Debug, Clone)]
pub struct TenantDb {
    db: Db,
    id: TenantId,
}

impl TenantDb {
    /// Whether somebody waits to write to this database; whoever writes now should soon make room.
    pub fn is_awaited(&self) -> bool {
        self.db().is_awaited()
    }

    pub(crate) fn new(db: Db, id: TenantId) -> Self {
        Self { db, id }
    }

    /// The tenant that this handle sees.
    pub fn id(&self) -> TenantId {
        self.id
    }

    pub(crate) fn db(&self) -> &Db {
        &self.db
    }
}

#[derive(sqlx::FromRow)]
struct TenantRow {
    id: Uuid,
    slug: String,
    name: String,
    okta_enabled: bool,
    created_at: i64,
    history_seq: i64,
    managers_seq: i64,
    rules_revision: i64,
    okta_only: bool,
    session_idle_minutes: i64,
    session_max_minutes: i64,
}

impl TryFrom<TenantRow> for Tenant {
    type Error = StoreError;
    fn try_from(row: TenantRow) -> Result<Self, StoreError> {
        let id = TenantId::new(row.id);
        let bad = |column| StoreError::BadRow { table: "tenants", column, id: id.to_string() };
        Ok(Self {
            id,
            slug: TenantSlug::parse(&row.slug).map_err(|_| bad("slug"))?,
            name: row.name,
            okta_enabled: row.okta_enabled,
            created_at: from_micros(row.created_at).ok_or_else(|| bad("created_at"))?,
            history_seq: row.history_seq,
            managers_seq: row.managers_seq,
            rules_revision: row.rules_revision,
            entry: if row.okta_only { Entry::OktaOnly } else { Entry::Any },
            session_limits: SessionLimits::of_minutes(
                row.session_idle_minutes,
                row.session_max_minutes,
            )
            .ok_or_else(|| bad("session_idle_minutes"))?,
        })
    }
}

macro_rules! select_tenants {
    ($rest:literal) => {
        concat!(
            "SELECT id, slug, name, okta_enabled, created_at, history_seq, managers_seq, rules_revision,
                    okta_only, session_idle_minutes, session_max_minutes FROM tenants ",
            $rest
        )
    };
}

impl Db {
    /// The tenant of a subdomain.
    pub async fn tenant_by_slug(&self, slug: &TenantSlug) -> Result<Option<Tenant>, StoreError> {
        let row: Option<TenantRow> = self
            .fetch_optional(select_tenants!("WHERE slug = $1"), &[slug.as_str().into()])
            .await?;
        row.map(Tenant::try_from).transpose()
    }

    /// All tenants, by subdomain.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows: Vec<TenantRow> = self.fetch_all(select_tenants!("ORDER BY slug"), &[]).await?;
        rows.into_iter().map(Tenant::try_from).collect()
    }

    /// Makes a tenant with its rules and its first owner. The vendor's switch is off at first.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] when the subdomain is taken.
    pub async fn create_tenant(
        &self,
        new: &NewTenant,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<Tenant, StoreError> {
        let id: TenantId = ids.next(now);
        let mut tx = self.begin().await?;
        let row: [Arg<'_>; 8] = [
            id.into(),
            new.slug.as_str().into(),
            new.name.as_str().into(),
            false.into(),
            micros(now).into(),
            0_i64.into(),
            0_i64.into(),
            0_i64.into(),
        ];
        tx.execute(
            "INSERT INTO tenants (id, slug, name, okta_enabled, created_at, history_seq, managers_seq, rules_revision)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            &row,
        )
        .await
        .map_err(|error| {
            if error.is_duplicate() {
                StoreError::Conflict(format!("there is already a tenant {}", new.slug.as_str()))
            } else {
                error
            }
        })?;
        let mut write = Write::of_new_tenant(tx, id, now);
        let after = json_object([("slug", Some(new.slug.as_str())), ("name", Some(&new.name))]);
        write.record_by(ids.next(now), by, Subject::Settings, "create", None, Some(after));
        rules::store(&mut write, 1, &new.rules, by, ids).await?;
        let owner = NewAccount::new(new.owner.clone(), Role::Owner);
        let made = accounts::insert(&mut write, &[owner], by, ids).await?;
        if let (Some((hash, ends_at)), Some(owner)) = (&new.owner_link, made.first()) {
            credentials::put_link(&mut write, *owner, hash, *ends_at).await?;
        }
        write.commit().await?;
        self.tenant(id).tenant().await
    }
}

impl TenantDb {
    /// The tenant's own row.
    pub async fn tenant(&self) -> Result<Tenant, StoreError> {
        let row: Option<TenantRow> =
            self.db.fetch_optional(select_tenants!("WHERE id = $1"), &[self.id.into()]).await?;
        row.map_or(Err(StoreError::NoTenant(self.id)), Tenant::try_from)
    }

    /// Turns the vendor's switch; says whether it was turned by this.
    pub async fn set_okta_enabled(
        &self,
        enabled: bool,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut write = self.write(now).await?;
        let turned = write
            .tx()
            .execute(
                "UPDATE tenants SET okta_enabled = $2 WHERE id = $1 AND okta_enabled <> $2",
                &[self.id.into(), enabled.into()],
            )
            .await?
            > 0;
        if turned {
            hooks::bump(&mut write).await?;
            if !enabled {
                lanes::stop_all(&mut write, "the integration was switched off").await?;
                // Nobody could come in at all, while Okta is not asked any more.
                entry::turn(&mut write, Entry::Any, by, ids).await?;
            }
            let state = |on: bool| {
                Some(json_object([("okta_enabled", Some(if on { "true" } else { "false" }))]))
            };
            let kind = if enabled { "enable" } else { "disable" };
            write.record_by(
                ids.next(now),
                by,
                Subject::Settings,
                kind,
                state(!enabled),
                state(enabled),
            );
            write.commit().await?;
        }
        Ok(turned)
    }
}
