//! Alarms: once each, whoever looks, and told once.

use jiff::{SignedDuration, Timestamp};
use muster_core::alarm::AlarmCode;
use muster_core::id::PersonId;
use muster_core::person::{Email, Role};
use muster_core::problem::ProblemCode;
use muster_store::accounts::NewAccount;
use muster_store::alarms::{Raised, clear, raise};
use muster_store::connection::{self, ConnectionUpdate};
use muster_store::{StoreError, TenantDb, health};
use secrecy::SecretString;

use crate::world::{ANA, World};

const LEASE: SignedDuration = SignedDuration::from_mins(15);

/// A tenant that is switched on and connected.
pub(crate) async fn connected(world: &mut World, slug: &str) -> TenantDb {
    let tenant = world.tenant(slug).await;
    tenant.set_okta_enabled(true, ANA, &mut world.ids, world.now).await.expect("on");
    let update = ConnectionUpdate {
        api_url: Some("https://acme.okta.com".into()),
        client_id: Some("0oa1".into()),
        app_id: None,
        client_secret: None,
        api_token: Some(SecretString::from("t0ken")),
    };
    tenant.set_connection(update, ANA, &mut world.ids, world.now).await.expect("connected");
    tenant
}

fn after(at: Timestamp, minutes: i64) -> Timestamp {
    at + SignedDuration::from_mins(minutes)
}

async fn raised(world: &mut World, tenant: &TenantDb, code: AlarmCode, now: Timestamp) -> Raised {
    let id = world.ids.draw(now);
    let mut write = tenant.write(now).await.expect("a change");
    let raised = raise(&mut write, id, code, now, "since noon").await.expect("raised");
    write.commit().await.expect("commit");
    raised
}

async fn cleared(tenant: &TenantDb, code: AlarmCode, now: Timestamp) -> bool {
    let mut write = tenant.write(now).await.expect("a change");
    let cleared = clear(&mut write, code).await.expect("cleared");
    write.commit().await.expect("commit");
    cleared
}

pub(crate) async fn an_alarm_is_raised_once_seen_and_ends(world: &mut World) {
    let tenant = connected(world, "acme").await;
    let other = connected(world, "other").await;
    let start = world.now;
    let code = AlarmCode::TokenRefused;
    assert_eq!(raised(world, &tenant, code, start).await, Raised::New);
    assert_eq!(raised(world, &tenant, code, after(start, 10)).await, Raised::Known);
    assert_eq!(raised(world, &other, code, start).await, Raised::New);
    let open = tenant.open_alarms().await.expect("alarms");
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].code, open[0].since, open[0].raised_at), (code, start, start));
    assert_eq!((open[0].last_seen, open[0].mailed_at), (after(start, 10), None));
    assert!(cleared(&tenant, code, after(start, 20)).await);
    assert!(!cleared(&tenant, code, after(start, 21)).await);
    assert_eq!(tenant.open_alarms().await.expect("alarms"), []);
    assert_eq!(world.db.open_alarms().await.expect("alarms").len(), 1, "the other tenant's");
    // Back within the hour: the same alarm.
    assert_eq!(raised(world, &tenant, code, after(start, 79)).await, Raised::Again);
    assert_eq!(tenant.open_alarms().await.expect("alarms")[0].id, open[0].id);
    assert!(cleared(&tenant, code, after(start, 80)).await);
    // Later: a new one.
    assert_eq!(raised(world, &tenant, code, after(start, 141)).await, Raised::New);
    assert_ne!(tenant.open_alarms().await.expect("alarms")[0].id, open[0].id);
}

