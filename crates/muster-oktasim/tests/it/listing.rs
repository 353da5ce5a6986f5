//! Paging, and what limits, searches and changes do to it.

use std::collections::BTreeSet;

use muster_oktasim::{Action, Request};
use proptest::prelude::*;

use crate::stand::{Stand, ids, local, who};

#[test]
fn limits_have_their_defaults_and_maxima() {
    let stand = Stand::scaled(620);
    let length = |target: &str| stand.get(target).json().as_array().map_or(0, Vec::len);
    #[rustfmt::skip]
    let cases = [
        (stand.app_users(""), 50), (stand.app_users("limit=500"), 500), (stand.app_users("limit=7"), 7),
        ("/api/v1/users".to_owned(), 200), ("/api/v1/users?limit=1000".to_owned(), 200),
        ("/api/v1/users?limit=3".to_owned(), 3), ("/api/v1/users?q=svc".to_owned(), 1),
        ("/api/v1/users?q=a".to_owned(), 10),
    ];
    for (target, expected) in cases {
        assert_eq!(length(&target), expected, "{target}");
    }
    for bad in ["limit=501", "limit=0", "limit=x"] {
        let answer = stand.code(Request::get(stand.app_users(bad)));
        assert_eq!(answer, (400, "E0000001".to_owned()), "{bad}");
    }
}

#[test]
fn links_are_separate_lines_with_absolute_urls() {
    let stand = Stand::scaled(30);
    let reply = stand.get(&stand.app_users("expand=user"));
    let links: Vec<&str> = reply
        .headers
        .iter()
        .filter(|(name, _)| *name == "link")
        .map(|(_, value)| value.as_str())
        .collect();
    let own = format!(
        "<https://fernhill.okta.example{}>; rel=\"self\"",
        stand.app_users("limit=50&expand=user")
    );
    assert_eq!(links, [own]);
    let paged = stand.get(&stand.app_users("limit=20"));
    assert!(paged.next().unwrap().starts_with("https://fernhill.okta.example/api/v1/apps/"));
}

#[test]
fn a_foreign_or_broken_cursor_is_refused() {
    let stand = Stand::scaled(30);
    let next = local(stand.get("/api/v1/users?limit=5").next().unwrap());
    let cursor = next.split("after=").nth(1).unwrap().split('&').next().unwrap();
    #[rustfmt::skip]
    let cases = [
        (stand.app_users(&format!("after={cursor}")), "E0000029"),
        (stand.app_users("after=00u1testcursorvalue"), "E0000029"),
        ("/api/v1/users?search=status%20pr&after=nonsense".to_owned(), "E0000031"),
        ("/api/v1/logs?after=nonsense".to_owned(), "E0000031"),
    ];
    for (target, code) in cases {
        assert_eq!(stand.code(Request::get(&target)), (400, code.to_owned()), "{target}");
    }
    assert_eq!(stand.get(&next).status, 200);
}

#[test]
fn the_plain_list_hides_deactivated_people_and_a_search_shows_them() {
    let stand = Stand::fernhill();
    assert_eq!(stand.follow("/api/v1/users?limit=200").len(), 233);
    #[rustfmt::skip]
    let cases = [
        ("search=status%20eq%20%22DEPROVISIONED%22", 7),
        ("filter=status%20eq%20%22DEPROVISIONED%22", 7),
        ("search=profile.department%20eq%20%22Finance%22", 12),
        ("search=profile.firstName%20sw%20%22no%22%20and%20profile.lastName%20eq%20%22Teamless%22", 4),
        ("search=profile.email%20co%20%22twins%22", 2),
        ("search=status%20lt%20%22ACTIVE%22%20or%20status%20gt%20%22ACTIVE%22", 21),
    ];
    for (query, expected) in cases {
        assert_eq!(stand.follow(&format!("/api/v1/users?{query}")).len(), expected, "{query}");
    }
    for bad in [
        "search=status%20ne%20%22ACTIVE%22",
        "search=profile.city%20co%20%22x%22",
        "search=nonsense",
        "filter=profile.city%20eq%20%22x%22",
    ] {
        let answer = stand.code(Request::get(format!("/api/v1/users?{bad}")));
        assert_eq!(answer, (400, "E0000031".to_owned()), "{bad}");
    }
}

#[test]
fn a_sorted_search_pages_in_order() {
    let stand = Stand::fernhill();
    let people = stand.follow("/api/v1/users?search=status%20pr&sortBy=profile.lastName&limit=31");
    let names: Vec<String> = people
        .iter()
        .map(|person| person["profile"]["lastName"].as_str().unwrap_or("null").to_lowercase())
        .collect();
    assert!(names.is_sorted());
    assert_eq!(people.len(), 240);
}

#[test]
fn fields_and_trimmed_replies_are_honoured() {
    let stand = Stand::fernhill();
    let some = stand.get("/api/v1/users?limit=1&fields=id,status,profile:(firstName,city)").json();
    let expected = serde_json::json!({ "city": "London", "firstName": "Victoria" });
    assert_eq!(some[0]["profile"], expected);
    assert!(some[0]["created"].is_null() && some[0]["id"].is_string());
    let trimmed = Request::get("/api/v1/users?limit=1").with(
        "content-type",
        "application/json; okta-response=omitCredentials,omitCredentialsLinks",
    );
    assert!(stand.send(trimmed).json()[0]["credentials"].is_null());
}

#[test]
fn a_change_during_a_listing_neither_breaks_nor_repeats_it() {
    let stand = Stand::scaled(100);
    let first = stand.get(&stand.app_users("limit=30"));
    let mut seen = ids(first.json().as_array().unwrap());
    // The cursor stands on the last person of the page: take exactly that one away.
    stand.act(&Action::Unassign { who: seen[29].clone(), app: None });
    stand.act(&Action::Unassign { who: seen[3].clone(), app: None });
    stand.act(&Action::Assign { who: who("svc-learn@fernhill.example"), app: None });
    seen.extend(ids(&stand.follow(&local(first.next().unwrap()))));
    let distinct: BTreeSet<&String> = seen.iter().collect();
    assert_eq!((seen.len(), distinct.len()), (101, 101));
}

#[test]
fn a_page_cap_gives_shorter_pages_and_loses_nobody() {
    let stand = Stand::scaled(100);
    stand.org.settings(|settings| settings.page_cap = Some(9));
    assert_eq!(stand.get(&stand.app_users("limit=50")).json().as_array().unwrap().len(), 9);
    assert_eq!(stand.follow(&stand.app_users("limit=50")).len(), 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn following_the_links_yields_everybody_exactly_once(people in 1..160_u32, limit in 1..60_u32) {
        let stand = Stand::scaled(people);
        let all = ids(&stand.follow(&stand.app_users(&format!("limit={limit}"))));
        let distinct: BTreeSet<&String> = all.iter().collect();
        prop_assert_eq!(all.len(), usize::try_from(people).unwrap());
        prop_assert_eq!(distinct.len(), all.len());
        let users = stand.follow(&format!("/api/v1/users?limit={limit}"));
        prop_assert_eq!(users.len(), all.len() + 1);
        let searched = stand.follow(&format!("/api/v1/users?search=id%20pr&limit={limit}"));
        prop_assert_eq!(searched.len(), all.len() + 1);
    }
}
