//! The demo company's numbers, which other tests and the demo rely on.

use std::collections::{BTreeMap, BTreeSet};

use muster_oktasim::org::{FIRST_OWNER, fernhill, hand_made};
use serde_json::Value;

use crate::stand::{Stand, TODAY};

/// Everybody, deactivated people included.
fn everybody(stand: &Stand) -> Vec<Value> {
    stand.follow("/api/v1/users?search=id%20pr")
}

fn assigned(stand: &Stand) -> Vec<Value> {
    stand.follow(&stand.app_users("expand=user&limit=500"))
}

fn count<'a>(people: &'a [Value], field: &str) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for person in people {
        *counts.entry(person.pointer(field).and_then(Value::as_str).unwrap_or("")).or_default() +=
            1;
    }
    counts
}

fn case(stand: &Stand, name: &str) -> Vec<String> {
    stand.org.with(|org| {
        org.planted().iter().find(|planted| planted.case == name).unwrap().logins.clone()
    })
}

fn person(stand: &Stand, who: &str) -> Value {
    stand.get(&stand.user(who)).json()
}

#[test]
fn has_the_promised_sizes_for_any_seed() {
    for seed in [1, 2, 99] {
        let org = fernhill(seed, TODAY);
        assert_eq!((org.people_count(), org.assigned_count()), (240, 226), "seed {seed}");
    }
}

#[test]
fn has_the_promised_statuses() {
    let stand = Stand::fernhill();
    let people = everybody(&stand);
    let expected = BTreeMap::from([
        ("ACTIVE", 219),
        ("PROVISIONED", 3),
        ("STAGED", 4),
        ("LOCKED_OUT", 2),
        ("PASSWORD_EXPIRED", 3),
        ("SUSPENDED", 2),
        ("DEPROVISIONED", 7),
    ]);
    assert_eq!(count(&people, "/status"), expected);
    let assigned = assigned(&stand);
    assert_eq!(assigned.len(), 226);
    let ids: BTreeSet<&str> = assigned.iter().map(|user| user["id"].as_str().unwrap()).collect();
    let outside: Vec<&Value> =
        people.iter().filter(|user| !ids.contains(user["id"].as_str().unwrap())).collect();
    let gone = outside.iter().filter(|user| user["status"] == "DEPROVISIONED").count();
    assert_eq!((outside.len(), gone), (14, 7));
}

#[test]
fn has_the_promised_departments() {
    let stand = Stand::fernhill();
    let people = everybody(&stand);
    let departments = count(&people, "/profile/department");
    #[rustfmt::skip]
    let expected = BTreeMap::from([
        // One each is spelled apart or missing: see the planted cases.
        ("Executive", 6), ("Engineering", 58 - 2), ("engineering ", 1), ("Product & Design", 22),
        ("Customer Success", 34 - 1), ("Sales EMEA", 26 - 1), ("Sales Americas", 18), ("Marketing", 14),
        ("Finance", 12), ("Legal & Compliance", 6), ("People & Culture", 10), ("IT & Security", 12),
        ("Operations & Logistics", 22 - 1), ("", 4),
    ]);
    assert_eq!(departments, expected);
}

#[test]
fn speaks_the_promised_languages_in_mixed_spellings() {
    let stand = Stand::fernhill();
    let people = everybody(&stand);
    let mut languages: BTreeMap<String, usize> = BTreeMap::new();
    let mut spellings = BTreeSet::new();
    for person in &people {
        let profile = &person["profile"];
        let spelled = profile["preferredLanguage"].as_str().or(profile["locale"].as_str()).unwrap();
        spellings.insert(spelled);
        let plain = spelled.replace('_', "-").to_lowercase();
        let key = if plain.starts_with("en") { plain.as_str() } else { &plain[..2] };
        *languages.entry(key.to_owned()).or_default() += 1;
    }
    let expected = [
        ("de", 34),
        ("en-gb", 109),
        ("en-us", 22),
        ("fr", 19),
        ("ja", 12),
        ("pl", 26),
        ("pt", 17),
        ("xx", 1),
    ];
    assert_eq!(languages, expected.map(|(tag, people)| (tag.to_owned(), people)).into());
    for spelled in ["en_GB", "en-gb", "de", "ja-JP"] {
        assert!(spellings.contains(spelled), "{spelled} in {spellings:?}");
    }
}

#[test]
fn has_the_promised_groups() {
    let stand = Stand::fernhill();
    let groups = stand.get("/api/v1/groups").json();
    let members = |name: &str| {
        let group =
            groups.as_array().unwrap().iter().find(|group| group["profile"]["name"] == name);
        let id = group.unwrap()["id"].as_str().unwrap();
        stand.follow(&format!("/api/v1/groups/{id}/users?limit=200"))
    };
    assert_eq!(members("app-learn-employees").len(), 208);
    assert_eq!(members("app-learn-contractors").len(), 18);
    assert_eq!(members("Everyone").len(), 240);
    let contractors = members("app-learn-contractors");
    let types = count(&contractors, "/profile/userType");
    assert_eq!(types, BTreeMap::from([("Contractor", 4), ("Freelance", 14)]));
    // Okta leaves deactivated people in their groups.
    let employees = members("app-learn-employees");
    assert_eq!(count(&employees, "/status").get("DEPROVISIONED"), Some(&1));
    let assigned = stand.get(&format!("/api/v1/apps/{}/groups", stand.app)).json();
    assert_eq!(assigned.as_array().unwrap().len(), 2);
}

