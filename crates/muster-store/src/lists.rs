//! Statements with many values in them. With `db` and `dialect`, the only place that knows the engines apart: SQLite takes a
//! list as JSON, PostgreSQL as an array, so that one text serves any number of values and is prepared once.

use std::borrow::Cow;
use std::fmt::Write as _;

use muster_core::id::PersonId;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, Postgres, Sqlite};
use uuid::Uuid;

use crate::db::{Arg, Db, Engine, Row, Transactions, Tx, pg_args, sqlite_args, without_nul};
use crate::dialect::Sql;
use crate::error::{StoreError, gist};

impl Tx {
    /// Inserts many rows with few statements; says how many rows were touched.
    ///
    /// `head` ends in `VALUES`; `args` holds row after row of `columns` arguments; `tail` may be an `ON CONFLICT` clause
    /// that names no parameters. One column holds one kind of argument in all rows (an unset one included). Rows that
    /// meet on a conflict target must not repeat within `args`: PostgreSQL refuses to touch a row twice in one statement.
    pub async fn insert_many(
        &mut self,
        head: &'static str,
        columns: usize,
        args: &[Arg<'_>],
        tail: &'static str,
    ) -> Result<u64, StoreError> {
        let wrong = |problem| StoreError::BadInsert { doing: gist(head), problem };
        if columns == 0 || !args.len().is_multiple_of(columns) {
            return Err(wrong("the arguments are not whole rows"));
        }
        let mut touched = 0;
        match &mut self.0 {
            Transactions::Sqlite(tx) => {
                let mut rest = args;
                while !rest.is_empty() {
                    let rows = sqlite_chunk(rest.len() / columns, columns);
                    let (chunk, after) = rest.split_at(rows * columns);
                    rest = after;
                    let sql = sqlite_insert(head, columns, rows, tail);
                    let bound = sqlite_args(chunk).map_err(|cause| StoreError::sql(head, cause))?;
                    let insert = sqlx::query_with::<Sqlite, _>(AssertSqlSafe(sql), bound);
                    let done = insert.execute(&mut **tx).await;
                    touched += done.map_err(|cause| StoreError::sql(head, cause))?.rows_affected();
                }
            }
            Transactions::Postgres(tx) => {
                for chunk in args.chunks(PG_ROWS_MAX * columns) {
                    let (sql, bound) = pg_insert(head, columns, chunk, tail).map_err(wrong)?;
                    let insert = sqlx::query_with::<Postgres, _>(AssertSqlSafe(sql), bound);
                    let done = insert.execute(&mut **tx).await;
                    touched += done.map_err(|cause| StoreError::sql(head, cause))?.rows_affected();
                }
            }
        }
        Ok(touched)
    }

    /// All rows whose last condition is `IN (values)`. `head` uses the parameters of `fixed` and ends in `IN`.
    pub async fn fetch_in<R: Row>(
        &mut self,
        head: &'static str,
        fixed: &[Arg<'_>],
        values: &[&str],
    ) -> Result<Vec<R>, StoreError> {
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let failed = |cause| StoreError::sql(head, cause);
        let place = fixed.len() + 1;
        match &mut self.0 {
            Transactions::Sqlite(tx) => {
                let mut args = sqlite_args(fixed).map_err(failed)?;
                args.add(json_list(values)).map_err(|cause| failed(sqlx::Error::Encode(cause)))?;
                let sql = AssertSqlSafe(format!("{head} (SELECT value FROM json_each(${place}))"));
                let rows = sqlx::query_as_with::<Sqlite, R, _>(sql, args);
                rows.fetch_all(&mut **tx).await.map_err(failed)
            }
            Transactions::Postgres(tx) => {
                let list: Vec<String> =
                    values.iter().map(|text| without_nul(text).into_owned()).collect();
                let mut args = pg_args(fixed).map_err(failed)?;
                args.add(list).map_err(|cause| failed(sqlx::Error::Encode(cause)))?;
                let sql = AssertSqlSafe(format!("{head} (SELECT UNNEST(${place}::text[]))"));
                let rows = sqlx::query_as_with::<Postgres, R, _>(sql, args);
                rows.fetch_all(&mut **tx).await.map_err(failed)
            }
        }
    }

    /// Runs a statement whose last condition is `IN (values)`; says how many rows it touched. `head` is as in [`Tx::fetch_in`].
    pub async fn execute_in(
        &mut self,
        head: &'static str,
        fixed: &[Arg<'_>],
        values: &[&str],
    ) -> Result<u64, StoreError> {
        if values.is_empty() {
            return Ok(0);
        }
        let failed = |cause| StoreError::sql(head, cause);
        let place = fixed.len() + 1;
        match &mut self.0 {
            Transactions::Sqlite(tx) => {
                let mut args = sqlite_args(fixed).map_err(failed)?;
                args.add(json_list(values)).map_err(|cause| failed(sqlx::Error::Encode(cause)))?;
                let sql = AssertSqlSafe(format!("{head} (SELECT value FROM json_each(${place}))"));
                let done = sqlx::query_with::<Sqlite, _>(sql, args).execute(&mut **tx).await;
                done.map(|done| done.rows_affected()).map_err(failed)
            }
            Transactions::Postgres(tx) => {
                let list: Vec<String> =
                    values.iter().map(|text| without_nul(text).into_owned()).collect();
                let mut args = pg_args(fixed).map_err(failed)?;
                args.add(list).map_err(|cause| failed(sqlx::Error::Encode(cause)))?;
                let sql = AssertSqlSafe(format!("{head} (SELECT UNNEST(${place}::text[]))"));
                let done = sqlx::query_with::<Postgres, _>(sql, args).execute(&mut **tx).await;
                done.map(|done| done.rows_affected()).map_err(failed)
            }
        }
    }

    /// Updates rows from a list of pairs in one statement; says how many rows it touched.
    ///
    /// `update` says `FROM v`: the pairs are `v.column1` and `v.column2`, and `v.scope` is `scope` beside each of them.
    /// It must compare its table with `v.scope` and not with a parameter: SQLite would otherwise rather walk through all
    /// rows of the scope, looking for each in the list, than through the list.
    pub async fn set_ids(
        &mut self,
        update: &'static str,
        scope: &Arg<'_>,
        pairs: &[(PersonId, Option<PersonId>)],
    ) -> Result<u64, StoreError> {
        if pairs.is_empty() {
            return Ok(0);
        }
        let failed = |cause| StoreError::sql(update, cause);
        let scope = std::slice::from_ref(scope);
        match &mut self.0 {
            Transactions::Sqlite(tx) => {
                let hex = |id: PersonId| serde_json::Value::from(id.uuid().simple().to_string());
                let list = pairs
                    .iter()
                    .map(|(id, value)| vec![hex(*id), value.map_or(serde_json::Value::Null, hex)]);
                let list = serde_json::Value::from(list.collect::<Vec<_>>()).to_string();
                let sql = format!(
                    "WITH v AS MATERIALIZED (SELECT $1 AS scope, unhex(value ->> 0) AS column1, unhex(value ->> 1) AS column2
                                             FROM json_each($2)) {update}"
                );
                let mut args = sqlite_args(scope).map_err(failed)?;
                args.add(list).map_err(|cause| failed(sqlx::Error::Encode(cause)))?;
                let update = sqlx::query_with::<Sqlite, _>(AssertSqlSafe(sql), args);
                update.execute(&mut **tx).await.map(|done| done.rows_affected()).map_err(failed)
            }
            Transactions::Postgres(tx) => {
                let (ids, values): (Vec<Uuid>, Vec<Option<Uuid>>) =
                    pairs.iter().map(|(id, value)| (id.uuid(), value.map(PersonId::uuid))).unzip();
                let sql = format!(
                    "WITH v AS (SELECT $1 AS scope, u.column1, u.column2
                                FROM UNNEST($2::uuid[], $3::uuid[]) AS u (column1, column2)) {update}"
                );
                let mut args = pg_args(scope).map_err(failed)?;
                args.add(ids)
                    .and_then(|()| args.add(values))
                    .map_err(|cause| failed(sqlx::Error::Encode(cause)))?;
                let update = sqlx::query_with::<Postgres, _>(AssertSqlSafe(sql), args);
                update.execute(&mut **tx).await.map(|done| done.rows_affected()).map_err(failed)
            }
        }
    }
}

impl Tx {
    /// Runs a statement over rows of values; gives what it returns.
    ///
    /// `sql` follows a `WITH` that names the rows `v`, with the columns `column1`, `column2`, …; it uses no parameters, and
    /// says `WHERE column1 IS NOT NULL`: on SQLite some rows may hold nothing, so that the statement has few texts. `args`
    /// is as in [`Tx::insert_many`].
    pub async fn fetch_rows<R: Row>(
        &mut self,
        columns: usize,
        args: &[Arg<'_>],
        sql: impl Into<Sql>,
    ) -> Result<Vec<R>, StoreError> {
        let sql = sql.into();
        check_rows(sql.sqlite, columns, args)?;
        let mut found = Vec::new();
        match &mut self.0 {
            Transactions::Sqlite(tx) => {
                for chunk in args.chunks(SQLITE_ROWS_MAX * columns) {
                    let (text, bound) = sqlite_rows(sql.sqlite, columns, chunk)?;
                    let rows = sqlx::query_as_with::<Sqlite, R, _>(AssertSqlSafe(text), bound);
                    let rows = rows.fetch_all(&mut **tx).await;
                    found.extend(rows.map_err(|cause| StoreError::sql(sql.sqlite, cause))?);
                }
            }
            Transactions::Postgres(tx) => {
                for chunk in args.chunks(PG_ROWS_MAX * columns) {
                    let (text, bound) = pg_rows(sql.postgres, columns, chunk)?;
                    let rows = sqlx::query_as_with::<Postgres, R, _>(AssertSqlSafe(text), bound);
                    let rows = rows.fetch_all(&mut **tx).await;
                    found.extend(rows.map_err(|cause| StoreError::sql(sql.postgres, cause))?);
                }
            }
        }
        Ok(found)
    }

    /// As [`Tx::fetch_rows`], for a statement that returns nothing; says how many rows it touched.
    pub async fn execute_rows(
        &mut self,
        columns: usize,
        args: &[Arg<'_>],
        sql: impl Into<Sql>,
    ) -> Result<u64, StoreError> {
        let sql = sql.into();
        check_rows(sql.sqlite, columns, args)?;
        let mut touched = 0;
        match &mut self.0 {
            Transactions::Sqlite(tx) => {
                for chunk in args.chunks(SQLITE_ROWS_MAX * columns) {
                    let (text, bound) = sqlite_rows(sql.sqlite, columns, chunk)?;
                    let done = sqlx::query_with::<Sqlite, _>(AssertSqlSafe(text), bound);
                    let done = done.execute(&mut **tx).await;
                    let done = done.map_err(|cause| StoreError::sql(sql.sqlite, cause))?;
                    touched += done.rows_affected();
                }
            }
            Transactions::Postgres(tx) => {
                for chunk in args.chunks(PG_ROWS_MAX * columns) {
                    let (text, bound) = pg_rows(sql.postgres, columns, chunk)?;
                    let done = sqlx::query_with::<Postgres, _>(AssertSqlSafe(text), bound);
                    let done = done.execute(&mut **tx).await;
                    let done = done.map_err(|cause| StoreError::sql(sql.postgres, cause))?;
                    touched += done.rows_affected();
                }
            }
        }
        Ok(touched)
    }
}

impl Db {
    /// As [`Tx::execute_rows`], in a transaction of its own and in one statement: at most a few thousand rows.
    pub async fn execute_rows(
        &self,
        columns: usize,
        args: &[Arg<'_>],
        sql: &'static str,
    ) -> Result<u64, StoreError> {
        check_rows(sql, columns, args)?;
        if args.is_empty() {
            return Ok(0);
        }
        match self.engine() {
            Engine::Sqlite { write, .. } => {
                let _turn = self.wait_for_turn();
                let (text, bound) = sqlite_rows(sql, columns, args)?;
                let done = sqlx::query_with::<Sqlite, _>(AssertSqlSafe(text), bound);
                done.execute(write).await.map(|done| done.rows_affected())
            }
            Engine::Postgres(pool) => {
                let (text, bound) = pg_rows(sql, columns, args)?;
                let done = sqlx::query_with::<Postgres, _>(AssertSqlSafe(text), bound);
                done.execute(pool).await.map(|done| done.rows_affected())
            }
        }
        .map_err(|cause| StoreError::sql(sql, cause))
    }

    /// As [`Tx::fetch_rows`], for a query outside any transaction.
    pub async fn fetch_rows<R: Row>(
        &self,
        columns: usize,
        args: &[Arg<'_>],
        sql: &'static str,
    ) -> Result<Vec<R>, StoreError> {
        check_rows(sql, columns, args)?;
        let failed = |cause| StoreError::sql(sql, cause);
        let mut found = Vec::new();
        match self.engine() {
            Engine::Sqlite { read, .. } => {
                for chunk in args.chunks(SQLITE_ROWS_MAX * columns) {
                    let (text, bound) = sqlite_rows(sql, columns, chunk)?;
                    let rows = sqlx::query_as_with::<Sqlite, R, _>(AssertSqlSafe(text), bound);
                    found.extend(rows.fetch_all(read).await.map_err(failed)?);
                }
            }
            Engine::Postgres(pool) => {
                for chunk in args.chunks(PG_ROWS_MAX * columns) {
                    let (text, bound) = pg_rows(sql, columns, chunk)?;
                    let rows = sqlx::query_as_with::<Postgres, R, _>(AssertSqlSafe(text), bound);
                    found.extend(rows.fetch_all(pool).await.map_err(failed)?);
                }
            }
        }
        Ok(found)
    }
}

fn check_rows(sql: &'static str, columns: usize, args: &[Arg<'_>]) -> Result<(), StoreError> {
    if columns == 0 || !args.len().is_multiple_of(columns) {
        let problem = "the arguments are not whole rows";
        return Err(StoreError::BadInsert { doing: gist(sql), problem });
    }
    Ok(())
}

/// Rows of one statement on SQLite.
const SQLITE_ROWS_MAX: usize = 256;

/// As many rows as the next power of two, the last ones of nothing: nine texts, each prepared once.
fn sqlite_rows(
    sql: &'static str,
    columns: usize,
    chunk: &[Arg<'_>],
) -> Result<(String, SqliteArguments), StoreError> {
    let failed = |cause| StoreError::sql(sql, cause);
    let rows = (chunk.len() / columns).next_power_of_two();
    let mut bound = sqlite_args(chunk).map_err(failed)?;
    for _ in chunk.len()..rows * columns {
        bound.add(None::<i64>).map_err(|cause| failed(sqlx::Error::Encode(cause)))?;
    }
    Ok((sqlite_insert("WITH v AS (VALUES", columns, rows, &format!(") {sql}")), bound))
}

fn pg_rows(
    sql: &'static str,
    columns: usize,
    chunk: &[Arg<'_>],
) -> Result<(String, PgArguments), StoreError> {
    let wrong = |problem| StoreError::BadInsert { doing: gist(sql), problem };
    let (arrays, bound) = pg_arrays(columns, chunk).map_err(wrong)?;
    let names: Vec<String> = (1..=columns).map(|at| format!("column{at}")).collect();
    let names = names.join(", ");
    Ok((format!("WITH v AS (SELECT * FROM UNNEST({arrays}) AS u ({names})) {sql}"), bound))
}

/// A JSON array, which SQLite reads as a list.
fn json_list(values: &[&str]) -> String {
    let values: Vec<_> =
        values.iter().map(|text| serde_json::Value::from(without_nul(text))).collect();
    serde_json::Value::from(values).to_string()
}

/// Rows of one insert: a power of two, so that a statement has few texts and each is prepared once. SQLite takes at most
/// 32,766 parameters.
fn sqlite_chunk(rows: usize, columns: usize) -> usize {
    const ROWS_MAX: usize = 256;
    let most = rows.min(ROWS_MAX).min(32_766 / columns).max(1);
    1 << most.ilog2()
}

/// Parameters without numbers: SQLite looks up each numbered one in a list, which is quadratic in their count.
fn sqlite_insert(head: &str, columns: usize, rows: usize, tail: &str) -> String {
    let mut row = String::with_capacity(columns * 2 + 2);
    row.push('(');
    for column in 0..columns {
        row.push_str(if column == 0 { "?" } else { ",?" });
    }
    row.push(')');
    let mut sql = String::with_capacity(head.len() + tail.len() + rows * (row.len() + 1) + 10);
    // A statement that fails is always followed by the end of its transaction, as PostgreSQL demands too. So SQLite need not
    // keep what each page was before the statement.
    match head.strip_prefix("INSERT INTO") {
        Some(rest) => sql.extend(["INSERT OR FAIL INTO", rest]),
        None => sql.push_str(head),
    }
    sql.push(' ');
    for at in 0..rows {
        if at > 0 {
            sql.push(',');
        }
        sql.push_str(&row);
    }
    sql.push(' ');
    sql.push_str(tail);
    sql
}

/// Rows of one insert on PostgreSQL: bounds the size of one message, not a limit of the engine.
const PG_ROWS_MAX: usize = 4_000;

/// One array a column instead of a parameter a value: one text for any number of rows, and no limit of 65,535.
fn pg_insert(
    head: &str,
    columns: usize,
    args: &[Arg<'_>],
    tail: &str,
) -> Result<(String, PgArguments), &'static str> {
    let head =
        head.trim_end().strip_suffix("VALUES").ok_or("the statement does not end in VALUES")?;
    let (arrays, bound) = pg_arrays(columns, args)?;
    Ok((format!("{head}SELECT * FROM UNNEST({arrays}) {tail}"), bound))
}

/// The list of one array a column, and the arrays.
fn pg_arrays(columns: usize, args: &[Arg<'_>]) -> Result<(String, PgArguments), &'static str> {
    const MIXED: &str = "one column mixes kinds of values";
    let mut sql = String::with_capacity(columns * 12);
    let mut bound = PgArguments::default();
    bound.reserve(columns, 16 * args.len());
    for column in 0..columns {
        let values = args.iter().skip(column).step_by(columns);
        macro_rules! array {
            ($kind:literal, $variant:ident, $value:expr) => {{
                let list = values.map(|arg| match arg {
                    Arg::$variant(value) => Ok($value(value)),
                    _ => Err(MIXED),
                });
                let list = list.collect::<Result<Vec<_>, _>>()?;
                (bound.add(list), $kind)
            }};
        }
        let (added, kind) = match args[column] {
            Arg::Text(_) => {
                array!("text", Text, |text: &'_ Option<Cow<'_, str>>| text
                    .as_deref()
                    .map(without_nul)
                    .map(Cow::into_owned))
            }
            Arg::Int(_) => array!("bigint", Int, |number: &Option<i64>| *number),
            Arg::Uuid(_) => array!("uuid", Uuid, |id: &Option<Uuid>| *id),
            Arg::Blob(_) => {
                array!("bytea", Blob, |bytes: &'_ Option<Cow<'_, [u8]>>| bytes
                    .as_deref()
                    .map(<[u8]>::to_vec))
            }
            Arg::Bool(_) => array!("boolean", Bool, |yes: &Option<bool>| *yes),
        };
        added.map_err(|_| "a value cannot be sent")?;
        let comma = if column == 0 { "" } else { "," };
        // Writing to a text cannot fail.
        let _ = write!(sql, "{comma}${}::{kind}[]", column + 1);
    }
    Ok((sql, bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_powers_of_two_within_the_limit_of_parameters() {
        for (rows, columns, want) in [
            (1, 5, 1),
            (3, 5, 2),
            (255, 5, 128),
            (10_000, 5, 256),
            (10_000, 200, 128),
            (4, 40_000, 1),
        ] {
            assert_eq!(sqlite_chunk(rows, columns), want, "{rows} rows of {columns}");
        }
    }

    #[test]
    fn a_row_keeps_one_kind_a_column_on_postgresql() {
        let args = [Arg::from(1_i64), Arg::from("a"), Arg::from("b"), Arg::from("c")];
        assert!(pg_insert("INSERT INTO t (a, b) VALUES", 2, &args, "").is_err());
        let sql = pg_insert("INSERT INTO t (a, b) VALUES", 2, &args[..2], "ON CONFLICT DO NOTHING");
        assert_eq!(
            sql.map(|(sql, _)| sql),
            Ok("INSERT INTO t (a, b) SELECT * FROM UNNEST($1::bigint[],$2::text[]) ON CONFLICT DO NOTHING".into())
        );
    }
}
