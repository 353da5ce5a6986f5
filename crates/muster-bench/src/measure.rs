//! Time and memory of child processes.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// What one process cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// The most memory it ever held (resident), in bytes; 0 where the system does not tell.
    pub(crate) peak: u64,
}

/// The present moment.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits.
#[expect(clippy::disallowed_methods, reason = "a benchmark keeps time")]
pub(crate) async fn pause(pause: Duration) {
    tokio::time::sleep(pause).await;
}

/// Runs a command to its end and says what it cost and printed.
pub(crate) fn cost(command: &mut Command) -> anyhow::Result<(Cost, Output)> {
    let begun = now();
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .stdin(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let mut peak = 0;
    let wall = loop {
        peak = peak.max(memory(child.id(), "VmHWM"));
        if child.try_wait()?.is_some() {
            break begun.elapsed();
        }
        // Peeking every few milliseconds costs next to nothing and misses only what is given back at once.
        std::thread::sleep(Duration::from_millis(3));
    };
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "{} failed: {}",
        command.get_program().display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok((Cost { wall, peak }, output))
}

/// Memory of a process in bytes by its name in `/proc`: `VmHWM` is the most it ever had resident, `VmRSS` what it has now.
/// 0 where the system does not tell.
pub(crate) fn memory(process: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

/// Median and spread of several measurements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

/// Sorts measurements into their spread.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    Spread { least: at(0), median: at(values.len() / 2), most: at(values.len().saturating_sub(1)) }
}

/// The value below which so many thousandths of sorted durations lie, in milliseconds.
pub(crate) fn at(sorted: &[Duration], thousandths: usize) -> f64 {
    let place = (sorted.len() * thousandths / 1_000).min(sorted.len().saturating_sub(1));
    sorted.get(place).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
}
