//! The progress of a run, on a terminal: what it does now, in words.

use std::future::Future;
use std::io::IsTerminal as _;
use std::pin::pin;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use muster_core::run::{RunKind, RunPhase};
use muster_store::runs::Run;
use tokio::sync::watch;

use super::output::count;
use crate::sync::{Progress, RunError};
use crate::telemetry;

/// How waiting for a run ended.
pub(super) enum Waited {
    Ended(Box<Run>),
    /// Somebody pressed Ctrl-C, or the system wants the process to end.
    Interrupted,
}

/// Waits for `work`, the driving of a run, and shows how far it is.
pub(super) async fn follow(
    mut watch: watch::Receiver<Progress>,
    work: impl Future<Output = Result<Run, RunError>>,
) -> Result<Waited, RunError> {
    let bar = Bar::new();
    let mut work = pin!(work);
    let mut stop = pin!(stop_asked());
    let mut watched = true;
    loop {
        tokio::select! {
            biased;
            ended = &mut work => return ended.map(|run| Waited::Ended(Box::new(run))),
            () = &mut stop => return Ok(Waited::Interrupted),
            changed = watch.changed(), if watched => {
                watched = changed.is_ok();
                let progress = *watch.borrow_and_update();
                bar.show(&progress);
            }
        }
    }
}

/// Resolves when somebody wants the process to end.
pub(super) async fn stop_asked() {
    let keyboard = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        let Ok(mut term) =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        else {
            // Nothing to listen to: then nobody can ask in this way.
            return std::future::pending().await;
        };
        tokio::select! {
            done = keyboard => if done.is_err() { std::future::pending::<()>().await },
            _ = term.recv() => {}
        }
    }
    #[cfg(not(unix))]
    if keyboard.await.is_err() {
        std::future::pending::<()>().await;
    }
}

struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // A template of ours that does not parse would only look plainer.
        let style = ProgressStyle::with_template("{spinner} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(120));
        telemetry::below(Some(bar.clone()));
        Self(bar)
    }

    fn show(&self, progress: &Progress) {
        self.0.set_message(words(progress));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        telemetry::below(None);
        self.0.finish_and_clear();
    }
}

/// Where a run is, on one line.
fn words(progress: &Progress) -> String {
    let mut parts = vec![progress.phase.map_or("waiting for its turn", phase).to_owned()];
    let people = progress.staged.max(progress.counts.read);
    if people > 0 {
        parts.push(count(people, "person", "people"));
    }
    if progress.calls > 0 {
        parts.push(count(progress.calls, "call", "calls"));
    }
    if let Some((used, allowed)) = progress.share.filter(|(_, allowed)| *allowed > 0) {
        parts.push(format!("{} % of the rate limit", used * 100 / allowed));
    }
    parts.join(" · ")
}

/// What a run does in a phase.
pub(super) fn phase(phase: RunPhase) -> &'static str {
    match phase {
        RunPhase::Start => "starting",
        RunPhase::Read => "reading people from Okta",
        RunPhase::Judge => "making sure that the list is complete",
        RunPhase::People => "comparing people",
        RunPhase::Emails => "moving e-mail addresses",
        RunPhase::Managers => "finding managers",
        RunPhase::Missing => "asking Okta about people who are not in the list",
        RunPhase::Removals => "taking access away",
        RunPhase::Report => "writing the report",
    }
}

/// Says that a run goes on without whoever waited for it.
pub(super) fn goes_on(subdomain: &str, run: &Run) -> String {
    let again = if run.kind == RunKind::Preview { "plan" } else { "sync" };
    format!(
        "stopped waiting. Nothing is lost: run {} goes on from where it was ({}) with the next `muster okta {again} \
         {subdomain}`",
        run.id,
        phase(run.phase)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        assert_eq!(words(&Progress::default()), "waiting for its turn");
        let progress = Progress {
            phase: Some(RunPhase::Read),
            staged: 12_500,
            calls: 26,
            share: Some((41, 300)),
            ..Progress::default()
        };
        assert_eq!(
            words(&progress),
            "reading people from Okta · 12,500 people · 26 calls · 13 % of the rate limit"
        );
    }
}
