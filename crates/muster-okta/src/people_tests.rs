use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn keep() -> KeepAttributes {
    KeepAttributes::new(["title", "startDate", "skills", "level", "remote"])
}

fn assigned(id: &str) -> Value {
    json!({
        "id": id, "scope": "GROUP", "status": "ACTIVE", "profile": {"given_name": "decoy", "title": "decoy"},
        "_embedded": {"user": {
            "id": id, "status": "ACTIVE", "created": "2025-09-29T03:49:50.000Z", "lastLogin": null,
            "profile": {"login": format!("{id}@acme.example"), "firstName": "Ana", "title": "Lead", "mobilePhone": "1"},
            "credentials": {"provider": {"type": "OKTA"}},
        }},
        "_links": {"user": {"href": "https://acme.okta.com/api/v1/users/decoy"}},
    })
}

fn page_of(entries: &[Value]) -> Result<People, String> {
    let body = serde_json::to_vec(entries).expect("JSON");
    app_users_page(&body, &keep()).map_err(|error| error.to_string())
}

fn ids(people: &People) -> Vec<&str> {
    people.users.iter().map(|listed| listed.user.id.as_str()).collect()
}

#[test]
fn a_page_gives_the_embedded_users_and_only_what_is_kept() {
    let people = page_of(&[assigned("00u1"), assigned("00u2")]).expect("a page");
    assert_eq!(ids(&people), ["00u1", "00u2"]);
    let first = &people.users[0];
    assert_eq!(first.assignment_status, "ACTIVE");
    assert_eq!(first.user.status, OktaStatus::Active);
    assert_eq!(first.user.created, "2025-09-29T03:49:50Z".parse().ok());
    assert_eq!(first.raw, r#"{"firstName":"Ana","login":"00u1@acme.example","title":"Lead"}"#);
    assert_eq!(page_of(&[]), Ok(People::default()));
}

#[test]
fn the_state_of_the_assignment_is_not_the_state_of_the_person() {
    let mut entry = assigned("00u1");
    entry["status"] = json!("DEPROVISIONED");
    entry["_embedded"]["user"]["status"] = json!("SUSPENDED");
    let people = page_of(&[entry]).expect("a page");
    assert_eq!(people.users[0].user.status, OktaStatus::Suspended);
    assert_eq!(people.users[0].assignment_status, "DEPROVISIONED");
}

#[test]
fn the_text_of_the_attributes_does_not_depend_on_their_order_or_on_what_is_not_set() {
    let raw = |profile: &str| {
        let body = format!(r#"{{"id":"00u1","status":"ACTIVE","profile":{profile}}}"#);
        user(body.as_bytes(), &keep()).map(|listed| listed.raw).map_err(|error| error.to_string())
    };
    let expected =
        Ok(r#"{"level":3,"remote":true,"skills":["a","b"],"title":"Lead \"x\" é"}"#.to_owned());
    assert_eq!(
        raw(r#"{"title":"Lead \"x\" é","skills":["a","b"],"level":3,"remote":true}"#),
        expected
    );
    assert_eq!(
        raw(
            r#"{"remote":true,"email":null,"level":3,"login":"","firstName":"  ","other":{"title":[]},"skills":["a","b"],"\u0074itle":"Lead \"x\" \u00e9"}"#
        ),
        expected
    );
    assert_eq!(raw(r#"{"skills":[],"title":null}"#), Ok("{}".to_owned()));
}

type Damage = fn(&mut Value);

#[test]
fn one_broken_person_does_not_cost_the_others() {
    let breakages: [(&str, Damage); 8] = [
        ("status of another type", |entry| entry["_embedded"]["user"]["status"] = json!(7)),
        ("no status", |entry| entry["_embedded"]["user"]["status"] = Value::Null),
        ("no profile", |entry| entry["_embedded"]["user"]["profile"] = Value::Null),
        ("profile of another type", |entry| entry["_embedded"]["user"]["profile"] = json!([])),
        ("another user embedded", |entry| entry["_embedded"]["user"]["id"] = json!("00u9")),
        ("no id within", |entry| entry["_embedded"]["user"]["id"] = Value::Null),
        ("embedded user of another type", |entry| entry["_embedded"]["user"] = json!("00u2")),
        ("id within that would leave the path", |entry| {
            entry["_embedded"]["user"]["id"] = json!("../me");
        }),
    ];
    for (name, damage) in breakages {
        let mut broken = assigned("00u2");
        damage(&mut broken);
        let people = page_of(&[assigned("00u1"), broken, assigned("00u3")]).expect(name);
        assert_eq!(ids(&people), ["00u1", "00u3"], "{name}");
        let skipped: Vec<_> = people.skipped.iter().map(|skipped| skipped.id.as_str()).collect();
        assert_eq!(skipped, ["00u2"], "{name}");
    }
}

#[test]
fn a_person_without_the_user_is_skipped_and_a_page_of_such_people_refused() {
    let breakages: [Damage; 4] = [
        |entry| entry["_embedded"] = Value::Null,
        |entry| entry["_embedded"] = json!({}),
        |entry| entry["_embedded"] = json!({"user": null}),
        |entry| {
            entry.as_object_mut().expect("an object").remove("_embedded");
        },
    ];
    for damage in breakages {
        let mut broken = assigned("00u2");
        damage(&mut broken);
        let people = page_of(&[assigned("00u1"), broken.clone()]).expect("a page");
        assert_eq!((people.users.len(), people.skipped.len()), (1, 1));
        assert_eq!(people.skipped[0].id.as_str(), "00u2");
        assert!(people.skipped[0].why.contains("_embedded.user"), "{:?}", people.skipped);
        let error = page_of(&[broken.clone(), broken]).expect_err("nothing can be planned");
        assert!(error.contains("_embedded.user"), "{error}");
    }
}

#[test]
fn a_broken_person_without_an_id_fails_the_page() {
    for id in [Value::Null, json!(7), json!("a/b"), json!("")] {
        let mut broken = assigned("00u2");
        broken["id"] = id.clone();
        let error = page_of(&[assigned("00u1"), broken]).expect_err("nobody can be named");
        assert!(error.contains("without an id"), "{id}: {error}");
    }
}

#[test]
fn what_is_not_a_page_is_refused_without_repeating_its_content() {
    for body in [
        "",
        "null",
        "{}",
        "7",
        "\"secret\"",
        "[",
        "[{",
        "[null]",
        "[7]",
        "[[]]",
        "<html>secret</html>",
        "[]]",
        "[] x",
        "[{\"id\":\"00u1\",\"_embedded\":{\"user\":{\"id\":\"00u1\",\"status\":\"secret",
    ] {
        let error = app_users_page(body.as_bytes(), &keep()).expect_err(body).to_string();
        assert!(!error.contains("secret"), "{error}");
    }
    let mut body = serde_json::to_vec(&[assigned("00u1")]).expect("JSON");
    let at = body.windows(3).position(|part| part == b"Ana").expect("a name");
    body[at] = 0xff;
    assert!(app_users_page(&body, &keep()).is_err());
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    assert!(app_users_page(deep.as_bytes(), &keep()).is_err());
}

#[test]
fn unusual_but_honest_people_are_read() {
    let mut entry = assigned("00u1");
    entry["_embedded"]["user"]["status"] = json!("A_NEW_ONE");
    entry["_embedded"]["user"]["created"] = json!("long ago");
    entry["_embedded"]["user"]["realmId"] = json!({"new": [1, 2, {"x": null}]});
    entry["_embedded"]["policy"] = json!({"user": {"id": "decoy"}});
    entry["status"] = Value::Null;
    let people = page_of(&[entry]).expect("a page");
    assert_eq!(people.users[0].user.status, OktaStatus::Other("A_NEW_ONE".into()));
    assert_eq!(people.users[0].user.created, None);
    assert_eq!(people.users[0].assignment_status, "");
    assert!(people.skipped.is_empty());
}

#[test]
fn users_of_the_org_are_read_without_an_assignment() {
    let body = r#"[{"id":"00u1","status":"STAGED","profile":{"email":"a@acme.example"}},{"id":"00u2","status":"ACTIVE"}]"#;
    let people = users_page(body.as_bytes(), &keep()).expect("a page");
    assert_eq!(ids(&people), ["00u1"]);
    assert_eq!(people.skipped.len(), 1);
}

/// JSON of any shape, with the names that the reader looks for in unexpected places.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!("00u1")),
        Just(json!("ACTIVE")),
    ];
    let name = prop_oneof![
        Just("id".to_owned()),
        Just("status".to_owned()),
        Just("profile".to_owned()),
        Just("_embedded".to_owned()),
        Just("user".to_owned()),
        Just("created".to_owned()),
        Just("login".to_owned()),
        any::<String>(),
    ];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..7)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = app_users_page(&bytes, &keep());
        let _ = users_page(&bytes, &keep());
        let _ = user(&bytes, &keep());
    }

    #[test]
    fn no_json_makes_the_reader_panic_and_nobody_is_lost(entries in prop::collection::vec(any_json(), 0..4)) {
        if let Ok(people) = page_of(&entries) {
            prop_assert_eq!(people.users.len() + people.skipped.len(), entries.len());
        }
    }

    #[test]
    fn a_page_cut_anywhere_is_refused(at in any::<prop::sample::Index>()) {
        let body = serde_json::to_vec(&[assigned("00u1"), assigned("00u2")]).expect("JSON");
        let cut = &body[..at.index(body.len())];
        prop_assert!(app_users_page(cut, &keep()).is_err());
    }

    #[test]
    fn both_ways_of_reading_agree(entries in prop::collection::vec(any_json(), 0..3)) {
        let mut all = vec![assigned("00u1")];
        all.extend(entries);
        let body = serde_json::to_string(&all).expect("JSON");
        let fast = page_of(&all).map_err(|_| ());
        let keep = keep();
        let slow = one_by_one(&body, &EntrySeed { keep: &keep, of_app: true }).map_err(|_| ());
        prop_assert_eq!(fast, slow);
    }
}
