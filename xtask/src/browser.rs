//! What tests in a real browser need, and `cargo xtask lighthouse`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::process::{exists, succeed};
use crate::repo;

/// Programs that must be there.
const PROGRAMS: [&str; 4] = ["chromium", "chromedriver", "node", "npm"];

/// Chromium, and what judges its pages.
pub(crate) struct Browser {
    modules: PathBuf,
}

impl Browser {
    /// Looks for the programs and installs the pinned packages into `target/browser`; says what is missing.
    pub(crate) fn set_up() -> anyhow::Result<Self> {
        let missing: Vec<_> =
            PROGRAMS.into_iter().filter(|program| !exists(program, "--version")).collect();
        if !missing.is_empty() {
            bail!(
                "not installed: {} (Debian: chromium, chromium-driver, nodejs, npm)",
                missing.join(", ")
            );
        }
        let root = repo::root()?;
        let (pinned, home) = (root.join("browser"), root.join("target/browser"));
        let (lock, installed) = (pinned.join("package-lock.json"), home.join("installed.json"));
        // Anew only when the pinned versions changed.
        if fs::read(&installed).ok() != Some(read(&lock)?) {
            fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
            copy(&pinned.join("package.json"), &home.join("package.json"))?;
            copy(&lock, &home.join("package-lock.json"))?;
            let mut npm = Command::new("npm");
            npm.current_dir(&home).args(["ci", "--omit-lockfile-registry-resolved"]);
            succeed(npm.args(["--no-audit", "--no-fund", "--loglevel=error"]))?;
            copy(&lock, &installed)?;
        }
        Ok(Self { modules: home.join("node_modules") })
    }

    /// axe-core, which the tests have in the pages that they come by.
    pub(crate) fn axe(&self) -> PathBuf {
        self.modules.join("axe-core/axe.min.js")
    }
}

/// `cargo xtask lighthouse`: has the pages of the demo judged.
pub(crate) fn lighthouse() -> anyhow::Result<()> {
    let browser = Browser::set_up()?;
    let root = repo::root()?;
    let mut cargo = Command::new("cargo");
    succeed(cargo.current_dir(&root).args(["build", "--quiet", "-p", "muster-server"]))?;
    // This program and that one are built into the same folder.
    let muster = std::env::current_exe().context("cannot say where this program is")?;
    let mut node = Command::new("node");
    node.current_dir(&root).arg("browser/lighthouse.mjs").arg(&browser.modules);
    succeed(node.arg(muster.with_file_name("muster")))
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    let copied = fs::copy(from, to);
    copied.with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}
