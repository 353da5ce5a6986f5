//! Who is whose manager: what a value from Okta means, which rule wins, and where chains go round in circles.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::PersonId;
use crate::name::key_of;
use crate::rules::ManagerMode;

/// Somebody who may be a manager. Only an active one can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManagerRef {
    /// Who.
    pub id: PersonId,
    /// Whether they have access.
    pub active: bool,
}

/// Which rule an effective manager comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagerSource {
    /// The manager that Okta names.
    Okta,
    /// The primary team's, or the parent team's.
    Team,
    /// Set by an admin for this person.
    Hand,
}

impl ManagerSource {
    /// The word for it in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Okta => "okta",
            Self::Team => "team",
            Self::Hand => "hand",
        }
    }
}

/// The effective manager: set by hand, else from Okta (only in the individual mode), else the primary team's, else the
/// parent team's for whoever leads their own team.
///
/// Someone inactive manages nobody, and nobody manages themselves: the next rule decides then.
pub fn effective(
    mode: ManagerMode,
    person: PersonId,
    hand: Option<ManagerRef>,
    synced: Option<ManagerRef>,
    team: Option<ManagerRef>,
    parent_team: Option<ManagerRef>,
) -> Option<(PersonId, ManagerSource)> {
    let fit = |candidate: Option<ManagerRef>| {
        candidate.filter(|manager| manager.active && manager.id != person).map(|manager| manager.id)
    };
    let synced = synced.filter(|_| mode == ManagerMode::Individual);
    let leads_own_team = team.is_some_and(|manager| manager.id == person);
    fit(hand)
        .map(|id| (id, ManagerSource::Hand))
        .or_else(|| fit(synced).map(|id| (id, ManagerSource::Okta)))
        .or_else(|| fit(team).map(|id| (id, ManagerSource::Team)))
        .or_else(|| fit(parent_team.filter(|_| leads_own_team)).map(|id| (id, ManagerSource::Team)))
}

/// How manager values are compared: trimmed, inner white space collapsed, composed, lower case. `None` for nothing.
pub fn key(raw: &str) -> Option<String> {
    let key = key_of(raw);
    (!key.is_empty()).then_some(key)
}

/// Who a manager value may mean, by each way of reading it. Only unique hits are candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Candidates {
    /// Whose Okta id it is.
    pub by_okta_id: Option<PersonId>,
    /// Whose login.
    pub by_login: Option<PersonId>,
    /// Whose e-mail.
    pub by_email: Option<PersonId>,
    /// Whose employee number.
    pub by_employee_number: Option<PersonId>,
    /// Whose first and last name.
    pub by_name: Option<PersonId>,
}

/// What a manager value turned out to mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// Somebody else.
    Found(PersonId),
    /// The value is the person's own.
    Itself,
    /// Nobody here, or nobody yet.
    NotFound,
}

/// Reads a manager value: as Okta id, login, e-mail, employee number, and as a name only if the tenant allows it.
pub fn resolve(candidates: &Candidates, allow_name: bool, person: PersonId) -> Resolution {
    let found = candidates
        .by_okta_id
        .or(candidates.by_login)
        .or(candidates.by_email)
        .or(candidates.by_employee_number)
        .or(candidates.by_name.filter(|_| allow_name));
    match found {
        Some(id) if id == person => Resolution::Itself,
        Some(id) => Resolution::Found(id),
        None => Resolution::NotFound,
    }
}

