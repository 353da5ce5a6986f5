//! `muster okta check`: each check of the connection, with cause and fix, as people and scripts meet it.

use muster_core::id::IdSource;
use muster_oktasim::{AppChange, Area, Right, TokenState};
use muster_server::alarms::tick;
use muster_server::clock::Clock;
use muster_store::Db;
use muster_store::secrets::MasterKeys;
use serde_json::{Value, json};

use crate::support::{Home, Okta, connect};

const SHAPE: [&str; 5] = ["check", "detail", "fix", "name", "state"];

/// The checks by their number, with their shape looked at.
fn checks(home: &Home, code: i32) -> Vec<Value> {
    let lines = home.line("okta check fernhill --json").exits(code).lines();
    let numbers: Vec<&str> = lines.iter().filter_map(|line| line["check"].as_str()).collect();
    assert_eq!(numbers, ["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "C10"]);
    for line in &lines {
        let mut names: Vec<&str> =
            line.as_object().expect("an object").keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, SHAPE);
        assert!(!line.to_string().contains("SUB"), "{line}");
    }
    lines
}

fn states(lines: &[Value]) -> String {
    lines
        .iter()
        .map(|line| line["state"].as_str().expect("a state").to_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

#[track_caller]
fn says(lines: &[Value], check: &str, detail: &str, fix: &str) {
    let line = lines.iter().find(|line| line["check"] == check).expect("there");
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    assert!(text("detail").contains(detail), "{detail:?} is not in {line}");
    assert!(text("fix").contains(fix), "{fix:?} is not in {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_works() {
    let okta = Okta::fernhill().await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    let lines = checks(&home, 0);
    assert_eq!(states(&lines), "ok ok ok ok ok warn ok waiting waiting waiting");
    says(&lines, "C1", "is an Okta organisation (00o", "");
    says(&lines, "C3", "Works as ", "");
    says(&lines, "C5", "ACTIVE, OIDC", "");
    says(
        &lines,
        "C6",
        "URIs 1 and 2 are missing",
        "http://fernhill.localhost:8080/en-US/okta/auth_callback",
    );
    says(&lines, "C7", "200 people or more via ", "");
    says(&lines, "C8", "Nobody has proved", "Connect to Okta");
    says(&lines, "C9", "Okta has not called us yet", "muster okta hook-create fernhill");
    says(&lines, "C10", "No event", "Edit anything on a test person");
    okta.org().change_app(AppChange {
        redirect_uris: Some(vec![
            "http://fernhill.localhost:8080/en-US/okta/auth_callback".to_owned(),
            "http://fernhill.localhost:8080/users/auth/okta/callback".to_owned(),
        ]),
        ..AppChange::default()
    });
    let lines = checks(&home, 0);
    says(&lines, "C6", "Both are registered", "");
    let text = home.line("okta check fernhill").done();
    assert!(
        text.out.contains("C1  ok") && text.out.contains("→ Did you press Verify"),
        "{}",
        text.out
    );
    assert!(text.out.lines().all(|line| line.chars().count() <= 80), "{}", text.out);
    assert!(text.err.is_empty(), "{}", text.err);
    let secrets = [okta.org().client_secret(), okta.org().api_token()];
    assert!(secrets.iter().all(|secret| !text.out.contains(secret)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_okta_refuses() {
    let okta = Okta::fernhill().await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    home.file("wrong", "not-the-secret");
    home.line("okta set fernhill --client-secret wrong").done();
    let lines = checks(&home, 4);
    says(&lines, "C2", "don't belong together", "Client Credentials");
    home.line("okta set fernhill --client-secret client-secret").done();

    okta.org().set_token_state(TokenState::Revoked);
    let lines = checks(&home, 4);
    assert_eq!(
        states(&lines),
        "ok ok fail skipped skipped skipped skipped waiting waiting waiting"
    );
    says(&lines, "C3", "Okta refuses the API token (E0000011).", "Nobody has been deactivated.");
    says(&lines, "C3", "", "muster okta set fernhill --api-token FILE");

    // Without a role the lists are empty, and nothing says so.
    okta.org().set_token_state(TokenState::NoRole);
    let lines = checks(&home, 4);
    says(&lines, "C4", "sees nobody", "Read-only administrator");
    okta.org().set_token_state(TokenState::Ok);
    okta.org().set_right(Area::Users, Right::None);
    let lines = checks(&home, 4);
    says(&lines, "C4", "may not list users (E0000006)", "at least Read-only administrator");
    okta.org().set_right(Area::Users, Right::Read);
    okta.org().set_right(Area::Apps, Right::None);
    let lines = checks(&home, 4);
    says(&lines, "C5", "may not do this (E0000006)", "Read-only administrator");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_will_not_do() {
    let okta = Okta::fernhill().await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    okta.org().change_app(AppChange { active: Some(false), ..AppChange::default() });
    let lines = checks(&home, 4);
    says(&lines, "C2", "don't belong together", "An inactive app is refused too");
    says(&lines, "C5", "is inactive in Okta", "Activate");
    okta.org().change_app(AppChange {
        active: Some(true),
        implicit: Some(true),
        ..AppChange::default()
    });
    says(&checks(&home, 1), "C5", "Federation Broker Mode", "Switch it off");
    okta.org().change_app(AppChange { implicit: Some(false), ..AppChange::default() });
    home.line("okta set fernhill --app-id 0oaNobodysApp00000000").done();
    says(&checks(&home, 1), "C5", "No app with this Client ID", "preview vs production");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_assigned_is_no_failure() {
    let okta = Okta::of(3).await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    let groups = "/_sim/org";
    assert_eq!(
        okta.org()
            .handle(&muster_oktasim::Request::get(groups), jiff::Timestamp::UNIX_EPOCH)
            .status,
        200
    );
    says(&checks(&home, 0), "C7", "3 people via 1 group", "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_none_or_not_set() {
    let okta = Okta::of(1).await;
    let mut home = Home::sqlite();
    home.line("tenant create fernhill --name F --owner o@fernhill.example").done();
    assert!(home.line("okta check fernhill").exits(2).err.contains("muster okta enable fernhill"));
    home.line("okta enable fernhill").done();
    assert!(
        home.line("okta check fernhill")
            .exits(2)
            .err
            .contains("muster okta set fernhill --api-url URL")
    );
    // Nothing listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let host = okta.base().trim_start_matches("http://").to_owned();
    home.set("MUSTER_OKTA_EXTRA_HOSTS", &format!("{closed},{host}"));
    home.line(&format!("okta set fernhill --api-url http://{closed}")).done();
    let lines = checks(&home, 1);
    assert_eq!(
        states(&lines),
        "fail skipped skipped skipped skipped skipped skipped waiting waiting waiting"
    );
    says(&lines, "C1", "We can't find `127.0.0.1`", "address bar of Okta");
    // The address alone: what is missing is named.
    home.line(&format!("okta set fernhill --api-url {}", okta.base())).done();
    let lines = checks(&home, 1);
    assert_eq!(
        states(&lines),
        "ok fail fail skipped skipped skipped skipped waiting waiting waiting"
    );
    says(&lines, "C2", "client id is not set", "muster okta set fernhill --client-id ID");
    says(&lines, "C3", "API token is not set", "muster okta set fernhill --api-token FILE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_somebody_is_shown_until_it_is_over() {
    let okta = Okta::of(3).await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    home.line("okta sync fernhill").done();
    assert_eq!(home.line("okta show fernhill --json").done().json()["alarms"], json!([]));
    okta.org().set_token_state(TokenState::Revoked);
    home.line("okta sync fernhill").exits(4);
    look(&home).await;
    let shown = home.line("okta show fernhill --json").done().json();
    assert_eq!(shown["state"], "needs_attention");
    let alarm = &shown["alarms"][0];
    assert_eq!((&alarm["code"], &alarm["severity"]), (&json!("token_refused"), &json!("critical")));
    assert_eq!(alarm["mailed_at"], Value::Null);
    for (name, text) in [
        ("what", "Okta refuses the API token (E0000011)"),
        ("fix", "muster okta set fernhill --api-token FILE"),
        ("meanwhile", "Nobody has been deactivated."),
    ] {
        assert!(alarm[name].as_str().is_some_and(|told| told.contains(text)), "{alarm}");
    }
    let text = home.line("okta show fernhill").done().out;
    assert!(text.contains("ALARM: Okta refuses the API token (since "), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    okta.org().set_token_state(TokenState::Ok);
    home.line("okta sync fernhill").done();
    look(&home).await;
    assert_eq!(home.line("okta show fernhill --json").done().json()["alarms"], json!([]));
}

/// What the service does once a minute.
async fn look(home: &Home) {
    let url = home.variable("MUSTER_DATABASE_URL").parse().expect("an address");
    let key = std::fs::read_to_string(home.master_key()).expect("the master key");
    let now = Clock::Wall.now();
    let keys = MasterKeys::parse(&key).expect("a master key");
    let db = Db::open(&url, keys, [0; 32], now).await.expect("the database");
    tick(&db, None, &mut IdSource::seeded([8; 32]), now).await.expect("a look");
    db.close().await;
}
