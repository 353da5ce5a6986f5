//! Measurements of Muster that anyone can repeat: `muster-bench p1`, `p2`, `p3`.
//!
//! Every figure is a ratio against a floor or a peer measured in the same run, alternating, with the spread. The programs
//! measured are the released binaries beside this one, each in a process of its own, so that memory is theirs alone.

mod floor;
mod measure;
mod p1;
mod p3;
mod peers;
mod show;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Measures Muster against a floor and against Okta's own SDK.
#[derive(Debug, Parser)]
#[command(name = "muster-bench", version)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// P1 and P2: the first full sync, and the same again, beside Okta's Node SDK merely listing.
    P1(p1::Options),
    /// P3: the first full sync at growing sizes.
    P3(p3::Options),
    /// Only reads and parses all pages; run by the others as their floor.
    #[command(hide = true)]
    Floor(floor::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().what {
        What::P1(options) => p1::run(&options),
        What::P3(options) => p3::run(&options),
        What::Floor(options) => floor::run(&options),
    }
}

/// The folder in which the measured binaries are: that of this one.
fn binaries() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().map(PathBuf::from).unwrap_or_default())
}
