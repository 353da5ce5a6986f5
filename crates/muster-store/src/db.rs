//! The database: connections, statements, transactions. With `dialect` and `lists`, the only place that knows the engines apart.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use muster_core::id::{OktaUserId, TenantId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, AssertSqlSafe, FromRow, PgPool, Postgres, Sqlite, SqlitePool, Transaction};
use uuid::Uuid;

use crate::connect;
use crate::dialect::{Dialect, Sql};
use crate::error::StoreError;
use crate::migrate;
use crate::secrets::MasterKeys;
use crate::tenants::TenantDb;
use crate::url::DatabaseUrl;

/// A row that both engines can give: what `#[derive(sqlx::FromRow)]` makes of a struct of `Uuid`, `i64`, `bool`, `String`,
/// `Vec<u8>` and options of these.
pub trait Row: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}
impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

/// The database of this installation. Cloning it is cheap.
///
/// SQLite: one connection writes, a pool of others only reads; in memory one connection does both, so that a task which
/// holds a transaction must not ask the `Db` for anything. PostgreSQL: one pool.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    engine: Engine,
    keys: MasterKeys,
    random: Mutex<ChaCha20Rng>,
    /// Who waits for the one writer of SQLite.
    waiting: AtomicUsize,
}

pub(crate) enum Engine {
    Sqlite { write: SqlitePool, read: SqlitePool },
    Postgres(PgPool),
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Db").field(&self.dialect()).finish()
    }
}

impl Db {
    /// Opens the database, brings it to this version and makes sure that the master key is its own.
    ///
    /// A SQLite file and its folder are made when they are missing, for this user only. `seed` is where the random part of
    /// every stored secret comes from: the operating system's randomness, save in simulations.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreachable`], [`StoreError::NotOurs`], [`StoreError::TooNew`], [`StoreError::WrongMasterKey`],
    /// [`StoreError::Locked`]; nothing was changed then.
    pub async fn open(
        url: &DatabaseUrl,
        keys: MasterKeys,
        seed: [u8; 32],
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let engine = connect::open(url).await?;
        let random = Mutex::new(ChaCha20Rng::from_seed(seed));
        let waiting = AtomicUsize::new(0);
        let db = Self(Arc::new(Inner { engine, keys, random, waiting }));
        migrate::migrate(&db, url, now).await?;
        Ok(db)
    }

    /// Which engine it is.
    pub fn dialect(&self) -> Dialect {
        match self.0.engine {
            Engine::Sqlite { .. } => Dialect::Sqlite,
            Engine::Postgres(_) => Dialect::Postgres,
        }
    }

    /// The rows of one tenant.
    pub fn tenant(&self, id: TenantId) -> TenantDb {
        TenantDb::new(self.clone(), id)
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.fetch_all::<One>("SELECT 1 AS one", &[]).await.map(drop)
    }

