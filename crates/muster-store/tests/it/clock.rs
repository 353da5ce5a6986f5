//! What the clock sets off, once for each moment.

use jiff::{SignedDuration, Timestamp};
use muster_core::id::OktaUserId;
use muster_core::run::{RunCause, RunKind};
use muster_core::schedule::Tick;
use muster_store::runs::NewRun;
use muster_store::schedule::{fire, people_due};
use muster_store::{TenantDb, health};

use crate::alarms::{connected, run};
use crate::world::{ANA, World};

fn second(at: i64) -> Timestamp {
    Timestamp::from_second(at).expect("a time")
}

async fn past(world: &World, tenant: &TenantDb) -> muster_core::schedule::Past {
    tenant.scheduled(world.now).await.expect("a query").expect("connected").past
}

pub(crate) async fn the_past_of_a_tenant(world: &mut World) {
    let off = world.tenant("off").await;
    assert_eq!(off.scheduled(world.now).await.expect("a query"), None);
    let tenant = connected(world, "acme").await;
    let fresh = past(world, &tenant).await;
    assert_eq!((fresh.since, fresh.started, fresh.failures), (world.now, None, 0));
    assert!(!fresh.open && !fresh.blocked);
    for (kind, state, queued, approval) in [
        ("full", "failed", 100, false),
        ("full", "held", 200, false),
        ("full", "incomplete", 300, false),
        ("full", "failed", 400, false),
        ("full", "incomplete", 500, true),
        ("preview", "failed", 600, false),
        ("person", "failed", 700, false),
    ] {
        run(world, &tenant, kind, state, queued, Some(queued), approval).await;
    }
    let now = past(world, &tenant).await;
    assert_eq!((now.started, now.failures, now.open), (Some(second(400)), 2, false));
    run(world, &tenant, "full", "running", 800, None, false).await;
    let now = past(world, &tenant).await;
    assert_eq!((now.started, now.failures, now.open), (Some(second(800)), 2, true));
    let mut write = tenant.write(world.now).await.expect("a change");
    muster_store::connection::set_attention(&mut write, Some("token_refused"))
        .await
        .expect("noted");
    write.commit().await.expect("commit");
    assert!(past(world, &tenant).await.blocked);
    let all = world.db.scheduled(world.now).await.expect("a query");
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].tenant, all[0].rules_revision), (tenant.id(), 1));
    assert!(all[0].rules.contains("acme.example"));
    assert_eq!((all[0].start_dates, all[0].expiry), (None, None));
}

pub(crate) async fn a_moment_has_one_run(world: &mut World) {
    let tenant = connected(world, "acme").await;
    let (seen, now) = (past(world, &tenant).await, world.now);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let tenant = tenant.clone();
        let new = NewRun {
            id: world.ids.next(now),
            kind: RunKind::Full,
            cause: RunCause::Schedule,
            actor: "schedule".to_owned(),
            approves: None,
        };
        tasks.spawn(
            async move { tenant.request_scheduled_run(&new, &seen, now).await.expect("asked") },
        );
    }
    let asked: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(tenant.runs(10).await.expect("runs").len(), 1);
    // Even when that run is over before the next one looks.
    let end = "UPDATE runs SET state = 'done', finished_at = 1 WHERE tenant_id = $1";
    world.db.execute(end, &[tenant.id().into()]).await.expect("over");
    let late = NewRun {
        id: world.ids.next(now),
        kind: RunKind::Full,
        cause: RunCause::Schedule,
        actor: "schedule".to_owned(),
        approves: None,
    };
    assert_eq!(tenant.request_scheduled_run(&late, &seen, now).await.expect("asked"), None);
    assert_eq!(tenant.runs(10).await.expect("runs").len(), 1);
    // Switched off meanwhile.
    let seen = past(world, &tenant).await;
    tenant.set_okta_enabled(false, ANA, &mut world.ids, now).await.expect("off");
    assert_eq!(tenant.request_scheduled_run(&late, &seen, now).await.expect("asked"), None);
}

pub(crate) async fn a_run_under_a_wrong_clock_tells_nothing(world: &mut World) {
    let tenant = connected(world, "acme").await;
    let year = world.now + SignedDuration::from_hours(24 * 365);
    run(world, &tenant, "full", "done", year.as_second(), Some(year.as_second()), false).await;
    assert_eq!(past(world, &tenant).await.started, None);
    let soon = world.now + SignedDuration::from_mins(2);
    run(world, &tenant, "full", "done", soon.as_second(), Some(soon.as_second()), false).await;
    assert_eq!(
        past(world, &tenant).await.started,
        Some(soon),
        "another node's clock is a little ahead"
    );
}

