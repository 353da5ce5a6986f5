//! Work that waits, is taken, fails, is given up and comes back.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_core::id::{IdSource, JobId, OktaUserId, RunId};
use muster_core::run::{RunCause, RunKind};
use muster_store::jobs::misc::{DEATHS_MAX, Ending, MiscClaim, stands};
use muster_store::jobs::{self, Due, Job, MISC, NewJob, PERSON, Retry, kind, priority};
use muster_store::lanes::BULK;
use muster_store::runs::NewRun;
use muster_store::{StoreError, TenantDb};

use crate::world::{ANA, World};

const SECOND: Duration = Duration::from_secs(1);
const KINDS: [&str; 2] = [kind::GROUP, kind::APP];

fn user(id: &str) -> OktaUserId {
    OktaUserId::parse(id).expect("an id")
}

async fn ask(world: &mut World, tenant: &TenantDb, users: &[&str], urgency: i64) {
    let users: Vec<_> = users.iter().map(|id| user(id)).collect();
    let new: Vec<_> =
        users.iter().map(|id| NewJob::person(id, urgency, world.now, RunCause::Event)).collect();
    tenant.ask(&new, &mut world.ids, world.now).await.expect("asked");
}

async fn take(world: &mut World, tenant: &TenantDb, limit: i64) -> (RunId, Vec<Job>) {
    let run: RunId = world.ids.next(world.now);
    let mut write = tenant.write(world.now).await.expect("a change");
    let jobs = jobs::take(&mut write, PERSON, run, limit).await.expect("taken");
    write.commit().await.expect("commit");
    (run, jobs)
}

fn keys(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.key.as_str()).collect()
}

fn ids(jobs: &[Job]) -> Vec<JobId> {
    jobs.iter().map(|job| job.id).collect()
}

pub(crate) async fn asking_twice_is_asking_once(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let (ana, now) = (user("00u1"), world.now);
    let job = |urgency, due, event: Option<&'static str>, cause| NewJob {
        event: event.map(Into::into),
        ..NewJob::person(&ana, urgency, due, cause)
    };
    // In one go, and one after the other.
    let first = [
        job(20, now + 9 * SECOND, Some("e1"), RunCause::Log),
        job(50, now + 5 * SECOND, None, RunCause::Cli),
    ];
    tenant.ask(&first, &mut world.ids, now).await.expect("asked");
    let mut write = tenant.write(now).await.expect("a change");
    let second = [job(10, now + 7 * SECOND, Some("e2"), RunCause::Event)];
    jobs::enqueue(&mut write, &second, &mut world.ids).await.expect("asked");
    write.commit().await.expect("commit");
    assert_eq!(tenant.jobs_waiting(kind::PERSON).await.expect("a count"), 1);
    assert_eq!(take(world, &tenant, 9).await.1, [], "not due yet");
    world.now += 5 * SECOND;
    let (_, jobs) = take(world, &tenant, 9).await;
    assert_eq!(jobs.len(), 1);
    assert_eq!((jobs[0].priority, jobs[0].attempts, jobs[0].cause), (10, 1, RunCause::Event));
    assert_eq!((jobs[0].due_at, jobs[0].enqueued_at), (now + 5 * SECOND, now));
    assert_eq!(jobs[0].event.as_deref(), Some("e2"), "the newest");
}

pub(crate) async fn the_most_urgent_come_first(world: &mut World) {
    let tenant = world.tenant("acme").await;
    ask(world, &tenant, &["00u5", "00u4"], priority::LOG).await;
    world.now += SECOND;
    ask(world, &tenant, &["00u3", "00u2"], priority::HOOK).await;
    ask(world, &tenant, &["00u1"], priority::SIGN_IN).await;
    let (_, first) = take(world, &tenant, 2).await;
    assert_eq!(keys(&first), ["00u1", "00u2"]);
    let (run, rest) = take(world, &tenant, 9).await;
    assert_eq!(keys(&rest), ["00u3", "00u4", "00u5"]);
    let mut write = tenant.write(world.now).await.expect("a change");
    assert_eq!(jobs::taken(&mut write, run).await.expect("jobs"), rest);
    jobs::finish(&mut write, &ids(&rest)).await.expect("finished");
    assert_eq!(jobs::taken(&mut write, run).await.expect("jobs"), []);
    write.commit().await.expect("commit");
    let counts = world.db.job_counts().await.expect("counts");
    let counts: Vec<_> =
        counts.iter().map(|c| (c.lane.as_str(), c.state.as_str(), c.jobs)).collect();
    assert_eq!(counts, [("person", "taken", 2)]);
}

