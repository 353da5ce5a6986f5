//! People, teams, locations.

use muster_core::field::{Field, FieldSet};
use muster_core::id::{OktaUserId, PersonId};
use muster_core::name::Name;
use muster_core::okta_user::OktaStatus;
use muster_core::person::{Email, Person, Profile, Role, Status, StatusReason};
use muster_core::rules::ManagerMode;
use muster_store::accounts::NewAccount;
use muster_store::history::Subject;
use muster_store::people::{PeopleCounts, PersonKey};
use muster_store::teams::{locations_to_ids, names_to_ids};
use muster_store::upsert::{PersonWrite, upsert_many};
use muster_store::{StoreError, TenantDb};

use crate::world::{ANA, World};

/// A profile as a run would make it.
pub(crate) fn profile(okta: &str, email: &str) -> Profile {
    Profile {
        okta_user_id: Some(OktaUserId::parse(okta).expect("an id")),
        okta_status: Some(OktaStatus::Active),
        okta_created: Some("2020-02-29T12:00:00.123Z".parse().expect("a time")),
        status: Status::Active,
        reason: StatusReason::Assigned,
        email: Email::parse(email).expect("an address"),
        first_name: "Bo".into(),
        last_name: "Ito".into(),
        title: Some("Engineer".into()),
        language: Some("en-GB".into()),
        location: None,
        team: None,
        photo_url: Some("https://acme.example/bo.png".into()),
        start_date: Some("2026-02-28".parse().expect("a date")),
        login: Some("BO@login.example".into()),
        employee_number: Some("0042".into()),
        display_name: Some("Bo I.".into()),
        manager_raw: Some(" Olga@Acme.example".into()),
        from_okta: FieldSet::default().with(Field::Title, true),
    }
}

/// A row as a run would write it.
pub(crate) fn row(
    id: PersonId,
    version: i64,
    profile: &Profile,
    world: &World,
) -> PersonWrite<'static> {
    PersonWrite {
        id,
        version,
        role: Role::Learner,
        break_glass: false,
        pinned: FieldSet::default(),
        deactivated_at: None,
        profile: Box::leak(Box::new(profile.clone())),
        location_id: None,
        team_id: None,
        manager_id: None,
        confirm_needed: false,
        planned_hash: Some([7; 16]),
        planned_rules: Some(1),
        due_day: None,
        observed_at: Some(world.now),
        problems: 0,
        created_at: world.now,
    }
}

/// Writes one person as a run would.
pub(crate) async fn managed(world: &mut World, tenant: &TenantDb, profile: &Profile) -> PersonId {
    let id: PersonId = world.ids.next(world.now);
    let mut write = tenant.write(world.now).await.expect("a change");
    upsert_many(&mut write, &[row(id, 1, profile, world)]).await.expect("written");
    write.commit().await.expect("commit");
    id
}

pub(crate) async fn find(tenant: &TenantDb, key: &str) -> Option<Person> {
    tenant.find_person(&PersonKey::parse(key).expect("a key")).await.expect("a query")
}

fn account(email: &str, role: Role) -> NewAccount {
    NewAccount::new(Email::parse(email).expect("an address"), role)
}

