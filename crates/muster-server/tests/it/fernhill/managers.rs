//! Managers who arrive later, leave, or are named in other ways.

use muster_core::problem::ProblemCode::{
    ManagerAmbiguous, ManagerDisplayName, ManagerInactive, ManagerLoop, ManagerNotAssigned,
    ManagerNotFound,
};
use muster_core::run::RunState;
use muster_oktasim::Action;
use muster_store::people::PersonKey;
use serde_json::json;

use super::{led_by, one, planted};
use crate::support::{ANA, FERNHILL_RULES, Ground, Stand, on_both_engines, problem};

on_both_engines! {
    a_manager_who_is_assigned_later_gets_the_people_without_anybodys_help,
    a_moved_manager_takes_effect_at_once,
    a_manager_who_leaves_leads_nobody,
    a_loop_that_is_broken_is_told_no_longer,
    a_name_counts_only_where_it_is_allowed_and_unique,
    a_number_that_two_people_have_names_nobody,
    a_manager_set_by_hand_wins,
    a_teams_manager_stands_in_where_okta_names_nobody,
    a_team_takes_the_manager_of_its_first_member,
}

/// The people whose manager value names this person by e-mail, as far as they are here.
async fn reports_of(stand: &Stand, email: &str) -> Vec<String> {
    let mut logins = Vec::new();
    for (login, user) in stand.okta_users() {
        if user["profile"]["managerId"] == email && stand.of_okta(&login).await.is_some() {
            logins.push(login);
        }
    }
    logins
}

async fn a_manager_who_is_assigned_later_gets_the_people_without_anybodys_help(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let dana = one(&stand, "manager-not-assigned");
    let reports = reports_of(&stand, &dana).await;
    assert_eq!(reports.len(), 3);
    stand.act(&Action::Assign { who: dana.clone(), app: None });
    let run = stand.sync().await;
    assert_eq!((run.counts.created, run.counts.updated), (1, 0), "{run:?}");
    assert_eq!(problem(&run, ManagerNotFound).map(|told| told.people), Some(5), "{run:?}");
    for login in &reports {
        let person = stand.here(login).await;
        assert_eq!(led_by(&person), Some(dana.as_str()));
        assert_eq!(stand.story_of(person.id).await.last().map(String::as_str), Some("manager"));
    }
    // The same for August, who comes back to his five.
    let august = one(&stand, "manager-deactivated");
    stand.act(&Action::Activate { who: august.clone() });
    stand.act(&Action::Assign { who: august.clone(), app: None });
    let run = stand.sync().await;
    assert!(problem(&run, ManagerNotFound).is_none(), "{run:?}");
    let reports = reports_of(&stand, &august).await;
    assert_eq!(reports.len(), 5);
    for login in &reports {
        assert_eq!(led_by(&stand.here(login).await), Some(august.as_str()));
    }
}

async fn a_moved_manager_takes_effect_at_once(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let (lina, wendy) = (one(&stand, "link-by-email"), one(&stand, "nineteen-reports"));
    let wendy_here = stand.here(&wendy).await;
    let number = wendy_here.employee_number.clone().expect("a number");
    let okta_id = wendy_here.okta_user_id.clone().expect("an Okta id").to_string();
    // In each way in which companies write a manager down.
    for value in [wendy.clone(), wendy.to_uppercase(), format!(" {wendy} "), number, okta_id] {
        stand.update(&lina, json!({"managerId": null, "manager": null}));
        stand.sync().await;
        assert_eq!(stand.here(&lina).await.manager, None);
        stand.update(&lina, json!({ "managerId": value }));
        let run = stand.sync().await;
        assert_eq!(run.state, RunState::Done);
        let manager =
            stand.here(&lina).await.manager.unwrap_or_else(|| panic!("{value:?} is nobody"));
        assert_eq!((manager.id, manager.source), (wendy_here.id, "okta"), "{value:?}");
    }
}