pub(crate) async fn several_processes_raise_one_alarm(world: &mut World) {
    let tenant = connected(world, "acme").await;
    let now = world.now;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let (tenant, id) = (tenant.clone(), world.ids.draw(now));
        tasks.spawn(async move {
            let mut write = tenant.write(now).await.expect("a change");
            let raised =
                raise(&mut write, id, AlarmCode::DeadLetters, now, "3").await.expect("raised");
            write.commit().await.expect("commit");
            raised
        });
    }
    let mut all = tasks.join_all().await;
    all.sort_by_key(|raised| *raised != Raised::New);
    assert_eq!(all[0], Raised::New);
    assert!(all[1..].iter().all(|raised| *raised == Raised::Known), "{all:?}");
    assert_eq!(tenant.open_alarms().await.expect("alarms").len(), 1);
}

pub(crate) async fn a_mail_is_sent_by_one_and_tried_again(world: &mut World) {
    let tenant = connected(world, "acme").await;
    let now = world.now;
    raised(world, &tenant, AlarmCode::TokenRefused, now).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let db = world.db.clone();
        tasks.spawn(async move { db.claim_alarm_mail(now, LEASE, 10).await.expect("claimed") });
    }
    let mails = tasks.join_all().await.concat();
    assert_eq!(mails.len(), 1, "one of several sends it");
    let mail = &mails[0];
    assert_eq!((mail.slug.as_str(), mail.name.as_str()), ("acme", "acme Ltd"));
    assert_eq!((mail.alarm.code, mail.tries, mail.told.len()), (AlarmCode::TokenRefused, 1, 0));
    // Whoever had it died: it is given to another when the lease is over.
    let db = world.db.clone();
    let claim = move |at| {
        let db = db.clone();
        async move { db.claim_alarm_mail(at, LEASE, 10).await.expect("claimed") }
    };
    assert_eq!(claim(after(now, 14)).await.len(), 0);
    let again = claim(after(now, 15)).await;
    assert_eq!(again[0].tries, 2);
    // One of two was told; the other must wait for the server.
    let olga: PersonId = world.ids.next(now);
    let noted =
        tenant.alarm_mailed(mail.alarm.id, &[olga], Some(after(now, 60)), after(now, 16)).await;
    noted.expect("noted");
    assert_eq!(claim(after(now, 59)).await.len(), 0);
    let third = claim(after(now, 60)).await;
    assert_eq!(third[0].told, [olga]);
    tenant.alarm_mailed(mail.alarm.id, &[olga], None, after(now, 61)).await.expect("noted");
    assert_eq!(claim(after(now, 6_000)).await.len(), 0);
    assert_eq!(tenant.open_alarms().await.expect("alarms")[0].mailed_at, Some(after(now, 61)));
    // One that ended before anybody was told is told nobody.
    raised(world, &tenant, AlarmCode::OktaUnreachable, now).await;
    cleared(&tenant, AlarmCode::OktaUnreachable, now).await;
    assert_eq!(claim(after(now, 6_000)).await.len(), 0);
    // Nor is a tenant that is switched off.
    raised(world, &tenant, AlarmCode::HooksSilent, now).await;
    tenant.set_okta_enabled(false, ANA, &mut world.ids, now).await.expect("off");
    assert_eq!(claim(after(now, 6_000)).await.len(), 0);
}

pub(crate) async fn owners_and_admins_are_told(world: &mut World) {
    let tenant = connected(world, "acme").await;
    let account =
        |email: &str, role| NewAccount::new(Email::parse(email).expect("an address"), role);
    let people = [
        account("Ada.Admin@acme.example", Role::Admin),
        account("hr@acme.example", Role::Hr),
        account("gone@acme.example", Role::Admin),
        account("lee@acme.example", Role::Learner),
    ];
    tenant.add_people(&people, ANA, &mut world.ids, world.now).await.expect("added");
    let gone = muster_store::people::PersonKey::parse("gone@acme.example").expect("a key");
    tenant.deactivate_by_hand(&gone, ANA, &mut world.ids, world.now).await.expect("gone");
    let told = tenant.alarm_recipients().await.expect("people");
    let emails: Vec<_> = told.iter().map(|one| one.email.as_str()).collect();
    assert_eq!(emails, ["Ada.Admin@acme.example", "olga@acme.example"]);
}

