//! Access taken and given back by hand, and the owner who always stays.

use muster_core::id::OktaUserId;
use muster_core::okta_user::OktaStatus;
use muster_core::person::{Email, Role, Status, StatusReason};
use muster_core::rules::ManagerMode;
use muster_store::StoreError;
use muster_store::accounts::NewAccount;
use muster_store::history::By;
use muster_store::people::PersonKey;
use muster_store::upsert::{PersonWrite, upsert_many};

use crate::directory::{find, managed, profile, row};
use crate::world::{ANA, World};

fn email(text: &str) -> PersonKey {
    PersonKey::Email(text.to_owned())
}

async fn add_owner(world: &mut World, tenant: &muster_store::TenantDb, address: &str) {
    let new = NewAccount::new(Email::parse(address).expect("an address"), Role::Owner);
    tenant.add_people(&[new], ANA, &mut world.ids, world.now).await.expect("added");
}

pub(crate) async fn the_last_active_owner_stays(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let olga = email("olga@acme.example");
    let refused = tenant.deactivate_by_hand(&olga, ANA, &mut world.ids, world.now).await;
    assert!(matches!(refused, Err(StoreError::LastOwner)), "{refused:?}");
    add_owner(world, &tenant, "otto@acme.example").await;
    tenant.deactivate_by_hand(&olga, ANA, &mut world.ids, world.now).await.expect("one is left");
    let otto = email("otto@acme.example");
    let refused = tenant.deactivate_by_hand(&otto, ANA, &mut world.ids, world.now).await;
    assert!(matches!(refused, Err(StoreError::LastOwner)), "{refused:?}");
    for turned in [true, false] {
        let done = tenant.set_protected(&otto, true, ANA, &mut world.ids, world.now).await;
        assert_eq!(done.expect("protected"), turned);
    }
    tenant.reactivate_by_hand(&olga, false, ANA, &mut world.ids, world.now).await.expect("back");
    let refused = tenant.deactivate_by_hand(&otto, ANA, &mut world.ids, world.now).await;
    assert!(matches!(refused, Err(StoreError::Conflict(_))), "{refused:?}");
}

pub(crate) async fn the_database_itself_keeps_the_last_owner(world: &mut World) {
    let tenant = world.tenant("acme").await;
    for mistake in [
        "UPDATE people SET status = 'deactivated' WHERE tenant_id = $1",
        "UPDATE people SET role = 'learner' WHERE tenant_id = $1",
        "DELETE FROM people WHERE tenant_id = $1",
    ] {
        let refused = world.db.execute(mistake, &[tenant.id().into()]).await;
        assert!(matches!(refused, Err(StoreError::LastOwner)), "{mistake}: {refused:?}");
        assert_eq!(tenant.people_counts().await.expect("counts").active, 1);
    }
    add_owner(world, &tenant, "otto@acme.example").await;
    let one = "UPDATE people SET status = 'deactivated' WHERE tenant_id = $1 AND email_key = $2";
    let args = [tenant.id().into(), "olga@acme.example".into()];
    assert_eq!(world.db.execute(one, &args).await.expect("one is left"), 1);
    // A tenant that never had an owner, or whose owner was never active, is none of its business.
    let gone = "DELETE FROM people WHERE tenant_id = $1 AND email_key = $2";
    assert_eq!(world.db.execute(gone, &args).await.expect("not active"), 1);
}

pub(crate) async fn access_taken_by_hand_comes_back_by_hand(world: &mut World) {
    let tenant = world.tenant("acme").await;
    managed(world, &tenant, &profile("00ubo", "bo@acme.example")).await;
    let bo = email("bo@acme.example");
    let why = By { reason: Some("left early"), ..ANA };
    let id = tenant.deactivate_by_hand(&bo, why, &mut world.ids, world.now).await.expect("done");
    let gone = find(&tenant, "00ubo").await.expect("bo");
    assert_eq!(
        (gone.profile.status, gone.profile.reason, gone.deactivated_at, gone.version),
        (Status::Deactivated, StatusReason::ByHand, Some(world.now), 2)
    );
    let twice = tenant.deactivate_by_hand(&bo, ANA, &mut world.ids, world.now).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    tenant.reactivate_by_hand(&bo, false, ANA, &mut world.ids, world.now).await.expect("done");
    let back = find(&tenant, "00ubo").await.expect("bo");
    assert_eq!(
        (back.profile.status, back.profile.reason, back.deactivated_at, back.version),
        (Status::Active, StatusReason::Assigned, None, 3)
    );
    let twice = tenant.reactivate_by_hand(&bo, false, ANA, &mut world.ids, world.now).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
    let timeline = tenant.timeline(id, None, 10).await.expect("history");
    assert_eq!(timeline[1].reason.as_deref(), Some("left early"));
    let json = |text: &Option<Box<serde_json::value::RawValue>>| {
        text.as_ref().map(|raw| raw.get().to_owned())
    };
    assert_eq!(
        json(&timeline[1].before).as_deref(),
        Some(r#"{"status":"active","status_reason":"assigned"}"#)
    );
    assert_eq!(
        json(&timeline[1].after).as_deref(),
        Some(r#"{"status":"deactivated","status_reason":"by_hand"}"#)
    );
    let older = tenant.timeline(id, Some(timeline[0].seq), 10).await.expect("history");
    assert_eq!(older.len(), timeline.len() - 1);
    let nobody =
        tenant.deactivate_by_hand(&email("no@acme.example"), ANA, &mut world.ids, world.now).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))), "{nobody:?}");
}

