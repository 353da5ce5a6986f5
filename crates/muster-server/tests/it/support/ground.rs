//! Where a story is played: a database of its own on one engine, and a plain look into its tables.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};

use jiff::Timestamp;
use muster_store::secrets::MasterKeys;
use muster_store::{DatabaseUrl, Db};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use super::PostgresDatabase;

/// Plays each named story of a module on SQLite, and on PostgreSQL when there is a server to test on.
macro_rules! on_both_engines {
    ($($story:ident),* $(,)?) => {
        on_both_engines!(@ sqlite Sqlite: $($story),*);
        on_both_engines!(@ postgres Postgres: $($story),*);
    };
    (@ $module:ident $engine:ident: $($story:ident),*) => {
        mod $module { $(
            #[tokio::test]
            async fn $story() {
                let engine = crate::support::On::$engine;
                if let Some(ground) = crate::support::Ground::on(engine).await {
                    Box::pin(super::$story(&ground)).await;
                }
            }
        )* }
    };
}
pub(crate) use on_both_engines;

/// A database engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
}

/// A database of its own; it goes away with the value.
pub(crate) struct Ground {
    pub(crate) db: Db,
    place: Place,
    tenants: AtomicU8,
    _folder: tempfile::TempDir,
    _postgres: Option<PostgresDatabase>,
}

/// Where the database is, for connections of the test's own.
#[derive(Debug, Clone)]
enum Place {
    File(PathBuf),
    Server(String),
}

/// Base64 of 32 times the byte 1.
const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

impl Ground {
    /// An empty database on this engine; `None`, and a loud line, when there is no server to test on.
    pub(crate) async fn on(engine: On) -> Option<Self> {
        let folder = folder();
        let (url, place, postgres) = match engine {
            On::Sqlite => {
                let path = folder.path().join("muster.db");
                (DatabaseUrl::file(&path), Place::File(path), None)
            }
            On::Postgres => {
                let database = PostgresDatabase::new().await?;
                let url = database.url();
                (url.parse().expect("an address"), Place::Server(url), Some(database))
            }
        };
        let now: Timestamp = "2026-11-23T00:00:00Z".parse().expect("a time");
        let keys = MasterKeys::parse(KEY).expect("a key");
        let db = Db::open(&url, keys, [4; 32], now).await.expect("a database");
        let tenants = AtomicU8::new(0);
        Some(Self { db, place, tenants, _folder: folder, _postgres: postgres })
    }

    /// A number that no other tenant of this database has.
    pub(crate) fn next_number(&self) -> u8 {
        self.tenants.fetch_add(1, Ordering::Relaxed)
    }

    /// The tables of the database as they are, without the code under test in between.
    pub(crate) fn tables(&self) -> Tables {
        Tables(self.place.clone())
    }
}

/// A folder in memory where the machine has one: a story commits hundreds of times, and none is about the disk.
fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}

/// A look into the tables by connections of the test's own.
#[derive(Debug, Clone)]
pub(crate) struct Tables(Place);

impl Tables {
    /// Each row of a table with every column, as text, in a fixed order.
    pub(crate) async fn dump(&self, table: &str) -> Vec<String> {
        match &self.0 {
            Place::Server(_) => {
                self.texts(&format!("SELECT t::text FROM {table} t ORDER BY 1")).await
            }
            Place::File(_) => {
                let columns = format!(
                    "SELECT group_concat('quote(' || name || ')', ' || '','' || ') FROM pragma_table_info('{table}')"
                );
                let row = self.texts(&columns).await.concat();
                assert!(!row.is_empty(), "no table {table}");
                self.texts(&format!("SELECT {row} FROM {table} ORDER BY 1")).await
            }
        }
    }

    /// The first column of a query, which must be text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.0 {
            Place::File(path) => {
                let mut connection = file(path).await;
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("rows");
                let texts = rows.iter().map(|row| row.get(0)).collect();
                connection.close().await.expect("closed");
                texts
            }
            Place::Server(url) => {
                let mut connection = PgConnection::connect(url).await.expect("the server");
                let rows = sqlx::query(sql).fetch_all(&mut connection).await.expect("rows");
                let texts = rows.iter().map(|row| row.get(0)).collect();
                connection.close().await.expect("closed");
                texts
            }
        }
    }

    /// Changes rows behind the back of the code under test; says how many.
    pub(crate) async fn execute(&self, sql: &str) -> u64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match &self.0 {
            Place::File(path) => {
                let mut connection = file(path).await;
                let done = sqlx::query(sql).execute(&mut connection).await.expect("changed");
                connection.close().await.expect("closed");
                done.rows_affected()
            }
            Place::Server(url) => {
                let mut connection = PgConnection::connect(url).await.expect("the server");
                let done = sqlx::query(sql).execute(&mut connection).await.expect("changed");
                connection.close().await.expect("closed");
                done.rows_affected()
            }
        }
    }
}

/// Somebody who holds a table, or the whole file.
pub(crate) struct Hold(Connection);

enum Connection {
    File(SqliteConnection),
    Server(PgConnection),
}

impl Tables {
    /// Keeps everybody else from writing to a table.
    pub(crate) async fn hold(&self, table: &str) -> Hold {
        Hold(match &self.0 {
            Place::File(path) => {
                let mut connection = file(path).await;
                sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.expect("begun");
                Connection::File(connection)
            }
            Place::Server(url) => {
                let mut connection = PgConnection::connect(url).await.expect("the server");
                let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
                let lock = sqlx::raw_sql(AssertSqlSafe(lock)).execute(&mut connection).await;
                lock.expect("locked");
                Connection::Server(connection)
            }
        })
    }
}

impl Hold {
    /// Lets the others go on.
    pub(crate) async fn let_go(self) {
        match self.0 {
            Connection::File(connection) => connection.close().await,
            Connection::Server(connection) => connection.close().await,
        }
        .expect("closed");
    }
}

async fn file(path: &std::path::Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
    SqliteConnection::connect_with(&options).await.expect("the file")
}
