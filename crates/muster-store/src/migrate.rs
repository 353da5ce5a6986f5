//! Bringing a database to this version: each step once, all of them in one transaction, one process at a time.

use jiff::Timestamp;

use crate::connect::APPLICATION_ID;
use crate::db::{Arg, Db, Tx};
use crate::dialect::{Dialect, Sql};
use crate::error::StoreError;
use crate::secrets;
use crate::time::micros;
use crate::url::DatabaseUrl;

/// One step of the schema. A step that was released never changes; a new one is added after it.
struct Step {
    version: i64,
    name: &'static str,
    /// One text for both engines, with words in double braces; then what only one of them understands.
    shared: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
    /// The oldest version that may still run on a database with this step: nodes are renewed one by one.
    oldest: i64,
}

const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "directory",
        shared: include_str!("../migrations/0001_directory.sql"),
        sqlite: include_str!("../migrations/0001_directory.sqlite.sql"),
        postgres: include_str!("../migrations/0001_directory.postgres.sql"),
        oldest: 1,
    },
    Step {
        version: 2,
        name: "events",
        shared: include_str!("../migrations/0002_events.sql"),
        sqlite: include_str!("../migrations/0002_events.sqlite.sql"),
        postgres: include_str!("../migrations/0002_events.postgres.sql"),
        oldest: 1,
    },
    Step {
        version: 3,
        name: "alarms",
        shared: include_str!("../migrations/0003_alarms.sql"),
        sqlite: include_str!("../migrations/0003_alarms.sqlite.sql"),
        postgres: "",
        oldest: 1,
    },
    Step {
        version: 4,
        name: "sign_in",
        shared: include_str!("../migrations/0004_sign_in.sql"),
        sqlite: include_str!("../migrations/0004_sign_in.sqlite.sql"),
        postgres: include_str!("../migrations/0004_sign_in.postgres.sql"),
        oldest: 1,
    },
];

/// The version of the schema that this binary makes.
pub(crate) const LATEST: i64 = 4;

#[derive(sqlx::FromRow)]
struct SchemaRow {
    version: i64,
    oldest: i64,
}

#[derive(sqlx::FromRow)]
struct CountRow {
    n: i64,
}

/// Migrates the database and checks the master key, or changes nothing at all.
pub(crate) async fn migrate(db: &Db, url: &DatabaseUrl, now: Timestamp) -> Result<(), StoreError> {
    let mut tx = db.begin().await?;
    lock(&mut tx, db.dialect()).await?;
    let at = match schema(&mut tx).await? {
        Some(row) if row.version > LATEST && row.oldest > LATEST => {
            return Err(StoreError::TooNew { database: row.version, binary: LATEST });
        }
        Some(row) => row.version,
        None if tables(&mut tx).await? > 0 => {
            return Err(StoreError::NotOurs { database: url.to_string() });
        }
        None => 0,
    };
    if at == 0 {
        first(&mut tx, db.dialect()).await?;
    }
    for step in STEPS.iter().filter(|step| step.version > at) {
        let failed = |cause| StoreError::Migration {
            version: step.version,
            name: step.name,
            cause: Box::new(cause),
        };
        let own = match db.dialect() {
            Dialect::Sqlite => step.sqlite,
            Dialect::Postgres => step.postgres,
        };
        tx.run_script(db.dialect().schema(step.shared)).await.map_err(failed)?;
        tx.run_script(own.to_owned()).await.map_err(failed)?;
        tx.execute(
            "UPDATE muster_schema SET version = $1, oldest = $2, changed_at = $3",
            &[step.version.into(), step.oldest.into(), micros(now).into()],
        )
        .await?;
    }
    secrets::check_keys(&mut tx, db, now).await?;
    tx.commit().await
}

/// Two processes may start at once. SQLite's transaction already excludes the other; PostgreSQL is asked to.
async fn lock(tx: &mut Tx, dialect: Dialect) -> Result<(), StoreError> {
    #[derive(sqlx::FromRow)]
    struct LockedRow {
        #[expect(dead_code, reason = "only its arrival matters")]
        locked: bool,
    }
    if dialect == Dialect::Postgres {
        // The key is "muster" in ASCII. The lock ends with the transaction.
        let sql = "SELECT pg_advisory_xact_lock(120359750460786) IS NULL AS locked";
        tx.fetch_all::<LockedRow>(sql, &[]).await?;
    }
    Ok(())
}

async fn schema(tx: &mut Tx) -> Result<Option<SchemaRow>, StoreError> {
    let exists = Sql::differing(
        "SELECT COUNT(*) AS n FROM sqlite_master WHERE type = 'table' AND name = 'muster_schema'",
        "SELECT COUNT(*) AS n FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'muster_schema'",
    );
    let exists: Option<CountRow> = tx.fetch_optional(exists, &[]).await?;
    if exists.is_none_or(|row| row.n == 0) {
        return Ok(None);
    }
    tx.fetch_optional("SELECT version, oldest FROM muster_schema", &[]).await
}

async fn tables(tx: &mut Tx) -> Result<i64, StoreError> {
    let count = Sql::differing(
        "SELECT COUNT(*) AS n FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
        "SELECT COUNT(*) AS n FROM pg_tables WHERE schemaname = current_schema()",
    );
    Ok(tx.fetch_optional::<CountRow>(count, &[]).await?.map_or(0, |row| row.n))
}

async fn first(tx: &mut Tx, dialect: Dialect) -> Result<(), StoreError> {
    let failed =
        |cause| StoreError::Migration { version: 0, name: "schema", cause: Box::new(cause) };
    let table = "CREATE TABLE muster_schema (
        -- There is one row.
        only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
        version BIGINT NOT NULL,
        -- The oldest version of the schema whose binary may still run.
        oldest BIGINT NOT NULL,
        changed_at BIGINT NOT NULL
    )";
    tx.run_script(table.to_owned()).await.map_err(failed)?;
    if dialect == Dialect::Sqlite {
        tx.run_script(format!("PRAGMA application_id = {APPLICATION_ID}")).await.map_err(failed)?;
    }
    let row = [Arg::from(1_i64), 0_i64.into(), 0_i64.into(), 0_i64.into()];
    tx.insert_many(
        "INSERT INTO muster_schema (only_row, version, oldest, changed_at) VALUES",
        4,
        &row,
        "",
    )
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_numbered_one_by_one() {
        let numbers: Vec<_> = STEPS.iter().map(|step| step.version).collect();
        assert_eq!(numbers, (1..=LATEST).collect::<Vec<_>>());
        assert!(STEPS.iter().all(|step| step.oldest <= step.version));
    }

    #[test]
    fn no_word_is_left_unreplaced() {
        for step in STEPS {
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                assert!(!dialect.schema(step.shared).contains("{{"), "{}", step.name);
            }
        }
    }
}
