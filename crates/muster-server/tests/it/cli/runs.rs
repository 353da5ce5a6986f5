//! Runs through the command line: what scripts read, how commands end, and that nothing of a secret is ever told.

use muster_oktasim::{Action, AppChange, Fault, Rule, TokenState};
use serde_json::Value;

use crate::support::{Home, Okta, Ran, connect};

async fn fernhill() -> (Okta, Home) {
    let okta = Okta::fernhill().await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    (okta, home)
}

fn now() -> jiff::Timestamp {
    "2026-11-24T09:00:00Z".parse().expect("a time")
}

fn counts(run: &Value) -> u64 {
    let of = |name: &str| {
        run["counts"][name].as_u64().unwrap_or_else(|| panic!("{name} is no count in {run}"))
    };
    let rest = [
        "created",
        "linked",
        "updated",
        "unchanged",
        "reactivated",
        "deactivated",
        "held",
        "skipped",
        "review",
    ];
    assert_eq!(rest.iter().map(|name| of(name)).sum::<u64>(), of("read") + of("missing"), "{run}");
    of("read")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_then_a_sync_then_nothing_left_to_do() {
    let (_okta, home) = fernhill().await;
    let plan = home.line("okta plan fernhill --json").done().lines();
    let (run, changes) = plan.split_first().expect("the run first");
    assert_eq!((run["kind"].as_str(), run["state"].as_str()), (Some("preview"), Some("done")));
    assert_eq!(counts(run), 226);
    let create = changes.iter().find(|change| change["change"] == "create").expect("somebody new");
    for name in ["change", "person", "okta_user_id", "fields", "reason"] {
        assert!(create.get(name).is_some(), "{name} is missing in {create}");
    }
    assert!(
        create["fields"]["email"]
            .as_array()
            .is_some_and(|pair| pair.len() == 2 && pair[0].is_null()),
        "{create}"
    );
    assert_eq!(
        home.line("people list fernhill --json").done().lines().len(),
        1,
        "a plan changes nobody"
    );

    let run = home.line("okta sync fernhill --json").done().json();
    let promised = [
        "calls",
        "cause",
        "counts",
        "duration_ms",
        "finished_at",
        "id",
        "kind",
        "listing",
        "problems",
        "started_at",
        "state",
    ];
    for name in promised {
        assert!(run.get(name).is_some(), "{name} is missing in {run}");
    }
    assert_eq!((run["kind"].as_str(), run["cause"].as_str()), (Some("full"), Some("cli")));
    assert_eq!((run["state"].as_str(), run["listing"].as_str()), (Some("done"), Some("complete")));
    assert_eq!(counts(&run), 226);
    let created = changes.iter().filter(|change| change["change"] == "create").count() as u64;
    assert_eq!(run["counts"]["created"].as_u64(), Some(created), "the sync did what the plan said");
    let problem = &run["problems"][0];
    assert!(
        problem["code"].is_string() && problem["people"].is_u64() && problem["hint"].is_string(),
        "{problem}"
    );

    let again = home.line("okta sync fernhill --json").done().json();
    assert_eq!(
        again["counts"]["created"].as_u64().zip(again["counts"]["updated"].as_u64()),
        Some((0, 0)),
        "{again}"
    );
    let listed = home.line("run list fernhill --json").done().lines();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0]["id"], again["id"], "newest first");
    let id = run["id"].as_str().expect("an id");
    assert_eq!(
        home.line(&format!("run show fernhill {id} --json")).done().json()["counts"],
        run["counts"]
    );

    let people = home.line("people list fernhill --json").done().lines();
    let later = people
        .iter()
        .find(|person| person["email"] == "fern.early@fernhill.example")
        .expect("Fern");
    assert_eq!(later["manager"]["email"], "lars.later@fernhill.example");
    assert_eq!(later["manager"]["source"], "okta");
    assert_eq!(
        (later["managed"].as_bool(), later["status_reason"].as_str()),
        (Some(true), Some("assigned"))
    );
    let shown = home.line("people show fernhill fern.early@fernhill.example").done().out;
    for text in ["lars.later@fernhill.example (from Okta)", "account made", id] {
        assert!(shown.contains(text), "{text} is not in\n{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mass_removal_is_held_shown_and_approved_or_discarded() {
    let (okta, home) = fernhill().await;
    home.line("okta sync fernhill").done();
    let active = || home.line("people list fernhill --status active --json").done().lines().len();
    let before = active();
    let group = || "app-learn-employees".to_owned();
    okta.org()
        .act(&Action::UnassignGroup { group: group(), app: None }, now())
        .expect("unassigned");
    let held = home.line("okta sync fernhill --json").exits(3).json();
    assert_eq!(held["state"], "held");
    assert!(held["counts"]["held"].as_u64() > Some(100), "{held}");
    assert_eq!(active(), before, "nobody lost access");
    let id = held["id"].as_str().expect("an id").to_owned();
    let shown = home.line(&format!("run show fernhill {id} --json")).done().json();
    assert_eq!(
        shown["held"].as_array().map(Vec::len).map(|n| n as u64),
        held["counts"]["held"].as_u64()
    );
    assert_eq!(shown["held"][0]["held"], true);
    let text = home.line(&format!("run show fernhill {id}")).done().out;
    assert!(text.contains(&format!("muster okta sync fernhill --approve {id}")), "{text}");

    home.line(&format!("run discard fernhill {id} --reason wrong-group")).done();
    assert_eq!(
        home.line(&format!("run show fernhill {id} --json")).done().json()["state"],
        "discarded"
    );
    home.line(&format!("run discard fernhill {id}")).exits(2);
    home.line(&format!("okta sync fernhill --approve {id}")).exits(2);

    let held = home.line("okta sync fernhill --json").exits(3).json();
    let id = held["id"].as_str().expect("an id");
    // One of them is back before somebody approves: this one stays.
    okta.org()
        .act(&Action::Assign { who: "fern.early@fernhill.example".into(), app: None }, now())
        .expect("assigned");
    let approved = home.line(&format!("okta sync fernhill --approve {id} --json")).done().json();
    assert_eq!(approved["cause"], "approval");
    assert_eq!(
        approved["counts"]["deactivated"].as_u64(),
        held["counts"]["held"].as_u64().map(|n| n - 1),
        "{approved}"
    );
    let fern = home.line("people show fernhill fern.early@fernhill.example --json").done().json();
    assert_eq!(fern["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_page_ends_incomplete_and_removes_nobody() {
    let (okta, home) = fernhill().await;
    home.line("okta sync fernhill").done();
    okta.org()
        .act(&Action::Deactivate { who: "leo.leaver@fernhill.example".into() }, now())
        .expect("deactivated");
    okta.org().faults(|faults| {
        faults.add(Rule::on_app_users().page(1).fault(Fault::ShortPage(100)));
        faults.add(Rule::on_app_users().page(2).fault(Fault::Status(400)));
    });
    let run = home.line("okta sync fernhill --json").exits(5).json();
    assert_eq!(
        (run["state"].as_str(), run["listing"].as_str()),
        (Some("incomplete"), Some("truncated"))
    );
    let leo = home.line("people show fernhill leo.leaver@fernhill.example --json").done().json();
    assert_eq!(leo["status"], "active");
    okta.org().faults(muster_oktasim::Faults::clear);
    home.line("okta sync fernhill").done();
    let leo = home.line("people show fernhill leo.leaver@fernhill.example --json").done().json();
    assert_eq!(
        (leo["status"].as_str(), leo["status_reason"].as_str()),
        (Some("deactivated"), Some("deactivated_in_okta"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_and_rights_have_an_exit_code_of_their_own() {
    let (okta, home) = fernhill().await;
    home.line("okta sync fernhill").done();
    let people = home.line("people list fernhill --json").done().out;
    okta.org().set_token_state(TokenState::Revoked);
    for line in ["okta sync fernhill", "okta plan fernhill"] {
        let run = home.line(&format!("{line} --json")).exits(4).lines().remove(0);
        assert_eq!(
            (run["state"].as_str(), run["problems"][0]["code"].as_str()),
            (Some("failed"), Some("token_refused"))
        );
    }
    let shown = home.line("okta show fernhill --json").done().json();
    assert_eq!(
        (shown["state"].as_str(), shown["attention"]["code"].as_str()),
        (Some("needs_attention"), Some("token_refused"))
    );
    assert_eq!(home.line("people list fernhill --json").done().out, people, "nobody was changed");
    okta.org().set_token_state(TokenState::Ok);
    home.line("okta sync fernhill").done();
    assert_eq!(home.line("okta show fernhill --json").done().json()["state"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_for_machines_are_json_on_stderr() {
    let (okta, mut home) = fernhill().await;
    home.set("MUSTER_LOG_FORMAT", "json");
    home.set("MUSTER_LOG", "info");
    okta.org().set_token_state(TokenState::Revoked);
    let ran = home.line("okta sync fernhill --json").exits(4);
    let logs: Vec<Value> =
        ran.err.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert!(logs.iter().any(|log| log["level"] == "WARN"), "{}", ran.err);
    assert_eq!(ran.lines().len(), 1, "the result alone is on stdout");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_not_there_is_a_failure_with_a_word_about_it() {
    let (okta, home) = fernhill().await;
    home.line("okta set fernhill --app-id 0oaSomethingElse").done();
    let ran = home.line("okta sync fernhill --json").exits(1);
    assert_eq!(ran.json()["problems"][0]["code"], "app_not_found", "{}", ran.out);
    drop(okta);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_address_of_a_simulator_must_stay_allowed() {
    let (_okta, mut home) = fernhill().await;
    home.set("MUSTER_OKTA_EXTRA_HOSTS", "");
    let ran = home.line("okta sync fernhill").exits(2);
    assert!(ran.err.contains("MUSTER_OKTA_EXTRA_HOSTS"), "{}", ran.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_about_pairs_are_heeded() {
    let (_okta, home) = fernhill().await;
    home.line("people add fernhill --email dora.old@mail.example --first Dora --last Other").done();
    let plan = home.line("okta plan fernhill --json").done().lines();
    let dora = plan
        .iter()
        .find(|change| change["person"] == "dora.double@fernhill.example")
        .expect("Dora");
    assert_eq!(dora["change"], "create");
    let id = dora["okta_user_id"].as_str().expect("an id");
    let noted =
        home.line(&format!("people pair fernhill dora.old@mail.example {id} --json")).done().json();
    assert_eq!((noted["same"].as_bool(), noted["okta_user_id"].as_str()), (Some(true), Some(id)));
    home.line("okta sync fernhill").done();
    let dora = home.line(&format!("people show fernhill {id} --json")).done().json();
    assert_eq!(dora["email"], "dora.double@fernhill.example");
    let kinds: Vec<_> = dora["timeline"]
        .as_array()
        .expect("a timeline")
        .iter()
        .map(|entry| &entry["kind"])
        .collect();
    assert!(
        kinds.iter().any(|kind| **kind == "link") && kinds.iter().any(|kind| **kind == "pairing"),
        "{kinds:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_story_on_postgresql() {
    let Some(mut home) = Home::postgres().await else { return };
    let okta = Okta::fernhill().await;
    connect(&mut home, &okta);
    let run = home.line("okta sync fernhill --json").done().json();
    assert_eq!(counts(&run), 226);
    okta.org()
        .act(&Action::Suspend { who: "mona.mover@fernhill.example".into() }, now())
        .expect("suspended");
    home.line("okta sync fernhill").done();
    let mona = home.line("people show fernhill mona.mover@fernhill.example --json").done().json();
    assert_eq!(
        (mona["status"].as_str(), mona["status_reason"].as_str()),
        (Some("deactivated"), Some("suspended"))
    );
    assert_eq!(mona["timeline"][0]["kind"], "deactivate");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_anywhere_in_clear() {
    let (okta, mut home) = fernhill().await;
    // Whoever asks for all of it gets all of it, also from the crates that carry secrets.
    let carriers =
        ["h2", "hyper", "hyper_util", "reqwest", "rustls", "sqlx", "tower", "tokio_util"];
    home.set(
        "MUSTER_LOG",
        &format!("trace,{}", carriers.map(|carrier| format!("{carrier}=trace")).join(",")),
    );
    let secrets = [okta.client_secret(), okta.api_token()];
    let key = std::fs::read_to_string(home.path().join("data/master.key")).expect("a key");
    let told = |ran: &Ran| format!("{}{}", ran.out, ran.err);
    let mut all = Vec::new();
    for line in [
        "okta show fernhill",
        "okta show fernhill --json",
        "okta plan fernhill",
        "okta sync fernhill --json",
        "check-config",
    ] {
        let ran = home.line(line).done();
        all.push((line.to_owned(), told(&ran)));
    }
    // Failures tell more than successes do.
    okta.org().set_token_state(TokenState::Revoked);
    all.push(("revoked".to_owned(), told(&home.line("okta sync fernhill"))));
    okta.org().change_app(AppChange { active: Some(false), ..AppChange::default() });
    okta.org().faults(|faults| faults.add(Rule::on_app_users().fault(Fault::Status(500))));
    all.push(("set again".to_owned(), told(&home.line("okta set fernhill --api-token api-token"))));
    all.push(("moved".to_owned(), told(&home.line("okta set fernhill --api-url other.okta.com"))));
    assert!(all.iter().any(|(_, text)| text.contains("TRACE")), "it was a log at trace");
    for (what, text) in &all {
        for secret in secrets.iter().map(String::as_str).chain([key.trim()]) {
            assert!(!text.contains(secret), "`{what}` told a secret");
        }
    }
    for file in ["data/muster.db", "data/muster.db-wal"] {
        let Ok(bytes) = std::fs::read(home.path().join(file)) else { continue };
        for secret in secrets.iter().map(String::as_bytes).chain([key.trim().as_bytes()]) {
            assert!(
                !bytes.windows(secret.len()).any(|window| window == secret),
                "{file} holds a secret in clear"
            );
        }
    }
}
