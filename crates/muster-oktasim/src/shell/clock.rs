//! The simulator's only look at a clock.

use std::time::Duration;

use jiff::Timestamp;

/// The time of the machine.
#[expect(
    clippy::disallowed_methods,
    reason = "the outermost shell of the simulator hands the time to the pure org"
)]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// Waits so many milliseconds.
#[expect(
    clippy::disallowed_methods,
    reason = "the outermost shell of the simulator carries out the waits the org asks for"
)]
pub(super) async fn wait(millis: u64) {
    if millis > 0 {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
}
