//! How results are printed: the machine, the commit, the command, then rows.

use std::process::Command;

use crate::measure::{Cost, Spread, spread};

/// What a reader must know to repeat a measurement.
pub(crate) fn header(title: &str) {
    println!("# {title}");
    println!("machine: {}", machine());
    println!("commit:  {}", commit());
    println!("command: {}", std::env::args().collect::<Vec<_>>().join(" "));
    println!();
}

/// System, cores, and how busy it was in the last minute.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    format!("{}, {cores} cores, load {load}", said("uname", &["-srm"]))
}

/// The commit that the working folder is at.
pub(crate) fn commit() -> String {
    said("git", &["rev-parse", "--short", "HEAD"])
}

fn said(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
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
