use proptest::prelude::*;

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
        sent += 1;
        budget.observe("users", 10, 10 - sent, at(60).as_second(), Some(at(0)), at(0));
        budget.finish("users", at(0));
        assert_eq!(budget.may_call("users", at(1)).is_ok(), sent < 5);
        if let Err(until) = budget.start("users", at(1)) {
            assert_eq!(until, at(61));
            break;
        }
    }
    assert_eq!((sent, budget.share_used()), (5, 50));
    assert_eq!(budget.start("users", at(61)), Ok(()));
}

#[test]
fn calls_under_way_count() {
    let mut budget = Budget::new(50);
    budget.observe("users", 10, 10, at(60).as_second(), Some(at(0)), at(0));
    assert_eq!((0..10).filter(|_| budget.start("users", at(1)).is_ok()).count(), 5);
    assert_eq!(budget.start("apps", at(1)), Ok(()), "another family has its own count");
}

#[test]
fn calls_under_way_count_in_a_window_that_no_reply_has_told_of_yet() {
    let mut budget = Budget::new(50);
    budget.observe("users", 10, 10, at(60).as_second(), Some(at(0)), at(0));
    assert_eq!((0..10).filter(|_| budget.start("users", at(100)).is_ok()).count(), 5);
    assert_eq!(budget.start("users", at(100)), Err(at(101)));
}

#[test]
fn calls_that_bring_no_reply_do_not_shut_a_bucket_for_ever() {
    let mut budget = Budget::new(50);
    budget.observe("users", 10, 10, at(60).as_second(), Some(at(0)), at(0));
    // Okta is away from the next window on.
    let mut sent = 0;
    for second in 100..4_000 {
        if budget.start("users", at(second)).is_ok() {
            sent += 1;
            budget.finish("users", at(second));
        }
    }
    // Five in each minute of 65.
    assert!((320..=330).contains(&sent), "{sent} calls");
}

#[test]
fn what_others_use_is_theirs() {
    // E61: the limit is the organisation's.
    let cases = [(0, 5), (2, 4), (6, 2), (9, 1), (10, 0)];
    for (others, ours) in cases {
        let mut budget = Budget::new(50);
        budget.observe("users", 10, 10 - others, at(60).as_second(), Some(at(0)), at(0));
        let started = (0..10).filter(|_| budget.start("users", at(1)).is_ok()).count();
        assert_eq!(started, ours, "{others} calls of others");
    }
}

#[test]
fn work_that_can_wait_leaves_less_and_less_to_what_cannot() {
    let mut budget = Budget::new(50);
    // 60 calls a window, half of them ours; the window ends at 61.
    budget.observe("users", 60, 60, at(60).as_second(), Some(at(0)), at(0));
    let mut patient = |second: i64| {
        (0..100).filter(|_| budget.start_patiently("users", at(second)).is_ok()).count()
    };
    // Half of ours at the beginning, and one more every two seconds.
    assert_eq!([1, 2, 3, 31, 46, 60].map(&mut patient), [15, 1, 0, 7, 4, 3]);
}

#[test]
fn what_cannot_wait_may_take_what_is_kept() {
    let mut budget = Budget::new(50);
    budget.observe("users", 60, 60, at(60).as_second(), Some(at(0)), at(0));
    assert_eq!((0..100).filter(|_| budget.start_patiently("users", at(1)).is_ok()).count(), 15);
    assert_eq!((0..100).filter(|_| budget.start("users", at(1)).is_ok()).count(), 15);
    // Then nothing is left to anybody.
    assert_eq!(budget.start_patiently("users", at(59)), Err(at(61)));
    assert_eq!(budget.start("users", at(59)), Err(at(61)));
}

#[test]
fn a_small_share_of_a_small_limit_is_one_call_a_window() {
    let mut budget = Budget::new(1);
    budget.observe("logs", 20, 20, at(60).as_second(), Some(at(0)), at(0));
    assert_eq!(budget.start("logs", at(1)), Ok(()));
    assert_eq!(budget.start("logs", at(2)), Err(at(61)));
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
    assert_eq!(budget.start("apps", at(2)), Ok(()));
}

