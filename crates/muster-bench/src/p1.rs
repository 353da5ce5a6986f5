//! P1: the first full sync into a file with history. P2: the same again, nothing changed.

use std::path::PathBuf;

use anyhow::ensure;

use crate::peers::{Muster, Simulator, floor, node};
use crate::show;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many people the org has.
    #[arg(long, default_value_t = 100_000)]
    people: u64,
    /// How often each is measured, in turn.
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// The `node_modules` that holds @okta/okta-sdk-nodejs; without it the peer is left out, and that is said.
    #[arg(long, default_value = "target/conformance/node/node_modules")]
    node_modules: PathBuf,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    show::header(&format!("P1 and P2 with {} people", options.people));
    let with_node = options.node_modules.join("@okta/okta-sdk-nodejs").is_dir();
    if !with_node {
        println!(
            "Okta's Node SDK is not in {}: it is NOT measured",
            options.node_modules.display()
        );
    }
    let simulator = Simulator::start(options.people)?;
    let (mut first, mut again, mut least, mut sdk) = (vec![], vec![], vec![], vec![]);
    for _ in 0..options.times {
        least.push(floor(&simulator, options.people)?);
        if with_node {
            sdk.push(node(&simulator, &options.node_modules, options.people)?);
        }
        let muster = Muster::connect(&simulator)?;
        let (cost, run) = muster.sync()?;
        ensure!(run["counts"]["created"] == options.people, "not everybody was made: {run}");
        first.push(cost);
        let (cost, run) = muster.sync()?;
        ensure!(run["counts"]["unchanged"] == options.people, "something changed: {run}");
        again.push(cost);
    }
    let floor = show::row("floor: read and parse only", &least);
    let p1 = show::row("P1 first full sync", &first);
    let p2 = show::row("P2 the same again", &again);
    println!();
    println!("P1 / floor           {:.2}", p1.median / floor.median);
    println!("P2 / P1              {:.2}   (goal 0.60)", p2.median / p1.median);
    if with_node {
        let sdk = show::row("Okta's Node SDK, listing only", &sdk);
        println!("P1 / Okta's Node SDK {:.2}   (goal 1.00)", p1.median / sdk.median);
    }
    Ok(())
}
