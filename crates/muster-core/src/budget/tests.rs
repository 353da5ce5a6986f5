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
