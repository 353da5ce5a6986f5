//! Event hooks and what waits to be sent to them.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::log::{Entry, Event, EventKind, Target};
use super::{HookSettings, Org, index};
use crate::ids::Kind;
use crate::stamp::{self, Seconds};

/// One event hook.
#[derive(Debug, Clone)]
pub(crate) struct Hook {
    pub name: String,
    pub description: Option<String>,
    pub uri: String,
    pub headers: Vec<(String, String)>,
    /// Name and value of the header that authenticates Okta; the value is never shown again.
    pub auth: Option<(String, String)>,
    pub events: Vec<String>,
    pub filter: Option<Value>,
    pub active: bool,
    pub verified: bool,
    pub created: Seconds,
    pub created_by: String,
    pub last_updated: Seconds,
}

/// A call that the org's shell makes to a hook: a delivery, or the one verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookCall {
    pub uri: String,
    pub headers: Vec<(String, String)>,
    /// Empty for the verification, which is a GET.
    pub body: Vec<u8>,
}

/// A delivery on its way. Make the call, then say how it ended with [`Org::delivered`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub call: HookCall,
    hook: u32,
    attempt: u8,
}

impl Delivery {
    /// 1 for the first attempt, 2 for the only retry.
    pub fn attempt(&self) -> u8 {
        self.attempt
    }
}

/// The one-time verification of a hook. Make the call, then hand its answer to [`Org::verified`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    pub call: HookCall,
    hook: u32,
    challenge: String,
}

/// How a call to a hook ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer within three seconds, with its body.
    Answered(u16, Vec<u8>),
    /// No answer within three seconds.
    TimedOut,
    /// No connection.
    Unreachable,
}

/// How long Okta waits for a hook. Source: Okta's concept page on event hooks.
pub(crate) const TIMEOUT_SECONDS: u64 = 3;

/// Events and retries that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Waiting>,
    retries: VecDeque<Delivery>,
    /// Deliveries that were taken and of which nobody said yet how they ended.
    under_way: usize,
}

#[derive(Debug, Clone)]
struct Waiting {
    hook: u32,
    entry: Arc<Entry>,
    due: Timestamp,
}

impl Outbox {
    pub(crate) fn push(
        &mut self,
        hook: u32,
        entry: Arc<Entry>,
        now: Timestamp,
        how: &HookSettings,
    ) {
        let delay = SignedDuration::from_millis(i64::try_from(how.delay_ms).unwrap_or_default());
        let due = now.checked_add(delay).unwrap_or(now);
        self.waiting.push_back(Waiting { hook, entry, due });
    }
}

impl Org {
    /// The active and verified hooks that want events of this kind: number and id.
    pub(crate) fn hooks_for(&self, kind: EventKind) -> Vec<(u32, String)> {
        if !kind.hook_eligible() {
            return Vec::new();
        }
        (0_u32..)
            .zip(&self.hooks)
            .filter_map(|(number, hook)| Some((number, hook.as_ref()?)))
            .filter(|(_, hook)| hook.active && hook.verified)
            .filter(|(_, hook)| hook.events.iter().any(|event| event == kind.event_type()))
            .map(|(number, _)| (number, self.ids.id(Kind::Hook, number).to_string()))
            .collect()
    }

    /// Takes the deliveries that are due: events for one hook merged into few calls.
    pub fn take_deliveries(&mut self, now: Timestamp) -> Vec<Delivery> {
        let mut due: Vec<Waiting> = Vec::new();
        self.outbox.waiting.retain(|waiting| {
            if waiting.due > now {
                return true;
            }
            due.push(waiting.clone());
            false
        });
        let how = self.settings.hooks.clone();
        let batch = if how.reverse {
            due.reverse();
            1
        } else {
            how.batch_max.max(1)
        };
        let mut hooks: Vec<u32> = due.iter().map(|waiting| waiting.hook).collect();
        hooks.sort_unstable();
        hooks.dedup();
        let mut ready: Vec<Delivery> = self.outbox.retries.drain(..).collect();
        for hook in hooks {
            let entries: Vec<Arc<Entry>> = due
                .iter()
                .filter(|waiting| waiting.hook == hook)
                .map(|waiting| Arc::clone(&waiting.entry))
                .collect();
            for entries in entries.chunks(batch) {
                self.pack(hook, entries, now, &mut ready);
            }
        }
        self.stats.deliveries += u64::try_from(ready.len()).unwrap_or_default();
        self.outbox.under_way += ready.len();
        ready
    }

    /// When the next delivery falls due, if any waits.
    pub fn next_delivery(&self) -> Option<Timestamp> {
        if !self.outbox.retries.is_empty() {
            return Some(Timestamp::UNIX_EPOCH);
        }
        self.outbox.waiting.iter().map(|waiting| waiting.due).min()
    }

    /// How much is still to be sent or under way: events that wait, retries, and deliveries whose end is not known.
    pub fn deliveries_open(&self) -> usize {
        self.outbox.waiting.len() + self.outbox.retries.len() + self.outbox.under_way
    }

