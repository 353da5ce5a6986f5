//! Chromium and its driver, as Debian brings them.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::window::Window;
use crate::support::Program;

/// A driver for one test. The windows that it opened must be dropped before it.
pub(super) struct Driver {
    url: String,
    chromium: PathBuf,
    _program: Program,
    /// What windows keep. Some processes of Chromium write to it until their driver is gone.
    profiles: TempDir,
}

impl Driver {
    /// Starts one on any port that is free; `None`, and a loud line, when Chromium or its driver is not installed.
    pub(super) fn start() -> Option<Self> {
        let (Some(chromium), Some(driver)) = (find("chromium"), find("chromedriver")) else {
            missing("install chromium and chromedriver (Debian: chromium, chromium-driver)");
            return None;
        };
        let mut command = Command::new(driver);
        command.arg("--port=0").stderr(Stdio::null());
        let mut program = Program::start(command);
        let port = loop {
            let line = program.first_line();
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim().trim_end_matches('.').parse::<u16>().expect("a port");
            }
        };
        let url = format!("http://127.0.0.1:{port}");
        let profiles = tempfile::tempdir().expect("a folder");
        Some(Self { url, chromium, _program: program, profiles })
    }

    /// Somebody's browser: a profile that nothing was done in yet.
    pub(super) async fn window(&self) -> Window {
        self.window_with(&[]).await
    }

    /// The same, with settings of Chromium besides.
    pub(super) async fn window_with(&self, args: &[&str]) -> Window {
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        let mut all = vec!["--lang=en-US", "--hide-scrollbars"];
        all.extend_from_slice(args);
        if is_root {
            all.push("--no-sandbox");
        }
        let profile = TempDir::new_in(self.profiles.path()).expect("a folder").keep();
        Window::open(&self.url, &self.chromium, &profile, &all).await
    }
}

/// A program on the path.
fn find(name: &str) -> Option<PathBuf> {
    let paths = variable("PATH")?;
    std::env::split_paths(&paths).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Says that something cannot be tested here; in CI that is a failure.
pub(super) fn missing(what: &str) {
    let ci = variable("CI").is_some_and(|ci| !matches!(ci.as_str(), "0" | "false" | "no" | "off"));
    assert!(!ci, "NOT TESTED IN A BROWSER: {what}");
    eprintln!("NOT TESTED IN A BROWSER: {what}");
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration but its environment")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
