//! Standing still at a commit, for tests that kill or freeze the program there. A release does not have it.
//!
//! Most of a run is work inside the database, which nobody sees from outside. A kill at a moment that a clock picks would
//! be another one each time; so the program itself stops at the n-th commit and says so, and the test does the killing.
//! *Before* a commit shows that a step leaves nothing when it is not whole, *after* it that the next step needs nothing
//! that only the dead process knew.

use std::io;

use muster_store::commits::{self, Moment};

/// Obeys `MUSTER_TEST_HOLD_AT_COMMIT`: each commit is told on stderr, and at `before:N` or `after:N` the program stands
/// still until there is a line on stdin (or stdin ends). Any other value only has the commits told.
pub(super) fn obey(order: &str) {
    let wanted = order.split_once(':').and_then(|(side, number)| {
        let number = number.parse().ok()?;
        match side {
            "before" => Some(Moment::Before(number)),
            "after" => Some(Moment::After(number)),
            _ => None,
        }
    });
    commits::watch(move |moment| {
        match moment {
            Moment::Before(number) => eprintln!("commit {number} begins"),
            Moment::After(number) => eprintln!("commit {number} is done"),
        }
        if wanted == Some(moment) {
            eprintln!("holding");
            // Whatever comes, it means to go on.
            let _ = io::stdin().read_line(&mut String::new());
        }
    });
}
