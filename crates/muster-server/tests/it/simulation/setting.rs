//! What the reference model knows besides the directory and the company.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use muster_core::id::PersonId;

use super::company::Truth;
use super::policy::Policy;

/// How many known people are asked by their id when a listing holds nobody.
const CANARIES: usize = 3;
/// How many people who answer 404 without any word of the log may be taken as deleted in one run.
const GONE_MAX: usize = 5;

/// What the model knows besides the directory and the company.
#[derive(Debug, Clone)]
pub(crate) struct Setting<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) today: Date,
    pub(crate) now: Timestamp,
    /// Managers set by hand.
    pub(crate) hands: &'a BTreeMap<PersonId, PersonId>,
    pub(crate) log_readable: bool,
    /// People whose deletion is too long ago for the log.
    pub(crate) forgotten: &'a BTreeSet<String>,
}

impl Setting<'_> {
    /// Whether these many deleted people can be told from people whom the token does not see.
    pub(super) fn can_tell<'i>(&self, deleted: impl Iterator<Item = &'i String>) -> bool {
        let deleted: Vec<&String> = deleted.collect();
        if self.log_readable {
            return !deleted.iter().any(|id| self.forgotten.contains(*id));
        }
        deleted.len() <= GONE_MAX
    }

    /// Whether nothing of these people, whom the directory knows, shows that Okta answers truly: of the first few by
    /// id nobody can be read, and the log tells of nobody's deletion.
    pub(super) fn is_blind<'i>(
        &self,
        known: impl Iterator<Item = &'i String>,
        truth: &Truth,
    ) -> bool {
        let known: BTreeSet<&String> = known.collect();
        let speaks = |id: &String| {
            truth.contains_key(id) || (self.log_readable && !self.forgotten.contains(id))
        };
        !known.is_empty() && !known.into_iter().take(CANARIES).any(speaks)
    }
}
