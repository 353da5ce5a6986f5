//! What happens to people, and what the System Log says about it.

use muster_oktasim::{Action, Request};
use serde_json::{Value, json};

use crate::stand::{Stand, who};

const MONA: &str = "mona.mover@fernhill.example";

fn status(stand: &Stand, person: &str) -> String {
    stand.get(&stand.user(person)).json()["status"].as_str().unwrap_or("gone").to_owned()
}

/// Every transition from every status: which are allowed, and where they lead.
#[test]
fn transitions_follow_the_table() {
    #[rustfmt::skip]
    let cases = [
        // Planted person, their status, then for each call the status after it, or the error.
        ("mona.mover@fernhill.example", "ACTIVE", [
            ("activate", "E0000016"), ("deactivate", "DEPROVISIONED"), ("suspend", "SUSPENDED"),
            ("unsuspend", "E0000001"), ("reactivate", "E0000038"), ("unlock", "E0000038"),
            ("expire_password", "PASSWORD_EXPIRED"), ("reset_password", "RECOVERY")]),
        ("monday.starling@fernhill.example", "STAGED", [
            ("activate", "PROVISIONED"), ("deactivate", "DEPROVISIONED"), ("suspend", "E0000001"),
            ("unsuspend", "E0000001"), ("reactivate", "E0000038"), ("unlock", "E0000038"),
            ("expire_password", "E0000038"), ("reset_password", "E0000038")]),
        ("susan.pender@fernhill.example", "SUSPENDED", [
            ("activate", "E0000016"), ("deactivate", "DEPROVISIONED"), ("suspend", "E0000001"),
            ("unsuspend", "ACTIVE"), ("reactivate", "E0000038"), ("unlock", "E0000038"),
            ("expire_password", "E0000038"), ("reset_password", "E0000038")]),
        ("locke.outram@fernhill.example", "LOCKED_OUT", [
            ("activate", "E0000016"), ("deactivate", "DEPROVISIONED"), ("suspend", "SUSPENDED"),
            ("unsuspend", "E0000001"), ("reactivate", "E0000038"), ("unlock", "ACTIVE"),
            ("expire_password", "E0000038"), ("reset_password", "RECOVERY")]),
        ("rhea.return@fernhill.example", "DEPROVISIONED", [
            ("activate", "ACTIVE"), ("deactivate", "E0000038"), ("suspend", "E0000001"),
            ("unsuspend", "E0000001"), ("reactivate", "E0000038"), ("unlock", "E0000038"),
            ("expire_password", "E0000038"), ("reset_password", "E0000038")]),
    ];
    for (person, before, calls) in cases {
        for (call, expected) in calls {
            let stand = Stand::fernhill();
            assert_eq!(status(&stand, person), before);
            let reply = stand.post(&format!("{}/lifecycle/{call}", stand.user(person)));
            let code = reply.json()["errorCode"].as_str().map(str::to_owned);
            let after = code.unwrap_or_else(|| status(&stand, person));
            assert_eq!(after, expected, "{call} while {before}");
        }
    }
}

#[test]
fn a_suspended_person_keeps_group_app_and_profile_changes() {
    let stand = Stand::fernhill();
    stand.act(&Action::Suspend { who: who(MONA) });
    assert_eq!(stand.get(&stand.app_user(MONA)).status, 200);
    let profile = json!({ "title": "Lead" }).as_object().unwrap().clone();
    stand.act(&Action::Update { who: who(MONA), profile });
    assert_eq!(stand.events(), ["user.lifecycle.suspend", "user.account.update_profile"]);
}

#[test]
fn a_deactivation_arrives_as_unassigned_and_as_deactivated() {
    let stand = Stand::fernhill();
    // An engineer, who has two apps.
    let ed = "ed.spacey@fernhill.example";
    stand.act(&Action::Deactivate { who: who(ed) });
    let expected = [
        "application.user_membership.remove",
        "application.user_membership.remove",
        "user.lifecycle.deactivate",
        "user.session.clear",
    ];
    assert_eq!(stand.events(), expected);
    assert_eq!(stand.get(&stand.app_user(ed)).status, 404);
    let groups = stand.get(&format!("{}/groups", stand.user(ed))).json();
    assert!(groups.as_array().unwrap().len() >= 3, "the groups stay");
}