/// Follows the raw manager values as a receiver would.
fn tree(people: &[Value]) -> BTreeMap<String, String> {
    let find = |person: &Value| -> Option<String> {
        let profile = &person["profile"];
        let raw = profile["managerId"].as_str();
        let name = profile["manager"].as_str();
        let found = people.iter().find(|other| {
            let other = &other["profile"];
            match raw {
                Some(raw) => {
                    ["email", "login", "employeeNumber"].iter().any(|field| other[*field] == raw)
                }
                None => name.is_some_and(|name| other["displayName"] == name),
            }
        })?;
        Some(found["id"].as_str()?.to_owned())
    };
    people
        .iter()
        .filter_map(|person| Some((person["id"].as_str()?.to_owned(), find(person)?)))
        .collect()
}

#[test]
fn has_the_promised_manager_tree() {
    let stand = Stand::fernhill();
    let people = everybody(&stand);
    let tree = tree(&people);
    // All but the chief executive and the service account have a manager.
    assert_eq!(tree.len(), 238);
    let mut spans: BTreeMap<&str, usize> = BTreeMap::new();
    for manager in tree.values() {
        *spans.entry(manager).or_default() += 1;
    }
    let mut sizes: Vec<usize> = spans.into_values().collect();
    sizes.sort_unstable();
    assert_eq!(sizes.len(), 41);
    assert_eq!(sizes[20], 6, "the median of {sizes:?}");
    assert_eq!(sizes.pop(), Some(19));
    assert_eq!((sizes.first(), sizes.last()), (Some(&3), Some(&11)));
    assert_eq!(tree.keys().map(|person| depth(&tree, person)).max(), Some(6));
}

/// How many people stand above and including this one; 0 in a loop.
fn depth<'t>(tree: &'t BTreeMap<String, String>, mut person: &'t String) -> usize {
    for steps in 1..20 {
        match tree.get(person).filter(|manager| *manager != person) {
            Some(manager) => person = manager,
            None => return steps,
        }
    }
    0
}

#[test]
fn plants_its_managers() {
    let stand = Stand::fernhill();
    let people = everybody(&stand);
    let tree = tree(&people);
    let id = |who: &String| stand.org.person_id(who).unwrap();
    let reports = |who: &String| tree.values().filter(|manager| **manager == id(who)).count();
    let [unassigned] = case(&stand, "manager-not-assigned").try_into().unwrap();
    assert_eq!(reports(&unassigned), 3);
    assert_eq!(stand.get(&stand.app_user(&unassigned)).status, 404);
    let [gone] = case(&stand, "manager-deactivated").try_into().unwrap();
    assert_eq!(
        (reports(&gone), person(&stand, &gone)["status"].as_str()),
        (5, Some("DEPROVISIONED"))
    );
    let [one, other] = case(&stand, "loop-of-two").try_into().unwrap();
    assert_eq!((&tree[&id(&one)], &tree[&id(&other)]), (&id(&other), &id(&one)));
    let [a, b, c] = case(&stand, "loop-of-three").try_into().unwrap();
    assert_eq!([&tree[&id(&a)], &tree[&id(&b)], &tree[&id(&c)]], [&id(&b), &id(&c), &id(&a)]);
    let [own] = case(&stand, "own-manager").try_into().unwrap();
    assert_eq!(tree[&id(&own)], id(&own));
    let [by_name] = case(&stand, "manager-by-display-name").try_into().unwrap();
    assert!(person(&stand, &by_name)["profile"]["managerId"].is_null());
    let [by_number] = case(&stand, "manager-by-employee-number").try_into().unwrap();
    assert!(person(&stand, &by_number)["profile"]["managerId"].as_str().unwrap().starts_with("FH"));
    let [report, manager] = case(&stand, "manager-listed-later").try_into().unwrap();
    assert_eq!(tree[&id(&report)], id(&manager));
    let order =
        |who: &String| people.iter().position(|person| person["id"] == id(who).as_str()).unwrap();
    assert!(order(&report) < order(&manager));
}

