//! Moments around each commit, for tests that kill the program there. A release does not have them.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A moment of this process's n-th commit, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Every statement was carried out, and nothing of it is lasting.
    Before(u64),
    /// All of it is lasting, and the process has not gone on.
    After(u64),
}

type Watcher = Box<dyn Fn(Moment) + Send + Sync>;

static WATCHER: OnceLock<Watcher> = OnceLock::new();
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// Calls `watcher` at every moment from now on, in the midst of the work: it may stand still there. The first one stands.
pub fn watch(watcher: impl Fn(Moment) + Send + Sync + 'static) {
    // There is nothing to do for a second one.
    let _ = WATCHER.set(Box::new(watcher));
}

/// A commit begins; gives its number.
pub(crate) fn begins() -> u64 {
    let number = BEGUN.fetch_add(1, Ordering::SeqCst) + 1;
    tell(Moment::Before(number));
    number
}

/// The commit of this number is done.
pub(crate) fn done(number: u64) {
    tell(Moment::After(number));
}

fn tell(moment: Moment) {
    if let Some(watcher) = WATCHER.get() {
        watcher(moment);
    }
}