pub(crate) async fn the_facts_of_all_tenants_at_once(world: &mut World) {
    let acme = connected(world, "acme").await;
    let off = connected(world, "off").await;
    world.tenant("unconnected").await;
    off.set_okta_enabled(false, ANA, &mut world.ids, world.now).await.expect("off");
    let facts = world.db.alarm_facts(&["user.lifecycle.deactivate"]).await.expect("facts");
    assert_eq!(facts.len(), 1, "only whoever is connected and switched on");
    let (tenant, fresh) = &facts[0];
    assert_eq!(*tenant, acme.id());
    assert_eq!((fresh.since, fresh.complete_run, fresh.open_run), (world.now, None, None));
    assert_eq!(
        (fresh.attention, fresh.failing_since, fresh.held, fresh.dead_letters),
        (None, None, None, None)
    );
    assert_eq!(fresh.hook, muster_core::alarm::HookFacts::default());
    // Runs: one that saw everything, one that holds, one that did not see everything, one under way, and what does not count.
    let runs = [
        ("full", "done", 100, Some(200), false),
        ("full", "held", 300, Some(400), false),
        ("full", "incomplete", 500, Some(600), false),
        ("full", "done", 700, Some(800), true),
        ("preview", "done", 900, Some(950), false),
        ("full", "queued", 1_000, None, false),
    ];
    for (kind, state, queued, finished, approval) in runs {
        run(world, &acme, kind, state, queued, finished, approval).await;
    }
    let mut write = acme.write(world.now).await.expect("a change");
    connection::set_attention(&mut write, Some("token_refused")).await.expect("noted");
    health::failed(&mut write, "okta_unreachable").await.expect("noted");
    write.commit().await.expect("commit");
    let facts =
        world.db.alarm_facts(&["user.lifecycle.deactivate"]).await.expect("facts").remove(0).1;
    assert_eq!(facts.complete_run, Timestamp::from_second(400).ok());
    assert_eq!(facts.open_run, Timestamp::from_second(1_000).ok());
    assert_eq!(facts.attention, Some((ProblemCode::TokenRefused, world.now)));
    assert_eq!(facts.failing_since, Some(world.now));
    let (_, people, since) = facts.held.expect("held");
    assert_eq!((people, Some(since)), (12, Timestamp::from_second(400).ok()));
}

/// A row of `runs` with times in seconds since 1970, and twelve people held.
pub(crate) async fn run(
    world: &mut World,
    tenant: &TenantDb,
    kind: &str,
    state: &str,
    queued: i64,
    finished: Option<i64>,
    approval: bool,
) {
    let (id, approves) = (world.ids.draw(world.now), approval.then(|| world.ids.draw(world.now)));
    let counts = r#"{"read":0,"missing":0,"created":0,"linked":0,"updated":0,"unchanged":0,"reactivated":0,"deactivated":0,
                     "held":12,"skipped":0,"review":0}"#;
    let done = world
        .db
        .execute(
            "INSERT INTO runs (tenant_id, id, kind, cause, actor, state, phase, rules_revision, approves, counts, problems,
                               calls, restarts, queued_at, finished_at)
             VALUES ($1, $2, $3, 'schedule', 'x', $4, 'report', 1, $5, $6, '[]', 0, 0, $7, $8)",
            &[
                tenant.id().into(),
                id.into(),
                kind.into(),
                state.into(),
                approves.into(),
                counts.into(),
                (queued * 1_000_000).into(),
                finished.map(|at| at * 1_000_000).into(),
            ],
        )
        .await;
    done.expect("a row");
}

const MINUTE: i64 = 60_000_000;

