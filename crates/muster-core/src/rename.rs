//! Whether a team was renamed in Okta: there it is only a text that people carry, so a new name looks like another team.

use std::collections::BTreeMap;

use crate::name::Name;

/// So many people at least must move: one or two say nothing.
const FEW: u64 = 3;

/// People of one run whose team became another, by how each was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// The team they were in.
    pub before: String,
    /// The team they are in now; `None` for none.
    pub after: Option<String>,
    /// How many.
    pub people: u64,
}

/// People who went from one team to another, whatever the spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// The team they were in.
    pub before: Name,
    /// The team they are in now.
    pub after: Name,
    /// How many.
    pub people: u64,
    /// How many left the old team in this run, for whichever.
    pub left: u64,
}

impl Moved {
    /// Whether nearly all of the old team went (`of` people were in it before), and nearly nobody else is in the new one
    /// (`now` people are in it after).
    pub fn looks_like_a_rename(&self, of: u64, now: u64) -> bool {
        let nearly_all = |all: u64| self.people.saturating_mul(10) >= all.saturating_mul(9);
        self.people >= FEW && nearly_all(of) && nearly_all(now)
    }
}

/// The moves of a run that may be renames, most people first: those of enough people who are nearly all that left their team.
pub fn candidates(moves: &[Move]) -> Vec<Moved> {
    let mut left: BTreeMap<String, u64> = BTreeMap::new();
    let mut pairs: BTreeMap<(String, String), Moved> = BTreeMap::new();
    for one in moves {
        let Some(before) = Name::parse(&one.before) else { continue };
        let after = one.after.as_deref().and_then(Name::parse);
        if after.as_ref().is_some_and(|after| after.key() == before.key()) {
            continue;
        }
        *left.entry(before.key().to_owned()).or_default() += one.people;
        if let Some(after) = after {
            pairs
                .entry((before.key().to_owned(), after.key().to_owned()))
                .or_insert(Moved { before, after, people: 0, left: 0 })
                .people += one.people;
        }
    }
    let mut found: Vec<Moved> = pairs
        .into_values()
        .map(|one| Moved { left: left.get(one.before.key()).copied().unwrap_or(0), ..one })
        .filter(|one| one.looks_like_a_rename(one.left, 0))
        .collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.people));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From, to, how many.
    type Given = (&'static str, &'static str, u64);
    /// To, how many, of how many who left.
    type Found = (&'static str, u64, u64);

    fn moves(of: &[Given]) -> Vec<Move> {
        of.iter()
            .map(|(before, after, people)| Move {
                before: (*before).to_owned(),
                after: (!after.is_empty()).then(|| (*after).to_owned()),
                people: *people,
            })
            .collect()
    }

    #[test]
    fn moves_that_may_be_renames() {
        #[rustfmt::skip]
        let cases: [(&str, &[Given], &[Found]); 7] = [
            ("nobody moved",         &[],                                                     &[]),
            ("all together",         &[("People", "Culture", 38)],                            &[("Culture", 38, 38)]),
            ("two say nothing",      &[("People", "Culture", 2)],                             &[]),
            ("however written",      &[("People", "Culture", 2), ("People", "culture ", 1)],  &[("Culture", 3, 3)]),
            ("half and half",        &[("People", "Culture", 5), ("People", "Finance", 5)],   &[]),
            ("one in ten otherwise", &[("People", "Culture", 9), ("People", "", 1)],          &[("Culture", 9, 10)]),
            ("the largest first",    &[("A", "B", 3), ("C", "D", 4)],                         &[("D", 4, 4), ("B", 3, 3)]),
        ];
        for (name, given, expected) in cases {
            let found = candidates(&moves(given));
            let found: Vec<_> =
                found.iter().map(|one| (one.after.shown(), one.people, one.left)).collect();
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn nearly_all_go_and_nearly_nobody_else_is_there() {
        let one = &candidates(&moves(&[("People", "People & Culture", 38)]))[0];
        #[rustfmt::skip]
        let cases = [
            ("all, to nobody else",      38, 38, true),
            ("a few stayed",             42, 38, true),
            ("too many stayed",          43, 38, false),
            ("a few were there",         38, 42, true),
            ("two teams became one",     38, 80, false),
        ];
        for (name, of, now, expected) in cases {
            assert_eq!(one.looks_like_a_rename(of, now), expected, "{name}");
        }
    }
}
