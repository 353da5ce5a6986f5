//! What the engines must agree on.

use std::task::{Context, Poll};

use muster_core::id::PersonId;
use muster_store::db::Arg;
use muster_store::history::Subject;
use muster_store::{DatabaseUrl, StoreError, Write};
use sqlx::Connection as _;
use uuid::Uuid;

use crate::world::{ANA, KEY, World};

#[derive(Debug, PartialEq, sqlx::FromRow)]
struct Kinds {
    id: Uuid,
    maybe_id: Option<Uuid>,
    yes: bool,
    maybe: Option<bool>,
    number: i64,
    maybe_number: Option<i64>,
    text: String,
    maybe_text: Option<String>,
    bytes: Vec<u8>,
    maybe_bytes: Option<Vec<u8>>,
    computed: bool,
}

const READ: &str =
    "SELECT id, maybe_id, yes, maybe, number, maybe_number, text, maybe_text, bytes, maybe_bytes,
                           (number > 3) AS computed FROM kinds ORDER BY number";

async fn kinds_table(write: &mut Write) {
    let sql = muster_store::dialect::Sql::differing(
        "CREATE TABLE kinds (id BLOB NOT NULL, maybe_id BLOB, yes BOOLEAN NOT NULL, maybe BOOLEAN, number BIGINT NOT NULL,
             maybe_number BIGINT, text TEXT NOT NULL, maybe_text TEXT, bytes BLOB NOT NULL, maybe_bytes BLOB)",
        "CREATE TABLE kinds (id UUID NOT NULL, maybe_id UUID, yes BOOLEAN NOT NULL, maybe BOOLEAN, number BIGINT NOT NULL,
             maybe_number BIGINT, text TEXT NOT NULL, maybe_text TEXT, bytes BYTEA NOT NULL, maybe_bytes BYTEA)",
    );
    write.tx().execute(sql, &[]).await.expect("a table");
}

fn row(number: i64, set: bool, text: &str) -> Vec<Arg<'_>> {
    let id = Uuid::from_u128(u128::from(number.unsigned_abs()) + 7);
    vec![
        id.into(),
        set.then_some(id).into(),
        set.into(),
        set.then_some(set).into(),
        number.into(),
        set.then_some(number).into(),
        text.into(),
        set.then_some(text).into(),
        vec![0, 255].into(),
        set.then_some(&b"\x00x"[..]).into(),
    ]
}

const INSERT: &str = "INSERT INTO kinds (id, maybe_id, yes, maybe, number, maybe_number, text, maybe_text, bytes, maybe_bytes) VALUES";

pub(crate) async fn every_kind_of_value_comes_back(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let mut write = tenant.write(world.now).await.expect("a change");
    kinds_table(&mut write).await;
    let text = "naïve \u{1F600} ' \" \\ \u{0} end";
    let args = [row(3, false, "plain"), row(4, true, text)].concat();
    assert_eq!(write.tx().insert_many(INSERT, 10, &args, "").await.expect("rows"), 2);
    write.commit().await.expect("commit");
    let rows: Vec<Kinds> = world.db.fetch_all(READ, &[]).await.expect("rows");
    let stored = text.replace('\0', "");
    let id = Uuid::from_u128(10);
    let unset = Kinds {
        id,
        maybe_id: None,
        yes: false,
        maybe: None,
        number: 3,
        maybe_number: None,
        text: "plain".into(),
        maybe_text: None,
        bytes: vec![0, 255],
        maybe_bytes: None,
        computed: false,
    };
    let id = Uuid::from_u128(11);
    let set = Kinds {
        id,
        maybe_id: Some(id),
        yes: true,
        maybe: Some(true),
        number: 4,
        maybe_number: Some(4),
        text: stored.clone(),
        maybe_text: Some(stored),
        bytes: vec![0, 255],
        maybe_bytes: Some(vec![0, b'x']),
        computed: true,
    };
    assert_eq!(rows, [unset, set]);
    // An unset value in a condition, whose kind PostgreSQL must be told.
    let sql = "SELECT id, maybe_id, yes, maybe, number, maybe_number, text, maybe_text, bytes, maybe_bytes,
               (number > 3) AS computed FROM kinds WHERE ($1 IS NULL OR number = $1) AND ($2 IS NULL OR text = $2)";
    let found: Vec<Kinds> =
        world.db.fetch_all(sql, &[Arg::Int(None), "plain".into()]).await.expect("rows");
    assert_eq!(found.len(), 1);
}

