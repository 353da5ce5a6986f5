//! Whatever is sent with the right secret is answered 204 and nothing else, because Okta never repeats what got a 4xx.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Client, Ground, On, SECRET, Served, deliver, one};

/// How many bodies are tried; a longer look is taken with `MUSTER_FUZZ_CASES`.
#[expect(clippy::disallowed_methods, reason = "a test has no configuration but its environment")]
fn cases() -> u32 {
    std::env::var("MUSTER_FUZZ_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// Bodies that are nearly right, and bodies that are not.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let damaged =
        (any::<prop::sample::Index>(), any::<u8>(), 0_u8..4).prop_map(|(at, byte, how)| {
            let mut body = one("d", "00u1");
            let at = at.index(body.len());
            match how {
                0 => body.truncate(at),
                1 => body[at] = byte,
                2 => body.insert(at, byte),
                _ => {
                    let copy = body[at..].to_vec();
                    body.splice(at..at, copy);
                }
            }
            body
        });
    let bytes = prop::collection::vec(any::<u8>(), 0..300);
    let words = prop::collection::vec(
        prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"data\"",
            "\"events\"",
            "\"uuid\"",
            "\"target\"",
            "\"eventType\"",
            "null",
            "1e999",
            "\"user.lifecycle.create\"",
            "\"\\u0000\"",
            "\"\\ud800\"",
            "\"id\"",
            "\"type\"",
            "\"User\"",
            "-0",
            " ",
        ]),
        0..60,
    )
    .prop_map(|words| words.concat().into_bytes());
    let odd_ids = (".{0,80}", ".{0,80}", ".{0,80}").prop_map(|(id, user, kind)| {
        let event = serde_json::json!({"uuid": id, "eventType": kind, "published": user,
                                       "target": [{"type": "User", "id": user}, {"type": "UserGroup", "id": id}]});
        let known = serde_json::json!({"uuid": id, "eventType": "group.profile.update", "target": event["target"]});
        serde_json::to_vec(&serde_json::json!({"eventId": kind, "data": {"events": [event, known, event]}})).expect("json")
    });
    prop_oneof![3 => damaged, 1 => bytes, 1 => words, 3 => odd_ids]
}

fn any_body_is_taken(engine: On) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let Some(ground) = runtime.block_on(Ground::on(engine)) else { return };
    let mut served = runtime.block_on(Served::standing_still(&ground.db));
    runtime.block_on(served.tenant("acme"));
    let client = std::cell::RefCell::new(runtime.block_on(Client::to(served.address)));
    let config = Config { failure_persistence: None, cases: cases(), ..Config::default() };
    TestRunner::new(config)
        .run(&bodies(), |body| {
            let answer = runtime.block_on(deliver(&mut client.borrow_mut(), "acme", SECRET, &body));
            prop_assert_eq!(answer.status, 204);
            Ok(())
        })
        .expect("every body is taken");
    runtime.block_on(ground.db.close());
}

#[test]
fn any_body_is_taken_on_sqlite() {
    any_body_is_taken(On::Sqlite);
}

#[test]
fn any_body_is_taken_on_postgresql() {
    any_body_is_taken(On::Postgres);
}
