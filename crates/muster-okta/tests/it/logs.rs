//! Polling the System Log.

#![expect(clippy::unnecessary_wraps, reason = "a script mixes replies with calls that get none")]

use muster_okta::{ErrorKind, LogFrom, PageLink, Verdict};

use crate::script::{Scene, refusal, reply};

const TYPES: [&str; 2] = ["user.lifecycle.create", "application.user_membership.add"];
const NEXT: &str = "/api/v1/logs?after=1650&sortOrder=ASCENDING&limit=2";

fn event(uuid: &str) -> String {
    format!(
        r#"{{"uuid":"{uuid}","published":"2026-05-05T08:00:00.123Z","eventType":"user.lifecycle.create","severity":"INFO",
           "actor":{{"id":"00uadmin","type":"User"}},"outcome":{{"result":"FAILURE","reason":"x"}},"debugContext":{{"debugData":{{}}}},
           "target":[{{"id":"0ua1","type":"AppUser"}},{{"id":"0oa1","type":"AppInstance"}},{{"id":"00u1","type":"User"}}]}}"#
    )
}

fn page(events: &[&str], next: Option<&str>) -> crate::script::Answer {
    let events: Vec<String> = events.iter().map(|uuid| event(uuid)).collect();
    let links: Vec<String> =
        next.iter().map(|path| format!("<https://acme.okta.com{path}>; rel=\"next\"")).collect();
    let headers: Vec<(&str, &str)> = links.iter().map(|link| ("link", link.as_str())).collect();
    Ok(reply(200, &headers, &format!("[{}]", events.join(","))))
}

#[tokio::test]
async fn a_poll_goes_on_where_it_stopped_and_never_ends() {
    let scene = Scene::new([page(&["e1", "e2"], Some(NEXT)), page(&[], Some(NEXT))]);
    let since = "2026-05-05T07:00:00Z".parse().expect("a time");
    let first = scene.client.logs_poll(LogFrom::Since(since), &TYPES, 2).await.expect("read");
    assert!(first.more, "the page was full");
    let one = &first.events[0];
    assert_eq!(
        (one.uuid.as_deref(), one.event_type.as_str()),
        (Some("e1"), "user.lifecycle.create")
    );
    assert_eq!(one.targets("User").collect::<Vec<_>>(), ["00u1"]);
    assert_eq!(one.targets("AppInstance").collect::<Vec<_>>(), ["0oa1"]);
    assert!(!one.succeeded());
    assert_eq!(one.published.map(|at| at.as_millisecond() % 1000), Some(123));
    // Stored and read back.
    let stored = PageLink::parse(first.next.as_str()).expect("a link");
    let second = scene.client.logs_poll(LogFrom::After(&stored), &TYPES, 1000).await.expect("read");
    assert_eq!((second.events.len(), second.more, second.next.as_str()), (0, false, NEXT));
    assert_eq!(
        scene.paths(),
        [
            "/api/v1/logs?since=2026-05-05T07%3A00%3A00.000Z&sortOrder=ASCENDING&limit=2&filter=eventType%20eq%20%22user.lifecycle.create%22%20or%20eventType%20eq%20%22application.user_membership.add%22",
            NEXT
        ]
    );
}

#[tokio::test]
async fn a_page_without_a_next_link_is_asked_for_again() {
    let scene = Scene::new([page(&[], None)]);
    let since = "2026-05-05T07:00:00Z".parse().expect("a time");
    let read = scene.client.logs_poll(LogFrom::Since(since), &[], 5000).await.expect("read");
    let again = "/api/v1/logs?since=2026-05-05T07%3A00%3A00.000Z&sortOrder=ASCENDING&limit=1000";
    assert_eq!(read.next.as_str(), again);
}

#[tokio::test]
async fn a_lost_cursor_is_told_apart_from_a_wrong_query() {
    let link = PageLink::parse(NEXT).expect("a link");
    let since = "2026-01-05T07:00:00Z".parse().expect("a time");
    for code in ["E0000029", "E0000030", "E0000031", "E0000053"] {
        let scene = Scene::new([refusal(400, code)]);
        let error =
            scene.client.logs_poll(LogFrom::After(&link), &TYPES, 1000).await.expect_err("lost");
        assert_eq!(
            (error.kind(), error.verdict()),
            (ErrorKind::BadCursor, Verdict::BackOff),
            "{code}"
        );
        let error =
            scene.client.logs_poll(LogFrom::Since(since), &TYPES, 1000).await.expect_err("wrong");
        assert_eq!(
            (error.kind(), error.verdict()),
            (ErrorKind::BadRequest, Verdict::GiveUp),
            "{code}"
        );
    }
    let scene = Scene::new([refusal(403, "E0000006")]);
    let error =
        scene.client.logs_poll(LogFrom::After(&link), &TYPES, 1000).await.expect_err("no right");
    assert_eq!(error.kind(), ErrorKind::Rights);
    let other = PageLink::parse("/api/v1/users?after=1").expect("a link");
    let error =
        scene.client.logs_poll(LogFrom::After(&other), &TYPES, 1000).await.expect_err("another");
    assert_eq!(error.kind(), ErrorKind::BadCursor);
}
