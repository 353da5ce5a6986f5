//! kill -9 at seeded moments of a run. Whoever asks for the run again ends it, and nothing of the kill is left to see.
//!
//! The moments come in four kinds, because no single one reaches everything:
//!
//! - at a call: Okta is being waited for, while a page may be on its way into the database;
//! - before a commit: a step is carried out and nothing of it is lasting;
//! - after a commit: a step is lasting and nothing after it has begun;
//! - after a commit, without standing still: the program is anywhere in its next step, as a kill in real life finds it.
//!
//! The first three are the same every time. The lease of a dead process is not waited for but ended in the database,
//! since only the passing of time would do anything else; that others really wait for it is shown in `several`.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::process::{Event, HOLD_AT_COMMIT, Running};
use super::snapshot;
use super::world::{Engine, Story, World};
use crate::support::Home;

/// How often a test kills unless `MUSTER_KILL_TIMES` says otherwise.
const TIMES: u64 = 20;
/// Every so many rounds the program that takes over is killed too.
const AGAIN: usize = 5;

/// When to kill, in counts of one undisturbed run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Call(usize),
    BeforeCommit(usize),
    AfterCommit(usize),
    Soon(usize),
}

/// How long an undisturbed run is, and what it leaves.
struct Undisturbed {
    commits: usize,
    calls: usize,
    /// Runs that there are then.
    runs: i64,
    snapshot: String,
}

macro_rules! killed {
    ($($name:ident: $story:ident on $engine:ident;)*) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            kill_and_compare(Story::$story, Engine::$engine).await;
        }
    )* };
}

killed! {
    a_first_run_on_sqlite: First on Sqlite;
    a_first_run_on_postgresql: First on Postgres;
    an_update_on_sqlite: Update on Sqlite;
    an_update_on_postgresql: Update on Postgres;
    a_run_that_ends_held_on_sqlite: Hold on Sqlite;
    a_run_that_ends_held_on_postgresql: Hold on Postgres;
    an_approval_on_sqlite: Approval on Sqlite;
    an_approval_on_postgresql: Approval on Postgres;
}

async fn kill_and_compare(story: Story, engine: Engine) {
    let times = number("MUSTER_KILL_TIMES").unwrap_or(TIMES);
    let seed = number("MUSTER_KILL_SEED").unwrap_or(1);
    let Some(mut world) = World::before(story, engine).await else { return };
    // No heartbeat disturbs the count of commits.
    world.home.set("MUSTER_LEASE_SECONDS", "300");
    let undisturbed = undisturbed(&world).await;
    let moments = moments(seed, times, &undisturbed);
    let mut killed = 0;
    for round in rounds(&moments) {
        let what = format!("{story:?} on {engine:?}, killed at {round:?} (seed {seed})");
        let home = world.home.copy().await;
        let mut finished = false;
        for moment in round {
            // Whoever finished leaves nothing for the next one to be killed at.
            if !finished {
                killed += u64::from(kill_at(&home, &world, *moment));
                let left = snapshot::bury(&home).await;
                finished = left.runs == undisturbed.runs && left.open == 0;
            }
        }
        // A kill after the last commit leaves nothing to be done: to ask again would be to ask for one more run.
        if !finished {
            home.muster(&world.words()).exits(world.code);
        }
        snapshot::assert_same(&snapshot::take(&home).await, &undisturbed.snapshot, &what);
    }
    let Undisturbed { commits, calls, .. } = undisturbed;
    println!(
        "{story:?} on {engine:?}, seed {seed}: killed {killed} times along {commits} commits and {calls} calls, ended as undisturbed each time"
    );
    // The last moments may find the program already gone; nearly all must find it alive.
    assert!(killed * 10 >= times * 8, "only {killed} of {times} kills found the program alive");
}

/// Runs the story to its end and counts.
async fn undisturbed(world: &World) -> Undisturbed {
    let home = world.home.copy().await;
    world.gate.count_anew();
    let mut command = home.command(&world.words());
    command.env(HOLD_AT_COMMIT, "tell");
    let ended = Running::start(command).end().exits(world.code);
    let commits = ended
        .said
        .iter()
        .filter(|line| line.starts_with("commit ") && line.ends_with(" is done"))
        .count();
    let calls = world.gate.calls().len();
    let snapshot = snapshot::take(&home).await;
    let runs = snapshot::bury(&home).await.runs;
    Undisturbed { commits, calls, runs, snapshot }
}

/// Moments spread evenly over the run, each kind over all of it.
fn moments(seed: u64, times: u64, of: &Undisturbed) -> Vec<Moment> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut moments: Vec<Moment> = (0..times)
        .map(|time| {
            let kind = time % 4;
            let (stretch, stretches) = (time / 4, times.div_ceil(4));
            // Thousandths of the run at which this stretch begins, and somewhere inside it.
            let at = (stretch * 1_000 + random.next_u64() % 1_000) / stretches;
            let pick = |all: usize| usize::try_from(at).unwrap_or(0) * all / 1_000 + 1;
            match kind {
                0 => Moment::Call(pick(of.calls)),
                1 => Moment::BeforeCommit(pick(of.commits)),
                2 => Moment::AfterCommit(pick(of.commits)),
                _ => Moment::Soon(pick(of.commits)),
            }
        })
        .collect();
    // Whom a round kills twice should not always be of the same two kinds.
    let half = moments.len() / 2;
    moments.rotate_left(half % 4);
    moments
}

/// The kills of each round: one, and in every fifth round also the one of the program that takes over.
fn rounds(moments: &[Moment]) -> Vec<&[Moment]> {
    let mut rounds = Vec::new();
    let mut rest = moments;
    while !rest.is_empty() {
        let kills = if rounds.len() % AGAIN == AGAIN - 1 { 2 } else { 1 };
        let (round, after) = rest.split_at(kills.min(rest.len()));
        rounds.push(round);
        rest = after;
    }
    rounds
}

/// Starts the story and kills it; false when it ended before.
fn kill_at(home: &Home, world: &World, moment: Moment) -> bool {
    let start = |order: &str| {
        let mut command = home.command(&world.words());
        command.env(HOLD_AT_COMMIT, order);
        Running::start(command)
    };
    match moment {
        Moment::Call(number) => {
            let (mut running, _held) =
                Running::start_held(home.command(&world.words()), &world.gate, number);
            running.wait_for(|event| *event == Event::Called);
            running.kill()
        }
        Moment::BeforeCommit(number) => {
            let mut running = start(&format!("before:{number}"));
            running.wait_for_line("holding");
            running.kill()
        }
        Moment::AfterCommit(number) => {
            let mut running = start(&format!("after:{number}"));
            running.wait_for_line("holding");
            running.kill()
        }
        Moment::Soon(number) => {
            let mut running = start("tell");
            running.wait_for_line(&format!("commit {number} is done"));
            running.kill()
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration but its environment")]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?} and should be a number")))
}
