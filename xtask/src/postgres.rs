//! A PostgreSQL of our own for one test run: made in a temporary folder, gone when dropped.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::process::output;

/// How often a starting server is asked whether it answers, and how long it gets: 300 × 100 ms = 30 s.
const ASK_EVERY: Duration = Duration::from_millis(100);
const ASK_TIMES: u32 = 300;

/// The first version of PostgreSQL that can make a cluster whose language comes from ICU, the same on every machine.
const ICU_SINCE: u32 = 15;

/// A running server. Dropping it stops it and removes its files.
pub(crate) struct Postgres {
    folder: PathBuf,
    port: u16,
    server: Child,
}

impl Postgres {
    /// Starts a server; `None` when PostgreSQL's programs are not on this machine.
    pub(crate) fn start() -> anyhow::Result<Option<Self>> {
        let Some(programs) = programs() else { return Ok(None) };
        let user = unprivileged()?;
        let folder = std::env::temp_dir().join(format!("muster-postgres-{}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        let started = Self::start_in(&programs, user, folder.clone());
        if started.is_err() {
            remove(&folder);
        }
        started.map(Some)
    }

    fn start_in(
        programs: &Path,
        user: Option<(u32, u32)>,
        folder: PathBuf,
    ) -> anyhow::Result<Self> {
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group)).context("cannot give the folder away")?;
        }
        let program = |name: &str| {
            let mut command = Command::new(programs.join(name));
            command.current_dir(&folder).stdin(Stdio::null());
            if let Some((user, group)) = user {
                command.uid(user).gid(group);
            }
            command
        };
        let data = folder.join("data");
        let mut init = program("initdb");
        init.args(["--username=muster", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
        init.arg("--locale=C.UTF-8");
        // A server whose language sorts unlike bytes, as most servers do: whoever relies on bytes must say so.
        if major(programs)? >= ICU_SINCE {
            init.args(["--locale-provider=icu", "--icu-locale=en"]);
        }
        output(init.arg("-D").arg(&data))?;

        let port = free_port()?;
        let log = fs::File::create(folder.join("log")).context("cannot make the server's log")?;
        let mut serve = program("postgres");
        serve.arg("-D").arg(&data).arg("-p").arg(port.to_string());
        // Nothing here has to outlive the machine, so no write waits for the disk.
        let settings = [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=200",
            "log_min_messages=warning",
        ];
        let sockets = format!("unix_socket_directories={}", folder.display());
        for setting in settings.into_iter().chain([sockets.as_str()]) {
            serve.args(["-c", setting]);
        }
        let server = serve
            .stdout(log.try_clone().context("cannot share the server's log")?)
            .stderr(log)
            .spawn()
            .context("cannot start postgres")?;
        let mut this = Self { folder, port, server };
        this.wait(programs)?;
        eprintln!("started a throw-away PostgreSQL on port {port}");
        Ok(this)
    }

    /// The address of its empty database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://muster@127.0.0.1:{}/postgres", self.port)
    }

    fn wait(&mut self, programs: &Path) -> anyhow::Result<()> {
        let port = self.port.to_string();
        for _ in 0..ASK_TIMES {
            if let Some(status) = self.server.try_wait().context("lost postgres")? {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("postgres ended at its start ({status}):\n{log}");
            }
            let ready = Command::new(programs.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &port])
                .status()
                .context("cannot start pg_isready")?;
            if ready.success() {
                return Ok(());
            }
            thread::sleep(ASK_EVERY);
        }
        bail!("postgres did not answer in time")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT asks for a fast stop. The standard library can only kill, which would leave its workers behind.
        let asked = Command::new("kill").arg("-INT").arg(self.server.id().to_string()).status();
        if !asked.is_ok_and(|status| status.success()) {
            drop(self.server.kill());
        }
        drop(self.server.wait());
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    if let Err(error) = fs::remove_dir_all(folder) {
        eprintln!("cannot remove {}: {error}", folder.display());
    }
}

/// The folder of PostgreSQL's own programs. Debian keeps them out of the path, a folder a version.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let debian = versions.into_iter().rev().map(|(_, folder)| folder);
    let asked = output(Command::new("pg_config").arg("--bindir")).ok();
    let named = asked.map(|text| PathBuf::from(text.trim()));
    let in_path = output(Command::new("sh").args(["-c", "command -v initdb"])).ok();
    let found = in_path.and_then(|text| Path::new(text.trim()).parent().map(Path::to_path_buf));
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_isready"].iter().all(|name| folder.join(name).exists())
    };
    debian.chain(named).chain(found).find(complete)
}

/// The version in `initdb (PostgreSQL) 15.18 (Debian …)`, without what stands behind the first number.
fn major(programs: &Path) -> anyhow::Result<u32> {
    let text = output(Command::new(programs.join("initdb")).arg("--version"))?;
    let numbers = text.split(|c: char| !c.is_ascii_digit());
    let first = numbers.into_iter().find(|number| !number.is_empty()).unwrap_or_default();
    first.parse().with_context(|| format!("initdb printed {text:?}"))
}

/// Whom to run as: PostgreSQL refuses to run as root. `None` when we are nobody special.
fn unprivileged() -> anyhow::Result<Option<(u32, u32)>> {
    let id = |arguments: &[&str]| -> anyhow::Result<u32> {
        let text = output(Command::new("id").args(arguments))?;
        text.trim().parse().with_context(|| format!("id printed {text:?}"))
    };
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Ok(user), Ok(group)) = (id(&["-u", name]), id(&["-g", name])) {
            return Ok(Some((user, group)));
        }
    }
    bail!(
        "PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as"
    )
}

/// A port that was free a moment ago.
fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on loopback")?;
    Ok(listener.local_addr().context("cannot see my own port")?.port())
}
