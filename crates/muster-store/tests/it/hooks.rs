//! The hook's door: its secrets, its version, what it keeps aside.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use muster_core::id::{IdSource, RunId};
use muster_core::run::{RunCause, RunKind, RunState};
use muster_core::tenant::TenantSlug;
use muster_store::connection::ConnectionUpdate;
use muster_store::hooks::{Aside, Door, HookSecrets};
use muster_store::runs::NewRun;
use muster_store::{TenantDb, app_groups};
use secrecy::{ExposeSecret, SecretString};

use crate::world::{ANA, World};

const HOUR: Duration = Duration::from_hours(1);

pub(crate) async fn door(world: &World, slug: &str) -> Door {
    let slug = TenantSlug::parse(slug).expect("a slug");
    world.db.door(&slug, world.now).await.expect("a query").expect("a tenant")
}

fn shown(secrets: &HookSecrets) -> (Option<&str>, Option<(&str, Timestamp)>) {
    let current = secrets.current.as_ref().map(ExposeSecret::expose_secret);
    let before = secrets.before.as_ref().map(|(secret, until)| (secret.expose_secret(), *until));
    (current, before)
}

async fn rotate(world: &mut World, tenant: &TenantDb, new: &str, keep: Option<Timestamp>) {
    let new = SecretString::from(new);
    tenant.rotate_hook_secret(&new, keep, ANA, &mut world.ids, world.now).await.expect("rotated");
}

/// Whoever looks at the door sees it before a rotation or after it, never in between: a secret that counted before and counts
/// after would be turned away.
pub(crate) async fn a_look_at_the_door_is_of_one_moment(world: &mut World) {
    const SEEN: usize = 20;
    let tenant = world.tenant("acme").await;
    let (now, until) = (world.now, world.now + HOUR);
    rotate(world, &tenant, "0", Some(until)).await;
    let (done, slug) = (AtomicBool::new(false), TenantSlug::parse("acme").expect("a slug"));
    let db = world.db.clone();
    let looks = async {
        let mut seen = BTreeSet::new();
        while seen.len() < SEEN {
            let door = db.door(&slug, now).await.expect("a query").expect("a tenant");
            let secrets = tenant.hook_secrets(now).await.expect("secrets");
            for secrets in [door.secrets, secrets] {
                let (current, before) = shown(&secrets);
                let current: usize = current.expect("a secret").parse().expect("a number");
                let before = before.map(|(before, _)| before.parse::<usize>().expect("a number"));
                assert_eq!(before, current.checked_sub(1), "beside {current}");
                seen.insert(current);
            }
        }
        done.store(true, Ordering::SeqCst);
    };
    let rotations = async {
        let mut n = 0;
        while !done.load(Ordering::SeqCst) {
            n += 1;
            rotate(world, &tenant, &n.to_string(), Some(until)).await;
        }
    };
    tokio::join!(looks, rotations);
}

pub(crate) async fn a_rotated_secret_counts_until_its_end(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let now = world.now;
    assert_eq!(shown(&tenant.hook_secrets(now).await.expect("secrets")), (None, None));
    rotate(world, &tenant, "one", Some(now + HOUR)).await;
    let secrets = tenant.hook_secrets(now).await.expect("secrets");
    assert_eq!(shown(&secrets), (Some("one"), None), "there was none before");
    rotate(world, &tenant, "two", Some(now + HOUR)).await;
    for (at, before) in [(now, Some(("one", now + HOUR))), (now + HOUR, None)] {
        let secrets = tenant.hook_secrets(at).await.expect("secrets");
        assert_eq!(shown(&secrets), (Some("two"), before), "{at}");
        let slug = TenantSlug::parse("acme").expect("a slug");
        let door = world.db.door(&slug, at).await.expect("a query").expect("a tenant");
        assert_eq!(shown(&door.secrets), (Some("two"), before), "{at}");
    }
    assert_eq!(tenant.hook_state().await.expect("a state").before_until, Some(now + HOUR));
    // Only the last one before counts.
    rotate(world, &tenant, "three", Some(now + 2 * HOUR)).await;
    let secrets = tenant.hook_secrets(now + HOUR).await.expect("secrets");
    assert_eq!(shown(&secrets), (Some("three"), Some(("two", now + 2 * HOUR))));
    rotate(world, &tenant, "four", None).await;
    assert_eq!(shown(&tenant.hook_secrets(now).await.expect("secrets")), (Some("four"), None));
    let history = tenant.history(None, 50).await.expect("history");
    let text = serde_json::to_string(&history).expect("json");
    assert_eq!(text.matches("\"hook_secret\"").count(), 4, "{text}");
    for secret in ["one", "two", "three", "four"] {
        assert!(!text.contains(&format!("\"{secret}\"")), "{text}");
    }
}

