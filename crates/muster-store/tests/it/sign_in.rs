//! Sessions, passwords, links, second factors, and the switch that leaves only Okta.

use jiff::SignedDuration;
use muster_core::access::{Barred, Entry};
use muster_core::id::{OktaUserId, PersonId, SessionId};
use muster_core::person::{Email, Role, StatusReason};
use muster_core::signin::SessionLimits;
use muster_store::accounts::NewAccount;
use muster_store::connection::ConnectionUpdate;
use muster_store::entry::OktaProof;
use muster_store::people::PersonKey;
use muster_store::sessions::{NewSession, Opened, expire};
use muster_store::upsert::upsert_many;
use muster_store::{StoreError, TenantDb};
use secrecy::{ExposeSecret as _, SecretString};

use crate::directory::{find, managed, profile, row};
use crate::world::{ANA, World};

const LIMITS: SessionLimits = SessionLimits::DEFAULT;

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

async fn open(
    world: &mut World,
    tenant: &TenantDb,
    person: PersonId,
    token: u8,
) -> (SessionId, Opened) {
    let id = world.ids.next(world.now);
    let hint = secret("id.token.of");
    let new = NewSession {
        id,
        token_hash: [token; 32],
        person,
        by_okta: true,
        agent: "Firefox",
        place: Some("192.0.2.7"),
        logout_hint: Some(&hint),
        state_hash: Some([token; 32]),
    };
    (id, tenant.open_session(&new, world.now).await.expect("a query"))
}

async fn is_in(world: &World, tenant: &TenantDb, token: u8) -> bool {
    tenant.session(&[token; 32], LIMITS, world.now).await.expect("a query").is_some()
}

pub(crate) async fn a_session_lasts_until_it_is_ended(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let other = world.tenant("other").await;
    let bo = managed(world, &tenant, &profile("00u1", "bo@acme.example")).await;
    let (id, opened) = open(world, &tenant, bo, 1).await;
    assert_eq!(opened, Opened::Yes);
    let session = tenant.session(&[1; 32], LIMITS, world.now).await.expect("a query").expect("in");
    assert_eq!((session.id, session.person, session.role), (id, bo, Role::Learner));
    assert!(other.session(&[1; 32], LIMITS, world.now).await.expect("a query").is_none());
    assert!(!is_in(world, &tenant, 2).await);
    let hint = tenant.logout_hint(id).await.expect("a query").expect("kept");
    assert_eq!(hint.expose_secret(), "id.token.of");
    // The same round trip to Okta begins no second session.
    assert_eq!(open(world, &tenant, bo, 1).await.1, Opened::Replayed);
    // Used again and again it goes on, until it is a week old.
    let began = world.now;
    for hours in (11..168).step_by(11) {
        world.now = began + SignedDuration::from_hours(hours);
        assert!(is_in(world, &tenant, 1).await, "after {hours} hours");
        tenant.note_session_used(id, world.now).await.expect("noted");
    }
    world.now = began + SignedDuration::from_hours(168);
    assert!(!is_in(world, &tenant, 1).await);
    let (second, _) = open(world, &tenant, bo, 2).await;
    let (third, _) = open(world, &tenant, bo, 3).await;
    let list = tenant.sessions_of(bo, LIMITS, world.now).await.expect("a list");
    assert_eq!(list.iter().map(|one| one.id).collect::<Vec<_>>(), [third, second]);
    assert!(tenant.end_session(bo, second).await.expect("ended"));
    assert!(!tenant.end_session(bo, second).await.expect("a query"));
    assert!(!is_in(world, &tenant, 2).await && is_in(world, &tenant, 3).await);
    open(world, &tenant, bo, 4).await;
    assert_eq!(tenant.end_sessions(bo, Some(third)).await.expect("ended"), 2, "the old one too");
    assert!(is_in(world, &tenant, 3).await);
    assert_eq!(tenant.end_sessions(bo, None).await.expect("ended"), 1);
    let mut write =
        tenant.write(world.now + SignedDuration::from_hours(2_400)).await.expect("a change");
    let at = write.now();
    expire(&mut write, at).await.expect("dropped");
    write.commit().await.expect("commit");
}

