//! What one caller sees at one moment: the present, what lags behind it, minus what the caller may not see.

use std::collections::{BTreeSet, btree_set};
use std::iter::Peekable;

use jiff::Timestamp;

use super::Org;
use super::groups::{Assignment, Members};
use super::people::Person;
use super::stale::Lag;

/// A reader's view of an org.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub org: &'a Org,
    pub now: Timestamp,
    /// People this caller does not see.
    pub hidden: Option<&'a BTreeSet<u32>>,
}

impl<'a> View<'a> {
    /// The person in this slot, if this caller sees one.
    pub(crate) fn person(self, slot: u32) -> Option<&'a Person> {
        if self.hidden.is_some_and(|hidden| hidden.contains(&slot)) {
            return None;
        }
        match self.org.past.person(slot, self.now) {
            Lag::Before(before) => before,
            Lag::Present => self.org.person(slot),
        }
    }

    /// The assignment of a person to an app. In Federation Broker Mode there is none.
    pub(crate) fn assignment(self, app: u32, slot: u32) -> Option<&'a Assignment> {
        if self.org.app(app)?.implicit {
            return None;
        }
        match self.org.past.assignment(app, slot, self.now) {
            Lag::Before(before) => before,
            Lag::Present => self.org.assignment(app, slot),
        }
    }

    /// Whether a person is in a group.
    pub(crate) fn is_member(self, group: u32, slot: u32) -> bool {
        self.org
            .past
            .member(group, slot, self.now)
            .unwrap_or_else(|| self.org.is_member(group, slot))
    }

    /// People from a slot on, in the order of the listing.
    pub(crate) fn people(self, from: u32) -> impl Iterator<Item = (u32, &'a Person)> {
        let all = u32::try_from(self.org.people.len()).unwrap_or(u32::MAX);
        (from..all).filter_map(move |slot| Some((slot, self.person(slot)?)))
    }

    /// Assigned people from a slot on, in the order of the listing.
    pub(crate) fn assigned(
        self,
        app: u32,
        from: u32,
    ) -> impl Iterator<Item = (u32, &'a Assignment)> {
        let present = self
            .org
            .app(app)
            .into_iter()
            .flat_map(move |app| app.assignments.range(from..).map(|(slot, _)| *slot));
        let past: BTreeSet<u32> =
            self.org.past.assigned_slots(app).filter(|slot| *slot >= from).collect();
        Merged { left: present.peekable(), right: past.into_iter().peekable() }
            .filter_map(move |slot| Some((slot, self.assignment(app, slot)?)))
    }

    /// Members of a group from a slot on, in the order of the listing. Deactivated people stay members.
    pub(crate) fn members(self, group: u32, from: u32) -> Box<dyn Iterator<Item = u32> + 'a> {
        match self.org.group(group).map(|group| &group.members) {
            None => Box::new(std::iter::empty()),
            Some(Members::Everyone) => Box::new(self.people(from).map(|(slot, _)| slot)),
            Some(Members::Listed(members)) => {
                let past: BTreeSet<u32> =
                    self.org.past.member_slots(group).filter(|slot| *slot >= from).collect();
                let merged = Merged {
                    left: members.range(from..).copied().peekable(),
                    right: past.into_iter().peekable(),
                };
                Box::new(merged.filter(move |slot| self.is_member(group, *slot)))
            }
        }
    }
}

/// Two ascending sequences as one, each number once.
struct Merged<L: Iterator<Item = u32>> {
    left: Peekable<L>,
    right: Peekable<btree_set::IntoIter<u32>>,
}

impl<L: Iterator<Item = u32>> Iterator for Merged<L> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match (self.left.peek().copied(), self.right.peek().copied()) {
            (Some(left), Some(right)) if left == right => {
                self.right.next();
                self.left.next()
            }
            (Some(left), Some(right)) if right < left => self.right.next(),
            (Some(_), _) => self.left.next(),
            (None, _) => self.right.next(),
        }
    }
}
