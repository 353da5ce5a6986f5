//! Events as they arrive, by hook and from the System Log.

use std::time::Duration;

use jiff::Timestamp;
use muster_core::event::{Hint, Why};
use muster_core::id::{OktaUserId, RunId};
use muster_core::run::RunCause;
use muster_store::events::{self, Arrival, Arrived, Comparison, Kept};
use muster_store::inbox::TakenIn;
use muster_store::jobs::{self, Job, kind};
use muster_store::log_cursor::{self, LogCursor};
use muster_store::{TenantDb, expiry};

use crate::hooks::door;
use crate::world::{ANA, World};

const SECOND: Duration = Duration::from_secs(1);

fn person(id: &str) -> Hint {
    Hint::Person(OktaUserId::parse(id).expect("an id"))
}

fn event(uuid: &str, hint: Hint) -> Arrived {
    let published = Some("2026-11-23T02:59:50Z".parse().expect("a time"));
    Arrived { uuid: uuid.into(), event_type: "user.lifecycle.create".into(), published, hint }
}

fn arrival(tenant: &TenantDb, at: Timestamp, events: Vec<Arrived>) -> Arrival {
    Arrival { tenant: tenant.id(), version: 0, delivery_id: "d-1".into(), at, rest: false, events }
}

/// Takes calls in and sorts them.
async fn store(world: &mut World, arrivals: &[Arrival]) -> (usize, usize, usize) {
    let taken = world.db.take_in(arrivals, &mut world.ids, world.now).await.expect("taken in");
    assert_eq!(taken, TakenIn::Lasting);
    let (mut fresh, mut copies, mut due) = (0, 0, std::collections::BTreeSet::new());
    while let Some(stored) = world.db.sort_inbox(&mut world.ids, world.now).await.expect("sorted") {
        fresh += stored.fresh;
        copies += stored.copies;
        due.extend(stored.due);
    }
    assert!(!world.db.inbox_waits().await.expect("a query"));
    (fresh, copies, due.len())
}

/// Takes all that is due for people under a run.
async fn take(world: &mut World, tenant: &TenantDb) -> Vec<Job> {
    let run: RunId = world.ids.next(world.now);
    let mut write = tenant.write(world.now).await.expect("a change");
    let jobs = jobs::take(&mut write, jobs::PERSON, run, 200).await.expect("taken");
    write.commit().await.expect("commit");
    jobs
}

pub(crate) async fn a_delivery_is_stored_once_with_its_work(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let events = vec![
        event("e1", person("00u1")),
        event("e2", person("00u2")),
        event("e3", person("00u1")),
        event("e1", person("00u1")),
        event("e4", Hint::Group("00g1".into())),
        event("e5", Hint::App),
        event("e6", Hint::Ignore(Why::Unknown)),
        event("e7", Hint::Ignore(Why::OtherApp)),
    ];
    let delivery = arrival(&tenant, world.now, events);
    assert_eq!(store(world, std::slice::from_ref(&delivery)).await, (7, 1, 2));
    // Okta repeats a delivery whose answer it missed.
    world.now += SECOND;
    assert_eq!(store(world, &[delivery.clone(), delivery]).await, (0, 16, 0));
    let jobs = take(world, &tenant).await;
    let told: Vec<_> = jobs
        .iter()
        .map(|job| (job.kind.as_str(), job.key.as_str(), job.event.as_deref(), job.cause))
        .collect();
    assert_eq!(
        told,
        [
            ("person", "00u1", Some("e3"), RunCause::Event),
            ("person", "00u2", Some("e2"), RunCause::Event)
        ]
    );
    let misc = tenant.misc_jobs(9).await.expect("jobs");
    let told: Vec<_> = misc.iter().map(|job| (job.kind.as_str(), job.key.as_str())).collect();
    assert_eq!(told, [("app", "app"), ("group", "00g1")]);
    let state = tenant.hook_state().await.expect("a state");
    assert_eq!((state.deliveries, state.events, state.ignored, state.unknown_types), (3, 24, 6, 3));
    assert_eq!(
        state
            .last_event_at
            .expect("one")
            .duration_since(state.first_event_at.expect("one"))
            .as_secs(),
        0
    );
    assert_eq!(tenant.events_waiting().await.expect("a count").0, 5);
    assert_eq!(tenant.tenant().await.expect("a tenant").history_seq, 3, "an event is no change");
}