pub(crate) async fn the_door_knows_at_once_what_changed(world: &mut World) {
    let tenant = world.tenant("acme").await;
    world.tenant("other").await;
    let unknown = TenantSlug::parse("nobody").expect("a slug");
    assert!(world.db.door(&unknown, world.now).await.expect("a query").is_none());
    let mut last = door(world, "acme").await;
    assert_eq!((last.enabled, last.interest.app_id.as_deref()), (false, None));
    tenant.set_okta_enabled(true, ANA, &mut world.ids, world.now).await.expect("on");
    let now = door(world, "acme").await;
    assert!(now.enabled && now.version > last.version);
    last = now;
    for app in ["0oa1", "0oa2"] {
        let update = ConnectionUpdate { app_id: Some(app.into()), ..ConnectionUpdate::default() };
        tenant.set_connection(update, ANA, &mut world.ids, world.now).await.expect("set");
        let now = door(world, "acme").await;
        assert!(now.interest.app_id.as_deref() == Some(app) && now.version > last.version);
        last = now;
    }
    rotate(world, &tenant, "one", None).await;
    let now = door(world, "acme").await;
    assert!(now.version > last.version);
    // Verifying and refusing change nothing that anybody goes by.
    world.db.note_verified(&[tenant.id()], true, world.now).await.expect("noted");
    tenant.note_refused(1, world.now, world.now).await.expect("noted");
    assert_eq!(door(world, "acme").await.version, now.version);
    assert_eq!(door(world, "other").await.version, 0, "each tenant has a door of its own");
}

pub(crate) async fn the_groups_of_the_app_are_those_last_read(world: &mut World) {
    let tenant = world.tenant("acme").await;
    assert_eq!(tenant.app_groups().await.expect("a query"), None);
    assert_eq!(door(world, "acme").await.interest.app_groups, None);
    let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<BTreeSet<_>>();
    for (ids, added, removed) in [
        (set(&["00g1", "00g2"]), vec!["00g1", "00g2"], vec![]),
        (set(&["00g2", "00g3"]), vec!["00g3"], vec!["00g1"]),
        (set(&[]), vec![], vec!["00g2", "00g3"]),
    ] {
        let before = door(world, "acme").await.version;
        let mut write = tenant.write(world.now).await.expect("a change");
        let changed = app_groups::replace(&mut write, &ids, world.now).await.expect("replaced");
        write.commit().await.expect("commit");
        assert_eq!((changed.added, changed.removed), (strings(&added), strings(&removed)));
        let groups = tenant.app_groups().await.expect("a query").expect("read");
        assert_eq!((&groups.ids, groups.read_at), (&ids, world.now));
        let door = door(world, "acme").await;
        assert_eq!(door.interest.app_groups, Some(ids));
        assert!(door.version > before);
    }
    // Another app has other groups.
    let update = ConnectionUpdate { app_id: Some("0oa2".into()), ..ConnectionUpdate::default() };
    tenant.set_connection(update, ANA, &mut world.ids, world.now).await.expect("set");
    assert_eq!(tenant.app_groups().await.expect("a query"), None);
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(crate) async fn what_cannot_be_read_is_kept_and_makes_a_full_run_due(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let version = door(world, "acme").await.version;
    let aside = |n: u8| Aside {
        at: world.now + Duration::from_secs(n.into()),
        reason: "it is not JSON".into(),
        size: i64::from(n),
        body: vec![n; 3],
    };
    let run = |ids: &mut IdSource, now| NewRun {
        id: ids.next::<RunId>(now),
        kind: RunKind::Full,
        cause: RunCause::Event,
        actor: "okta".into(),
        approves: None,
    };
    let mut ids = IdSource::seeded([5; 32]);
    let changed = run(&mut ids, world.now);
    let kept = tenant.keep_aside(&aside(0), &changed, version + 1, &mut ids, world.now).await;
    assert!(!kept.expect("a query"), "the door changed");
    assert_eq!(
        (tenant.asides().await.expect("asides").len(), tenant.runs(9).await.expect("runs").len()),
        (0, 0)
    );
    for n in 1..=25 {
        let run = run(&mut ids, world.now);
        let kept = tenant.keep_aside(&aside(n), &run, version, &mut ids, world.now).await;
        assert!(kept.expect("kept"));
    }
    let asides = tenant.asides().await.expect("asides");
    assert_eq!((asides.len(), &asides[0], asides[19].size), (20, &aside(25), 6), "the newest");
    let runs = tenant.runs(9).await.expect("runs");
    assert_eq!(runs.len(), 1, "one run serves all");
    assert_eq!(
        (runs[0].kind, runs[0].cause, runs[0].state),
        (RunKind::Full, RunCause::Event, RunState::Queued)
    );
    assert_eq!(tenant.hook_state().await.expect("a state").deliveries, 25);
    // A run that already reads may have passed whom the body named.
    let begun = "UPDATE runs SET state = 'running', read_started_at = 1";
    world.db.execute(begun, &[]).await.expect("begun");
    for n in 26..=27 {
        let run = run(&mut ids, world.now);
        tenant.keep_aside(&aside(n), &run, version, &mut ids, world.now).await.expect("kept");
    }
    assert_eq!(tenant.runs(9).await.expect("runs").len(), 2);
}

pub(crate) async fn knocks_are_noted(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let (now, later) = (world.now, world.now + HOUR);
    tenant.note_refused(3, now, now).await.expect("noted");
    tenant.note_refused(2, later, later).await.expect("noted");
    let state = tenant.hook_state().await.expect("a state");
    assert_eq!((state.refused, state.refused_since, state.refused_at), (5, Some(now), Some(later)));
    // Anybody can have the hook verified; only who shows the secret shows that the wrong ones are of the past.
    world.db.note_verified(&[tenant.id()], false, now).await.expect("noted");
    let state = tenant.hook_state().await.expect("a state");
    assert_eq!((state.refused, state.refused_since, state.verified_at), (5, Some(now), Some(now)));
    world.db.note_verified(&[tenant.id()], true, later).await.expect("noted");
    let state = tenant.hook_state().await.expect("a state");
    assert_eq!((state.refused, state.refused_since, state.verified_at), (0, None, Some(later)));
}
