//! The groups assigned to a tenant's app, so that events of other groups cost nothing.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::db::Arg;
use crate::error::StoreError;
use crate::history::Write;
use crate::hooks;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// The groups of an app, as they were last read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppGroups {
    pub ids: BTreeSet<String>,
    pub read_at: Timestamp,
}

/// What a new reading of the groups showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupsChanged {
    pub added: Vec<String>,
    pub removed: Vec<String>,
}

#[derive(sqlx::FromRow)]
struct GroupRow {
    group_id: String,
}

#[derive(sqlx::FromRow)]
struct AtRow {
    app_groups_at: Option<i64>,
}

const IDS: &str = "SELECT group_id FROM app_groups WHERE tenant_id = $1";

impl TenantDb {
    /// The groups assigned to the app; `None` while nobody read them.
    pub async fn app_groups(&self) -> Result<Option<AppGroups>, StoreError> {
        let sql = "SELECT app_groups_at FROM hook_state WHERE tenant_id = $1";
        let at: Option<AtRow> = self.db().fetch_optional(sql, &[self.id().into()]).await?;
        let Some(read_at) = at.and_then(|row| row.app_groups_at).and_then(from_micros) else {
            return Ok(None);
        };
        let rows: Vec<GroupRow> = self.db().fetch_all(IDS, &[self.id().into()]).await?;
        Ok(Some(AppGroups { ids: rows.into_iter().map(|row| row.group_id).collect(), read_at }))
    }
}

/// Notes all groups of the app, as read at `read_at`; says which of them are new and which are gone.
pub async fn replace(
    write: &mut Write,
    ids: &BTreeSet<String>,
    read_at: Timestamp,
) -> Result<GroupsChanged, StoreError> {
    let tenant = write.tenant();
    // First: whoever stores events locks this row before anything else, too.
    hooks::bump(write).await?;
    let sql = "UPDATE hook_state SET app_groups_at = $2 WHERE tenant_id = $1";
    write.tx().execute(sql, &[tenant.into(), micros(read_at).into()]).await?;
    let rows: Vec<GroupRow> = write.tx().fetch_all(IDS, &[tenant.into()]).await?;
    let before: BTreeSet<String> = rows.into_iter().map(|row| row.group_id).collect();
    let changed = GroupsChanged {
        added: ids.difference(&before).cloned().collect(),
        removed: before.difference(ids).cloned().collect(),
    };
    let removed: Vec<&str> = changed.removed.iter().map(String::as_str).collect();
    let sql = "DELETE FROM app_groups WHERE tenant_id = $1 AND group_id IN";
    write.tx().execute_in(sql, &[tenant.into()], &removed).await?;
    let rows: Vec<Arg<'_>> =
        changed.added.iter().flat_map(|id| [tenant.into(), id.as_str().into()]).collect();
    let head = "INSERT INTO app_groups (tenant_id, group_id) VALUES";
    write.tx().insert_many(head, 2, &rows, "").await?;
    Ok(changed)
}

/// Forgets the groups: they were those of another app, or cannot be read any more. Then every group counts.
pub async fn forget(write: &mut Write) -> Result<(), StoreError> {
    let tenant = write.tenant();
    hooks::bump(write).await?;
    for sql in [
        "UPDATE hook_state SET app_groups_at = NULL WHERE tenant_id = $1",
        "DELETE FROM app_groups WHERE tenant_id = $1",
    ] {
        write.tx().execute(sql, &[tenant.into()]).await?;
    }
    Ok(())
}