async fn hook(
    world: &World,
    tenant: &TenantDb,
    verified: i64,
    last: Option<i64>,
) -> Result<u64, StoreError> {
    world
        .db
        .execute(
            "INSERT INTO hook_state (tenant_id, version, deliveries, events, ignored, unknown_types, refused, refused_since,
                                     refused_at, verified_at, last_event_at)
             VALUES ($1, 1, 0, 0, 0, 0, 4, $2, $3, $4, $5)
             ON CONFLICT (tenant_id) DO UPDATE SET refused = excluded.refused, refused_since = excluded.refused_since,
                 refused_at = excluded.refused_at, verified_at = excluded.verified_at, last_event_at = excluded.last_event_at",
            &[tenant.id().into(), MINUTE.into(), (2 * MINUTE).into(), verified.into(), last.into()],
        )
        .await
}

async fn event(
    world: &World,
    tenant: &TenantDb,
    uuid: &str,
    kind: &str,
    published: i64,
    hook_at: Option<i64>,
) {
    let about = (uuid != "ignored").then_some("person");
    world
        .db
        .execute(
            "INSERT INTO okta_events (tenant_id, uuid, type, published, hook_at, logged_at, copies, kind, key)
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7, '00u1')",
            &[
                tenant.id().into(),
                uuid.into(),
                kind.into(),
                published.into(),
                hook_at.into(),
                (published + MINUTE).into(),
                about.into(),
            ],
        )
        .await
        .expect("a row");
}

pub(crate) async fn what_the_hook_should_have_brought(world: &mut World) {
    const EIGHT: [&str; 2] = ["user.lifecycle.deactivate", "group.user_membership.add"];
    let tenant = connected(world, "acme").await;
    let of = |world: &World| {
        let db = world.db.clone();
        async move { db.alarm_facts(&EIGHT).await.expect("facts").remove(0).1 }
    };
    hook(world, &tenant, 100 * MINUTE, Some(200 * MINUTE)).await.expect("a row");
    event(world, &tenant, "came", EIGHT[0], 201 * MINUTE, Some(201 * MINUTE)).await;
    event(world, &tenant, "before", EIGHT[0], 150 * MINUTE, None).await;
    event(world, &tenant, "unasked", "user.lifecycle.activate", 205 * MINUTE, None).await;
    event(world, &tenant, "ignored", EIGHT[0], 206 * MINUTE, None).await;
    let facts = of(world).await;
    assert_eq!(facts.hook.missed, None);
    let second = |at: i64| Timestamp::from_second(at).expect("a time");
    assert_eq!(facts.hook.refused, Some((second(60), second(120), 4)));
    assert_eq!(facts.hook.verified_at, Some(second(6_000)));
    event(world, &tenant, "missed", EIGHT[1], 210 * MINUTE, None).await;
    event(world, &tenant, "missed too", EIGHT[0], 220 * MINUTE, None).await;
    assert_eq!(of(world).await.hook.missed, Some((second(210 * 60), 2)));
    // Just verified: it may take some minutes until events flow.
    let late = connected(world, "late").await;
    hook(world, &late, 215 * MINUTE, None).await.expect("a row");
    event(world, &late, "early", EIGHT[0], 224 * MINUTE, None).await;
    event(world, &late, "due", EIGHT[0], 226 * MINUTE, None).await;
    let facts = world.db.alarm_facts(&EIGHT).await.expect("facts");
    let late = facts.iter().find(|(id, _)| *id == late.id()).expect("there");
    assert_eq!(late.1.hook.missed, Some((second(226 * 60), 1)));
    // Work that was given up.
    let id = world.ids.draw(world.now);
    world
        .db
        .execute(
            "INSERT INTO jobs (tenant_id, id, lane, kind, key, state, priority, due_at, attempts, enqueued_at, asked_at, cause)
             VALUES ($1, $2, 'person', 'person', '00u1', 'dead', 10, 0, 9, $3, $3, 'event')",
            &[tenant.id().into(), id.into(), MINUTE.into()],
        )
        .await
        .expect("a row");
    assert_eq!(of(world).await.dead_letters, Some((1, second(60))));
}