pub(crate) async fn deliveries_of_many_tenants_are_stored_together(world: &mut World) {
    let mut tenants = Vec::new();
    for n in 0..5 {
        tenants.push(world.tenant(&format!("t{n}")).await);
    }
    let arrivals: Vec<_> = (0..600)
        .map(|n| {
            let events = vec![event(&format!("e{}", n / 5), person(&format!("00u{}", n / 10)))];
            arrival(&tenants[n % 5], world.now, events)
        })
        .collect();
    // The ids of events repeat from tenant to tenant, and each keeps its own.
    assert_eq!(store(world, &arrivals).await, (600, 0, 5));
    for tenant in &tenants {
        assert_eq!(tenant.hook_state().await.expect("a state").deliveries, 120);
        assert_eq!(take(world, tenant).await.len(), 60);
    }
    assert_eq!(store(world, &[]).await, (0, 0, 0));
}

pub(crate) async fn a_changed_door_lets_nothing_in(world: &mut World) {
    let (acme, other) = (world.tenant("acme").await, world.tenant("other").await);
    let arrivals = [
        arrival(&acme, world.now, vec![event("e1", person("00u1"))]),
        arrival(&other, world.now, vec![event("e2", person("00u2"))]),
    ];
    acme.set_okta_enabled(true, ANA, &mut world.ids, world.now).await.expect("on");
    let taken = world.db.take_in(&arrivals, &mut world.ids, world.now).await;
    assert_eq!(taken.expect("a query"), TakenIn::DoorChanged(vec![acme.id()]));
    assert!(!world.db.inbox_waits().await.expect("a query"));
    for tenant in [&acme, &other] {
        assert_eq!(tenant.hook_state().await.expect("a state").deliveries, 0);
        assert_eq!(tenant.jobs_waiting(kind::PERSON).await.expect("a count"), 0);
    }
    let version = door(world, "acme").await.version;
    let [first, second] = arrivals;
    assert_eq!(store(world, &[Arrival { version, ..first }, second]).await, (2, 0, 2));
}

pub(crate) async fn several_sorters_sort_each_call_once(world: &mut World) {
    const CALLS: usize = 300;
    let tenant = world.tenant("acme").await;
    for n in 0..CALLS {
        let events = (0..5).map(|k| event(&format!("e{n}-{k}"), person(&format!("00u{}", n % 40))));
        let call = [arrival(&tenant, world.now, events.collect())];
        world.db.take_in(&call, &mut world.ids, world.now).await.expect("taken in");
    }
    let mut tasks = tokio::task::JoinSet::new();
    for sorter in 0..3_u8 {
        let (db, now) = (world.db.clone(), world.now);
        tasks.spawn(async move {
            let mut ids = muster_core::id::IdSource::seeded([sorter; 32]);
            let (mut fresh, mut copies) = (0, 0);
            while db.inbox_waits().await.expect("a query") {
                match db.sort_inbox(&mut ids, now).await {
                    Ok(stored) => {
                        let stored = stored.unwrap_or_default();
                        fresh += stored.fresh;
                        copies += stored.copies;
                    }
                    Err(error) => assert!(error.gave_way(), "{error:?}"),
                }
            }
            (fresh, copies)
        });
    }
    let mut sum = (0, 0);
    while let Some(done) = tasks.join_next().await {
        let (fresh, copies) = done.expect("no panic");
        sum = (sum.0 + fresh, sum.1 + copies);
    }
    assert_eq!(sum, (CALLS * 5, 0));
    assert_eq!(tenant.jobs_waiting(kind::PERSON).await.expect("a count"), 40);
    let state = tenant.hook_state().await.expect("a state");
    assert_eq!((state.deliveries, state.events), (300, 1_500));
}

