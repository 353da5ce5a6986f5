//! May Okta be called now, or when: a budget for each family of endpoints, kept from the headers of its replies.
//!
//! Okta counts calls in windows of a minute, for a whole organisation and family of endpoints. Ours is a share of what the
//! organisation's other integrations leave, so that neither side starves the other: with a share of 50 % and nobody
//! else calling it is half the limit, and when others use 60 % it is a fifth.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// The longest wait that a reply's headers may impose. After a *concurrency* limit Okta's reset is only a guess and may lie
/// far ahead, and no window is longer than a minute.
pub const WAIT_MAX: SignedDuration = SignedDuration::from_secs(90);

/// The wait after a concurrency limit (limit and remaining both 0): other calls must end, no window must pass.
const CONCURRENCY_WAIT: SignedDuration = SignedDuration::from_secs(2);

/// How long a window may last that no reply told of. No window of Okta's is longer.
const UNTOLD_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// The wait when a new window has begun and the calls under way already fill our share: their replies tell its end.
const UNKNOWN_END_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// Ends of one window, reckoned from different replies, differ by no more: dates and resets are whole seconds, and a reply
/// takes a moment to arrive.
const SAME_WINDOW: SignedDuration = SignedDuration::from_secs(3);

/// How long a window of Okta's lasts, in milliseconds.
const WINDOW_MS: u64 = 60_000;

/// Of our share work that can wait leaves so much to what cannot at the beginning of a window, in percent, and less and less
/// until its end: a full run would otherwise take every window in its first seconds, and a leaver would wait for the next one.
/// At the end nothing is left over.
const KEPT_PERCENT: u64 = 50;

#[derive(Debug, Clone, Default)]
struct Bucket {
    /// 0 until a reply told it.
    limit: u64,
    /// Calls the whole organisation made in this window, as of the last reply.
    used: u64,
    /// Calls of ours that ended in this window.
    own: u64,
    in_flight: u64,
    /// When the present window ends, by our clock.
    ends: Option<Timestamp>,
    /// Until when calls that brought no reply count, while no reply told of a window. Without it they would count for ever.
    untold_until: Option<Timestamp>,
    /// No call before this, whatever is left.
    closed_until: Option<Timestamp>,
    /// The largest part of a window's limit that our calls used, in percent.
    share_used: u64,
}

/// The budgets of one client, one a bucket.
#[derive(Debug, Clone)]
pub struct Budget {
    share_percent: u64,
    buckets: BTreeMap<Box<str>, Bucket>,
}

impl Budget {
    /// A budget of `share_percent` (1 to 100) of what Okta allows the organisation and others leave.
    pub fn new(share_percent: u8) -> Self {
        Self { share_percent: u64::from(share_percent.clamp(1, 100)), buckets: BTreeMap::new() }
    }

    /// Whether a call of this bucket may be made now. Takes no place for it: [`Budget::start`] does.
    ///
    /// # Errors
    ///
    /// The moment before which no call of this bucket may be made.
    pub fn may_call(&self, bucket: &str, now: Timestamp) -> Result<(), Timestamp> {
        let Some(state) = self.buckets.get(bucket) else { return Ok(()) };
        let mut state = state.clone();
        state.roll(now);
        state.check(self.share_percent, false, now)
    }

    /// Takes a place for one call, to be given back with [`Budget::finish`].
    ///
    /// # Errors
    ///
    /// The moment before which no call of this bucket may be made.
    pub fn start(&mut self, bucket: &str, now: Timestamp) -> Result<(), Timestamp> {
        self.take(bucket, now, false)
    }

    /// The same for work that can wait: a part of our share is left to what cannot.
    ///
    /// # Errors
    ///
    /// As [`Budget::start`].
    pub fn start_patiently(&mut self, bucket: &str, now: Timestamp) -> Result<(), Timestamp> {
        self.take(bucket, now, true)
    }

    fn take(&mut self, bucket: &str, now: Timestamp, patient: bool) -> Result<(), Timestamp> {
        let share = self.share_percent;
        let state = self.bucket(bucket);
        state.roll(now);
        state.check(share, patient, now)?;
        state.in_flight += 1;
        Ok(())
    }

    /// Gives back the place of a call that ended, however it did. It counts in the window: Okta may have seen it.
    ///
    /// If the call brought a reply, [`Budget::observe`] comes first. `began` is when the call was let through: a call without
    /// a reply counts for a minute from then, while no reply tells of a window.
    pub fn finish(&mut self, bucket: &str, began: Timestamp) {
        if let Some(state) = self.buckets.get_mut(bucket) {
            state.in_flight = state.in_flight.saturating_sub(1);
            state.roll(began);
            state.own += 1;
            if state.ends.is_none() && state.untold_until.is_none() {
                state.untold_until = began.checked_add(UNTOLD_WINDOW).ok();
            }
            if let Some(percent) = (state.own * 100).checked_div(state.limit) {
                state.share_used = state.share_used.max(percent);
            }
        }
    }

