//! Faults that pass: the run waits, asks again and then does all of its work.

use std::collections::BTreeMap;

use muster_core::person::Status;
use muster_core::run::RunState;
use muster_oktasim::{Action, Family, Fault, LimitChange, Rule};

use super::{FIRST, LAST, MIDDLE, PAGE, PEOPLE, company, fail, mend, promote};
use crate::support::{Called, Company, Ground, Stand, on_both_engines};

on_both_engines! {
    one_fault_on_the_first_page_costs_nothing,
    one_fault_on_a_page_in_the_middle_costs_nothing,
    one_fault_on_the_last_page_costs_nothing,
    after_a_refusal_nothing_is_asked_before_the_limit_resets,
    a_small_rate_limit_is_never_overdrawn,
    a_rain_of_faults_harms_nobody,
}

/// What goes wrong once, and whether it can happen to a first page.
fn faults() -> [(&'static str, Fault, bool); 11] {
    [
        ("a slow page", Fault::Slow(20_000), true),
        ("a page that is too slow once", Fault::Slow(90_000), true),
        ("a short page with a next link", Fault::ShortPage(7), true),
        ("one person twice", Fault::DuplicatePerson, false),
        ("one 500", Fault::Status(500), true),
        ("one 503", Fault::Status(503), true),
        ("one 429", Fault::Status(429), true),
        ("one refused cursor", Fault::WrongCursor, false),
        ("one cut body", Fault::Cut(1000), true),
        ("one dropped connection", Fault::Drop, true),
        ("one sign-in page", Fault::Html, true),
    ]
}

async fn one_fault_on_the_first_page_costs_nothing(ground: &Ground) {
    one_fault_costs_nothing(ground, FIRST).await;
}

async fn one_fault_on_a_page_in_the_middle_costs_nothing(ground: &Ground) {
    one_fault_costs_nothing(ground, MIDDLE).await;
}

async fn one_fault_on_the_last_page_costs_nothing(ground: &Ground) {
    one_fault_costs_nothing(ground, LAST).await;
}

async fn one_fault_costs_nothing(ground: &Ground, page: u16) {
    let mut stand = company(ground).await;
    for (case, fault, _) in faults().into_iter().filter(|case| page > FIRST || case.2) {
        let people = stand.assigned();
        let (leaver, last) = (people[1].clone(), people.last().expect("somebody").clone());
        stand.act(&Action::Unassign { who: leaver.clone(), app: None });
        promote(&stand, &last, case);
        stand.okta.clear_stats();
        fail(&stand, Rule::on_app_users().page(page).times(1).fault(fault));
        let run = stand.sync().await;
        assert_eq!(run.state, RunState::Done, "{case}: {run:?}");
        assert_eq!(stand.okta.stats().faults, 1, "{case} happened");
        let counts = run.counts;
        assert_eq!((counts.read, counts.missing), (people.len() as u64 - 1, 1), "{case}");
        assert_eq!((counts.updated, counts.deactivated), (1, 1), "{case}: {counts:?}");
        assert_eq!(counts.unchanged, people.len() as u64 - 2, "{case}: {counts:?}");
        assert_eq!(stand.here(&last).await.title.as_deref(), Some(case));
        assert_eq!(stand.here(&leaver).await.status, Status::Deactivated, "{case}");
        mend(&stand);
    }
}

/// Of the calls to the rate-limited path after the first refusal: the reset it named, and when the next was made.
fn after_refusal(calls: &[Called]) -> (i64, i64) {
    let refused = calls.iter().position(|call| call.status == 429).expect("a refusal");
    let next = calls.get(refused + 1).expect("another call");
    assert_eq!(next.path, calls[refused].path, "the same is asked again");
    (calls[refused].reset.expect("a reset"), next.at.as_second())
}

async fn after_a_refusal_nothing_is_asked_before_the_limit_resets(ground: &Ground) {
    let mut stand = company(ground).await;
    for page in [FIRST, MIDDLE, LAST] {
        stand.line.take_calls();
        fail(&stand, Rule::on_app_users().page(page).times(1).fault(Fault::Status(429)));
        let run = stand.sync().await;
        assert_eq!(
            (run.state, run.counts.unchanged),
            (RunState::Done, u64::from(PEOPLE)),
            "{run:?}"
        );
        let (reset, next) = after_refusal(&stand.line.take_calls());
        assert!(next >= reset, "page {page}: asked {} s before the reset", reset - next);
        // Whoever waits much longer than needed makes leavers wait too.
        assert!(next <= reset + 5, "page {page}: asked {} s after the reset", next - reset);
        mend(&stand);
    }
}

async fn a_small_rate_limit_is_never_overdrawn(ground: &Ground) {
    let mut stand = Stand::open(ground, Company::of(PEOPLE).paged(PAGE)).await;
    let overrides = Some(BTreeMap::from([(Family::App, 4), (Family::Apps, 4), (Family::User, 4)]));
    stand.okta.limits(LimitChange { overrides, ..LimitChange::default() });
    let begun = stand.now();
    let run = stand.sync().await;
    assert_eq!((run.state, run.counts.read), (RunState::Done, u64::from(PEOPLE)), "{run:?}");
    let stats = stand.okta.stats();
    assert_eq!(stats.limited, 0, "Okta had to refuse: {stats:?}");
    // Half of four calls a minute: five pages take at least two further windows.
    let took = stand.now().duration_since(begun).as_secs() - 3600;
    assert!((120..600).contains(&took), "{took} s");
}

async fn a_rain_of_faults_harms_nobody(ground: &Ground) {
    let mut stand = company(ground).await;
    let before = stand.with_access().await;
    let (mut done, mut incomplete) = (0, 0);
    for seed in 0..12 {
        promote(&stand, &stand.assigned()[60], &format!("Title {seed}"));
        stand.okta.faults(|faults| faults.seeded(seed, 250));
        let run = stand.sync().await;
        match run.state {
            RunState::Done => done += 1,
            RunState::Incomplete => incomplete += 1,
            other => panic!("seed {seed}: {other}: {run:?}"),
        }
        assert_eq!(stand.with_access().await, before, "seed {seed}");
        mend(&stand);
    }
    assert!(done > 0 && incomplete > 0, "{done} done, {incomplete} incomplete: not much of a rain");
    let run = stand.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(stand.here(&stand.assigned()[60]).await.title.as_deref(), Some("Title 11"));
}