pub(crate) async fn many_rows_are_written_with_few_statements(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let mut write = tenant.write(world.now).await.expect("a change");
    kinds_table(&mut write).await;
    write
        .tx()
        .execute("CREATE UNIQUE INDEX kinds_number ON kinds (number)", &[])
        .await
        .expect("an index");
    let tail = "ON CONFLICT (number) DO UPDATE SET text = excluded.text";
    for count in [0, 1, 2, 255, 5_001] {
        let args: Vec<_> = (0..count).flat_map(|n| row(n, n % 2 == 0, "x")).collect();
        let touched = write.tx().insert_many(INSERT, 10, &args, tail).await.expect("rows");
        assert_eq!(i64::try_from(touched), Ok(count));
    }
    let ragged = write.tx().insert_many(INSERT, 10, &row(1, true, "x")[..9], "").await;
    assert!(matches!(ragged, Err(StoreError::BadInsert { .. })), "{ragged:?}");
    write.commit().await.expect("commit");
    assert_eq!(world.db.fetch_all::<Kinds>(READ, &[]).await.expect("rows").len(), 5_001);
}

pub(crate) async fn lists_of_values_find_and_set(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let mut write = tenant.write(world.now).await.expect("a change");
    kinds_table(&mut write).await;
    let args = [row(1, true, "a'\"[b"), row(2, false, "c"), row(3, true, "d")].concat();
    write.tx().insert_many(INSERT, 10, &args, "").await.expect("rows");
    let sql = "SELECT id, maybe_id, yes, maybe, number, maybe_number, text, maybe_text, bytes, maybe_bytes,
               (number > 3) AS computed FROM kinds WHERE number < $1 AND text IN";
    let none: Vec<Kinds> = write.tx().fetch_in(sql, &[9_i64.into()], &[]).await.expect("rows");
    assert!(none.is_empty());
    let found: Vec<Kinds> = write
        .tx()
        .fetch_in(sql, &[3_i64.into()], &["a'\"[b", "d", "a'\"[b", "\0c"])
        .await
        .expect("rows");
    let mut numbers: Vec<_> = found.iter().map(|row| row.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    let person = |n: u128| PersonId::new(Uuid::from_u128(n));
    let pairs = [(person(8), None), (person(9), Some(person(1)))];
    let touched = write
        .tx()
        .set_ids(
            "UPDATE kinds SET maybe_id = v.column2 FROM v WHERE kinds.number < v.scope AND kinds.id = v.column1",
            &9_i64.into(),
            &pairs,
        )
        .await
        .expect("an update");
    assert_eq!(touched, 2);
    let rows: Vec<Kinds> = write.tx().fetch_all(READ, &[]).await.expect("rows");
    let ids: Vec<_> = rows.iter().map(|row| row.maybe_id.map(|id| id.as_u128())).collect();
    assert_eq!(ids, [None, Some(1), Some(10)]);
}

pub(crate) async fn a_dropped_change_leaves_nothing(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let before = tenant.tenant().await.expect("a tenant");
    {
        let mut write = tenant.write(world.now).await.expect("a change");
        let id = world.ids.next(world.now);
        write.record_by(id, ANA, Subject::Settings, "settings", None, None);
        let args = [tenant.id().into(), "renamed".into()];
        write
            .tx()
            .execute("UPDATE tenants SET name = $2 WHERE id = $1", &args)
            .await
            .expect("an update");
    }
    assert_eq!(tenant.tenant().await.expect("a tenant"), before);
    let nobody = world.nobody();
    let missing = world.db.tenant(nobody).write(world.now).await.map(drop);
    assert!(matches!(missing, Err(StoreError::NoTenant(id)) if id == nobody));
}

pub(crate) async fn changes_at_once_leave_no_gap_in_the_history(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let start = tenant.tenant().await.expect("a tenant").history_seq;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (tenant, now) = (tenant.clone(), world.now);
        let ids: Vec<_> = (0..10).map(|_| world.ids.next(now)).collect();
        tasks.spawn(async move {
            for pair in ids.chunks(2) {
                let mut write = tenant.write(now).await.expect("a change");
                for id in pair {
                    write.record_by(*id, ANA, Subject::Settings, "settings", None, None);
                }
                write.commit().await.expect("commit");
            }
        });
    }
    tasks.join_all().await;
    let entries = tenant.history(None, 80).await.expect("history");
    let numbers: Vec<_> = entries.iter().map(|entry| entry.seq).rev().collect();
    assert_eq!(numbers, (start + 1..=start + 80).collect::<Vec<_>>());
    assert_eq!(tenant.tenant().await.expect("a tenant").history_seq, start + 80);
}

