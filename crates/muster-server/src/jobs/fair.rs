//! Whose turn it is: every tenant's lanes one after the other, so that nobody waits behind somebody else's backlog.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use muster_store::jobs::Due;

/// What is known to be due, what is under way, and what rests after a failure.
#[derive(Debug, Default)]
pub(super) struct Fair {
    ready: VecDeque<Due>,
    queued: BTreeSet<Due>,
    busy: BTreeSet<Due>,
    /// Asked for while it was under way.
    again: BTreeSet<Due>,
    resting: BTreeMap<Due, Rest>,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Timestamp,
    failures: u32,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// There may be more at once.
    More,
    /// As far as it is known, there is no more.
    Enough,
    /// It went wrong as a whole, and rests for a while.
    Failed,
}

impl Fair {
    /// Notes that something is due.
    pub(super) fn ask(&mut self, due: Due) {
        if self.busy.contains(&due) {
            self.again.insert(due);
        } else if self.queued.insert(due) {
            self.ready.push_back(due);
        }
    }

    /// Whose turn it is, of the lanes that have room. What rests is passed over; it is asked for again later.
    pub(super) fn next(&mut self, now: Timestamp, has_room: impl Fn(&str) -> bool) -> Option<Due> {
        let mut at = 0;
        while let Some(due) = self.ready.get(at).copied() {
            if self.resting.get(&due).is_some_and(|rest| rest.until > now) {
                self.ready.remove(at);
                self.queued.remove(&due);
            } else if has_room(due.lane) {
                self.ready.remove(at);
                self.queued.remove(&due);
                self.busy.insert(due);
                return Some(due);
            } else {
                at += 1;
            }
        }
        None
    }

    /// Notes the end of a turn. `rest` gives how long to rest after so many failures in a row.
    pub(super) fn end(&mut self, due: Due, end: End, rest: impl FnOnce(u32) -> Timestamp) {
        self.busy.remove(&due);
        let again = self.again.remove(&due);
        if end == End::Failed {
            let failures = self.resting.get(&due).map_or(0, |rest| rest.failures) + 1;
            self.resting.insert(due, Rest { until: rest(failures), failures });
            return;
        }
        self.resting.remove(&due);
        if again || end == End::More {
            self.ask(due);
        }
    }

    /// How many turns of a lane are under way.
    pub(super) fn under_way(&self, lane: &str) -> usize {
        self.busy.iter().filter(|due| due.lane == lane).count()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use muster_core::id::TenantId;
    use muster_store::jobs::{MISC, PERSON};
    use proptest::prelude::*;

    use super::*;

    fn due(n: u128, lane: &'static str) -> Due {
        Due { tenant: TenantId::new(uuid::Uuid::from_u128(n)), lane }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    #[test]
    fn a_storm_of_one_waits_for_everybody_elses_turn() {
        let mut fair = Fair::default();
        let (storm, quiet) = (due(1, PERSON), due(2, PERSON));
        fair.ask(storm);
        assert_eq!(fair.next(at(0), |_| true), Some(storm));
        fair.ask(quiet);
        fair.ask(storm);
        fair.end(storm, End::More, |_| at(0));
        assert_eq!(fair.next(at(0), |_| true), Some(quiet));
        assert_eq!(fair.next(at(0), |_| true), Some(storm));
        assert_eq!(fair.next(at(0), |_| true), None);
    }

    #[test]
    fn what_is_asked_for_during_a_turn_gets_another() {
        let mut fair = Fair::default();
        let one = due(1, PERSON);
        fair.ask(one);
        fair.ask(one);
        assert_eq!(fair.next(at(0), |_| true), Some(one));
        fair.ask(one);
        assert_eq!(fair.next(at(0), |_| true), None, "never two at a time");
        fair.end(one, End::Enough, |_| at(0));
        assert_eq!(fair.next(at(0), |_| true), Some(one));
        fair.end(one, End::Enough, |_| at(0));
        assert_eq!(fair.next(at(0), |_| true), None);
    }

    #[test]
    fn a_full_lane_does_not_hold_up_another() {
        let mut fair = Fair::default();
        for (n, lane) in [(1, PERSON), (2, PERSON), (3, MISC)] {
            fair.ask(due(n, lane));
        }
        assert_eq!(fair.next(at(0), |lane| lane == MISC), Some(due(3, MISC)));
        assert_eq!(fair.next(at(0), |lane| lane == MISC), None);
        assert_eq!(fair.next(at(0), |_| true), Some(due(1, PERSON)));
        assert_eq!((fair.under_way(PERSON), fair.under_way(MISC)), (1, 1));
    }

    #[test]
    fn who_fails_rests_longer_and_longer() {
        let mut fair = Fair::default();
        let one = due(1, PERSON);
        let rest = |failures: u32| at(10 * i64::from(failures));
        for (now, failures) in [(0, 1), (10, 2), (20, 3)] {
            fair.ask(one);
            assert_eq!(fair.next(at(now), |_| true), Some(one));
            fair.end(one, End::Failed, |times| {
                assert_eq!(times, failures);
                rest(times)
            });
            fair.ask(one);
            assert_eq!(fair.next(at(now), |_| true), None, "it rests");
        }
        fair.ask(one);
        assert_eq!(fair.next(at(30), |_| true), Some(one));
        fair.end(one, End::Enough, |_| at(0));
        fair.ask(one);
        assert_eq!(fair.next(at(30), |_| true), Some(one), "once well, all is forgotten");
    }

    proptest! {
        #[test]
        fn nobody_is_twice_under_way_and_nothing_is_forgotten(
            steps in prop::collection::vec((0_u128..4, 0_u8..4), 1..80)
        ) {
            let mut fair = Fair::default();
            let (mut under_way, mut wanted) = (BTreeSet::new(), BTreeSet::new());
            for (second, (tenant, step)) in steps.into_iter().enumerate() {
                let now = at(i64::try_from(second).expect("small") + Duration::from_hours(1).as_secs().cast_signed());
                let one = due(tenant, PERSON);
                match step {
                    0 => {
                        fair.ask(one);
                        wanted.insert(one);
                    }
                    1 => if let Some(next) = fair.next(now, |_| true) {
                        prop_assert!(under_way.insert(next));
                        wanted.remove(&next);
                    },
                    2 => if under_way.remove(&one) {
                        fair.end(one, End::Enough, |_| at(0));
                    },
                    _ => if under_way.remove(&one) {
                        fair.end(one, End::More, |_| at(0));
                        wanted.insert(one);
                    },
                }
            }
            for one in &under_way {
                fair.end(*one, End::Enough, |_| at(0));
            }
            let mut served = BTreeSet::new();
            while let Some(next) = fair.next(at(99_999), |_| true) {
                served.insert(next);
            }
            prop_assert_eq!(served, wanted);
        }
    }
}
