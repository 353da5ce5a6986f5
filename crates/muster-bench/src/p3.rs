//! P3: how time, memory and calls grow with people.

use crate::measure::spread;
use crate::peers::{Muster, Simulator};
use crate::show;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The sizes, smallest first.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000, 1_000_000])]
    people: Vec<u64>,
    /// How often each size is measured.
    #[arg(long, default_value_t = 3)]
    times: usize,
}

#[expect(clippy::cast_precision_loss, reason = "logarithms of counts")]
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    show::header("P3: the first full sync at growing sizes");
    let mut points = Vec::new();
    for &people in &options.people {
        let simulator = Simulator::start(people)?;
        let mut costs = Vec::new();
        let mut calls = 0;
        for _ in 0..options.times {
            let (cost, run) = Muster::connect(&simulator)?.sync()?;
            calls = run["calls"].as_u64().unwrap_or(0);
            costs.push(cost);
        }
        show::row(&format!("{people} people"), &costs);
        let pages = people.div_ceil(500);
        println!("{:<34} {calls} calls = {pages} pages + {}", "", calls.saturating_sub(pages));
        let time = spread(costs.iter().map(|cost| cost.wall.as_secs_f64())).median;
        points.push(((people as f64).ln(), time.ln()));
    }
    println!();
    println!("growth: time ~ people^{:.2} over all sizes   (goal 1.05)", slope(&points));
    if let [.., before, last] = points.as_slice() {
        println!("        time ~ people^{:.2} over the last two", slope(&[*before, *last]));
    }
    Ok(())
}

/// The slope of the line that fits best (least squares).
#[expect(clippy::cast_precision_loss, reason = "a handful of points")]
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mean_x, mean_y) =
        (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let over: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    let under: f64 = points.iter().map(|p| (p.0 - mean_x).powi(2)).sum();
    over / under
}
