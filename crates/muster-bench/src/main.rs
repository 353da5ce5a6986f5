//! Measurements of Muster that anyone can repeat: `muster-bench p1`, `p3`, `p4` and so on.
//!
//! Every figure is a ratio against a floor or a peer measured in the same run, alternating, with the spread. The programs
//! measured are the released binaries beside this one, each in a process of its own, so that memory is theirs alone.

mod events;
mod floor;
mod http;
mod leaver;
mod measure;
mod p1;
mod p10;
mod p12;
mod p3;
mod p4;
mod p5;
mod p6;
mod p7;
mod p9;
mod peers;
mod report;
mod service;
mod show;
mod watch;

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
    /// P4: hook deliveries stored and answered, beside the same server answering without storing.
    P4(p4::Options),
    /// P5: from a hook to what it led to, beside the two calls to Okta that it costs.
    P5(p5::Options),
    /// Part of P5: people who leave during a full run of their tenant.
    Leaver(leaver::Options),
    /// P6: a storm of events for one tenant, and another's single events meanwhile.
    P6(p6::Options),
    /// P7: how much of a limited Okta is used while work waits. Takes as long as it measures.
    P7(p7::Options),
    /// P9: sign-ins one after the other, the identity provider's time taken out.
    P9(p9::Options),
    /// P10: memory of an idle service.
    P10(p10::Options),
    /// P12: start to ready, the size of the program and its build.
    P12(p12::Options),
    /// Only answers; run by P4 as its floor.
    #[command(hide = true)]
    Answer,
    /// The hook's door alone; run by P4.
    #[command(hide = true)]
    Door(p4::DoorOptions),
    /// Only reads and parses all pages; run by the others as their floor.
    #[command(hide = true)]
    Floor(floor::Options),
}

/// What is measured from outside needs no more than one thread here, and should leave the others alone.
fn on_one_thread(bench: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(bench)
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().what {
        What::P1(options) => p1::run(&options),
        What::P3(options) => p3::run(&options),
        What::P4(options) => p4::run(&options),
        What::P5(options) => on_one_thread(p5::run(&options)),
        What::Leaver(options) => on_one_thread(leaver::run(&options)),
        What::P6(options) => on_one_thread(p6::run(&options)),
        What::P7(options) => on_one_thread(p7::run(&options)),
        What::P9(options) => on_one_thread(p9::run(&options)),
        What::P10(options) => on_one_thread(p10::run(&options)),
        What::P12(options) => p12::run(&options),
        What::Answer => p4::answer(),
        What::Door(options) => p4::door(&options),
        What::Floor(options) => floor::run(&options),
    }
}

/// The folder in which the measured binaries are: that of this one.
fn binaries() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.parent().map(PathBuf::from).unwrap_or_default())
}
