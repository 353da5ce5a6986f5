//! The files of the repository, as git lists them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context as _, bail};

use crate::process::output;

/// The folder that holds the workspace.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(own.parent().context("xtask lies in no workspace")?.to_path_buf())
}

/// A text file, named by its path from the root with `/` between the parts.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All text files of the repository. A check sees only this, so that a test can hand it a few lines instead.
#[derive(Debug, Default)]
pub(crate) struct Repo {
    pub(crate) files: Vec<File>,
    /// Every path, also those of files that are no text.
    pub(crate) paths: Vec<String>,
}

impl Repo {
    /// Reads what git tracks, and what is new and not ignored.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Self> {
        let mut git = Command::new("git");
        git.current_dir(root)
            // A clone may belong to somebody else than who builds it; we only list names.
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .args(["--cached", "--others", "--exclude-standard"]);
        let listed = output(&mut git)?;
        let mut repo = Self::default();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            match fs::read(root.join(path)) {
                Ok(bytes) => {
                    repo.paths.push(path.to_owned());
                    if let Ok(text) = String::from_utf8(bytes) {
                        repo.files.push(File { path: path.to_owned(), text });
                    }
                }
                // Removed from the tree and not yet committed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {path}")),
            }
        }
        if repo.files.is_empty() {
            bail!("git lists no files in {}", root.display());
        }
        Ok(repo)
    }

    /// A repository of these files only.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        Self {
            paths: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
            files: files
                .iter()
                .map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() })
                .collect(),
        }
    }

    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Files whose path ends so.
    pub(crate) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a File> {
        self.files.iter().filter(move |file| file.path.ends_with(end))
    }
}

impl File {
    /// Whether the path lies in this folder, given with its last `/`.
    pub(crate) fn is_in(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }

    /// Whether the whole file is a test.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("tests.rs")
    }

    /// Lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Lines of Rust without what stands behind `//`. A `//` inside a string hides the rest of its line, which no check
    /// minds.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines().map(|(number, line)| {
            let code = line.split("//").next().unwrap_or_default();
            (number, code)
        })
    }

    /// [`Self::code`] up to the unit tests, which stand at the end of their file.
    pub(crate) fn program(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().take_while(|(_, code)| *code != "#[cfg(test)]")
    }
}