pub(crate) async fn calls_that_cannot_be_read_are_left_and_hold_up_nobody(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let odd = "INSERT INTO hook_inbox (id, at, calls) VALUES ($1, 0, 'of a newer version')";
    world.db.execute(odd, &[uuid::Uuid::nil().into()]).await.expect("a row");
    let call = [arrival(&tenant, world.now, vec![event("e1", person("00u1"))])];
    world.db.take_in(&call, &mut world.ids, world.now).await.expect("taken in");
    let stored = world.db.sort_inbox(&mut world.ids, world.now).await.expect("sorted");
    assert_eq!(stored.map(|stored| stored.fresh), Some(1));
    assert_eq!(world.db.sort_inbox(&mut world.ids, world.now).await.expect("sorted"), None);
    assert!(world.db.inbox_waits().await.expect("a query"));
}

pub(crate) async fn nobody_who_changes_a_tenant_is_waited_for(world: &mut World) {
    // On SQLite there is one writer, so there is nothing to show.
    if world.db.server_time().await.expect("a query").is_none() {
        return;
    }
    let tenant = world.tenant("acme").await;
    let held = tenant.write(world.now).await.expect("a change");
    let delivery = arrival(&tenant, world.now, vec![event("e1", person("00u1"))]);
    assert_eq!(store(world, &[delivery]).await, (1, 0, 1));
    drop(held);
}

pub(crate) async fn the_log_asks_for_what_no_hook_brought(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let by_hook = arrival(
        &tenant,
        world.now,
        vec![event("e1", person("00u1")), event("e2", person("00u2")), event("e5", person("00u5"))],
    );
    store(world, &[by_hook.clone(), by_hook]).await;
    take(world, &tenant).await;
    world.now += SECOND;
    let page = [
        event("e1", person("00u1")),
        event("e2", person("00u2")),
        event("e3", person("00u3")),
        event("e4", Hint::Ignore(Why::OtherApp)),
        Arrived {
            event_type: "user.lifecycle.delete.completed".into(),
            ..event("e6", person("00u6"))
        },
    ];
    let mut write = tenant.write(world.now).await.expect("a change");
    let noted = events::note_logged(&mut write, &page, &mut world.ids).await.expect("noted");
    write.commit().await.expect("commit");
    assert_eq!((noted.events, noted.fresh, noted.asked), (5, 3, 2));
    let jobs = take(world, &tenant).await;
    let told: Vec<_> = jobs.iter().map(|job| (job.key.as_str(), job.cause, job.priority)).collect();
    assert_eq!(told, [("00u3", RunCause::Log, 20), ("00u6", RunCause::Log, 20)]);
    // The same page again, as after a lost cursor.
    world.now += SECOND;
    let mut write = tenant.write(world.now).await.expect("a change");
    let noted = events::note_logged(&mut write, &page, &mut world.ids).await.expect("noted");
    write.commit().await.expect("commit");
    assert_eq!((noted.events, noted.fresh, noted.asked), (5, 0, 0));
    // A hook that comes after the log asks for nothing any more.
    let late = arrival(&tenant, world.now, vec![event("e3", person("00u3"))]);
    assert_eq!(store(world, &[late]).await, (0, 1, 0));
    let (from, to) = (world.now - Duration::from_mins(5), world.now);
    let all = tenant.compare_events(from, to, 11).await.expect("a comparison");
    let want = Comparison { logged: 3, missed: 0, hooked: 4, doubled: 3, late: 1, unlogged: 1 };
    assert_eq!(all, want);
    let none = tenant.compare_events(to, to + SECOND, 11).await.expect("a comparison");
    assert_eq!(none, Comparison::default());
}