    /// What the database server's clock says. `None` for SQLite, which has no clock of its own.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, StoreError> {
        #[derive(FromRow)]
        struct TimeRow {
            micros: i64,
        }
        if self.dialect() == Dialect::Sqlite {
            return Ok(None);
        }
        let sql =
            "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS micros";
        let row: Option<TimeRow> = self.fetch_optional(sql, &[]).await?;
        Ok(row.and_then(|row| crate::time::from_micros(row.micros)))
    }

    /// Ends all connections, after what they are doing now.
    pub async fn close(&self) {
        match &self.0.engine {
            Engine::Sqlite { write, read } => {
                read.close().await;
                write.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }

    /// All rows that a query gives.
    pub async fn fetch_all<R: Row>(
        &self,
        sql: impl Into<Sql>,
        args: &[Arg<'_>],
    ) -> Result<Vec<R>, StoreError> {
        let sql = sql.into();
        match &self.0.engine {
            Engine::Sqlite { read, .. } => {
                let args = sqlite_args(args).map_err(|cause| StoreError::sql(sql.sqlite, cause))?;
                sqlx::query_as_with::<Sqlite, R, _>(sql.sqlite, args).fetch_all(read).await
            }
            Engine::Postgres(pool) => {
                let args = pg_args(args).map_err(|cause| StoreError::sql(sql.postgres, cause))?;
                sqlx::query_as_with::<Postgres, R, _>(sql.postgres, args).fetch_all(pool).await
            }
        }
        .map_err(|cause| StoreError::sql(sql.text(self.dialect()), cause))
    }

    /// The first row that a query gives, if it gives one.
    pub async fn fetch_optional<R: Row>(
        &self,
        sql: impl Into<Sql>,
        args: &[Arg<'_>],
    ) -> Result<Option<R>, StoreError> {
        let sql = sql.into();
        match &self.0.engine {
            Engine::Sqlite { read, .. } => {
                let args = sqlite_args(args).map_err(|cause| StoreError::sql(sql.sqlite, cause))?;
                sqlx::query_as_with::<Sqlite, R, _>(sql.sqlite, args).fetch_optional(read).await
            }
            Engine::Postgres(pool) => {
                let args = pg_args(args).map_err(|cause| StoreError::sql(sql.postgres, cause))?;
                sqlx::query_as_with::<Postgres, R, _>(sql.postgres, args).fetch_optional(pool).await
            }
        }
        .map_err(|cause| StoreError::sql(sql.text(self.dialect()), cause))
    }

    /// Runs one statement in a transaction of its own; says how many rows it touched.
    pub async fn execute(&self, sql: impl Into<Sql>, args: &[Arg<'_>]) -> Result<u64, StoreError> {
        let sql = sql.into();
        match &self.0.engine {
            Engine::Sqlite { write, .. } => {
                let args = sqlite_args(args).map_err(|cause| StoreError::sql(sql.sqlite, cause))?;
                let _turn = Waiting::for_turn(&self.0.waiting);
                let done = sqlx::query_with::<Sqlite, _>(sql.sqlite, args).execute(write).await;
                done.map(|done| done.rows_affected())
            }
            Engine::Postgres(pool) => {
                let args = pg_args(args).map_err(|cause| StoreError::sql(sql.postgres, cause))?;
                let done = sqlx::query_with::<Postgres, _>(sql.postgres, args).execute(pool).await;
                done.map(|done| done.rows_affected())
            }
        }
        .map_err(|cause| StoreError::sql(sql.text(self.dialect()), cause))
    }

    /// Begins a transaction that may write. Dropping it undoes it; so does dropping this future at any point.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        match &self.0.engine {
            // IMMEDIATE: a transaction that begins by reading and then writes would fail at once when another process
            // wrote in between, however long the busy timeout.
            Engine::Sqlite { write, .. } => {
                let _turn = Waiting::for_turn(&self.0.waiting);
                let mut begun = write.begin_with("BEGIN IMMEDIATE").await;
                if matches!(begun, Err(sqlx::Error::InvalidSavePointStatement)) {
                    renew(write).await?;
                    begun = write.begin_with("BEGIN IMMEDIATE").await;
                }
                begun.map(Transactions::Sqlite)
            }
            Engine::Postgres(pool) => begin_whole(pool.clone()).await.map(Transactions::Postgres),
        }
        .map(Tx)
        .map_err(|cause| StoreError::during("begin a transaction", cause))
    }

    /// Whether somebody in this process waits for the writer of SQLite, so that whoever has it should not go on for long.
    /// PostgreSQL has as many writers as one likes.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Counts the caller among those who wait for the writer, until the value goes away.
    pub(crate) fn wait_for_turn(&self) -> Waiting<'_> {
        Waiting::for_turn(&self.0.waiting)
    }

    pub(crate) fn keys(&self) -> &MasterKeys {
        &self.0.keys
    }

    /// Draws from the randomness that was handed in.
    pub(crate) fn with_random<T>(&self, draw: impl FnOnce(&mut ChaCha20Rng) -> T) -> T {
        draw(&mut self.0.random.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Counts somebody as waiting for as long as it lives.
pub(crate) struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn for_turn(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(FromRow)]
struct One {
    #[expect(dead_code, reason = "only its arrival matters")]
    one: i32,
}

/// Replaces the connection that writes by a new one, because it thinks itself in a transaction for ever.
///
/// When a file is full, or the disk fails, SQLite undoes the whole transaction by itself. sqlx 0.9.0 then fails to undo it once
/// more, and counts it as open: nothing could be written any more.
async fn renew(write: &SqlitePool) -> Result<(), StoreError> {
    let failed = |cause| StoreError::during("open the database anew", cause);
    write.acquire().await.map_err(failed)?.close().await.map_err(failed)?;
    tracing::warn!("a transaction was undone by sqlite itself: is the disk full?");
    Ok(())
}

/// Begins a transaction on PostgreSQL in a task of its own, which nobody can cancel halfway.
///
/// sqlx 0.9.0 leaves the pooled connection inside the transaction when `begin` is dropped at the wrong moment, and what
/// the next user of that connection writes is lost (transact-rs/sqlx#4385). A task that is not awaited any more goes on to
/// its end and drops the whole transaction, which rolls back.
#[expect(
    clippy::disallowed_methods,
    reason = "the task ends with its one statement, and nobody has to wait for it at a stop"
)]
async fn begin_whole(pool: PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    tokio::spawn(async move { pool.begin().await })
        .await
        .unwrap_or_else(|panic| Err(sqlx::Error::Protocol(panic.to_string())))
}

/// A transaction. Nothing of it remains unless [`Tx::commit`] succeeds.
pub struct Tx(pub(crate) Transactions);

pub(crate) enum Transactions {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    /// All rows that a query gives.
    pub async fn fetch_all<R: Row>(
        &mut self,
        sql: impl Into<Sql>,
        args: &[Arg<'_>],
    ) -> Result<Vec<R>, StoreError> {
        let sql = sql.into();
        match &mut self.0 {
            Transactions::Sqlite(tx) => {
                let args = sqlite_args(args).map_err(|cause| StoreError::sql(sql.sqlite, cause))?;
                let rows = sqlx::query_as_with::<Sqlite, R, _>(sql.sqlite, args);
                rows.fetch_all(&mut **tx).await.map_err(|cause| StoreError::sql(sql.sqlite, cause))
            }
            Transactions::Postgres(tx) => {
                let args = pg_args(args).map_err(|cause| StoreError::sql(sql.postgres, cause))?;
                let rows = sqlx::query_as_with::<Postgres, R, _>(sql.postgres, args);
                rows.fetch_all(&mut **tx)
                    .await
                    .map_err(|cause| StoreError::sql(sql.postgres, cause))
            }
        }
    }

    /// The first row that a query gives, if it gives one.
    pub async fn fetch_optional<R: Row>(
        &mut self,
        sql: impl Into<Sql>,
        args: &[Arg<'_>],
    ) -> Result<Option<R>, StoreError> {
        Ok(self.fetch_all(sql, args).await?.into_iter().next())
    }

    /// Runs one statement; says how many rows it touched.
    pub async fn execute(
        &mut self,
        sql: impl Into<Sql>,
        args: &[Arg<'_>],
    ) -> Result<u64, StoreError> {
        let sql = sql.into();
        match &mut self.0 {
            Transactions::Sqlite(tx) => {
                let args = sqlite_args(args).map_err(|cause| StoreError::sql(sql.sqlite, cause))?;
                let done = sqlx::query_with::<Sqlite, _>(sql.sqlite, args).execute(&mut **tx).await;
                done.map(|done| done.rows_affected())
                    .map_err(|cause| StoreError::sql(sql.sqlite, cause))
            }
            Transactions::Postgres(tx) => {
                let args = pg_args(args).map_err(|cause| StoreError::sql(sql.postgres, cause))?;
                let done =
                    sqlx::query_with::<Postgres, _>(sql.postgres, args).execute(&mut **tx).await;
                done.map(|done| done.rows_affected())
                    .map_err(|cause| StoreError::sql(sql.postgres, cause))
            }
        }
    }

    /// Runs several statements without arguments, for migrations.
    pub(crate) async fn run_script(&mut self, script: String) -> Result<(), sqlx::Error> {
        let script = sqlx::raw_sql(AssertSqlSafe(script));
        match &mut self.0 {
            Transactions::Sqlite(tx) => script.execute(&mut **tx).await.map(drop),
            Transactions::Postgres(tx) => script.execute(&mut **tx).await.map(drop),
        }
    }

    /// Makes everything of this transaction lasting.
    pub async fn commit(self) -> Result<(), StoreError> {
        #[cfg(debug_assertions)]
        let number = crate::commits::begins();
        match self.0 {
            Transactions::Sqlite(tx) => tx.commit().await,
            Transactions::Postgres(tx) => tx.commit().await,
        }
        .map_err(|cause| StoreError::during("commit a transaction", cause))?;
        #[cfg(debug_assertions)]
        crate::commits::done(number);
        Ok(())
    }
}

/// One argument of a statement. Unset values keep their kind, because PostgreSQL must know it.
#[derive(Debug, Clone, PartialEq)]
pub enum Arg<'a> {
    Text(Option<Cow<'a, str>>),
    Int(Option<i64>),
    Uuid(Option<Uuid>),
    Blob(Option<Cow<'a, [u8]>>),
    Bool(Option<bool>),
}

macro_rules! arg_from {
    ($($kind:ty => |$value:ident| $arg:expr;)*) => { $(
        impl<'a> From<$kind> for Arg<'a> {
            fn from($value: $kind) -> Self { $arg }
        }
    )* };
}
arg_from! {
    &'a str => |value| Self::Text(Some(Cow::Borrowed(value)));
    String => |value| Self::Text(Some(Cow::Owned(value)));
    &'a String => |value| Self::Text(Some(Cow::Borrowed(value)));
    Option<&'a str> => |value| Self::Text(value.map(Cow::Borrowed));
    Option<String> => |value| Self::Text(value.map(Cow::Owned));
    &'a OktaUserId => |value| Self::Text(Some(Cow::Borrowed(value.as_str())));
    i64 => |value| Self::Int(Some(value));
    Option<i64> => |value| Self::Int(value);
    Uuid => |value| Self::Uuid(Some(value));
    Option<Uuid> => |value| Self::Uuid(value);
    &'a [u8] => |value| Self::Blob(Some(Cow::Borrowed(value)));
    Vec<u8> => |value| Self::Blob(Some(Cow::Owned(value)));
    Option<&'a [u8]> => |value| Self::Blob(value.map(Cow::Borrowed));
    bool => |value| Self::Bool(Some(value));
    Option<bool> => |value| Self::Bool(value);
}

macro_rules! arg_from_id {
    ($($id:ident),*) => { $(
        impl From<muster_core::id::$id> for Arg<'_> {
            fn from(id: muster_core::id::$id) -> Self { Self::Uuid(Some(id.uuid())) }
        }
        impl From<Option<muster_core::id::$id>> for Arg<'_> {
            fn from(id: Option<muster_core::id::$id>) -> Self { Self::Uuid(id.map(|id| id.uuid())) }
        }
    )* };
}
arg_from_id!(TenantId, PersonId, TeamId, LocationId, RunId, ChangeId, JobId, SessionId);

/// PostgreSQL cannot keep the character NUL in a text. It is dropped on both engines, so that one person's odd value never
/// fails the whole batch and both store the same.
pub(crate) fn without_nul(text: &str) -> Cow<'_, str> {
    if text.as_bytes().contains(&0) {
        Cow::Owned(text.replace('\0', ""))
    } else {
        Cow::Borrowed(text)
    }
}

pub(crate) fn sqlite_args(args: &[Arg<'_>]) -> Result<SqliteArguments, sqlx::Error> {
    let mut bound = SqliteArguments::default();
    bound.reserve(args.len(), 0);
    for arg in args {
        match arg {
            Arg::Text(text) => bound.add(text.as_deref().map(without_nul)),
            Arg::Int(number) => bound.add(*number),
            Arg::Uuid(id) => bound.add(*id),
            Arg::Blob(bytes) => bound.add(bytes.as_deref()),
            Arg::Bool(yes) => bound.add(*yes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(bound)
}

pub(crate) fn pg_args(args: &[Arg<'_>]) -> Result<PgArguments, sqlx::Error> {
    let mut bound = PgArguments::default();
    bound.reserve(args.len(), 16 * args.len());
    for arg in args {
        match arg {
            Arg::Text(text) => bound.add(text.as_deref().map(without_nul)),
            Arg::Int(number) => bound.add(*number),
            Arg::Uuid(id) => bound.add(*id),
            Arg::Blob(bytes) => bound.add(bytes.as_deref()),
            Arg::Bool(yes) => bound.add(*yes),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(bound)
}
