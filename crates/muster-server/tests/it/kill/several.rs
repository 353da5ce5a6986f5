//! Several programs on one database: they join, take over, and write nothing once somebody took over from them.

use super::gate::Held;
use super::process::{Event, HOLD_AT_COMMIT, Running};
use super::snapshot;
use super::world::{Engine, Story, World};
use crate::support::Home;

/// What whoever joins a run says.
const JOINS: &str = "under way already";

/// Where the first program is when something happens to it. Each is a place between two steps: a program that is frozen
/// inside a step holds the database's own lock, and everybody else waits for it as they would for a slow one.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// It waits for the answer to a call, by its number.
    Call(usize),
    /// It stands behind its n-th commit.
    Commit(usize),
}

/// Starts the program with its story and waits until it is at a place.
fn start_at(home: &Home, world: &World, place: Place) -> (Running, Option<Held>) {
    match place {
        Place::Call(number) => {
            let (mut running, held) =
                Running::start_held(home.command(&world.words()), &world.gate, number);
            assert!(
                running.wait_for(|event| *event == Event::Called),
                "it ended before call {number}"
            );
            (running, Some(held))
        }
        Place::Commit(number) => {
            world.gate.count_anew();
            let mut command = home.command(&world.words());
            command.env(HOLD_AT_COMMIT, format!("after:{number}"));
            let mut running = Running::start(command);
            assert!(running.wait_for_line("holding"), "it ended before commit {number}");
            (running, None)
        }
    }
}

/// Starts a second program with the same story and waits until it says that it joined the first.
fn join(home: &Home, world: &World) -> Running {
    let mut second = Running::start(home.command(&world.words()));
    assert!(second.wait_for_line(JOINS), "it did not join: {:?}", second.said());
    second
}

/// What a story leaves when one program tells it and nobody disturbs it.
async fn undisturbed(world: &World) -> (String, Vec<String>) {
    let home = world.home.copy().await;
    world.gate.count_anew();
    home.muster(&world.words()).exits(world.code);
    (snapshot::take(&home).await, world.gate.calls())
}

macro_rules! on_both {
    ($($name:ident;)*) => {
        mod sqlite { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Engine::Sqlite).await;
            }
        )* }
        mod postgresql { $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Engine::Postgres).await;
            }
        )* }
    };
}

on_both! {
    a_second_joins_the_first;
    a_second_takes_over_from_a_dead_one;
    a_frozen_one_that_wakes_up_writes_nothing;
    a_frozen_one_that_wakes_up_amid_the_work_of_another_writes_nothing_stale;
    a_plan_and_a_sync_do_not_meet;
    a_sync_ends_what_a_dead_one_began;
    nothing_is_discarded_while_it_is_approved;
}

async fn a_second_joins_the_first(engine: Engine) {
    let Some(world) = World::before(Story::Update, engine).await else { return };
    let (wanted, calls) = undisturbed(&world).await;
    let home = world.home.copy().await;
    let (first, held) = start_at(&home, &world, Place::Call(1));
    let second = join(&home, &world);
    drop(held);
    let (first, second) = (first.end().exits(0).json(), second.end().exits(0).json());
    assert_eq!(first, second, "both tell of the same run");
    let sorted = |calls: Vec<String>| {
        let mut calls: Vec<_> = calls.into_iter().filter(|call| !call.contains("/logs?")).collect();
        calls.sort_unstable();
        calls
    };
    assert_eq!(sorted(world.gate.calls()), sorted(calls), "Okta was asked for everything once");
    snapshot::assert_same(&snapshot::take(&home).await, &wanted, "joined");
}

async fn a_second_takes_over_from_a_dead_one(engine: Engine) {
    let Some(mut world) = World::before(Story::Update, engine).await else { return };
    let (wanted, _) = undisturbed(&world).await;
    world.home.set("MUSTER_LEASE_SECONDS", "1");
    for place in [Place::Call(2), Place::Commit(10), Place::Call(40)] {
        let home = world.home.copy().await;
        let (first, _held) = start_at(&home, &world, place);
        let second = join(&home, &world);
        assert!(first.kill());
        let told = second.end().exits(0).json();
        assert_eq!(told["state"], "done");
        snapshot::assert_same(
            &snapshot::take(&home).await,
            &wanted,
            &format!("the first died at {place:?}"),
        );
    }
}

async fn a_frozen_one_that_wakes_up_writes_nothing(engine: Engine) {
    let Some(mut world) = World::before(Story::Update, engine).await else { return };
    let (wanted, _) = undisturbed(&world).await;
    world.home.set("MUSTER_LEASE_SECONDS", "1");
    for place in
        [Place::Call(1), Place::Commit(4), Place::Commit(11), Place::Call(40), Place::Commit(22)]
    {
        let home = world.home.copy().await;
        let (mut first, held) = start_at(&home, &world, place);
        first.freeze();
        let second = join(&home, &world);
        let second = second.end().exits(0).json();
        let before = snapshot::take(&home).await;
        // It finds its answer, or its commit behind it, and goes on as if no time had passed.
        drop(held);
        if let Place::Commit(_) = place {
            first.go_on();
        }
        first.thaw();
        let first = first.end().exits(0).json();
        assert_eq!(first, second, "both tell of the same run");
        let what = format!("the first was frozen at {place:?}");
        snapshot::assert_same(&snapshot::take(&home).await, &before, &what);
        snapshot::assert_same(&before, &wanted, &what);
    }
}

