//! The System Log: what happened, in the order in which it was written down.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::Org;
use crate::stamp;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub id: String,
    pub kind: &'static str,
    pub alternate: String,
    pub display: String,
}

/// Why several events happened: one call, one click or one job.
#[derive(Debug, Clone)]
pub struct Cause {
    pub actor: Arc<Actor>,
    /// Path of the request; empty for jobs.
    pub uri: String,
    pub transaction: String,
    /// True when a job did it: such events have no request.
    pub job: bool,
    pub agent: &'static str,
}

/// What an event is about.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub kind: &'static str,
    pub id: String,
    pub alternate: String,
    pub display: String,
}

macro_rules! event_kinds {
    ($($name:ident: $event:literal, $legacy:literal, $message:literal, $hook:literal;)*) => {
        /// The kinds of event this org writes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum EventKind { $($name,)* }

        impl EventKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Event type, legacy event type, message, and whether event hooks may carry it.
            ///
            /// Source: Okta's catalog of event types, release 2026.08.1.
            fn facts(self) -> (&'static str, &'static str, &'static str, bool) {
                match self { $(Self::$name => ($event, $legacy, $message, $hook),)* }
            }
        }
    };
}

event_kinds! {
    AppMemberAdd: "application.user_membership.add", "app.generic.provision.assign_user_to_app",
        "Add user to application membership", true;
    AppMemberRemove: "application.user_membership.remove", "app.generic.provision.deactivate_user_from_app",
        "Remove user's application membership", true;
    AppGroupAdd: "group.application_assignment.add", "core.user_group.app_assignment.add",
        "Add assigned application to group", true;
    AppGroupRemove: "group.application_assignment.remove", "core.user_group.app_assignment.remove",
        "Remove assigned application from group", true;
    AppUpdate: "application.lifecycle.update", "app.generic.lifecycle.update", "Update application", true;
    GroupMemberAdd: "group.user_membership.add", "core.user_group_member.user_add",
        "Add user to group membership", true;
    GroupMemberRemove: "group.user_membership.remove", "core.user_group_member.user_remove",
        "Remove user from group membership", true;
    GroupCreate: "group.lifecycle.create", "core.user_group.lifecycle.create", "Create Okta group", true;
    GroupDelete: "group.lifecycle.delete", "core.user_group.lifecycle.delete", "Delete Okta group", true;
    GroupUpdate: "group.profile.update", "core.user_group.update", "Okta group profile update", true;
    Create: "user.lifecycle.create", "core.user.config.user_creation.success", "Create okta user", true;
    Activate: "user.lifecycle.activate", "core.user.config.user_activated", "Activate Okta user", true;
    Reactivate: "user.lifecycle.reactivate", "core.user.config.user_reactivated", "Reactivate Okta user", true;
    Deactivate: "user.lifecycle.deactivate", "core.user.config.user_deactivated", "Deactivate Okta User", true;
    Suspend: "user.lifecycle.suspend", "core.user.config.user_suspended", "Suspend Okta user", true;
    Unsuspend: "user.lifecycle.unsuspend", "core.user.config.user_unsuspended", "Unsuspend Okta user", true;
    DeleteInitiated: "user.lifecycle.delete.initiated", "core.user.config.user_status.delete.initiated",
        "Delete Okta user initiated", true;
    DeleteCompleted: "user.lifecycle.delete.completed", "core.user.config.user_status.delete.completed",
        "Delete Okta user completed", false;
    UpdateProfile: "user.account.update_profile", "core.user.config.profile_update.success",
        "Update user profile for Okta", true;
    Lock: "user.account.lock", "core.user_auth.account_locked", "Max sign in attempts exceeded", true;
    UnlockByAdmin: "user.account.unlock_by_admin", "core.user.config.user_unlocked",
        "Unlock user account by admin", true;
    ResetPassword: "user.account.reset_password", "core.user.config.password_reset.success",
        "User reset password for Okta", true;
    SessionClear: "user.session.clear", "core.user.sessions.cleared", "Clear user session", true;
    SessionStart: "user.session.start", "core.user_auth.login_success", "User login to Okta", true;
    SessionEnd: "user.session.end", "core.user_auth.logout_success", "User logout from Okta", true;
    Sso: "user.authentication.sso", "app.auth.sso", "User single sign on to app", true;
    UniversalLogout: "user.authentication.universal_logout", "user.authentication.universal_logout",
        "User universal logout", true;
    TokenRevoke: "system.api_token.revoke", "api.token.revoke", "Revoke API token", true;
    HookVerified: "event_hook.verified", "event_hook.verified", "Event hook verified", false;
    HookDelivery: "event_hook.delivery", "event_hook.delivery", "Event hook delivery failed", false;
}

