//! Tables, laws, and a month as it might go.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect(name)
}

/// Without a spread, so that the hours can be read.
fn timing(zone_name: &str, hour: &str) -> Timing {
    let time = hour.parse().expect("a time of day");
    Timing { zone: zone(zone_name), at: time, spread: SignedDuration::ZERO }
}

fn past(started: &str) -> Past {
    Past {
        since: at("2026-01-01T00:00Z"),
        started: Some(at(started)),
        failures: 0,
        open: false,
        blocked: false,
    }
}

#[test]
fn the_next_run() {
    let london = timing("Europe/London", "03:00");
    #[rustfmt::skip]
    let cases = [
        // The last run                now                          the next
        ("2026-11-23T03:00:00Z",       "2026-11-23T03:00:01Z",      "2026-11-24T03:00:00Z"),
        ("2026-11-23T03:20:00Z",       "2026-11-23T04:00:00Z",      "2026-11-24T03:00:00Z"),
        // Somebody asked for one in the afternoon: the night still has its own.
        ("2026-11-23T16:00:00Z",       "2026-11-23T16:10:00Z",      "2026-11-24T03:00:00Z"),
        // In summer three o'clock is two by UTC.
        ("2026-07-01T02:00:00Z",       "2026-07-01T02:00:01Z",      "2026-07-02T02:00:00Z"),
        // The clocks go forward on 29 March: 23 hours.
        ("2026-03-28T03:00:00Z",       "2026-03-28T04:00:00Z",      "2026-03-29T02:00:00Z"),
        // They go back on 25 October: a second run half-way, and then the hour again.
        ("2026-10-24T02:00:00Z",       "2026-10-24T03:00:00Z",      "2026-10-24T14:30:00Z"),
        ("2026-10-24T14:30:00Z",       "2026-10-24T15:00:00Z",      "2026-10-25T03:00:00Z"),
        ("2026-10-25T03:00:00Z",       "2026-10-25T04:00:00Z",      "2026-10-26T03:00:00Z"),
    ];
    for (started, now, next) in cases {
        let due = full_run(&london, &past(started), at(now));
        assert_eq!(due, Due::At(at(next)), "after {started}");
        // Nothing earlier, and exactly then.
        let just_before = earlier(at(next), SignedDuration::from_micros(1));
        assert_eq!(full_run(&london, &past(started), just_before), Due::At(at(next)));
        assert_eq!(full_run(&london, &past(started), at(next)), Due::Now);
    }
}

#[test]
fn an_hour_that_does_not_come_and_one_that_comes_twice() {
    let berlin = timing("Europe/Berlin", "02:30");
    // On 29 March there is no half past two: the clocks jump from two to three, so it is half past three.
    assert_eq!(berlin.slot_after(at("2026-03-28T12:00Z")), at("2026-03-29T01:30Z"));
    // On 25 October it comes twice: at 00:30 and at 01:30 by UTC. Once is enough.
    assert_eq!(berlin.slot_after(at("2026-10-24T12:00Z")), at("2026-10-25T00:30Z"));
    assert_eq!(berlin.slot_after(at("2026-10-25T00:30Z")), at("2026-10-26T01:30Z"));
    // The one of the next day is 25 hours off, so there is one between.
    let due = full_run(&berlin, &past("2026-10-25T00:30Z"), at("2026-10-25T01:30Z"));
    assert_eq!(due, Due::At(at("2026-10-25T13:00Z")));
    // At midnight, in a zone whose clocks go forward at midnight.
    let beirut = timing("Asia/Beirut", "00:00");
    assert_eq!(beirut.slot_after(at("2026-03-28T12:00Z")), at("2026-03-28T22:00Z"));
}

#[test]
fn what_was_missed_is_caught_up_once() {
    let london = timing("Europe/London", "03:00");
    // Asleep for two days.
    assert_eq!(full_run(&london, &past("2026-11-21T03:00Z"), at("2026-11-23T12:00Z")), Due::Now);
    let due = full_run(&london, &past("2026-11-23T12:00Z"), at("2026-11-23T12:01Z"));
    assert_eq!(due, Due::At(at("2026-11-24T03:00Z")));
    // Awake at one: the missed run now, and the one of this day at its hour.
    let due = full_run(&london, &past("2026-11-23T01:00Z"), at("2026-11-23T01:01Z"));
    assert_eq!(due, Due::At(at("2026-11-23T03:00Z")));
}

#[test]
fn a_tenant_that_never_ran_begins_with_its_next_night() {
    let london = timing("Europe/London", "03:00");
    let fresh = Past { since: at("2026-11-23T10:00Z"), started: None, ..past("2026-11-23T10:00Z") };
    let due = full_run(&london, &fresh, at("2026-11-23T10:01Z"));
    assert_eq!(due, Due::At(at("2026-11-24T03:00Z")));
    assert_eq!(full_run(&london, &fresh, at("2026-11-29T10:01Z")), Due::Now);
}