#[test]
fn a_straggler_of_the_last_window_changes_nothing() {
    let mut budget = Budget::new(50);
    budget.observe("users", 10, 5, at(120).as_second(), Some(at(61)), at(61));
    budget.observe("users", 10, 0, at(60).as_second(), Some(at(59)), at(62));
    assert_eq!(budget.start("users", at(63)), Ok(()));
    budget.observe("users", 10, 9, at(60).as_second(), Some(at(59)), at(63));
    assert_eq!(budget.start("users", at(63)), Ok(()));
    assert_eq!(
        budget.start("users", at(63)),
        Err(at(121)),
        "half of what others left is under way"
    );
}

#[test]
fn replies_out_of_order_never_lower_the_count() {
    let mut budget = Budget::new(100);
    budget.observe("users", 10, 4, at(60).as_second(), Some(at(0)), at(0));
    budget.observe("users", 10, 8, at(60).as_second(), Some(at(0)), at(1));
    assert_eq!((0..10).filter(|_| budget.start("users", at(2)).is_ok()).count(), 4);
}

proptest! {
    /// Whoever waits as told is let through then and no earlier, and at the end of a window nothing of our share is left.
    #[test]
    fn work_that_can_wait_uses_all_in_the_end(
        share in 1_u8..=100,
        limit in 1_u64..2_000,
        used in 0_u64..50,
        begun in 0_i64..60,
    ) {
        let mut budget = Budget::new(share);
        let remaining = limit.saturating_sub(used).max(1);
        budget.observe("users", limit, remaining, at(60).as_second(), Some(at(begun)), at(begun));
        let (ends, moment) = (at(61), SignedDuration::from_millis(1));
        let ours = (remaining * u64::from(share) / 100).max(1);
        let (mut now, mut made) = (at(begun), 0);
        while now < ends {
            match budget.start_patiently("users", now) {
                Ok(()) => made += 1,
                Err(until) => {
                    prop_assert!(until > now, "{until} is not after {now}");
                    prop_assert!(budget.clone().start_patiently("users", until - moment).is_err());
                    now = until;
                }
            }
        }
        prop_assert_eq!(made, ours);
    }

    /// Okta as it counts: windows of a minute that begin when they like, calls of others in between, our clock off.
    #[test]
    fn never_more_than_the_share(
        share in 1_u8..=100,
        limit in 1_u64..60,
        phase in 0_i64..60,
        skew in -5_000_i64..5_000,
        steps in proptest::collection::vec((0_i64..20, 0_u64..6, 0_u64..3), 1..300),
    ) {
        let mut budget = Budget::new(share);
        let (mut now, mut window) = (0_i64, i64::MIN);
        let (mut total, mut ours, mut under_way) = (0_u64, 0_u64, 0_u64);
        let allowed = (limit * u64::from(share) / 100).max(1);
        let mut told = false;
        for (wait, tries, others) in steps {
            now += wait;
            let current = (now + phase).div_euclid(60);
            if current != window {
                (window, total, ours) = (current, 0, 0);
            }
            total = (total + others).min(limit);
            for _ in 0..tries {
                // Nothing is known before the first reply: one call finds out.
                if (told || under_way == 0) && budget.start("users", at(now + skew)).is_ok() {
                    under_way += 1;
                    ours += 1;
                    total += 1;
                    prop_assert!(ours <= allowed, "{ours} of {allowed}");
                }
            }
            // All replies arrive within the second.
            for _ in 0..under_way {
                let reset = (window + 1) * 60 - phase;
                let remaining = limit.saturating_sub(total);
                budget.observe("users", limit, remaining, at(reset).as_second(), Some(at(now)), at(now + skew));
                budget.finish("users", at(now + skew));
                told = true;
            }
            under_way = 0;
        }
        // A share of less than one call is rounded up to one.
        prop_assert!(budget.share_used() <= allowed * 100 / limit);
    }
}
