//! Logs: to stderr, as text for people or as JSON for machines. Traces and metrics beside them.

pub mod metrics;
mod traces;

use std::io::{self, IsTerminal as _, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, fmt, registry};

pub use self::traces::Traces;
use crate::config::Logging;

/// Crates whose chatter may hold what they carry. They are heard only when somebody names them.
const CARRIERS: [&str; 8] =
    ["h2", "hyper", "hyper_util", "reqwest", "rustls", "sqlx", "tower", "tokio_util"];

/// Begins to log, and to trace if there is somebody to send traces to. `quiet` is the level for whoever set no filter.
///
/// Called twice, the first call stands.
pub fn start(logging: &Logging, quiet: &str, traces: Option<&Traces>) {
    let text = logging.filter.as_deref().unwrap_or(quiet);
    let hushed = CARRIERS
        .iter()
        .filter(|carrier| !names(text, carrier))
        .map(|carrier| format!("{carrier}=warn"));
    let filter = std::iter::once(text.to_owned()).chain(hushed).collect::<Vec<_>>().join(",");
    // The text was checked when it was read; should it fail all the same, warnings are still worth having.
    let filter = EnvFilter::builder().parse(filter).unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = fmt::layer().with_writer(Stderr).with_ansi(io::stderr().is_terminal());
    let lines = if logging.json {
        lines.json().with_filter(filter).boxed()
    } else {
        lines.with_target(false).with_filter(filter).boxed()
    };
    // An error means that somebody began before.
    let _ = registry().with(lines).with(traces.map(Traces::layer)).try_init();
}

fn names(filter: &str, target: &str) -> bool {
    filter.split(',').any(|directive| {
        let name = directive.trim().split(['=', '[', ':']).next().unwrap_or_default();
        name == target
    })
}

static BAR: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Draws `bar` below the log lines from now on, or no bar any more.
pub fn below(bar: Option<ProgressBar>) {
    *BAR.lock().unwrap_or_else(PoisonError::into_inner) = bar;
}

#[derive(Clone, Copy)]
struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let bar = BAR.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match bar {
            Some(bar) => bar.suspend(|| io::stderr().write(bytes)),
            None => io::stderr().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// An error and what caused it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
