//! Whose turn it is, what is tried again, and what a stop leaves.

use std::time::Duration;

use jiff::Timestamp;
use muster_core::id::{IdSource, OktaUserId};
use muster_core::run::{RunCause, RunKind};
use muster_server::clock::Clock;
use muster_server::jobs::{JobError, Verdict};
use muster_store::TenantDb;
use muster_store::jobs::{Due, NewJob, PERSON, kind, priority};
use muster_store::lanes::BULK;
use muster_store::runs::NewRun;

use super::fake::{Asked, Loop};
use crate::support::{Ground, made, on_both_engines};

on_both_engines! {
    what_is_stored_elsewhere_is_found_by_looking,
    a_storm_and_a_dead_okta_hold_up_nobody_else,
    a_job_is_tried_again_as_its_error_says,
    a_stop_leaves_everything_to_the_next,
    two_loops_never_do_the_same_at_once,
}

struct Stage<'g> {
    ground: &'g Ground,
    clock: Clock,
    ids: IdSource,
}

impl<'g> Stage<'g> {
    fn on(ground: &'g Ground) -> Self {
        let clock = Clock::manual("2026-11-23T10:00:00Z".parse().expect("a time"));
        Self { ground, clock, ids: IdSource::seeded([4; 32]) }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn tenant(&mut self, slug: &str) -> TenantDb {
        let now = self.now();
        made(&self.ground.db, slug, &mut self.ids, now).await
    }

    async fn ask(&mut self, tenant: &TenantDb, users: impl IntoIterator<Item = String>) {
        let users: Vec<_> =
            users.into_iter().map(|user| OktaUserId::parse(&user).expect("an id")).collect();
        let now = self.now();
        let jobs: Vec<_> = users
            .iter()
            .map(|user| NewJob::person(user, priority::HOOK, now, RunCause::Event))
            .collect();
        tenant.ask(&jobs, &mut self.ids, now).await.expect("asked");
    }

    async fn ask_misc(&mut self, tenant: &TenantDb, kind: &'static str, keys: &[&str]) {
        let now = self.now();
        let jobs: Vec<_> = keys
            .iter()
            .map(|key| NewJob::misc(kind, *key, priority::HOOK, now, RunCause::Event))
            .collect();
        tenant.ask(&jobs, &mut self.ids, now).await.expect("asked");
    }
}

#[expect(clippy::unnecessary_wraps, reason = "others of this shape fail")]
fn fine(_: &str, _: i64) -> Result<(), JobError> {
    Ok(())
}

async fn what_is_stored_elsewhere_is_found_by_looking(ground: &Ground) {
    let mut stage = Stage::on(ground);
    let acme = stage.tenant("acme").await;
    let mut work = Loop::over(&ground.db, &stage.clock, "w", fine);
    stage.ask(&acme, ["00u1".to_owned()]).await;
    assert_eq!(work.next().await, Asked::People(acme.id(), vec!["00u1".into()]));
    stage.ask_misc(&acme, kind::GROUP, &["00g1"]).await;
    assert_eq!(work.next().await, Asked::Job(acme.id(), "00g1".into(), 1));
    let new = NewRun {
        id: stage.ids.next(stage.clock.now()),
        kind: RunKind::Full,
        cause: RunCause::Button,
        actor: "os:ana".into(),
        approves: None,
    };
    acme.request_run(&new, stage.now()).await.expect("asked");
    assert_eq!(work.next().await, Asked::Bulk(acme.id()));
    // What is not due yet is done once it is.
    let user = OktaUserId::parse("00u2").expect("an id");
    let due_at = stage.now() + Duration::from_secs(9);
    let later = [NewJob::person(&user, priority::HOOK, due_at, RunCause::Event)];
    acme.ask(&later, &mut stage.ids, stage.clock.now()).await.expect("asked");
    stage.clock.advance(Duration::from_secs(9));
    loop {
        match work.next().await {
            // The run is still open, for this work does nothing about it.
            Asked::Bulk(_) => {}
            other => {
                assert_eq!(other, Asked::People(acme.id(), vec!["00u2".into()]));
                break;
            }
        }
    }
    work.stop().await;
}

async fn a_storm_and_a_dead_okta_hold_up_nobody_else(ground: &Ground) {
    let mut stage = Stage::on(ground);
    let (storm, quiet, dead) =
        (stage.tenant("storm").await, stage.tenant("quiet").await, stage.tenant("dead").await);
    let mut work = Loop::over(&ground.db, &stage.clock, "w", fine);
    let gate = work.fake.gate(storm.id());
    work.fake.away.lock().expect("whole").push(dead.id());
    stage.ask(&storm, (0..1_000).map(|n| format!("00u{n}"))).await;
    let Asked::People(first, people) = work.next().await else { panic!("people") };
    assert_eq!((first, people.len()), (storm.id(), 200));
    // The storm's first turn is under way and does not end.
    stage.ask(&dead, ["00uDead".to_owned()]).await;
    work.wake.send(Due { tenant: dead.id(), lane: PERSON }).expect("woken");
    assert_eq!(work.next().await, Asked::People(dead.id(), vec!["00uDead".into()]));
    stage.ask(&quiet, ["00u1".to_owned()]).await;
    work.wake.send(Due { tenant: quiet.id(), lane: PERSON }).expect("woken");
    assert_eq!(work.next().await, Asked::People(quiet.id(), vec!["00u1".into()]));
    // Who failed as a whole rests, and is not asked again and again.
    work.wake.send(Due { tenant: dead.id(), lane: PERSON }).expect("woken");
    stage.ask(&quiet, ["00u2".to_owned()]).await;
    work.wake.send(Due { tenant: quiet.id(), lane: PERSON }).expect("woken");
    assert_eq!(work.next().await, Asked::People(quiet.id(), vec!["00u2".into()]));
    gate.add_permits(99);
    let mut left = 800;
    while left > 0 {
        let Asked::People(tenant, people) = work.next().await else { panic!("people") };
        assert_eq!(tenant, storm.id());
        left -= people.len();
    }
    // Okta is back: so is the work.
    work.fake.away.lock().expect("whole").clear();
    stage.clock.advance(Duration::from_secs(2));
    assert_eq!(work.next().await, Asked::People(dead.id(), vec!["00uDead".into()]));
    work.stop().await;
    let left = dead.jobs_waiting(kind::PERSON).await.expect("a count");
    assert_eq!(left, 0);
}

async fn a_job_is_tried_again_as_its_error_says(ground: &Ground) {
    let mut stage = Stage::on(ground);
    let acme = stage.tenant("acme").await;
    let at = stage.now() + Duration::from_mins(30);
    let script = move |key: &str, attempts: i64| {
        let failed = |verdict| Err(JobError { verdict, what: format!("no {key}") });
        match (key, attempts) {
            ("backs-off", 1 | 2) => failed(Verdict::BackOff),
            ("waits", 1) => failed(Verdict::RetryAt(at)),
            ("gives-up", _) => failed(Verdict::GiveUp),
            ("panics", 1) => panic!("as it should"),
            _ => Ok(()),
        }
    };
    let mut work = Loop::over(&ground.db, &stage.clock, "w", script);
    stage.ask_misc(&acme, kind::GROUP, &["backs-off", "gives-up", "waits"]).await;
    let job = |key: &str, attempts| Asked::Job(acme.id(), key.to_owned(), attempts);
    // They are asked for in the order of their ids, each once.
    let mut first = vec![work.next().await, work.next().await, work.next().await];
    first.sort_by_key(|asked| format!("{asked:?}"));
    assert_eq!(first, [job("backs-off", 1), job("gives-up", 1), job("waits", 1)]);
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(work.next().await, job("backs-off", 2));
    stage.clock.advance(Duration::from_secs(2));
    assert_eq!(work.next().await, job("backs-off", 3));
    stage.clock.advance(Duration::from_mins(30));
    assert_eq!(work.next().await, job("waits", 2));
    let dead = acme.dead_jobs(9).await.expect("jobs");
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].key.as_str(), dead[0].error.as_deref()), ("gives-up", Some("no gives-up")));
    work.stop().await;
}

