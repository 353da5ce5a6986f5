//! `cargo xtask simulate` and `cargo xtask kill`: the long forms of two tests that every test run has in short.

use std::process::Command;

use anyhow::bail;

use crate::postgres::Postgres;
use crate::process::{exists, succeed};
use crate::repo;

#[derive(clap::Args)]
pub(crate) struct Simulate {
    /// How many seeds to run: 2000, or the one that `--seed` names
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed; alone it is played once more, and its whole story is printed
    #[arg(long)]
    seed: Option<u64>,
    /// On a throw-away PostgreSQL too, beside SQLite
    #[arg(long)]
    postgres: bool,
}

#[derive(clap::Args)]
pub(crate) struct Kill {
    /// How many times to kill each kind of run
    #[arg(long, default_value_t = 200)]
    times: u64,
    /// Draws the moments; 1 if not given, as in every test run
    #[arg(long)]
    seed: Option<u64>,
    /// On a throw-away PostgreSQL too, beside SQLite
    #[arg(long)]
    postgres: bool,
}

/// Shown when a test ends: with its output shown as it comes, one test would run at a time.
const ALL_CORES: &str = "--success-output=immediate";

pub(crate) fn simulate(options: &Simulate) -> anyhow::Result<()> {
    let seeds = options.seeds.unwrap_or(if options.seed.is_some() { 1 } else { 2_000 });
    // One story is told as it goes; many are played on all cores, and told of when a share of them ends.
    let output = if seeds == 1 { "--no-capture" } else { ALL_CORES };
    let mut command = tests_named("simulation", output)?;
    command.env("MUSTER_SIM_SEEDS", seeds.to_string());
    if let Some(seed) = options.seed {
        command.env("MUSTER_SIM_SEED", seed.to_string());
    }
    with_database(command, options.postgres)
}

pub(crate) fn kill(options: &Kill) -> anyhow::Result<()> {
    let mut command = tests_named("kill::", ALL_CORES)?;
    command.env("MUSTER_KILL_TIMES", options.times.to_string());
    if let Some(seed) = options.seed {
        command.env("MUSTER_KILL_SEED", seed.to_string());
    }
    with_database(command, options.postgres)
}

/// The tests of the service whose names hold `word`; `output` tells cargo-nextest what to do with what they print.
fn tests_named(word: &str, output: &str) -> anyhow::Result<Command> {
    let mut command = Command::new("cargo");
    command.current_dir(repo::root()?);
    if exists("cargo-nextest", "--version") {
        let which = format!("test({word})");
        command.args(["nextest", "run", "-p", "muster-server", "--profile", "long"]);
        command.args(["--no-fail-fast", output, "-E", &which]);
    } else {
        command.args(["test", "-p", "muster-server", "--test", "it", word, "--", "--nocapture"]);
    }
    Ok(command)
}

fn with_database(mut command: Command, postgres: bool) -> anyhow::Result<()> {
    command.env_remove("MUSTER_TEST_POSTGRES_URL");
    if !postgres {
        return succeed(&mut command);
    }
    let Some(server) = Postgres::start()? else { bail!("no PostgreSQL programs were found") };
    succeed(command.env("MUSTER_TEST_POSTGRES_URL", server.url()))
}
