//! The report step: what is odd in the directory as it now stands, counted set by set.

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
    pub value: String,
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
        own: bool,
        n: i64,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            "SELECT manager_key, own, COUNT(*) AS n FROM
                 (SELECT manager_key, (manager_key = email_key OR manager_key = COALESCE(login_key, '')
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
            people: u64::try_from(row.n).unwrap_or(0),
            own: row.own,
        })
        .collect())
}

/// Managers who left: what to call them, and how many people's manager they are.
pub async fn managers_left(
    write: &mut Write,
    limit: i64,
) -> Result<Vec<(String, u64)>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        email: String,
        n: i64,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            "SELECT m.email, COUNT(*) AS n FROM people p
             JOIN people m ON m.tenant_id = p.tenant_id AND m.id = p.manager_id
             WHERE p.tenant_id = $1 AND p.manager_id IS NOT NULL AND p.status <> 'deactivated' AND m.status = 'deactivated'
             GROUP BY m.email ORDER BY n DESC, m.email LIMIT $2",
            &[tenant.into(), limit.into()],
        )
        .await?;
    Ok(rows.into_iter().map(|row| (row.email, u64::try_from(row.n).unwrap_or(0))).collect())
}

/// A link from a person to their manager, among those that never reach the top.
#[derive(Debug, Clone)]
pub struct LoopLink {
    pub person: PersonId,
    pub manager: PersonId,
    pub email: String,
}

/// Everybody from whom the chain of managers never ends: those in a loop and those below one, `limit` of them.
///
/// Walks the tree down from everybody without a manager; each person has one manager, so each is reached at most once.
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
            "WITH RECURSIVE ended (id) AS (
                 SELECT id FROM people WHERE tenant_id = $1 AND manager_id IS NULL
                 UNION ALL
                 SELECT p.id FROM people p JOIN ended e ON p.manager_id = e.id WHERE p.tenant_id = $1)
             SELECT id, manager_id, email FROM people WHERE tenant_id = $1 AND manager_id IS NOT NULL
                 AND id NOT IN (SELECT id FROM ended) ORDER BY id LIMIT $2",
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
