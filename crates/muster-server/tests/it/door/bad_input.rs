//! Whoever comes with the wrong thing gets the right status, and changes nothing.

use std::time::Duration;

use muster_core::run::{RunCause, RunKind};
use muster_store::TenantDb;
use muster_store::jobs::kind;

use crate::support::{
    Client, Ground, HOOK, SECRET, Served, deliver, delivery, on_both_engines, one,
};

on_both_engines! {
    calls_get_the_right_status,
    an_unreadable_body_is_kept_aside_and_makes_a_full_run_due,
    a_body_too_large_is_kept_aside_and_makes_a_full_run_due,
    a_body_with_many_events_is_taken_whole,
    wrong_secrets_are_noted_and_slowed_down,
    health_is_told_on_any_host,
    slow_and_odd_clients_harm_nobody,
}

/// What a tenant holds that a call might have changed.
async fn standing(tenant: &TenantDb) -> (i64, i64, i64, usize, usize) {
    let state = tenant.hook_state().await.expect("a state");
    let waiting = tenant.jobs_waiting(kind::PERSON).await.expect("a count");
    let misc = tenant.misc_jobs(9).await.expect("jobs").len();
    let runs = tenant.runs(9).await.expect("runs").len();
    (state.deliveries, state.events, waiting, misc, runs)
}

/// Method, path, headers, and the status that answers them.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], u16);

async fn calls_get_the_right_status(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    let off = served.tenant("off").await;
    served.switch(&off, false).await;
    let fresh = served.tenant("fresh").await;
    ground.tables().execute("DELETE FROM secrets").await;
    served.rotate(&acme, SECRET, None).await;
    served.rotate(&off, SECRET, None).await;
    let before = standing(&acme).await;
    let body = one("d1", "00u1");
    let (host, auth) = (("host", "acme.learn.example"), ("authorization", SECRET));
    let challenge = ("X-Okta-Verification-Challenge", "a \"b\"");
    #[rustfmt::skip]
    let cases: &[Case<'_>] = &[
        ("POST",   HOOK,            &[host],                                                   401),
        ("POST",   HOOK,            &[host, ("authorization", "")],                            401),
        ("POST",   HOOK,            &[host, ("authorization", "S3cret-of-the-hook")],          401),
        ("POST",   HOOK,            &[host, ("authorization", "Bearer s3cret-of-the-hook")],   401),
        ("POST",   HOOK,            &[host, auth, auth],                                       401),
        ("POST",   HOOK,            &[("host", "fresh.learn.example"), auth],                  401),
        ("POST",   HOOK,            &[("host", "fresh.learn.example"), ("authorization", "")], 401),
        ("POST",   HOOK,            &[("host", "off.learn.example"), auth],                    404),
        ("POST",   HOOK,            &[("host", "off.learn.example")],                          404),
        ("POST",   HOOK,            &[("host", "nobody.learn.example"), auth],                 404),
        ("POST",   HOOK,            &[("host", "learn.example"), auth],                        404),
        ("POST",   HOOK,            &[("host", "www.learn.example"), auth],                    404),
        ("POST",   HOOK,            &[("host", "acme.other.example"), auth],                   404),
        ("POST",   HOOK,            &[("host", "a.acme.learn.example"), auth],                 404),
        ("POST",   "/webhooks/other", &[host, auth],                                           404),
        ("POST",   "/webhooks/okta/", &[host, auth],                                           404),
        ("GET",    "/",             &[host],                                                   303),
        ("GET",    "/",             &[("host", "nobody.learn.example")],                       404),
        ("GET",    "/metrics",      &[host],                                                   404),
        ("PUT",    HOOK,            &[host, auth],                                             405),
        ("DELETE", HOOK,            &[host, auth],                                             405),
        ("HEAD",   HOOK,            &[host, auth],                                             405),
        ("PUT",    HOOK,            &[("host", "nobody.learn.example"), auth],                 404),
        ("GET",    HOOK,            &[host, auth],                                             400),
        ("GET",    HOOK,            &[host, challenge],                                        200),
        ("GET",    HOOK,            &[host, challenge, auth],                                  200),
        ("GET",    HOOK,            &[host, challenge, ("authorization", "wrong")],            401),
        ("GET",    HOOK,            &[("host", "nobody.learn.example"), challenge],            404),
        ("GET",    HOOK,            &[("host", "off.learn.example"), challenge],               404),
    ];
    for (method, path, headers, status) in cases {
        let sent: &[u8] = if matches!(*method, "POST" | "PUT") { &body } else { b"" };
        let answer = served.client().await.call(method, path, headers, sent).await;
        // A HEAD has no body, whatever its length says.
        assert_eq!(answer.status, *status, "{method} {path} {headers:?}: {answer:?}");
        if *status == 405 {
            assert_eq!(answer.header("allow"), Some("GET, POST"));
        }
        if *status == 200 {
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.body, r#"{"verification":"a \"b\""}"#);
        }
        for text in ["acme", "s3cret", "00u1"] {
            assert!(!answer.body.contains(text), "{answer:?}");
        }
    }
    for tenant in [&acme, &off, &fresh] {
        assert_eq!(standing(tenant).await, before, "nothing changed");
    }
    assert!(tenant_is_open(&served).await);
}