pub(crate) async fn people_are_found_listed_and_counted(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let bo = profile("00ubo", "Bo@Acme.example");
    let id = managed(world, &tenant, &bo).await;
    for key in ["bo@acme.EXAMPLE", "00ubo", &id.to_string()] {
        let found = find(&tenant, key).await.expect(key);
        assert_eq!((found.id, found.version, &found.profile), (id, 1, &bo));
    }
    for key in ["nobody@acme.example", "00unobody", &PersonId::new(uuid::Uuid::nil()).to_string()] {
        assert_eq!(find(&tenant, key).await, None);
    }
    assert!(PersonKey::parse("no such thing").is_err());
    let added = [account("cy@acme.example", Role::Hr), account("di@acme.example", Role::Learner)];
    tenant.add_people(&added, ANA, &mut world.ids, world.now).await.expect("added");
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = tenant.people_page(ManagerMode::Off, None, &after, 3).await.expect("a page");
        let Some(last) = page.last() else { break };
        after.clone_from(&last.email);
        all.extend(page.into_iter().map(|person| person.email));
    }
    assert_eq!(all, ["Bo@Acme.example", "cy@acme.example", "di@acme.example", "olga@acme.example"]);
    tenant
        .deactivate_by_hand(
            &PersonKey::Email("di@acme.example".into()),
            ANA,
            &mut world.ids,
            world.now,
        )
        .await
        .expect("deactivated");
    let gone = tenant
        .people_page(ManagerMode::Off, Some(Status::Deactivated), "", 10)
        .await
        .expect("a page");
    assert_eq!(
        gone.iter().map(|person| person.email.as_str()).collect::<Vec<_>>(),
        ["di@acme.example"]
    );
    let counts = tenant.people_counts().await.expect("counts");
    assert_eq!(counts, PeopleCounts { active: 3, not_yet: 0, deactivated: 1, unmanaged: 3 });
}

pub(crate) async fn an_import_is_all_or_nothing(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let seq = tenant.tenant().await.expect("a tenant").history_seq;
    let rows =
        ["new@acme.example", "OLGA@acme.example", "twice@acme.example", "Twice@acme.example"]
            .map(|email| account(email, Role::Learner));
    let error = tenant.add_people(&rows, ANA, &mut world.ids, world.now).await.expect_err("taken");
    let StoreError::Taken(taken) = &error else { panic!("{error:?}") };
    let places: Vec<_> = taken.iter().map(|one| (one.row, one.earlier)).collect();
    assert_eq!(places, [(1, None), (3, Some(2))]);
    assert!(error.to_string().contains("nobody was added"), "{error}");
    assert_eq!(find(&tenant, "new@acme.example").await, None);
    assert_eq!(tenant.tenant().await.expect("a tenant").history_seq, seq);
    let rows = [
        NewAccount {
            first_name: "Di".into(),
            last_name: "Ek".into(),
            team: Name::parse("Sales"),
            location: Name::parse("Oslo"),
            employee_number: Some("7".into()),
            ..account("di@acme.example", Role::Admin)
        },
        NewAccount { team: Name::parse("SALES "), ..account("ed@acme.example", Role::Learner) },
    ];
    let ids = tenant.add_people(&rows, ANA, &mut world.ids, world.now).await.expect("added");
    let di = find(&tenant, "di@acme.example").await.expect("di");
    assert_eq!((di.id, di.role, di.profile.reason), (ids[0], Role::Admin, StatusReason::Unmanaged));
    assert_eq!(di.profile.team.as_ref().map(Name::shown), Some("Sales"));
    assert_eq!(di.profile.location.as_ref().map(Name::shown), Some("Oslo"));
    assert_eq!(tenant.teams().await.expect("teams")[0].people, 2);
    let timeline = tenant.timeline(ids[0], None, 10).await.expect("history");
    assert_eq!((timeline.len(), timeline[0].kind.as_str()), (1, "create"));
    let after = timeline[0].after.as_ref().expect("a value").get();
    assert_eq!(
        after,
        r#"{"email":"di@acme.example","first_name":"Di","last_name":"Ek","role":"admin"}"#
    );
}

