//! The report step: what is odd in the directory as it now stands, counted set by set.

use std::collections::BTreeSet;

use muster_core::id::PersonId;
use uuid::Uuid;

use crate::error::StoreError;
use crate::history::Write;

#[derive(sqlx::FromRow)]
struct BitsRow {
    problems: i64,
    n: i64,
}

/// How many people carry each combination of problem bits.
pub async fn problem_bits(write: &mut Write) -> Result<Vec<(i64, u64)>, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<BitsRow> = write
        .tx()
        .fetch_all(
            "SELECT problems, COUNT(*) AS n FROM people WHERE tenant_id = $1 AND problems <> 0
             GROUP BY problems ORDER BY problems",
            &[tenant.into()],
        )
        .await?;
    Ok(rows.into_iter().map(|row| (row.problems, u64::try_from(row.n).unwrap_or(0))).collect())
}

/// How many people may not sign in before somebody confirms their return.
pub async fn unconfirmed(write: &mut Write) -> Result<u64, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        n: i64,
    }
    let tenant = write.tenant().uuid();
    let row: Option<Row> = write
        .tx()
        .fetch_optional(
            "SELECT COUNT(*) AS n FROM people WHERE tenant_id = $1 AND confirm_needed",
            &[tenant.into()],
        )
        .await?;
    Ok(row.map_or(0, |row| u64::try_from(row.n).unwrap_or(0)))
}

/// A manager value that leads to nobody, and how many people carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unresolved {
    /// The value for comparing.
    pub value: String,
    /// As Okta has it, for one of these people.
    pub raw: String,
    pub people: u64,
    /// The value is the very person's own.
    pub own: bool,
}

/// The manager values that lead to nobody, the most frequent first, `limit` of them.
pub async fn unresolved_managers(
    write: &mut Write,
    limit: i64,
) -> Result<Vec<Unresolved>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        manager_key: String,
        raw: String,
        own: bool,
        n: i64,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            "SELECT manager_key, MIN(raw) AS raw, own, COUNT(*) AS n FROM
                 (SELECT manager_key, TRIM(manager_raw) AS raw, (manager_key = email_key OR manager_key = COALESCE(login_key, '')
                          OR TRIM(manager_raw) = okta_user_id OR TRIM(manager_raw) = COALESCE(employee_number, '')) AS own
                  FROM people WHERE tenant_id = $1 AND okta_user_id IS NOT NULL AND manager_key IS NOT NULL
                        AND manager_id IS NULL AND status <> 'deactivated') AS loose
             GROUP BY manager_key, own ORDER BY n DESC, manager_key LIMIT $2",
            &[tenant.into(), limit.into()],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| Unresolved {
            value: row.manager_key,
            raw: row.raw,
            people: u64::try_from(row.n).unwrap_or(0),
            own: row.own,
        })
        .collect())
}

#[derive(sqlx::FromRow)]
struct SharedRow {
    value: String,
}

/// Those of these employee numbers that several people have.
pub async fn shared_numbers(
    write: &mut Write,
    numbers: &[&str],
) -> Result<BTreeSet<String>, StoreError> {
    const SQL: &str = "SELECT value FROM
         (SELECT employee_number AS value FROM people WHERE tenant_id = $1 AND employee_number IS NOT NULL
          GROUP BY employee_number HAVING COUNT(*) > 1) AS shared WHERE value IN";
    shared(write, SQL, numbers).await
}

/// Those of these names, as [`key_of`](muster_core::name::key_of) compares them, that several people have. Names have no
/// index: everybody's is looked at.
pub async fn shared_names(
    write: &mut Write,
    names: &[&str],
) -> Result<BTreeSet<String>, StoreError> {
    const SQL: &str = "SELECT value FROM
         (SELECT name_key AS value FROM people WHERE tenant_id = $1 GROUP BY name_key HAVING COUNT(*) > 1) AS shared
         WHERE value IN";
    shared(write, SQL, names).await
}

async fn shared(
    write: &mut Write,
    sql: &'static str,
    values: &[&str],
) -> Result<BTreeSet<String>, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<SharedRow> = write.tx().fetch_in(sql, &[tenant.into()], values).await?;
    Ok(rows.into_iter().map(|row| row.value).collect())
}

/// A manager without access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostManager {
    pub email: String,
    /// They are out because Okta no longer assigns them to the app.
    pub unassigned: bool,
    /// Whose manager they are.
    pub people: u64,
}

/// Managers without access, those of the most people first, `limit` of them.
pub async fn managers_left(write: &mut Write, limit: i64) -> Result<Vec<LostManager>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        email: String,
        unassigned: bool,
        n: i64,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            // Who is anybody's manager is read from an index; only the few who left have their reports looked at.
            "WITH managers AS MATERIALIZED
                 (SELECT DISTINCT manager_id AS id FROM people WHERE tenant_id = $1 AND manager_id IS NOT NULL),
             gone AS MATERIALIZED (SELECT m.id, m.email, (m.status_reason = 'unassigned') AS unassigned FROM managers k JOIN people m ON m.tenant_id = $1 AND m.id = k.id
                                   WHERE m.status = 'deactivated')
             SELECT g.email, g.unassigned, COUNT(*) AS n FROM gone g JOIN people p ON p.tenant_id = $1 AND p.manager_id = g.id
             WHERE p.status <> 'deactivated' GROUP BY g.email, g.unassigned ORDER BY n DESC, g.email LIMIT $2",
            &[tenant.into(), limit.into()],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| LostManager {
            email: row.email,
            unassigned: row.unassigned,
            people: u64::try_from(row.n).unwrap_or(0),
        })
        .collect())
}

/// A link from somebody who is a manager to their own, among those that never reach the top.
#[derive(Debug, Clone)]
pub struct LoopLink {
    pub person: PersonId,
    pub manager: PersonId,
    pub email: String,
}

/// Managers from whom the chain of managers never ends: those in a loop and those below one, `limit` of them.
///
/// Walks the tree down from every manager without a manager; each person has one manager, so each is reached at most once.
/// Whoever is in a loop is somebody's manager, so nobody else need be looked at.
pub async fn endless(write: &mut Write, limit: i64) -> Result<Vec<LoopLink>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        id: Uuid,
        manager_id: Uuid,
        email: String,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            "WITH RECURSIVE managers AS MATERIALIZED
                 (SELECT DISTINCT manager_id AS id FROM people WHERE tenant_id = $1 AND manager_id IS NOT NULL),
             ended (id) AS (
                 SELECT p.id FROM managers k JOIN people p ON p.tenant_id = $1 AND p.id = k.id WHERE p.manager_id IS NULL
                 UNION ALL
                 SELECT p.id FROM people p JOIN ended e ON p.manager_id = e.id WHERE p.tenant_id = $1)
             SELECT p.id, p.manager_id, p.email FROM managers k JOIN people p ON p.tenant_id = $1 AND p.id = k.id
             WHERE p.manager_id IS NOT NULL AND k.id NOT IN (SELECT id FROM ended) ORDER BY p.id LIMIT $2",
            &[tenant.into(), limit.into()],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| LoopLink {
            person: PersonId::new(row.id),
            manager: PersonId::new(row.manager_id),
            email: row.email,
        })
        .collect())
}
