//! The report: problems by cause, the old mirror dropped, the run closed.

use std::collections::BTreeMap;

use muster_core::manager::loops;
use muster_core::problem::{Problem, ProblemCode};
use muster_core::rules::ManagerMode;
use muster_core::run::{RunCause, RunKind, RunState};
use muster_store::error::StoreError;
use muster_store::history::Write;
use muster_store::jobs::{NewJob, priority};
use muster_store::phases::report::{self as query, LostManager};
use muster_store::runs::Run;
use muster_store::{connection, events, items, jobs, mirror, sessions, sightings, unreadable};

use super::job::{Job, RunError, problem};
use super::named::{REST_MAX, STALE};

/// Rows of an old reading that are dropped in one step.
const SWEEP: i64 = 5_000;
/// Distinct causes named in a hint.
const NAMED: usize = 3;
const CAUSES: i64 = 1_000;

/// Whether a run applied all that Okta showed, save removals that wait for a human.
fn keeps_all(run: &Run, state: RunState) -> bool {
    run.kind == RunKind::Full
        && run.approves.is_none()
        && matches!(state, RunState::Done | RunState::Held)
}

impl Job<'_> {
    pub(super) async fn report(&mut self) -> Result<(), RunError> {
        let renames = self.renames().await?;
        // A run that saw everything is the tenant's mirror from now on; one that did not leaves the older mirror alone.
        let keep_own = !self.is_truncated() && self.run.kind == RunKind::Full && self.lists();
        loop {
            let mut write = self.step().await?;
            let swept = if keep_own {
                mirror::sweep_others(&mut write, self.run.id, SWEEP).await?
            } else if self.is_preview() {
                0
            } else {
                mirror::sweep(&mut write, self.run.id, SWEEP).await?
            };
            if swept == 0 {
                return self.close(write, renames).await;
            }
            self.commit(write).await?;
        }
    }

    async fn close(&mut self, mut write: Write, renames: Option<Problem>) -> Result<(), RunError> {
        self.tell_items(&mut write).await?;
        if let Some(renames) = renames {
            self.run.note(renames);
        }
        if !self.is_preview() && self.lists() {
            self.tell_people(&mut write).await?;
            self.tell_managers(&mut write).await?;
        }
        self.run.problems.sort_by_key(|problem| problem.code);
        let state = if self.is_truncated() {
            RunState::Incomplete
        } else if self.run.counts.held > 0 && !self.is_preview() {
            RunState::Held
        } else {
            RunState::Done
        };
        if let (Some(held), RunState::Done) = (self.run.approves, state) {
            items::settle_approved(&mut write, held, self.run.id, self.now()).await?;
        }
        // Some people's answers say nothing of the listing; that the token is taken they show.
        if self.run.kind != RunKind::Person && state != RunState::Incomplete {
            connection::set_attention(&mut write, None).await?;
        } else if self.was_answered {
            let refused = ProblemCode::TokenRefused.name();
            connection::end_attention(&mut write, refused).await?;
        }
        if self.run.kind == RunKind::Person {
            return self.settle_named(write, state).await;
        }
        if !self.is_preview() {
            self.ask_for_those_in_doubt(&mut write).await?;
        }
        if let Some(began) = self.run.read_started_at {
            sightings::forget(&mut write, began - STALE).await?;
        }
        if keeps_all(&self.run, state)
            && let Some(began) = self.run.read_started_at
        {
            sessions::forget_kept_owners(&mut write, began).await?;
            // Whoever was to be read again for an event of before has been.
            events::mark_all_applied(&mut write, began, self.run.id).await?;
            let again = self.now() + REST_MAX;
            jobs::drop_covered(&mut write, began, self.run.id, again).await?;
        }
        Ok(self.finish(write, state).await?)
    }

    /// Whom a page showed as in and a read just before as out is looked at once more.
    async fn ask_for_those_in_doubt(&mut self, write: &mut Write) -> Result<(), StoreError> {
        let doubtful = sightings::in_doubt(write, self.run.id).await?;
        let now = self.now();
        let looks: Vec<NewJob<'_>> = doubtful
            .iter()
            .map(|id| NewJob::person(id, priority::SECOND_LOOK, now, RunCause::Event))
            .collect();
        jobs::enqueue(write, &looks, &mut self.ids).await
    }

    async fn tell_items(&mut self, write: &mut Write) -> Result<(), StoreError> {
        for (codes, people) in items::problem_lists(write, self.run.id).await? {
            for code in codes.split(',').filter_map(ProblemCode::parse) {
                let detail = match code {
                    ProblemCode::RecordUnreadable => self.unreadable(write, people).await?,
                    _ => String::new(),
                };
                self.run.note(problem(code, people, &detail));
            }
        }
        Ok(())
    }

    /// Names the first records that could not be read, each with what is wrong with it.
    async fn unreadable(&self, write: &mut Write, people: u64) -> Result<String, StoreError> {
        let limit = i64::try_from(NAMED).unwrap_or(i64::MAX);
        let named = unreadable::named(write, self.run.id, limit).await?;
        let mut told: Vec<String> =
            named.iter().map(|(label, why)| format!("{label} ({why})")).collect();
        if people > told.len() as u64 {
            told.push(format!("and {} more", people - told.len() as u64));
        }
        Ok(told.join(", "))
    }

    async fn tell_people(&mut self, write: &mut Write) -> Result<(), StoreError> {
        // Someone in review has an item and bits: the item has told of them already.
        let told: Vec<ProblemCode> = self.run.problems.iter().map(|problem| problem.code).collect();
        let mut by_code: BTreeMap<ProblemCode, u64> = BTreeMap::new();
        for (bits, people) in query::problem_bits(write).await? {
            for code in ProblemCode::ALL.iter().filter(|code| bits & (1 << (**code as u32)) != 0) {
                *by_code.entry(*code).or_default() += people;
            }
        }
        // Told for as long as somebody waits, not only by the plan that brought them back.
        by_code.insert(ProblemCode::ReturnsAfterLongAbsence, query::unconfirmed(write).await?);
        by_code.retain(|_, people| *people > 0);
        for (code, people) in by_code.into_iter().filter(|(code, _)| !told.contains(code)) {
            self.run.note(problem(code, people, ""));
        }
        Ok(())
    }

    async fn tell_managers(&mut self, write: &mut Write) -> Result<(), StoreError> {
        if self.rules.manager == ManagerMode::Off {
            return Ok(());
        }
        self.tell_unresolved(write).await?;
        let (unassigned, left): (Vec<_>, Vec<_>) =
            query::managers_left(write, CAUSES).await?.into_iter().partition(|one| one.unassigned);
        let told = |of: Vec<LostManager>| -> Vec<(String, u64)> {
            of.into_iter().map(|one| (one.email, one.people)).collect()
        };
        self.tell_named(ProblemCode::ManagerNotAssigned, &told(unassigned));
        self.tell_named(ProblemCode::ManagerInactive, &told(left));
        let links = query::endless(write, 10_000).await?;
        let edges = links.iter().map(|link| (link.person, link.manager)).collect();
        let names: BTreeMap<_, _> =
            links.iter().map(|link| (link.person, link.email.as_str())).collect();
        let rings = loops(&edges);
        if !rings.is_empty() {
            let people = rings.iter().map(|ring| ring.len() as u64).sum();
            let told: Vec<String> = rings
                .iter()
                .take(NAMED)
                .map(|ring| {
                    ring.iter()
                        .filter_map(|id| names.get(id).copied())
                        .collect::<Vec<_>>()
                        .join(" → ")
                })
                .collect();
            self.run.note(problem(ProblemCode::ManagerLoop, people, &told.join("; ")));
        }
        Ok(())
    }

    /// Manager values that lead to nobody, by what is known of the reason.
    async fn tell_unresolved(&mut self, write: &mut Write) -> Result<(), StoreError> {
        let loose = query::unresolved_managers(write, CAUSES).await?;
        // An address can be neither a number nor a name.
        let odd = || loose.iter().filter(|one| !one.own && !one.value.contains('@'));
        let numbers: Vec<&str> = odd().map(|one| one.raw.as_str()).collect();
        let mut shared = query::shared_numbers(write, &numbers).await?;
        if self.rules.manager_by_name {
            let names: Vec<&str> = odd().map(|one| one.value.as_str()).collect();
            shared.extend(query::shared_names(write, &names).await?);
        }
        let mut by_code: BTreeMap<ProblemCode, Vec<(String, u64)>> = BTreeMap::new();
        for one in loose {
            let code = if one.own {
                ProblemCode::ManagerIsSelf
            } else if shared.contains(&one.raw) || shared.contains(&one.value) {
                ProblemCode::ManagerAmbiguous
            } else if one.value.contains(' ') && !one.value.contains('@') {
                ProblemCode::ManagerDisplayName
            } else {
                ProblemCode::ManagerNotFound
            };
            by_code.entry(code).or_default().push((one.value, one.people));
        }
        for (code, causes) in by_code {
            self.tell_named(code, &causes);
        }
        Ok(())
    }

    fn tell_named(&mut self, code: ProblemCode, causes: &[(String, u64)]) {
        let people: u64 = causes.iter().map(|(_, people)| people).sum();
        if people == 0 {
            return;
        }
        let mut told: Vec<String> =
            causes.iter().take(NAMED).map(|(name, people)| format!("{name} ({people})")).collect();
        if causes.len() > NAMED {
            told.push(format!("and {} more", causes.len() - NAMED));
        }
        self.run.note(problem(code, people, &told.join(", ")));
    }
}