pub(crate) async fn a_run_never_changes_what_is_set_by_hand(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let mut write = tenant.write(world.now).await.expect("a change");
    let id: PersonId = world.ids.next(world.now);
    let pinned = FieldSet::default().with(Field::Title, true);
    let first = PersonWrite {
        role: Role::Hr,
        break_glass: true,
        pinned,
        ..row(id, 1, &profile("00ubo", "bo@acme.example"), world)
    };
    upsert_many(&mut write, &[first]).await.expect("written");
    write.commit().await.expect("commit");
    let olga = find(&tenant, "olga@acme.example").await.expect("olga").id;
    let bo = PersonKey::Id(id);
    tenant.set_manager_by_hand(&bo, Some(olga), ANA, &mut world.ids, world.now).await.expect("set");
    let mut next = profile("00ubo", "robert@acme.example");
    next.title = None;
    next.last_name = "It\u{0}o".into();
    let later = world.now + jiff::SignedDuration::from_secs(60);
    let second = PersonWrite { created_at: later, ..row(id, 3, &next, world) };
    let mut write = tenant.write(later).await.expect("a change");
    upsert_many(&mut write, &[second]).await.expect("written");
    write.commit().await.expect("commit");
    let stored = find(&tenant, "00ubo").await.expect("bo");
    assert_eq!(
        (stored.role, stored.break_glass, stored.pinned, stored.version),
        (Role::Hr, true, pinned, 3)
    );
    assert_eq!((stored.profile.email.shown(), stored.profile.title), ("robert@acme.example", None));
    assert_eq!(stored.profile.last_name, "Ito");
    let view =
        tenant.person_view(ManagerMode::Individual, &bo).await.expect("a query").expect("bo");
    assert_eq!(view.manager.map(|manager| (manager.id, manager.source)), Some((olga, "hand")));
    let own = tenant.set_manager_by_hand(&bo, Some(id), ANA, &mut world.ids, world.now).await;
    assert!(matches!(own, Err(StoreError::Conflict(_))), "{own:?}");
}

pub(crate) async fn an_address_belongs_to_one_person(world: &mut World) {
    let tenant = world.tenant("acme").await;
    managed(world, &tenant, &profile("00ubo", "bo@acme.example")).await;
    for clash in [profile("00uother", "BO@acme.example"), profile("00ubo", "other@acme.example")] {
        let id = world.ids.next(world.now);
        let mut write = tenant.write(world.now).await.expect("a change");
        let error =
            upsert_many(&mut write, &[row(id, 1, &clash, world)]).await.expect_err("a clash");
        assert!(error.is_duplicate(), "{error:?}");
        assert_eq!(error.to_string(), "insert people: the database refused");
    }
}

pub(crate) async fn teams_and_locations_are_one_for_each_name(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let names: Vec<Name> = ["Sales", "People & Culture", "sales ", "Łódź \u{1F600}"]
        .iter()
        .filter_map(|text| Name::parse(text))
        .collect();
    let names: Vec<&Name> = names.iter().collect();
    let mut write = tenant.write(world.now).await.expect("a change");
    let first = names_to_ids(&mut write, &names, ANA, &mut world.ids).await.expect("teams");
    let places =
        locations_to_ids(&mut write, &names[..1], ANA, &mut world.ids).await.expect("locations");
    assert_eq!((first.len(), places.len()), (3, 1));
    let again = names_to_ids(&mut write, &names[..2], ANA, &mut world.ids).await.expect("teams");
    assert!(
        again.iter().all(|(key, id)| first.get(key) == Some(id)) && again.len() == 2,
        "{again:?}"
    );
    write.commit().await.expect("commit");
    let teams = tenant.teams().await.expect("teams");
    let shown: Vec<_> =
        teams.iter().map(|team| (team.name.as_str(), team.origin.as_str())).collect();
    assert_eq!(
        shown,
        [("People & Culture", "hand"), ("Sales", "hand"), ("Łódź \u{1F600}", "hand")]
    );
    assert_eq!(tenant.locations().await.expect("locations")[0].name, "Sales");
    let made = tenant.history_of(Subject::Team(first["sales"]), None, 5).await.expect("history");
    assert_eq!(made.iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>(), ["create"]);
}

