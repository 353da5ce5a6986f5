//! What must hold in the repository and no compiler checks. Each rule is a function from the files to what it found, so
//! that each has a test that shows it can fail.

mod crates;
mod docs;
mod modules;
mod promises;
mod spdx;
mod supply;
mod text;

use std::fmt;

use anyhow::bail;

use crate::repo::{self, File, Repo};

/// Something that must not be.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl Finding {
    fn at(file: &File, line: usize, message: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line, message: message.into() }
    }

    /// About a file as a whole, or about one that is not there.
    fn about(path: &str, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: 0, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    let root = repo::root()?;
    let repo = Repo::read(&root)?;
    let mut found = check(&repo);
    found.extend(supply::check(&repo, &supply::tree(&root)?));
    found.sort();
    for finding in &found {
        eprintln!("{finding}");
    }
    if found.is_empty() {
        println!("tidy: {} files are in order", repo.paths.len());
        return Ok(());
    }
    bail!("{} things are not in order", found.len())
}

/// All rules that need nothing but the files.
fn check(repo: &Repo) -> Vec<Finding> {
    let rules = [crates::check, modules::check, promises::check, text::check, docs::check];
    rules.iter().flat_map(|rule| rule(repo)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the rules of one module find in a few files, as text.
    pub(super) fn found(rule: fn(&Repo) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
        rule(&Repo::of(files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn this_repository_is_tidy() {
        let repo = Repo::read(&repo::root().unwrap()).unwrap();
        let found: Vec<String> = check(&repo).iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "\n{}", found.join("\n"));
    }

    #[test]
    fn this_repository_stands_on_what_it_may() {
        let root = repo::root().unwrap();
        let found = supply::check(&Repo::read(&root).unwrap(), &supply::tree(&root).unwrap());
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.is_empty(), "\n{}", found.join("\n"));
    }
}