pub(crate) async fn whoever_loses_access_is_out_at_once(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let mut bo = profile("00u1", "bo@acme.example");
    let id = managed(world, &tenant, &bo).await;
    // By a run, written as runs write.
    assert_eq!(open(world, &tenant, id, 1).await.1, Opened::Yes);
    (bo.status, bo.reason) = (muster_core::person::Status::Deactivated, StatusReason::Suspended);
    let mut write = tenant.write(world.now).await.expect("a change");
    upsert_many(&mut write, &[row(id, 2, &bo, world)]).await.expect("written");
    write.commit().await.expect("commit");
    assert!(!is_in(world, &tenant, 1).await);
    assert!(
        tenant.sessions_of(id, LIMITS, world.now).await.expect("a list").is_empty(),
        "not only hidden"
    );
    assert_eq!(
        open(world, &tenant, id, 2).await.1,
        Opened::Barred(Barred::Deactivated(StatusReason::Suspended))
    );
    // By hand.
    let cy = NewAccount::new(Email::parse("cy@acme.example").expect("an address"), Role::Learner);
    let cy = tenant.add_people(&[cy], ANA, &mut world.ids, world.now).await.expect("added")[0];
    assert_eq!(open(world, &tenant, cy, 3).await.1, Opened::Yes);
    let key = PersonKey::Id(cy);
    tenant.deactivate_by_hand(&key, ANA, &mut world.ids, world.now).await.expect("out");
    assert!(!is_in(world, &tenant, 3).await);
    // Coming back brings no old session back.
    tenant.reactivate_by_hand(&key, false, ANA, &mut world.ids, world.now).await.expect("back");
    assert!(!is_in(world, &tenant, 3).await);
    assert_eq!(open(world, &tenant, cy, 4).await.1, Opened::Yes);
    // Whoever must be confirmed first is out, and so is whoever is somebody else at Okta from now on.
    let flip = "UPDATE people SET confirm_needed = TRUE WHERE tenant_id = $1 AND id = $2";
    world.db.execute(flip, &[tenant.id().into(), cy.into()]).await.expect("set");
    assert!(!is_in(world, &tenant, 4).await);
    let dana = managed(world, &tenant, &profile("00u9", "dana@acme.example")).await;
    assert_eq!(open(world, &tenant, dana, 5).await.1, Opened::Yes);
    let relink = "UPDATE people SET okta_user_id = '00u10' WHERE tenant_id = $1 AND id = $2";
    world.db.execute(relink, &[tenant.id().into(), dana.into()]).await.expect("set");
    assert!(!is_in(world, &tenant, 5).await);
    assert_eq!(open(world, &tenant, PersonId::new(uuid::Uuid::nil()), 6).await.1, Opened::Nobody);
}

async fn tenant_link(tenant: &TenantDb, token: u8, at: jiff::Timestamp) -> Option<PersonId> {
    tenant.password_link(&[token; 32], at).await.expect("a query")
}

pub(crate) async fn a_link_sets_a_password_once(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let olga = find(&tenant, "olga@acme.example").await.expect("the owner").id;
    let key = PersonKey::Id(olga);
    let ends = world.now + SignedDuration::from_hours(24);
    for token in [1, 2] {
        let made = tenant
            .make_password_link(&key, &[token; 32], ends, ANA, &mut world.ids, world.now)
            .await;
        assert_eq!(made.expect("made").id, olga);
    }
    assert_eq!(tenant_link(&tenant, 1, world.now).await, None, "a newer one was made");
    assert_eq!(tenant_link(&tenant, 2, world.now).await, Some(olga));
    assert_eq!(tenant_link(&tenant, 2, ends).await, None, "a day later");
    open(world, &tenant, olga, 9).await;
    let set = |token: u8| {
        let tenant = tenant.clone();
        let (mut ids, now) = (muster_core::id::IdSource::seeded([token; 32]), world.now);
        async move {
            let hash = secret("$argon2id$1");
            tenant
                .set_password_by_link(&[token; 32], &hash, ANA, &mut ids, now)
                .await
                .expect("a query")
        }
    };
    assert_eq!(set(2).await, Some(olga));
    assert_eq!(set(2).await, None, "it works once");
    assert!(!is_in(world, &tenant, 9).await, "a new password ends all sessions");
    let stored = tenant.password(olga).await.expect("a query").expect("set");
    assert_eq!(stored.hash.expose_secret(), "$argon2id$1");
    // Of tries side by side from the same look, one counts.
    let later = world.now + SignedDuration::from_secs(30);
    assert!(tenant.count_try(olga, stored.forgotten_at, later).await.expect("counted"));
    assert!(!tenant.count_try(olga, stored.forgotten_at, later).await.expect("not counted"));
    tenant.forget_try(olga, later, stored.forgotten_at).await.expect("forgotten");
}

