//! How often somebody may show a wrong secret.

use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// Wrong secrets that are answered as such one after the other, …
const AT_ONCE: i64 = 60;
/// … and then so many a second. Whoever guesses more of them is told to wait. A right secret is never counted.
const PER_SECOND: i64 = 5;

const SECOND: i64 = 1_000_000;

/// The wrong secrets shown at one door.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<i64>);

impl Refusals {
    /// Whether one more wrong secret is answered as such.
    pub(super) fn may_be_told(&self, now: Timestamp) -> bool {
        // The moment at which all that was counted is forgotten: one number instead of a count and a time.
        let mut forgotten = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = now.as_microsecond();
        let next = (*forgotten).max(now) + SECOND / PER_SECOND;
        if next - now > AT_ONCE * SECOND / PER_SECOND {
            return false;
        }
        *forgotten = next;
        true
    }

    /// Whether the next wrong secret is one too many.
    pub(super) fn is_exhausted(&self, now: Timestamp) -> bool {
        let forgotten = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forgotten - now.as_microsecond() >= AT_ONCE * SECOND / PER_SECOND
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn many_wrong_secrets_are_slowed_down() {
        let (refusals, mut now) =
            (Refusals::default(), Timestamp::from_second(1_000).expect("a time"));
        let told = |now| (0..1_000).filter(|_| refusals.may_be_told(now)).count();
        assert_eq!(told(now), 60);
        now += Duration::from_secs(1);
        assert_eq!(told(now), 5);
        now += Duration::from_mins(10);
        assert_eq!(told(now), 60);
    }
}
