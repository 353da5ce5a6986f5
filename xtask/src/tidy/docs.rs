//! Documents that must keep step with the code and with each other.

use std::collections::BTreeSet;

use super::Finding;
use crate::repo::{File, Repo};

const CONFIGURATION: &str = "docs/configuration.md";
/// Where variables are described: those of the service, and those of its tests.
const DESCRIBED_IN: [&str; 2] = [CONFIGURATION, "CONTRIBUTING.md"];
const MAP: &str = "ARCHITECTURE.md";
const MAPPED: [&str; 4] = ["muster-core", "muster-okta", "muster-store", "muster-server"];
const DECISIONS: &str = "docs/adr/";

pub(super) fn check(repo: &Repo) -> Vec<Finding> {
    let mut found = decisions(repo);
    found.extend(variables(repo));
    found.extend(code_map(repo));
    found.extend(repo.ending(".md").flat_map(|file| links(repo, file)));
    found
}

/// Decisions are numbered without a gap, and the index lists each.
fn decisions(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    let index = repo.file("docs/adr/README.md").map_or("", |file| file.text.as_str());
    let names = repo.paths.iter().filter_map(|path| path.strip_prefix(DECISIONS));
    let mut names: Vec<&str> = names.filter(|name| *name != "README.md").collect();
    names.sort_unstable();
    for (place, name) in (1..).zip(names) {
        let path = format!("{DECISIONS}{name}");
        if !name.starts_with(&format!("{place:04}-")) {
            found.push(Finding::about(
                &path,
                format!("number {place:04} is missing or taken twice"),
            ));
        }
        if !index.contains(&format!("]({name})")) {
            found.push(Finding::about(&path, "is not in docs/adr/README.md"));
        }
    }
    found
}

/// Every variable that the code names is described, and none is described that the code does not know.
fn variables(repo: &Repo) -> Vec<Finding> {
    let mut found = Vec::new();
    let described: BTreeSet<&str> = DESCRIBED_IN
        .iter()
        .filter_map(|path| repo.file(path))
        .flat_map(|file| variables_in(&file.text))
        .collect();
    let mut known = BTreeSet::new();
    for file in repo.ending(".rs").filter(|file| file.is_in("crates/")) {
        // Tests misspell them on purpose, so of a test only what it reads itself counts.
        let test = file.is_test();
        for (line, code) in file.program().filter(|(_, code)| !test || code.contains("env::var")) {
            for name in variables_in(code) {
                if known.insert(name) && !described.contains(name) {
                    let message = format!("{name} is in neither of {}", DESCRIBED_IN.join(", "));
                    found.push(Finding::at(file, line, message));
                }
            }
        }
    }
    if let Some(file) = repo.file(CONFIGURATION) {
        for (line, text) in file.lines() {
            for name in variables_in(text).into_iter().filter(|name| !known.contains(name)) {
                found.push(Finding::at(file, line, format!("no code knows {name}")));
            }
        }
    }
    found
}

/// The code map names every module of the crates that Muster is made of, under the heading of its crate. The simulator has
/// a page of its own.
fn code_map(repo: &Repo) -> Vec<Finding> {
    let map = repo.file(MAP).map_or("", |file| file.text.as_str());
    let modules: BTreeSet<(&str, &str)> = repo
        .ending(".rs")
        .filter_map(|file| {
            let (name, inside) = file.path.strip_prefix("crates/")?.split_once("/src/")?;
            let module = inside.split(['/', '.']).next()?;
            let shown = !matches!(module, "lib" | "main" | "bin") && !module.ends_with("tests");
            (MAPPED.contains(&name) && shown).then_some((name, module))
        })
        .collect();
    let missing = modules.into_iter().filter(|(name, module)| {
        let (_, section) = map.split_once(&format!("### `{name}`\n")).unwrap_or_default();
        let section = section.split("\n#").next().unwrap_or_default();
        !section.contains(&format!("`{module}`"))
    });
    missing
        .map(|(name, module)| {
            Finding::about(MAP, format!("does not say what {name}'s `{module}` is"))
        })
        .collect()
}

