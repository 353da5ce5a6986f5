//! When work falls due by itself: the daily full run, the start of a day where people live, and the clearing away of what
//! is kept only for a while.
//!
//! Nothing here remembers anything. Each answer follows from the time, the rules and what the database says of the past, so
//! that several processes come to the same one, and a machine that slept for two days knows at once what it missed.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};

use crate::id::TenantId;
use crate::rules::Rules;

/// The promise: from the start of one full run to the start of the next pass at most 24 hours.
pub const EVERY: SignedDuration = SignedDuration::from_hours(24);

/// Tenants with the same hour begin within this time, each always at its own moment of it. Half an hour lets the usual
/// company finish before the next begins, and nobody minds 03:20 in place of 03:00.
pub const SPREAD: SignedDuration = SignedDuration::from_mins(30);

/// A full run that did not see everything is tried again after this, then after twice as long each time.
const RETRY_FIRST: SignedDuration = SignedDuration::from_mins(15);
/// No pause between two tries is longer.
const RETRY_LONGEST: SignedDuration = SignedDuration::from_hours(4);

/// How long after the daily run its leftovers are cleared away: in the same quiet hours, and not at the same time.
const EXPIRY_AFTER: SignedDuration = SignedDuration::from_hours(2);

crate::person::words! {
    /// What falls due by the clock besides full runs. Each fires once for its moment, however many processes there are.
    Tick {
        /// Somewhere where people of the tenant live, a day began.
        StartDates = "start_dates",
        /// What is kept only for a while may go.
        Expiry = "expiry",
    }
}

/// When a tenant's daily run is due.
#[derive(Debug, Clone)]
pub struct Timing {
    zone: TimeZone,
    at: Time,
    spread: SignedDuration,
}

/// What is known of a tenant's full runs. Approvals of held removals do not count: they list nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Past {
    /// Since when the tenant is connected.
    pub since: Timestamp,
    /// When the last full run was asked for, whoever did.
    pub started: Option<Timestamp>,
    /// How many in a row, up to that one, did not see everything: incomplete or failed.
    pub failures: u32,
    /// One is under way, or waits for its turn.
    pub open: bool,
    /// The connection waits for a person: trying again soon would change nothing.
    pub blocked: bool,
}

/// Whether something is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Now. What was missed is caught up once, however often it was missed.
    Now,
    /// Not before this moment, if nothing else happens.
    At(Timestamp),
    /// Not while the present one is under way.
    AfterThis,
}

/// A tick: whether it is due, and the moments it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TickDue {
    /// The newest moment that has come and that the tick has not fired for.
    pub due: Option<Timestamp>,
    /// The next moment.
    pub next: Timestamp,
}

impl Timing {
    /// The timing of a tenant by its rules.
    pub fn new(rules: &Rules, tenant: TenantId) -> Self {
        let zone = TimeZone::get(&rules.time_zone).unwrap_or(TimeZone::UTC);
        Self { zone, at: rules.full_run_at, spread: spread(tenant) }
    }

    /// The zone of the tenant.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first daily run after `after`.
    ///
    /// An hour that a change of the clocks leaves out comes as much later as the clocks jump; of an hour that comes twice the
    /// first counts.
    pub fn slot_after(&self, after: Timestamp) -> Timestamp {
        // Two days back, because neither the spread nor a jump of the zone over the date line is longer than one.
        let first = days_on(after.to_zoned(self.zone.clone()).date(), -2);
        (0..6)
            .map(|day| self.slot_of(days_on(first, day)))
            .find(|slot| *slot > after)
            .unwrap_or_else(|| later(after, EVERY))
    }

    /// The last daily run at or before `by`.
    pub fn slot_by(&self, by: Timestamp) -> Timestamp {
        let last = days_on(by.to_zoned(self.zone.clone()).date(), 2);
        (0..6)
            .map(|day| self.slot_of(days_on(last, -day)))
            .find(|slot| *slot <= by)
            .unwrap_or_else(|| earlier(by, EVERY))
    }

