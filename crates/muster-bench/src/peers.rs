//! The processes that are measured, and the simulator that all of them read from.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::binaries;
use crate::http::{Line, json_call};
use crate::measure::{Cost, cost};

/// Starts a program and reads the object by which it says where it listens.
pub(crate) fn introduced(command: &mut Command) -> anyhow::Result<(Child, Value)> {
    let program = PathBuf::from(command.get_program());
    let program = program.display();
    let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| {
        format!("cannot start {program}; build it with cargo build --release --workspace")
    })?;
    let out = child.stdout.take().context("it has no output")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    let said = serde_json::from_str(&line)
        .with_context(|| format!("{program} did not introduce itself"))?;
    Ok((child, said))
}

/// A simulator in a process of its own, at first without latency or limits.
pub(crate) struct Simulator {
    child: Child,
    pub(crate) base: String,
    pub(crate) app_id: String,
    pub(crate) token: String,
    pub(crate) secret: String,
}

impl Simulator {
    /// Where it listens.
    pub(crate) fn at(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.host().parse()?)
    }

    /// Host and port.
    pub(crate) fn host(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Makes one call of its admin API, whose answers are never held back.
    pub(crate) async fn admin(
        &self,
        method: &str,
        what: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        Admin::open(self).await?.call(method, what, body).await
    }

    /// Calls of Okta's API so far, and how many of them were refused for a limit.
    pub(crate) async fn calls(&self) -> anyhow::Result<(u64, u64)> {
        let stats = self.admin("GET", "stats", &Value::Null).await?;
        let calls = stats["calls"].as_object().context("no calls")?;
        let own = calls.iter().filter(|(name, _)| !name.contains("/_sim/"));
        Ok((own.filter_map(|(_, n)| n.as_u64()).sum(), stats["limited"].as_u64().unwrap_or(0)))
    }

    /// Starts one with so many people, all assigned.
    pub(crate) fn start(people: u64) -> anyhow::Result<Self> {
        let mut command = Command::new(binaries()?.join("muster-oktasim"));
        command.args(["--port", "0", "--people", &people.to_string(), "--seed", "1"]);
        let (child, said) = introduced(&mut command)?;
        let text = |name: &str| {
            said[name].as_str().map(str::to_owned).with_context(|| format!("no {name}"))
        };
        Ok(Self {
            base: text("base")?,
            app_id: text("app_id")?,
            token: text("api_token")?,
            secret: text("client_secret")?,
            child,
        })
    }
}

/// A connection to a simulator's admin API.
pub(crate) struct Admin {
    line: Line,
    at: SocketAddr,
}

impl Admin {
    pub(crate) async fn open(simulator: &Simulator) -> anyhow::Result<Self> {
        let at = simulator.at()?;
        Ok(Self { line: Line::open(at).await?, at })
    }

    /// Makes one call, such as `POST` `act`.
    pub(crate) async fn call(
        &mut self,
        method: &str,
        what: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let call = json_call(method, &format!("/_sim/{what}"), self.at, body);
        let answer = self.line.call(&call).await?;
        let said = String::from_utf8_lossy(answer.body);
        ensure!(answer.status == 200, "the simulator refused {what}: {said}");
        Ok(serde_json::from_str(&said)?)
    }

    /// Gives somebody another title.
    pub(crate) async fn retitle(&mut self, user: &str, title: &str) -> anyhow::Result<()> {
        let update = json!({"do": "update", "who": user, "profile": {"title": title}});
        self.call("POST", "act", &update).await.map(drop)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A fresh database with a tenant that is connected to the simulator.
pub(crate) struct Muster<'a> {
    simulator: &'a Simulator,
    folder: tempfile::TempDir,
}

impl<'a> Muster<'a> {
    pub(crate) fn connect(simulator: &'a Simulator) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("token"), &simulator.token)?;
        std::fs::write(folder.path().join("secret"), &simulator.secret)?;
        let new = Self { simulator, folder };
        let file = |name: &str| new.folder.path().join(name).display().to_string();
        new.done(&[
            "tenant",
            "create",
            "bench",
            "--name",
            "Bench",
            "--owner",
            "owner@bench.example",
        ])?;
        new.done(&["okta", "enable", "bench"])?;
        new.done(&[
            "okta",
            "set",
            "bench",
            "--api-url",
            &simulator.base,
            "--client-id",
            &simulator.app_id,
            "--client-secret",
            &file("secret"),
            "--api-token",
            &file("token"),
        ])?;
        Ok(new)
    }

    fn command(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(binaries()?.join("muster"));
        let host = self.simulator.host();
        command
            .args(arguments)
            .env("MUSTER_DATABASE_URL", format!("sqlite://{}", self.database().display()))
            .env("MUSTER_OKTA_EXTRA_HOSTS", host);
        Ok(command)
    }

    fn done(&self, arguments: &[&str]) -> anyhow::Result<()> {
        cost(&mut self.command(arguments)?).map(drop)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.path().join("muster.db")
    }

    /// One full run; what it cost, and the run as it tells of itself.
    pub(crate) fn sync(&self) -> anyhow::Result<(Cost, Value)> {
        let (cost, output) = cost(&mut self.command(&["okta", "sync", "bench", "--json"])?)?;
        Ok((
            cost,
            serde_json::from_slice(&output.stdout).context("the run did not tell of itself")?,
        ))
    }
}

/// All pages read and parsed by our client, nothing stored.
pub(crate) fn floor(simulator: &Simulator, people: u64) -> anyhow::Result<Cost> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([
        "floor",
        "--base",
        &simulator.base,
        "--app-id",
        &simulator.app_id,
        "--token",
        &simulator.token,
    ]);
    counted(&mut command, people)
}

const LISTING: &str = "
const okta = require('@okta/okta-sdk-nodejs');
const client = new okta.Client({ orgUrl: process.env.BASE, token: process.env.TOKEN, disableHttpsCheck: true });
(async () => {
  let n = 0;
  const users = await client.userApi.listUsers({ limit: 200 });
  await users.each(() => { n += 1; });
  console.log(n);
})();
";

/// Okta's Node SDK listing everybody, nothing stored. `modules` is the `node_modules` that holds it.
pub(crate) fn node(simulator: &Simulator, modules: &Path, people: u64) -> anyhow::Result<Cost> {
    let mut command = Command::new("node");
    command
        .args(["-e", LISTING])
        .env("NODE_PATH", modules)
        .env("BASE", &simulator.base)
        .env("TOKEN", &simulator.token);
    // The list of all users has one more than the app: the account that owns the token.
    counted(&mut command, people + 1)
}

fn counted(command: &mut Command, people: u64) -> anyhow::Result<Cost> {
    let (cost, output) = cost(command)?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(said.trim() == people.to_string(), "listed {} of {people}", said.trim());
    Ok(cost)
}
