//! A listing that ends by itself and still is not the whole truth.

use muster_core::problem::ProblemCode::ListingContradicted;
use muster_oktasim::{Fault, Rule};

use super::{FIRST, Leavers, MIDDLE, PEOPLE, company, fail, is_incomplete, mend};
use crate::support::{Ground, on_both_engines};

on_both_engines! {
    a_list_that_lacks_people_who_answer_by_id_removes_nobody,
}

async fn a_list_that_lacks_people_who_answer_by_id_removes_nobody(ground: &Ground) {
    let mut stand = company(ground).await;
    let people = stand.assigned();
    let all_but_one = PEOPLE as usize - 1;
    let lacks = |first| Fault::Shrunken { first, people: Vec::new() };
    let last = people.last().expect("somebody").clone();
    let cases = [
        ("an empty list", Rule::on_app_users().fault(Fault::EmptyList)),
        ("all but one person", Rule::on_app_users().fault(lacks(all_but_one))),
        ("a tenth of the people", Rule::on_app_users().fault(lacks(all_but_one / 10))),
        ("one person", Rule::on_app_users().fault(lacks(1))),
        (
            "the last person",
            Rule::on_app_users().fault(Fault::Shrunken { first: 0, people: vec![last] }),
        ),
        ("all pages after the first", Rule::on_app_users().page(FIRST).fault(Fault::EndsEarly)),
        ("the last pages", Rule::on_app_users().page(MIDDLE).fault(Fault::EndsEarly)),
    ];
    // Before anybody left, and again beside people who are truly out: those wait for a list that can be believed.
    for round in ["", " and three who left"] {
        let leavers = (!round.is_empty()).then(|| Leavers::leave(&stand));
        let before = stand.with_access().await;
        for (name, rule) in &cases {
            fail(&stand, rule.clone());
            let run = stand.sync().await;
            is_incomplete(&format!("{name}{round}"), &run, ListingContradicted);
            assert!(run.counts.missing > 0, "{name}{round}: {run:?}");
            assert_eq!(stand.with_access().await, before, "{name}{round}");
            mend(&stand);
        }
        if let Some(leavers) = leavers {
            leavers.are_all_who_go(&mut stand).await;
        }
    }
}
