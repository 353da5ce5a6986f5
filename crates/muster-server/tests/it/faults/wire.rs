//! The same over a real network on loopback: bodies that break off, connections that end.

use muster_core::problem::ProblemCode::OktaUnreachable;
use muster_core::run::RunState;
use muster_oktasim::{Fault, Rule};

use super::{FIRST, LAST, Leavers, MIDDLE, PAGE, PEOPLE, fail, is_incomplete, mend};
use crate::support::{Company, Ground, Stand, on_both_engines};

on_both_engines! {
    a_broken_network_removes_nobody,
}

async fn a_broken_network_removes_nobody(ground: &Ground) {
    let company = Company::of(PEOPLE).paged(PAGE);
    let (mut stand, _sim) = Stand::over_http(ground, company).await;
    assert_eq!(stand.sync().await.counts.created, u64::from(PEOPLE));
    let leavers = Leavers::leave(&stand);
    let before = stand.with_access().await;
    for (name, fault) in [("a cut body", Fault::Cut(1000)), ("a dropped connection", Fault::Drop)] {
        for page in [FIRST, MIDDLE, LAST] {
            let case = format!("{name} at page {page}");
            fail(&stand, Rule::on_app_users().page(page).fault(fault.clone()));
            is_incomplete(&case, &stand.sync().await, OktaUnreachable);
            assert_eq!(stand.with_access().await, before, "{case}");
            mend(&stand);
        }
    }
    mend(&stand);
    leavers.are_all_who_go(&mut stand).await;
    for fault in [Fault::Cut(1000), Fault::Drop] {
        fail(&stand, Rule::on_app_users().page(MIDDLE).times(1).fault(fault));
        assert_eq!(stand.sync().await.state, RunState::Done);
    }
}
