//! What we stand on, held against `deny.toml`: licences, banned crates, second versions and where crates come from. What
//! `cargo deny check licenses bans sources` says as well, without having to install it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use toml::{Table, Value};

use super::{Finding, spdx};
use crate::process::output;
use crate::repo::Repo;

const RULES: &str = "deny.toml";

/// A crate that the program, its tests or its build use on this machine.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    name: String,
    version: String,
    licence: String,
    source: Source,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Ours,
    /// The registry that cargo knows by itself.
    Registry,
    Elsewhere(String),
}

/// Asks cargo for the tree: for what is really built here, as `cargo metadata` also lists what no feature in use asks for.
pub(super) fn tree(root: &Path) -> anyhow::Result<Vec<Package>> {
    let mut ask = Command::new("cargo");
    ask.current_dir(root).args(["tree", "--workspace", "--locked", "--prefix", "none"]);
    let text = output(ask.args(["--edges", "normal,build,dev", "--format", "{p}\t{l}"]))?;
    let packages: BTreeSet<Package> = text
        .lines()
        .filter(|line| !line.is_empty())
        .map(package_of)
        .collect::<Option<_>>()
        .context("cannot read what cargo tree prints")?;
    if packages.len() < 2 {
        bail!("cargo tree lists no packages");
    }
    Ok(packages.into_iter().collect())
}

/// A line such as `serde v1.0.0 (proc-macro)<tab>MIT`. Behind our own stands a path, behind strangers an address.
fn package_of(line: &str) -> Option<Package> {
    let (package, licence) = line.split_once('\t')?;
    let mut words = package.split(' ');
    let (name, version) = (words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned());
    let place = words
        .map(|word| word.trim_matches(['(', ')']))
        .find(|word| !matches!(*word, "proc-macro" | "*" | ""));
    let source = match place {
        None => Source::Registry,
        Some(place) if place.contains("://") => Source::Elsewhere(place.to_owned()),
        Some(_) => Source::Ours,
    };
    Some(Package { name, version, licence: licence.trim_end_matches(" (*)").to_owned(), source })
}

pub(super) fn check(repo: &Repo, tree: &[Package]) -> Vec<Finding> {
    let Some(file) = repo.file(RULES) else { return vec![Finding::about(RULES, "is missing")] };
    let rules = match file.text.parse::<Table>() {
        Ok(rules) => rules,
        Err(error) => return vec![Finding::about(RULES, error.message())],
    };
    let section =
        |name: &str| rules.get(name).and_then(Value::as_table).cloned().unwrap_or_default();
    let mut found = Vec::new();
    licences(&section("licenses"), tree, &mut found);
    bans(&section("bans"), tree, &mut found);
    sources(tree, &mut found);
    found
}