    /// Says how a delivery ended: 5xx and timeouts are tried once more, anything else is not.
    pub fn delivered(&mut self, delivery: Delivery, outcome: &Outcome, now: Timestamp) {
        self.outbox.under_way = self.outbox.under_way.saturating_sub(1);
        let reason = match outcome {
            Outcome::Answered(200..=299, _) => return,
            Outcome::Answered(status, _) => format!("HTTP status {status}"),
            Outcome::TimedOut => "The event hook timed out".to_owned(),
            Outcome::Unreachable => "The event hook could not be reached".to_owned(),
        };
        let again = !matches!(outcome, Outcome::Answered(..=499, _));
        if again && delivery.attempt == 1 {
            self.outbox.retries.push_back(Delivery { attempt: 2, ..delivery });
            return;
        }
        self.log_hook(EventKind::HookDelivery, delivery.hook, Some(reason), now);
    }

    /// Begins the one-time verification of a hook.
    pub(crate) fn begin_verification(&mut self, hook: u32) -> Option<Verification> {
        let challenge = self.dice.token(40);
        let request_id = self.dice.hex32();
        let known = self.hook(hook)?;
        let mut headers = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("user-agent".to_owned(), "Okta-Integrations".to_owned()),
            ("x-okta-request-id".to_owned(), request_id),
            ("x-okta-verification-challenge".to_owned(), challenge.clone()),
        ];
        headers.extend(known.auth.clone());
        headers.extend(known.headers.iter().cloned());
        let call = HookCall { uri: known.uri.clone(), headers, body: Vec::new() };
        Some(Verification { call, hook, challenge })
    }

    /// Judges the answer to a verification; the error is the text of Okta's error cause.
    pub(crate) fn judge_verification(
        &mut self,
        verification: &Verification,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<u32, String> {
        let problem = match outcome {
            Outcome::Answered(200, body) => match serde_json::from_slice::<Value>(body) {
                Ok(answer) if answer["verification"] == json!(verification.challenge) => None,
                Ok(_) => Some("The verification value does not match".to_owned()),
                Err(_) => Some(
                    "The response body could not be deserialized at line 1 column 1".to_owned(),
                ),
            },
            Outcome::Answered(status, _) => Some(format!("HTTP status {status}")),
            Outcome::TimedOut => Some("The event hook timed out".to_owned()),
            Outcome::Unreachable => Some("The event hook could not be reached".to_owned()),
        };
        let name = self.hook(verification.hook).map(|hook| hook.name.clone()).unwrap_or_default();
        self.log_hook(EventKind::HookVerified, verification.hook, problem.clone(), now);
        if let Some(problem) = problem {
            return Err(format!(
                "Unable to verify event hook. Hook {name} execution failed: {problem}"
            ));
        }
        if let Some(hook) = self.hook_mut(verification.hook) {
            hook.verified = true;
            hook.last_updated = stamp::seconds(now);
        }
        Ok(verification.hook)
    }

    pub(crate) fn hook(&self, number: u32) -> Option<&Hook> {
        self.hooks.get(index(number))?.as_ref()
    }

    pub(crate) fn hook_mut(&mut self, number: u32) -> Option<&mut Hook> {
        self.hooks.get_mut(index(number))?.as_mut()
    }

    fn pack(
        &mut self,
        hook: u32,
        entries: &[Arc<Entry>],
        now: Timestamp,
        ready: &mut Vec<Delivery>,
    ) {
        let event_id = self.dice.uuid();
        let Some(known) = self.hook(hook) else { return };
        let id = self.ids.id(Kind::Hook, hook);
        let events: Vec<Value> = entries.iter().map(|entry| entry.hook_json()).collect();
        let body = json!({
            "eventType": "com.okta.event_hook",
            "eventTypeVersion": "1.0",
            "cloudEventsVersion": "0.1",
            "source": format!("{}/api/v1/eventHooks/{id}", self.base),
            "eventId": event_id,
            "data": { "events": events },
            "eventTime": stamp::millis(now),
            "contentType": "application/json"
        });
        let mut headers = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
            ("user-agent".to_owned(), format!("Okta Hook Service v1.0.0 - {id}")),
        ];
        headers.extend(known.auth.clone());
        headers.extend(known.headers.iter().cloned());
        let call =
            HookCall { uri: known.uri.clone(), headers, body: body.to_string().into_bytes() };
        let how = &mut self.settings.hooks;
        if how.drop_next > 0 {
            how.drop_next -= 1;
            return;
        }
        let delivery = Delivery { call, hook, attempt: 1 };
        if how.duplicate_next > 0 {
            how.duplicate_next -= 1;
            ready.push(delivery.clone());
        }
        ready.push(delivery);
    }

    fn log_hook(&mut self, kind: EventKind, hook: u32, failure: Option<String>, now: Timestamp) {
        let name = self.hook(hook).map(|hook| hook.name.clone()).unwrap_or_default();
        let target = Target {
            kind: "EventHook",
            id: self.ids.id(Kind::Hook, hook).to_string(),
            alternate: "unknown".to_owned(),
            display: name,
        };
        let cause = super::log::Cause {
            actor: self.system_actor(),
            uri: String::new(),
            transaction: self.dice.token(27),
            job: true,
            agent: "",
        };
        let event = Event { kind, targets: vec![target], changed: None, failure };
        self.write_log(event, &cause, now);
    }
}
