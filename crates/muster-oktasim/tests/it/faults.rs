//! Faults that are asked for, and what a caller sees of them.

use std::collections::BTreeSet;

use muster_oktasim::{Cut, Fault, Rule};

use crate::stand::{Stand, ids, local};

fn broken(fault: Fault) -> Stand {
    let stand = Stand::scaled(100);
    stand.org.faults(|faults| faults.add(Rule::on_app_users().fault(fault)));
    stand
}

#[test]
fn error_answers_are_in_oktas_words() {
    #[rustfmt::skip]
    let cases = [(401, "E0000011"), (403, "E0000006"), (429, "E0000047"), (500, "E0000009"), (503, "E0000010")];
    for (status, code) in cases {
        let stand = broken(Fault::Status(status));
        let reply = stand.get(&stand.app_users("limit=20"));
        assert_eq!((reply.status, reply.json()["errorCode"].as_str()), (status, Some(code)));
    }
    let stand = broken(Fault::Status(429));
    let reply = stand.get(&stand.app_users(""));
    assert_eq!(reply.header("x-rate-limit-remaining"), Some("0"));
}

#[test]
fn transport_faults_are_handed_to_the_transport() {
    let reply = |fault| {
        let stand = broken(fault);
        stand.get(&stand.app_users("limit=20"))
    };
    assert_eq!(reply(Fault::Slow(250)).delay_ms, 250);
    assert_eq!(reply(Fault::Cut(10)).cut, Some(Cut::After(10)));
    assert_eq!(reply(Fault::Drop).cut, Some(Cut::Drop));
    let html = reply(Fault::Html);
    assert_eq!((html.status, html.header("content-type")), (200, Some("text/html;charset=UTF-8")));
}

#[test]
fn listings_can_lie_in_every_way() {
    let all = ids(&Stand::scaled(100).follow(&Stand::scaled(100).app_users("limit=30")));
    let seen = |fault: Fault| {
        let stand = broken(fault);
        ids(&stand.follow(&stand.app_users("limit=30")))
    };
    assert_eq!(seen(Fault::ShortPage(7)), all, "short pages lose nobody");
    assert_eq!(seen(Fault::EmptyList), Vec::<String>::new());
    assert_eq!(seen(Fault::EndsEarly), all[..30]);
    assert_eq!(seen(Fault::Shrunken { first: 40, people: vec![] }), all[40..]);
    let without = Fault::Shrunken { first: 0, people: vec![all[3].clone(), all[77].clone()] };
    assert_eq!(seen(without).len(), 98);
    let doubled = seen(Fault::DuplicatePerson);
    assert_eq!(doubled.len(), 103, "one twice on each of three later pages");
    assert_eq!(doubled.iter().collect::<BTreeSet<_>>().len(), 100);
}

#[test]
fn a_repeated_page_comes_with_the_same_cursor() {
    let stand = Stand::scaled(100);
    let first = stand.get(&stand.app_users("limit=30"));
    let next = first.next().unwrap().to_owned();
    stand.org.faults(|faults| faults.add(Rule::on_app_users().times(1).fault(Fault::RepeatedPage)));
    let again = stand.get(&local(&next));
    assert_eq!(again.body, first.body);
    assert_eq!(again.next(), Some(next.as_str()));
    let second = stand.get(&local(&next));
    assert_ne!(second.body, first.body);
}

#[test]
fn a_wrong_cursor_hits_later_pages_only() {
    let stand = broken(Fault::WrongCursor);
    let first = stand.get(&stand.app_users("limit=30"));
    assert_eq!(first.status, 200);
    let second = stand.get(&local(first.next().unwrap()));
    assert_eq!((second.status, second.json()["errorCode"].as_str()), (400, Some("E0000029")));
}

#[test]
fn a_rule_can_name_a_page() {
    let stand = Stand::scaled(100);
    stand.org.faults(|faults| faults.add(Rule::on_app_users().page(3).fault(Fault::Status(500))));
    let mut target = stand.app_users("limit=30");
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let reply = stand.get(&target);
        statuses.push(reply.status);
        match reply.next() {
            Some(next) => target = local(next),
            None => break,
        }
    }
    assert_eq!(statuses, [200, 200, 500]);
    stand.org.faults(muster_oktasim::Faults::clear);
    assert_eq!(stand.get(&target).status, 200);
}

#[test]
fn one_seed_gives_one_history() {
    let history = |seed: u64| -> Vec<(u16, Option<Cut>, usize)> {
        let stand = Stand::scaled(50);
        stand.org.faults(|faults| faults.seeded(seed, 300));
        (0..60)
            .map(|_| stand.get(&stand.app_users("limit=10")))
            .map(|reply| (reply.status, reply.cut, reply.body.len()))
            .collect()
    };
    assert_eq!(history(3), history(3));
    assert_ne!(history(3), history(4));
}
