//! The arrows between the modules of the service: `main → cli → app → {web, jobs} → {sync, signin,
//! schedule, alarms} → {telemetry, mail, connect} → {clock, config}`. Nobody imports their own level: `web` and `jobs` meet in the store.

use super::Finding;
use crate::repo::{File, Repo};

const SOURCE: &str = "crates/muster-server/src/";
/// From the top down; a module may use those of the levels below its own.
const LEVELS: [&[&str]; 7] = [
    &["main"],
    &["cli"],
    &["app"],
    &["web", "jobs"],
    &["sync", "signin", "schedule", "alarms"],
    &["telemetry", "mail", "connect"],
    &["clock", "config"],
];

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in repo.ending(".rs").filter(|file| file.is_in(SOURCE)) {
        let Some(own) = module_of(file) else { continue };
        if own == "lib" {
            continue;
        }
        let Some(level) = level_of(own) else {
            let message =
                format!("`{own}` has no place in ARCHITECTURE.md and xtask's `tidy/modules.rs`");
            found.push(Finding::about(&file.path, message));
            continue;
        };
        for (line, other) in imports(file) {
            if other != own && level_of(&other).is_some_and(|other| other <= level) {
                found.push(Finding::at(file, line, format!("{own} must not use crate::{other}")));
            }
        }
    }
    found
}

fn module_of(file: &File) -> Option<&str> {
    file.path.strip_prefix(SOURCE)?.split(['/', '.']).next()
}

fn level_of(module: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&module))
}

/// The modules named right after `crate::`, also in a list: `crate::{clock, sync::Engine}`.
fn imports(file: &File) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    let mut depth = 0_usize;
    for (line, code) in file.code() {
        let mut rest = code;
        loop {
            if depth == 0 {
                let Some((before, after)) = rest.split_once("crate::") else { break };
                rest = after;
                // `$crate::` is another crate's business, and `xcrate::` is no path of ours.
                if before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
                    continue;
                }
                match after.strip_prefix('{') {
                    Some(list) => (depth, rest) = (1, list),
                    None => named.extend(word(after).map(|word| (line, word))),
                }
            } else {
                if depth == 1 {
                    let start = rest.trim_start_matches([' ', ',']);
                    named.extend(word(start).map(|word| (line, word)));
                }
                let Some(at) = rest.find(['{', '}', ',']) else { break };
                match rest.as_bytes().get(at) {
                    Some(b'{') => depth += 1,
                    Some(b'}') => depth -= 1,
                    _ => {}
                }
                rest = rest.get(at + 1..).unwrap_or_default();
            }
        }
    }
    named
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect();
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[track_caller]
    fn finds(path: &str, text: &str, want: &[&str]) {
        let path = format!("{SOURCE}{path}");
        let want: Vec<String> = want.iter().map(|message| format!("{path}:{message}")).collect();
        assert_eq!(found(check, &[(&path, text)]), want);
    }

    #[test]
    fn arrows_point_down() {
        finds("cli/sync.rs", "use crate::sync::Engine;\nuse crate::cli::exit;", &[]);
        finds("sync/read.rs", "use crate::app::App;", &["1: sync must not use crate::app"]);
        finds(
            "web/hooks.rs",
            "\nlet job = crate::jobs::Job;",
            &["2: web must not use crate::jobs"],
        );
        finds(
            "clock.rs",
            "// use crate::cli;\nuse crate::config;",
            &["2: clock must not use crate::config"],
        );
        finds("main.rs", "use muster_server::cli;", &[]);
    }

    #[test]
    fn lists_are_read() {
        let text = "use crate::{clock::Clock, cli::{out, exit},\n    web::{self, pages},\n};\nuse crate::app;";
        finds(
            "sync/mod.rs",
            text,
            &[
                "1: sync must not use crate::cli",
                "2: sync must not use crate::web",
                "4: sync must not use crate::app",
            ],
        );
    }

    #[test]
    fn a_module_needs_a_place() {
        finds(
            "helpers.rs",
            "",
            &[" `helpers` has no place in ARCHITECTURE.md and xtask's `tidy/modules.rs`"],
        );
    }
}