async fn tenant_is_open(served: &Served) -> bool {
    served.deliver("acme", SECRET, &one("d9", "00u9")).await.status == 204
}

async fn an_unreadable_body_is_kept_aside_and_makes_a_full_run_due(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    let deep = format!("{{\"data\":{}", "[".repeat(200_000));
    let typed = br#"{"data":{"events":[{"eventType":"user.lifecycle.create","target":[{"type":"User"}]},7]}}"#;
    let bodies: [&[u8]; 7] = [
        b"",
        b"not json",
        b"\xff\xfe\x00",
        b"{}",
        b"{\"data\":{\"events\":{}}}",
        deep.as_bytes(),
        typed,
    ];
    for (n, body) in bodies.iter().enumerate() {
        let answer = served.deliver("acme", SECRET, body).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
        let asides = acme.asides().await.expect("asides");
        assert_eq!(asides.len(), n + 1);
        assert!(asides.iter().any(|aside| aside.body == body[..body.len().min(65_536)]));
    }
    let runs = acme.runs(9).await.expect("runs");
    assert_eq!(runs.len(), 1, "one full run for all");
    assert_eq!((runs[0].kind, runs[0].cause), (RunKind::Full, RunCause::Event));
    assert_eq!(acme.jobs_waiting(kind::PERSON).await.expect("a count"), 0);
}

async fn a_body_too_large_is_kept_aside_and_makes_a_full_run_due(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    let mut body = b"{\"data\":{\"events\":[]}, \"x\": \"".to_vec();
    body.resize(20 * 1024 * 1024, b'x');
    body.extend_from_slice(b"\"}");
    assert_eq!(served.deliver("acme", SECRET, &body).await.status, 204);
    let asides = acme.asides().await.expect("asides");
    assert_eq!((asides.len(), asides[0].body.len()), (1, 65_536));
    assert_eq!(asides[0].size, i64::try_from(body.len()).expect("small"));
    assert!(asides[0].reason.contains("larger"), "{}", asides[0].reason);
    assert_eq!(acme.runs(9).await.expect("runs").len(), 1);
    // Right at the limit it is read.
    body.truncate(8 * 1024 * 1024 - 2);
    body.extend_from_slice(b"\"}");
    assert_eq!(served.deliver("acme", SECRET, &body).await.status, 204);
    assert_eq!(acme.asides().await.expect("asides").len(), 1);
    // Of somebody without the secret nothing is read at all.
    body.resize(20 * 1024 * 1024, b'x');
    let (host, auth) = (("host", "acme.learn.example"), ("authorization", "wrong"));
    let answer = served.client().await.try_call("POST", HOOK, &[host, auth], &body).await;
    assert!(answer.is_none_or(|answer| answer.status == 401));
    assert_eq!(acme.asides().await.expect("asides").len(), 1);
}

async fn a_body_with_many_events_is_taken_whole(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    let body = delivery("d1", (0..10_000).map(|n| format!("00u{n}")));
    assert!(body.len() > 2 * 1024 * 1024, "{}", body.len());
    assert_eq!(served.deliver("acme", SECRET, &body).await.status, 204);
    served.settled().await;
    assert_eq!(acme.jobs_waiting(kind::PERSON).await.expect("a count"), 10_000);
    assert_eq!(acme.events_waiting().await.expect("a count").0, 10_000);
    assert_eq!(acme.asides().await.expect("asides").len(), 0);
}