    fn slot_of(&self, date: Date) -> Timestamp {
        let local = self.zone.to_ambiguous_timestamp(date.to_datetime(self.at));
        // Fails only at the ends of time.
        later(local.compatible().unwrap_or(Timestamp::MAX), self.spread)
    }
}

/// Whether the daily full run of a tenant is due.
///
/// It is due at the tenant's hour, once for each day; a run that somebody asked for after that hour stands for it. A day of
/// 25 hours, when the clocks go back, would leave 25 hours from one to the next. Moving a run would not help: a day later the
/// same hour would be missing, and the tenant's hour would be lost until spring. So that one long day has a second run, half
/// way between the two. The same holds when a tenant moves its hour to a later one.
///
/// A run that did not see everything is tried again before the next day, unless a person must act first.
pub fn full_run(timing: &Timing, past: &Past, now: Timestamp) -> Due {
    if past.open {
        return Due::AfterThis;
    }
    let Some(started) = past.started else { return due_at(timing.slot_after(past.since), now) };
    let slot = timing.slot_after(started);
    let gap = slot.duration_since(started);
    let mut at = if gap > EVERY { later(started, gap / 2) } else { slot };
    if past.failures > 0 && !past.blocked {
        at = at.min(later(started, retry_after(past.failures)));
    }
    due_at(at, now)
}

/// Whether a day began somewhere: `zones` are the tenant's own and those of the places where its people work.
///
/// Whoever's date is today there may enter now, without waiting for the daily run.
pub fn start_dates(zones: &[TimeZone], fired: Option<Timestamp>, now: Timestamp) -> TickDue {
    let begun = |zone: &TimeZone| {
        let today = now.to_zoned(zone.clone()).start_of_day().map(|day| day.timestamp());
        today.unwrap_or(now)
    };
    let begins = |zone: &TimeZone| {
        let tomorrow = days_on(now.to_zoned(zone.clone()).date(), 1).to_zoned(zone.clone());
        tomorrow.map_or_else(|_| later(now, EVERY), |day| day.timestamp())
    };
    let newest = zones.iter().map(begun).max().unwrap_or(now);
    let next = zones.iter().map(begins).min().unwrap_or_else(|| later(now, EVERY));
    TickDue { due: (fired.is_none_or(|fired| fired < newest)).then_some(newest), next }
}

/// Whether what is kept only for a while may be cleared away: once a day, after the daily run.
pub fn expiry(timing: &Timing, fired: Option<Timestamp>, now: Timestamp) -> TickDue {
    let shifted = earlier(now, EXPIRY_AFTER);
    let newest = later(timing.slot_by(shifted), EXPIRY_AFTER);
    let next = later(timing.slot_after(shifted), EXPIRY_AFTER);
    TickDue { due: (fired.is_none_or(|fired| fired < newest)).then_some(newest), next }
}

/// What day it is for somebody: where they work, if that place has a zone, else where the tenant is.
pub fn today(place: Option<&str>, tenant: &TimeZone, now: Timestamp) -> Date {
    let own = place.and_then(|name| TimeZone::get(name).ok());
    now.to_zoned(own.unwrap_or_else(|| tenant.clone())).date()
}

fn retry_after(failures: u32) -> SignedDuration {
    let doubled = RETRY_FIRST.checked_mul(1 << failures.saturating_sub(1).min(10));
    doubled.map_or(RETRY_LONGEST, |pause| pause.min(RETRY_LONGEST))
}

fn due_at(at: Timestamp, now: Timestamp) -> Due {
    if at <= now { Due::Now } else { Due::At(at) }
}

/// A tenant's own moment within [`SPREAD`], in whole seconds. Its id never changes, so neither does this.
fn spread(tenant: TenantId) -> SignedDuration {
    let (high, low) = tenant.uuid().as_u64_pair();
    // Mixed, because ids that were drawn one after the other look alike. The constants are those of SplitMix64.
    let mut mixed = high ^ low;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    let seconds = mixed % SPREAD.as_secs().unsigned_abs();
    SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0))
}

fn days_on(date: Date, days: i64) -> Date {
    date.saturating_add(Span::new().days(days))
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests;
