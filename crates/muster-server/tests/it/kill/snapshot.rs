//! All that a database holds of its one tenant, as text that does not depend on ids and times: two histories with the same
//! outcome have the same text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use muster_server::clock::Clock;
use muster_store::db::{Db, Row};
use muster_store::secrets::MasterKeys;
use uuid::Uuid;

use crate::support::Home;

/// Opens the database of an installation that no command is using.
pub(super) async fn open(home: &Home) -> Db {
    let url = home.variable("MUSTER_DATABASE_URL").parse().expect("an address");
    let key = std::fs::read_to_string(home.master_key()).expect("the master key");
    let keys = MasterKeys::parse(&key).expect("a master key");
    Db::open(&url, keys, [0; 32], Clock::Wall.now()).await.expect("the database")
}

/// What an installation is left with when its program was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) runs: i64,
    /// Runs that were asked for and are not finished.
    pub(super) open: i64,
}

/// Looks what is left, and lets the lease of the dead run out as if fifty minutes had passed: after an hour their run would not be
/// gone on with.
pub(super) async fn bury(home: &Home) -> Left {
    let db = open(home).await;
    db.execute(
        "UPDATE lanes SET lease_until = lease_until - 3000000000 WHERE lease_until > 0",
        &[],
    )
    .await
    .expect("a lane or none");
    let runs = count(&db, "SELECT COUNT(*) AS n FROM runs").await;
    let open =
        count(&db, "SELECT COUNT(*) AS n FROM runs WHERE state IN ('queued', 'running')").await;
    db.close().await;
    Left { runs, open }
}

/// Everything, a line a row.
pub(super) async fn take(home: &Home) -> String {
    let db = open(home).await;
    let names = Names::read(&db).await;
    let mut all = String::new();
    add::<TenantRow>(&db, &names, &mut all).await;
    add::<PersonRow>(&db, &names, &mut all).await;
    add::<TeamRow>(&db, &names, &mut all).await;
    add::<LocationRow>(&db, &names, &mut all).await;
    add::<MembershipRow>(&db, &names, &mut all).await;
    add::<RunRow>(&db, &names, &mut all).await;
    add::<ItemRow>(&db, &names, &mut all).await;
    add::<MirrorRow>(&db, &names, &mut all).await;
    add::<LaneRow>(&db, &names, &mut all).await;
    add::<HistoryRow>(&db, &names, &mut all).await;
    let seqs = "SELECT COUNT(*) AS n FROM tenants t WHERE history_seq <> (SELECT MAX(seq) FROM history h WHERE h.tenant_id = t.id)
                OR history_seq <> (SELECT COUNT(*) FROM history h WHERE h.tenant_id = t.id)";
    assert_eq!(count(&db, seqs).await, 0, "the history has gaps");
    db.close().await;
    all
}

/// Insists that two snapshots are the same, and shows where they are not.
#[track_caller]
pub(super) fn assert_same(found: &str, wanted: &str, what: &str) {
    if found == wanted {
        return;
    }
    let pairs: Vec<_> = found
        .lines()
        .zip(wanted.lines())
        .filter(|(found, wanted)| found != wanted)
        .take(4)
        .collect();
    let mut told = String::new();
    for (found, wanted) in &pairs {
        let _ = writeln!(told, "found  {found}\nwanted {wanted}");
    }
    let lines = (found.lines().count(), wanted.lines().count());
    panic!(
        "{what}: it is not as after a run that nobody disturbed ({} and {} lines)\n{told}",
        lines.0, lines.1
    );
}

async fn count(db: &Db, sql: &'static str) -> i64 {
    #[derive(sqlx::FromRow)]
    struct CountRow {
        n: i64,
    }
    db.fetch_all::<CountRow>(sql, &[]).await.expect("a count").first().map_or(0, |row| row.n)
}

async fn add<T: Kind>(db: &Db, names: &Names, all: &mut String) {
    for row in db.fetch_all::<T>(T::SQL, &[]).await.expect("rows") {
        let _ = writeln!(all, "{}", names.put_into(&format!("{row:?}")));
    }
}

/// A kind of row, and how to read all of them in an order that does not depend on ids.
trait Kind: Row + std::fmt::Debug {
    const SQL: &'static str;
}

macro_rules! kind {
    ($kind:ident { $($column:ident: $type:ty,)* } $from:literal) => {
        #[derive(Debug, sqlx::FromRow)]
        #[expect(dead_code, reason = "read by Debug")]
        struct $kind { $($column: $type,)* }
        impl Kind for $kind {
            const SQL: &'static str = $from;
        }
    };
}

kind! {
    TenantRow { slug: String, okta_enabled: bool, history_seq: i64, managers_seq: i64, rules_revision: i64, attention: Option<String>, }
    "SELECT t.slug, t.okta_enabled, t.history_seq, t.managers_seq, t.rules_revision, c.attention
     FROM tenants t LEFT JOIN okta_connections c ON c.tenant_id = t.id"
}

