//! What carries events from a simulated Okta to a tenant: all of them, some of them, doubled or out of order.

use std::collections::BTreeSet;
use std::time::Duration;

use muster_core::event::{Interest, parse};
use muster_core::id::PersonId;
use muster_oktasim::Request;
use muster_server::sync::Turn;
use muster_store::events::{Arrival, Arrived};
use muster_store::inbox::TakenIn;
use muster_store::jobs::kind;
use serde_json::{Value, json};

use crate::support::{Ground, Stand};

/// Reads the System Log of a simulated Okta and brings its events as a hook would.
pub(super) struct Wire<'a> {
    ground: &'a Ground,
    taken: BTreeSet<String>,
}

/// The eight events that the setup page asks for.
pub(super) const EIGHT: [&str; 8] = [
    "application.user_membership.add",
    "application.user_membership.remove",
    "group.user_membership.add",
    "group.user_membership.remove",
    "user.account.update_profile",
    "user.lifecycle.deactivate",
    "user.lifecycle.reactivate",
    "user.lifecycle.delete.initiated",
];

impl<'a> Wire<'a> {
    /// From now on: what the log holds already is passed over.
    pub(super) fn from_now(ground: &'a Ground, stand: &Stand) -> Self {
        let mut wire = Self { ground, taken: BTreeSet::new() };
        wire.take(stand);
        wire
    }

    /// The events that came into the log since the last time.
    pub(super) fn take(&mut self, stand: &Stand) -> Vec<Value> {
        let since = stand.now() - jiff::SignedDuration::from_hours(24 * 30);
        let path = format!("/api/v1/logs?since={since:.0}&limit=1000&sortOrder=ASCENDING");
        let mut request = Request::new(http::Method::GET, path);
        request.headers =
            vec![("authorization".to_owned(), format!("SSWS {}", stand.okta.api_token()))];
        let reply = stand.okta.handle(&request, stand.now());
        assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
        let events: Vec<Value> = serde_json::from_slice(&reply.body).expect("a list");
        assert!(events.len() < 1_000, "more than one page");
        events.into_iter().filter(|event| self.taken.insert(uuid(event))).collect()
    }

    /// Brings events in one call of the hook.
    pub(super) async fn deliver(&self, stand: &mut Stand, events: &[Value]) {
        let body = json!({
            "eventType": "com.okta.event_hook", "eventId": format!("delivery-{}", events.len()),
            "data": {"events": events},
        });
        let body = serde_json::to_vec(&body).expect("JSON");
        let delivery = parse(&body).expect("a delivery");
        assert_eq!(delivery.events.len(), events.len());
        let interest = Interest {
            app_id: Some(stand.okta.app_id()),
            app_groups: stand.tenant.app_groups().await.expect("groups").map(|groups| groups.ids),
        };
        let now = stand.now();
        let arrival = Arrival {
            tenant: stand.tenant.id(),
            version: self.version(stand).await,
            delivery_id: delivery.id.to_string(),
            at: now,
            rest: false,
            events: delivery.events.iter().map(|event| Arrived::of(event, &interest)).collect(),
        };
        let db = &self.ground.db;
        let taken = db.take_in(&[arrival], &mut stand.ids, now).await;
        assert!(matches!(taken, Ok(TakenIn::Lasting)), "{taken:?}");
        while db.sort_inbox(&mut stand.ids, now).await.expect("sorted").is_some() {}
    }

    async fn version(&self, stand: &Stand) -> i64 {
        let tenants = self.ground.db.tenants().await.expect("tenants");
        let own = tenants.into_iter().find(|tenant| tenant.id == stand.tenant.id());
        let slug = own.expect("a tenant").slug;
        let door = self.ground.db.door(&slug, stand.now()).await.expect("a query");
        door.expect("a door").version
    }

    /// Brings all new events of these types.
    pub(super) async fn deliver_new(&mut self, stand: &mut Stand, types: &[&str]) -> usize {
        let events: Vec<Value> = self
            .take(stand)
            .into_iter()
            .filter(|event| {
                types.is_empty() || types.iter().any(|name| event["eventType"] == *name)
            })
            .collect();
        self.deliver(stand, &events).await;
        events.len()
    }
}

pub(super) fn uuid(event: &Value) -> String {
    event["uuid"].as_str().expect("a uuid").to_owned()
}

/// Works in all lanes until nothing is due any more; gives how many turns of the person lane it took.
pub(super) async fn work(stand: &Stand) -> usize {
    let mut turns = 0;
    for _ in 0..200 {
        let people = stand.engine.person_turn(&stand.tenant).await.expect("a turn");
        let all = stand.engine.bulk_turn(&stand.tenant).await.expect("a turn");
        let short = short_turn(stand).await;
        turns += usize::from(matches!(people, Turn::Done { .. }));
        if people == Turn::Idle && all == Turn::Idle && !short {
            return turns;
        }
    }
    panic!("it does not come to rest");
}

async fn short_turn(stand: &Stand) -> bool {
    let now = stand.now();
    let later = now + Duration::from_mins(1);
    let kinds = [kind::GROUP, kind::APP, kind::LOG_POLL];
    let claim = stand.tenant.claim_misc(&kinds, "test", later, now).await.expect("a claim");
    let Some(claim) = claim else { return false };
    let engine = &stand.engine;
    match claim.job.kind.as_str() {
        kind::GROUP => engine.look_at_group(&stand.tenant, &claim).await.expect("a group"),
        kind::APP => engine.look_at_app(&stand.tenant, &claim).await.expect("the app"),
        _ => drop(engine.poll_log(&stand.tenant, &claim).await.expect("the log")),
    }
    let done = muster_store::jobs::misc::Ending::Done;
    stand.tenant.end_misc(&claim, &done).await.expect("ended");
    true
}

/// Works, and lets so much time pass in steps of a second that whoever is looked at once more is.
pub(super) async fn work_for(stand: &Stand, seconds: u64) {
    for _ in 0..seconds {
        work(stand).await;
        stand.clock.advance(Duration::from_secs(1));
    }
    work(stand).await;
}

/// Cause and event of the newest entry about a person.
pub(super) async fn newest(stand: &Stand, person: PersonId) -> (String, String, Option<String>) {
    let entries = stand.tenant.timeline(person, None, 1).await.expect("a timeline");
    let entry = entries.into_iter().next().expect("an entry");
    (entry.kind, entry.cause, entry.event_id)
}
