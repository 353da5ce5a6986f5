//! Opening connections to a SQLite file, a SQLite database in memory, or PostgreSQL.

use std::fs::File;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection};

use crate::db::Engine;
use crate::error::StoreError;
use crate::url::{DatabaseUrl, Place};

/// Marks a SQLite file as a database of Muster: "Must" as big-endian ASCII.
pub(crate) const APPLICATION_ID: i32 = 0x4d75_7374;

/// How long a statement waits for another process's transaction. Bulk work holds the writer for milliseconds.
const BUSY: Duration = Duration::from_secs(10);

/// Connections that read a SQLite file side by side.
const READERS: u32 = 4;

/// Connections to PostgreSQL; several nodes share its default of 100.
const PG_CONNECTIONS: u32 = 10;

/// Prepared statements kept a connection. Inserts of many rows have up to nine texts each.
const STATEMENTS: usize = 512;

pub(crate) async fn open(url: &DatabaseUrl) -> Result<Engine, StoreError> {
    let unreachable =
        |cause| StoreError::Unreachable { database: url.to_string(), cause: Box::new(cause) };
    match &url.0 {
        Place::File(path) => {
            make_file(path)?;
            let turn = turn(path).await;
            preflight(url, path).await?;
            let options = sqlite()
                .filename(path)
                // Fixed when the file is made. The mirror lies in the order of its listing, so larger pages gain nothing.
                .page_size(4_096)
                .journal_mode(SqliteJournalMode::Wal);
            let write = sqlite_pool(1)
                .connect_with(
                    options
                        .clone()
                        .synchronous(SqliteSynchronous::Full)
                        // Pages, negative: KiB. A large run touches many pages of many indices.
                        .pragma("cache_size", "-32768")
                        // Pages: 64 MiB. Large runs change the same pages again and again; copying them back into the
                        // file more rarely saves a quarter.
                        .pragma("wal_autocheckpoint", "16384")
                        .pragma("journal_size_limit", "67108864"),
                )
                .await
                .map_err(unreachable)?;
            drop(turn);
            let read = sqlite_pool(READERS)
                .connect_with(
                    options
                        .read_only(true)
                        .row_buffer_size(256)
                        .pragma("cache_size", "-16384")
                        .pragma("mmap_size", "268435456"),
                )
                .await
                .map_err(unreachable)?;
            Ok(Engine::Sqlite { write, read })
        }
        Place::Memory => {
            let options = sqlite().in_memory(true).row_buffer_size(256);
            let only = sqlite_pool(1).connect_with(options).await.map_err(unreachable)?;
            Ok(Engine::Sqlite { write: only.clone(), read: only })
        }
        Place::Postgres(text) => {
            let options = PgConnectOptions::from_str(&text.0)
                .map_err(unreachable)?
                .application_name("muster")
                .statement_cache_capacity(STATEMENTS)
                .options([("lock_timeout", BUSY.as_millis().to_string())])
                .disable_statement_logging();
            let pool = PgPoolOptions::new()
                .max_connections(PG_CONNECTIONS)
                .acquire_timeout(BUSY)
                .connect_with(options)
                .await
                .map_err(unreachable)?;
            Ok(Engine::Postgres(pool))
        }
    }
}

fn sqlite() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .statement_cache_capacity(STATEMENTS)
        .pragma("temp_store", "memory")
        // Errors say which statement failed; a log of statements would only slow down large runs.
        .disable_statement_logging()
}

/// Connections that stay: a database in memory is its connection, and a file loses nothing by it.
fn sqlite_pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(connections.min(1))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(BUSY)
}

/// Makes the file and the folders above it, readable for this user only: directories hold personal data.
fn make_file(path: &Path) -> Result<(), StoreError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |cause| StoreError::Folder { path, cause }
    };
    if let Some(folder) =
        path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists())
    {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(failed(folder))?;
    }
    if !path.exists() {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map_err(failed(path))?;
    }
    Ok(())
}

/// Waits until nobody else opens this file: whoever turns a new file to a write-ahead log lets SQLite answer others "database
/// is locked" at once, however long they would wait. A lock on the folder, given back when dropped; where folders cannot be
/// locked, or somebody holds the lock for long, we go on without.
async fn turn(path: &Path) -> Option<File> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new(".")).to_owned();
    let (locked, turn) = tokio::sync::oneshot::channel();
    // A thread that nobody waits for at the end, unlike those of the runtime: the lock may never come.
    std::thread::spawn(move || {
        let folder = File::open(folder).ok().filter(|folder| folder.lock().is_ok());
        drop(locked.send(folder));
    });
    tokio::time::timeout(BUSY, turn).await.ok()?.ok()?
}

/// Looks whose file it is before anything of ours changes it: even the journal mode is written into it.
async fn preflight(url: &DatabaseUrl, path: &Path) -> Result<(), StoreError> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return Ok(());
    }
    let unreachable =
        |cause| StoreError::Unreachable { database: url.to_string(), cause: Box::new(cause) };
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY);
    let mut connection: SqliteConnection = options.connect().await.map_err(unreachable)?;
    // In this order: both are committed at once by whoever begins the database just now, so that tables seen here have their
    // mark by the time it is looked at.
    let tables: Result<i64, _> =
        sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_master").fetch_one(&mut connection).await;
    let id: Result<i32, _> =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut connection).await;
    connection.close().await.map_err(unreachable)?;
    match (id, tables) {
        (Ok(APPLICATION_ID), Ok(_)) | (Ok(_), Ok(0)) => Ok(()),
        (Ok(_), Ok(_)) => Err(StoreError::NotOurs { database: url.to_string() }),
        (Err(cause), _) | (_, Err(cause)) => {
            // 26: the file is not a SQLite database at all.
            let foreign = cause
                .as_database_error()
                .is_some_and(|error| error.code().as_deref() == Some("26"));
            Err(if foreign {
                StoreError::NotOurs { database: url.to_string() }
            } else {
                unreachable(cause)
            })
        }
    }
}
