//! Later: people move, marry, leave, start; and a preview foretells each run.

use muster_core::person::{Role, Status, StatusReason};
use muster_core::problem::ProblemCode::TeamRenameLikely;
use muster_core::run::{Counts, RunState};
use muster_oktasim::Action;
use muster_oktasim::org::{self, FIRST_OWNER};
use muster_store::people::PersonKey;
use serde_json::json;

use super::{ACTIVE, directory, led_by, one, planted};
use crate::support::{ANA, Ground, Stand, on_both_engines, problem, standing};

on_both_engines! {
    a_morning_arrives_step_by_step,
    a_whole_morning_at_once_is_foretold_by_its_preview,
    a_renamed_department_is_a_new_team_and_the_old_one_stays,
    teams_that_become_one_or_split_are_no_renames,
    whoever_leaves_one_of_two_groups_keeps_access,
    whoever_is_deleted_keeps_everything_but_access,
    wrong_passwords_and_forgotten_ones_cost_no_access,
    a_contractor_becomes_an_employee_and_back,
    values_that_okta_clears_are_cleared_and_names_are_kept,
    what_was_entered_or_pinned_by_hand_is_kept,
    the_last_owner_who_is_not_assigned_stays_through_it_all,
}

async fn a_morning_arrives_step_by_step(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let none = Counts { read: 226, skipped: 4, review: 5, ..Counts::default() };
    let expected = [
        ("joiner", Counts { read: 227, created: 1, unchanged: 217, ..none }),
        ("mover", Counts { read: 227, updated: 1, unchanged: 217, ..none }),
        ("leaver", Counts { missing: 1, deactivated: 1, unchanged: 217, ..none }),
        ("marriage", Counts { updated: 1, unchanged: 216, ..none }),
        ("new-manager", Counts { updated: 1, unchanged: 216, ..none }),
        ("suspended", Counts { deactivated: 1, unchanged: 216, ..none }),
        ("starter", Counts { updated: 1, unchanged: 216, ..none }),
        ("failing-page", Counts::default()),
    ];
    let names: Vec<&str> = org::morning().iter().map(|step| step.name).collect();
    assert_eq!(names, expected.map(|(name, _)| name));
    for (step, (name, counts)) in org::morning().iter().zip(expected) {
        step.run(&stand.okta, stand.now()).expect("done");
        if name == "failing-page" {
            let run = stand.sync().await;
            assert_eq!(run.state, RunState::Incomplete, "{run:?}");
            continue;
        }
        assert_eq!(stand.preview().await.counts, counts, "{name}");
        let run = stand.sync().await;
        assert_eq!((run.state, run.counts), (RunState::Done, counts), "{name}");
    }
    let joy = stand.here("joy.newcombe@fernhill.example").await;
    assert_eq!((standing(&joy), joy.role), (ACTIVE, Role::Learner));
    assert_eq!(joy.team.as_deref(), Some("Engineering"));
    assert_eq!(led_by(&joy), Some("wendy.manyreports@fernhill.example"));
    let mona = stand.here(&one(&stand, "mover")).await;
    let moved = [mona.team, mona.title, mona.location, mona.language];
    let expected = ["Marketing", "Content Strategist", "Paris", "fr"];
    assert_eq!(moved, expected.map(|text| Some(text.to_owned())));
    let leo = stand.here(&one(&stand, "leaver")).await;
    assert_eq!(standing(&leo), (Status::Deactivated, StatusReason::DeactivatedInOkta));
    let lina = stand.here(&one(&stand, "link-by-email")).await;
    assert_eq!(led_by(&lina), Some("wendy.manyreports@fernhill.example"));
    let duncan = stand.here("duncan.twice@fernhill.example").await;
    assert_eq!(standing(&duncan), (Status::Deactivated, StatusReason::Suspended));
    assert_eq!(standing(&stand.here("monday.starling@fernhill.example").await), ACTIVE);
}