pub(crate) async fn a_cancelled_begin_harms_nobody(world: &mut World) {
    let tenant = world.tenant("acme").await;
    for polls in 0..200 {
        {
            // Dropped after so many looks at it: before it was sent, on its way, or just before it is known to have begun.
            let mut begin = std::pin::pin!(world.db.begin());
            for _ in 0..polls {
                let begun = |context: &mut Context<'_>| {
                    Poll::Ready(begin.as_mut().poll(context).is_ready())
                };
                if std::future::poll_fn(begun).await {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // Written on the very connection, if the pool gives it again.
        let count = "UPDATE tenants SET managers_seq = managers_seq + 1 WHERE id = $1";
        world.db.execute(count, &[tenant.id().into()]).await.expect("an update");
    }
    assert_eq!(tenant.tenant().await.expect("a tenant").managers_seq, 200);
}

pub(crate) async fn opening_twice_at_once_is_safe(world: &mut World) {
    let (a, b, c) = tokio::join!(world.open(&[KEY]), world.open(&[KEY]), world.open(&[KEY]));
    for db in [a, b, c] {
        db.expect("a database").ping().await.expect("a sign of life");
    }
}

pub(crate) async fn a_newer_database_is_refused(world: &mut World) {
    if world.url == muster_store::DatabaseUrl::memory() {
        return;
    }
    let set = "UPDATE muster_schema SET version = $1, oldest = $2";
    // A newer one that this binary may still work with.
    world.db.execute(set, &[99_i64.into(), 1_i64.into()]).await.expect("an update");
    world.open(&[KEY]).await.expect("a database");
    world.db.execute(set, &[99_i64.into(), 98_i64.into()]).await.expect("an update");
    let error = world.open(&[KEY]).await.expect_err("too new");
    assert!(matches!(error, StoreError::TooNew { database: 99, .. }), "{error:?}");
    assert!(error.to_string().contains("install the newer one"), "{error}");
}

pub(crate) async fn a_database_of_something_else_is_refused(world: &mut World) {
    if world.url == muster_store::DatabaseUrl::memory() {
        return;
    }
    // Without the mark of ours, our own tables are somebody else's.
    world.db.execute("DROP TABLE muster_schema", &[]).await.expect("a table dropped");
    let error = world.open(&[KEY]).await.expect_err("not ours");
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error:?}");
    let Some(path) = world.url.path().map(std::path::Path::to_owned) else { return };
    let other = path.with_file_name("notes.txt");
    std::fs::write(&other, "not a database, but quite a long text".repeat(100)).expect("a file");
    world.url = muster_store::DatabaseUrl::file(&other);
    let error = world.open(&[KEY]).await.expect_err("not ours");
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error:?}");
    let foreign = path.with_file_name("foreign.db");
    world.url = muster_store::DatabaseUrl::file(&foreign);
    let address = format!("sqlite://{}?mode=rwc", foreign.display());
    let mut connection = sqlx::SqliteConnection::connect(&address).await.expect("a database");
    sqlx::raw_sql("CREATE TABLE notes (a)").execute(&mut connection).await.expect("a table");
    connection.close().await.expect("closed");
    let before = std::fs::read(&foreign).expect("bytes");
    let error = world.open(&[KEY]).await.expect_err("not ours");
    assert!(matches!(error, StoreError::NotOurs { .. }), "{error:?}");
    assert_eq!(std::fs::read(&foreign).expect("bytes"), before, "a foreign file was changed");
}

pub(crate) async fn the_server_has_a_clock(world: &mut World) {
    let time = world.db.server_time().await.expect("a query");
    assert_eq!(time.is_some(), world.url.is_postgres());
    // Later than this test was written: the unit is right.
    assert!(time.is_none_or(|time| time.as_second() > 1_700_000_000), "{time:?}");
}

pub(crate) async fn a_new_file_is_for_its_owner_only(world: &mut World) {
    use std::os::unix::fs::PermissionsExt as _;
    world.tenant("acme").await;
    let Some(path) = world.url.path() else { return };
    let folder = path.parent().expect("a folder");
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
    };
    assert_eq!(mode(folder), 0o700);
    for file in std::fs::read_dir(folder).expect("files") {
        let file = file.expect("a file").path();
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

pub(crate) async fn a_full_disk_is_no_end(world: &mut World) {
    // Only SQLite can be told how large a file may become. What is in memory goes with its connection.
    if world.db.server_time().await.expect("a query").is_some()
        || world.url == DatabaseUrl::memory()
    {
        return;
    }
    let tenant = world.tenant("acme").await;
    world.db.execute("PRAGMA max_page_count = 1", &[]).await.expect("a limit");
    let body = "x".repeat(500_000);
    let full = tenant.replace_rules(&body, ANA, &mut world.ids, world.now).await;
    assert!(matches!(full, Err(StoreError::Sql { .. })), "{full:?}");
    // The limit was that of the connection, and a new one has none: there is room again.
    tenant.replace_rules(&body, ANA, &mut world.ids, world.now).await.expect("written");
    assert_eq!(tenant.rules().await.expect("rules").revision, 2);
    assert_eq!(tenant.tenant().await.expect("a tenant").history_seq, 4, "nothing of the first");
}