pub(crate) async fn okta_decides_about_whom_it_feeds(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let mut suspended = profile("00ubo", "bo@acme.example");
    suspended.status = Status::Deactivated;
    suspended.reason = StatusReason::Suspended;
    suspended.okta_status = Some(OktaStatus::Suspended);
    managed(world, &tenant, &suspended).await;
    let bo = email("bo@acme.example");
    let refused = tenant
        .reactivate_by_hand(&bo, false, ANA, &mut world.ids, world.now)
        .await
        .expect_err("refused");
    assert!(refused.to_string().contains("(suspended)"), "{refused}");
    // Taken by hand in the meantime, it is still Okta's word that counts.
    tenant.deactivate_by_hand(&bo, ANA, &mut world.ids, world.now).await.expect("done");
    let refused = tenant
        .reactivate_by_hand(&bo, false, ANA, &mut world.ids, world.now)
        .await
        .expect_err("refused");
    assert!(refused.to_string().contains("SUSPENDED in Okta"), "{refused}");
    let id = tenant
        .reactivate_by_hand(&bo, true, ANA, &mut world.ids, world.now)
        .await
        .expect("unlinked");
    let back = find(&tenant, "bo@acme.example").await.expect("bo");
    assert_eq!((back.is_managed(), back.profile.reason), (false, StatusReason::Unmanaged));
    let entry = tenant.timeline(id, None, 1).await.expect("history").remove(0);
    let before = entry.before.expect("a value");
    assert!(before.get().contains(r#""okta_user_id":"00ubo""#), "{}", before.get());
}

pub(crate) async fn a_pairing_makes_the_person_due_again(world: &mut World) {
    #[derive(sqlx::FromRow)]
    struct HashRow {
        planned_hash: Option<Vec<u8>>,
    }
    let tenant = world.tenant("acme").await;
    managed(world, &tenant, &profile("00ubo", "bo@acme.example")).await;
    let user = OktaUserId::parse("00ubo").expect("an id");
    let olga = email("olga@acme.example");
    for same in [true, false] {
        tenant
            .set_pairing(&user, &olga, same, ANA, &mut world.ids, world.now)
            .await
            .expect("noted");
    }
    let row: Option<HashRow> = world
        .db
        .fetch_optional(
            "SELECT planned_hash FROM people WHERE email_key = $1",
            &["bo@acme.example".into()],
        )
        .await
        .expect("a query");
    assert_eq!(row.and_then(|row| row.planned_hash), None);
    let id = find(&tenant, "olga@acme.example").await.expect("olga").id;
    let timeline = tenant.timeline(id, None, 10).await.expect("history");
    assert_eq!(
        timeline.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(),
        ["pairing", "pairing", "create"]
    );
    let nobody = tenant
        .set_pairing(&user, &email("no@acme.example"), true, ANA, &mut world.ids, world.now)
        .await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))), "{nobody:?}");
}

pub(crate) async fn a_return_after_long_is_confirmed_once(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let id = world.ids.next(world.now);
    let waits = PersonWrite {
        confirm_needed: true,
        ..row(id, 1, &profile("00ubo", "bo@acme.example"), world)
    };
    let mut write = tenant.write(world.now).await.expect("a change");
    upsert_many(&mut write, &[waits]).await.expect("written");
    write.commit().await.expect("commit");
    let bo = PersonKey::Id(id);
    tenant.confirm_return(&bo, ANA, &mut world.ids, world.now).await.expect("confirmed");
    let view = tenant.person_view(ManagerMode::Off, &bo).await.expect("a query").expect("bo");
    assert!(!view.confirm_needed);
    let twice = tenant.confirm_return(&bo, ANA, &mut world.ids, world.now).await;
    assert!(matches!(twice, Err(StoreError::Conflict(_))), "{twice:?}");
}
