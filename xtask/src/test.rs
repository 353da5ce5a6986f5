//! `cargo xtask test`: every test of the project, with one line at the end that says how many there were.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::browser::Browser;
use crate::postgres::Postgres;
use crate::process::{exists, listen, status};
use crate::repo;
use crate::results::Results;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// An empty PostgreSQL to use, in place of a throw-away one
    #[arg(long, env = "MUSTER_TEST_POSTGRES_URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// Fail when there is no PostgreSQL to test on, as in CI
    #[arg(long, env = "CI", value_parser = clap::builder::FalseyValueParser::new())]
    require_postgres: bool,
    /// Fail when there is no Chromium to test in, as in CI
    #[arg(long, env = "CI", value_parser = clap::builder::FalseyValueParser::new())]
    require_browser: bool,
    /// What the test runner is given besides, such as `-p muster-core`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let own = match &options.postgres_url {
        Some(_) => None,
        None => Postgres::start()?,
    };
    let url = options.postgres_url.clone().or_else(|| own.as_ref().map(Postgres::url));
    if url.is_none() {
        if options.require_postgres {
            bail!(
                "PostgreSQL's programs (initdb, postgres) were not found, and they are required here"
            );
        }
        eprintln!(
            "PostgreSQL's programs (initdb, postgres) were not found: TESTING ON SQLITE ONLY."
        );
    }
    let browser = match Browser::set_up() {
        Ok(browser) => Some(browser),
        Err(error) if options.require_browser => {
            return Err(error.context("tests in a browser are required here"));
        }
        Err(error) => {
            eprintln!("NOTHING IS TESTED IN A BROWSER: {error:#}.");
            None
        }
    };
    let set = Environment { url, axe: browser.map(|browser| browser.axe()) };
    let mut results = Results::default();
    let nextest = exists("cargo-nextest", "--version");
    let mut good = if nextest {
        with_nextest(options, &set, &mut results)?
    } else {
        listen(&mut tests("test", options, &set)?, |line| results.add_libtest(line))?.success()
    };
    if nextest && options.arguments.is_empty() {
        good &= doc_tests(&mut results)?;
    }
    drop(own);
    println!("{}", results.line());
    if !good || results.failed > 0 {
        bail!("the tests did not all pass");
    }
    Ok(())
}

/// What tests go by.
struct Environment {
    url: Option<String>,
    axe: Option<PathBuf>,
}

/// `cargo nextest run` or `cargo test` over what was asked for.
fn tests(runner: &str, options: &Options, set: &Environment) -> anyhow::Result<Command> {
    let mut command = Command::new("cargo");
    command.current_dir(repo::root()?);
    command.envs(set.url.as_ref().map(|url| ("MUSTER_TEST_POSTGRES_URL", url)));
    command.envs(set.axe.as_ref().map(|axe| ("MUSTER_AXE", axe)));
    command.args(runner.split(' ')).arg("--no-fail-fast");
    if !options.arguments.iter().any(|word| word == "-p" || word.starts_with("--package")) {
        command.arg("--workspace");
    }
    command.args(&options.arguments);
    Ok(command)
}

fn with_nextest(
    options: &Options,
    set: &Environment,
    results: &mut Results,
) -> anyhow::Result<bool> {
    let mut command = tests("nextest run", options, set)?;
    let report = junit_path()?;
    // What an earlier run left must not be counted when this one does not get as far as a report.
    if report.exists() {
        fs::remove_file(&report).with_context(|| format!("cannot remove {}", report.display()))?;
    }
    let status = status(&mut command)?;
    let counted = fs::read_to_string(&report).ok().and_then(|text| Results::of_junit(&text));
    match counted {
        Some(counted) => *results += counted,
        None => bail!("cargo-nextest left no report at {} ({status})", report.display()),
    }
    Ok(status.success())
}

/// The examples in the documentation, which cargo-nextest does not run.
fn doc_tests(results: &mut Results) -> anyhow::Result<bool> {
    let mut command = Command::new("cargo");
    command.current_dir(repo::root()?).args(["test", "--workspace", "--doc", "--no-fail-fast"]);
    Ok(listen(&mut command, |line| results.add_libtest(line))?.success())
}

/// Where `.config/nextest.toml` has the report written.
fn junit_path() -> anyhow::Result<PathBuf> {
    // cargo-nextest keeps its reports under the workspace, wherever the build goes.
    Ok(repo::root()?.join("target/nextest/default/junit.xml"))
}
