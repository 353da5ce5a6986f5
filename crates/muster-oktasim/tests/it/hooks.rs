//! Event hooks without HTTP: the test is the network.

use muster_oktasim::{Action, Outcome, Request};
use serde_json::{Value, json};

use crate::stand::{Stand, who};

const MONA: &str = "mona.mover@fernhill.example";

fn hook(events: &[&str]) -> Value {
    json!({
        "name": "Muster",
        "events": { "type": "EVENT_TYPE", "items": events },
        "channel": { "type": "HTTP", "version": "1.0.0", "config": {
            "uri": "http://fernhill.localhost:8080/webhooks/okta",
            "authScheme": { "type": "HEADER", "key": "Authorization", "value": "a secret" }
        } }
    })
}

fn create(stand: &Stand, events: &[&str]) -> String {
    let reply = stand.send(Request::post("/api/v1/eventHooks", &hook(events)));
    assert_eq!(reply.status, 200);
    format!("/api/v1/eventHooks/{}", reply.json()["id"].as_str().unwrap())
}

fn verify(stand: &Stand, path: &str, answer: impl Fn(&str) -> Outcome) -> (u16, Value) {
    let verification = stand.post(&format!("{path}/lifecycle/verify")).verify.unwrap();
    let header = |name: &str| {
        let found =
            verification.call.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    assert_eq!(header("authorization"), "a secret", "the one GET carries the secret too");
    let outcome = answer(&header("x-okta-verification-challenge"));
    let reply = stand.org.verified(&verification, &outcome, stand.now);
    (reply.status, reply.json())
}

fn echo(challenge: &str) -> Outcome {
    Outcome::Answered(200, json!({ "verification": challenge }).to_string().into_bytes())
}

fn verified(stand: &Stand, events: &[&str]) -> String {
    let path = create(stand, events);
    assert_eq!(verify(stand, &path, echo).0, 200);
    path
}

fn body(delivery: &muster_oktasim::Delivery) -> Value {
    serde_json::from_slice(&delivery.call.body).unwrap()
}

#[test]
fn nothing_flows_before_the_verification() {
    let stand = Stand::fernhill();
    let path = create(&stand, &["user.lifecycle.suspend"]);
    stand.act(&Action::Suspend { who: who(MONA) });
    assert!(stand.org.take_deliveries(stand.now).is_empty());
    let (status, shown) = verify(&stand, &path, echo);
    assert_eq!((status, &shown["verificationStatus"]), (200, &json!("VERIFIED")));
    assert!(
        shown["channel"]["config"]["authScheme"]["value"].is_null(),
        "the secret is never shown"
    );
}

#[test]
fn a_failed_verification_names_the_hook_and_is_logged() {
    #[rustfmt::skip]
    let cases = [
        ("wrong value", Outcome::Answered(200, br#"{"verification":"x"}"#.to_vec())),
        ("html", Outcome::Answered(200, b"<html>".to_vec())),
        ("refused", Outcome::Answered(401, Vec::new())),
        ("late", Outcome::TimedOut),
        ("nobody there", Outcome::Unreachable),
    ];
    for (name, outcome) in cases {
        let stand = Stand::fernhill();
        let path = create(&stand, &["user.lifecycle.suspend"]);
        let (status, error) = verify(&stand, &path, |_| outcome.clone());
        assert_eq!((status, &error["errorCode"]), (400, &json!("E0000001")), "{name}");
        let cause = error["errorCauses"][0]["errorSummary"].as_str().unwrap();
        assert!(cause.contains("Hook Muster execution failed"), "{name}: {cause}");
        let log = stand.get("/api/v1/logs").json();
        assert_eq!(log[0]["outcome"]["result"], "FAILURE", "{name}");
    }
}

#[test]
fn a_delivery_looks_like_oktas() {
    let stand = Stand::fernhill();
    verified(&stand, &["application.user_membership.remove", "user.lifecycle.deactivate"]);
    stand.act(&Action::Deactivate { who: who(MONA) });
    let deliveries = stand.org.take_deliveries(stand.now);
    assert_eq!(deliveries.len(), 1, "events close in time travel together");
    let envelope = body(&deliveries[0]);
    assert_eq!(envelope["eventType"], "com.okta.event_hook");
    assert_eq!(envelope["cloudEventsVersion"], "0.1");
    let events = envelope["data"]["events"].as_array().unwrap();
    let types: Vec<&Value> = events.iter().map(|event| &event["eventType"]).collect();
    assert_eq!(types, ["application.user_membership.remove", "user.lifecycle.deactivate"]);
    assert!(events[0]["request"].is_null() && events[0]["client"]["ipChain"].is_array());
    let log = stand.get("/api/v1/logs").json();
    let logged: Vec<&Value> = log.as_array().unwrap().iter().map(|event| &event["uuid"]).collect();
    assert!(logged.contains(&&events[0]["uuid"]), "the same event, the same id");
    let agent = deliveries[0].call.headers.iter().find(|(name, _)| name == "user-agent").unwrap();
    assert!(agent.1.starts_with("Okta Hook Service v1.0.0 - who"));
}

#[test]
fn only_server_faults_and_timeouts_are_tried_once_more() {
    #[rustfmt::skip]
    let cases = [
        (Outcome::Answered(204, vec![]), 1, 0), (Outcome::Answered(200, vec![]), 1, 0),
        (Outcome::Answered(401, vec![]), 1, 1), (Outcome::Answered(404, vec![]), 1, 1),
        (Outcome::Answered(500, vec![]), 2, 1), (Outcome::TimedOut, 2, 1), (Outcome::Unreachable, 2, 1),
    ];
    for (outcome, attempts, failures) in cases {
        let stand = Stand::fernhill();
        verified(&stand, &["user.lifecycle.suspend"]);
        stand.act(&Action::Suspend { who: who(MONA) });
        let mut tried = 0;
        for _ in 0..5 {
            for delivery in stand.org.take_deliveries(stand.now) {
                tried += 1;
                assert!(stand.org.with(|org| org.deliveries_open()) > 0, "one is under way");
                stand.org.delivered(delivery, &outcome, stand.now);
            }
        }
        assert_eq!(stand.org.with(|org| org.deliveries_open()), 0, "{outcome:?}");
        let logged = stand.events().iter().filter(|event| **event == "event_hook.delivery").count();
        assert_eq!((tried, logged), (attempts, failures), "{outcome:?}");
    }
}

#[test]
fn deliveries_can_be_late_doubled_reversed_or_lost() {
    let mut stand = Stand::fernhill();
    verified(&stand, &["user.lifecycle.suspend", "user.lifecycle.unsuspend"]);
    let both = |stand: &Stand| {
        stand.act(&Action::Suspend { who: who(MONA) });
        stand.act(&Action::Unsuspend { who: who(MONA) });
    };
    stand.org.settings(|settings| settings.hooks.delay_ms = 5000);
    both(&stand);
    assert!(stand.org.take_deliveries(stand.now).is_empty());
    stand.wait(5);
    assert_eq!(stand.org.take_deliveries(stand.now).len(), 1);
    stand.org.settings(|settings| {
        settings.hooks = muster_oktasim::HookSettings { duplicate_next: 1, ..Default::default() }
    });
    both(&stand);
    let doubled = stand.org.take_deliveries(stand.now);
    assert_eq!((doubled.len(), doubled[0] == doubled[1]), (2, true));
    stand.org.settings(|settings| settings.hooks.reverse = true);
    both(&stand);
    let reversed: Vec<Value> = stand
        .org
        .take_deliveries(stand.now)
        .iter()
        .map(|delivery| body(delivery)["data"]["events"][0]["eventType"].clone())
        .collect();
    assert_eq!(reversed, ["user.lifecycle.unsuspend", "user.lifecycle.suspend"]);
    stand.org.settings(|settings| {
        settings.hooks = muster_oktasim::HookSettings { drop_next: 1, ..Default::default() }
    });
    both(&stand);
    assert!(stand.org.take_deliveries(stand.now).is_empty());
}

#[test]
fn a_put_drops_the_verification_and_only_an_inactive_hook_can_be_deleted() {
    let stand = Stand::fernhill();
    let path = verified(&stand, &["user.lifecycle.suspend"]);
    let put = stand.send(Request::put(&path, &hook(&["user.lifecycle.create"]))).json();
    assert_eq!(
        (&put["verificationStatus"], &put["status"]),
        (&json!("UNVERIFIED"), &json!("ACTIVE"))
    );
    assert_eq!(stand.send(Request::delete(&path)).status, 403);
    let off = stand.post(&format!("{path}/lifecycle/deactivate")).json();
    assert_eq!((&off["status"], off["_links"]["delete"].is_object()), (&json!("INACTIVE"), true));
    assert_eq!(stand.send(Request::delete(&path)).status, 204);
    assert_eq!(stand.code(Request::get(&path)), (404, "E0000007".to_owned()));
}

#[test]
fn what_no_hook_may_carry_is_refused() {
    let stand = Stand::fernhill();
    for bad in [hook(&["user.lifecycle.delete.completed"]), hook(&[]), json!({ "name": "" })] {
        assert_eq!(
            stand.code(Request::post("/api/v1/eventHooks", &bad)),
            (400, "E0000001".to_owned())
        );
    }
    let mut plain = hook(&["user.lifecycle.create"]);
    plain["channel"]["config"]["uri"] = json!("http://learn.example/hook");
    assert_eq!(
        stand.code(Request::post("/api/v1/eventHooks", &plain)),
        (400, "E0000001".to_owned())
    );
}
