//! How the client behaves under Okta's rate limit and its passing faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use muster_okta::client::{SharedBudget, Timer};
use muster_okta::{ErrorKind, Exchange, Reply, Request, Transport, TransportError, Verdict};

use crate::script::{Scene, ana, answer, keep, limited, page, refusal, reply, user};

#[tokio::test]
async fn a_429_is_waited_out_by_oktas_own_clock_and_never_called_before_the_reset() {
    // Okta's clock is two hours ahead of ours; its window lasts 37 s more.
    let scene = Scene::new([limited(429, 600, 0, 23, ""), answer(200, &user("00u1ana"))]);
    let read = scene.client.user(&ana(), &keep()).await.expect("served").expect("there");
    assert_eq!(read.user.id, ana());
    assert_eq!(scene.seconds(), [0, 38]);
    assert_eq!(scene.client.calls(), 2);
}

#[tokio::test]
async fn further_tries_name_the_first_as_okta_wants_it() {
    let scene = Scene::new([
        limited(429, 600, 0, 0, ""),
        refusal(503, "E0000010"),
        answer(200, &user("00u1ana")),
    ]);
    scene.client.user(&ana(), &keep()).await.expect("served");
    let tries: Vec<_> = scene
        .asked()
        .iter()
        .map(|(_, request)| {
            let header = |name| request.header(name).map(str::to_owned);
            (header("X-Okta-Retry-For"), header("X-Okta-Retry-Count"))
        })
        .collect();
    let again = |count: &str| (Some("req-1".to_owned()), Some(count.to_owned()));
    assert_eq!(tries, [(None, None), again("1"), again("2")]);
}

#[tokio::test]
async fn a_reset_that_lies_far_ahead_is_not_believed() {
    let day_ahead = Scene::new([limited(429, 600, 0, -86_400, ""), answer(200, &user("00u1ana"))]);
    day_ahead.client.user(&ana(), &keep()).await.expect("served");
    assert_eq!(day_ahead.seconds(), [0, 90]);
}

#[tokio::test]
async fn too_many_calls_at_once_are_a_matter_of_seconds() {
    let at_once = || limited(429, 0, 0, -86_400, "");
    let scene = Scene::new([at_once(), at_once(), at_once(), answer(200, &user("00u1ana"))]);
    scene.client.user(&ana(), &keep()).await.expect("served");
    assert!(scene.waited() < SignedDuration::from_secs(4), "{:?}", scene.seconds());
    assert!(scene.waited() > SignedDuration::from_secs(1), "{:?}", scene.seconds());
}

#[tokio::test]
async fn the_share_is_kept_without_ever_meeting_a_429() {
    // 10 calls a window, of which we take half; each window ends at 08:01:00 by Okta's clock.
    let served = |remaining, at| limited(200, 10, remaining, at, &user("00u1ana"));
    let first = (0..5).map(|index| served(9 - index, 30));
    let scene = Scene::new(first.chain([served(9, 62)]));
    for _ in 0..6 {
        scene.client.user(&ana(), &keep()).await.expect("served");
    }
    assert_eq!(scene.seconds(), [0, 0, 0, 0, 0, 31]);
    assert_eq!(scene.client.limit_share(), Some((6, 10)));
}

#[tokio::test]
async fn what_others_use_of_the_limit_counts_too() {
    // Others made 8 of 10 calls; of what they leave, a half is one call.
    let scene = Scene::new([limited(200, 10, 1, 0, &user("00u1ana"))]);
    for _ in 0..2 {
        scene.client.user(&ana(), &keep()).await.expect("served");
    }
    assert_eq!(scene.seconds(), [0, 61]);
}

#[tokio::test]
async fn a_limit_that_never_ends_is_told_with_the_time_to_come_back() {
    let scene = Scene::new([limited(429, 600, 0, 0, "")]);
    let error = scene.client.user(&ana(), &keep()).await.expect_err("limited");
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert_eq!(error.request_id(), Some("req-1"));
    assert_eq!(scene.client.calls(), 21);
    let until = scene.timer.now() + SignedDuration::from_secs(61);
    assert_eq!(error.verdict(), Verdict::RetryAt(until));
}

