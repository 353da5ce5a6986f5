//! What each call asks and what its answers mean.

use jiff::Timestamp;
use muster_okta::{ErrorKind, OktaAddress, PageLink, TransportError, Verdict};

use crate::script::{Scene, TOKEN, ana, answer, keep, page, refusal, reply, user};

const NEXT: &str =
    "<https://acme.okta.com/api/v1/apps/0oa1/users?expand=user&limit=500&after=00u1>; rel=\"next\"";

#[tokio::test]
async fn a_listing_is_followed_to_its_end() {
    let own = "<https://acme.okta.com/api/v1/apps/0oa1/users?expand=user>; rel=\"self\"";
    let scene = Scene::new([page(&[own, NEXT]), page(&[own])]);
    let first = scene.client.app_users_page("0oa1", &keep(), None).await.expect("served");
    let link = first.next.expect("a next page");
    let stored = PageLink::parse(link.as_str()).expect("a stored link reads back");
    let last = scene.client.app_users_page("0oa1", &keep(), Some(&stored)).await.expect("served");
    assert_eq!(last.next, None);
    assert_eq!(last.users[0].raw, r#"{"login":"ana@acme.example","title":"Lead"}"#);
    assert_eq!(
        scene.paths(),
        [
            "/api/v1/apps/0oa1/users?expand=user&limit=500",
            "/api/v1/apps/0oa1/users?expand=user&limit=500&after=00u1"
        ]
    );
    for (_, request) in scene.asked() {
        assert_eq!(request.header("authorization"), Some(format!("SSWS {TOKEN}").as_str()));
        assert_eq!(
            request.header("user-agent"),
            Some(concat!("Muster/", env!("CARGO_PKG_VERSION")))
        );
        assert_eq!(request.header("accept"), Some("application/json"));
    }
}

#[tokio::test]
async fn a_link_to_another_host_is_refused_and_the_token_stays_here() {
    let foreign = "<https://evil.example/api/v1/apps/0oa1/users?after=1>; rel=\"next\"";
    // The address itself, asked what else it is called, names another host still, or says nothing.
    for organization in [
        answer(200, r#"{"id":"00o1","_links":{"organization":{"href":"https://acme.okta.com"}}}"#),
        answer(404, "<html>"),
        refusal(403, "E0000006"),
    ] {
        let scene = Scene::new([page(&[foreign]), organization]);
        let error = scene.client.app_users_page("0oa1", &keep(), None).await.expect_err("refused");
        assert_eq!((error.kind(), error.verdict()), (ErrorKind::Refused, Verdict::GiveUp));
        assert!(error.to_string().contains("evil.example"), "{error}");
        for (_, request) in &scene.asked()[1..] {
            assert_eq!(request.path_and_query, "/.well-known/okta-organization");
            assert_eq!(request.header("authorization"), None);
        }
    }
}

#[tokio::test]
async fn another_name_that_the_org_gives_itself_is_followed_where_we_are() {
    let other_name = "<https://login.acme.com/api/v1/apps/0oa1/users?after=1>; rel=\"next\"";
    let organization = answer(
        200,
        r#"{"id":"00o1","pipeline":"idx","_links":{"organization":{"href":"https://acme.okta.com"},"alternate":{"href":"https://login.acme.com"}}}"#,
    );
    let scene = Scene::new([page(&[other_name]), organization, page(&[other_name])]);
    for _ in 0..2 {
        let read = scene.client.app_users_page("0oa1", &keep(), None).await.expect("served");
        assert_eq!(
            read.next.map(|link| link.to_string()),
            Some("/api/v1/apps/0oa1/users?after=1".to_owned())
        );
    }
    // It was asked once.
    assert_eq!(scene.paths().iter().filter(|path| path.starts_with("/.well-known")).count(), 1);
}

#[tokio::test]
async fn an_org_that_cannot_be_asked_just_now_is_no_reason_to_give_up() {
    let foreign = "<https://login.acme.com/api/v1/apps/0oa1/users?after=1>; rel=\"next\"";
    let scene = Scene::new([page(&[foreign]), refusal(503, "E0000010")]);
    let error = scene.client.app_users_page("0oa1", &keep(), None).await.expect_err("not now");
    assert_eq!((error.kind(), error.verdict()), (ErrorKind::Unavailable, Verdict::BackOff));
}

#[tokio::test]
async fn a_link_into_another_listing_is_not_followed() {
    let scene = Scene::new([page(&["<https://acme.okta.com/api/v1/users?after=1>; rel=\"next\""])]);
    let error = scene.client.app_users_page("0oa1", &keep(), None).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Unreadable);

    let scene = Scene::new([page(&[])]);
    let stored = PageLink::parse("/api/v1/apps/0oa2/users?after=1").expect("a link");
    let error =
        scene.client.app_users_page("0oa1", &keep(), Some(&stored)).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::BadCursor);
    assert_eq!(scene.client.calls(), 0);
}

