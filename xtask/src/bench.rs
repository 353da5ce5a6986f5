//! `cargo xtask bench`: the measurements, built the way the program is shipped.

use std::process::Command;

use crate::process::succeed;
use crate::repo;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What `muster-bench` is given; nothing shows what it can measure
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let help = ["--help".to_owned()];
    let arguments: &[String] =
        if options.arguments.is_empty() { &help } else { &options.arguments };
    let mut command = Command::new("cargo");
    command.current_dir(repo::root()?).args(["run", "--release", "-p", "muster-bench", "--"]);
    succeed(command.args(arguments))
}
