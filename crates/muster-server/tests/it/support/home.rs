//! An installation of its own, driven through the real binary.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::PostgresDatabase;

/// A folder, a database and the settings of one installation. All of it goes away with the value.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    env: Vec<(String, String)>,
    database: Option<PostgresDatabase>,
}

impl Home {
    /// An installation on a SQLite file.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("data/muster.db").display());
        let env =
            vec![("MUSTER_DATABASE_URL".to_owned(), url), ("USER".to_owned(), "ana".to_owned())];
        Self { folder, env, database: None }
    }

    /// An installation on PostgreSQL; `None`, and a loud line, when there is no server to test on.
    pub(crate) async fn postgres() -> Option<Self> {
        let database = PostgresDatabase::new().await?;
        let mut home = Self::sqlite();
        // Base64 of 32 times the byte 1.
        home.file("master.key", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n");
        home.move_to(database);
        Some(home)
    }

    fn move_to(&mut self, database: PostgresDatabase) {
        let key = self.path().join("master.key").display().to_string();
        self.set("MUSTER_DATABASE_URL", &database.url());
        self.set("MUSTER_MASTER_KEY_FILE", &key);
        self.database = Some(database);
    }

    /// Another installation that stands exactly where this one stands now. No command may be running.
    pub(crate) async fn copy(&self) -> Self {
        let mut home = Self::sqlite();
        copy_files(self.path(), home.path());
        let own = |(name, _): &&(String, String)| {
            name != "MUSTER_DATABASE_URL" && name != "MUSTER_MASTER_KEY_FILE"
        };
        for (name, value) in self.env.iter().filter(own) {
            home.set(name, value);
        }
        if let Some(database) = &self.database {
            home.move_to(database.copy().await);
        }
        home
    }

    /// Sets a variable of the environment for all commands from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.retain(|(known, _)| known != name);
        self.env.push((name.to_owned(), value.to_owned()));
    }

    /// What a variable is set to.
    pub(crate) fn variable(&self, name: &str) -> &str {
        let found = self.env.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// The file of the master key.
    pub(crate) fn master_key(&self) -> PathBuf {
        self.path().join(if self.database.is_some() { "master.key" } else { "data/master.key" })
    }

    /// The folder of this installation.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file into the folder.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// The binary with this installation's environment and nothing else of ours.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.env.iter().cloned());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn muster(&self, args: &[&str]) -> Ran {
        self.muster_with(args, "")
    }

    /// Runs a command line that has no blanks inside its words.
    pub(crate) fn line(&self, line: &str) -> Ran {
        self.muster(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs a command that reads `stdin`.
    pub(crate) fn muster_with(&self, args: &[&str], stdin: &str) -> Ran {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        // Whoever does not read it may be gone already.
        let _ = child.stdin.take().expect("piped").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("ended");
        Ran {
            line: args.join(" "),
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("text"),
            err: String::from_utf8(output.stderr).expect("text"),
        }
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("its kind").is_dir() {
            std::fs::create_dir(&target).expect("made");
            copy_files(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("copied");
        }
    }
}

/// What became of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    line: String,
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Insists on an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "`{}` printed\n{}\n{}", self.line, self.out, self.err);
        self
    }

    /// Insists that it was done.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        self.exits(0)
    }

    /// The one JSON object that it printed.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let mut all = self.lines();
        assert_eq!(all.len(), 1, "`{}` printed\n{}\n{}", self.line, self.out, self.err);
        all.remove(0)
    }

    /// The JSON objects that it printed, one a line.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line)
                .unwrap_or_else(|bad| panic!("`{}` printed {line:?}: {bad}", self.line))
        };
        self.out.lines().map(parse).collect()
    }
}