async fn a_whole_morning_at_once_is_foretold_by_its_preview(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    for step in org::morning().iter().filter(|step| step.name != "failing-page") {
        step.run(&stand.okta, stand.now()).expect("done");
    }
    let [one_of_two, other] = planted(&stand, "email-swap").try_into().expect("two");
    stand.act(&Action::SwapEmails { one: one_of_two, other });
    let before = directory(&stand).await;
    let preview = stand.preview().await;
    assert_eq!(directory(&stand).await, before);
    let run = stand.sync().await;
    assert_eq!(preview.counts, run.counts);
    let counts = run.counts;
    assert_eq!(
        (counts.created, counts.updated, counts.deactivated, counts.missing),
        (1, 6, 2, 1),
        "{run:?}"
    );
    let foretold = stand.items(preview.id).await;
    let mona = stand.okta_id(&one(&stand, "mover"));
    let item = foretold.iter().find(|item| item.okta_user_id.as_str() == mona).expect("Mona");
    let fields: serde_json::Value = serde_json::from_str(&item.fields).expect("JSON");
    assert_eq!(fields["team"], json!(["Customer Success", "Marketing"]), "before and after");
}

async fn a_renamed_department_is_a_new_team_and_the_old_one_stays(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let now = stand.now();
    let (before, after) = ("People & Culture", "People");
    let people = planted(&stand, "department-renamed");
    let mut members = Vec::new();
    for login in &people {
        members.extend(stand.of_okta(login).await);
    }
    // Somebody's second team, and a manager that an admin gave the team: both are out of a run's reach.
    let old = stand
        .tenant
        .teams()
        .await
        .expect("teams")
        .into_iter()
        .find(|team| team.name == before)
        .expect("a team");
    let guest = stand.here(&one(&stand, "mover")).await.id;
    stand.tenant.add_membership(guest, old.id, ANA, &mut stand.ids, now).await.expect("added");
    stand
        .tenant
        .set_team_manager(old.id, Some(guest), ANA, &mut stand.ids, now)
        .await
        .expect("set");
    let memberships = stand.tables.dump("memberships").await;

    stand.act(&Action::RenameDepartment { from: before.to_owned(), to: after.to_owned() });
    let preview = stand.preview().await;
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.updated), (RunState::Done, members.len() as u64), "{run:?}");
    for run in [&preview, &run] {
        let told = problem(run, TeamRenameLikely).expect("told");
        let all = members.len();
        let hint = format!("{all} of {all} moved from {before} to {after}");
        assert!(told.people == all as u64 && told.hint.contains(&hint), "{hint:?}: {told:?}");
    }
    let teams = stand.tenant.teams().await.expect("teams");
    let team = |name: &str| {
        teams.iter().find(|team| team.name == name).unwrap_or_else(|| panic!("no team {name}"))
    };
    assert_eq!(team(after).people, members.len() as u64);
    assert_eq!((team(after).manager_id, team(before).people), (None, 0), "teams are never deleted");
    assert_eq!((team(before).id, team(before).manager_id), (old.id, Some(guest)));
    assert_eq!(stand.tables.dump("memberships").await, memberships);
    for member in &members {
        assert_eq!(stand.by_id(member.id).await.team.as_deref(), Some(after));
    }
    // And back: the same team as before, with the manager it had.
    stand.act(&Action::RenameDepartment { from: after.to_owned(), to: before.to_owned() });
    let run = stand.sync().await;
    assert!(problem(&run, TeamRenameLikely).is_some(), "{run:?}");
    assert!(problem(&stand.sync().await, TeamRenameLikely).is_none(), "it is told once");
    for member in &members {
        assert_eq!(stand.by_id(member.id).await.team.as_deref(), Some(before));
    }
    assert_eq!(stand.tenant.teams().await.expect("teams").len(), teams.len());
}

async fn teams_that_become_one_or_split_are_no_renames(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let people = planted(&stand, "department-renamed");
    let (first, second) = people.split_at(people.len() / 2);
    let all = |team: &'static str| people.iter().map(move |login| (login, team));
    let halves = first.iter().map(|login| (login, "North"));
    let halves: Vec<_> = halves.chain(second.iter().map(|login| (login, "South"))).collect();
    // Each half is a rename of nothing, and a team with people of its own takes these in.
    for moves in [halves, all("Engineering").collect()] {
        for (login, team) in moves {
            stand.update(login, json!({ "department": team }));
        }
        let preview = stand.preview().await;
        let run = stand.sync().await;
        assert!(run.counts.updated >= 3, "{run:?}");
        for run in [&preview, &run] {
            assert!(problem(run, TeamRenameLikely).is_none(), "{run:?}");
        }
    }
}

