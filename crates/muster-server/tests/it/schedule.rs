//! The clock at work: days and weeks with several processes, restarts and a machine asleep.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use muster_core::id::IdSource;
use muster_core::run::{RunCause, RunState};
use muster_oktasim::{Fault, Rule, TokenState};
use muster_server::schedule::{Ticked, tick};
use muster_store::runs::Run;

use crate::support::{ANA, Company, Ground, Stand, on_both_engines};

on_both_engines!(
    weeks_with_a_change_of_the_clocks_restarts_and_two_days_asleep,
    a_run_that_did_not_see_everything_is_tried_again,
    a_refused_token_is_looked_at_once_a_day,
    somebody_begins_on_the_day_that_begins,
    what_is_kept_for_a_while_goes,
);

const LONDON: &str = "email_domains = [\"fernhill.example\"]\ntime_zone = \"Europe/London\"\n";

/// Two processes that look at the same moment, and one of them works on what is due.
struct Night {
    others: IdSource,
}

impl Night {
    fn new() -> Self {
        Self { others: IdSource::seeded([77; 32]) }
    }

    async fn look(&mut self, ground: &Ground, stand: &mut Stand) -> (Ticked, Option<Run>) {
        let now = stand.now();
        let one = tick(&ground.db, &mut stand.ids, now).await.expect("a look");
        let other = tick(&ground.db, &mut self.others, now).await.expect("a look");
        assert!(one.runs + other.runs <= 1, "{one:?} {other:?}");
        let newest = stand.tenant.runs(1).await.expect("runs").into_iter().next();
        let Some(run) = newest.filter(Run::is_open) else { return (one, None) };
        let done = Box::pin(stand.engine.drive(&stand.tenant, run.id)).await.expect("a run");
        (one, Some(done))
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn wait_until(stand: &Stand, moment: Timestamp) {
    let wait = moment.duration_since(stand.now());
    stand.clock.advance(Duration::try_from(wait.max(SignedDuration::ZERO)).expect("a while"));
}

async fn weeks_with_a_change_of_the_clocks_restarts_and_two_days_asleep(ground: &Ground) {
    let mut stand = Stand::open(ground, Company::of(5).ruled(LONDON)).await;
    let mut night = Night::new();
    let london = TimeZone::get("Europe/London").expect("a zone");
    // The clocks go back on 31 October 2027, at two in the morning by summer time.
    wait_until(&stand, at("2027-10-12T12:00Z"));
    let until = at("2027-11-08T12:00Z");
    // Stopped for an hour over the very moment of the run, for minutes now and then, and the two days of a machine asleep.
    let away = [
        ("2027-10-14T01:50Z", "2027-10-14T03:10Z"),
        ("2027-10-16T14:00Z", "2027-10-16T14:20Z"),
        ("2027-10-20T10:00Z", "2027-10-22T13:00Z"),
        ("2027-10-31T00:30Z", "2027-10-31T01:30Z"),
        ("2027-11-03T02:59Z", "2027-11-03T03:40Z"),
    ]
    .map(|(from, to)| (at(from), at(to)));
    let mut runs = Vec::new();
    while stand.now() < until {
        let now = stand.now();
        if let Some((_, back)) = away.iter().find(|(from, to)| *from <= now && now < *to) {
            wait_until(&stand, *back);
            // A restart: another process, which remembers nothing.
            night =
                Night { others: IdSource::seeded([u8::try_from(runs.len()).expect("few"); 32]) };
        }
        let (_, run) = night.look(ground, &mut stand).await;
        if let Some(run) = run {
            assert_eq!(
                (run.state, run.cause, run.actor.as_str()),
                (RunState::Done, RunCause::Schedule, "schedule")
            );
            runs.push(run.queued_at);
        }
        stand.clock.advance(Duration::from_mins(10));
    }
    let local: Vec<String> = runs
        .iter()
        .map(|run| run.to_zoned(london.clone()).strftime("%m-%d %H").to_string())
        .collect();
    let mut want: Vec<String> = (0..28)
        .map(|day| Date::constant(2027, 10, 12).saturating_add(jiff::Span::new().days(day)))
        .map(|date| match date.strftime("%m-%d").to_string().as_str() {
            // It begins at noon with what it missed for months, and ends at noon.
            "10-12" => "10-12 13".to_owned(),
            // Back at ten past four by summer time.
            "10-14" => "10-14 04".to_owned(),
            // Asleep; caught up once, on waking.
            "10-21" => String::new(),
            "10-22" => "10-22 14".to_owned(),
            day => format!("{day} 03"),
        })
        .filter(|text| !text.is_empty())
        .collect();
    // The day of 25 hours has two, twelve and a half hours apart.
    let long = want.iter().position(|text| text == "10-31 03").expect("there");
    want.insert(long, "10-30 16".to_owned());
    assert_eq!(local, want);
    for pair in runs.windows(2) {
        let gap = pair[1].duration_since(pair[0]);
        let woken = away.iter().any(|(_, back)| *back == pair[1]);
        assert!(
            gap <= SignedDuration::from_hours(24) + SignedDuration::from_mins(11) || woken,
            "{gap:?} before {}",
            pair[1]
        );
    }
}

async fn a_run_that_did_not_see_everything_is_tried_again(ground: &Ground) {
    let mut stand = Stand::synced_company(ground, Company::of(5).ruled(LONDON)).await;
    let mut night = Night::new();
    wait_until(&stand, at("2026-11-24T03:30Z"));
    stand.okta.faults(|faults| faults.add(Rule::on("/api/v1/").fault(Fault::Status(503))));
    let mut tries = Vec::new();
    while stand.now() < at("2026-11-24T08:00Z") {
        if let (_, Some(run)) = night.look(ground, &mut stand).await {
            assert_eq!(run.state, RunState::Incomplete);
            tries.push(run.queued_at);
        }
        stand.clock.advance(Duration::from_mins(1));
    }
    let pauses: Vec<i64> =
        tries.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_mins()).collect();
    assert!(
        pauses.iter().zip([15, 30, 60, 120]).all(|(pause, want)| (want..want + 3).contains(pause)),
        "{pauses:?}"
    );
    assert_eq!(pauses.len(), 4);
    stand.okta.faults(muster_oktasim::Faults::clear);
    while stand.now() < at("2026-11-25T03:40Z") {
        if let (_, Some(run)) = night.look(ground, &mut stand).await {
            assert_eq!(run.state, RunState::Done);
            tries.push(run.queued_at);
        }
        stand.clock.advance(Duration::from_mins(10));
    }
    assert_eq!(tries.len(), 7, "one more try, which works, and the next night: {tries:?}");
}

async fn a_refused_token_is_looked_at_once_a_day(ground: &Ground) {
    let mut stand = Stand::synced_company(ground, Company::of(5).ruled(LONDON)).await;
    let mut night = Night::new();
    stand.okta.set_token_state(TokenState::Revoked);
    let mut runs = 0;
    while stand.now() < at("2026-11-26T12:00Z") {
        if let (_, Some(run)) = night.look(ground, &mut stand).await {
            assert_eq!(run.state, RunState::Failed);
            runs += 1;
        }
        stand.clock.advance(Duration::from_mins(20));
    }
    assert_eq!(runs, 3, "three nights");
}

async fn somebody_begins_on_the_day_that_begins(ground: &Ground) {
    let rules = format!("{LONDON}invite = \"on_start_date\"\n");
    let mut stand = Stand::open(ground, Company::of(5).ruled(&rules)).await;
    let who = stand.okta.with(|org| org.people_count());
    assert_eq!(who, 5);
    let mut night = Night::new();
    // Two who begin on the 25th: one at a place that has a zone of its own, where it is the 25th nine hours earlier.
    stand.sync().await;
    let people = stand.people().await;
    let ids: Vec<_> =
        people.iter().filter_map(|person| person.okta_user_id.clone()).take(2).collect();
    for (id, city) in ids.iter().zip(["London", "Tokyo"]) {
        stand.update(id.as_str(), serde_json::json!({"startDate": "2026-11-25", "city": city}));
    }
    stand.sync().await;
    let zone = "UPDATE locations SET time_zone = 'Asia/Tokyo' WHERE name = 'Tokyo'";
    assert_eq!(stand.tables.execute(zone).await, 1);
    let keys = |stand: &Stand| {
        let tables = stand.tables.clone();
        async move { tables.texts("SELECT key FROM jobs WHERE cause = 'start_date' ORDER BY key").await }
    };
    night.look(ground, &mut stand).await;
    assert_eq!(keys(&stand).await, Vec::<String>::new());
    // Midnight in Tokyo is three in the afternoon in London.
    wait_until(&stand, at("2026-11-24T15:00Z"));
    let (ticked, _) = night.look(ground, &mut stand).await;
    assert_eq!((ticked.people, keys(&stand).await), (1, vec![ids[1].to_string()]));
    assert!(ticked.next <= at("2026-11-25T00:00Z"));
    wait_until(&stand, at("2026-11-25T00:00Z"));
    let (ticked, _) = night.look(ground, &mut stand).await;
    let mut both: Vec<String> = ids.iter().map(ToString::to_string).collect();
    both.sort();
    assert_eq!((ticked.people, keys(&stand).await), (2, both));
    stand.clock.advance(Duration::from_mins(1));
    let (ticked, _) = night.look(ground, &mut stand).await;
    assert_eq!(ticked.people, 0, "once");
}

async fn what_is_kept_for_a_while_goes(ground: &Ground) {
    let mut stand = Stand::synced_company(ground, Company::of(5).ruled(LONDON)).await;
    let mut night = Night::new();
    night.look(ground, &mut stand).await;
    stand.preview().await;
    let left = |stand: &Stand| {
        let tables = stand.tables.clone();
        async move {
            let sql = "SELECT CAST(COUNT(*) AS TEXT) FROM mirror m JOIN runs r ON r.id = m.run_id AND r.tenant_id = m.tenant_id \
                       WHERE r.kind = 'preview'";
            tables.texts(sql).await.concat()
        }
    };
    assert_eq!(left(&stand).await, "5");
    let now = stand.now();
    stand.tenant.set_okta_enabled(true, ANA, &mut stand.ids, now).await.expect("on");
    wait_until(&stand, at("2026-11-25T04:00Z"));
    night.look(ground, &mut stand).await;
    wait_until(&stand, at("2026-11-25T05:40Z"));
    night.look(ground, &mut stand).await;
    assert_eq!(left(&stand).await, "0");
}
