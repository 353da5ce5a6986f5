//! The preview, the first run and the second.

use std::collections::BTreeMap;

use muster_core::name::key_of;
use muster_core::person::{Role, Status};
use muster_core::run::{ChangeKind, Counts, ListingState, RunState};
use muster_oktasim::org::{self, FIRST_OWNER};
use muster_server::cli::Exit;
use serde_json::Value;

use super::{ACTIVE, directory};
use crate::support::{Ground, Stand, on_both_engines, standing};

on_both_engines! {
    the_first_run_comes_out_as_promised,
    a_preview_foretells_the_first_run_and_changes_nothing,
    the_second_run_writes_nothing,
    everybody_is_as_okta_shows_them,
    accounts_that_okta_does_not_know_are_left_alone,
    small_pages_and_large_ones_come_to_the_same,
}

const FIRST: Counts = Counts {
    read: 226,
    missing: 0,
    created: 193,
    linked: 24,
    updated: 0,
    unchanged: 0,
    reactivated: 0,
    deactivated: 0,
    held: 0,
    skipped: 4,
    review: 5,
};

async fn the_first_run_comes_out_as_promised(ground: &Ground) {
    let mut stand = Stand::fernhill(ground).await;
    let run = stand.sync().await;
    assert_eq!((run.state, run.listing), (RunState::Done, Some(ListingState::Complete)), "{run:?}");
    assert_eq!(Exit::of_run(&run), Exit::Done);
    assert_eq!(run.counts, FIRST);
    let people = stand.people().await;
    // 193 new ones, the thirty made by hand, and the first owner.
    assert_eq!(people.len(), 193 + 30 + 1);
    assert_eq!(people.iter().filter(|person| person.managed).count(), 193 + 24);
    // Two are suspended and four staged; everybody else whom Okta feeds is in.
    let mut statuses: BTreeMap<Status, usize> = BTreeMap::new();
    for person in people.iter().filter(|person| person.managed) {
        *statuses.entry(person.status).or_default() += 1;
    }
    assert_eq!(
        statuses,
        [(Status::Active, 211), (Status::NotYet, 4), (Status::Deactivated, 2)].into()
    );
    let teams = stand.tenant.teams().await.expect("teams");
    assert_eq!(teams.len(), 12, "{teams:?}");
    assert!(
        teams.iter().all(|team| team.origin == "okta" && team.manager_id.is_none()),
        "{teams:?}"
    );
    let mut places: Vec<String> = stand
        .tenant
        .locations()
        .await
        .expect("locations")
        .into_iter()
        .map(|place| place.name)
        .collect();
    places.sort();
    assert_eq!(
        places,
        ["Austin", "Berlin", "Kraków", "Lisbon", "London", "Manchester", "Osaka", "Paris"]
    );
}

async fn a_preview_foretells_the_first_run_and_changes_nothing(ground: &Ground) {
    let mut stand = Stand::fernhill(ground).await;
    let before = directory(&stand).await;
    let preview = stand.preview().await;
    assert_eq!(directory(&stand).await, before);
    assert_eq!(preview.counts, FIRST);
    // One row for everybody about whom something would be done or must be decided, with the reason.
    let items = stand.items(preview.id).await;
    let mut kinds: BTreeMap<ChangeKind, u64> = BTreeMap::new();
    for item in &items {
        *kinds.entry(item.change).or_default() += 1;
        assert!(!item.reason.is_empty(), "{item:?}");
    }
    let expected = [
        (ChangeKind::Create, 193),
        (ChangeKind::Link, 24),
        (ChangeKind::Skip, 4),
        (ChangeKind::Review, 5),
    ];
    assert_eq!(kinds, expected.into());
    let run = stand.sync().await;
    assert_eq!(run.counts, preview.counts);
    // What the preview says of single people is what the run does about them.
    for item in &items {
        let person = stand.of_okta(item.okta_user_id.as_str()).await;
        let is_here = matches!(item.change, ChangeKind::Create | ChangeKind::Link);
        assert_eq!(person.is_some(), is_here, "{item:?}");
    }
    let again = stand.preview().await;
    let counts = Counts { created: 0, linked: 0, unchanged: 193 + 24, ..FIRST };
    assert_eq!(again.counts, counts);
}

