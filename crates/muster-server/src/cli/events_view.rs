//! How a tenant's events come: by hook, by the System Log, or not at all.

use jiff::{SignedDuration, Timestamp};
use muster_store::StoreError;
use muster_store::TenantDb;
use muster_store::events::Comparison;
use muster_store::hooks::HookState;
use muster_store::log_cursor::LogCursor;
use serde_json::{Value, json};

use super::output::{Out, clean, count, thousands};

/// What is compared: the events of so many days.
const DAYS: i64 = 7;
/// From when on an event that came by hook counts as late.
const LATE_SECONDS: i64 = 60;
/// What the log's cursor says when the token may not read it.
const NO_RIGHT: &str = "rights_missing";

/// Everything that is told of a tenant's events.
pub(super) struct Events {
    hook: HookState,
    compared: Comparison,
    waiting: (i64, Option<Timestamp>),
    log: LogCursor,
}

impl Events {
    pub(super) async fn of(db: &TenantDb, now: Timestamp) -> Result<Self, StoreError> {
        let from = now - SignedDuration::from_hours(24 * DAYS);
        Ok(Self {
            hook: db.hook_state().await?,
            compared: db.compare_events(from, now, LATE_SECONDS).await?,
            waiting: db.events_waiting().await?,
            log: db.log_cursor().await?,
        })
    }

    fn log_state(&self) -> &str {
        match (&self.log.state, self.log.polled_at) {
            (Some(state), _) => state,
            (None, Some(_)) => "ok",
            (None, None) => "not_read_yet",
        }
    }

    pub(super) fn json(&self) -> Value {
        let Self { hook, compared, waiting, log } = self;
        json!({
            "days": DAYS,
            "by_hook": compared.hooked,
            "missed": compared.missed,
            "late": compared.late,
            "doubled": compared.doubled,
            "waiting": waiting.0,
            "waiting_since": waiting.1,
            "last_event_at": hook.last_event_at,
            "undelivered": hook.undelivered,
            "undelivered_at": hook.undelivered_at,
            "undelivered_why": hook.undelivered_why,
            "log": {"state": self.log_state(), "read_at": log.polled_at},
        })
    }

    /// Lines of a name and what there is to tell.
    pub(super) fn lines(&self, out: &Out, sub: &str) -> Vec<(&'static str, String)> {
        let many = |n: i64| thousands(u64::try_from(n).unwrap_or(0));
        let Self { hook, compared, waiting, log } = self;
        let mut lines = Vec::new();
        lines.push((
            "Events",
            match hook.last_event_at {
                Some(last) => format!(
                    "last by hook {}; in {DAYS} days {} by hook, {} missed, {} late",
                    out.time(last),
                    many(compared.hooked),
                    many(compared.missed),
                    many(compared.late)
                ),
                None => format!("none by hook yet; make one: muster okta hook-create {sub}"),
            },
        ));
        if waiting.0 > 0 {
            let people = count(u64::try_from(waiting.0).unwrap_or(0), "event waits", "events wait");
            lines.push(("", people));
        }
        if let (true, Some(at)) = (hook.undelivered > 0, hook.undelivered_at) {
            let why = hook.undelivered_why.as_deref().unwrap_or("no reason given");
            let times = many(hook.undelivered);
            lines.push((
                "Undelivered",
                format!("{times} by Okta, last {}: {}", out.time(at), clean(why)),
            ));
        }
        let read = |at: Timestamp| format!("read {}", out.time(at));
        lines.push((
            "System Log",
            match self.log_state() {
                "ok" => log.polled_at.map_or_else(|| "read".to_owned(), read),
                NO_RIGHT => {
                    "the token may not read it; the daily run finds what no hook brings".to_owned()
                }
                other => other.replace('_', " "),
            },
        ));
        lines
    }
}