pub(crate) async fn a_taken_job_that_is_asked_for_again_waits_again(world: &mut World) {
    let tenant = world.tenant("acme").await;
    ask(world, &tenant, &["00u1", "00u2"], priority::HOOK).await;
    let (first_run, first) = take(world, &tenant, 9).await;
    ask(world, &tenant, &["00u1"], priority::HOOK).await;
    let (second_run, second) = take(world, &tenant, 9).await;
    assert_eq!(keys(&second), ["00u1"], "what changed after the read is read again");
    ask(world, &tenant, &["00u1"], priority::LOG).await;
    // Both give back: one of them is enough.
    let mut write = tenant.write(world.now).await.expect("a change");
    jobs::hand_back(&mut write, &ids(&first)).await.expect("handed back");
    jobs::hand_back(&mut write, &ids(&second)).await.expect("handed back");
    for run in [first_run, second_run] {
        assert_eq!(jobs::taken(&mut write, run).await.expect("jobs"), []);
    }
    write.commit().await.expect("commit");
    let (_, again) = take(world, &tenant, 9).await;
    assert_eq!(keys(&again), ["00u2", "00u1"]);
    assert!(again.iter().all(|job| job.attempts == 1), "as if it had not been taken: {again:?}");
    ask(world, &tenant, &["00u1", "00u3"], priority::BULK).await;
    let mut write = tenant.write(world.now).await.expect("a change");
    assert_eq!(jobs::drop_waiting(&mut write, kind::PERSON).await.expect("dropped"), 2);
    write.commit().await.expect("commit");
    assert_eq!(tenant.jobs_waiting(kind::PERSON).await.expect("a count"), 0);
}

pub(crate) async fn a_failed_job_waits_aside(world: &mut World) {
    let tenant = world.tenant("acme").await;
    ask(world, &tenant, &["00u1", "00u2"], priority::HOOK).await;
    let (_, jobs) = take(world, &tenant, 9).await;
    // Meanwhile somebody asks for one of them again, at once.
    ask(world, &tenant, &["00u2"], priority::HOOK).await;
    let due_at = world.now + 10 * SECOND;
    let retries: Vec<_> =
        jobs.iter().map(|job| Retry { id: job.id, due_at, error: "okta is away".into() }).collect();
    let mut write = tenant.write(world.now).await.expect("a change");
    jobs::retry(&mut write, &retries).await.expect("set back");
    write.commit().await.expect("commit");
    ask(world, &tenant, &["00u3"], priority::HOOK).await;
    let (_, others) = take(world, &tenant, 9).await;
    assert_eq!(keys(&others), ["00u3"], "it does not hold up the others");
    world.now = due_at;
    let (_, again) = take(world, &tenant, 9).await;
    assert_eq!(keys(&again), ["00u1", "00u2"]);
    assert!(
        again.iter().all(|job| job.attempts == 2 && job.error.as_deref() == Some("okta is away"))
    );
}

pub(crate) async fn what_is_given_up_is_seen_and_tried_again(world: &mut World) {
    let tenant = world.tenant("acme").await;
    for error in ["first", "second"] {
        ask(world, &tenant, &["00u1", "00u2", "00u3"], priority::HOOK).await;
        let (_, jobs) = take(world, &tenant, 9).await;
        let dead: Vec<_> = jobs.iter().map(|job| (job.id, error.to_owned())).collect();
        let mut write = tenant.write(world.now).await.expect("a change");
        jobs::bury(&mut write, &dead).await.expect("buried");
        write.commit().await.expect("commit");
    }
    let dead = tenant.dead_jobs(9).await.expect("jobs");
    assert_eq!(dead.len(), 3, "one a person: {dead:?}");
    assert!(dead.iter().all(|job| job.error.as_deref() == Some("second")));
    assert_eq!(take(world, &tenant, 9).await.1, []);
    // A new event gives one of them another try, and what works out is no longer given up.
    let one = dead.iter().find(|job| job.key == "00u1").expect("there");
    ask(world, &tenant, &["00u1"], priority::HOOK).await;
    assert_eq!(
        tenant.retry_dead(&[one.id], world.now).await.expect("tried"),
        0,
        "it waits already"
    );
    let (_, jobs) = take(world, &tenant, 9).await;
    let mut write = tenant.write(world.now).await.expect("a change");
    jobs::finish(&mut write, &ids(&jobs)).await.expect("finished");
    write.commit().await.expect("commit");
    let dead = tenant.dead_jobs(9).await.expect("jobs");
    assert_eq!(keys(&dead), ["00u3", "00u2"]);
    assert_eq!(tenant.retry_dead(&[dead[0].id], world.now).await.expect("tried"), 1);
    let (_, jobs) = take(world, &tenant, 9).await;
    assert_eq!((keys(&jobs), jobs[0].attempts), (vec!["00u3"], 1));
    tenant.drop_dead(&[dead[1].id]).await.expect("dropped");
    assert_eq!(tenant.dead_jobs(9).await.expect("jobs"), []);
}