kind! {
    PersonRow {
        okta_user_id: Option<String>, version: i64, okta_status: Option<String>, okta_created: Option<i64>, status: String,
        status_reason: String, email: String, email_key: String, first_name: String, last_name: String, name_key: String,
        title: Option<String>, language: Option<String>, location_id: Option<Uuid>, team_id: Option<Uuid>,
        photo_url: Option<String>, start_date: Option<i64>, role: String, break_glass: bool, from_okta: i64, pinned: i64,
        login: Option<String>, login_key: Option<String>, employee_number: Option<String>, display_name: Option<String>,
        manager_raw: Option<String>, manager_key: Option<String>, manager_id: Option<Uuid>, manager_hand_id: Option<Uuid>,
        deactivated: bool, confirm_needed: bool, planned_hash: Option<Vec<u8>>, planned_rules: Option<i64>,
        due_day: Option<i64>, observed: bool, problems: i64,
    }
    "SELECT okta_user_id, version, okta_status, okta_created, status, status_reason, email, email_key, first_name, last_name,
            name_key, title, language, location_id, team_id, photo_url, start_date, role, break_glass, from_okta, pinned,
            login, login_key, employee_number, display_name, manager_raw, manager_key, manager_id, manager_hand_id,
            (deactivated_at IS NOT NULL) AS deactivated, confirm_needed, planned_hash, planned_rules, due_day,
            (observed_at IS NOT NULL) AS observed, problems
     FROM people ORDER BY email_key"
}

kind! {
    TeamRow { name: String, name_key: String, origin: String, parent_id: Option<Uuid>, manager_id: Option<Uuid>, manager_source: Option<String>, }
    "SELECT name, name_key, origin, parent_id, manager_id, manager_source FROM teams ORDER BY name_key"
}

kind! {
    LocationRow { name: String, name_key: String, time_zone: Option<String>, }
    "SELECT name, name_key, time_zone FROM locations ORDER BY name_key"
}

kind! {
    MembershipRow { person_id: Uuid, team_id: Uuid, }
    "SELECT m.person_id, m.team_id FROM memberships m JOIN people p ON p.id = m.person_id JOIN teams t ON t.id = m.team_id
     ORDER BY p.email_key, t.name_key"
}

kind! {
    RunRow {
        id: Uuid, kind: String, cause: String, actor: String, state: String, phase: String, cursor: Option<String>,
        listing: Option<String>, rules_revision: i64, approves: Option<Uuid>, counts: String, problems: String, restarts: i64,
        started: bool, finished: bool,
    }
    "SELECT id, kind, cause, actor, state, phase, cursor, listing, rules_revision, approves, counts, problems, restarts,
            (started_at IS NOT NULL) AS started, (finished_at IS NOT NULL) AS finished
     FROM runs ORDER BY queued_at, id"
}

kind! {
    ItemRow {
        run_id: Uuid, okta_user_id: String, person_id: Option<Uuid>, change: String, state: String, proof: Option<String>,
        label: String, reason: String, problems: String, status_reason: Option<String>, fields: String,
    }
    "SELECT i.run_id, i.okta_user_id, i.person_id, i.change, i.state, i.proof, i.label, i.reason, i.problems, i.status_reason,
            i.fields
     FROM run_items i JOIN runs r ON r.id = i.run_id ORDER BY r.queued_at, r.id, i.okta_user_id"
}

kind! {
    MirrorRow {
        run_id: Uuid, okta_user_id: String, okta_status: String, email_key: Option<String>, name_key: String,
        hash: Vec<u8>, email_winner: Option<String>, deferred: bool,
    }
    "SELECT m.run_id, m.okta_user_id, m.okta_status, m.email_key, m.name_key, m.hash, m.email_winner, m.deferred
     FROM mirror m JOIN runs r ON r.id = m.run_id ORDER BY r.queued_at, r.id, m.okta_user_id"
}

kind! {
    LaneRow { lane: String, run_id: Option<Uuid>, owner: Option<String>, }
    "SELECT lane, run_id, owner FROM lanes ORDER BY lane"
}

kind! {
    HistoryRow {
        seq: i64, subject: String, subject_id: Option<Uuid>, kind: String, actor: String, cause: String, run_id: Option<Uuid>,
        reason: Option<String>, before: Option<String>, after: Option<String>,
    }
    "SELECT seq, subject, subject_id, kind, actor, cause, run_id, reason, before, after FROM history ORDER BY seq"
}

/// What to call whatever has an id.
struct Names(BTreeMap<Uuid, String>);

impl Names {
    async fn read(db: &Db) -> Self {
        #[derive(sqlx::FromRow)]
        struct NameRow {
            id: Uuid,
            name: String,
        }
        let mut names = BTreeMap::new();
        for (kind, sql) in [
            ("person", "SELECT id, COALESCE(okta_user_id, email_key) AS name FROM people"),
            ("team", "SELECT id, name_key AS name FROM teams"),
            ("location", "SELECT id, name_key AS name FROM locations"),
            ("run", "SELECT id, kind AS name FROM runs ORDER BY queued_at, id"),
        ] {
            let rows: Vec<NameRow> = db.fetch_all(sql, &[]).await.expect("names");
            for (number, row) in rows.into_iter().enumerate() {
                let name =
                    if kind == "run" { format!("{} {}", row.name, number + 1) } else { row.name };
                names.insert(row.id, format!("<{kind} {name}>"));
            }
        }
        Self(names)
    }

    /// The text with every id that has a name replaced by it, whether it is written with or without hyphens.
    fn put_into(&self, text: &str) -> String {
        let of_an_id = |c: char| matches!(c, '0'..='9' | 'a'..='f' | '-');
        let mut named = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let (word, after) = rest.split_at(rest.find(|c| !of_an_id(c)).unwrap_or(rest.len()));
            let id = Uuid::try_parse(word).ok().filter(|_| word.len() >= 32);
            named.push_str(id.and_then(|id| self.0.get(&id)).map_or(word, String::as_str));
            let (between, after) = after.split_at(after.find(of_an_id).unwrap_or(after.len()));
            named.push_str(between);
            rest = after;
        }
        named
    }
}
