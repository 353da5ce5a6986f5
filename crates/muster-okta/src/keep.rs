//! Which attributes of a profile are kept while a page is read.

use std::collections::BTreeSet;

use muster_core::okta_user::OktaUser;

/// The names of the attributes to keep; all others are skipped unread.
///
/// [`OktaUser::ALWAYS_KEPT`] is always among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepAttributes {
    /// Sorted by slot, then by name; each once.
    names: Box<[(u8, Box<str>)]>,
    /// For each slot, where its names begin in `names`. Asked once for every attribute of every person, so most names
    /// must be ruled out without a comparison of texts.
    starts: [usize; SLOTS],
}

/// A power of two, well above the number of names that rules have.
const SLOTS: usize = 64;

impl KeepAttributes {
    /// Keeps these, and what is always kept.
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        let mut all: BTreeSet<(u8, Box<str>)> =
            OktaUser::ALWAYS_KEPT.iter().map(|&name| (slot(name), Box::from(name))).collect();
        all.extend(names.into_iter().map(|name| (slot(name.as_ref()), Box::from(name.as_ref()))));
        let names: Box<[(u8, Box<str>)]> = all.into_iter().collect();
        let mut starts = [names.len(); SLOTS];
        for (index, (slot, _)) in names.iter().enumerate().rev() {
            starts[usize::from(*slot)] = index;
        }
        Self { names, starts }
    }

    /// Whether the attribute of this name is kept. Okta's names are case-sensitive.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The kept name that equals this one.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let slot = slot(name);
        let of_slot = self.names[self.starts[usize::from(slot)]..].iter();
        let mut names = of_slot.take_while(|(at, _)| *at == slot).map(|(_, held)| held.as_ref());
        names.find(|held| *held == name)
    }

    /// The names, in no order that means anything.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(_, name)| name.as_ref())
    }
}

/// Length and both ends tell most names apart. Always below [`SLOTS`].
fn slot(name: &str) -> u8 {
    let bytes = name.as_bytes();
    let first = bytes.first().copied().unwrap_or(0);
    let last = bytes.last().copied().unwrap_or(0);
    let length = bytes.len().to_le_bytes()[0];
    (length.wrapping_mul(7) ^ first.wrapping_mul(3) ^ last) & 63
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_named_and_what_is_always_kept() {
        let keep = KeepAttributes::new(["department", "startDate", "department", ""]);
        for name in ["department", "startDate", "", "login", "email", "displayName"] {
            assert!(keep.contains(name), "{name}");
        }
        for name in ["Department", "departmen", "startdate", "mobilePhone", "logim"] {
            assert!(!keep.contains(name), "{name}");
        }
        assert_eq!(keep.names().count(), 9);
    }
}
