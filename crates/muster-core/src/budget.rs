//! May Okta be called now, or when: a budget for each family of endpoints, kept from the headers of its replies.
//!
//! Okta counts calls in windows of a minute, for a whole organisation and family of endpoints. Ours is a share of that, so
//! that the organisation's other integrations keep theirs.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

/// The longest wait that a reply's headers may impose. After a *concurrency* limit Okta's reset is only a guess and may lie
/// far ahead, and no window is longer than a minute.
pub const WAIT_MAX: SignedDuration = SignedDuration::from_secs(90);

/// The wait after a concurrency limit (limit and remaining both 0): other calls must end, no window must pass.
const CONCURRENCY_WAIT: SignedDuration = SignedDuration::from_secs(2);

#[derive(Debug, Clone, Default)]
struct Bucket {
    limit: u64,
    /// Calls the whole organisation made in this window, as of the last reply.
    used: u64,
    in_flight: u64,
    /// When the present window ends, by our clock.
    ends: Option<Timestamp>,
    /// No call before this, whatever is left.
    closed_until: Option<Timestamp>,
}

/// The budgets of one client, one a bucket.
#[derive(Debug, Clone)]
pub struct Budget {
    share_percent: u64,
    buckets: BTreeMap<Box<str>, Bucket>,
}

impl Budget {
    /// A budget of `share_percent` (1 to 100) of what Okta allows the organisation.
    pub fn new(share_percent: u8) -> Self {
        Self { share_percent: u64::from(share_percent.clamp(1, 100)), buckets: BTreeMap::new() }
    }

    /// Takes a place for one call, to be given back with [`Budget::finish`].
    ///
    /// # Errors
    ///
    /// The moment before which no call of this bucket may be made.
    pub fn start(&mut self, bucket: &str, now: Timestamp) -> Result<(), Timestamp> {
        if !self.buckets.contains_key(bucket) {
            self.buckets.insert(bucket.into(), Bucket::default());
        }
        let share = self.share_percent;
        let Some(state) = self.buckets.get_mut(bucket) else { return Ok(()) };
        if let Some(until) = state.closed_until {
            if until > now {
                return Err(until);
            }
            state.closed_until = None;
        }
        if let Some(ends) = state.ends {
            if ends > now {
                // At least one call a window, or a small limit and a small share would never let anything through.
                let ours = (state.limit * share / 100).max(1);
                if state.limit > 0 && state.used + state.in_flight >= ours {
                    return Err(ends);
                }
            } else {
                state.ends = None;
                state.used = 0;
            }
        }
        state.in_flight += 1;
        Ok(())
    }

    /// Gives back the place of a call that ended, however it did.
    pub fn finish(&mut self, bucket: &str) {
        if let Some(state) = self.buckets.get_mut(bucket) {
            state.in_flight = state.in_flight.saturating_sub(1);
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
        let state = self.buckets.entry(bucket.into()).or_default();
        if limit == 0 && remaining == 0 {
            state.closed_until = received.checked_add(CONCURRENCY_WAIT).ok();
            return;
        }
        let seconds = reset.saturating_sub(date.unwrap_or(received).as_second()).saturating_add(1);
        let wait = SignedDuration::from_secs(seconds.clamp(1, WAIT_MAX.as_secs()));
        let ends = received.checked_add(wait).unwrap_or(received);
        let used = limit.saturating_sub(remaining);
        // Replies of calls side by side may arrive in any order: within a window the count only grows.
        let same_window = state.ends.is_some_and(|known| {
            (known.duration_since(ends)).abs() <= SignedDuration::from_secs(2)
        });
        state.used = if same_window { state.used.max(used) } else { used };
        state.limit = limit;
        state.ends = Some(ends);
        if remaining == 0 {
            state.closed_until = Some(ends);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("in range")
    }

    #[test]
    fn a_share_of_the_window_and_no_more() {
        let mut budget = Budget::new(50);
        let mut sent = 0_u64;
        assert_eq!(budget.start("users", at(0)), Ok(()));
        loop {
            budget.finish("users");
            sent += 1;
            budget.observe("users", 10, 10 - sent, at(60).as_second(), Some(at(0)), at(0));
            if let Err(until) = budget.start("users", at(1)) {
                assert_eq!(until, at(61));
                break;
            }
        }
        assert_eq!(sent, 5);
        assert_eq!(budget.start("users", at(61)), Ok(()));
    }

    #[test]
    fn calls_under_way_count() {
        let mut budget = Budget::new(50);
        budget.observe("users", 10, 9, at(60).as_second(), Some(at(0)), at(0));
        let started = (0..10).filter(|_| budget.start("users", at(1)).is_ok()).count();
        assert_eq!(started, 4);
    }

    #[test]
    fn the_wait_goes_by_the_reply_and_not_by_our_clock() {
        let mut budget = Budget::new(50);
        // Our clock is an hour ahead of Okta's.
        budget.observe("users", 10, 0, at(30).as_second(), Some(at(0)), at(3600));
        assert_eq!(budget.start("users", at(3601)), Err(at(3631)));
        assert_eq!(budget.start("users", at(3631)), Ok(()));
    }

    #[test]
    fn a_far_reset_is_capped_and_a_concurrency_limit_is_short() {
        let mut budget = Budget::new(50);
        budget.observe("users", 10, 0, at(86_400).as_second(), Some(at(0)), at(0));
        assert_eq!(budget.start("users", at(1)), Err(at(90)));
        budget.observe("apps", 0, 0, at(86_400).as_second(), Some(at(0)), at(0));
        assert_eq!(budget.start("apps", at(1)), Err(at(2)));
    }
}
