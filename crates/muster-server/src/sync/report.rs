//! The report: problems by cause, the old mirror dropped, the run closed.

use std::collections::BTreeMap;

use muster_core::manager::loops;
use muster_core::problem::ProblemCode;
use muster_core::rules::ManagerMode;
use muster_core::run::{RunKind, RunState};
use muster_store::error::StoreError;
use muster_store::history::Write;
use muster_store::phases::report as query;
use muster_store::{connection, items, mirror};

use super::job::{Job, RunError, problem};

/// Rows of an old reading that are dropped in one step.
const SWEEP: i64 = 5_000;
/// Distinct causes named in a hint.
const NAMED: usize = 3;
const CAUSES: i64 = 1_000;

impl Job<'_> {
    pub(super) async fn report(&mut self) -> Result<(), RunError> {
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
                return self.close(write).await;
            }
            self.commit(write).await?;
        }
    }

    async fn close(&mut self, mut write: Write) -> Result<(), RunError> {
        self.tell_items(&mut write).await?;
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
        if state != RunState::Incomplete {
            connection::set_attention(&mut write, None).await?;
        }
        Ok(self.finish(write, state).await?)
    }

    async fn tell_items(&mut self, write: &mut Write) -> Result<(), StoreError> {
        for (codes, people) in items::problem_lists(write, self.run.id).await? {
            for code in codes.split(',').filter_map(ProblemCode::parse) {
                self.run.note(problem(code, people, ""));
            }
        }
        Ok(())
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
        let mut not_found = Vec::new();
        let mut own = 0;
        for loose in query::unresolved_managers(write, CAUSES).await? {
            if loose.own {
                own += loose.people;
            } else {
                not_found.push((loose.value, loose.people));
            }
        }
        let (names, lost): (Vec<_>, Vec<_>) = not_found
            .into_iter()
            .partition(|(value, _)| value.contains(' ') && !value.contains('@'));
        self.tell_named(ProblemCode::ManagerNotFound, &lost);
        self.tell_named(ProblemCode::ManagerDisplayName, &names);
        if own > 0 {
            self.run.note(problem(ProblemCode::ManagerIsSelf, own, ""));
        }
        let left = query::managers_left(write, CAUSES).await?;
        self.tell_named(ProblemCode::ManagerInactive, &left);
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