async fn whoever_leaves_one_of_two_groups_keeps_access(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let twyla = one(&stand, "in-two-groups");
    let before = (stand.here(&twyla).await, directory(&stand).await);
    for group in ["app-learn-contractors", "app-learn-employees"] {
        stand.act(&Action::RemoveFromGroup { who: twyla.clone(), group: group.to_owned() });
        let run = stand.sync().await;
        if group == "app-learn-contractors" {
            assert_eq!((stand.here(&twyla).await, directory(&stand).await), before);
        } else {
            assert_eq!(run.counts.deactivated, 1, "{run:?}");
        }
    }
    let out = stand.here(&twyla).await;
    assert_eq!(standing(&out), (Status::Deactivated, StatusReason::Unassigned));
}

async fn whoever_is_deleted_keeps_everything_but_access(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let before = stand.here(&one(&stand, "deleted")).await;
    stand.act(&Action::Delete { who: one(&stand, "deleted") });
    let run = stand.sync().await;
    assert_eq!((run.counts.missing, run.counts.deactivated), (1, 1), "{run:?}");
    let after = stand.by_id(before.id).await;
    assert_eq!(standing(&after), (Status::Deactivated, StatusReason::DeletedInOkta));
    assert_eq!(
        (after.okta_user_id, after.email, after.team),
        (before.okta_user_id, before.email, before.team)
    );
    assert_eq!(stand.story_of(before.id).await, ["create", "deactivate"]);
}

type Step = fn(String) -> Action;

async fn wrong_passwords_and_forgotten_ones_cost_no_access(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let who = one(&stand, "mover");
    let steps: [(&str, Step); 4] = [
        ("LOCKED_OUT", |who| Action::Lock { who }),
        ("ACTIVE", |who| Action::Unlock { who }),
        ("PASSWORD_EXPIRED", |who| Action::ExpirePassword { who }),
        ("RECOVERY", |who| Action::ResetPassword { who }),
    ];
    for (status, action) in steps {
        stand.act(&action(who.clone()));
        let run = stand.sync().await;
        let person = stand.here(&who).await;
        assert_eq!((standing(&person), person.okta_status.as_deref()), (ACTIVE, Some(status)));
        assert_eq!((run.counts.updated, run.counts.deactivated), (1, 0), "{status}: {run:?}");
    }
}

async fn a_contractor_becomes_an_employee_and_back(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let connie = one(&stand, "contractor-excluded");
    stand.update(&connie, json!({"userType": "Employee"}));
    let run = stand.sync().await;
    assert_eq!((run.counts.created, run.counts.skipped), (1, 3), "{run:?}");
    let person = stand.here(&connie).await;
    assert_eq!(standing(&person), ACTIVE);
    stand.update(&connie, json!({"userType": "contractor"}));
    let run = stand.sync().await;
    assert_eq!((run.counts.deactivated, run.counts.skipped), (1, 3), "{run:?}");
    let out = stand.by_id(person.id).await;
    assert_eq!(standing(&out), (Status::Deactivated, StatusReason::Filtered));
    let reasons = stand.tables.texts("SELECT reason FROM history WHERE kind = 'deactivate'").await;
    assert_eq!(reasons, ["kept out by the rule: userType is Contractor"]);
    // Kept out for good, without a further word.
    let before = directory(&stand).await;
    stand.sync().await;
    assert_eq!(directory(&stand).await, before);
    stand.update(&connie, json!({"userType": "Employee"}));
    assert_eq!(stand.sync().await.counts.reactivated, 1);
    assert_eq!(stand.here(&connie).await, person);
}