#[test]
fn a_run_under_way_is_waited_for() {
    let london = timing("Europe/London", "03:00");
    let open = Past { open: true, ..past("2026-11-21T03:00Z") };
    assert_eq!(full_run(&london, &open, at("2026-11-23T12:00Z")), Due::AfterThis);
}

#[test]
fn a_run_that_did_not_see_everything_is_tried_again() {
    let london = timing("Europe/London", "03:00");
    let tries = |failures, blocked| {
        let past = Past { failures, blocked, ..past("2026-11-23T03:00Z") };
        match full_run(&london, &past, at("2026-11-23T03:01Z")) {
            Due::At(next) => next.duration_since(at("2026-11-23T03:00Z")).as_mins(),
            other => panic!("{other:?}"),
        }
    };
    let pauses: Vec<i64> = (0..8).map(|failures| tries(failures, false)).collect();
    assert_eq!(pauses, [24 * 60, 15, 30, 60, 120, 240, 240, 240]);
    assert_eq!(tries(4_000_000, false), 240);
    // With a refused token only the daily run looks again.
    assert_eq!(tries(3, true), 24 * 60);
    // A try never takes the place of the tenant's hour.
    let late = Past { failures: 5, ..past("2026-11-24T02:00Z") };
    assert_eq!(full_run(&london, &late, at("2026-11-24T02:01Z")), Due::At(at("2026-11-24T03:00Z")));
}

#[test]
fn a_later_hour_is_reached_without_a_gap() {
    let moved = timing("Europe/London", "05:00");
    let due = full_run(&moved, &past("2026-11-23T03:00Z"), at("2026-11-23T06:00Z"));
    assert_eq!(due, Due::Now, "the new hour of this very day has come, and no run stands for it");
    let due = full_run(&moved, &past("2026-11-23T05:00Z"), at("2026-11-23T06:00Z"));
    assert_eq!(due, Due::At(at("2026-11-24T05:00Z")));
    let evening = timing("Europe/London", "02:00");
    let due = full_run(&evening, &past("2026-11-23T01:00Z"), at("2026-11-23T01:30Z"));
    assert_eq!(due, Due::At(at("2026-11-23T02:00Z")));
}

#[test]
fn a_day_begins_where_people_are() {
    let zones = [zone("Europe/London"), zone("Asia/Tokyo"), zone("America/New_York")];
    // Three in the afternoon in London is midnight in Tokyo.
    let now = at("2026-11-23T15:00:00Z");
    let fired = Some(at("2026-11-23T05:00:00Z"));
    let next = at("2026-11-24T00:00:00Z");
    assert_eq!(start_dates(&zones, fired, now), TickDue { due: Some(now), next });
    assert_eq!(start_dates(&zones, Some(now), now), TickDue { due: None, next });
    // New York's midnight is five o'clock in London.
    assert_eq!(start_dates(&zones, Some(next), next).next, at("2026-11-24T05:00:00Z"));
    // Never fired, or asleep for days: once.
    let due = start_dates(&zones, None, at("2026-11-24T04:00Z")).due;
    assert_eq!(due, Some(at("2026-11-24T00:00Z")));
    assert_eq!(
        start_dates(&zones, Some(at("2026-11-20T00:00Z")), at("2026-11-24T04:00Z")).due,
        due
    );
    // A clock that was set back fires nothing again.
    assert_eq!(start_dates(&zones, Some(at("2026-11-25T00:00Z")), now).due, None);
    // Where the clocks go forward at midnight, the day begins at one.
    let beirut = [zone("Asia/Beirut")];
    let begins = start_dates(&beirut, None, at("2026-03-28T12:00Z")).next;
    assert_eq!(begins, at("2026-03-28T22:00Z"));
    assert_eq!(today(None, &beirut[0], begins).to_string(), "2026-03-29");
}

#[test]
fn today_is_where_somebody_works() {
    let london = zone("Europe/London");
    let now = at("2026-11-23T15:30Z");
    assert_eq!(today(Some("Asia/Tokyo"), &london, now).to_string(), "2026-11-24");
    assert_eq!(today(None, &london, now).to_string(), "2026-11-23");
    // A zone that nobody knows is as none.
    assert_eq!(today(Some("Mars/Olympus"), &london, now).to_string(), "2026-11-23");
}

#[test]
fn leftovers_go_two_hours_after_the_run() {
    let london = timing("Europe/London", "03:00");
    let now = at("2026-11-23T05:00:00Z");
    let next = at("2026-11-24T05:00:00Z");
    assert_eq!(expiry(&london, None, now), TickDue { due: Some(now), next });
    assert_eq!(expiry(&london, Some(now), at("2026-11-23T20:00Z")), TickDue { due: None, next });
    let due = expiry(&london, Some(now), next).due;
    assert_eq!(due, Some(next));
}

#[test]
fn tenants_are_spread_over_half_an_hour() {
    let of = |n: u128| spread(TenantId::new(Uuid::from_u128(n))).as_secs();
    let seconds: Vec<i64> = (0..1_000).map(of).collect();
    assert!(seconds.iter().all(|second| (0..30 * 60).contains(second)));
    // Ten parts of three minutes, about a hundred tenants each.
    for part in 0..10 {
        let here = seconds.iter().filter(|second| **second / 180 == part).count();
        assert!((60..140).contains(&here), "{here} in part {part}");
    }
    assert_eq!(of(7), of(7));
}

