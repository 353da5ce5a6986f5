//! What the tests share: an org with a caller and a clock that moves only when told.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use muster_oktasim::{Action, OrgHandle, Reply, Request, org};
use serde_json::Value;

/// The Monday on which all tests happen.
pub(crate) const TODAY: Date = jiff::civil::date(2026, 11, 23);

/// An org, its caller and the time.
pub(crate) struct Stand {
    pub org: OrgHandle,
    pub now: Timestamp,
    pub token: String,
    pub app: String,
}

impl Stand {
    pub(crate) fn fernhill() -> Self {
        Self::over(org::fernhill(7, TODAY))
    }

    pub(crate) fn scaled(people: u32) -> Self {
        Self::over(org::scaled(people, 7, TODAY))
    }

    fn over(org: muster_oktasim::Org) -> Self {
        let (token, app) = (org.api_token(), org.app_id());
        let now = "2026-11-23T10:00:00Z".parse().unwrap();
        Self { org: OrgHandle::new(org), now, token, app }
    }

    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    pub(crate) fn send(&self, request: Request) -> Reply {
        self.org.handle(&request.ssws(&self.token), self.now)
    }

    /// Sends a request as it is, without the API token.
    pub(crate) fn send_bare(&self, request: &Request) -> Reply {
        self.org.handle(request, self.now)
    }

    pub(crate) fn get(&self, target: &str) -> Reply {
        self.send(Request::get(target))
    }

    pub(crate) fn post(&self, target: &str) -> Reply {
        self.send(Request::post(target, &serde_json::json!({})))
    }

    pub(crate) fn act(&self, action: &Action) {
        self.org.act(action, self.now).unwrap();
    }

    /// Path of a person.
    pub(crate) fn user(&self, who: &str) -> String {
        format!("/api/v1/users/{}", self.org.person_id(who).unwrap())
    }

    /// Path of a person in the app.
    pub(crate) fn app_user(&self, who: &str) -> String {
        format!("/api/v1/apps/{}/users/{}", self.app, self.org.person_id(who).unwrap())
    }

    /// Path of the listing of assigned people.
    pub(crate) fn app_users(&self, query: &str) -> String {
        format!("/api/v1/apps/{}/users?{query}", self.app)
    }

    /// Status and error code of a reply.
    pub(crate) fn code(&self, request: Request) -> (u16, String) {
        let reply = self.send(request);
        (reply.status, reply.json()["errorCode"].as_str().unwrap_or_default().to_owned())
    }

    /// Follows `next` to the end; every item of every page.
    pub(crate) fn follow(&self, target: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut target = target.to_owned();
        for _ in 0..1000 {
            let reply = self.get(&target);
            assert_eq!(reply.status, 200, "{target}");
            items.extend(reply.json().as_array().unwrap().iter().cloned());
            match reply.next() {
                Some(next) => target = local(next),
                None => return items,
            }
        }
        panic!("the listing does not end");
    }

    /// Event types written since the start.
    pub(crate) fn events(&self) -> Vec<&'static str> {
        self.org.with(|org| org.log_types())
    }
}

/// A link without scheme and host.
pub(crate) fn local(url: &str) -> String {
    let after = url.split_once("://").unwrap().1;
    after[after.find('/').unwrap()..].to_owned()
}

/// The ids of a list.
pub(crate) fn ids(items: &[Value]) -> Vec<String> {
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn who(email: &str) -> String {
    email.to_owned()
}