pub(crate) async fn a_second_factor_counts_once_confirmed(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let olga = find(&tenant, "olga@acme.example").await.expect("the owner").id;
    assert!(tenant.second_factor(olga).await.expect("a query").is_none());
    for text in ["FIRST", "SECOND"] {
        assert!(tenant.begin_second_factor(olga, &secret(text), world.now).await.expect("begun"));
    }
    let begun = tenant.second_factor(olga).await.expect("a query").expect("begun");
    assert_eq!((begun.secret.expose_secret(), begun.confirmed_at), ("SECOND", None));
    assert!(!tenant.use_step(olga, 5).await.expect("a query"), "it does not count yet");
    let codes = [[7; 32], [8; 32]];
    let confirmed =
        tenant.confirm_second_factor(olga, 100, &codes, ANA, &mut world.ids, world.now).await;
    assert!(confirmed.expect("confirmed"));
    assert!(!tenant.begin_second_factor(olga, &secret("THIRD"), world.now).await.expect("a query"));
    for (step, taken) in [(100, false), (101, true), (101, false), (99, false), (102, true)] {
        assert_eq!(tenant.use_step(olga, step).await.expect("a query"), taken, "{step}");
    }
    for (code, taken) in [([7; 32], true), ([7; 32], false), ([9; 32], false)] {
        assert_eq!(tenant.use_recovery_code(olga, &code, world.now).await.expect("a query"), taken);
    }
    assert_eq!(tenant.second_factor(olga).await.expect("a query").expect("there").codes_left, 1);
    assert!(
        tenant
            .remove_second_factor(olga, None, ANA, &mut world.ids, world.now)
            .await
            .expect("removed")
    );
    assert!(tenant.second_factor(olga).await.expect("a query").is_none());
}

