use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const USER: &str = "00u10r4h1xAe2TIcx4x7";
const GROUP: &str = "00g10rdyamywSK8Pw4x7";
const APP: &str = "0oa1gjh63g214q0Hq0g4";

fn interest() -> Interest {
    Interest { app_id: Some(APP.into()), app_groups: Some([GROUP.to_owned()].into()) }
}

fn target(kind: &str, id: &str) -> Value {
    json!({"id": id, "type": kind, "alternateId": "unknown", "displayName": "x", "detailEntry": null})
}

fn event(kind: &str, targets: &Value) -> Value {
    json!({"uuid": "2d050e48-fc0a-11ea-bbf6-1d98632c66b8", "published": "2020-09-21T12:58:42.340Z", "eventType": kind,
           "version": "0", "severity": "INFO", "actor": {"id": "00uactor", "type": "User"}, "target": targets,
           "outcome": {"result": "FAILURE", "reason": null}, "client": {"zone": "null", "ipChain": []}})
}

fn body(events: &Value) -> Vec<u8> {
    let envelope = json!({"eventType": "com.okta.event_hook", "cloudEventsVersion": "0.1", "eventId": "d-1",
                          "data": {"events": events}, "eventTime": "2020-09-21T12:58:52.580Z"});
    serde_json::to_vec(&envelope).unwrap()
}

fn hint(kind: &str, targets: &Value, interest: &Interest) -> Hint {
    let body = body(&json!([event(kind, targets)]));
    let delivery = parse(&body).unwrap();
    assert_eq!((delivery.events.len(), delivery.broken), (1, 0), "{kind}");
    delivery.events[0].hint(interest)
}

fn person() -> Hint {
    Hint::Person(OktaUserId::parse(USER).unwrap())
}

#[test]
fn every_type_says_whom_to_read_again() {
    let (user, group, app) =
        (target("User", USER), target("UserGroup", GROUP), target("AppInstance", APP));
    let app_user = target("AppUser", "0ua1");
    let of_group = Hint::Group(GROUP.into());
    #[rustfmt::skip]
    let cases = [
        ("application.user_membership.add",       json!([app_user, app, user]), person()),
        ("application.user_membership.remove",    json!([user, app_user, app]), person()),
        ("application.user_membership.update",    json!([app_user, app, user]), person()),
        ("group.user_membership.add",             json!([user, group]),         person()),
        ("group.user_membership.remove",          json!([group, user]),         person()),
        ("user.account.update_profile",           json!([user]),                person()),
        ("user.lifecycle.deactivate",             json!([user]),                person()),
        ("user.lifecycle.reactivate",             json!([user]),                person()),
        ("user.lifecycle.delete.initiated",       json!([user]),                person()),
        ("user.lifecycle.activate",               json!([user]),                person()),
        ("user.lifecycle.suspend",                json!([user]),                person()),
        ("user.lifecycle.unsuspend",              json!([user]),                person()),
        ("user.lifecycle.create",                 json!([user]),                person()),
        ("user.account.lock",                     json!([user]),                person()),
        ("user.account.unlock",                   json!([user]),                person()),
        ("user.account.unlock_by_admin",          json!([user]),                person()),
        ("user.account.unlock_token",             json!([user]),                person()),
        ("group.profile.update",                  json!([group]),               of_group.clone()),
        ("group.lifecycle.delete",                json!([group]),               of_group.clone()),
        ("group.application_assignment.add",      json!([app, group]),          of_group.clone()),
        ("group.application_assignment.remove",   json!([group, app]),          of_group.clone()),
        ("group.application_assignment.update",   json!([group, app]),          of_group.clone()),
        ("group.application_assignment.remove",   json!([app]),                 Hint::App),
        ("application.lifecycle.create",          json!([app]),                 Hint::App),
        ("application.lifecycle.update",          json!([app]),                 Hint::App),
        ("application.lifecycle.activate",        json!([app]),                 Hint::App),
        ("application.lifecycle.deactivate",      json!([app]),                 Hint::App),
        ("application.lifecycle.delete",          json!([app]),                 Hint::App),
        ("application.lifecycle.update",          json!([]),                    Hint::App),
        ("user.session.start",                    json!([user]),                Hint::Ignore(Why::Unknown)),
        ("group.lifecycle.update",                json!([group]),               Hint::Ignore(Why::Unknown)),
        ("user.account",                          json!([user]),                Hint::Ignore(Why::Unknown)),
    ];
    for (kind, targets, want) in &cases {
        assert_eq!(hint(kind, targets, &interest()), *want, "{kind}");
    }
    for known in TYPES {
        assert!(
            cases.iter().any(|(kind, ..)| *kind == known.name) || !known.hook,
            "{} has no case",
            known.name
        );
        assert!(is_understood(known.name) && known.hook >= known.eight);
    }
    assert_eq!(TYPES.iter().filter(|known| known.eight).count(), 8);
}

