//! What reads still show for some seconds after a change.
//!
//! Okta serves several lists from indexes that lag. Source: a recording in which the members of a group appeared about
//! three seconds after the calls that added them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::groups::Assignment;
use super::people::Person;

/// States that were replaced a moment ago, by what they belong to.
#[derive(Debug, Default)]
pub(crate) struct Past {
    people: Lagging<u32, Option<Person>>,
    assignments: Lagging<(u32, u32), Option<Assignment>>,
    members: Lagging<(u32, u32), bool>,
}

/// What a read shows of one thing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lag<T> {
    /// The thing as it is.
    Present,
    /// The thing as it was, or that it was not there.
    Before(Option<T>),
}

/// For each key the replaced states in the order of their replacement, each with the moment it stops showing.
#[derive(Debug)]
struct Lagging<K, V>(BTreeMap<K, Vec<(Timestamp, V)>>);

impl<K, V> Default for Lagging<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V> Lagging<K, V> {
    fn note(&mut self, key: K, before: V, until: Timestamp) {
        self.0.entry(key).or_default().push((until, before));
    }

    fn at(&self, key: &K, now: Timestamp) -> Option<&V> {
        self.0.get(key)?.iter().find(|(until, _)| *until > now).map(|(_, value)| value)
    }

    fn forget(&mut self, now: Timestamp) {
        self.0.retain(|_, states| {
            states.retain(|(until, _)| *until > now);
            !states.is_empty()
        });
    }
}

impl Past {
    /// True when every read shows the present.
    pub(crate) fn is_empty(&self) -> bool {
        self.people.0.is_empty() && self.assignments.0.is_empty() && self.members.0.is_empty()
    }

    /// Drops what no read shows any more.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        if !self.is_empty() {
            self.people.forget(now);
            self.assignments.forget(now);
            self.members.forget(now);
        }
    }

    pub(crate) fn note_person(&mut self, slot: u32, before: Option<Person>, until: Timestamp) {
        self.people.note(slot, before, until);
    }

    pub(crate) fn note_assignment(
        &mut self,
        app: u32,
        slot: u32,
        before: Option<Assignment>,
        until: Timestamp,
    ) {
        self.assignments.note((app, slot), before, until);
    }

    pub(crate) fn note_member(&mut self, group: u32, slot: u32, before: bool, until: Timestamp) {
        self.members.note((group, slot), before, until);
    }

    pub(crate) fn person(&self, slot: u32, now: Timestamp) -> Lag<&Person> {
        self.people.at(&slot, now).map_or(Lag::Present, |before| Lag::Before(before.as_ref()))
    }

    pub(crate) fn assignment(&self, app: u32, slot: u32, now: Timestamp) -> Lag<&Assignment> {
        let before = self.assignments.at(&(app, slot), now);
        before.map_or(Lag::Present, |before| Lag::Before(before.as_ref()))
    }

    pub(crate) fn member(&self, group: u32, slot: u32, now: Timestamp) -> Option<bool> {
        self.members.at(&(group, slot), now).copied()
    }

    /// People who may appear in this app's listing although they are no longer assigned.
    pub(crate) fn assigned_slots(&self, app: u32) -> impl DoubleEndedIterator<Item = u32> {
        self.assignments.0.range((app, 0)..=(app, u32::MAX)).map(|((_, slot), _)| *slot)
    }

    /// People who may appear in this group's listing although they are no longer members.
    pub(crate) fn member_slots(&self, group: u32) -> impl DoubleEndedIterator<Item = u32> {
        self.members.0.range((group, 0)..=(group, u32::MAX)).map(|((_, slot), _)| *slot)
    }
}
