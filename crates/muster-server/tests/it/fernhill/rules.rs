//! Other rules, and days that pass.

use muster_core::person::{Status, StatusReason};
use muster_core::problem::ProblemCode::{LanguageNotEnabled, StartDateMissing};
use muster_core::run::{Counts, RunState};
use muster_oktasim::Action;
use serde_json::json;

use super::{ACTIVE, directory, one, planted};
use crate::support::{FERNHILL_RULES, Ground, Stand, on_both_engines, problem, standing};

on_both_engines! {
    a_language_that_is_enabled_later_reaches_its_people,
    another_map_reads_other_attributes,
    whoever_starts_later_waits_for_the_day,
    a_moved_start_date_moves_the_day_and_takes_nothing_away,
    a_staged_starter_gets_in_once_activated,
}

const BEFORE_START: (Status, StatusReason) = (Status::NotYet, StatusReason::BeforeStartDate);

async fn a_language_that_is_enabled_later_reaches_its_people(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let paulo = one(&stand, "language-not-enabled");
    let before = stand.sync().await;
    let portuguese = problem(&before, LanguageNotEnabled).expect("told").people;
    assert!(portuguese > 1);
    stand.set_rules(&FERNHILL_RULES.replace("\"ja\"]", "\"ja\", \"pt-PT\"]")).await;
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.updated), (RunState::Done, portuguese), "{run:?}");
    assert!(problem(&run, LanguageNotEnabled).is_none(), "{run:?}");
    assert_eq!(stand.here(&paulo).await.language.as_deref(), Some("pt-PT"));
    let settled = directory(&stand).await;
    let run = stand.sync().await;
    assert_eq!(run.counts.updated, 0);
    assert_eq!(directory(&stand).await, settled);
}

async fn another_map_reads_other_attributes(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let rules = format!(
        "{FERNHILL_RULES}\n[map]\nteam = [\"organization\"]\nlocation = \"countryCode\"\ntitle = \"\"\n"
    );
    stand.set_rules(&rules).await;
    let run = stand.sync().await;
    assert_eq!(
        (run.state, run.counts.updated, run.counts.deactivated),
        (RunState::Done, 217, 0),
        "{run:?}"
    );
    let users = stand.okta_users();
    for login in stand.assigned() {
        let Some(person) = stand.of_okta(&login).await else { continue };
        assert_eq!(
            person.team.as_deref(),
            users[&login]["profile"]["organization"].as_str(),
            "{login}"
        );
        assert_eq!(
            person.location.as_deref(),
            users[&login]["profile"]["countryCode"].as_str(),
            "{login}"
        );
    }
    assert_eq!(stand.here(&one(&stand, "mover")).await.title, None);
}

async fn whoever_starts_later_waits_for_the_day(ground: &Ground) {
    let mut stand = Stand::fernhill(ground).await;
    stand.set_rules(&format!("invite = \"on_start_date\"\n{FERNHILL_RULES}")).await;
    let run = stand.sync().await;
    assert_eq!(run.counts.created, 193);
    assert!(problem(&run, StartDateMissing).is_some_and(|told| told.people >= 1), "{run:?}");
    let [friday, christmas] = planted(&stand, "starts-soon").try_into().expect("two");
    for who in planted(&stand, "starts-today") {
        assert_eq!(standing(&stand.here(&who).await), ACTIVE, "{who}");
    }
    for case in ["start-date-missing", "start-date-malformed"] {
        assert_eq!(
            standing(&stand.here(&one(&stand, case)).await),
            ACTIVE,
            "{case} counts as started"
        );
    }
    assert_eq!(standing(&stand.here(&friday).await), BEFORE_START);
    assert_eq!(standing(&stand.here(&christmas).await), BEFORE_START);
    // Thursday: nothing. Friday: in, although nothing changed in Okta.
    stand.wait_days(3);
    let before = directory(&stand).await;
    let run = stand.sync().await;
    assert_eq!(
        run.counts,
        Counts { read: 226, unchanged: 217, skipped: 4, review: 5, ..Counts::default() }
    );
    assert_eq!(directory(&stand).await, before);
    stand.wait_days(1);
    let run = stand.sync().await;
    assert_eq!((run.counts.updated, run.counts.unchanged), (1, 216), "{run:?}");
    assert_eq!(standing(&stand.here(&friday).await), ACTIVE);
    assert_eq!(standing(&stand.here(&christmas).await), BEFORE_START);
    let settled = directory(&stand).await;
    stand.sync().await;
    assert_eq!(directory(&stand).await, settled);
}

async fn a_moved_start_date_moves_the_day_and_takes_nothing_away(ground: &Ground) {
    let mut stand = Stand::fernhill(ground).await;
    stand.set_rules(&format!("invite = \"on_start_date\"\n{FERNHILL_RULES}")).await;
    stand.sync().await;
    let [friday, christmas] = planted(&stand, "starts-soon").try_into().expect("two");
    // Brought forward, to a day that has passed: in.
    stand.update(&christmas, json!({"startDate": "2026-11-20"}));
    // Put off before it came: goes on waiting.
    stand.update(&friday, json!({"startDate": "2027-02-01"}));
    stand.sync().await;
    assert_eq!(standing(&stand.here(&christmas).await), ACTIVE);
    assert_eq!(standing(&stand.here(&friday).await), BEFORE_START);
    stand.wait_days(10);
    stand.sync().await;
    assert_eq!(standing(&stand.here(&friday).await), BEFORE_START);
    // Put off afterwards: whoever was in stays in.
    stand.update(&christmas, json!({"startDate": "2027-03-01"}));
    let run = stand.sync().await;
    assert_eq!(run.counts.deactivated, 0, "{run:?}");
    let kept = stand.here(&christmas).await;
    assert_eq!((standing(&kept), kept.start_date.as_deref()), (ACTIVE, Some("2027-03-01")));
    // Without the rule nobody waits.
    stand.set_rules(FERNHILL_RULES).await;
    stand.sync().await;
    assert_eq!(standing(&stand.here(&friday).await), ACTIVE);
}

async fn a_staged_starter_gets_in_once_activated(ground: &Ground) {
    let mut stand = Stand::synced_fernhill(ground).await;
    let starling = one(&stand, "staged-starter");
    assert_eq!(standing(&stand.here(&starling).await), (Status::NotYet, StatusReason::Staged));
    stand.act(&Action::Activate { who: starling.clone() });
    let run = stand.sync().await;
    assert_eq!((run.counts.updated, run.counts.reactivated), (1, 0), "{run:?}");
    let person = stand.here(&starling).await;
    assert_eq!(standing(&person), ACTIVE);
    assert_eq!(stand.story_of(person.id).await, ["create", "update"]);
    // Another one is dropped before the first day.
    let staged = stand
        .people()
        .await
        .into_iter()
        .find(|person| person.status == Status::NotYet)
        .expect("another");
    let id = staged.okta_user_id.expect("an Okta id");
    stand.act(&Action::Unassign { who: id.to_string(), app: None });
    let run = stand.sync().await;
    assert_eq!((run.counts.missing, run.counts.deactivated), (1, 1), "{run:?}");
    assert_eq!(
        standing(&stand.by_id(staged.id).await),
        (Status::Deactivated, StatusReason::Unassigned)
    );
}
