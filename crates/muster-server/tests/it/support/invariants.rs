//! What must hold after every step of every story.

use std::collections::{BTreeMap, BTreeSet};

use muster_core::id::PersonId;
use muster_core::person::{Role, Status};
use muster_core::run::{RunKind, RunState};
use muster_store::runs::Run;

use super::Stand;

/// What was there at the last look.
#[derive(Default)]
pub(crate) struct Seen {
    people: BTreeSet<PersonId>,
    roles: BTreeMap<PersonId, Role>,
    had_owner: bool,
    /// Each history entry as it was read, oldest first.
    history: Vec<String>,
}

impl Seen {
    /// Roles may have been changed on purpose.
    pub(crate) fn forget_roles(&mut self) {
        self.roles.clear();
    }

    /// Compares the directory with what was there before, and with itself.
    pub(crate) async fn check(&mut self, stand: &Stand) {
        let people = stand.people().await;
        let mut okta_ids = BTreeSet::new();
        let mut emails = BTreeSet::new();
        for person in &people {
            if let Some(id) = &person.okta_user_id {
                assert!(okta_ids.insert(id.clone()), "two people are the Okta user {id}");
            }
            let email = person.email.to_lowercase();
            assert!(emails.insert(email.clone()), "two people have the e-mail {email}");
            assert_eq!(person.managed, person.okta_user_id.is_some(), "{email}");
        }
        let present: BTreeSet<PersonId> = people.iter().map(|person| person.id).collect();
        let lost: Vec<_> = self.people.difference(&present).collect();
        assert!(lost.is_empty(), "people are gone for good: {lost:?}");
        for person in &people {
            match self.roles.get(&person.id) {
                Some(role) => assert_eq!(person.role, *role, "the role of {}", person.email),
                None if self.people.is_empty() || self.roles.is_empty() => {}
                None => assert_eq!(person.role, Role::Learner, "a new account: {}", person.email),
            }
        }
        let owner = |role, status| role == Role::Owner && status == Status::Active;
        let has_owner = people.iter().any(|person| owner(person.role, person.status));
        assert!(has_owner || !self.had_owner, "no active owner is left");
        self.history = self.unbroken_history(stand).await;
        self.had_owner = has_owner;
        self.roles = people.iter().map(|person| (person.id, person.role)).collect();
        self.people = present;
    }

    /// Numbered from 1 without a gap, and nothing that was read before has changed.
    async fn unbroken_history(&self, stand: &Stand) -> Vec<String> {
        let mut entries = stand.tenant.history(None, 1_000_000).await.expect("a history");
        entries.reverse();
        for (entry, number) in entries.iter().zip(1..) {
            assert_eq!(entry.seq, number, "a gap in the history");
        }
        let history: Vec<String> =
            entries.iter().map(|entry| serde_json::to_string(entry).expect("JSON")).collect();
        assert!(history.len() >= self.history.len(), "the history became shorter");
        for (now, before) in history.iter().zip(&self.history) {
            assert_eq!(now, before, "the history was rewritten");
        }
        history
    }
}

/// What every finished run keeps to.
pub(crate) fn check_run(run: &Run) {
    assert!(!run.is_open() && run.finished_at.is_some(), "{run:?}");
    for problem in &run.problems {
        let hint = &problem.hint;
        assert!(
            hint.ends_with('.') && hint.len() > 40,
            "a hint says what, why and what to do: {hint:?}"
        );
        assert!(!hint.contains("{d}"), "{hint}");
    }
    let counts = run.counts;
    let listed = run.approves.is_none() && run.state != RunState::Failed;
    if listed {
        let sorted = counts.created
            + counts.linked
            + counts.updated
            + counts.unchanged
            + counts.reactivated
            + counts.deactivated
            + counts.held
            + counts.skipped
            + counts.review;
        assert_eq!(counts.read + counts.missing, sorted, "each person is counted once: {counts:?}");
    }
    if matches!(run.state, RunState::Incomplete | RunState::Failed) {
        assert_eq!((counts.deactivated, counts.held), (0, 0), "{run:?}");
        assert!(!run.problems.is_empty(), "a run that did not work says why: {run:?}");
    }
    assert!(run.state != RunState::Held || run.kind == RunKind::Full, "{run:?}");
}
