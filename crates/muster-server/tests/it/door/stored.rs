//! What is answered 204 is stored, once, with the work that it asks for.

use muster_store::jobs::{Due, MISC, PERSON, kind};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{APP, Ground, SECRET, Served, deliver, on_both_engines, one};

on_both_engines! {
    a_delivery_makes_work_and_wakes_the_loop,
    what_concerns_others_leads_to_nothing,
    many_at_once_are_all_stored,
    a_change_of_what_counts_is_seen_by_the_next_delivery,
}

async fn a_delivery_makes_work_and_wakes_the_loop(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    let body = one("d1", "00u1");
    for _ in 0..3 {
        assert_eq!(served.deliver("acme", SECRET, &body).await.status, 204);
    }
    served.settled().await;
    assert_eq!(served.wakes.recv().await, Some(Due { tenant: acme.id(), lane: PERSON }));
    assert!(served.wakes.try_recv().is_err(), "copies ask for nothing");
    assert_eq!(acme.jobs_waiting(kind::PERSON).await.expect("a count"), 1);
    let state = acme.hook_state().await.expect("a state");
    assert_eq!((state.deliveries, state.events), (3, 3));
    assert_eq!(acme.events_waiting().await.expect("a count"), (1, Some(served.now())));
}

fn event(n: usize, name: &str, targets: &Value) -> Value {
    json!({"uuid": format!("e{n}"), "published": "2026-11-23T09:59:59Z", "eventType": name, "target": targets})
}

async fn what_concerns_others_leads_to_nothing(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    let other = served.tenant("other").await;
    let (user, app) =
        (json!({"type": "User", "id": "00u1"}), json!({"type": "AppInstance", "id": APP}));
    let others = json!({"type": "AppInstance", "id": "0oaOther"});
    let group = json!({"type": "UserGroup", "id": "00g1"});
    let events = [
        event(1, "application.user_membership.add", &json!([user, others])),
        event(2, "user.session.start", &json!([user])),
        event(3, "group.profile.update", &json!([group])),
        event(4, "application.lifecycle.update", &json!([app])),
        event(5, "application.lifecycle.update", &json!([others])),
    ];
    let body =
        serde_json::to_vec(&json!({"eventId": "d1", "data": {"events": events}})).expect("json");
    assert_eq!(served.deliver("acme", SECRET, &body).await.status, 204);
    assert_eq!(served.wakes.recv().await, Some(Due { tenant: acme.id(), lane: MISC }));
    let state = acme.hook_state().await.expect("a state");
    assert_eq!((state.events, state.ignored, state.unknown_types), (5, 3, 1));
    assert_eq!(acme.jobs_waiting(kind::PERSON).await.expect("a count"), 0);
    let misc = acme.misc_jobs(9).await.expect("jobs");
    let misc: Vec<_> = misc.iter().map(|job| (job.kind.as_str(), job.key.as_str())).collect();
    assert_eq!(misc, [("app", "app"), ("group", "00g1")]);
    assert_eq!(other.hook_state().await.expect("a state").deliveries, 0);
}

async fn many_at_once_are_all_stored(ground: &Ground) {
    const CLIENTS: usize = 16;
    const EACH: usize = 60;
    let mut served = Served::standing_still(&ground.db).await;
    let tenants = [served.tenant("t0").await, served.tenant("t1").await, served.tenant("t2").await];
    let mut tasks = JoinSet::new();
    for n in 0..CLIENTS {
        let mut client = served.client().await;
        tasks.spawn(async move {
            for k in 0..EACH {
                let slug = format!("t{}", (n + k) % 3);
                // Each is sent twice by somebody.
                let id = n / 2 * EACH + k;
                let body = one(&format!("d{id}"), &format!("00u{}", id % 100));
                assert_eq!(deliver(&mut client, &slug, SECRET, &body).await.status, 204);
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("all answered");
    }
    served.settled().await;
    let (mut deliveries, mut waiting) = (0, 0);
    for tenant in &tenants {
        deliveries += tenant.hook_state().await.expect("a state").deliveries;
        waiting += tenant.events_waiting().await.expect("a count").0;
        assert_eq!(tenant.jobs_waiting(kind::PERSON).await.expect("a count"), 100);
    }
    assert_eq!(deliveries, i64::try_from(CLIENTS * EACH).expect("small"));
    assert_eq!(
        waiting,
        i64::try_from(CLIENTS * EACH).expect("small"),
        "no two came to the same tenant"
    );
}

async fn a_change_of_what_counts_is_seen_by_the_next_delivery(ground: &Ground) {
    let mut served = Served::standing_still(&ground.db).await;
    let acme = served.tenant("acme").await;
    let mut client = served.client().await;
    assert_eq!(deliver(&mut client, "acme", SECRET, &one("d1", "00u1")).await.status, 204);
    served.switch(&acme, false).await;
    assert_eq!(deliver(&mut client, "acme", SECRET, &one("d2", "00u2")).await.status, 404);
    let mut client = served.client().await;
    served.switch(&acme, true).await;
    assert_eq!(deliver(&mut client, "acme", SECRET, &one("d2", "00u2")).await.status, 204);
    served.settled().await;
    assert_eq!(acme.jobs_waiting(kind::PERSON).await.expect("a count"), 2);
}