#[test]
fn plants_its_start_dates() {
    let stand = Stand::fernhill();
    let today = TODAY.to_string();
    let horizon = "2026-12-23";
    let dates: Vec<String> = everybody(&stand)
        .iter()
        .map(|person| person["profile"]["startDate"].as_str().unwrap_or("").to_owned())
        .collect();
    let proper = |date: &&String| date.len() == 10 && date.as_bytes()[4] == b'-';
    let soon =
        dates.iter().filter(proper).filter(|date| **date > today && date.as_str() <= horizon);
    assert_eq!(soon.count(), 6);
    assert_eq!(dates.iter().filter(|date| **date == today).count(), 2);
    assert_eq!(dates.iter().filter(|date| date.is_empty()).count(), 1);
    assert_eq!(dates.iter().filter(|date| date.as_str() == "31/02/2026").count(), 1);
    let [starter] = case(&stand, "staged-starter").try_into().unwrap();
    let starter = person(&stand, &starter);
    assert_eq!(starter["status"], "STAGED");
    assert_eq!(starter["profile"]["startDate"], "2026-11-30", "next Monday");
}

#[test]
fn plants_its_odd_fields() {
    let stand = Stand::fernhill();
    let field = |name: &str, field: &str| -> Value {
        let [login] = case(&stand, name).try_into().unwrap();
        person(&stand, &login)["profile"][field].clone()
    };
    assert_eq!(field("department-spelling", "department"), "engineering ");
    assert_eq!(field("unknown-language", "preferredLanguage"), "xx");
    assert_eq!(field("language-not-enabled", "preferredLanguage"), "pt-PT");
    assert!(field("no-city", "city").is_null());
    assert!(field("single-name", "lastName").is_null());
    assert!(field("photo-not-https", "picture").as_str().unwrap().starts_with("http://"));
    assert_eq!(field("long-title", "title").as_str().unwrap().chars().count(), 300);
    assert_eq!(field("right-to-left-name", "lastName"), "حداد");
    for login in case(&stand, "no-department") {
        assert!(person(&stand, &login)["profile"]["department"].is_null());
    }
}

/// What a first run over the assigned people should make of the hand-made accounts, by the rules of linking.
#[test]
fn a_first_run_comes_out_as_promised() {
    let stand = Stand::fernhill();
    let accounts = stand.org.with(|org| hand_made(org));
    assert_eq!(accounts.len(), 30);
    let own =
        |email: &str| email.ends_with("@fernhill.example") || email.ends_with("@northbeck.example");
    let mut seen = BTreeSet::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut people = assigned(&stand);
    people.sort_by_key(|user| user["_embedded"]["user"]["created"].as_str().unwrap().to_owned());
    for user in &people {
        let user = &user["_embedded"]["user"];
        let profile = &user["profile"];
        let email = profile["email"].as_str().unwrap();
        let holder = accounts.iter().find(|account| account.email == email);
        let namesake = accounts.iter().find(|account| {
            account.first == profile["firstName"].as_str().unwrap_or_default()
                && account.last == profile["lastName"].as_str().unwrap_or_default()
                && account.email != email
        });
        let outcome = if profile["userType"] == "Contractor" {
            "skipped"
        } else if !seen.insert(email) {
            "review"
        } else if let Some(holder) = holder {
            let fits = holder.role == "learner" && own(email) && user["status"] != "SUSPENDED";
            if fits { "linked" } else { "review" }
        } else if namesake
            .is_some_and(|account| account.start_date.as_deref() == profile["startDate"].as_str())
        {
            "review"
        } else {
            "created"
        };
        *counts.entry(outcome).or_default() += 1;
    }
    let expected = [("created", 193), ("linked", 24), ("skipped", 4), ("review", 5)];
    assert_eq!(counts, BTreeMap::from(expected));
    let external = accounts.iter().filter(|account| !own(&account.email)).count();
    // Three external people, and the two duplicates with their private addresses.
    assert_eq!(external, 5);
    assert_eq!(person(&stand, FIRST_OWNER)["status"], "ACTIVE");
    assert_eq!(stand.get(&stand.app_user(FIRST_OWNER)).status, 404);
}

#[test]
fn logins_are_unique_and_emails_nearly_so() {
    let stand = Stand::fernhill();
    let people = everybody(&stand);
    assert_eq!(count(&people, "/profile/login").len(), 240);
    let emails = count(&people, "/profile/email");
    let shared: Vec<(&str, usize)> = emails.into_iter().filter(|(_, people)| *people > 1).collect();
    assert_eq!(shared, [("renata.anew@fernhill.example", 2), ("twins@fernhill.example", 2)]);
    assert_eq!(count(&people, "/profile/employeeNumber").len(), 240);
}

#[test]
fn every_step_of_the_morning_works() {
    let stand = Stand::fernhill();
    let lines: Vec<String> = muster_oktasim::org::morning()
        .iter()
        .map(|step| {
            step.run(&stand.org, stand.now).unwrap_or_else(|error| panic!("{}: {error}", step.name))
        })
        .collect();
    assert_eq!(lines.len(), 8);
    let first = stand.get(&stand.app_users("limit=500"));
    assert_eq!(first.json().as_array().unwrap().len(), 100);
    assert_eq!(stand.get(&crate::stand::local(first.next().unwrap())).status, 500);
}
