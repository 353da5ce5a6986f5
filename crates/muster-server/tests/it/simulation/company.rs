//! The company as it really is: what its administrators did in Okta, and what was true when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use muster_oktasim::{Action, OrgHandle, Request};
use muster_server::clock::Clock;

/// One Okta user, as it truly is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: String,
    /// In whole seconds, as Okta keeps it.
    pub(crate) created: Timestamp,
    pub(crate) status: String,
    pub(crate) assigned: bool,
    pub(crate) profile: BTreeMap<&'static str, String>,
}

impl User {
    /// An attribute, unless it is blank.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.profile.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(crate) fn is_live(&self) -> bool {
        self.status != "DEPROVISIONED"
    }
}

/// Everybody who exists in Okta, by id.
pub(crate) type Truth = BTreeMap<String, Arc<User>>;

/// The Okta org, and the memory of what was true in it.
pub(crate) struct Company {
    pub(crate) org: OrgHandle,
    clock: Clock,
    pub(crate) now: Truth,
    /// What was true from when on, the oldest first.
    past: Vec<(Timestamp, Truth)>,
    /// When whoever is no more was deleted.
    deleted: BTreeMap<String, Timestamp>,
    /// The administrator whose token Muster has. Not part of the company's comings and goings.
    pub(crate) admin: String,
    pub(crate) number: usize,
}

#[derive(serde::Deserialize)]
struct Summary {
    id: String,
    status: String,
    assigned: bool,
}

impl Company {
    pub(crate) fn new(org: OrgHandle, clock: Clock) -> Self {
        Self {
            org,
            clock,
            now: Truth::new(),
            past: Vec::new(),
            deleted: BTreeMap::new(),
            admin: String::new(),
            number: 0,
        }
    }

    /// Does something in Okta. Says whether Okta let it happen.
    pub(crate) fn act(&mut self, action: &Action) -> bool {
        let done = self.org.act(action, self.clock.now());
        let Ok(done) = done else { return false };
        match action {
            Action::Create { profile, .. } => {
                let id = done.id.expect("somebody was made");
                let seconds = self.clock.now().as_second();
                let created = Timestamp::from_second(seconds).expect("a time");
                let user = User {
                    id: id.clone(),
                    created,
                    status: String::new(),
                    assigned: false,
                    profile: texts(profile),
                };
                self.now.insert(id, Arc::new(user));
            }
            Action::Update { who, profile } => {
                let user = Arc::make_mut(self.now.get_mut(who).expect("somebody known"));
                for (name, value) in profile {
                    let name = known(name);
                    match value.as_str() {
                        Some(text) => user.profile.insert(name, text.to_owned()),
                        None => user.profile.remove(name),
                    };
                }
            }
            _ => {}
        }
        self.look();
        true
    }

    /// Takes over from the simulator who exists, who is assigned, and with which status.
    fn look(&mut self) {
        let now = self.clock.now();
        let reply = self.org.handle(&Request::get("/_sim/people"), now);
        let all: Vec<Summary> =
            serde_json::from_slice(&reply.body).expect("the simulator's people");
        let mut truth = Truth::new();
        for Summary { id, status, assigned } in all {
            let Some(mut user) = self.now.remove(&id) else { continue };
            if user.status != status || user.assigned != assigned {
                let user = Arc::make_mut(&mut user);
                (user.status, user.assigned) = (status, assigned);
            }
            truth.insert(id, user);
        }
        // Whoever was not taken over is gone.
        let gone = std::mem::replace(&mut self.now, truth);
        self.deleted.extend(gone.into_keys().map(|id| (id, now)));
        self.past.push((now, self.now.clone()));
    }

    /// All that was true at some moment since `since`.
    pub(crate) fn since(&self, since: Timestamp) -> &[(Timestamp, Truth)] {
        let later = self.past.partition_point(|(at, _)| *at <= since);
        &self.past[later.saturating_sub(1)..]
    }

    /// Whose deletion the System Log, as far back as Muster asks, tells nothing of any more.
    pub(crate) fn forgotten(&self, now: Timestamp) -> BTreeSet<String> {
        let asked = SignedDuration::from_hours(24 * 89);
        let old = self.deleted.iter().filter(|(_, at)| now.duration_since(**at) > asked);
        old.map(|(id, _)| id.clone()).collect()
    }

    /// Whether nothing changed in the last `seconds`.
    pub(crate) fn is_settled(&self, seconds: i64) -> bool {
        let now = self.clock.now();
        self.past
            .last()
            .is_none_or(|(at, _)| now.duration_since(*at) > SignedDuration::from_secs(seconds))
    }

    /// People of the company of whom this holds, by id.
    pub(crate) fn who(&self, test: impl Fn(&User) -> bool) -> Vec<String> {
        self.now
            .values()
            .filter(|user| user.id != self.admin && test(user))
            .map(|user| user.id.clone())
            .collect()
    }
}

/// The attributes that the simulation knows of.
const ATTRIBUTES: [&str; 16] = [
    "login",
    "email",
    "firstName",
    "lastName",
    "title",
    "city",
    "department",
    "preferredLanguage",
    "locale",
    "userType",
    "startDate",
    "picture",
    "employeeNumber",
    "managerId",
    "manager",
    "costCenter",
];

fn known(name: &str) -> &'static str {
    ATTRIBUTES.into_iter().find(|known| *known == name).expect("an attribute of the simulation")
}

fn texts(profile: &serde_json::Map<String, serde_json::Value>) -> BTreeMap<&'static str, String> {
    profile
        .iter()
        .filter_map(|(name, value)| Some((known(name), value.as_str()?.to_owned())))
        .collect()
}