#[test]
fn what_is_of_others_is_passed_over() {
    let (user, other_app) = (target("User", USER), target("AppInstance", "0oaOther"));
    let (group, other_group) = (target("UserGroup", GROUP), target("UserGroup", "00gOther"));
    let (ours, blind) = (interest(), Interest { app_groups: None, ..interest() });
    let ignored = |why| Hint::Ignore(why);
    #[rustfmt::skip]
    let cases = [
        ("application.user_membership.add",  json!([other_app, user]),        &ours,  ignored(Why::OtherApp)),
        ("application.user_membership.add",  json!([user]),                   &ours,  person()),
        ("group.user_membership.add",        json!([user, other_group]),      &ours,  ignored(Why::OtherGroup)),
        ("group.user_membership.add",        json!([user, other_group]),      &blind, person()),
        ("group.user_membership.remove",     json!([user]),                   &ours,  person()),
        ("group.profile.update",             json!([other_group]),            &ours,  ignored(Why::OtherGroup)),
        ("group.profile.update",             json!([other_group]),            &blind, Hint::Group("00gOther".into())),
        ("group.application_assignment.add", json!([other_app, group]),       &ours,  ignored(Why::OtherApp)),
        // A group that was never known may just have been assigned.
        ("group.application_assignment.add", json!([other_group, target("AppInstance", APP)]), &ours,
                                                                                      Hint::Group("00gOther".into())),
        ("application.lifecycle.update",     json!([other_app]),              &ours,  ignored(Why::OtherApp)),
    ];
    for (kind, targets, interest, want) in cases {
        assert_eq!(hint(kind, &targets, interest), want, "{kind} {targets}");
    }
    let nobody = Interest::default();
    let early = hint("user.lifecycle.create", &json!([user]), &nobody);
    assert_eq!(early, Hint::Ignore(Why::NotConnected));
}

#[test]
fn odd_targets_name_nobody() {
    let odd = [
        json!(null),
        json!([]),
        json!("00u"),
        json!(7),
        json!([null, 7, "x", [], {}]),
        json!([{"type": "User"}]),
        json!([{"type": "User", "id": null}]),
        json!([{"type": "User", "id": {"a": 1}}]),
        json!([{"type": "User", "id": "00u/../../users"}]),
        json!([{"type": ["User"], "id": USER}]),
        json!([target("AppUser", "0ua1")]),
    ];
    for targets in odd {
        let got = hint("user.lifecycle.deactivate", &targets, &interest());
        assert_eq!(got, Hint::Ignore(Why::Nobody), "{targets}");
    }
    let second = json!([{"type": "User", "id": "?"}, null, target("User", USER)]);
    assert_eq!(hint("user.lifecycle.deactivate", &second, &interest()), person());
    assert_eq!(hint("user.lifecycle.deactivate", &target("User", USER), &interest()), person());
}

#[test]
fn shapes_of_all_years_are_read() {
    // 2019: nulls are left out. 2021: they are there. Fields that nobody knows yet, and escapes, may be anywhere.
    let old =
        br#"{"eventId":"a","data":{"events":[{"uuid":"u-1","published":"2019-10-01T10:00:00.000Z",
        "eventType":"user.lifecycle.create","target":[{"id":"00u1","type":"User"}]}]}}"#;
    let new = br#"{"eventId":"b","later":{"x":[1,{"y":null}]},"data":{"more":[],"events":[{"insertionTimestamp":null,
        "device":null,"uuid":"u\u002d2","published":"2021-10-01T10:00:00Z","detailEntry":null,"eventType":"user.lifecycle.create",
        "outcome":{"result":"SUCCESS","reason":null},"target":[{"id":"00u2","type":"User","changeDetails":{"from":{}}}]}]}}"#;
    for (body, id, uuid, user) in [(&old[..], "a", "u-1", "00u1"), (&new[..], "b", "u-2", "00u2")] {
        let delivery = parse(body).unwrap();
        assert_eq!(delivery.id, id);
        let event = &delivery.events[0];
        assert_eq!((event.key().as_str(), event.published.is_some()), (uuid, true));
        assert_eq!(event.hint(&interest()), Hint::Person(OktaUserId::parse(user).unwrap()));
    }
    let page = br#"[{"uuid":"u-3","eventType":"user.lifecycle.create","request":{"ipChain":[]},"target":null}]"#;
    assert_eq!(events(page).unwrap()[0].uuid, "u-3");
}

/// A body, and how many events it has and how many broken ones.
type Case<'a> = (&'a [u8], Result<(usize, usize), Unreadable>);