fn variables_in(text: &str) -> Vec<&str> {
    let prefix = concat!("MUSTER", "_");
    text.match_indices(prefix)
        .filter_map(|(at, _)| {
            let rest = text.get(at..)?;
            let end =
                rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
            let name = rest.get(..end.unwrap_or(rest.len()))?;
            (!name.ends_with('_')).then_some(name)
        })
        .collect()
}

/// Links to files of the repository lead somewhere.
fn links(repo: &Repo, file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, text) in file.lines() {
        for (_, after) in
            text.match_indices("](").filter_map(|(at, _)| text.split_at_checked(at + 2))
        {
            let target = after.split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let path = resolve(&file.path, target);
            let folder = format!("{path}/");
            if !repo.paths.iter().any(|known| *known == path || known.starts_with(&folder)) {
                found.push(Finding::at(file, line, format!("leads nowhere: {target}")));
            }
        }
    }
    found
}

fn resolve(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::tests::found;
    use super::*;

    #[test]
    fn decisions_are_numbered_and_listed() {
        let files = [
            ("docs/adr/README.md", "- [One](0001-one.md)\n- [Three](0003-three.md)\n"),
            ("docs/adr/0001-one.md", ""),
            ("docs/adr/0003-three.md", ""),
            ("docs/adr/0003-two.md", ""),
        ];
        assert_eq!(
            found(decisions, &files),
            [
                "docs/adr/0003-three.md: number 0002 is missing or taken twice",
                "docs/adr/0003-two.md: is not in docs/adr/README.md",
            ]
        );
    }

    #[test]
    fn variables_are_described() {
        let name = |end: &str| format!("{}_{end}", "MUSTER");
        let source = format!(
            "read(\"{}\");\nread(\"{}\"); // {}\n#[cfg(test)]\n{}\n",
            name("ONE"),
            name("TWO"),
            name("NOTE"),
            name("SLIP")
        );
        let page = format!("| `{}` | `{}` | {}* |\n", name("ONE"), name("OLD"), name(""));
        let test = format!("set(\"{}\");\nstd::env::var(\"{}\")\n", name("SLIP"), name("SEEDS"));
        let files = [
            ("crates/a/src/b.rs", source.as_str()),
            ("crates/a/tests/it/c.rs", test.as_str()),
            (CONFIGURATION, page.as_str()),
        ];
        assert_eq!(
            found(variables, &files),
            [
                format!(
                    "crates/a/src/b.rs:2: {} is in neither of docs/configuration.md, CONTRIBUTING.md",
                    name("TWO")
                ),
                format!(
                    "crates/a/tests/it/c.rs:2: {} is in neither of docs/configuration.md, CONTRIBUTING.md",
                    name("SEEDS")
                ),
                format!("docs/configuration.md:1: no code knows {}", name("OLD")),
            ]
        );
    }

    #[test]
    fn the_map_names_every_module() {
        let map = "### `muster-core`\n| `plan` | `gone` |\n### `muster-okta`\n| `run` |\n## End\n`stray`\n";
        let files = [
            (MAP, map),
            ("crates/muster-core/src/lib.rs", ""),
            ("crates/muster-core/src/plan.rs", ""),
            ("crates/muster-core/src/plan_tests.rs", ""),
            ("crates/muster-core/src/run/deep.rs", ""),
            ("crates/muster-okta/src/stray.rs", ""),
            ("crates/muster-bench/src/helper.rs", ""),
        ];
        assert_eq!(
            found(code_map, &files),
            [
                "ARCHITECTURE.md: does not say what muster-core's `run` is",
                "ARCHITECTURE.md: does not say what muster-okta's `stray` is",
            ]
        );
    }

    #[test]
    fn links_lead_somewhere() {
        let text =
            "[a](../README.md#top) [b](adr/) [c](gone.md)\n[d](https://example.com/x) [e](#here)\n";
        let files = [("README.md", ""), ("docs/adr/0001-x.md", ""), ("docs/page.md", text)];
        assert_eq!(
            found(
                |repo| repo.ending("page.md").flat_map(|file| links(repo, file)).collect(),
                &files
            ),
            ["docs/page.md:1: leads nowhere: gone.md"]
        );
    }
}