async fn values_that_okta_clears_are_cleared_and_names_are_kept(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let who = one(&stand, "mover");
    let before = stand.here(&who).await;
    assert!(before.manager.is_some() && before.language.is_some() && before.start_date.is_some());
    stand.update(&who, json!({"picture": "https://photos.fernhill.example/mona.jpg"}));
    stand.sync().await;
    let nothing = json!({
        "firstName": null, "lastName": null, "email": null, "title": null, "city": null, "department": null,
        "preferredLanguage": null, "locale": null, "managerId": null, "manager": null, "picture": null,
        "startDate": null, "displayName": null
    });
    let login = before.okta_user_id.clone().expect("an Okta id");
    stand.update(&who, nothing);
    let run = stand.sync().await;
    assert_eq!(
        (run.state, run.counts.updated, run.counts.deactivated),
        (RunState::Done, 1, 0),
        "{run:?}"
    );
    let after = stand.here(login.as_str()).await;
    assert_eq!(standing(&after), ACTIVE);
    let kept = |person: &muster_store::people_view::PersonView| {
        (person.first_name.clone(), person.last_name.clone(), person.email.clone())
    };
    assert_eq!(kept(&after), kept(&before));
    let cleared = [
        after.title,
        after.location,
        after.team,
        after.language,
        after.photo_url,
        after.start_date,
    ];
    assert_eq!(cleared, [const { None }; 6]);
    assert_eq!(after.manager, None);
    let told: Vec<&str> = run.problems.iter().map(|problem| problem.code.name()).collect();
    for code in ["email_missing", "name_kept", "no_team"] {
        assert!(told.contains(&code), "no {code} in {told:?}");
    }
    // The rule against clearing keeps everything.
    let rules = format!("clear_empty = false\n{}", crate::support::FERNHILL_RULES);
    let mut stand = Stand::synced_fernhill(ground).await;
    stand.set_rules(&rules).await;
    stand.update(&who, json!({"title": null, "city": null, "department": null}));
    let run = stand.sync().await;
    assert_eq!(run.counts.updated, 0, "{run:?}");
}

async fn what_was_entered_or_pinned_by_hand_is_kept(ground: &Ground) {
    let mut stand = Stand::fernhill(ground).await;
    // Lina's title was entered by hand; Okta knows none.
    let lina = one(&stand, "link-by-email");
    let by_hand = stand.account(&lina).await.expect("an account");
    assert!(by_hand.title.is_some());
    stand.update(&lina, json!({"title": null, "startDate": null}));
    stand.sync().await;
    let linked = stand.here(&lina).await;
    assert_eq!((linked.id, &linked.title), (by_hand.id, &by_hand.title));
    assert_eq!(linked.start_date, by_hand.start_date);
    // A title from Okta is Okta's from then on, and cleared with it.
    stand.update(&lina, json!({"title": "From Okta"}));
    stand.sync().await;
    assert_eq!(stand.here(&lina).await.title.as_deref(), Some("From Okta"));
    stand.update(&lina, json!({"title": null}));
    stand.sync().await;
    assert_eq!(stand.here(&lina).await.title, None);
    // A pinned team stays whatever Okta says.
    let mona = one(&stand, "mover");
    let team = 1 << (muster_core::field::Field::Team as u32);
    let sql = format!("UPDATE people SET pinned = {team} WHERE email_key = '{mona}'");
    assert_eq!(stand.tables.execute(&sql).await, 1);
    stand.update(&mona, json!({"department": "Marketing", "title": "Moved"}));
    stand.sync().await;
    let pinned = stand.here(&mona).await;
    assert_eq!(
        (pinned.team.as_deref(), pinned.title.as_deref()),
        (Some("Customer Success"), Some("Moved"))
    );
}

async fn the_last_owner_who_is_not_assigned_stays_through_it_all(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let olive = stand.account(FIRST_OWNER).await.expect("an account");
    // Even when the second owner is taken away by hand and Okta throws her out.
    let owen = stand.account(&one(&stand, "second-owner")).await.expect("an account");
    let now = stand.now();
    stand
        .tenant
        .deactivate_by_hand(&PersonKey::Id(owen.id), ANA, &mut stand.ids, now)
        .await
        .expect("deactivated");
    for action in [
        Action::Suspend { who: FIRST_OWNER.to_owned() },
        Action::Unsuspend { who: FIRST_OWNER.to_owned() },
        Action::Assign { who: FIRST_OWNER.to_owned(), app: None },
        Action::Unassign { who: FIRST_OWNER.to_owned(), app: None },
        Action::Deactivate { who: FIRST_OWNER.to_owned() },
        Action::Delete { who: FIRST_OWNER.to_owned() },
    ] {
        stand.act(&action);
        let run = stand.sync().await;
        assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 0), "{action:?}: {run:?}");
        assert_eq!(stand.by_id(olive.id).await, olive, "{action:?}");
    }
}