async fn a_manager_who_leaves_leads_nobody(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let lars = planted(&stand, "manager-listed-later")[1].clone();
    let reports = reports_of(&stand, &lars).await;
    let mut active = 0;
    for login in &reports {
        active += u64::from(stand.here(login).await.status == muster_core::person::Status::Active);
    }
    stand.act(&Action::Unassign { who: lars.clone(), app: None });
    let run = stand.sync().await;
    let told = problem(&run, ManagerNotAssigned).expect("told");
    assert!(told.people >= active && told.hint.contains(&lars), "{told:?}");
    assert!(told.hint.contains("Assign them"), "{told:?}");
    assert!(problem(&run, ManagerInactive).is_none(), "they did not leave: {run:?}");
    for login in &reports {
        let person = stand.here(login).await;
        assert_eq!(person.manager, None, "{login}: nobody is handed to an owner silently");
    }
    stand.act(&Action::Assign { who: lars.clone(), app: None });
    let run = stand.sync().await;
    assert!(problem(&run, ManagerNotAssigned).is_none(), "{run:?}");
    for login in &reports {
        assert_eq!(led_by(&stand.here(login).await), Some(lars.as_str()));
    }
}

async fn a_loop_that_is_broken_is_told_no_longer(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let (ines, ada) = (one(&stand, "loop-of-two"), one(&stand, "loop-of-three"));
    let wendy = one(&stand, "nineteen-reports");
    stand.update(&ines, json!({ "managerId": wendy }));
    let run = stand.sync().await;
    let told = problem(&run, ManagerLoop).expect("three are left");
    assert!(told.people == 3 && !told.hint.contains("ines"), "{told:?}");
    stand.update(&ada, json!({"managerId": null, "manager": null}));
    let run = stand.sync().await;
    assert!(problem(&run, ManagerLoop).is_none(), "{run:?}");
}

async fn a_name_counts_only_where_it_is_allowed_and_unique(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let norman = one(&stand, "manager-by-display-name");
    let name =
        stand.okta_users()[&norman]["profile"]["manager"].as_str().expect("a name").to_owned();
    assert_eq!(stand.here(&norman).await.manager, None);
    stand.set_rules(&format!("manager_by_name = true\n{FERNHILL_RULES}")).await;
    let run = stand.sync().await;
    assert!(problem(&run, ManagerDisplayName).is_none(), "{run:?}");
    let boss = stand.here(&norman).await.manager.expect("a manager");
    let boss = stand.by_id(boss.id).await;
    assert_eq!(format!("{} {}", boss.first_name, boss.last_name), name);
    // A second person of that name: now it says nothing.
    let double = one(&stand, "mover");
    stand.update(&double, json!({"firstName": boss.first_name, "lastName": boss.last_name}));
    let run = stand.sync().await;
    assert_eq!(stand.here(&norman).await.manager, None);
    let told = problem(&run, ManagerAmbiguous).expect("told");
    assert!(told.people == 1 && told.hint.contains(&name.to_lowercase()), "{told:?}");
    assert!(problem(&run, ManagerDisplayName).is_none(), "{run:?}");
}

async fn a_number_that_two_people_have_names_nobody(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let (lina, wendy) = (one(&stand, "link-by-email"), one(&stand, "nineteen-reports"));
    let number = stand.here(&wendy).await.employee_number.expect("a number");
    stand.update(&lina, json!({ "managerId": number }));
    let run = stand.sync().await;
    assert_eq!(led_by(&stand.here(&lina).await), Some(wendy.as_str()));
    assert!(problem(&run, ManagerAmbiguous).is_none(), "{run:?}");
    let double = one(&stand, "mover");
    stand.update(&double, json!({ "employeeNumber": number }));
    let run = stand.sync().await;
    assert_eq!(stand.here(&lina).await.manager, None);
    let told = problem(&run, ManagerAmbiguous).expect("told");
    assert!(told.people == 1 && told.hint.contains(&number.to_lowercase()), "{told:?}");
    stand.update(&double, json!({ "employeeNumber": "another" }));
    let run = stand.sync().await;
    assert!(problem(&run, ManagerAmbiguous).is_none(), "{run:?}");
    assert_eq!(led_by(&stand.here(&lina).await), Some(wendy.as_str()));
}