pub(crate) async fn only_okta_never_locks_the_last_owner_out(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let olga = find(&tenant, "olga@acme.example").await.expect("the owner").id;
    let glass =
        NewAccount::new(Email::parse("glass@acme.example").expect("an address"), Role::Owner);
    let glass =
        tenant.add_people(&[glass], ANA, &mut world.ids, world.now).await.expect("added")[0];
    let enforce = |world: &mut World, entry| {
        let (tenant, mut ids, now) =
            (tenant.clone(), muster_core::id::IdSource::seeded([7; 32]), world.now);
        async move { tenant.set_entry(entry, olga, ANA, &mut ids, now).await }
    };
    let ready = |world: &World| {
        let (tenant, now) = (tenant.clone(), world.now);
        async move {
            let ready = tenant.sso_readiness(olga, now).await.expect("a look");
            (ready.linked, ready.tested, ready.break_glass)
        }
    };
    let update = ConnectionUpdate {
        api_url: Some("https://acme.okta.com".into()),
        client_id: Some("0oa1".into()),
        ..ConnectionUpdate::default()
    };
    tenant.set_connection(update, ANA, &mut world.ids, world.now).await.expect("set");
    assert_eq!(ready(world).await, (false, false, false));
    assert!(matches!(enforce(world, Entry::OktaOnly).await, Err(StoreError::Conflict(_))));
    let user = OktaUserId::parse("00u1").expect("an id");
    let link = |world: &mut World, user: OktaUserId| {
        let (tenant, mut ids, now) =
            (tenant.clone(), muster_core::id::IdSource::seeded([8; 32]), world.now);
        async move { tenant.link_by_proof(olga, &user, ANA, &mut ids, now).await }
    };
    assert!(
        matches!(link(world, user.clone()).await, Err(StoreError::Conflict(_))),
        "nothing proves it"
    );
    let proof = OktaProof { okta_user_id: user.clone(), said: "{}".into(), at: world.now };
    let mark = tenant.connection_mark().await.expect("a mark");
    let issuer = Some(("https://acme.okta.com", mark.as_str()));
    tenant.put_proof(olga, &proof, issuer, ANA, &mut world.ids, world.now).await.expect("kept");
    let other = OktaUserId::parse("00u2").expect("an id");
    assert!(
        matches!(link(world, other).await, Err(StoreError::Conflict(_))),
        "somebody else was shown"
    );
    link(world, user.clone()).await.expect("linked");
    link(world, user).await.expect("twice is once");
    assert_eq!(ready(world).await, (true, true, false));
    // A break-glass owner with all three.
    let key = PersonKey::Id(glass);
    tenant.set_protected(&key, true, ANA, &mut world.ids, world.now).await.expect("protected");
    assert_eq!(ready(world).await, (true, true, false));
    let ends = world.now + SignedDuration::from_hours(1);
    tenant
        .make_password_link(&key, &[5; 32], ends, ANA, &mut world.ids, world.now)
        .await
        .expect("made");
    tenant
        .set_password_by_link(&[5; 32], &secret("$"), ANA, &mut world.ids, world.now)
        .await
        .expect("set");
    tenant.begin_second_factor(glass, &secret("S"), world.now).await.expect("begun");
    assert_eq!(ready(world).await, (true, true, false));
    let confirmed =
        tenant.confirm_second_factor(glass, 1, &[[1; 32]], ANA, &mut world.ids, world.now).await;
    assert!(confirmed.expect("confirmed"));
    assert_eq!(ready(world).await, (true, true, true));
    assert!(enforce(world, Entry::OktaOnly).await.expect("turned"));
    assert_eq!(tenant.tenant().await.expect("there").entry, Entry::OktaOnly);
    // From now on nothing takes the last way in away.
    let removed = tenant.remove_second_factor(glass, None, ANA, &mut world.ids, world.now).await;
    assert!(matches!(removed, Err(StoreError::Conflict(_))), "{removed:?}");
    assert!(tenant.second_factor(glass).await.expect("a query").is_some());
    let taken = tenant.set_protected(&key, false, ANA, &mut world.ids, world.now).await;
    assert!(matches!(taken, Err(StoreError::Conflict(_))), "{taken:?}");
    let out = tenant.deactivate_by_hand(&key, ANA, &mut world.ids, world.now).await;
    assert!(matches!(out, Err(StoreError::Conflict(_))), "{out:?}");
    // Half an hour later the test does not count any more; switching off needs none.
    assert!(enforce(world, Entry::Any).await.expect("turned"));
    world.now += SignedDuration::from_mins(31);
    assert_eq!(ready(world).await, (true, false, true));
    assert!(matches!(enforce(world, Entry::OktaOnly).await, Err(StoreError::Conflict(_))));
    // Another client secret is another connection.
    let connected = tenant.connected().await.expect("a look").expect("proved");
    assert_eq!((connected.by, connected.issuer.as_str()), (Some(olga), "https://acme.okta.com"));
    let client_secret = Some(secret("another"));
    let update = ConnectionUpdate { client_secret, ..ConnectionUpdate::default() };
    tenant.set_connection(update, ANA, &mut world.ids, world.now).await.expect("set");
    assert!(tenant.connected().await.expect("a look").is_none());
}

pub(crate) async fn switching_okta_off_lets_people_in_by_other_ways(world: &mut World) {
    let tenant = world.tenant("acme").await;
    tenant.set_okta_enabled(true, ANA, &mut world.ids, world.now).await.expect("on");
    let turn = "UPDATE tenants SET okta_only = TRUE WHERE id = $1";
    world.db.execute(turn, &[tenant.id().into()]).await.expect("set");
    tenant.set_okta_enabled(false, ANA, &mut world.ids, world.now).await.expect("off");
    assert_eq!(tenant.tenant().await.expect("there").entry, Entry::Any);
    let kinds: Vec<String> = tenant
        .history(None, 2)
        .await
        .expect("history")
        .into_iter()
        .map(|entry| entry.kind)
        .collect();
    assert!(kinds.contains(&"okta_only".to_owned()), "{kinds:?}");
}