async fn a_stop_leaves_everything_to_the_next(ground: &Ground) {
    let mut stage = Stage::on(ground);
    let (acme, other) = (stage.tenant("acme").await, stage.tenant("other").await);
    let mut work = Loop::over(&ground.db, &stage.clock, "first", fine);
    let gates = [work.fake.gate(acme.id()), work.fake.gate(other.id())];
    // A run of everybody that will not end, and a short job that is nearly done.
    let new = NewRun {
        id: stage.ids.next(stage.clock.now()),
        kind: RunKind::Full,
        cause: RunCause::Button,
        actor: "os:ana".into(),
        approves: None,
    };
    acme.request_run(&new, stage.now()).await.expect("asked");
    assert_eq!(work.next().await, Asked::Bulk(acme.id()));
    let lease = stage.now() + Duration::from_hours(1);
    let claim = acme.claim_lane(BULK, "first", lease, stage.now()).await.expect("a claim");
    assert!(claim.is_some());
    stage.ask_misc(&other, kind::GROUP, &["00g1"]).await;
    assert_eq!(work.next().await, Asked::Job(other.id(), "00g1".into(), 1));
    gates[1].add_permits(1);
    let mut asked = work.stop().await;
    assert_eq!(asked.recv().await, None, "nothing new was begun");
    let done = other.misc_jobs(9).await.expect("jobs");
    assert_eq!(done, [], "the short job was finished");
    assert!(!acme.lane_busy(BULK, stage.now()).await.expect("a look"), "the lane is free");
    let mut next = Loop::over(&ground.db, &stage.clock, "second", fine);
    assert_eq!(next.next().await, Asked::Bulk(acme.id()));
    next.stop().await;
}

async fn two_loops_never_do_the_same_at_once(ground: &Ground) {
    let mut stage = Stage::on(ground);
    let acme = stage.tenant("acme").await;
    let keys: Vec<String> = (0..20).map(|n| format!("00g{n}")).collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    stage.ask_misc(&acme, kind::GROUP, &keys).await;
    let mut loops = [
        Loop::over(&ground.db, &stage.clock, "a", fine),
        Loop::over(&ground.db, &stage.clock, "b", fine),
    ];
    let mut seen = Vec::new();
    while seen.len() < keys.len() {
        let [a, b] = &mut loops;
        let next = tokio::select! { one = a.next() => one, one = b.next() => one };
        let Asked::Job(tenant, key, attempts) = next else { panic!("a job") };
        assert_eq!((tenant, attempts), (acme.id(), 1), "{key} was done twice");
        seen.push(key);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), keys.len());
    for one in loops {
        one.stop().await;
    }
    assert_eq!(acme.misc_jobs(99).await.expect("jobs"), []);
}