#[tokio::test]
async fn calls_side_by_side_share_one_budget() {
    let scene = Scene::new([limited(200, 10, 1, 30, &user("00u1ana"))]);
    let (ana, keep) = (ana(), keep());
    scene.client.user(&ana, &keep).await.expect("served");
    let twin = scene.client.clone();
    let (one, two) = tokio::join!(scene.client.user(&ana, &keep), twin.user(&ana, &keep));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(scene.seconds()[0], 0);
    assert!(scene.seconds()[1..].iter().all(|&seconds| seconds >= 31), "{:?}", scene.seconds());
    assert_eq!(twin.calls(), 3);
}

#[tokio::test]
async fn clients_of_one_org_keep_one_share_together() {
    // 10 calls a window, of which half is ours, whoever of us makes them.
    let served = |remaining, at| limited(200, 10, remaining, at, &user("00u1ana"));
    let scene = Scene::new((0..5).map(|index| served(9 - index, 30)).chain([served(9, 62)]));
    let budget = SharedBudget::new(50);
    for n in 0..6 {
        // One a run, as the service makes them.
        let client = scene.another(&budget);
        client.user(&ana(), &keep()).await.expect("served");
        assert_eq!(client.calls(), 1, "each counts its own calls");
        assert_eq!(scene.seconds().len(), n + 1);
    }
    assert_eq!(scene.seconds(), [0, 0, 0, 0, 0, 31]);
}

#[tokio::test]
async fn work_that_can_wait_leaves_some_of_the_share_to_what_cannot() {
    // 10 calls a window, 5 of them ours: a full run leaves some of these, and somebody who leaves the company need not wait.
    let served = |remaining, at| limited(200, 10, remaining, at, &user("00u1ana"));
    let scene = Scene::new((0..5).map(|index| served(9 - index, 30)).chain([served(9, 62)]));
    let budget = SharedBudget::new(50);
    let (run, leaver) = (scene.another(&budget), scene.another(&budget));
    run.be_patient();
    for client in [&run, &run, &run, &leaver, &leaver, &run] {
        client.user(&ana(), &keep()).await.expect("served");
    }
    assert_eq!(scene.seconds(), [0, 0, 0, 0, 0, 31]);
}

/// Tells its limit once, and then never answers again.
struct Silent(AtomicBool);

impl Exchange for Silent {
    fn exchange(&self, _: Request) -> BoxFuture<'_, Result<Reply, TransportError>> {
        let silent = self.0.swap(true, Ordering::SeqCst);
        Box::pin(async move {
            if silent {
                std::future::pending().await
            } else {
                limited(200, 100, 99, 0, &user("00u1ana"))
            }
        })
    }
}

#[tokio::test]
async fn a_call_that_is_given_up_half_way_gives_its_place_back() {
    let scene = Scene::with([], |config| {
        config.transport = Transport::InProcess(Arc::new(Silent(AtomicBool::new(false))));
    });
    let (ana, keep) = (ana(), keep());
    scene.client.user(&ana, &keep).await.expect("served");
    // 50 calls of each window are ours: were places not given back, those of the second window would have to wait.
    for _ in 0..2 {
        for _ in 0..45 {
            let before = scene.client.calls();
            let mut call = Box::pin(scene.client.user(&ana, &keep));
            let mut context = Context::from_waker(Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_pending());
            drop(call);
            assert_eq!(scene.client.calls(), before + 1);
        }
        let next_window = scene.timer.now() + SignedDuration::from_secs(61);
        scene.timer.wait_until(next_window).await;
    }
}