pub(crate) async fn what_is_applied_is_marked_up_to_the_read(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let run: RunId = world.ids.next(world.now);
    let (early, late) = (world.now, world.now + 2 * SECOND);
    let first =
        arrival(&tenant, early, vec![event("e1", person("00u1")), event("e2", person("00u2"))]);
    let second = arrival(
        &tenant,
        late,
        vec![event("e3", person("00u1")), event("e4", Hint::Group("00u1".into()))],
    );
    store(world, &[first, second]).await;
    world.now += 5 * SECOND;
    let mut write = tenant.write(world.now).await.expect("a change");
    let until = early + SECOND;
    let applied =
        events::mark_applied(&mut write, kind::PERSON, &["00u1", "00u9"], until, Some(run))
            .await
            .expect("marked");
    assert_eq!(applied.len(), 1);
    assert_eq!((applied[0].uuid.as_str(), applied[0].hook_at), ("e1", Some(early)));
    assert!(applied[0].published.is_some() && applied[0].logged_at.is_none());
    let again = events::mark_applied(&mut write, kind::PERSON, &["00u1"], until, Some(run)).await;
    assert_eq!(again.expect("marked"), []);
    write.commit().await.expect("commit");
    assert_eq!(tenant.events_waiting().await.expect("a count"), (3, Some(early)));
    let mut write = tenant.write(world.now).await.expect("a change");
    assert_eq!(events::mark_all_applied(&mut write, until, run).await.expect("marked"), 1);
    assert_eq!(events::mark_all_applied(&mut write, world.now, run).await.expect("marked"), 2);
    write.commit().await.expect("commit");
    assert_eq!(tenant.events_waiting().await.expect("a count"), (0, None));
    // What is kept about one person: the group with the same id is another matter.
    let who = OktaUserId::parse("00u1").expect("an id");
    let happened = event("e1", person("00u1")).published.expect("a time");
    let about = tenant.events_about(&who, happened).await.expect("events");
    let kept = |hook_at| Kept {
        event_type: "user.lifecycle.create".into(),
        published: Some(happened),
        hook_at: Some(hook_at),
        logged_at: None,
        applied_at: Some(world.now),
        run: Some(run),
    };
    assert_eq!(about, [kept(early), kept(late)]);
    assert_eq!(tenant.events_about(&who, happened + SECOND).await.expect("events"), []);
}

pub(crate) async fn old_events_go_once_nothing_needs_them(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let run: RunId = world.ids.next(world.now);
    let events = vec![
        event("e1", person("00u1")),
        event("e2", person("00u2")),
        event("e3", Hint::Ignore(Why::Unknown)),
    ];
    let delivery = arrival(&tenant, world.now, events);
    store(world, std::slice::from_ref(&delivery)).await;
    let mut write = tenant.write(world.now).await.expect("a change");
    events::mark_applied(&mut write, kind::PERSON, &["00u1"], world.now, Some(run))
        .await
        .expect("marked");
    expiry::events(&mut write, world.now).await.expect("dropped");
    write.commit().await.expect("commit");
    assert_eq!(
        store(world, std::slice::from_ref(&delivery)).await,
        (0, 3, 0),
        "nothing is that old"
    );
    let mut write = tenant.write(world.now).await.expect("a change");
    expiry::events(&mut write, world.now + SECOND).await.expect("dropped");
    write.commit().await.expect("commit");
    assert_eq!(store(world, &[delivery]).await, (2, 1, 1), "what waits stays");
}

pub(crate) async fn the_cursor_of_the_log_is_kept(world: &mut World) {
    let tenant = world.tenant("acme").await;
    assert_eq!(tenant.log_cursor().await.expect("a cursor"), LogCursor::default());
    let first = LogCursor {
        next_link: Some("https://acme.okta.com/api/v1/logs?after=1".into()),
        last_published: Some(world.now),
        polled_at: Some(world.now),
        state: None,
        types: Some("eight".into()),
    };
    let second =
        LogCursor { next_link: None, state: Some("rights_missing".into()), ..first.clone() };
    for cursor in [first, second] {
        let mut write = tenant.write(world.now).await.expect("a change");
        log_cursor::save(&mut write, &cursor).await.expect("saved");
        write.commit().await.expect("commit");
        assert_eq!(tenant.log_cursor().await.expect("a cursor"), cursor);
    }
}