pub(crate) async fn secondary_teams_and_team_managers(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let olga = find(&tenant, "olga@acme.example").await.expect("olga").id;
    let name = Name::parse("Choir").expect("a name");
    let mut write = tenant.write(world.now).await.expect("a change");
    let choir =
        names_to_ids(&mut write, &[&name], ANA, &mut world.ids).await.expect("a team")["choir"];
    write.commit().await.expect("commit");
    let (ids, now) = (&mut world.ids, world.now);
    assert!(tenant.add_membership(olga, choir, ANA, ids, now).await.expect("added"));
    assert!(!tenant.add_membership(olga, choir, ANA, ids, now).await.expect("already there"));
    assert_eq!(tenant.memberships(olga).await.expect("teams"), [choir]);
    assert!(tenant.remove_membership(olga, choir, ANA, ids, now).await.expect("removed"));
    assert!(!tenant.remove_membership(olga, choir, ANA, ids, now).await.expect("already gone"));
    tenant.set_team_manager(choir, Some(olga), ANA, ids, now).await.expect("set");
    let team = tenant.teams().await.expect("teams").remove(0);
    assert_eq!((team.manager_id, team.manager_source.as_deref()), (Some(olga), Some("hand")));
    tenant.set_team_manager(choir, None, ANA, ids, now).await.expect("cleared");
    let team = tenant.teams().await.expect("teams").remove(0);
    assert_eq!((team.manager_id, team.manager_source.as_deref()), (None, Some("hand")));
    let stranger: PersonId = ids.next(now);
    let error = tenant.set_team_manager(choir, Some(stranger), ANA, ids, now).await;
    assert!(matches!(error, Err(StoreError::NotFound(_))), "{error:?}");
    let kinds: Vec<_> = tenant
        .timeline(olga, None, 10)
        .await
        .expect("history")
        .into_iter()
        .map(|entry| entry.kind)
        .collect();
    assert_eq!(kinds, ["leave_team", "join_team", "create"]);
}

pub(crate) async fn the_effective_manager_is_shown(world: &mut World) {
    let tenant = world.tenant("acme").await;
    let olga = find(&tenant, "olga@acme.example").await.expect("olga").id;
    let id: PersonId = world.ids.next(world.now);
    let other = managed(world, &tenant, &profile("00ucy", "cy@acme.example")).await;
    let view = tenant
        .person_view(ManagerMode::Individual, &PersonKey::Id(other))
        .await
        .expect("a query")
        .expect("cy");
    assert_eq!(view.manager, None);
    let key = PersonKey::Id(id);
    let synced = PersonWrite {
        manager_id: Some(olga),
        ..row(id, 1, &profile("00ubo", "bo@acme.example"), world)
    };
    let mut write = tenant.write(world.now).await.expect("a change");
    upsert_many(&mut write, &[synced]).await.expect("written");
    write.commit().await.expect("commit");
    let view =
        tenant.person_view(ManagerMode::Individual, &key).await.expect("a query").expect("bo");
    let json: serde_json::Value = serde_json::to_value(&view).expect("json");
    let want =
        serde_json::json!({"id": olga.to_string(), "email": "olga@acme.example", "source": "okta"});
    assert_eq!(json["manager"], want);
    for (field, want) in [
        ("okta_user_id", "00ubo"),
        ("okta_status", "ACTIVE"),
        ("status", "active"),
        ("status_reason", "assigned"),
        ("start_date", "2026-02-28"),
        ("role", "learner"),
    ] {
        assert_eq!(json[field], want);
    }
    assert_eq!(
        (&json["managed"], &json["team"]),
        (&serde_json::json!(true), &serde_json::Value::Null)
    );
}

pub(crate) async fn tenants_do_not_see_each_other(world: &mut World) {
    let (acme, other) = (world.tenant("acme").await, world.tenant("other").await);
    let id = managed(world, &acme, &profile("00ubo", "bo@acme.example")).await;
    for key in ["00ubo", "bo@acme.example", &id.to_string()] {
        assert_eq!(find(&other, key).await, None);
    }
    assert_eq!(other.people_page(ManagerMode::Off, None, "", 10).await.expect("a page").len(), 1);
    assert!(other.timeline(id, None, 10).await.expect("history").is_empty());
    // The same Okta id and address may be in both.
    managed(world, &other, &profile("00ubo", "bo@acme.example")).await;
    assert_eq!(acme.people_counts().await.expect("counts").active, 2);
}