#[tokio::test]
async fn a_refused_cursor_is_told_apart_from_a_wrong_call() {
    let link = PageLink::parse("/api/v1/apps/0oa1/users?after=old").expect("a link");
    for code in ["E0000029", "E0000030", "E0000031"] {
        let scene = Scene::new([refusal(400, code)]);
        let error =
            scene.client.app_users_page("0oa1", &keep(), Some(&link)).await.expect_err("old");
        assert_eq!(
            (error.kind(), error.verdict()),
            (ErrorKind::BadCursor, Verdict::BackOff),
            "{code}"
        );
        let error = scene.client.app_users_page("0oa1", &keep(), None).await.expect_err("wrong");
        assert_eq!(
            (error.kind(), error.verdict()),
            (ErrorKind::BadRequest, Verdict::GiveUp),
            "{code}"
        );
    }
}

#[tokio::test]
async fn refusals_have_their_kind_and_are_not_tried_again() {
    for (status, code, kind) in [
        (401, "E0000011", ErrorKind::Credentials),
        (401, "E0000004", ErrorKind::Credentials),
        (401, "invalid_client", ErrorKind::Credentials),
        (401, "E0000015", ErrorKind::Rights),
        (403, "E0000005", ErrorKind::Rights),
        (403, "E0000006", ErrorKind::Rights),
        (404, "E0000007", ErrorKind::NotFound),
        (404, "E0000008", ErrorKind::BadRequest),
        (400, "E0000001", ErrorKind::BadRequest),
        (405, "E0000022", ErrorKind::BadRequest),
        (501, "E0000060", ErrorKind::BadRequest),
    ] {
        let scene = Scene::new([refusal(status, code)]);
        let error = scene.client.app("0oa1").await.expect_err(code);
        assert_eq!((error.kind(), error.verdict()), (kind, Verdict::GiveUp), "{status} {code}");
        assert_eq!((error.status(), error.code()), (Some(status), Some(code)));
        assert_eq!(error.request_id(), Some("req-1"));
        assert_eq!(scene.client.calls(), 1, "{status} {code}");
        let text = error.to_string();
        assert!(text.starts_with("reading the app: ") && text.contains(code), "{text}");
    }
    // A bare 401 and 403 are believed.
    for (status, kind) in [(401, ErrorKind::Credentials), (403, ErrorKind::Rights)] {
        let scene = Scene::new([answer(status, "")]);
        assert_eq!(scene.client.app("0oa1").await.expect_err("bare").kind(), kind);
    }
    let scene = Scene::new([refusal(409, "E0000112")]);
    let error = scene.client.app("0oa1").await.expect_err("later");
    assert_eq!((error.verdict(), scene.client.calls()), (Verdict::BackOff, 1));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let scene = Scene::new([Ok(reply(status, &[("location", "https://evil.example/")], ""))]);
        let error = scene.client.app("0oa1").await.expect_err("not followed");
        assert_eq!(
            (error.kind(), error.verdict()),
            (ErrorKind::Refused, Verdict::GiveUp),
            "{status}"
        );
        assert_eq!(scene.client.calls(), 1);
    }
}