impl EventKind {
    /// The event type, as filters and hooks name it.
    pub fn event_type(self) -> &'static str {
        self.facts().0
    }

    /// Whether event hooks may carry it.
    pub fn hook_eligible(self) -> bool {
        self.facts().3
    }
}

/// One event before it is written.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub kind: EventKind,
    pub targets: Vec<Target>,
    /// `changedAttributes` of a profile update.
    pub changed: Option<String>,
    /// Why it failed; nothing when it succeeded.
    pub failure: Option<String>,
}

impl Event {
    /// A successful event.
    pub(crate) fn of(kind: EventKind, targets: Vec<Target>) -> Self {
        Self { kind, targets, changed: None, failure: None }
    }
}

/// One event as it was written.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its place in the log, counted from 0 since the org began.
    pub number: u64,
    pub uuid: String,
    pub published: Timestamp,
    pub event: Event,
    pub cause: Arc<Cause>,
    /// Hooks configured for this event. Not proof of delivery.
    pub hooks: String,
}

/// How long events are kept. Source: Okta's retention of System Log data.
pub(crate) const RETENTION_DAYS: i64 = 90;

/// The log itself.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Arc<Entry>>,
    /// The number of the next event.
    next: u64,
}

impl Log {
    /// Kept events from a number on, in the order in which they were written.
    pub(crate) fn from(&self, number: u64) -> impl DoubleEndedIterator<Item = &Arc<Entry>> {
        let first = self.entries.front().map_or(self.next, |entry| entry.number);
        let skip = usize::try_from(number.saturating_sub(first)).unwrap_or(usize::MAX);
        self.entries.range(skip.min(self.entries.len())..)
    }

    fn forget(&mut self, now: Timestamp) {
        let limit = SignedDuration::from_hours(24 * RETENTION_DAYS);
        while self.entries.front().is_some_and(|entry| now.duration_since(entry.published) > limit)
        {
            self.entries.pop_front();
        }
    }
}

impl Org {
    /// Writes an event down and hands it to the event hooks that want it.
    pub(crate) fn write_log(&mut self, event: Event, cause: &Cause, now: Timestamp) {
        let hooks = self.hooks_for(event.kind);
        let entry = Arc::new(Entry {
            number: self.log.next,
            uuid: self.dice.uuid(),
            published: now,
            event,
            cause: Arc::new(cause.clone()),
            hooks: hooks.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>().join(","),
        });
        self.log.next += 1;
        self.log.forget(now);
        self.log.entries.push_back(Arc::clone(&entry));
        for (hook, _) in hooks {
            self.outbox.push(hook, Arc::clone(&entry), now, &self.settings.hooks);
        }
    }

    /// All kept events of a kind, for tests.
    pub fn log_types(&self) -> Vec<&'static str> {
        self.log.from(0).map(|entry| entry.event.kind.event_type()).collect()
    }
}

impl Entry {
    /// The event as `/api/v1/logs` shows it.
    pub(crate) fn log_json(&self) -> Value {
        let mut event = self.common();
        event.insert("client".to_owned(), self.client());
        event.insert("device".to_owned(), Value::Null);
        event.insert("request".to_owned(), json!({ "ipChain": self.ip_chain() }));
        Value::Object(event)
    }

