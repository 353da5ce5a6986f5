//! Plain text: sizes, blanks, and what names one machine.

use super::Finding;
use crate::repo::{File, Repo};

/// Lines of a Rust file. Whoever needs more has two jobs in one file.
const LINES_MAX: usize = 600;
/// Lines of a test: a table may be long.
const TEST_LINES_MAX: usize = 900;

/// Words that name somebody's machine or a place that packages come from, in halves so that this file holds none.
const PLACES: [(&str, &str); 9] = [
    ("/wo", "rk/"),
    ("/tm", "p/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("index.crates", ".io"),
    ("static.crates", ".io"),
    ("pypi", ".org"),
    ("registry.npm", "js.org"),
    ("deb.debian", ".org"),
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in &repo.files {
        if file.path != "Cargo.lock" {
            lines(file, &mut found);
        }
    }
    for file in repo.ending(".rs") {
        size(file, &mut found);
    }
    found
}

fn lines(file: &File, found: &mut Vec<Finding>) {
    for (line, text) in file.lines() {
        if text.ends_with([' ', '\t', '\r']) {
            found.push(Finding::at(file, line, "ends in a blank"));
        }
        if text.contains('\t') && !file.path.ends_with("Makefile") {
            found.push(Finding::at(file, line, "holds a tab"));
        }
        if text.starts_with("<<<<<<< ") || text.starts_with(">>>>>>> ") {
            found.push(Finding::at(file, line, "is half of a merge"));
        }
        // A path of Okta's own, which only looks like a folder of somebody's.
        let text = &text.replace("/home/oidc_client", "");
        for place in PLACES.map(|(start, end)| format!("{start}{end}")) {
            if names(text, &place) {
                found.push(Finding::at(
                    file,
                    line,
                    format!("names a machine or a registry: {place}"),
                ));
            }
        }
    }
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        found.push(Finding::about(&file.path, "must end in one newline"));
    }
}

/// Whether a line names the place itself and not a part of a longer path, as `/etc/tmp/` would.
fn names(line: &str, place: &str) -> bool {
    let free =
        |before: &str| !before.ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
    line.match_indices(place).any(|(at, _)| free(line.get(..at).unwrap_or_default()))
}

fn size(file: &File, found: &mut Vec<Finding>) {
    let max = if file.is_test() { TEST_LINES_MAX } else { LINES_MAX };
    let lines = file.text.lines().count();
    if lines > max {
        found.push(Finding::about(&file.path, format!("has {lines} lines, more than {max}")));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn blanks() {
        let text = "good\nbad \n\tworse\n>>>>>>> theirs\n\n";
        assert_eq!(
            found(check, &[("a.md", text), ("b.md", "no end"), ("Cargo.lock", text)]),
            [
                "a.md:2: ends in a blank",
                "a.md:3: holds a tab",
                "a.md:4: is half of a merge",
                "a.md: must end in one newline",
                "b.md: must end in one newline",
            ]
        );
    }

    #[test]
    fn places() {
        for (start, end) in PLACES {
            let place = format!("{start}{end}");
            let text = format!("in `{place}x`\nnot in a/b{place}x\n");
            let want = format!("a.rs:1: names a machine or a registry: {place}");
            assert_eq!(found(check, &[("a.rs", &text)]), [want]);
        }
    }

    #[test]
    fn sizes() {
        let long = "x\n".repeat(LINES_MAX + 1);
        let longer = "x\n".repeat(TEST_LINES_MAX + 1);
        assert_eq!(
            found(
                check,
                &[("a/src/b.rs", &long), ("a/tests/it/c.rs", &long), ("a/tests/d.rs", &longer)]
            ),
            [
                "a/src/b.rs: has 601 lines, more than 600",
                "a/tests/d.rs: has 901 lines, more than 900"
            ]
        );
    }
}