#[tokio::test]
async fn a_refused_address_is_not_tried_again() {
    let scene = Scene::new([Err(TransportError::Refused { why: "private".into() })]);
    let error = scene.client.app("0oa1").await.expect_err("refused");
    assert_eq!(
        (error.kind(), error.verdict(), scene.client.calls()),
        (ErrorKind::Refused, Verdict::GiveUp, 1)
    );
}

#[tokio::test]
async fn nobody_is_gone_unless_okta_itself_says_so() {
    let scene = Scene::new([answer(200, &user("00u1ana"))]);
    let read = scene.client.user(&ana(), &keep()).await.expect("served").expect("there");
    assert_eq!((read.user.id, read.assignment_status), (ana(), String::new()));
    assert_eq!(scene.paths(), ["/api/v1/users/00u1ana"]);

    let scene = Scene::new([refusal(404, "E0000007")]);
    assert_eq!(scene.client.user(&ana(), &keep()).await.expect("served"), None);
    assert_eq!(scene.client.app_user("0oa1", &ana()).await.expect("served"), None);
    for other in
        [refusal(404, "E0000008"), answer(404, "{}"), answer(404, "<html>"), answer(410, "")]
    {
        let scene = Scene::new([other]);
        assert!(scene.client.user(&ana(), &keep()).await.is_err());
        assert!(scene.client.app_user("0oa1", &ana()).await.is_err());
    }
}

