//! The real program: what it answered 204 is there after it was killed, and it stops when it is asked to.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use muster_core::id::IdSource;
use muster_core::tenant::TenantSlug;
use muster_server::clock::Clock;
use muster_store::Db;
use muster_store::secrets::MasterKeys;
use secrecy::SecretString;
use tokio::task::JoinSet;

use crate::support::{ANA, Client, HOOK, Home, Program, SECRET, one};

/// Deliveries that are answered before the kill.
const ANSWERED: usize = 10_000;
const CLIENTS: usize = 16;

async fn open(home: &Home) -> Db {
    let url = home.variable("MUSTER_DATABASE_URL").parse().expect("an address");
    let key = std::fs::read_to_string(home.master_key()).expect("the master key");
    let keys = MasterKeys::parse(&key).expect("a master key");
    Db::open(&url, keys, [0; 32], Clock::Wall.now()).await.expect("the database")
}

/// A tenant with a hook secret, in an installation that listens wherever there is room.
async fn prepare(home: &mut Home) {
    home.set("MUSTER_LISTEN", "127.0.0.1:0");
    home.set("MUSTER_PUBLIC_URL", "https://learn.example");
    home.line("tenant create acme --name Acme --owner olga@acme.example").done();
    home.line("okta enable acme").done();
    home.line("okta set acme --api-url https://acme.okta.com --app-id 0oaMuster").done();
    let db = open(home).await;
    let slug = TenantSlug::parse("acme").expect("a subdomain");
    let tenant = db.tenant_by_slug(&slug).await.expect("a query").expect("a tenant");
    let mut ids = IdSource::seeded([7; 32]);
    let secret = SecretString::from(SECRET);
    let tenant = db.tenant(tenant.id);
    tenant
        .rotate_hook_secret(&secret, None, ANA, &mut ids, Clock::Wall.now())
        .await
        .expect("a secret");
    db.close().await;
}

fn address(program: &mut Program) -> SocketAddr {
    let told: serde_json::Value = serde_json::from_str(&program.first_line()).expect("json");
    told["listen"].as_str().expect("an address").parse().expect("an address")
}

async fn texts(db: &Db, sql: &'static str) -> BTreeSet<String> {
    #[derive(sqlx::FromRow)]
    struct TextRow {
        text: String,
    }
    let rows: Vec<TextRow> = db.fetch_all(sql, &[]).await.expect("rows");
    rows.into_iter().map(|row| row.text).collect()
}

async fn all_answered_are_there_after_a_kill(mut home: Home) {
    prepare(&mut home).await;
    let mut program = Program::start(home.command(&["serve", "--json"]));
    let at = address(&mut program);
    let (answered, killed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        let (answered, killed) = (Arc::clone(&answered), Arc::clone(&killed));
        tasks.spawn(async move {
            let mut connection = Client::to(at).await;
            let headers = [("host", "acme.learn.example"), ("authorization", SECRET)];
            let mut mine = Vec::new();
            for n in 0.. {
                let id = format!("d{client}-{n}");
                let body = one(&id, &format!("00u{client}-{n}"));
                match connection.try_call("POST", HOOK, &headers, &body).await {
                    Some(answer) => assert_eq!(answer.status, 204),
                    None => break,
                }
                mine.push(format!("{id}-0"));
                answered.fetch_add(1, Ordering::SeqCst);
            }
            assert!(killed.load(Ordering::SeqCst), "it hung up by itself");
            mine
        });
    }
    while answered.load(Ordering::SeqCst) < ANSWERED {
        assert!(program.is_running(), "it ended by itself");
        tokio::task::yield_now().await;
    }
    killed.store(true, Ordering::SeqCst);
    program.kill();
    let mut promised = Vec::new();
    while let Some(done) = tasks.join_next().await {
        promised.extend(done.expect("no panic"));
    }
    // The program comes back, and everything is there with its work.
    let mut again = Program::start(home.command(&["serve", "--json"]));
    address(&mut again);
    let db = open(&home).await;
    while db.inbox_waits().await.expect("a query") {
        assert!(again.is_running(), "it ended by itself");
        tokio::task::yield_now().await;
    }
    let stored: BTreeSet<_> = texts(&db, "SELECT uuid AS text FROM okta_events").await;
    assert!(promised.len() >= ANSWERED);
    let lost: Vec<_> = promised.iter().filter(|id| !stored.contains(*id)).take(5).collect();
    assert!(lost.is_empty(), "{lost:?} were answered and are not there");
    // Each waits for its own read, unless so many wait that everybody is read instead.
    let full =
        "SELECT kind AS text FROM runs WHERE kind = 'full' AND state IN ('queued', 'running')";
    if texts(&db, full).await.is_empty() {
        let keys = texts(&db, "SELECT key AS text FROM okta_events WHERE applied_at IS NULL").await;
        let jobs = texts(&db, "SELECT key AS text FROM jobs WHERE kind = 'person'").await;
        assert!(keys.len() >= ANSWERED && keys.is_subset(&jobs), "{} {}", keys.len(), jobs.len());
    }
    db.close().await;
    let said = again.end_by("TERM", 0).join("\n");
    assert!(said.contains("stopped"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_answered_are_there_after_a_kill_on_sqlite() {
    all_answered_are_there_after_a_kill(Home::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_answered_are_there_after_a_kill_on_postgresql() {
    if let Some(home) = Home::postgres().await {
        all_answered_are_there_after_a_kill(home).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_where_it_is_and_tells_no_secret() {
    let mut home = Home::sqlite();
    prepare(&mut home).await;
    home.set("MUSTER_LOG", "trace");
    home.set("MUSTER_OPS_LISTEN", "127.0.0.1:0");
    home.set("MUSTER_OKTA_EXTRA_HOSTS", "127.0.0.1:1");
    let mut program = Program::start(home.command(&["serve"]));
    let told = program.first_line();
    assert!(told.contains("https://SUB.learn.example/webhooks/okta"), "{told}");
    let listen = told.split(" listens on ").nth(1).and_then(|rest| rest.split(". ").next());
    let at: SocketAddr = listen.expect("an address").parse().expect("an address");
    let mut client = Client::to(at).await;
    let host = ("host", "acme.learn.example");
    for (secret, body, status) in [
        (SECRET, one("d1", "00uPrivate"), 204),
        ("wrong-one", one("d2", "00uPrivate"), 401),
        (SECRET, b"odd-body".to_vec(), 204),
    ] {
        let answer = Client::to(at)
            .await
            .call("POST", HOOK, &[host, ("authorization", secret)], &body)
            .await;
        assert_eq!(answer.status, status);
    }
    assert_eq!(client.call("GET", "/readyz", &[host], b"").await.status, 200);
    let said = program.end_by("INT", 0).join("\n");
    assert!(said.contains("MUSTER_OKTA_EXTRA_HOSTS IS SET"), "{said}");
    assert!(said.contains("a wrong secret") && said.contains("put aside"), "{said}");
    for secret in [SECRET, "wrong-one", "odd-body"] {
        assert!(!said.contains(secret), "{secret} is in the log");
    }
}