#[test]
fn reactivation_brings_back_group_assignments_only() {
    let stand = Stand::fernhill();
    let direct = "victoria.fernhill@fernhill.example";
    for person in [MONA, direct] {
        stand.act(&Action::Deactivate { who: who(person) });
        stand.act(&Action::Activate { who: who(person) });
    }
    assert_eq!(stand.get(&stand.app_user(MONA)).status, 200);
    assert_eq!(stand.get(&stand.app_user(direct)).status, 404);
    let events = stand.events();
    let activations = events.iter().filter(|event| **event == "user.lifecycle.activate").count();
    assert_eq!(activations, 2);
    assert!(
        !events.contains(&"user.lifecycle.reactivate"),
        "an admin's reactivation is an activate"
    );
}

#[test]
fn a_job_reactivates_with_both_events_in_one_transaction() {
    let stand = Stand::fernhill();
    stand.act(&Action::ReactivateByJob { who: who("rhea.return@fernhill.example") });
    let log = stand.get("/api/v1/logs?since=2026-11-23T00:00:00Z").json();
    let transactions: Vec<&Value> = log
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["eventType"].as_str().unwrap().starts_with("user.lifecycle"))
        .map(|event| &event["transaction"])
        .collect();
    assert_eq!(transactions.len(), 2);
    assert_eq!(transactions[0], transactions[1]);
    assert_eq!(transactions[0]["type"], "JOB");
}

#[test]
fn activating_a_staged_person_announces_the_app() {
    let stand = Stand::fernhill();
    let path = format!("{}/lifecycle/activate", stand.user("monday.starling@fernhill.example"));
    assert_eq!(stand.post(&path).status, 200);
    assert_eq!(stand.events(), ["user.lifecycle.activate", "application.user_membership.add"]);
    let log = stand.get("/api/v1/logs").json();
    assert_eq!(log[1]["debugContext"]["debugData"]["requestUri"], json!(path));
    let kinds: Vec<&Value> =
        log[1]["target"].as_array().unwrap().iter().map(|target| &target["type"]).collect();
    assert_eq!(kinds, ["AppUser", "AppInstance", "User"]);
}

#[test]
fn deleting_takes_two_calls() {
    let stand = Stand::fernhill();
    let path = stand.user(MONA);
    assert_eq!(stand.send(Request::delete(&path)).status, 204);
    assert_eq!(stand.get(&path).json()["status"], "DEPROVISIONED");
    assert_eq!(stand.send(Request::delete(&path)).status, 204);
    assert_eq!(stand.code(Request::get(&path)), (404, "E0000007".to_owned()));
    let events = stand.events();
    let last: Vec<&str> = events.iter().rev().take(2).rev().copied().collect();
    assert_eq!(last, ["user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"]);
}

#[test]
fn leaving_one_of_two_groups_changes_nothing_in_the_app() {
    let stand = Stand::fernhill();
    let twyla = "twyla.both@fernhill.example";
    let group = "app-learn-contractors".to_owned();
    stand.act(&Action::RemoveFromGroup { who: who(twyla), group });
    assert_eq!(stand.get(&stand.app_user(twyla)).status, 200);
    assert_eq!(stand.events(), ["group.user_membership.remove"]);
    let group = "app-learn-employees".to_owned();
    stand.act(&Action::RemoveFromGroup { who: who(twyla), group });
    assert_eq!(stand.get(&stand.app_user(twyla)).status, 404);
    let events = stand.events();
    assert_eq!(events[1..], ["group.user_membership.remove", "application.user_membership.remove"]);
}

#[test]
fn a_group_taken_from_the_app_takes_its_people_along() {
    let stand = Stand::fernhill();
    let groups = stand.get("/api/v1/groups?q=app-learn-c").json();
    let group = groups[0]["id"].as_str().unwrap();
    let path = format!("/api/v1/apps/{}/groups/{group}", stand.app);
    assert_eq!(stand.send(Request::delete(&path)).status, 204);
    // Twyla stays, she is in the other group too.
    assert_eq!(stand.follow(&stand.app_users("limit=500")).len(), 226 - 17);
    let removed = stand
        .events()
        .iter()
        .filter(|event| **event == "application.user_membership.remove")
        .count();
    assert_eq!(removed, 17);
    assert_eq!(stand.send(Request::put(&path, &json!({}))).status, 200);
    assert_eq!(stand.follow(&stand.app_users("limit=500")).len(), 226);
}

