//! When to try again.

use std::time::Duration;

/// How long to wait after so many failures in a row: doubled each time up to `most`, of which a random part is left out, so
/// that those who failed together do not come back together.
///
/// `dice` is any random number.
pub(super) fn after(failures: u32, first: Duration, most: Duration, dice: u32) -> Duration {
    let doubled =
        first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let whole = doubled.min(most);
    // Between a half and all of it.
    let half = whole / 2;
    half + half.mul_f64(f64::from(dice) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIRST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_mins(15);

    #[test]
    fn pauses_double_up_to_the_longest() {
        for (failures, seconds) in
            [(0, 1), (1, 1), (2, 2), (3, 4), (10, 512), (11, 900), (40, 900), (u32::MAX, 900)]
        {
            assert_eq!(
                after(failures, FIRST, MOST, u32::MAX),
                Duration::from_secs(seconds),
                "{failures}"
            );
            assert_eq!(
                after(failures, FIRST, MOST, 0),
                Duration::from_secs(seconds) / 2,
                "{failures}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_pause_is_between_a_half_and_all(failures in any::<u32>(), dice in any::<u32>()) {
            let (least, most) = (after(failures, FIRST, MOST, 0), after(failures, FIRST, MOST, u32::MAX));
            let pause = after(failures, FIRST, MOST, dice);
            prop_assert!(least <= pause && pause <= most && most <= MOST);
        }
    }
}
