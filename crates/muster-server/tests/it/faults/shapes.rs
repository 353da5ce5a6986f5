//! Profiles that lack what we know, or hold what we do not: a bad value costs its field, never anybody's access.

use muster_core::person::Status;
use muster_core::problem::ProblemCode::UnknownStatus;
use muster_core::run::RunState;
use serde_json::json;

use super::company;
use crate::support::{Ground, on_both_engines, problem};

on_both_engines! {
    a_profile_without_anything_or_with_unknown_shapes_keeps_its_person_in,
    a_status_that_nobody_knows_changes_nothing,
    a_record_that_cannot_be_read_removes_nobody,
}

async fn a_profile_without_anything_or_with_unknown_shapes_keeps_its_person_in(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    let long = "x".repeat(3000);
    let odd = [
        json!({"department": null, "title": null, "city": null, "preferredLanguage": null, "managerId": null}),
        json!({"department": "", "title": " ", "city": "\u{a0}", "managerId": "", "startDate": ""}),
        json!({"department": {"name": "Engineering"}, "title": {"en": "Lead"}, "city": {}}),
        json!({"department": ["Engineering", "Sales"], "title": [], "city": [[]]}),
        json!({"department": 7, "title": 1.5, "city": true, "managerId": 12, "startDate": 20_261_123}),
        json!({"department": long, "title": long, "city": long, "managerId": long, "displayName": long}),
        json!({"department": "\u{0}\u{7}", "title": "a\u{0}b", "firstName": "\u{202e}Ana\u{0}"}),
        json!({"firstName": null, "lastName": null, "displayName": null}),
        json!({"firstName": {"given": "Ana"}, "lastName": ["Ito"]}),
        json!({"email": null}),
        json!({"email": "nobody"}),
        json!({"email": ["a@fernhill.example", "b@fernhill.example"]}),
        json!({"email": {"work": "a@fernhill.example"}}),
        json!({"startDate": "2126-01-01"}),
        json!({"startDate": "yesterday", "picture": "javascript:alert(1)", "preferredLanguage": "!!"}),
        json!({"picture": {"url": "https://photos.fernhill.example/a.jpg"}, "preferredLanguage": ["de"]}),
        json!({"userType": null, "employeeNumber": {"n": 1}, "somethingNew": {"a": [1, {"b": null}]}}),
    ];
    for (profile, who) in odd.iter().zip(&people) {
        stand.update(who, profile.clone());
    }
    for round in 0..2 {
        let run = stand.sync().await;
        assert_eq!(run.state, RunState::Done, "{run:?}");
        assert_eq!((run.counts.missing, run.counts.deactivated), (0, 0), "{run:?}");
        assert!(round == 0 || run.counts.updated == 0, "the second look changes nothing: {run:?}");
        for (profile, who) in odd.iter().zip(&people) {
            let person = stand.here(who).await;
            assert_eq!(person.status, Status::Active, "{profile}");
            assert!(
                !person.first_name.is_empty() && person.email.contains('@'),
                "{profile}: {person:?}"
            );
        }
    }
}

async fn a_status_that_nobody_knows_changes_nothing(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    let before = stand.with_access().await;
    let id = stand.okta_id(&people[30]);
    stand.line.twist(move |path, body| {
        // Everything between the person's id and the next status becomes a status of the year 2031.
        let at = body.find(&format!("\"id\":\"{id}\",\"status\":\"ACTIVE\""))?;
        (path.contains("/users")).then(|| {
            let (head, tail) = body.split_at(at);
            head.to_owned()
                + &tail.replacen("\"status\":\"ACTIVE\"", "\"status\":\"HIBERNATING\"", 1)
        })
    });
    for round in 0..3 {
        let run = stand.sync().await;
        // At first the odd word itself is news; from then on there is only a decision to be made.
        let told = (run.state, run.counts.updated, run.counts.review);
        let expected = if round == 0 { (1, 0) } else { (0, 1) };
        assert_eq!(told, (RunState::Done, expected.0, expected.1), "{run:?}");
        assert_eq!(problem(&run, UnknownStatus).expect("told").people, 1);
        assert_eq!(stand.with_access().await, before);
    }
    stand.line.straighten();
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.review), (RunState::Done, 0), "{run:?}");
    assert!(problem(&run, UnknownStatus).is_none());
}

async fn a_record_that_cannot_be_read_removes_nobody(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    let before = stand.with_access().await;
    let login = people[30].clone();
    stand.line.twist(move |path, body| {
        let login = format!("\"login\":\"{login}\"");
        let at = body.find(&login).filter(|_| path.contains("expand=user"))?;
        // The profile is called otherwise all at once.
        let profile = body[..at].rfind("\"profile\":")?;
        Some(format!("{}\"profil\":{}", &body[..profile], &body[profile + "\"profile\":".len()..]))
    });
    let run = stand.sync().await;
    assert_eq!(run.counts.deactivated, 0, "{run:?}");
    assert_eq!(stand.with_access().await, before);
    stand.line.straighten();
    assert_eq!(stand.sync().await.state, RunState::Done);
}