    /// Takes note of a reply's limit headers.
    ///
    /// `reset` counts seconds since 1970 by Okta's clock, and so does `date`, the same reply's own time: their difference
    /// (plus a second, because both are cut to whole seconds) is how long the window still lasts, whatever our clock says.
    /// `received` is when the reply came, by our clock.
    ///
    /// Source: Okta developer docs, "Monitor and troubleshoot rate limits"; the official SDKs wait in the same way.
    pub fn observe(
        &mut self,
        bucket: &str,
        limit: u64,
        remaining: u64,
        reset: i64,
        date: Option<Timestamp>,
        received: Timestamp,
    ) {
        let state = self.bucket(bucket);
        if limit == 0 && remaining == 0 {
            state.closed_until = received.checked_add(CONCURRENCY_WAIT).ok();
            return;
        }
        let seconds = reset.saturating_sub(date.unwrap_or(received).as_second()).saturating_add(1);
        let wait = SignedDuration::from_secs(seconds.clamp(1, WAIT_MAX.as_secs()));
        let ends = received.checked_add(wait).unwrap_or(received);
        let used = limit.saturating_sub(remaining);
        state.limit = limit;
        state.untold_until = None;
        match state.ends {
            // Replies of calls side by side may arrive in any order: within a window the count only grows.
            Some(known) if ends.duration_since(known).abs() <= SAME_WINDOW => {
                state.used = state.used.max(used);
                state.ends = Some(known.max(ends));
            }
            // A straggler of a window that is over says nothing of this one.
            Some(known) if ends < known => return,
            _ => {
                state.used = used;
                state.own = 0;
                state.ends = Some(ends);
            }
        }
        if remaining == 0 {
            state.closed_until = Some(ends);
        }
    }

    /// The largest part of any window's limit that our calls used, in percent of what Okta allows the organisation.
    pub fn share_used(&self) -> u64 {
        self.buckets.values().map(|bucket| bucket.share_used).max().unwrap_or(0)
    }

    fn bucket(&mut self, name: &str) -> &mut Bucket {
        self.buckets.entry(name.into()).or_default()
    }
}

impl Bucket {
    /// Begins a new window once the present one is over. Calls under way may count in it.
    fn roll(&mut self, now: Timestamp) {
        if self.closed_until.is_some_and(|until| until <= now) {
            self.closed_until = None;
        }
        if self.ends.is_some_and(|ends| ends <= now) {
            self.ends = None;
            self.used = 0;
            self.own = 0;
        }
        if self.untold_until.is_some_and(|until| until <= now) {
            self.untold_until = None;
            self.own = 0;
        }
    }

    fn check(&self, share_percent: u64, patient: bool, now: Timestamp) -> Result<(), Timestamp> {
        if let Some(until) = self.closed_until {
            return Err(until);
        }
        // Nothing is known yet; a server without limits never tells one.
        if self.limit == 0 {
            return Ok(());
        }
        let others = self.used.saturating_sub(self.own);
        // At least one call a window, or a small limit and a small share would never let anything through.
        let ours = (self.limit.saturating_sub(others) * share_percent / 100).max(1);
        let taken = self.own + self.in_flight;
        let until = || self.ends.or_else(|| now.checked_add(UNKNOWN_END_WAIT).ok()).unwrap_or(now);
        if taken >= ours {
            return Err(until());
        }
        if patient && taken >= ours.saturating_sub(kept(ours, self.left_ms(now))).max(1) {
            return Err(self.ends.map_or_else(until, |ends| fewer_kept(ends, ours, taken)));
        }
        Ok(())
    }

    /// How long the present window still lasts; all of it while no reply told of its end.
    fn left_ms(&self, now: Timestamp) -> u64 {
        let left = self.ends.map(|ends| ends.duration_since(now).as_millis());
        left.map_or(WINDOW_MS, |left| u64::try_from(left).unwrap_or(0)).min(WINDOW_MS)
    }
}

/// How many calls of `ours` are left to what cannot wait so long before the window's end.
fn kept(ours: u64, left_ms: u64) -> u64 {
    ours * KEPT_PERCENT * left_ms / (100 * WINDOW_MS)
}

/// When so few calls are kept that one more may be made, while `taken` of `ours` are: `taken` is less.
fn fewer_kept(ends: Timestamp, ours: u64, taken: u64) -> Timestamp {
    // The last millisecond before the end at which one is kept fewer than there are.
    let left_ms = ((ours - taken) * 100 * WINDOW_MS - 1) / (ours * KEPT_PERCENT);
    let left_ms = i64::try_from(left_ms).unwrap_or(0);
    ends.checked_sub(SignedDuration::from_millis(left_ms)).unwrap_or(ends)
}

#[cfg(test)]
mod tests;
