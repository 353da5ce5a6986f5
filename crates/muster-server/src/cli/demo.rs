//! `muster demo`: the whole thing at work, on this machine alone.

mod live;
mod service;
mod stage;
mod story;
mod tell;

use std::path::PathBuf;

use clap::Args;

use self::stage::Stage;
use super::exit::{CliError, Exit};
use super::output::Out;
use super::progress;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Demo {
    /// People in the simulated Okta; 0 is the company Fernhill, with a case of everything
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    people: u32,
    /// Another seed makes other people
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Keep the database, in this folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The simulator's port; without it any that is free
    #[arg(long, value_name = "P", default_value_t = 0)]
    port: u16,
    /// End after the story, instead of keeping the simulated Okta and the service up to play with
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(demo: Demo, config: Config, out: &mut Out) -> Result<Exit, CliError> {
    let mut stage = Box::pin(Stage::set(&demo, config)).await?;
    let told = tokio::select! {
        told = Box::pin(story::tell(&mut stage, demo.people == 0, out)) => told,
        () = progress::stop_asked() => {
            Err(CliError::Interrupted("the demo was stopped; nothing of it goes on".to_owned()))
        }
    };
    if told.is_ok() && !demo.once {
        stage.invite(out).await?;
        out.flush()?;
        if !out.is_closed() {
            progress::stop_asked().await;
        }
    }
    stage.close().await;
    told.map(|()| Exit::Done)
}
