//! A listing that cannot be read to its end.

use muster_core::problem::ProblemCode::{self, ListingTruncated, OktaUnreachable, OktaUnreadable};
use muster_oktasim::{Fault, Rule};

use super::{FIRST, LAST, Leavers, MIDDLE, company, fail, is_incomplete, mend, promote};
use crate::support::{Ground, on_both_engines};

on_both_engines! {
    a_first_page_that_keeps_failing_removes_nobody,
    a_page_in_the_middle_that_keeps_failing_removes_nobody,
    a_last_page_that_keeps_failing_removes_nobody,
    what_was_read_before_the_failure_is_applied,
}

/// What goes wrong, what the run calls it, and whether it can happen to a first page.
fn failures() -> [(&'static str, Fault, ProblemCode, bool); 8] {
    [
        ("500", Fault::Status(500), OktaUnreachable, true),
        ("503", Fault::Status(503), OktaUnreachable, true),
        ("a cut body", Fault::Cut(1000), OktaUnreachable, true),
        ("a dropped connection", Fault::Drop, OktaUnreachable, true),
        ("too slow an answer", Fault::Slow(90_000), OktaUnreachable, true),
        ("a sign-in page", Fault::Html, OktaUnreadable, true),
        ("a repeated page", Fault::RepeatedPage, ListingTruncated, false),
        ("a refused cursor", Fault::WrongCursor, ListingTruncated, false),
    ]
}

async fn a_first_page_that_keeps_failing_removes_nobody(ground: &Ground) {
    a_page_that_keeps_failing_removes_nobody(ground, FIRST).await;
}

async fn a_page_in_the_middle_that_keeps_failing_removes_nobody(ground: &Ground) {
    a_page_that_keeps_failing_removes_nobody(ground, MIDDLE).await;
}

async fn a_last_page_that_keeps_failing_removes_nobody(ground: &Ground) {
    a_page_that_keeps_failing_removes_nobody(ground, LAST).await;
}

async fn a_page_that_keeps_failing_removes_nobody(ground: &Ground, page: u16) {
    let mut stand = company(ground).await;
    let leavers = Leavers::leave(&stand);
    let before = stand.with_access().await;
    for (name, fault, code, _) in failures().into_iter().filter(|case| page > FIRST || case.3) {
        fail(&stand, Rule::on_app_users().page(page).fault(fault));
        is_incomplete(name, &stand.sync().await, code);
        assert_eq!(stand.with_access().await, before, "{name}");
        mend(&stand);
    }
    leavers.are_all_who_go(&mut stand).await;
}

async fn what_was_read_before_the_failure_is_applied(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    let (early, late) = (&people[0], people.last().expect("somebody"));
    promote(&stand, early, "Early Bird");
    promote(&stand, late, "Night Owl");
    fail(&stand, Rule::on_app_users().page(LAST).fault(Fault::Status(500)));
    let run = stand.sync().await;
    is_incomplete("the last page fails", &run, OktaUnreachable);
    assert_eq!(run.counts.updated, 1);
    assert_eq!(stand.here(early).await.title.as_deref(), Some("Early Bird"));
    assert_ne!(stand.here(late).await.title.as_deref(), Some("Night Owl"));
    mend(&stand);
    assert_eq!(stand.sync().await.counts.updated, 1);
    assert_eq!(stand.here(late).await.title.as_deref(), Some("Night Owl"));
}