pub(crate) async fn a_tick_fires_once_for_its_moment(world: &mut World) {
    let tenant = connected(world, "acme").await;
    let now = world.now;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let tenant = tenant.clone();
        tasks.spawn(async move {
            let mut write = tenant.write(now).await.expect("a change");
            let fired = fire(&mut write, Tick::StartDates, now).await.expect("fired");
            write.commit().await.expect("commit");
            fired
        });
    }
    let fired = tasks.join_all().await;
    assert_eq!(fired.iter().filter(|fired| **fired).count(), 1, "{fired:?}");
    let scheduled = tenant.scheduled(now).await.expect("a query").expect("connected");
    assert_eq!((scheduled.start_dates, scheduled.expiry), (Some(now), None));
    for (tick, moment, fires) in [
        (Tick::Expiry, now, true),
        (Tick::StartDates, now - SignedDuration::from_hours(1), false),
        (Tick::StartDates, now + SignedDuration::from_hours(1), true),
    ] {
        let mut write = tenant.write(now).await.expect("a change");
        assert_eq!(fire(&mut write, tick, moment).await.expect("fired"), fires, "{tick} {moment}");
        write.commit().await.expect("commit");
    }
    // What was not committed did not fire.
    let later = now + SignedDuration::from_hours(2);
    let mut write = tenant.write(now).await.expect("a change");
    assert!(fire(&mut write, Tick::StartDates, later).await.expect("fired"));
    drop(write);
    let mut write = tenant.write(now).await.expect("a change");
    assert!(fire(&mut write, Tick::StartDates, later).await.expect("fired"));
}

pub(crate) async fn people_whose_day_has_come(world: &mut World) {
    let tenant = connected(world, "acme").await;
    let mut people = Vec::new();
    for (number, day) in [(1, Some(20_780)), (2, Some(20_781)), (3, Some(20_790)), (4, None)] {
        let email = format!("p{number}@acme.example");
        let account = muster_store::accounts::NewAccount {
            location: muster_core::name::Name::parse("Tokyo").filter(|_| number == 2),
            ..muster_store::accounts::NewAccount::new(
                muster_core::person::Email::parse(&email).expect("an address"),
                muster_core::person::Role::Learner,
            )
        };
        people.extend(
            tenant.add_people(&[account], ANA, &mut world.ids, world.now).await.expect("added"),
        );
        let set =
            "UPDATE people SET okta_user_id = $3, due_day = $4 WHERE tenant_id = $1 AND id = $2";
        let okta = format!("00u{number}");
        let day: Option<i64> = day;
        let args = [tenant.id().into(), people[number - 1].into(), okta.into(), day.into()];
        assert_eq!(world.db.execute(set, &args).await.expect("set"), 1);
    }
    let zone = "UPDATE locations SET time_zone = 'Asia/Tokyo' WHERE tenant_id = $1";
    assert_eq!(world.db.execute(zone, &[tenant.id().into()]).await.expect("set"), 1);
    assert_eq!(tenant.place_zones().await.expect("zones"), ["Asia/Tokyo"]);
    let until = muster_store::time::from_days(20_781).expect("a day");
    let mut write = tenant.write(world.now).await.expect("a change");
    let due = people_due(&mut write, until, None, 10).await.expect("people");
    let told: Vec<_> =
        due.iter().map(|one| (one.okta_user_id.as_str(), one.zone.as_deref())).collect();
    assert_eq!(told, [("00u1", None), ("00u2", Some("Asia/Tokyo"))]);
    assert_eq!(due[1].day, until);
    let first = OktaUserId::parse("00u1").expect("an id");
    let rest = people_due(&mut write, until, Some(&first), 1).await.expect("people");
    assert_eq!(rest, due[1..]);
}

pub(crate) async fn okta_answers_and_does_not(world: &mut World) {
    let tenant = connected(world, "acme").await;
    let at = |minutes| world.now + SignedDuration::from_mins(minutes);
    let note = |now, failure: Option<&'static str>| {
        let tenant = tenant.clone();
        async move {
            let mut write = tenant.write(now).await.expect("a change");
            match failure {
                Some(code) => health::failed(&mut write, code).await.expect("noted"),
                None => health::answered(&mut write).await.expect("noted"),
            }
            write.commit().await.expect("commit");
            tenant.okta_health().await.expect("health")
        }
    };
    assert_eq!(tenant.okta_health().await.expect("health"), health::OktaHealth::default());
    let seen = note(at(1), Some("okta_unreachable")).await;
    assert_eq!((seen.ok_at, seen.failing_since), (None, Some(at(1))));
    let seen = note(at(5), Some("okta_unreadable")).await;
    assert_eq!(
        (seen.failing_since, seen.failure.as_deref()),
        (Some(at(1)), Some("okta_unreadable"))
    );
    let seen = note(at(9), None).await;
    assert_eq!((seen.ok_at, seen.failing_since, seen.failure), (Some(at(9)), None, None));
    assert_eq!(note(at(20), Some("x")).await.failing_since, Some(at(20)));
}
