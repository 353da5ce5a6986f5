//! `muster demo`: the whole thing at work, on this machine alone.

use std::path::PathBuf;

use clap::Args;

use super::exit::{CliError, Exit};
use super::output::Out;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// People in the simulated Okta; 0 is the company Fernhill, with a case of everything
    #[arg(long, value_name = "N", default_value_t = 0)]
    people: usize,
    /// Another seed makes other people
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Keep the database in this folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The simulator's port; any free one without this
    #[arg(long, value_name = "P", default_value_t = 0)]
    port: u16,
    /// End after the story instead of serving on
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(_demo: Demo, _config: Config, _out: &mut Out) -> Result<Exit, CliError> {
    Ok(Exit::Done)
}
