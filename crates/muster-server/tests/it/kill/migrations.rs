//! A new database that several programs find at once, or that one of them leaves half made.

use super::process::{HOLD_AT_COMMIT, Running};
use super::world::Engine;
use crate::support::Home;

const AT_ONCE: usize = 4;
const TIMES: usize = 5;

async fn empty(engine: Engine) -> Option<Home> {
    match engine {
        Engine::Sqlite => Some(Home::sqlite()),
        Engine::Postgres => Home::postgres().await,
    }
}

async fn several_at_once(engine: Engine) {
    for _ in 0..TIMES {
        let Some(home) = empty(engine).await else { return };
        let all: Vec<Running> =
            (0..AT_ONCE).map(|_| Running::start(home.command(&["migrate"]))).collect();
        for one in all {
            one.end().exits(0);
        }
        home.line("tenant create acme --name Acme --owner olga@acme.example").done();
        assert_eq!(home.line("tenant list --json").done().lines().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_is_made_once_by_several() {
    several_at_once(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_postgresql_database_is_made_once_by_several() {
    several_at_once(Engine::Postgres).await;
}

async fn killed_halfway(engine: Engine) {
    for order in ["before:1", "after:1"] {
        let Some(home) = empty(engine).await else { return };
        let mut command = home.command(&["migrate"]);
        command.env(HOLD_AT_COMMIT, order);
        let mut running = Running::start(command);
        assert!(running.wait_for_line("holding"), "it ended before");
        assert!(running.kill());
        home.line("migrate").done();
        home.line("tenant create acme --name Acme --owner olga@acme.example").done();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_survives_a_kill() {
    killed_halfway(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_postgresql_database_survives_a_kill() {
    killed_halfway(Engine::Postgres).await;
}
