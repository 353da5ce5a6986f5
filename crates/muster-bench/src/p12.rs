//! P12: from start to ready, the size of the program, and how long it takes to build.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::binaries;
use crate::http::Line;
use crate::measure::{cost, now, pause};
use crate::report::{Goal, Report};
use crate::service::{Service, Stage};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How often it is started, in turn.
    #[arg(long, default_value_t = 11)]
    times: usize,
    /// Also build the program from nothing, which takes minutes. What it needs must have been downloaded before.
    #[arg(long)]
    cold_build: bool,
    /// One JSON object in place of rows.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let mut report = Report::new(options.json, "P12: start to ready, size, build");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let program = binaries()?.join("muster");
    let (mut process, mut first, mut again) = (vec![], vec![], vec![]);
    for _ in 0..options.times {
        let (cost, _) = cost(Command::new(&program).arg("--version"))?;
        process.push(cost.wall.as_secs_f64() * 1e3);
        let stage = runtime.block_on(Stage::new(None, None, 1))?;
        first.push(runtime.block_on(ready(&stage, true))?);
        again.push(runtime.block_on(ready(&stage, false))?);
    }
    report.add("floor: the program says its version", "ms", process, Goal::None);
    report.add("start to ready, with a new database", "ms", first, Goal::None);
    report.add("start to ready", "ms", again, Goal::AtMost(150.0));
    #[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
    let size = std::fs::metadata(&program).context("the program is not there")?.len() as f64 / 1e6;
    report.add("size of the program", "MB", [size], Goal::AtMost(35.0));
    if options.cold_build {
        report.note("building from nothing");
        report.add("cold build for release", "min", [build()?], Goal::AtMost(6.0));
    }
    report.tell();
    Ok(())
}

/// How many milliseconds until the service says that it is ready. With `fresh` the database is made first.
async fn ready(stage: &Stage, fresh: bool) -> anyhow::Result<f64> {
    if fresh {
        stage.remove_database().await?;
    }
    let begun = now();
    let service = Service::start(stage, &[])?;
    let call = format!("GET /readyz HTTP/1.1\r\nhost: {}\r\n\r\n", service.public);
    loop {
        let status = Line::open(service.public).await?.call(call.as_bytes()).await?.status;
        if status == 200 {
            return Ok(begun.elapsed().as_secs_f64() * 1e3);
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "it is not ready: {status}");
        pause(Duration::from_millis(1)).await;
    }
}

/// Builds `muster` in a folder of its own; minutes.
fn build() -> anyhow::Result<f64> {
    let folder = tempfile::tempdir()?;
    let begun = now();
    let built = Command::new("cargo")
        .args(["build", "--release", "--offline", "-p", "muster-server", "--target-dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    ensure!(built.success(), "it does not build");
    Ok(begun.elapsed().as_secs_f64() / 60.0)
}
