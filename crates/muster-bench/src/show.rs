//! How results are printed: the machine, the commit, the command, then rows.

use std::process::Command;

use crate::measure::{Cost, Spread, spread};

/// What a reader must know to repeat a measurement.
pub(crate) fn header(title: &str) {
    let said = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default()
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!("# {title}");
    println!("machine: {}, {cores} cores", said("uname", &["-srm"]));
    println!("commit:  {}", said("git", &["rev-parse", "--short", "HEAD"]));
    println!("command: {}", std::env::args().collect::<Vec<_>>().join(" "));
    println!();
}

/// One row: time and memory of several runs of one thing.
pub(crate) fn row(name: &str, costs: &[Cost]) -> Spread {
    let time = spread(costs.iter().map(|cost| cost.wall.as_secs_f64()));
    let peak = costs.iter().map(|cost| cost.peak).max().unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
    let megabytes = peak as f64 / 1e6;
    println!(
        "{name:<34} {:>7.3} s  ({:.3} to {:.3})  {megabytes:>6.1} MB",
        time.median, time.least, time.most
    );
    time
}
