//! Which attributes of a profile are kept while a page is read.

use std::collections::BTreeSet;

use muster_core::okta_user::OktaUser;

/// The names of the attributes to keep; all others are skipped unread.
///
/// [`OktaUser::ALWAYS_KEPT`] is always among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepAttributes {
    /// Sorted, each once.
    names: Box<[Box<str>]>,
    /// One bit for each name, chosen by its length and ends: most names of a profile are ruled out by this alone.
    filter: u64,
}

impl KeepAttributes {
    /// Keeps these, and what is always kept.
    pub fn new<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        let mut all: BTreeSet<Box<str>> =
            OktaUser::ALWAYS_KEPT.iter().map(|&name| Box::from(name)).collect();
        all.extend(names.into_iter().map(|name| Box::from(name.as_ref())));
        let filter = all.iter().fold(0, |filter, name| filter | 1 << bit(name));
        Self { names: all.into_iter().collect(), filter }
    }

    /// Whether the attribute of this name is kept. Okta's names are case-sensitive.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The kept name that equals this one.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        if self.filter >> bit(name) & 1 == 0 {
            return None;
        }
        let at = self.names.binary_search_by(|held| held.as_ref().cmp(name)).ok()?;
        self.names.get(at).map(AsRef::as_ref)
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }
}

fn bit(name: &str) -> u32 {
    let bytes = name.as_bytes();
    let first = bytes.first().copied().map_or(0, u32::from);
    let last = bytes.last().copied().map_or(0, u32::from);
    let length = u32::from(bytes.len().to_le_bytes()[0]);
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
        assert!(keep.names().is_sorted());
    }
}