/// The circles in a set of links from person to manager, each once, beginning at its smallest id and following the links.
///
/// People whose chain only leads into a circle are in none.
pub fn loops(edges: &BTreeMap<PersonId, PersonId>) -> Vec<Vec<PersonId>> {
    let mut settled: BTreeSet<PersonId> = BTreeSet::new();
    let mut rings = Vec::new();
    for &start in edges.keys() {
        let mut path = Vec::new();
        let mut on_path = BTreeSet::new();
        let mut at = start;
        while !settled.contains(&at) && on_path.insert(at) {
            path.push(at);
            match edges.get(&at) {
                Some(&next) => at = next,
                None => break,
            }
        }
        if !settled.contains(&at)
            && edges.contains_key(&at)
            && let Some(begin) = path.iter().position(|&id| id == at)
        {
            let mut ring = path[begin..].to_vec();
            if let Some(smallest) =
                ring.iter().enumerate().min_by_key(|(_, id)| **id).map(|(at, _)| at)
            {
                ring.rotate_left(smallest);
            }
            rings.push(ring);
        }
        settled.extend(path);
    }
    rings.sort();
    rings
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn id(n: u8) -> PersonId {
        PersonId::new(Uuid::from_u128(n.into()))
    }

    fn on(n: u8) -> ManagerRef {
        ManagerRef { id: id(n), active: true }
    }

    fn off(n: u8) -> ManagerRef {
        ManagerRef { id: id(n), active: false }
    }

    #[test]
    fn the_effective_manager() {
        use ManagerMode::{Individual, Off, Team};
        use ManagerSource::{Hand, Okta, Team as FromTeam};
        #[rustfmt::skip]
        let cases = [
            ("nothing",                     Individual, None,   None,   None,   None,   None),
            ("R58 okta beats team",         Individual, None,   Some(on(2)),  Some(on(3)),  None,   Some((2, Okta))),
            ("hand beats okta",             Individual, Some(on(4)),  Some(on(2)),  Some(on(3)),  None,   Some((4, Hand))),
            ("R57 the team's",              Individual, None,   None,   Some(on(3)),  None,   Some((3, FromTeam))),
            ("E20 a manager who left",      Individual, None,   Some(off(2)), Some(on(3)),  None,   Some((3, FromTeam))),
            ("E31 team's manager left",     Individual, None,   None,   Some(off(3)), None,   None),
            ("E19 own manager",             Individual, None,   Some(on(1)),  None,   None,   None),
            ("E29 leads the own team",      Individual, None,   None,   Some(on(1)),  Some(on(5)),  Some((5, FromTeam))),
            ("no parent for others",        Individual, None,   None,   None,   Some(on(5)),  None),
            ("R68 team mode ignores okta",  Team,       None,   Some(on(2)),  Some(on(3)),  None,   Some((3, FromTeam))),
            ("off ignores okta",            Off,        None,   Some(on(2)),  Some(on(3)),  None,   Some((3, FromTeam))),
            ("off keeps what hands set",    Off,        Some(on(4)),  Some(on(2)),  None,   None,   Some((4, Hand))),
        ];
        for (name, mode, hand, synced, team, parent, want) in cases {
            let want = want.map(|(n, source)| (id(n), source));
            assert_eq!(effective(mode, id(1), hand, synced, team, parent), want, "{name}");
        }
    }

    #[test]
    fn readings_of_a_value_in_their_order() {
        let all = Candidates {
            by_okta_id: Some(id(2)),
            by_login: Some(id(3)),
            by_email: Some(id(4)),
            by_employee_number: Some(id(5)),
            by_name: Some(id(6)),
        };
        let mut left = all;
        assert_eq!(resolve(&left, true, id(1)), Resolution::Found(id(2)));
        left.by_okta_id = None;
        assert_eq!(resolve(&left, true, id(1)), Resolution::Found(id(3)));
        left.by_login = None;
        assert_eq!(resolve(&left, true, id(1)), Resolution::Found(id(4)));
        left.by_email = None;
        assert_eq!(resolve(&left, true, id(1)), Resolution::Found(id(5)));
        left.by_employee_number = None;
        assert_eq!(resolve(&left, true, id(1)), Resolution::Found(id(6)));
        assert_eq!(resolve(&left, false, id(1)), Resolution::NotFound);
        assert_eq!(resolve(&all, true, id(2)), Resolution::Itself);
    }

    #[test]
    fn circles() {
        let edges = |pairs: &[(u8, u8)]| pairs.iter().map(|&(a, b)| (id(a), id(b))).collect();
        let ring = |ids: &[u8]| ids.iter().map(|&n| id(n)).collect::<Vec<_>>();
        assert_eq!(loops(&edges(&[(1, 2), (2, 3)])), Vec::<Vec<PersonId>>::new());
        assert_eq!(loops(&edges(&[(2, 1), (1, 2)])), vec![ring(&[1, 2])]);
        assert_eq!(
            loops(&edges(&[(1, 3), (3, 2), (2, 1), (4, 1), (5, 4)])),
            vec![ring(&[1, 3, 2])]
        );
        assert_eq!(loops(&edges(&[(1, 1), (5, 6), (6, 5)])), vec![ring(&[1]), ring(&[5, 6])]);
    }

    #[test]
    fn a_long_chain_is_walked_once() {
        let person = |n: u128| PersonId::new(Uuid::from_u128(n));
        // E18: one chain of 200,000 people that ends in a circle of two.
        let n = 200_000;
        let mut edges: BTreeMap<_, _> = (0..n).map(|at| (person(at), person(at + 1))).collect();
        edges.insert(person(n), person(n - 1));
        assert_eq!(loops(&edges), vec![vec![person(n - 1), person(n)]]);
    }

    #[test]
    fn values_are_compared_loosely() {
        assert_eq!(key(" Bo@Acme.Example ").as_deref(), Some("bo@acme.example"));
        assert_eq!(key("Bo  ITO").as_deref(), Some("bo ito"));
        assert_eq!(key("  "), None);
    }

    proptest! {
        #[test]
        fn partial_links_end(pairs in proptest::collection::btree_map(0_u8..30, 0_u8..30, 0..30)) {
            let edges: BTreeMap<_, _> = pairs.iter().map(|(&from, &to)| (id(from), id(to))).collect();
            let in_rings: BTreeSet<_> = loops(&edges).into_iter().flatten().collect();
            for &start in edges.keys() {
                // By hand: whoever comes back to themselves is in a circle.
                let mut at = edges.get(&start);
                let returns = (0..30).any(|_| {
                    let here = at == Some(&start);
                    at = at.and_then(|id| edges.get(id));
                    here
                });
                prop_assert_eq!(in_rings.contains(&start), returns);
            }
        }

        #[test]
        fn every_circle_is_found_once(targets in proptest::collection::vec(0_u8..20, 20)) {
            let edges: BTreeMap<_, _> = targets.iter().zip(0_u8..).map(|(&to, from)| (id(from), id(to))).collect();
            let rings = loops(&edges);
            let mut seen = BTreeSet::new();
            for ring in &rings {
                for (at, &person) in ring.iter().enumerate() {
                    prop_assert!(seen.insert(person));
                    prop_assert_eq!(edges[&person], ring[(at + 1) % ring.len()]);
                }
            }
            // Everybody has a manager here, so every chain ends in a circle, and no circle is left out.
            for mut at in edges.keys().copied() {
                for _ in 0..20 {
                    at = edges[&at];
                }
                prop_assert!(seen.contains(&at));
            }
            prop_assert!(rings.iter().all(|ring| ring.iter().min() == ring.first()));
        }
    }
}