    /// The event as an event hook carries it: the address chain sits under `client` and there is no `request`.
    ///
    /// Source: captured deliveries, 2019 to 2021.
    pub(crate) fn hook_json(&self) -> Value {
        let mut event = self.common();
        let mut client = self.client();
        if let Value::Object(client) = &mut client {
            if self.cause.job {
                client.clear();
            }
            client.insert("ipChain".to_owned(), self.ip_chain());
        }
        event.insert("client".to_owned(), client);
        event.insert("device".to_owned(), Value::Null);
        event.insert("insertionTimestamp".to_owned(), Value::Null);
        Value::Object(event)
    }

    fn common(&self) -> Map<String, Value> {
        let (event_type, legacy, message, _) = self.event.kind.facts();
        let cause = &self.cause;
        let mut debug = Map::new();
        if !cause.job {
            debug.insert("requestId".to_owned(), json!(cause.transaction));
            debug.insert("requestUri".to_owned(), json!(cause.uri));
            debug.insert("url".to_owned(), json!(format!("{}?", cause.uri)));
        }
        debug.insert("threatSuspected".to_owned(), json!("false"));
        if let Some(changed) = &self.event.changed {
            debug.insert("changedAttributes".to_owned(), json!(changed));
        }
        if !self.hooks.is_empty() {
            debug.insert("targetEventHookIds".to_owned(), json!(self.hooks));
        }
        let party = |kind: &str, id: &str, alternate: &str, display: &str| {
            json!({
                "id": id, "type": kind, "alternateId": alternate, "displayName": display,
                "detailEntry": null
            })
        };
        let actor = &cause.actor;
        let targets: Vec<Value> = self
            .event
            .targets
            .iter()
            .map(|target| party(target.kind, &target.id, &target.alternate, &target.display))
            .collect();
        let result = if self.event.failure.is_none() { "SUCCESS" } else { "FAILURE" };
        let value = json!({
            "uuid": self.uuid,
            "published": stamp::millis(self.published),
            "eventType": event_type,
            "legacyEventType": legacy,
            "version": "0",
            "displayMessage": message,
            "severity": if self.event.failure.is_none() { "INFO" } else { "WARN" },
            "actor": party(actor.kind, &actor.id, &actor.alternate, &actor.display),
            "target": targets,
            "outcome": { "result": result, "reason": self.event.failure },
            "transaction": {
                "type": if cause.job { "JOB" } else { "WEB" },
                "id": cause.transaction,
                "detail": {}
            },
            "debugContext": { "debugData": debug },
            "authenticationContext": {
                "authenticationProvider": null,
                "authenticationStep": 0,
                "credentialProvider": null,
                "credentialType": null,
                "externalSessionId": format!("trs{}", &self.uuid[..8]),
                "interface": null,
                "issuer": null
            },
            "securityContext": {
                "asNumber": null, "asOrg": null, "domain": null, "isProxy": null, "isp": null
            },
        });
        match value {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    fn client(&self) -> Value {
        if self.cause.job {
            return json!({
                "id": null, "device": null, "ipAddress": null, "userAgent": null,
                "geographicalContext": null, "zone": null
            });
        }
        let browser = if self.cause.agent.starts_with("Mozilla") { "FIREFOX" } else { "UNKNOWN" };
        json!({
            "id": null,
            "device": if browser == "FIREFOX" { "Computer" } else { "Unknown" },
            "ipAddress": ADDRESS,
            "userAgent": { "browser": browser, "os": "Unknown", "rawUserAgent": self.cause.agent },
            "geographicalContext": place(),
            "zone": "null"
        })
    }

    fn ip_chain(&self) -> Value {
        if self.cause.job {
            return json!([]);
        }
        json!([{ "ip": ADDRESS, "geographicalContext": place(), "version": "V4", "source": null }])
    }
}

const ADDRESS: &str = "203.0.113.12";

fn place() -> Value {
    json!({
        "city": "London", "state": "England", "country": "United Kingdom", "postalCode": "EC1A",
        "geolocation": { "lat": 51.5164, "lon": -0.093 }
    })
}