#[tokio::test]
async fn a_passing_fault_is_tried_again_and_a_lasting_one_is_told() {
    let faults = || {
        [
            refusal(500, "E0000009"),
            answer(502, "<html>bad gateway</html>"),
            refusal(503, "E0000010"),
            answer(504, ""),
            Err(TransportError::Cut),
            Err(TransportError::Timeout),
            Err(TransportError::Connect("refused".into())),
        ]
    };
    for fault in faults() {
        let scene = Scene::new([fault.clone(), answer(200, &user("00u1ana"))]);
        assert!(scene.client.user(&ana(), &keep()).await.is_ok(), "{fault:?}");
        assert_eq!(scene.client.calls(), 2);

        let scene = Scene::new([fault.clone()]);
        let error = scene.client.user(&ana(), &keep()).await.expect_err("it lasts");
        assert_eq!(
            (error.kind(), error.verdict()),
            (ErrorKind::Unavailable, Verdict::BackOff),
            "{fault:?}"
        );
        assert_eq!(scene.client.calls(), 4, "{fault:?}");
        let waited = scene.waited();
        assert!(
            waited > SignedDuration::from_secs(10) && waited < SignedDuration::from_secs(30),
            "{waited:?}"
        );
    }
}

#[tokio::test]
async fn pauses_differ_from_client_to_client() {
    let mut all = Vec::new();
    for seed in 0..5 {
        let scene = Scene::with([refusal(500, "E0000009")], |config| config.seed = seed);
        scene.client.user(&ana(), &keep()).await.expect_err("it lasts");
        all.push(scene.waited());
    }
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 5);
}

#[tokio::test]
async fn a_listing_that_takes_okta_too_long_is_asked_for_in_smaller_pages() {
    for fault in [
        refusal(500, "E0000009"),
        Err(TransportError::Timeout),
        Err(TransportError::TooLarge { limit: 1 }),
    ] {
        let scene = Scene::new([fault.clone(), fault, page(&[])]);
        let read = scene.client.app_users_page("0oa1", &keep(), None).await.expect("served");
        assert_eq!(read.users.len(), 1);
        let expected = [500, 250, 125]
            .map(|limit| format!("/api/v1/apps/0oa1/users?expand=user&limit={limit}"));
        assert_eq!(scene.paths(), expected);
    }
}

#[tokio::test]
async fn what_is_not_written_by_okta_is_tried_once_more() {
    let portal = || answer(200, "<html>sign in to the network</html>");
    let scene = Scene::new([portal(), answer(200, &user("00u1ana"))]);
    assert!(scene.client.user(&ana(), &keep()).await.is_ok());
    for (status, body) in [
        (200, "<html>"),
        (200, ""),
        (200, "null"),
        (200, r#"{"id":"00u1other","status":"ACTIVE","profile":{}}"#),
        (401, "<html>"),
        (403, "<html>blocked</html>"),
        (404, "<html>"),
        (404, ""),
        (418, "short and stout"),
    ] {
        let scene = Scene::new([answer(status, body)]);
        let error = scene.client.user(&ana(), &keep()).await.expect_err("unreadable");
        assert_eq!(
            (error.kind(), error.verdict()),
            (ErrorKind::Unreadable, Verdict::BackOff),
            "{status} {body}"
        );
        assert_eq!(scene.client.calls(), 2, "{status} {body}");
        assert!(!error.to_string().contains("html"), "{error}");
    }
}

#[tokio::test]
async fn a_body_without_end_is_never_taken() {
    let huge = "[".repeat(33 * 1024 * 1024);
    let scene = Scene::new([Ok(reply(200, &[], &huge))]);
    let error = scene.client.user(&ana(), &keep()).await.expect_err("too large");
    assert_eq!(error.kind(), ErrorKind::Unreadable);
    assert_eq!(scene.client.calls(), 1);
}

#[tokio::test]
async fn a_page_says_when_it_was_asked_for_not_when_it_was_first_tried() {
    let scene = Scene::new([limited(429, 600, 0, 0, ""), page(&[])]);
    let start: Timestamp = scene.timer.now();
    let read = scene.client.app_users_page("0oa1", &keep(), None).await.expect("served");
    assert_eq!(read.requested_at, start + SignedDuration::from_secs(61));
}