#[tokio::test]
async fn a_missing_app_does_not_say_that_a_person_is_not_assigned() {
    let gone = |what: &str| {
        answer(
            404,
            &format!(
                r#"{{"errorCode":"E0000007","errorSummary":"Not found: Resource not found: {what}"}}"#
            ),
        )
    };
    let scene = Scene::new([gone("0oa1 (AppInstance)")]);
    let error = scene.client.app_user("0oa1", &ana()).await.expect_err("the app is gone");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let scene = Scene::new([gone("00u1ana (AppUser)")]);
    assert_eq!(scene.client.app_user("0oa1", &ana()).await.expect("served"), None);
    let scene =
        Scene::new([answer(200, r#"{"id":"00u1ana","scope":"GROUP","status":"DEPROVISIONED"}"#)]);
    let assigned = scene.client.app_user("0oa1", &ana()).await.expect("served").expect("assigned");
    assert_eq!(
        (assigned.scope.as_deref(), assigned.status.as_deref()),
        (Some("GROUP"), Some("DEPROVISIONED"))
    );
}

#[tokio::test]
async fn the_log_is_asked_about_one_person_and_its_answer_is_checked() {
    let event = |kind: &str, target: &str, result: &str| {
        answer(
            200,
            &format!(
                r#"[{{"eventType":"{kind}","target":[{{"id":"0oa1","type":"AppInstance"}},{{"id":"{target}","type":"User"}}],"outcome":{{"result":"{result}"}}}}]"#
            ),
        )
    };
    let since: Timestamp = "2026-02-05T06:00:00Z".parse().expect("a time");
    for (reply, expected) in [
        (event("user.lifecycle.delete.initiated", "00u1ana", "SUCCESS"), true),
        (event("user.lifecycle.delete.completed", "00u1ana", "SUCCESS"), true),
        (event("user.lifecycle.delete.initiated", "00u1ana", "FAILURE"), false),
        (event("user.lifecycle.delete.initiated", "00u2bo", "SUCCESS"), false),
        // Whoever was brought back since has one in the log, too.
        (event("user.lifecycle.deactivate", "00u1ana", "SUCCESS"), false),
        (event("user.lifecycle.suspend", "00u1ana", "SUCCESS"), false),
        (answer(200, "[]"), false),
    ] {
        let scene = Scene::new([reply]);
        assert_eq!(scene.client.logged_deletion(&ana(), since).await.expect("served"), expected);
        let path = &scene.paths()[0];
        assert!(
            path.starts_with(
                "/api/v1/logs?since=2026-02-05T06%3A00%3A00.000Z&until=2026-05-05T06%3A00%3A00.000Z"
            ),
            "{path}"
        );
        assert!(
            path.contains("filter=target.id%20eq%20%2200u1ana%22%20and%20%28eventType%20eq%20"),
            "{path}"
        );
    }
    let scene = Scene::new([refusal(403, "E0000006")]);
    let error = scene.client.logged_deletion(&ana(), since).await.expect_err("no right to the log");
    assert_eq!(error.kind(), ErrorKind::Rights);
}

#[tokio::test]
async fn the_log_is_read_on_while_its_pages_have_events() {
    let noise =
        r#"[{"eventType":"user.lifecycle.deactivate","target":[{"id":"00u2bo","type":"User"}]}]"#;
    let next = |after| format!("<https://acme.okta.com/api/v1/logs?after={after}>; rel=\"next\"");
    let page = |after, body: &str| Ok(reply(200, &[("link", &next(after))], body));
    let scene = Scene::new([page(1, noise), page(2, noise), page(3, "[]")]);
    assert!(!scene.client.logged_deletion(&ana(), Timestamp::UNIX_EPOCH).await.expect("served"));
    assert_eq!(scene.paths()[1..], ["/api/v1/logs?after=1", "/api/v1/logs?after=2"]);
}

#[tokio::test]
async fn a_token_that_cannot_be_one_is_never_sent() {
    for token in ["", "  ", "a b", "a\r\nx-evil: 1"] {
        let scene =
            Scene::with([answer(200, "{}")], |config| config.token = token.to_owned().into());
        let error = scene.client.me().await.expect_err("no token");
        assert_eq!((error.kind(), scene.client.calls()), (ErrorKind::Credentials, 0), "{token:?}");
    }
}

#[tokio::test]
async fn an_id_that_was_typed_stays_in_its_place_in_the_path() {
    let scene = Scene::new([refusal(404, "E0000007")]);
    for (id, path) in [
        (" 0oa1 ", "/api/v1/apps/0oa1"),
        ("../users/me", "/api/v1/apps/..%2Fusers%2Fme"),
        ("..", "/api/v1/apps/%2E%2E"),
        ("0oa1?expand=x#y", "/api/v1/apps/0oa1%3Fexpand%3Dx%23y"),
    ] {
        scene.client.app(id).await.expect_err("not found");
        assert_eq!(scene.paths().last().map(String::as_str), Some(path));
    }
    for id in ["", "  ", &"x".repeat(201)] {
        assert_eq!(scene.client.app(id).await.expect_err("no id").kind(), ErrorKind::BadRequest);
    }
}

#[tokio::test]
async fn the_size_of_a_page_is_held_within_oktas_bounds() {
    for (wanted, path) in [(2, "limit=2"), (0, "limit=1"), (9999, "limit=500")] {
        let scene = Scene::with([page(&[])], |config| config.page_size = wanted);
        scene.client.app_users_page("0oa1", &keep(), None).await.expect("served");
        assert!(scene.paths()[0].ends_with(path), "{:?}", scene.paths());
    }
}

#[tokio::test]
async fn nothing_that_can_be_printed_shows_the_token() {
    let scene = Scene::new([refusal(401, "E0000011")]);
    let error = scene.client.me().await.expect_err("refused");
    let requests = scene.asked();
    let shown = format!("{:?} {error:?} {error} {requests:?}", scene.client);
    assert!(!shown.contains(TOKEN), "{shown}");
    assert_eq!(
        *scene.client.address(),
        OktaAddress::parse("acme.okta.com", &muster_okta::ExtraHosts::default(), false)
            .expect("good")
            .address
    );
}

#[tokio::test]
async fn calls_can_move_between_threads() {
    fn movable<T: Send>(call: T) -> T {
        call
    }
    let scene = Scene::new([page(&[])]);
    let (client, keep, ana) = (scene.client.clone(), keep(), ana());
    movable(client.app_users_page("0oa1", &keep, None)).await.expect("served");
    drop(movable(client.user(&ana, &keep)));
    drop(movable(client.app_user("0oa1", &ana)));
    drop(movable(client.logged_deletion(&ana, Timestamp::UNIX_EPOCH)));
    drop(movable(client.groups_page(None)));
}
