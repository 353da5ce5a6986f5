//! Any order, any number of copies, any delay: in the end the tenant is as Okta is.

use muster_core::run::RunCause;
use muster_core::run::RunState;
use muster_oktasim::Action;
use muster_store::jobs::{NewJob, kind, priority};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::wire::{Wire, work, work_for};
use crate::support::{Company, Ground, Stand, on_both_engines};

on_both_engines! { whatever_happens_and_however_it_is_told_the_end_is_okta_s }

/// Nobody waits for approval here: what is held is another story.
const FREE: &str = r#"
email_domains = ["fernhill.example"]
guard = { people = 1000, percent = 100 }
[map]
title = "title"
location = "city"
language = ["preferredLanguage", "locale"]
team = "department"
manager = "managerId"
start_date = "startDate"
"#;

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.0.next_u32()).expect("64 bits") % n
    }
}

async fn whatever_happens_and_however_it_is_told_the_end_is_okta_s(ground: &Ground) {
    for seed in 0..20 {
        history(ground, seed).await;
    }
}

async fn history(ground: &Ground, seed: u64) {
    let mut stand = Stand::synced_company(ground, Company::of(12).ruled(FREE)).await;
    let mut wire = Wire::from_now(ground, &stand);
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let mut late = Vec::new();
    // Okta also has who made the API token, whom nothing may happen to.
    let people = stand.assigned();
    for step in 0..25 {
        let who = people[dice.below(people.len())].clone();
        let action = match dice.below(9) {
            0 => Action::Suspend { who },
            1 => Action::Unsuspend { who },
            2 => Action::Deactivate { who },
            3 => Action::Activate { who },
            4 => Action::Assign { who, app: None },
            5 => Action::Unassign { who, app: None },
            6 => Action::Delete { who },
            _ => {
                let profile = json!({"title": format!("Title {step}"), "department": format!("Team {}", dice.below(3))});
                let profile = profile.as_object().expect("an object").clone();
                Action::Update { who, profile }
            }
        };
        // What cannot be done in Okta (suspending somebody who is suspended, say) is not done.
        let _ = stand.okta.act(&action, stand.now());
        let fresh = wire.take(&stand);
        for event in fresh {
            match dice.below(4) {
                // Lost for the hook, late, or at once.
                0 => {}
                1 => late.push(event),
                _ => wire.deliver(&mut stand, &[event]).await,
            }
        }
        if !late.is_empty() && dice.below(3) == 0 {
            let event = late.swap_remove(dice.below(late.len()));
            wire.deliver(&mut stand, &[event.clone(), event]).await;
        }
        if dice.below(2) == 0 {
            work(&stand).await;
        }
        stand.clock.advance(std::time::Duration::from_millis(200));
    }
    late.reverse();
    wire.deliver(&mut stand, &late).await;
    work(&stand).await;
    stand.clock.advance(std::time::Duration::from_secs(1));
    let now = stand.now();
    let job = NewJob::misc(kind::LOG_POLL, "log", priority::LOG, now, RunCause::Log);
    stand.tenant.ask(&[job], &mut stand.ids, now).await.expect("asked");
    work_for(&stand, 8).await;
    let before = stand.people().await;
    let run = stand.sync().await;
    assert_eq!(run.state, RunState::Done, "seed {seed}: {run:?}");
    let counts = run.counts;
    assert_eq!(
        counts.created + counts.updated + counts.deactivated + counts.reactivated + counts.linked,
        0,
        "seed {seed}: a full run finds something left to do: {counts:?}"
    );
    assert_eq!(stand.people().await, before, "seed {seed}");
    stand.check().await;
}