async fn wrong_secrets_are_noted_and_slowed_down(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    let (mut wrong, mut slowed) = (0, 0);
    for n in 0..100 {
        let answer = served.deliver("acme", &format!("guess {n}"), b"{}").await;
        match answer.status {
            401 => wrong += 1,
            429 => {
                assert_eq!(answer.header("retry-after"), Some("1"));
                slowed += 1;
            }
            other => panic!("{other}"),
        }
        // Whoever knows the secret is never counted.
        if n % 10 == 0 {
            assert_eq!(served.deliver("acme", SECRET, &one("d1", "00u1")).await.status, 204);
        }
    }
    assert!(wrong >= 60 && slowed > 0 && wrong + slowed == 100, "{wrong} {slowed}");
    // The next good call forgets them; until then they are there to see.
    for _ in 0..2 {
        served.deliver("acme", "guess", b"{}").await;
    }
    served.clock.advance(Duration::from_mins(1));
    served.deliver("acme", "guess", b"{}").await;
    let noted = async {
        loop {
            let state = acme.hook_state().await.expect("a state");
            if state.refused > 0 {
                return state;
            }
            tokio::task::yield_now().await;
        }
    };
    let state = tokio::time::timeout(Duration::from_secs(30), noted).await.expect("noted");
    assert!(state.refused_since.is_some());
    assert_eq!(served.deliver("acme", SECRET, &one("d2", "00u1")).await.status, 204);
}

async fn health_is_told_on_any_host(ground: &Ground) {
    let served = Served::standing_still(&ground.db).await;
    let mut client = served.client().await;
    for host in ["acme.learn.example", "10.0.0.1:8080", "whatever"] {
        let answer = client.call("GET", "/healthz", &[("host", host)], b"").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "alive\n"));
        let answer = client.call("GET", "/readyz", &[("host", host)], b"").await;
        assert_eq!((answer.status, answer.body.as_str()), (503, "the work stands still\n"));
    }
    served.pulse.beat(served.now());
    let host = [("host", "x")];
    assert_eq!(client.call("GET", "/readyz", &host, b"").await.status, 200);
    assert_eq!(client.call("POST", "/readyz", &host, b"").await.status, 405);
    let mut operators = Client::to(served.operators).await;
    let answer = operators.call("GET", "/metrics", &host, b"").await;
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains("muster_build{version="), "{}", answer.body);
    assert_eq!(operators.call("POST", HOOK, &host, b"{}").await.status, 404);
    // Connections end with the stop; whoever comes then is not taken.
    served.stop.send_replace(true);
    assert_eq!(
        client.try_call("GET", "/healthz", &host, b"").await.map(|answer| answer.status),
        None
    );
}

async fn slow_and_odd_clients_harm_nobody(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    // Somebody who sends half a head, and somebody who sends half a body.
    let (mut head, mut body) = (served.client().await, served.client().await);
    head.send(b"POST /webhooks/okta HTTP/1.1\r\nhost: acme.lear").await;
    let begun = format!(
        "POST {HOOK} HTTP/1.1\r\nhost: acme.learn.example\r\nauthorization: {SECRET}\r\ncontent-length: 500\r\n\r\n{{\"data\""
    );
    body.send(begun.as_bytes()).await;
    drop(body);
    // Too many lines, and too long ones.
    let mut long = served.client().await;
    let lines = "x: y\r\n".repeat(200);
    long.send(format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{lines}\r\n").as_bytes()).await;
    assert_eq!(long.answer().await.map(|answer| answer.status), Some(431));
    let mut long = served.client().await;
    let line = "y".repeat(200_000);
    long.send(format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {line}\r\n\r\n").as_bytes()).await;
    assert!(long.answer().await.is_none_or(|answer| answer.status == 431));
    let mut nonsense = served.client().await;
    nonsense.send(b"\x16\x03\x01\x02\x00\r\n\r\n").await;
    assert!(nonsense.answer().await.is_none_or(|answer| answer.status == 400));
    // A body in pieces.
    let whole = one("d1", "00u1");
    let mut pieces = served.client().await;
    let head_of = format!(
        "POST {HOOK} HTTP/1.1\r\nhost: acme.learn.example\r\nauthorization: {SECRET}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    pieces.send(head_of.as_bytes()).await;
    for piece in whole.chunks(100) {
        pieces.send(format!("{:x}\r\n", piece.len()).as_bytes()).await;
        pieces.send(piece).await;
        pieces.send(b"\r\n").await;
    }
    pieces.send(b"0\r\n\r\n").await;
    assert_eq!(pieces.answer().await.map(|answer| answer.status), Some(204));
    // One connection, many calls.
    let mut client = served.client().await;
    for n in 0..20 {
        let body = one(&format!("k{n}"), "00u1");
        assert_eq!(deliver(&mut client, "acme", SECRET, &body).await.status, 204);
    }
    served.settled().await;
    assert_eq!(acme.hook_state().await.expect("a state").deliveries, 21);
    assert_eq!(acme.asides().await.expect("asides").len(), 0, "half a body is no body");
    drop(head);
}