async fn ask_misc(world: &mut World, tenant: &TenantDb, jobs: &[(&'static str, &str, i64)]) {
    let new: Vec<_> = jobs
        .iter()
        .map(|(kind, key, urgency)| NewJob::misc(kind, *key, *urgency, world.now, RunCause::Event))
        .collect();
    tenant.ask(&new, &mut world.ids, world.now).await.expect("asked");
}

async fn claim(world: &World, tenant: &TenantDb) -> Option<MiscClaim> {
    tenant.claim_misc(&KINDS, "w", world.now + 15 * SECOND, world.now).await.expect("a claim")
}

pub(crate) async fn misc_jobs_are_worked_on_one_by_one(world: &mut World) {
    let tenant = world.tenant("acme").await;
    assert!(claim(world, &tenant).await.is_none());
    ask_misc(
        world,
        &tenant,
        &[(kind::GROUP, "00g1", 20), (kind::APP, "app", 10), (kind::GROUP, "00g2", 20)],
    )
    .await;
    let first = claim(world, &tenant).await.expect("work");
    assert_eq!((first.job.key.as_str(), first.job.attempts), ("app", 1));
    assert!(claim(world, &tenant).await.is_none(), "one at a time");
    tenant.renew_misc(&first, world.now + 30 * SECOND).await.expect("renewed");
    world.now += 20 * SECOND;
    assert!(claim(world, &tenant).await.is_none(), "the lease was extended");
    tenant.end_misc(&first, &Ending::Done).await.expect("ended");
    let second = claim(world, &tenant).await.expect("work");
    assert_eq!(second.job.key, "00g1");
    let due_at = world.now + 5 * SECOND;
    let retry = Ending::Retry { due_at, error: "away".into() };
    tenant.end_misc(&second, &retry).await.expect("ended");
    let third = claim(world, &tenant).await.expect("work");
    assert_eq!(third.job.key, "00g2", "a failed job does not block its lane");
    tenant.end_misc(&third, &Ending::HandedBack).await.expect("ended");
    let third = claim(world, &tenant).await.expect("work");
    assert_eq!((third.job.key.as_str(), third.job.attempts), ("00g2", 1));
    tenant
        .end_misc(&third, &Ending::GivenUp { error: "no such group".into() })
        .await
        .expect("ended");
    assert!(claim(world, &tenant).await.is_none());
    world.now = due_at;
    let again = claim(world, &tenant).await.expect("work");
    assert_eq!((again.job.key.as_str(), again.job.attempts), ("00g1", 2));
    assert_eq!(keys(&tenant.dead_jobs(9).await.expect("jobs")), ["00g2"]);
}

pub(crate) async fn a_dead_workers_job_is_taken_over(world: &mut World) {
    let tenant = world.tenant("acme").await;
    ask_misc(world, &tenant, &[(kind::GROUP, "00g1", 20)]).await;
    let mut last: Option<MiscClaim> = None;
    for time in 1..=DEATHS_MAX {
        let next = claim(world, &tenant).await.expect("work");
        assert_eq!((next.job.key.as_str(), next.job.attempts), ("00g1", time));
        if let Some(last) = last {
            // It was not dead but slow, and must not write.
            let mut write = tenant.write(world.now).await.expect("a change");
            assert!(matches!(stands(&mut write, &last).await, Err(StoreError::ClaimLost)));
            stands(&mut write, &next).await.expect("stands");
            drop(write);
            for ending in [Ending::Done, Ending::HandedBack] {
                let lost = tenant.end_misc(&last, &ending).await;
                assert!(matches!(lost, Err(StoreError::ClaimLost)), "{lost:?}");
            }
            let lost = tenant.renew_misc(&last, world.now + 99 * SECOND).await;
            assert!(matches!(lost, Err(StoreError::ClaimLost)), "{lost:?}");
        }
        last = Some(next);
        world.now += 15 * SECOND;
    }
    assert!(claim(world, &tenant).await.is_none(), "it may be the job that kills them");
    assert_eq!(keys(&tenant.dead_jobs(9).await.expect("jobs")), ["00g1"]);
    // Who stops gives its leases back.
    ask_misc(world, &tenant, &[(kind::GROUP, "00g2", 20)]).await;
    claim(world, &tenant).await.expect("work");
    world.db.give_up_leases("somebody else", world.now).await.expect("given up");
    assert!(claim(world, &tenant).await.is_none());
    world.db.give_up_leases("w", world.now).await.expect("given up");
    assert_eq!(claim(world, &tenant).await.expect("work").job.key, "00g2");
}

pub(crate) async fn jobs_of_kinds_nobody_knows_are_left_alone(world: &mut World) {
    let tenant = world.tenant("acme").await;
    ask_misc(world, &tenant, &[("of_next_year", "x", 1), (kind::APP, "app", 20)]).await;
    let known = claim(world, &tenant).await.expect("work");
    assert_eq!(known.job.kind, kind::APP);
    tenant.end_misc(&known, &Ending::Done).await.expect("ended");
    assert!(claim(world, &tenant).await.is_none());
    assert_eq!(keys(&tenant.misc_jobs(9).await.expect("jobs")), ["x"]);
    assert!(tenant.claim_misc(&[], "w", world.now, world.now).await.expect("a claim").is_none());
}

pub(crate) async fn tenants_with_work_are_those_that_are_due_and_free(world: &mut World) {
    let (on, off, later) =
        (world.tenant("on").await, world.tenant("off").await, world.tenant("later").await);
    for tenant in [&on, &later] {
        tenant.set_okta_enabled(true, ANA, &mut world.ids, world.now).await.expect("on");
    }
    assert_eq!(work(world).await, []);
    ask(world, &on, &["00u1", "00u2"], priority::HOOK).await;
    ask(world, &off, &["00u1"], priority::HOOK).await;
    let waits = [NewJob::misc(kind::APP, "app", 20, world.now + 5 * SECOND, RunCause::Log)];
    later.ask(&waits, &mut world.ids, world.now).await.expect("asked");
    let new = NewRun {
        id: world.ids.next(world.now),
        kind: RunKind::Full,
        cause: RunCause::Button,
        actor: "os:ana".into(),
        approves: None,
    };
    on.request_run(&new, world.now).await.expect("asked");
    let due = |tenant: &TenantDb, lane| Due { tenant: tenant.id(), lane };
    assert_eq!(work(world).await, [due(&on, BULK), due(&on, PERSON)]);
    let lease = world.now + 15 * SECOND;
    on.claim_lane(BULK, "w", lease, world.now).await.expect("a claim").expect("work");
    assert_eq!(work(world).await, [due(&on, PERSON)], "somebody is at the run");
    world.now += 5 * SECOND;
    let mut want = [due(&on, PERSON), due(&later, MISC)];
    want.sort();
    assert_eq!(work(world).await, want);
    world.now = lease;
    assert_eq!(work(world).await.len(), 3, "whoever was at the run is gone");
    assert_eq!(world.db.tenants_with_work(world.now, 2).await.expect("work").len(), 2);
}

async fn work(world: &World) -> Vec<Due> {
    world.db.tenants_with_work(world.now, 100).await.expect("work")
}

pub(crate) async fn many_askers_and_takers_at_once_lose_nothing(world: &mut World) {
    const ROUNDS: u8 = 12;
    let tenant = world.tenant("acme").await;
    let now = world.now;
    let mut tasks = tokio::task::JoinSet::new();
    for asker in 0..4_u8 {
        let tenant = tenant.clone();
        tasks.spawn(async move {
            let mut drawn = IdSource::seeded([asker; 32]);
            for round in 0..ROUNDS {
                // Each in an order of its own, some of them the same for all.
                let mut users: Vec<_> =
                    (0..8).map(|n| user(&format!("00u{}", (n * 7 + asker + round) % 16))).collect();
                users.push(user(&format!("00u_{asker}_{round}")));
                let new: Vec<_> =
                    users.iter().map(|id| NewJob::person(id, 10, now, RunCause::Event)).collect();
                tenant.ask(&new, &mut drawn, now).await.expect("asked");
            }
            BTreeSet::new()
        });
    }
    for taker in 0..2_u8 {
        let tenant = tenant.clone();
        tasks.spawn(async move {
            let mut drawn = IdSource::seeded([100 + taker; 32]);
            let mut seen = BTreeSet::new();
            for _ in 0..ROUNDS {
                let mut write = tenant.write(now).await.expect("a change");
                let run: RunId = drawn.next(now);
                let jobs = jobs::take(&mut write, PERSON, run, 20).await.expect("taken");
                seen.extend(jobs.iter().map(|job| job.key.clone()));
                jobs::finish(&mut write, &ids(&jobs)).await.expect("finished");
                write.commit().await.expect("commit");
            }
            seen
        });
    }
    let mut seen = BTreeSet::new();
    while let Some(done) = tasks.join_next().await {
        seen.extend(done.expect("no panic"));
    }
    loop {
        let (_, rest) = take(world, &tenant, 200).await;
        if rest.is_empty() {
            break;
        }
        seen.extend(rest.into_iter().map(|job| job.key));
    }
    assert_eq!(seen.len(), 16 + 4 * usize::from(ROUNDS));
}
