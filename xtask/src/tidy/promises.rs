//! Promises of ARCHITECTURE.md that a search of the text can hold: what the code never does.

use super::Finding;
use crate::repo::{File, Repo};

/// Files that may know that there are two engines.
const ENGINE_FILES: [&str; 5] = ["db.rs", "dialect.rs", "connect.rs", "migrate.rs", "url.rs"];

/// A word that must not stand in the code of some files, and why.
struct Never {
    word: &'static str,
    applies: fn(&File) -> bool,
    why: &'static str,
}

const NEVER: [Never; 7] = [
    Never {
        word: "DELETE FROM people",
        applies: is_program,
        why: "sync takes access away; only erasure deletes people",
    },
    Never { word: "DELETE FROM history", applies: is_program, why: "history is append only" },
    Never { word: "UPDATE history", applies: is_program, why: "history is append only" },
    Never {
        word: "HashMap",
        applies: is_core,
        why: "a decision must not depend on a hash seed: use BTreeMap",
    },
    Never {
        word: "HashSet",
        applies: is_core,
        why: "a decision must not depend on a hash seed: use BTreeSet",
    },
    Never { word: "async fn", applies: is_core, why: "core does no I/O, so nothing in it waits" },
    Never {
        word: "Dialect::",
        applies: knows_no_engine,
        why: "one SQL text for both engines: what differs lives in store::dialect and store::db",
    },
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in repo.ending(".rs").filter(|file| file.is_in("crates/")) {
        for never in NEVER.iter().filter(|never| (never.applies)(file)) {
            for (line, _) in file.program().filter(|(_, code)| code.contains(never.word)) {
                found.push(Finding::at(file, line, format!("`{}`: {}", never.word, never.why)));
            }
        }
    }
    found
}

fn is_program(file: &File) -> bool {
    file.path.contains("/src/")
}

fn is_core(file: &File) -> bool {
    file.is_in("crates/muster-core/src/")
}

fn knows_no_engine(file: &File) -> bool {
    let store = file.path.strip_prefix("crates/muster-store/src/");
    store.is_some_and(|name| !ENGINE_FILES.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn every_promise_can_be_broken() {
        for never in &NEVER {
            let text = format!("fn f() {{\n    {}\n}}\n", never.word);
            let path = if (never.applies)(&file("crates/muster-core/src/plan.rs")) {
                "crates/muster-core/src/plan.rs"
            } else {
                "crates/muster-store/src/people.rs"
            };
            let want = format!("{path}:2: `{}`: {}", never.word, never.why);
            assert_eq!(found(check, &[(path, &text)]), [want]);
        }
    }

    #[test]
    fn others_are_left_alone() {
        let files = [
            ("crates/muster-store/src/db.rs", "Dialect::Sqlite"),
            ("crates/muster-store/tests/it/main.rs", "DELETE FROM people; Dialect::Sqlite"),
            ("crates/muster-okta/src/client.rs", "async fn f() -> HashMap"),
            ("crates/muster-core/src/plan.rs", "// no HashMap here"),
        ];
        assert_eq!(found(check, &files), [""; 0]);
    }

    fn file(path: &str) -> File {
        File { path: path.to_owned(), text: String::new() }
    }
}