#[test]
fn an_update_logs_the_names_of_what_changed() {
    let stand = Stand::fernhill();
    let body =
        json!({ "profile": { "title": "Head of Moving", "city": "Manchester", "shoeSize": 43 } });
    let reply = stand.send(Request::post(stand.user(MONA), &body));
    assert_eq!((reply.status, &reply.json()["profile"]["shoeSize"]), (200, &json!(43)));
    let log = stand.get("/api/v1/logs").json();
    let changed = log[0]["debugContext"]["debugData"]["changedAttributes"].as_str().unwrap();
    assert!(changed.contains("title") && changed.contains("shoeSize"), "{changed}");
    // The same again changes nothing and logs nothing.
    stand.send(Request::post(stand.user(MONA), &body));
    assert_eq!(stand.events().len(), 1);
}

#[test]
fn logins_are_unique_and_found_without_regard_to_case() {
    let stand = Stand::fernhill();
    let body = json!({ "profile": { "login": "Leo.Leaver@fernhill.example" } });
    assert_eq!(stand.code(Request::post(stand.user(MONA), &body)), (400, "E0000001".to_owned()));
    let by_login = stand.get("/api/v1/users/MONA.Mover%40fernhill.example").json();
    assert_eq!(by_login["id"], stand.org.person_id(MONA).unwrap().as_str());
    assert_eq!(stand.get("/api/v1/users/mona.mover").json()["id"], by_login["id"]);
}

#[test]
fn a_created_person_can_be_staged_or_live() {
    let stand = Stand::fernhill();
    let body = |login: &str, password: bool| {
        let mut body = json!({ "profile": {
            "firstName": "New", "lastName": "Person", "login": login, "email": login
        } });
        if password {
            body["credentials"] = json!({ "password": { "value": "Abcd1234!" } });
        }
        body
    };
    #[rustfmt::skip]
    let cases = [("?activate=false", true, "STAGED"), ("", true, "ACTIVE"), ("", false, "PROVISIONED")];
    for (place, (query, password, expected)) in cases.into_iter().enumerate() {
        let body = body(&format!("new{place}@fernhill.example"), password);
        let reply = stand.send(Request::post(format!("/api/v1/users{query}"), &body));
        assert_eq!((reply.status, &reply.json()["status"]), (200, &json!(expected)));
    }
}

#[test]
fn reads_can_lag_behind_a_change() {
    let mut stand = Stand::fernhill();
    stand.org.settings(|settings| settings.stale_seconds = 3);
    let group = stand.get("/api/v1/groups?q=berlin").json()[0]["id"].as_str().unwrap().to_owned();
    let members = format!("/api/v1/groups/{group}/users?limit=200");
    let before = stand.follow(&members).len();
    stand.act(&Action::AddToGroup { who: who(MONA), group: "berlin-office".to_owned() });
    stand.act(&Action::Deactivate { who: who(MONA) });
    assert_eq!(stand.follow(&members).len(), before);
    assert_eq!(status(&stand, MONA), "ACTIVE");
    assert_eq!(stand.get(&stand.app_user(MONA)).status, 200);
    assert_eq!(stand.follow(&stand.app_users("limit=500")).len(), 226);
    stand.wait(3);
    assert_eq!(stand.follow(&members).len(), before + 1);
    assert_eq!(status(&stand, MONA), "DEPROVISIONED");
    assert_eq!(stand.follow(&stand.app_users("limit=500")).len(), 225);
}

#[test]
fn broker_mode_hides_all_assignments_and_logs_none() {
    let stand = Stand::fernhill();
    stand.act(&Action::BrokerMode { on: true });
    let app = stand.get(&format!("/api/v1/apps/{}", stand.app)).json();
    assert_eq!(app["settings"]["implicitAssignment"], json!(true));
    assert_eq!(stand.follow(&stand.app_users("limit=500")).len(), 0);
    assert_eq!(stand.get(&stand.app_user(MONA)).status, 404);
    stand.act(&Action::Deactivate { who: who(MONA) });
    assert_eq!(stand.events(), ["user.lifecycle.deactivate", "user.session.clear"]);
}