#[test]
fn only_the_envelope_must_be_right() {
    let deep = format!("{{\"data\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_inside = format!("{{\"x\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    #[rustfmt::skip]
    let cases: [Case<'_>; 14] = [
        (b"", Err(Unreadable::Json)),
        (b"hello", Err(Unreadable::Json)),
        (b"\xff\xfe{}", Err(Unreadable::Json)),
        (br#"{"data":{"events":[{"eventType":"a"}]}"#, Err(Unreadable::Json)),
        (br#"{"data":{"events":[]}} trailing"#, Err(Unreadable::Json)),
        (deep.as_bytes(), Err(Unreadable::NoEvents)),
        (deep_inside.as_bytes(), Err(Unreadable::NoEvents)),
        (b"{}", Err(Unreadable::NoEvents)),
        (b"null", Err(Unreadable::NoEvents)),
        (b"[]", Err(Unreadable::NoEvents)),
        (br#"{"data":[]}"#, Err(Unreadable::NoEvents)),
        (br#"{"data":{"events":{}}}"#, Err(Unreadable::NoEvents)),
        (br#"{"data":{"events":[]}}"#, Ok((0, 0))),
        (br#"{"data":{"events":[1,null,{},{"eventType":"a"}]}}"#, Ok((1, 3))),
    ];
    for (body, want) in cases {
        let got = parse(body).map(|delivery| (delivery.events.len(), delivery.broken));
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]);
        assert_eq!(got, want, "{shown}");
    }
}

#[test]
fn an_event_without_an_id_of_its_own_is_known_again() {
    let one = |value: Value| -> String {
        let body = body(&json!([value]));
        let delivery = parse(&body).unwrap();
        delivery.events[0].clone().into_owned().key()
    };
    let mut odd = event("user.lifecycle.create", &json!([target("User", USER)]));
    assert_eq!(one(odd.clone()), "2d050e48-fc0a-11ea-bbf6-1d98632c66b8");
    for uuid in [Value::Null, json!(7), json!("a b"), json!("x".repeat(65)), json!("ü")] {
        odd["uuid"] = uuid;
        let key = one(odd.clone());
        assert!(key.starts_with("odd-") && key.len() == 36, "{key}");
        assert_eq!(one(odd.clone()), key);
        let mut other = odd.clone();
        other["target"] = json!([target("User", "00uOther")]);
        assert_ne!(one(other), key);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "User",
            "UserGroup",
            "AppInstance",
            USER,
            GROUP,
            APP,
            "user.lifecycle.create",
            "group.profile.update",
            "application.user_membership.add",
            "2020-09-21T12:58:42.340Z",
        ])
        .prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "data",
        "events",
        "eventId",
        "uuid",
        "published",
        "eventType",
        "target",
        "id",
        "type",
        "other",
    ]);
    leaf.prop_recursive(6, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|fields| {
                Value::from(
                    fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect::<serde_json::Map<_, _>>(),
                )
            }),
        ]
    })
}

fn look(body: &[u8]) {
    if let Ok(delivery) = parse(body) {
        for event in &delivery.events {
            let key = event.key();
            assert!(!key.is_empty() && key.len() <= UUID_MAX);
            if let Hint::Person(id) = event.hint(&interest()) {
                assert!(OktaUserId::parse(id.as_str()).is_ok());
            }
        }
    }
    // A page of the log is read by the same code.
    drop(events(body));
}

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..400)) {
        look(&body);
    }

    #[test]
    fn no_json_panics(value in any_json()) {
        look(&serde_json::to_vec(&value).unwrap());
        let envelope = json!({"eventId": value, "data": {"events": [value, {"eventType": "user.lifecycle.create",
                              "target": value, "uuid": value, "published": value}]}});
        let body = serde_json::to_vec(&envelope).unwrap();
        look(&body);
        // Only the envelope must be right, and it is.
        prop_assert!(parse(&body).is_ok());
    }

    #[test]
    fn a_damaged_delivery_does_not_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut body = body(&json!([event("user.lifecycle.create", &json!([target("User", USER)]))]));
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        look(&body);
    }

    #[test]
    fn the_order_of_targets_means_nothing(order in Just(vec![0, 1, 2, 3]).prop_shuffle(),
                                          kind in prop::sample::select(TYPES)) {
        let all = [target("User", USER), target("UserGroup", GROUP), target("AppInstance", APP), target("AppUser", "0ua1")];
        let shuffled: Vec<_> = order.iter().map(|&at| all[at].clone()).collect();
        prop_assert_eq!(hint(kind.name, &json!(all), &interest()), hint(kind.name, &json!(shuffled), &interest()));
    }
}
