//! Weeks of a small company, played from a seed: people come, move, leave and return, Okta fails, workers die, and after
//! each run the directory must be what a small model of the product says, and nobody may have been wronged.
//!
//! `MUSTER_SIM_SEEDS` says how many seeds are played in all, `MUSTER_SIM_SEED` which is the first. A failing seed prints
//! the command that plays it again.

#![expect(
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    clippy::struct_excessive_bools,
    clippy::trivially_copy_pass_by_ref,
    clippy::unnecessary_wraps,
    clippy::unused_self,
    reason = "a play of at most thirty people, whose parts are alike in shape"
)]

mod checks;
mod company;
mod dice;
mod directory;
mod found;
mod hands;
mod life;
mod model;
mod people;
mod play;
mod policy;
mod setting;
mod stage;
mod weather;
mod wire;

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use muster_store::DatabaseUrl;
use muster_store::db::Db;
use muster_store::secrets::MasterKeys;
use play::{Manner, Story, play};

use crate::support::PostgresDatabase;

/// Tests that share the seeds among them, so that they run side by side.
const SHARES: u64 = 8;
/// Seeds of a share that are under way at a time. Each waits for its database, a thread of its own, at every statement: alone
/// it leaves the processor idle for half of the time.
const AT_ONCE: usize = 2;
/// Seeds in all where nobody says how many.
const SEEDS: u64 = 2_000;
/// One seed of so many is played on PostgreSQL too, and at least so many.
const POSTGRES_PART: u64 = 40;
const POSTGRES_MIN: u64 = 50;
/// Lines of a story that are shown when it ends badly.
const TOLD: usize = 60;

fn number(name: &str) -> Option<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no configuration but its environment"
    )]
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")))
}

fn keys() -> MasterKeys {
    MasterKeys::parse("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=").expect("a key")
}

async fn open(url: &DatabaseUrl) -> Db {
    let now = "2026-03-01T00:00:00Z".parse().expect("a time");
    Db::open(url, keys(), [1; 32], now).await.expect("a database")
}

/// Plays a seed on a database in memory.
async fn in_memory(manner: Manner) -> Result<Story, String> {
    let db = open(&DatabaseUrl::memory()).await;
    on(&db, manner, "").await
}

async fn on(db: &Db, manner: Manner, option: &str) -> Result<Story, String> {
    // Whoever asks for one seed wants to see all of it, and as far as it comes.
    let mut story = Story { aloud: number("MUSTER_SIM_SEEDS") == Some(1), lines: Vec::new() };
    let played = AssertUnwindSafe(play(db, manner, &mut story)).catch_unwind().await;
    let wrong = match played {
        Ok(Ok(())) => return Ok(story),
        Ok(Err(wrong)) => wrong,
        Err(_) => "it panicked, see above".to_owned(),
    };
    let from = story.lines.len().saturating_sub(TOLD);
    let told = story.lines[from..].join("\n");
    let seed = manner.seed;
    Err(format!(
        "{told}\n\nSEED {seed}: {wrong}\nto play it again: cargo xtask simulate --seed {seed}{option}\n"
    ))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Plays one share of the seeds; every failing seed is told, and all of them are played.
fn share(at: u64) {
    let (first, seeds) =
        (number("MUSTER_SIM_SEED").unwrap_or(0), number("MUSTER_SIM_SEEDS").unwrap_or(SEEDS));
    let (mut played, mut failed) = (0, Vec::new());
    let plays = stream::iter((first..first + seeds).filter(|seed| (seed - first) % SHARES == at))
        .map(async |seed| {
            // A fourth of the seeds drops workers anywhere, which no two plays do at the very same place.
            (seed, in_memory(Manner { seed, drops: seed % 4 == 3 }).await)
        })
        .buffer_unordered(AT_ONCE);
    runtime().block_on(plays.for_each(|(seed, ended)| {
        if let Err(wrong) = ended {
            eprintln!("{wrong}");
            failed.push(seed);
        }
        played += 1;
        std::future::ready(())
    }));
    failed.sort_unstable();
    eprintln!("played {played} seeds on SQLite, {} failed", failed.len());
    assert!(failed.is_empty(), "seeds {failed:?} failed");
}

macro_rules! shares {
    ($($name:ident = $at:literal;)*) => { $(
        #[test]
        fn $name() {
            share($at);
        }
    )* };
}
shares! {
    share_0 = 0; share_1 = 1; share_2 = 2; share_3 = 3; share_4 = 4; share_5 = 5; share_6 = 6; share_7 = 7;
}

#[test]
fn a_seed_tells_the_same_story_again() {
    let first = number("MUSTER_SIM_SEED").unwrap_or(0);
    for seed in first..first + 12 {
        let manner = Manner { seed, drops: false };
        let once = runtime().block_on(in_memory(manner)).unwrap_or_else(|wrong| panic!("{wrong}"));
        let again = runtime().block_on(in_memory(manner)).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert!(once.lines.len() > 20, "seed {seed} tells nothing");
        if once.digest() != again.digest() {
            let at = once.lines.iter().zip(&again.lines).position(|(one, other)| one != other);
            let line = at.map(|at| format!("{}\nand then\n{}", once.lines[at], again.lines[at]));
            panic!("seed {seed} told another story the second time: {line:?}");
        }
    }
}

/// Seeds on PostgreSQL: two tests with a database each, a tenant for every seed.
fn on_postgres(at: u64) {
    let first = number("MUSTER_SIM_SEED").unwrap_or(0);
    let seeds = number("MUSTER_SIM_SEEDS").unwrap_or(SEEDS);
    let seeds = if number("MUSTER_SIM_SEED").is_some() {
        seeds
    } else {
        (seeds / POSTGRES_PART).max(POSTGRES_MIN)
    };
    runtime().block_on(async {
        let Some(database) = PostgresDatabase::new().await else { return };
        let url: DatabaseUrl = database.url().parse().expect("an address");
        let db = open(&url).await;
        let (mut played, mut failed) = (0, Vec::new());
        for seed in (first..first + seeds).filter(|seed| (seed - first) % 2 == at) {
            let manner = Manner { seed, drops: true };
            if let Err(wrong) = on(&db, manner, " --postgres").await {
                eprintln!("{wrong}");
                failed.push(seed);
            }
            played += 1;
        }
        db.close().await;
        eprintln!("played {played} seeds on PostgreSQL, {} failed", failed.len());
        assert!(failed.is_empty(), "seeds {failed:?} failed on PostgreSQL");
    });
}

#[test]
fn on_postgres_even() {
    on_postgres(0);
}

#[test]
fn on_postgres_odd() {
    on_postgres(1);
}
