//! The secret is changed while Okta delivers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::support::{Ground, HOOK, SECRET, Served, deliver, on_both_engines, one};

const DAY: Duration = Duration::from_hours(24);

on_both_engines! {
    both_secrets_count_for_a_while,
    a_secret_that_ends_now_ends_now,
    a_rotation_under_load_refuses_nobody,
}

async fn both_secrets_count_for_a_while(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    let body = one("d1", "00u1");
    let until = served.now() + DAY;
    assert_eq!(served.deliver("acme", SECRET, &body).await.status, 204);
    served.rotate(&acme, "second", Some(until)).await;
    for secret in ["second", SECRET, "second"] {
        assert_eq!(served.deliver("acme", secret, &body).await.status, 204, "{secret}");
    }
    served.clock.advance(DAY.saturating_sub(Duration::from_secs(1)));
    assert_eq!(served.deliver("acme", SECRET, &body).await.status, 204);
    served.clock.advance(Duration::from_secs(1));
    assert_eq!(served.deliver("acme", SECRET, &body).await.status, 401);
    assert_eq!(served.deliver("acme", "second", &body).await.status, 204);
}

async fn a_secret_that_ends_now_ends_now(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    // The door is known to be open by this secret, …
    let body = one("d1", "00u1");
    assert_eq!(served.deliver("acme", SECRET, &body).await.status, 204);
    served.rotate(&acme, "second", None).await;
    // … and another process just changed that.
    assert_eq!(served.deliver("acme", SECRET, &one("d2", "00u2")).await.status, 401);
    assert_eq!(served.deliver("acme", "second", &body).await.status, 204);
    served.settled().await;
    let state = acme.hook_state().await.expect("a state");
    assert_eq!((state.deliveries, state.events), (2, 2), "nothing of the refused one was stored");
    // An aside, too, is kept only for who is let in now.
    served.rotate(&acme, "third", None).await;
    assert_eq!(served.deliver("acme", "second", b"not json").await.status, 401);
    assert_eq!(acme.asides().await.expect("asides").len(), 0);
    let challenge = ("x-okta-verification-challenge", "x");
    served.rotate(&acme, "fourth", None).await;
    for (secret, status) in [("third", 401), ("fourth", 200)] {
        let headers = [("host", "acme.learn.example"), ("authorization", secret), challenge];
        assert_eq!(served.client().await.call("GET", HOOK, &headers, b"").await.status, status);
    }
}

async fn a_rotation_under_load_refuses_nobody(ground: &Ground) {
    const ROTATIONS: usize = 12;
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    let name = |n: usize| if n == 0 { SECRET.to_owned() } else { format!("secret {n}") };
    // Okta uses what it was last told: the number is raised only after the secret is in force here.
    let known = Arc::new(AtomicUsize::new(0));
    let counts: [Arc<AtomicUsize>; 8] = Default::default();
    let mut tasks = JoinSet::new();
    for (client, count) in counts.iter().cloned().enumerate() {
        let (known, mut connection) = (Arc::clone(&known), served.client().await);
        tasks.spawn(async move {
            let mut sent = 0;
            while known.load(Ordering::SeqCst) < ROTATIONS {
                let secret = name(known.load(Ordering::SeqCst));
                let body = one(&format!("d{client}-{sent}"), "00u1");
                let answer = deliver(&mut connection, "acme", &secret, &body).await;
                assert_eq!(answer.status, 204, "{secret}");
                sent += 1;
                count.fetch_add(1, Ordering::SeqCst);
            }
            sent
        });
    }
    for n in 1..=ROTATIONS {
        let until = served.now() + DAY;
        served.rotate(&acme, &name(n), Some(until)).await;
        known.store(n.min(ROTATIONS - 1), Ordering::SeqCst);
        // Nobody is still under way with the secret before: each delivers twice, which begins at least one with the new one.
        for count in &counts {
            let before = count.load(Ordering::SeqCst);
            while count.load(Ordering::SeqCst) < before + 2 {
                if let Some(done) = tasks.try_join_next() {
                    panic!("one was refused: {done:?}");
                }
                tokio::task::yield_now().await;
            }
        }
    }
    known.store(ROTATIONS, Ordering::SeqCst);
    let mut sent = 0;
    while let Some(done) = tasks.join_next().await {
        sent += done.expect("all answered");
    }
    served.settled().await;
    assert_eq!(acme.hook_state().await.expect("a state").events, sent);
}