async fn a_frozen_one_that_wakes_up_amid_the_work_of_another_writes_nothing_stale(engine: Engine) {
    let Some(mut world) = World::before(Story::Update, engine).await else { return };
    let (wanted, _) = undisturbed(&world).await;
    world.home.set("MUSTER_LEASE_SECONDS", "1");
    for place in [Place::Commit(4), Place::Commit(10), Place::Commit(13), Place::Call(40)] {
        let home = world.home.copy().await;
        let (mut first, held) = start_at(&home, &world, place);
        first.freeze();
        // The second takes over, takes two steps and stands still in its turn. Only the number of its claim says that the
        // first is no longer the one who works: the run is the same, and nobody has finished it.
        let mut command = home.command(&world.words());
        command.env(HOLD_AT_COMMIT, "after:4");
        let mut second = Running::start(command);
        assert!(second.wait_for_line("holding"), "it did not take over");
        drop(held);
        if let Place::Commit(_) = place {
            first.go_on();
        }
        first.thaw();
        // The first gives up what it was about to write, takes the lane back in due form and ends the run.
        let first = first.end().exits(0).json();
        let what = format!("the first was frozen at {place:?}, the second after two steps");
        snapshot::assert_same(&snapshot::take(&home).await, &wanted, &what);
        second.go_on();
        assert_eq!(second.end().exits(0).json(), first, "both tell of the same run");
        snapshot::assert_same(&snapshot::take(&home).await, &wanted, &what);
    }
}

async fn a_plan_and_a_sync_do_not_meet(engine: Engine) {
    let Some(world) = World::before(Story::Update, engine).await else { return };
    let plan = ["okta", "plan", "fernhill", "--json"];
    // One after the other, in both orders.
    let home = world.home.copy().await;
    home.muster(&world.words()).done();
    home.muster(&plan).done();
    let sync_first = snapshot::take(&home).await;
    let home = world.home.copy().await;
    home.muster(&plan).done();
    home.muster(&world.words()).done();
    let plan_first = snapshot::take(&home).await;

    let home = world.home.copy().await;
    let (sync, held) = start_at(&home, &world, Place::Call(3));
    let mut late = Running::start(telling(&home, &plan));
    // It asked for its run, behind the other.
    assert!(late.wait_for_line("commit 2 is done"));
    drop(held);
    sync.end().exits(0);
    late.end().exits(0);
    snapshot::assert_same(&snapshot::take(&home).await, &sync_first, "a plan beside a sync");

    let home = world.home.copy().await;
    let (early, held) = Running::start_held(home.command(&plan), &world.gate, 3);
    let mut early = early;
    assert!(early.wait_for(|event| *event == Event::Called));
    let mut sync = Running::start(telling(&home, &world.words()));
    assert!(sync.wait_for_line("commit 2 is done"));
    drop(held);
    early.end().exits(0);
    sync.end().exits(0);
    snapshot::assert_same(&snapshot::take(&home).await, &plan_first, "a sync beside a plan");
}

async fn a_sync_ends_what_a_dead_one_began(engine: Engine) {
    let sync = ["okta", "sync", "fernhill", "--json"];
    for story in [Story::Update, Story::Approval] {
        let Some(mut world) = World::before(story, engine).await else { return };
        if story == Story::Update {
            world.command = ["okta", "plan", "fernhill"].map(str::to_owned).to_vec();
        }
        let home = world.home.copy().await;
        home.muster(&world.words()).done();
        home.muster(&sync).done();
        let wanted = snapshot::take(&home).await;

        world.home.set("MUSTER_LEASE_SECONDS", "1");
        let home = world.home.copy().await;
        let (mut dead, _held) = Running::start_held(home.command(&world.words()), &world.gate, 3);
        assert!(dead.wait_for(|event| *event == Event::Called));
        assert!(dead.kill());
        home.muster(&sync).done();
        snapshot::assert_same(
            &snapshot::take(&home).await,
            &wanted,
            &format!("a sync after {:?} died", world.command),
        );
    }
}

async fn nothing_is_discarded_while_it_is_approved(engine: Engine) {
    let Some(mut world) = World::before(Story::Approval, engine).await else { return };
    let (wanted, _) = undisturbed(&world).await;
    world.home.set("MUSTER_LEASE_SECONDS", "1");
    let run = world.held_run();
    let discard = ["run", "discard", "fernhill", &run, "--reason", "mistake"];

    let home = world.home.copy().await;
    let (approval, held) = start_at(&home, &world, Place::Call(20));
    let told = home.muster(&discard).exits(2);
    assert!(told.err.contains("being approved just now"), "{}", told.err);
    drop(held);
    approval.end().exits(0);
    home.muster(&discard).exits(2);
    snapshot::assert_same(&snapshot::take(&home).await, &wanted, "discarded beside an approval");

    // An approval that died is still an approval: some of its removals may be done.
    let home = world.home.copy().await;
    let (approval, _held) = start_at(&home, &world, Place::Call(20));
    assert!(approval.kill());
    home.muster(&discard).exits(2);
    home.muster(&world.words()).done();
    snapshot::assert_same(
        &snapshot::take(&home).await,
        &wanted,
        "discarded after an approval died",
    );

    // Whoever discards first leaves nothing to approve.
    let home = world.home.copy().await;
    home.muster(&discard).done();
    let told = home.muster(&world.words()).exits(2);
    assert!(told.err.contains("holds no removals"), "{}", told.err);
    let people = |home: &Home| home.line("people list fernhill --json").done().out;
    assert_eq!(people(&home), people(&world.home), "nobody lost access");
}

/// A command that tells of each of its commits.
fn telling(home: &Home, words: &[&str]) -> std::process::Command {
    let mut command = home.command(words);
    command.env(HOLD_AT_COMMIT, "tell");
    command
}
