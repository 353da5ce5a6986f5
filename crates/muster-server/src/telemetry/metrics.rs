//! Figures for operators, as Prometheus reads them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use muster_store::jobs::JobCount;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

type One = [(&'static str, &'static str); 1];
type Two = [(&'static str, &'static str); 2];
type Lag = [(&'static str, String); 2];

/// All figures of this process.
pub struct Metrics {
    registry: Registry,
    calls: Family<One, Counter>,
    events: Family<One, Counter>,
    stored: Histogram,
    together: Histogram,
    sign_ins: Family<One, Counter>,
    turns: Family<Two, Counter>,
    turn_seconds: Family<One, Histogram, fn() -> Histogram>,
    lag: Family<Lag, Histogram, fn() -> Histogram>,
    jobs: Family<[(&'static str, String); 2], Gauge>,
    oldest: Gauge,
    skew: Gauge,
    tenants: Mutex<BTreeSet<String>>,
}

/// What became of a call of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    Stored,
    Aside,
    Verified,
    Refused,
    Limited,
    NotFound,
    NotStored,
}

impl Call {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Aside => "aside",
            Self::Verified => "verified",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::NotFound => "not_found",
            Self::NotStored => "not_stored",
        }
    }
}

/// Tenants that have a label of their own; those beyond share one, because a label costs memory here and in Prometheus.
const TENANTS_MAX: usize = 200;

fn short() -> Histogram {
    Histogram::new([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0])
}

fn long() -> Histogram {
    Histogram::new([0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0])
}

fn lag() -> Histogram {
    Histogram::new([
        0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0,
    ])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("muster");
        let info = [("version", env!("CARGO_PKG_VERSION"))];
        let build = Family::<One, Gauge>::default();
        build.get_or_create(&info).set(1);
        registry.register("build", "Which version this is", build);
        let metrics = Self {
            calls: Family::default(),
            events: Family::default(),
            stored: short(),
            together: Histogram::new([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0]),
            sign_ins: Family::default(),
            turns: Family::default(),
            turn_seconds: Family::new_with_constructor(long),
            lag: Family::new_with_constructor(lag),
            jobs: Family::default(),
            oldest: Gauge::default(),
            skew: Gauge::default(),
            tenants: Mutex::default(),
            registry: Registry::default(),
        };
        let one = |text: &str| text.to_owned();
        registry.register(
            "hook_calls",
            one("Calls of event hooks, by what became of them"),
            metrics.calls.clone(),
        );
        registry.register(
            "hook_events",
            one("Events that came by hook: new ones and copies"),
            metrics.events.clone(),
        );
        registry.register_with_unit(
            "hook_store",
            one("From a body read to its commit"),
            Unit::Seconds,
            metrics.stored.clone(),
        );
        registry.register(
            "hook_group",
            one("Deliveries that were stored in one transaction"),
            metrics.together.clone(),
        );
        registry.register(
            "sign_ins",
            one("Sign-ins with Okta, by how they ended"),
            metrics.sign_ins.clone(),
        );
        registry.register(
            "job_turns",
            one("Turns of work, by lane and outcome"),
            metrics.turns.clone(),
        );
        registry.register_with_unit(
            "job_turn",
            one("How long a turn took, by lane"),
            Unit::Seconds,
            metrics.turn_seconds.clone(),
        );
        registry.register_with_unit(
            "event_lag",
            one(
                "From an event to what it led to, since its hook arrived or since it was published",
            ),
            Unit::Seconds,
            metrics.lag.clone(),
        );
        registry.register("jobs", one("Jobs, by lane and state"), metrics.jobs.clone());
        registry.register_with_unit(
            "jobs_overdue",
            one("Since when the oldest waiting job is due"),
            Unit::Seconds,
            metrics.oldest.clone(),
        );
        registry.register_with_unit(
            "clock_skew",
            one("How far this clock is before the database's"),
            Unit::Seconds,
            metrics.skew.clone(),
        );
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// Counts a call of a hook.
    pub fn call(&self, call: Call) {
        self.calls.get_or_create(&[("outcome", call.as_str())]).inc();
    }

    /// Counts the deliveries that were made lasting together.
    pub fn group(&self, deliveries: usize) {
        self.together.observe(count(deliveries));
    }

    /// Counts events that came by hook.
    pub fn sorted(&self, fresh: usize, copies: usize) {
        self.events.get_or_create(&[("seen", "first")]).inc_by(fresh as u64);
        self.events.get_or_create(&[("seen", "again")]).inc_by(copies as u64);
    }

    /// Notes how long a delivery waited for its commit.
    pub fn waited(&self, wait: Duration) {
        self.stored.observe(wait.as_secs_f64());
    }

    /// Counts a turn of work in a lane: `done`, `idle`, `busy`, `retried`, `given_up`, `lost`, `failed`.
    pub fn turn(&self, lane: &'static str, outcome: &'static str, took: Duration) {
        self.turns.get_or_create(&[("lane", lane), ("outcome", outcome)]).inc();
        self.turn_seconds.get_or_create(&[("lane", lane)]).observe(took.as_secs_f64());
    }

    /// Notes a sign-in with Okta that ended: `in`, or the word of why not.
    pub fn sign_in(&self, ending: &'static str) {
        self.sign_ins.get_or_create(&[("ending", ending)]).inc();
    }

    /// Notes an event of a tenant that led to something at `applied`.
    pub fn applied(
        &self,
        tenant: &str,
        published: Option<Timestamp>,
        hook_at: Option<Timestamp>,
        applied: Timestamp,
    ) {
        let tenant = self.label(tenant);
        for (since, at) in [("published", published), ("hook", hook_at)] {
            if let Some(at) = at {
                let lag = applied.duration_since(at).as_secs_f64().max(0.0);
                let label = [("since", since.to_owned()), ("tenant", tenant.clone())];
                self.lag.get_or_create(&label).observe(lag);
            }
        }
    }

    fn label(&self, tenant: &str) -> String {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if tenants.contains(tenant) || tenants.len() < TENANTS_MAX {
            tenants.insert(tenant.to_owned());
            tenant.to_owned()
        } else {
            "(others)".to_owned()
        }
    }

    /// Notes how far this clock is before the database's.
    pub fn clock_skew(&self, seconds: i64) {
        self.skew.set(seconds);
    }

    /// Everything as text. `counts` is what waits in the database now.
    pub fn text(&self, counts: &[JobCount], now: Timestamp) -> String {
        self.jobs.clear();
        let mut overdue = 0;
        for count in counts {
            let labels = [("lane", count.lane.clone()), ("state", count.state.clone())];
            self.jobs.get_or_create(&labels).set(count.jobs);
            if count.state == "waiting" {
                let since = count.oldest_due.map_or(0, |due| now.duration_since(due).as_secs());
                overdue = overdue.max(since);
            }
        }
        self.oldest.set(overdue);
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}

#[expect(clippy::cast_precision_loss, reason = "a group is small")]
fn count(n: usize) -> f64 {
    n as f64
}

/// When something that should go on for ever was last seen to.
#[derive(Debug, Default)]
pub struct Pulse(AtomicI64);

impl Pulse {
    /// It goes on.
    pub fn beat(&self, now: Timestamp) {
        self.0.store(now.as_microsecond(), Ordering::Relaxed);
    }

    /// Whether it went on within `within`.
    pub fn is_alive(&self, now: Timestamp, within: Duration) -> bool {
        let since = now.as_microsecond() - self.0.load(Ordering::Relaxed);
        u128::try_from(since).unwrap_or(0) <= within.as_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_text_that_prometheus_reads() {
        let metrics = Metrics::default();
        metrics.call(Call::Stored);
        metrics.group(3);
        metrics.sorted(4, 1);
        metrics.turn("person", "done", Duration::from_millis(20));
        let at = Timestamp::from_second(1_000).expect("a time");
        metrics.applied("acme", Some(at), None, at + Duration::from_secs(3));
        let counts = [JobCount {
            lane: "person".into(),
            state: "waiting".into(),
            jobs: 7,
            oldest_due: Some(at),
        }];
        let text = metrics.text(&counts, at + Duration::from_secs(9));
        for line in [
            "muster_hook_calls_total{outcome=\"stored\"} 1",
            "muster_hook_events_total{seen=\"first\"} 4",
            "muster_jobs{lane=\"person\",state=\"waiting\"} 7",
            "muster_jobs_overdue_seconds 9",
            "muster_event_lag_seconds_sum{since=\"published\",tenant=\"acme\"} 3.0",
            "muster_job_turns_total{lane=\"person\",outcome=\"done\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn tenants_beyond_many_share_a_label() {
        let metrics = Metrics::default();
        for n in 0..TENANTS_MAX {
            assert_eq!(metrics.label(&n.to_string()), n.to_string());
        }
        assert_eq!(metrics.label("one more"), "(others)");
        assert_eq!(metrics.label("7"), "7");
    }

    #[test]
    fn a_pulse_is_alive_for_a_while() {
        let (pulse, at) = (Pulse::default(), Timestamp::from_second(1_000).expect("a time"));
        let second = Duration::from_secs(1);
        assert!(!pulse.is_alive(at, second));
        pulse.beat(at);
        assert!(pulse.is_alive(at + second, second) && !pulse.is_alive(at + 2 * second, second));
    }
}
