//! The tenant's rules, as the text that somebody wrote. Every revision is kept.

use jiff::Timestamp;
use muster_core::id::IdSource;

use crate::error::StoreError;
use crate::history::{By, Subject, Write, json_object};
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// One revision of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRules {
    /// Grows by one with each replacement.
    pub revision: i64,
    /// TOML, as given. It was parsed before it was stored.
    pub body: String,
    pub created_at: Timestamp,
    pub actor: String,
}

#[derive(sqlx::FromRow)]
struct RulesRow {
    revision: i64,
    body: String,
    created_at: i64,
    actor: String,
}

impl TryFrom<RulesRow> for StoredRules {
    type Error = StoreError;
    fn try_from(row: RulesRow) -> Result<Self, StoreError> {
        let created_at = from_micros(row.created_at).ok_or_else(|| StoreError::BadRow {
            table: "rules",
            column: "created_at",
            id: row.revision.to_string(),
        })?;
        Ok(Self { revision: row.revision, body: row.body, created_at, actor: row.actor })
    }
}

macro_rules! select_rules {
    ($rest:literal) => {
        concat!("SELECT revision, body, created_at, actor FROM rules WHERE tenant_id = $1 ", $rest)
    };
}

impl TenantDb {
    /// The rules in force.
    pub async fn rules(&self) -> Result<StoredRules, StoreError> {
        let row: Option<RulesRow> = self
            .db()
            .fetch_optional(select_rules!("ORDER BY revision DESC LIMIT 1"), &[self.id().into()])
            .await?;
        row.map_or(Err(StoreError::NoTenant(self.id())), StoredRules::try_from)
    }

    /// An earlier revision of the rules, or the present one.
    pub async fn rules_at(&self, revision: i64) -> Result<Option<StoredRules>, StoreError> {
        let row: Option<RulesRow> = self
            .db()
            .fetch_optional(
                select_rules!("AND revision = $2"),
                &[self.id().into(), revision.into()],
            )
            .await?;
        row.map(StoredRules::try_from).transpose()
    }

    /// Replaces the rules by a text that was parsed before; gives the new revision. The same text again changes nothing.
    pub async fn replace_rules(
        &self,
        body: &str,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<i64, StoreError> {
        let mut write = self.write(now).await?;
        let present = load(&mut write).await?;
        if present.body == body {
            return Ok(present.revision);
        }
        store(&mut write, present.revision + 1, body, by, ids).await?;
        write.commit().await?;
        Ok(present.revision + 1)
    }
}

/// The rules in force, inside a change.
pub async fn load(write: &mut Write) -> Result<StoredRules, StoreError> {
    let tenant = write.tenant();
    let row: Option<RulesRow> = write
        .tx()
        .fetch_optional(select_rules!("ORDER BY revision DESC LIMIT 1"), &[tenant.into()])
        .await?;
    row.map_or(Err(StoreError::NoTenant(tenant)), StoredRules::try_from)
}

pub(crate) async fn store(
    write: &mut Write,
    revision: i64,
    body: &str,
    by: By<'_>,
    ids: &mut IdSource,
) -> Result<(), StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    write
        .tx()
        .execute(
            "INSERT INTO rules (tenant_id, revision, body, created_at, actor) VALUES ($1, $2, $3, $4, $5)",
            &[tenant.into(), revision.into(), body.into(), micros(now).into(), by.actor.into()],
        )
        .await?;
    write
        .tx()
        .execute(
            "UPDATE tenants SET rules_revision = $2 WHERE id = $1",
            &[tenant.into(), revision.into()],
        )
        .await?;
    // The texts themselves are in `rules`, under these numbers.
    let numbered = |number: i64| json_object([("revision", Some(number.to_string().as_str()))]);
    let before = (revision > 1).then(|| numbered(revision - 1));
    write.record_by(ids.next(now), by, Subject::Rules, "replace", before, Some(numbered(revision)));
    Ok(())
}