async fn the_second_run_writes_nothing(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let before = directory(&stand).await;
    for _ in 0..2 {
        let run = stand.sync().await;
        assert_eq!(run.state, RunState::Done, "{run:?}");
        assert_eq!(run.counts, Counts { created: 0, linked: 0, unchanged: 193 + 24, ..FIRST });
        for ((table, now), (_, before)) in directory(&stand).await.iter().zip(&before) {
            assert_eq!(now, before, "{table}");
        }
    }
}

/// A second way from Okta's profile to the directory, as plain as can be, for everybody at once.
async fn everybody_is_as_okta_shows_them(ground: &Ground) {
    let stand = Stand::synced_fernhill(ground).await;
    let users: BTreeMap<String, Value> = stand
        .okta_users()
        .into_values()
        .map(|user| (user["id"].as_str().expect("an id").to_owned(), user))
        .collect();
    let mut compared = 0;
    for person in stand.people().await.into_iter().filter(|person| person.managed) {
        let user = &users[person.okta_user_id.as_ref().expect("an Okta id").as_str()];
        let said = |field: &str| user["profile"][field].as_str().filter(|text| !text.is_empty());
        let cut = |text: &str| text.chars().take(255).collect::<String>().trim_end().to_owned();
        let who = &person.email;
        assert_eq!(Some(person.first_name.as_str()), said("firstName"), "{who}");
        assert_eq!(person.last_name, said("lastName").unwrap_or_default(), "{who}");
        assert_eq!(Some(person.email.as_str()), said("email"), "{who}");
        assert_eq!(person.title, said("title").map(cut), "{who}");
        assert_eq!(person.location.as_deref(), said("city"), "{who}");
        assert_eq!(person.team.as_deref().map(key_of), said("department").map(key_of), "{who}");
        assert_eq!(person.okta_status.as_deref(), user["status"].as_str(), "{who}");
        assert_eq!(person.employee_number.as_deref(), said("employeeNumber"), "{who}");
        assert_eq!(person.manager_raw.as_deref(), said("managerId").or(said("manager")), "{who}");
        assert_eq!(person.role, Role::Learner, "{who}");
        compared += 1;
    }
    assert_eq!(compared, 193 + 24);
}

async fn accounts_that_okta_does_not_know_are_left_alone(ground: &Ground) {
    let mut stand = Stand::fernhill(ground).await;
    let before = stand.people().await;
    stand.sync().await;
    let mut linked = 0;
    for account in before {
        let now = stand.by_id(account.id).await;
        if now.managed {
            linked += 1;
            assert_eq!((standing(&now), now.role), (ACTIVE, account.role), "{}", account.email);
            assert_eq!(stand.story_of(now.id).await[..2], ["create", "link"], "{}", account.email);
        } else {
            assert_eq!(now, account);
        }
    }
    assert_eq!(linked, 24);
    let olive = stand.account(FIRST_OWNER).await.expect("the first owner");
    assert_eq!((olive.role, olive.status, olive.managed), (Role::Owner, Status::Active, false));
    for email in ["boris.boardman@boardroom.example", "coral.coachman@coaching.example"] {
        assert!(
            stand.account(email).await.is_some_and(|account| account.status == Status::Active),
            "{email}"
        );
    }
}

async fn small_pages_and_large_ones_come_to_the_same(ground: &Ground) {
    use crate::support::Company;
    let shown = async |page_size| {
        let mut stand = Stand::open(ground, Company::fernhill().paged(page_size)).await;
        let run = stand.sync().await;
        assert_eq!(run.counts, FIRST, "{page_size} a page");
        let mut people = Vec::new();
        for person in stand.people().await {
            // Ids differ from tenant to tenant, and more pages take more time.
            let mut json = serde_json::to_value(&person).expect("JSON");
            json["id"] = Value::Null;
            json["manager"]["id"] = Value::Null;
            json["deactivated_at"] = (!json["deactivated_at"].is_null()).into();
            people.push(json);
        }
        people
    };
    let large = shown(500).await;
    for page_size in [200, 17] {
        assert_eq!(shown(page_size).await, large, "{page_size} a page");
    }
    assert_eq!(org::morning().len(), 8);
}
