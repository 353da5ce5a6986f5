//! Where the guard draws the line: the larger of a number and a share of those with access.

use muster_core::run::RunState;
use muster_oktasim::Action;

use super::access;
use crate::support::{Company, Ground, Stand, on_both_engines};

on_both_engines! {
    up_to_the_limit_people_go_and_one_more_is_held,
}

async fn up_to_the_limit_people_go_and_one_more_is_held(ground: &Ground) {
    // (people in the rules, percent, company, how many may go at once)
    let cases = [
        (5, 10, 40, 5),   // a tenth of 40 is 4: the number counts
        (5, 10, 61, 6),   // a tenth of 61, cut
        (0, 10, 40, 4),   // the share alone
        (0, 10, 39, 3),   // 3.9 is no 4
        (0, 1, 40, 0),    // less than one person
        (2, 50, 20, 10),  // half
        (7, 1, 20, 7),    // the number alone
        (0, 100, 12, 11), // a share of all: still never everybody at once
    ];
    for (people, percent, company, limit) in cases {
        let rules = format!(
            "email_domains = [\"fernhill.example\"]\nguard = {{ people = {people}, percent = {percent} }}\n"
        );
        for suspend in [false, true] {
            let case = format!("guard {people}/{percent} of {company}, suspend {suspend}");
            let mut stand = Stand::synced_company(ground, Company::of(company).ruled(&rules)).await;
            let with_access = access(&stand).await.len();
            assert_eq!(with_access, company as usize, "{case}: everybody is in");
            let all = limit + 1 == with_access;
            if all && suspend {
                // Everybody suspended, one by one, and seen by the listing itself: that is no missing list.
                continue;
            }
            let leave = |stand: &Stand, n: usize| {
                for who in
                    stand.assigned().into_iter().rev().filter(|who| is_in(stand, who)).take(n)
                {
                    stand.act(&if suspend {
                        Action::Suspend { who }
                    } else {
                        Action::Unassign { who, app: None }
                    });
                }
            };
            leave(&stand, limit + 1);
            let run = stand.sync().await;
            assert_eq!(
                (run.state, run.counts.held),
                (RunState::Held, limit as u64 + 1),
                "{case}: {run:?}"
            );
            assert_eq!(access(&stand).await.len(), with_access, "{case}");

            let mut stand = Stand::synced_company(ground, Company::of(company).ruled(&rules)).await;
            leave(&stand, limit);
            let run = stand.sync().await;
            assert_eq!(
                (run.state, run.counts.deactivated),
                (RunState::Done, limit as u64),
                "{case}: {run:?}"
            );
            assert_eq!(access(&stand).await.len(), with_access - limit, "{case}");
        }
    }
}

/// Whether somebody is neither suspended nor deactivated in Okta.
fn is_in(stand: &Stand, who: &str) -> bool {
    let request = muster_oktasim::Request::get(format!("/api/v1/users/{}", stand.okta_id(who)));
    let user = stand.okta.handle(&request.ssws(&stand.okta.api_token()), stand.now()).json();
    user["status"] != "SUSPENDED"
}
