//! Profiles that lack what we know, or hold what we do not: a bad value costs its field, never anybody's access.

use muster_core::person::Status;
use muster_core::problem::ProblemCode::{OktaUnreadable, RecordUnreadable, UnknownStatus};
use muster_core::run::RunState;
use muster_oktasim::Action;
use serde_json::{Value, json};

use super::{company, is_incomplete};
use crate::support::{Ground, on_both_engines, problem};

on_both_engines! {
    a_profile_without_anything_or_with_unknown_shapes_keeps_its_person_in,
    a_status_that_nobody_knows_changes_nothing,
    a_record_that_cannot_be_read_costs_nobody_else_anything,
    many_records_that_cannot_be_read_make_the_list_incomplete,
    a_record_that_does_not_say_whose_it_is_removes_nobody,
}

/// A reply in which these people have no profile any more, and each is listed twice; `None` if they are not in it.
fn spoiled(body: &str, logins: &[&String]) -> Option<String> {
    let mut reply: Value = serde_json::from_str(body).ok()?;
    let mut twice = Vec::new();
    let records = match &mut reply {
        Value::Array(page) => page.iter_mut().collect(),
        one => vec![one],
    };
    for record in records {
        let embedded = record.pointer("/_embedded/user").is_some();
        let user = if embedded { &mut record["_embedded"]["user"] } else { &mut *record };
        if logins.iter().any(|login| user["profile"]["login"] == login.as_str()) {
            user["profile"] = Value::Null;
            twice.push(record.clone());
        }
    }
    let any = !twice.is_empty();
    if let Value::Array(page) = &mut reply {
        page.extend(twice);
    }
    any.then(|| reply.to_string())
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
                + tail.replacen("\"status\":\"ACTIVE\"", "\"status\":\"HIBERNATING\"", 1).as_str()
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

async fn a_record_that_cannot_be_read_costs_nobody_else_anything(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    let (odd, leaver, mover) = (people[30].clone(), people[10].clone(), people[60].clone());
    let (who, before) = (stand.okta_id(&odd), stand.here(&odd).await);
    stand.update(&odd, json!({"title": "Not seen"}));
    stand.update(&mover, json!({"title": "Mover"}));
    stand.act(&Action::Unassign { who: leaver.clone(), app: None });
    let login = odd.clone();
    // By id too: whatever broke it, broke it everywhere.
    stand.line.twist(move |path, body| {
        path.contains("/users").then(|| spoiled(body, &[&login])).flatten()
    });
    for round in 0..2 {
        let run = stand.sync().await;
        assert_eq!(run.state, RunState::Done, "{run:?}");
        let counts = run.counts;
        let gone = u64::from(round == 0);
        assert_eq!(
            (counts.missing, counts.deactivated, counts.skipped),
            (gone, gone, 1),
            "{run:?}"
        );
        assert_eq!(counts.read, people.len() as u64 - 1, "{run:?}");
        let told = problem(&run, RecordUnreadable).expect("told");
        assert_eq!(told.people, 1);
        for part in [who.as_str(), "no profile", "Admin Console", "keep what they have"] {
            assert!(told.hint.contains(part), "{part:?} is not in {}", told.hint);
        }
        let now = stand.here(&odd).await;
        assert_eq!((now.status, &now.title), (before.status, &before.title));
        assert_eq!(stand.here(&mover).await.title.as_deref(), Some("Mover"));
        assert_eq!(stand.here(&leaver).await.status, Status::Deactivated);
    }
    stand.line.straighten();
    let run = stand.sync().await;
    assert_eq!(
        (run.state, run.counts.updated, run.counts.skipped),
        (RunState::Done, 1, 0),
        "{run:?}"
    );
    assert_eq!(stand.here(&odd).await.title.as_deref(), Some("Not seen"));
}

async fn many_records_that_cannot_be_read_make_the_list_incomplete(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    let before = stand.with_access().await.len();
    let mut gone = 0;
    for (odd, whole) in [(10, true), (11, false), (people.len(), false)] {
        let leaver = stand.assigned().pop().expect("somebody");
        stand.act(&Action::Unassign { who: leaver, app: None });
        let logins: Vec<String> = stand.assigned().into_iter().take(odd).collect();
        let (odd, listed) = (logins.len() as u64, stand.assigned().len() as u64);
        stand.line.twist(move |path, body| {
            let logins: Vec<_> = logins.iter().collect();
            path.contains("expand=user").then(|| spoiled(body, &logins)).flatten()
        });
        let run = stand.sync().await;
        let counts = run.counts;
        assert_eq!((counts.read, counts.skipped), (listed, odd), "{run:?}");
        let told = problem(&run, RecordUnreadable).expect("told");
        assert_eq!(told.people, odd);
        let more = format!("and {} more", odd - 3);
        assert!(told.hint.contains(&more), "{}", told.hint);
        if whole {
            assert_eq!((run.state, counts.deactivated), (RunState::Done, 1), "{run:?}");
            gone += 1;
        } else {
            is_incomplete("many odd records", &run, OktaUnreadable);
            let hint = &problem(&run, OktaUnreadable).expect("told").hint;
            let share = format!("{odd} of {listed} people");
            assert!(hint.contains(&share), "{hint}");
        }
        assert_eq!(stand.with_access().await.len(), before - gone);
        stand.line.straighten();
    }
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 2), "{run:?}");
}

async fn a_record_that_does_not_say_whose_it_is_removes_nobody(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    let before = stand.with_access().await;
    let (who, leaver) = (stand.okta_id(&people[30]), people[10].clone());
    stand.act(&Action::Unassign { who: leaver, app: None });
    stand.line.twist(move |path, body| {
        let found = format!("\"id\":\"{who}\"");
        (path.contains("expand=user") && body.contains(&found))
            .then(|| body.replace(&found, "\"id\":null"))
    });
    let run = stand.sync().await;
    is_incomplete("a record without an id", &run, OktaUnreadable);
    assert_eq!(stand.with_access().await, before);
    stand.line.straighten();
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.deactivated), (RunState::Done, 1), "{run:?}");
}