/// Zones whose clocks change by an hour, by half of one, at odd times of the year and of the day, and not at all.
const ZONES: [&str; 10] = [
    "UTC",
    "Europe/London",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "America/Santiago",
    "Asia/Beirut",
    "Pacific/Chatham",
    "Europe/Dublin",
];

/// What a process that looks every half minute starts, between two moments. `asleep` are the times when there is none.
fn live(
    timing: &Timing,
    from: Timestamp,
    until: Timestamp,
    asleep: &[(Timestamp, Timestamp)],
) -> Vec<Timestamp> {
    let look = SignedDuration::from_secs(30);
    let mut past = Past {
        since: from,
        started: Some(timing.slot_by(from)),
        failures: 0,
        open: false,
        blocked: false,
    };
    let mut runs = Vec::new();
    let mut now = from;
    while now < until {
        match full_run(timing, &past, now) {
            Due::Now => {
                past.started = Some(now);
                runs.push(now);
            }
            // Nothing happens before: look again only then, at the next half minute.
            Due::At(next) => {
                let wait = next.duration_since(now);
                let looks = (wait.as_millis() + look.as_millis() - 1) / look.as_millis();
                now = later(now, look * i32::try_from(looks).expect("a few thousand"));
            }
            Due::AfterThis => panic!("nothing is open"),
        }
        while let Some((_, woken)) = asleep.iter().find(|(from, to)| *from <= now && now < *to) {
            now = *woken;
        }
    }
    runs
}

/// Every 24 hours have their run, but for the time asleep; and no day has two, but for a day of 25 hours and the one on which
/// the process woke late.
fn check_life(
    timing: &Timing,
    runs: &[Timestamp],
    asleep: &[(Timestamp, Timestamp)],
) -> Result<(), TestCaseError> {
    let look = SignedDuration::from_secs(30);
    for pair in runs.windows(2) {
        let gap = pair[1].duration_since(pair[0]);
        let awoke = asleep.iter().any(|(from, to)| {
            *from <= pair[1] && pair[1].duration_since(*to).abs() <= look && *to > pair[0]
        });
        prop_assert!(gap <= EVERY + look || awoke, "{gap:?} before {}", pair[1]);
        let same_slot = timing.slot_by(pair[0]) == timing.slot_by(pair[1]);
        let day = timing.slot_after(pair[0]).duration_since(timing.slot_by(pair[0]));
        prop_assert!(!same_slot || day > EVERY, "two for one day: {} and {}", pair[0], pair[1]);
        prop_assert!(!same_slot || gap > SignedDuration::from_hours(11), "{gap:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_month_with_its_changes_of_the_clocks(
        zone_name in prop::sample::select(&ZONES[..]),
        month in prop::sample::select(&["2026-02-15", "2026-03-14", "2026-04-01", "2026-10-01", "2026-10-20"][..]),
        minute in 0_i8..60, hour in 0_i8..24, tenant in any::<u128>(),
        naps in prop::collection::vec((0_i64..30 * 24 * 60, 1_i64..90), 0..12),
        long_sleep in 5_i64..20,
    ) {
        let from = at(&format!("{month}T00:00Z"));
        let minutes = |n| later(from, SignedDuration::from_mins(n));
        let mut asleep: Vec<_> =
            naps.iter().map(|(start, long)| (minutes(*start), minutes(start + long))).collect();
        // The machine that sleeps for two days.
        asleep.push((minutes(long_sleep * 24 * 60), minutes((long_sleep + 2) * 24 * 60)));
        let tenant = TenantId::new(Uuid::from_u128(tenant));
        let timing = Timing {
            zone: zone(zone_name), at: Time::constant(hour, minute, 0, 0), spread: spread(tenant),
        };
        let runs = live(&timing, from, minutes(31 * 24 * 60), &asleep);
        prop_assert!((27..=34).contains(&runs.len()), "{} runs", runs.len());
        check_life(&timing, &runs, &asleep)?;
    }

    #[test]
    fn slots_follow_each_other(
        zone_name in prop::sample::select(&ZONES[..]), second in 1_700_000_000_i64..1_900_000_000,
        hour in 0_i8..24, tenant in any::<u128>(),
    ) {
        let now = Timestamp::from_second(second).expect("in range");
        let tenant = TenantId::new(Uuid::from_u128(tenant));
        let timing = Timing {
            zone: zone(zone_name), at: Time::constant(hour, 30, 0, 0), spread: spread(tenant),
        };
        let (by, after) = (timing.slot_by(now), timing.slot_after(now));
        prop_assert!(by <= now && now < after);
        prop_assert_eq!(timing.slot_after(by), after);
        prop_assert_eq!(timing.slot_by(after), after);
        let gap = after.duration_since(by);
        prop_assert!(gap >= SignedDuration::from_hours(22) && gap <= SignedDuration::from_hours(26));
    }
}
