//! The command line: serve an org, or change one that is being served.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use muster_oktasim::{Preset, Sim, SimConfig};

mod remote;

/// A simulated Okta org on loopback.
#[derive(Debug, Parser)]
#[command(name = "muster-oktasim", version)]
struct Cli {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// How many people; 0 is the demo company Fernhill.
    #[arg(long, default_value_t = 0)]
    people: u32,
    /// The same seed gives the same org.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rate limits: none, integrator or workforce.
    #[arg(long, default_value = "none", value_parser = preset)]
    limits: Preset,
    /// How long a window of the rate limits is.
    #[arg(long, default_value_t = 60)]
    limit_window_seconds: u32,
    /// How long every answer is held back.
    #[arg(long, default_value_t = 0)]
    latency_ms: u64,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Changes an org that is being served, as an Okta administrator would.
    Admin(remote::Admin),
}

fn preset(text: &str) -> Result<Preset, String> {
    Preset::parse(text).ok_or_else(|| "expected none, integrator or workforce".to_owned())
}

/// Runs the program.
pub(crate) async fn run() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Admin(admin)) => remote::run(&admin).await,
        None => serve(&cli).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("muster-oktasim: {text}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(cli: &Cli) -> Result<(), String> {
    let config = SimConfig {
        port: cli.port,
        people: cli.people,
        seed: cli.seed,
        limits: cli.limits,
        latency_ms: cli.latency_ms,
    };
    let sim = Sim::start(config).await.map_err(|error| chain(&error))?;
    let introduction = sim.org().with(|org| {
        org.limits.window_seconds = cli.limit_window_seconds;
        org.introduction()
    });
    // Programs wait for this line, so it must leave at once.
    let mut out = std::io::stdout();
    writeln!(out, "{introduction}")
        .and_then(|()| out.flush())
        .map_err(|error| error.to_string())?;
    tokio::signal::ctrl_c().await.map_err(|error| error.to_string())
}

/// An error with everything that caused it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