async fn a_manager_set_by_hand_wins(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let lina = stand.here(&one(&stand, "link-by-email")).await;
    let wendy = stand.here(&one(&stand, "nineteen-reports")).await.id;
    let (key, now) = (PersonKey::Id(lina.id), stand.now());
    stand
        .tenant
        .set_manager_by_hand(&key, Some(wendy), ANA, &mut stand.ids, now)
        .await
        .expect("set");
    for manager in [json!(one(&stand, "own-manager")), json!(null)] {
        stand.update(&lina.email, json!({ "managerId": manager, "manager": null }));
        stand.sync().await;
        let shown = stand.by_id(lina.id).await.manager.expect("a manager");
        assert_eq!((shown.id, shown.source), (wendy, "hand"));
    }
    stand
        .tenant
        .set_manager_by_hand(&key, None, ANA, &mut stand.ids, now)
        .await
        .expect("taken back");
    assert_eq!(stand.by_id(lina.id).await.manager, None);
}

async fn a_teams_manager_stands_in_where_okta_names_nobody(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let norman = stand.here(&one(&stand, "manager-by-display-name")).await;
    let wendy = stand.here(&one(&stand, "nineteen-reports")).await.id;
    let now = stand.now();
    let teams = stand.tenant.teams().await.expect("teams");
    let team =
        teams.iter().find(|team| Some(&team.name) == norman.team.as_ref()).expect("a team").id;
    stand.tenant.set_team_manager(team, Some(wendy), ANA, &mut stand.ids, now).await.expect("set");
    stand.sync().await;
    let shown = stand.by_id(norman.id).await.manager.expect("a manager");
    assert_eq!((shown.id, shown.source), (wendy, "team"));
    let teams = stand.tenant.teams().await.expect("teams");
    let kept = teams.iter().find(|one| one.id == team).expect("a team");
    assert_eq!((kept.manager_id, kept.manager_source.as_deref()), (Some(wendy), Some("hand")));
}

async fn a_team_takes_the_manager_of_its_first_member(ground: &Ground) {
    let mut stand = Stand::fernhill(ground).await;
    stand.set_rules(&format!("manager = \"team\"\n{FERNHILL_RULES}")).await;
    stand.sync().await;
    let users = stand.okta_users();
    let people = stand.people().await;
    for team in stand.tenant.teams().await.expect("teams") {
        // The member whom Okta made first, of those who are in and have a manager.
        let raw = stand
            .tables
            .texts(&format!(
                "SELECT m.email FROM people p JOIN people m ON m.id = p.manager_id JOIN teams t ON t.id = p.team_id \
                 WHERE t.name = '{}' AND p.status <> 'deactivated' ORDER BY p.okta_created, p.okta_user_id",
                team.name
            ))
            .await;
        let boss = people.iter().find(|person| Some(person.id) == team.manager_id);
        assert_eq!(boss.map(|person| &person.email), raw.first(), "{}", team.name);
        if raw.is_empty() {
            continue;
        }
        assert_eq!(team.manager_source.as_deref(), Some("first_member"), "{}", team.name);
    }
    let lina = stand.here(&one(&stand, "link-by-email")).await;
    let manager = lina.manager.expect("a manager");
    assert_eq!(manager.source, "team");
    // Later members and later changes do not move it.
    let before = stand.tables.dump("teams").await;
    for login in users.keys().take(60) {
        stand.update(login, json!({"managerId": one(&stand, "own-manager"), "manager": null}));
    }
    stand.sync().await;
    assert_eq!(stand.tables.dump("teams").await, before);
}
