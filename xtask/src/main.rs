//! The chores of the project: `cargo xtask <chore>`.

mod bench;
mod browser;
mod postgres;
mod process;
mod repo;
mod results;
mod simulate;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of the project", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Runs every test, on SQLite and on a throw-away PostgreSQL
    Test(test::Options),
    /// Checks what must hold in the repository and no compiler checks
    Tidy,
    /// Runs whole days of a tenant from seeds; a seed that fails fails every time
    Simulate(simulate::Simulate),
    /// Kills the program in the middle of runs and sees that the next one ends them
    Kill(simulate::Kill),
    /// Has Lighthouse judge the pages of the demo
    Lighthouse,
    /// Runs a measurement of `muster-bench`, built for release
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Tidy => tidy::run(),
        Chore::Simulate(options) => simulate::simulate(&options),
        Chore::Kill(options) => simulate::kill(&options),
        Chore::Lighthouse => browser::lighthouse(),
        Chore::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