fn licences(rules: &Table, tree: &[Package], found: &mut Vec<Finding>) {
    let texts = |value: &Value| {
        let list = value.as_array().cloned().unwrap_or_default();
        list.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let allowed = rules.get("allow").map(texts).unwrap_or_default();
    let exceptions: BTreeMap<String, Vec<String>> = entries(rules, "exceptions")
        .filter_map(|entry| Some((crate_of(&entry)?.0, entry.get("allow").map(texts)?)))
        .collect();
    for package in tree.iter().filter(|package| package.source != Source::Ours) {
        let own = exceptions.get(&package.name).into_iter().flatten();
        let allowed: Vec<String> = allowed.iter().chain(own).cloned().collect();
        if spdx::allows(&package.licence, &allowed) != Some(true) {
            let Package { name, licence, .. } = package;
            let message = format!("does not allow {name}, which comes under: {licence}");
            found.push(Finding::about(RULES, message));
        }
    }
}

fn bans(rules: &Table, tree: &[Package], found: &mut Vec<Finding>) {
    for entry in entries(rules, "deny") {
        let Some((name, below)) = crate_of(&entry) else { continue };
        for package in tree.iter().filter(|package| package.name == name) {
            let banned = below.as_deref().is_none_or(|below| is_below(&package.version, below));
            if banned {
                found.push(Finding::about(RULES, format!("bans {name} {}", package.version)));
            }
        }
    }
    let skipped: BTreeSet<String> =
        entries(rules, "skip").filter_map(|entry| Some(crate_of(&entry)?.0)).collect();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in tree {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    for (name, versions) in versions.into_iter().filter(|(_, versions)| versions.len() > 1) {
        if !skipped.contains(name) {
            let versions: Vec<&str> = versions.into_iter().collect();
            let message = format!("knows no reason for {name} twice: {}", versions.join(", "));
            found.push(Finding::about(RULES, message));
        }
    }
}

/// Crates come from the one registry that cargo knows by itself, or are our own.
fn sources(tree: &[Package], found: &mut Vec<Finding>) {
    for package in tree {
        if let Source::Elsewhere(place) = &package.source {
            found.push(Finding::about(
                RULES,
                format!("{} comes from elsewhere: {place}", package.name),
            ));
        }
    }
}

/// The tables of a list of rules; a bare text is a crate.
fn entries(rules: &Table, name: &str) -> impl Iterator<Item = Table> {
    let list = rules.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    list.into_iter().filter_map(|entry| match entry {
        Value::Table(table) => Some(table),
        Value::String(text) => Some(Table::from_iter([("crate".to_owned(), Value::String(text))])),
        _ => None,
    })
}

/// The name in `sqlx`, `sqlx@0.8` or `sqlx:<0.9`, and the version that a `<` names.
fn crate_of(entry: &Table) -> Option<(String, Option<String>)> {
    let text = entry.get("crate")?.as_str()?;
    let (name, version) = text.split_once(['@', ':']).unwrap_or((text, ""));
    Some((name.to_owned(), version.strip_prefix('<').map(str::to_owned)))
}

fn is_below(version: &str, limit: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        let plain = text.split(['-', '+']).next().unwrap_or_default();
        plain.split('.').filter_map(|part| part.trim().parse().ok()).collect()
    };
    numbers(version) < numbers(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree_of(lines: &[&str]) -> Vec<Package> {
        lines.iter().map(|line| package_of(&line.replace(" = ", "\t")).unwrap()).collect()
    }

    #[track_caller]
    fn finds(tree: &[&str], want: &[&str]) {
        let rules = r#"
            [licenses]
            allow = ["MIT"]
            exceptions = [{ crate = "roots", allow = ["CDLA"] }]
            [bans]
            deny = ["openssl", { crate = "sqlx:<0.9", reason = "old" }]
            skip = [{ crate = "syn@2", reason = "both" }]
        "#;
        let found = check(&Repo::of(&[(RULES, rules)]), &tree_of(tree));
        let found: Vec<String> = found.iter().map(|finding| finding.message.clone()).collect();
        assert_eq!(found, want);
    }

    #[test]
    fn licences_are_allowed_one_by_one() {
        finds(&["a v1.0.0 = MIT OR GPL-3.0 (*)", "roots v1.0.0 = CDLA"], &[]);
        finds(&["ours v1.0.0 (/somewhere/ours) = Own"], &[]);
        finds(
            &["a v1.0.0 = CDLA", "b v1.0.0 (proc-macro) = "],
            &["does not allow a, which comes under: CDLA", "does not allow b, which comes under: "],
        );
    }

    #[test]
    fn bans_and_second_versions() {
        finds(&["sqlx v0.9.0 = MIT", "syn v2.0.1 = MIT", "syn v3.0.0 = MIT"], &[]);
        finds(
            &[
                "openssl v1.0.0 = MIT",
                "sqlx v0.8.6 = MIT",
                "url v1.0.0 = MIT",
                "url v2.0.0 (*) = MIT",
            ],
            &[
                "bans openssl 1.0.0",
                "bans sqlx 0.8.6",
                "knows no reason for url twice: 1.0.0, 2.0.0",
            ],
        );
    }

    #[test]
    fn sources_are_known() {
        finds(
            &["a v1.0.0 (https://example.com/a#1234) = MIT"],
            &["a comes from elsewhere: https://example.com/a#1234"],
        );
    }
}
