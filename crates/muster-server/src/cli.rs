//! The command line: what people type, and what they get.

mod check_config;
mod csv_people;
mod demo;
mod events_view;
mod exit;
#[cfg(debug_assertions)]
mod hold;
mod input;
mod migrate;
mod okta;
mod okta_check;
mod okta_hook;
mod okta_set;
mod okta_show;
mod output;
mod people;
mod person_view;
mod progress;
mod run;
mod run_view;
mod serve;
mod sync;
mod tenant;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use muster_core::run::RunCause;
use muster_core::tenant::TenantSlug;
use muster_store::TenantDb;
use muster_store::history::By;
use muster_store::tenants::Tenant;

pub use self::exit::{CliError, Exit};
use self::output::Out;
use crate::app::App;
use crate::clock::Clock;
use crate::config::{Config, Environment, variables};
use crate::telemetry;

/// People from Okta, in step: created, updated, deactivated, with the reason for every change.
#[derive(Debug, Parser)]
#[command(name = "muster", version, after_long_help = variables::help(), max_term_width = 100)]
struct Cli {
    /// Read settings from this TOML file too (see `muster --help`)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Print JSON: one object, or one a line for a list
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the whole thing at work: a simulated Okta, a connected company, and a morning in its life
    Demo(demo::Demo),
    /// Run the service: take events of Okta, and do the work that waits
    Serve,
    /// Bring the database to this version
    Migrate,
    /// Say all that is wrong with the configuration, and what is in force
    CheckConfig,
    /// Make and list tenants
    #[command(subcommand)]
    Tenant(tenant::Command),
    /// The connection to Okta: settings, rules, preview and sync
    #[command(subcommand)]
    Okta(okta::Command),
    /// People: list, show, add, import, deactivate
    #[command(subcommand)]
    People(people::Command),
    /// Runs: what they found and did
    #[command(subcommand)]
    Run(run::Command),
}

/// Why something is changed, for the history.
#[derive(Debug, Args)]
struct Why {
    /// Why, for the history
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
}

/// The whole program.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell when even this cannot be printed.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return Exit::Failed.into();
        }
    };
    let env = Environment::of_process();
    #[cfg(debug_assertions)]
    if let Some(order) = env.hold_at_commit() {
        hold::obey(order);
    }
    match runtime.block_on(dispatch(cli, &env)) {
        Ok(exit) => exit.into(),
        Err(error) => {
            for line in error.lines() {
                eprintln!("error: {line}");
            }
            error.exit().into()
        }
    }
}

async fn dispatch(cli: Cli, env: &Environment) -> Result<Exit, CliError> {
    let read = Config::read(cli.config.as_deref(), env);
    let command = match cli.command {
        Command::CheckConfig => return check_config::run(read, cli.json),
        other => other,
    };
    let config = read.map_err(CliError::Config)?;
    // What goes wrong in the demo is part of its story.
    let quiet = match command {
        Command::Demo(_) => "error",
        Command::Serve => "info",
        _ => "warn",
    };
    let traces = config.otlp_url.as_ref().map(telemetry::Traces::to).transpose();
    let traces = traces.map_err(|error| CliError::Usage(error.to_string()))?;
    telemetry::start(&config.log, quiet, traces.as_ref());
    let done = obey(command, config, cli.json).await;
    if let Some(traces) = traces {
        traces.finish().await;
    }
    done
}

async fn obey(command: Command, config: Config, json: bool) -> Result<Exit, CliError> {
    let mut out = Out::stdout(json, config.zone.clone());
    let exit = match command {
        Command::Demo(demo) => demo::run(demo, config, &mut out).await,
        other => {
            let mut cx = Context { app: App::open(config, Clock::Wall).await?, out };
            let done = carry_out(other, &mut cx).await;
            cx.out.flush()?;
            cx.app.db.close().await;
            return done;
        }
    };
    out.flush()?;
    exit
}

async fn carry_out(command: Command, cx: &mut Context) -> Result<Exit, CliError> {
    match command {
        Command::Serve => serve::run(cx).await,
        Command::Migrate => migrate::run(cx),
        Command::Tenant(command) => tenant::run(command, cx).await,
        Command::Okta(command) => okta::run(command, cx).await,
        Command::People(command) => people::run(command, cx).await,
        Command::Run(command) => run::run(command, cx).await,
        // Both were dealt with before the database was opened.
        Command::Demo(_) | Command::CheckConfig => Ok(Exit::Done),
    }
}

/// What a command works with.
struct Context {
    app: App,
    out: Out,
}

impl Context {
    /// The tenant of a subdomain, and the handle that sees it.
    async fn tenant(&self, slug: &TenantSlug) -> Result<(Tenant, TenantDb), CliError> {
        let found = self.app.db.tenant_by_slug(slug).await?;
        let tenant = found.ok_or_else(|| {
            CliError::Usage(format!(
                "there is no tenant {slug:?}; `muster tenant list` shows them all",
                slug = slug.as_str()
            ))
        })?;
        let db = self.app.db.tenant(tenant.id);
        Ok((tenant, db))
    }
}

/// A change that `actor` makes by a command.
fn by<'a>(actor: &'a str, reason: Option<&'a str>) -> By<'a> {
    By { actor, cause: RunCause::Cli.as_str(), run: None, reason }
}

/// Reads a subdomain.
fn subdomain(text: &str) -> Result<TenantSlug, String> {
    TenantSlug::parse(text).map_err(|bad| bad.to_string())
}

/// Reads a reason: one line, not empty.
fn reason(text: &str) -> Result<String, String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() {
        return Err("say why, in a few words".to_owned());
    }
    if text.chars().count() > 500 {
        return Err("this is longer than 500 characters".to_owned());
    }
    if text.chars().any(char::is_control) {
        return Err("there are control characters in it".to_owned());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
