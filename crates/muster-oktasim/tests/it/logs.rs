//! The System Log.

use muster_oktasim::{Action, Request};

use crate::stand::{Stand, local, who};

const MONA: &str = "mona.mover@fernhill.example";
const LEO: &str = "leo.leaver@fernhill.example";

fn types(body: &serde_json::Value) -> Vec<String> {
    body.as_array()
        .unwrap()
        .iter()
        .map(|event| event["eventType"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn polling_never_ends() {
    let mut stand = Stand::fernhill();
    let empty = stand.get("/api/v1/logs?since=2026-11-23T00:00:00Z&limit=2");
    assert_eq!(empty.body.as_ref(), b"[]");
    let cursor = local(empty.next().unwrap());
    assert!(!cursor.contains("since"), "a cursor and since exclude each other: {cursor}");
    stand.act(&Action::Deactivate { who: who(MONA) });
    stand.wait(1);
    let first = stand.get(&cursor);
    assert_eq!(
        types(&first.json()),
        ["application.user_membership.remove", "user.lifecycle.deactivate"]
    );
    let second = stand.get(&local(first.next().unwrap()));
    assert_eq!(types(&second.json()), ["user.session.clear"]);
    let third = stand.get(&local(second.next().unwrap()));
    assert_eq!(third.body.as_ref(), b"[]");
    let again = stand.get(&local(third.next().unwrap()));
    assert_eq!((again.status, again.next().is_some()), (200, true));
}

#[test]
fn a_bounded_request_ends() {
    let stand = Stand::fernhill();
    stand.act(&Action::Suspend { who: who(MONA) });
    let bounded = "/api/v1/logs?since=2026-11-23T00:00:00Z&until=2026-11-24T00:00:00Z";
    let reply = stand.get(bounded);
    assert_eq!((types(&reply.json()).len(), reply.next()), (1, None));
    assert_eq!(stand.get("/api/v1/logs?until=2026-11-22T00:00:00Z").body.as_ref(), b"[]");
}

#[test]
fn descending_order_pages_backwards() {
    let stand = Stand::fernhill();
    stand.act(&Action::Deactivate { who: who(MONA) });
    let all = stand.follow("/api/v1/logs?sortOrder=DESCENDING&limit=2&until=2026-11-24T00:00:00Z");
    let expected =
        ["user.session.clear", "user.lifecycle.deactivate", "application.user_membership.remove"];
    assert_eq!(types(&serde_json::Value::Array(all)), expected);
}

#[test]
fn filters_find_events() {
    let stand = Stand::fernhill();
    stand.act(&Action::Suspend { who: who(MONA) });
    stand.act(&Action::Deactivate { who: who(LEO) });
    let mona = stand.org.person_id(MONA).unwrap();
    #[rustfmt::skip]
    let cases = [
        (r#"eventType eq "user.lifecycle.suspend""#.to_owned(), 1),
        (r#"eventType eq "user.lifecycle.suspend" or eventType eq "user.lifecycle.deactivate""#.to_owned(), 2),
        (format!(r#"target.id eq "{mona}""#), 1),
        (format!(r#"target.id eq "{mona}" and eventType sw "application""#), 0),
        (r#"target.type eq "AppInstance""#.to_owned(), 1),
        (r#"actor.alternateId eq "ida.adminson@fernhill.example""#.to_owned(), 4),
        (r#"outcome.result eq "FAILURE""#.to_owned(), 0),
    ];
    for (filter, expected) in cases {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("filter", &filter)
            .finish();
        let reply = stand.get(&format!("/api/v1/logs?{query}"));
        assert_eq!(types(&reply.json()).len(), expected, "{filter}");
    }
    assert_eq!(types(&stand.get("/api/v1/logs?q=MONA").json()).len(), 1);
}

#[test]
fn bad_requests_have_their_codes() {
    let stand = Stand::fernhill();
    #[rustfmt::skip]
    let cases = [
        ("since=2026-05-01T00:00:00Z", "E0000053"), ("since=yesterday", "E0000030"),
        ("filter=nonsense", "E0000053"), ("filter=colour%20eq%20%22x%22", "E0000053"),
        ("filter=published%20gt%20%22x%22", "E0000031"), ("limit=1001", "E0000001"),
        ("q=a+b+c+d+e+f+g+h+i+j+k", "E0000001"),
    ];
    for (query, code) in cases {
        let answer = stand.code(Request::get(format!("/api/v1/logs?{query}")));
        assert_eq!(answer, (400, code.to_owned()), "{query}");
    }
}

#[test]
fn events_are_forgotten_after_ninety_days_and_can_come_late() {
    let mut stand = Stand::fernhill();
    stand.org.settings(|settings| settings.log_delay_seconds = 5);
    stand.act(&Action::Suspend { who: who(MONA) });
    assert_eq!(stand.get("/api/v1/logs").body.as_ref(), b"[]");
    stand.wait(5);
    assert_eq!(types(&stand.get("/api/v1/logs").json()).len(), 1);
    // The token would die of silence, so it is used in between.
    for _ in 0..4 {
        stand.wait(25 * 86_400);
        stand.get("/api/v1/users/me");
    }
    stand.act(&Action::Suspend { who: who(LEO) });
    assert_eq!(stand.events(), ["user.lifecycle.suspend"]);
}
