//! `muster okta hook-secret` and `muster okta hook-create`.

use jiff::Timestamp;
use muster_core::event::TYPES;
use muster_oktasim::{Action, Area, Request, Right, TokenState};
use serde_json::{Value, json};

use crate::support::{Answers, Doorway, Home, Okta, Program, connect};

fn secret(home: &Home, options: &str) -> Value {
    home.line(&format!("okta hook-secret fernhill --json {options}")).done().json()
}

fn connected(okta: &Okta) -> (Home, Doorway) {
    let (mut home, door) = (Home::sqlite(), Doorway::open());
    connect(&mut home, okta);
    home.set("MUSTER_PUBLIC_URL", &door.public_url());
    (home, door)
}

/// The hooks as Okta keeps them.
fn hooks(okta: &Okta) -> Vec<Value> {
    let request = Request::get("/api/v1/eventHooks").ssws(&okta.org().api_token());
    #[expect(clippy::disallowed_methods, reason = "the simulator goes by the wall clock here")]
    let reply = okta.org().handle(&request, Timestamp::now());
    reply.json().as_array().cloned().unwrap_or_default()
}

#[test]
fn the_secret_is_made_once_printed_alone_and_rotated() {
    let home = Home::sqlite();
    home.line("tenant create fernhill --name F --owner o@fernhill.example").done();
    assert!(home.line("okta hook-secret fernhill").exits(2).err.contains("muster okta enable"));
    home.line("okta enable fernhill").done();
    let first = home.line("okta hook-secret fernhill").done();
    let one = first.out.trim_end().to_owned();
    // 256 bits are 43 letters of base64.
    assert!(
        one.len() == 43 && one.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
        "{one}"
    );
    assert!(
        first.err.contains("http://fernhill.localhost:8080/webhooks/okta")
            && !first.err.contains(&one),
        "{}",
        first.err
    );
    let shown = secret(&home, "");
    assert_eq!(
        (shown["secret"].as_str(), shown["changed"].as_bool()),
        (Some(one.as_str()), Some(false))
    );
    assert_eq!(shown["authentication_field"], "Authorization");
    assert_eq!(shown["former_counts_until"], Value::Null);
    // A new one: the former counts for a day, and that is told as long as it does.
    let two = secret(&home, "--rotate");
    assert_ne!(two["secret"], shown["secret"]);
    let until: Timestamp =
        two["former_counts_until"].as_str().expect("a time").parse().expect("a time");
    assert_eq!(secret(&home, "")["former_counts_until"], json!(until));
    assert_eq!(secret(&home, "")["secret"], two["secret"]);
    // At once.
    let three = secret(&home, "--rotate --now");
    assert_eq!(three["former_counts_until"], Value::Null);
    assert_eq!(secret(&home, "")["former_counts_until"], Value::Null);
    assert!(home.line("okta hook-secret fernhill --now").exits(2).err.contains("--rotate"));
    // No other command shows it.
    for line in
        ["okta show fernhill", "okta show fernhill --json", "okta rules fernhill", "check-config"]
    {
        let ran = home.line(line).done();
        let told = format!("{}{}", ran.out, ran.err);
        assert!(
            [&shown, &two, &three]
                .iter()
                .all(|made| !told.contains(made["secret"].as_str().expect("text"))),
            "{told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_is_made_verified_and_left_alone() {
    let okta = Okta::fernhill().await;
    let (home, door) = connected(&okta);
    let made = home.line("okta hook-create fernhill --json").done().json();
    assert_eq!(made["done"], json!(["made", "verified"]));
    assert_eq!(made["hook"]["verification_status"], "VERIFIED");
    let own = secret(&home, "")["secret"].as_str().expect("a secret").to_owned();
    assert_eq!(
        door.take_secrets(),
        std::slice::from_ref(&own),
        "Okta shows the secret as it stands"
    );
    let there = hooks(&okta);
    assert_eq!(there.len(), 1);
    let config = &there[0]["channel"]["config"];
    assert_eq!(
        config["uri"],
        format!("{}/webhooks/okta", door.public_url().replace("localhost", "fernhill.localhost"))
    );
    assert_eq!(config["authScheme"], json!({"type": "HEADER", "key": "Authorization"}));
    let items = there[0]["events"]["items"].as_array().expect("types");
    for kind in TYPES {
        assert_eq!(items.contains(&json!(kind.name)), kind.hook, "{}", kind.name);
    }
    // Again: nothing to do.
    let again = home.line("okta hook-create fernhill --json").done().json();
    assert_eq!((&again["done"], &again["hook"]["id"]), (&json!([]), &made["hook"]["id"]));
    assert_eq!(door.take_secrets(), Vec::<String>::new());
    let text = home.line("okta hook-create fernhill").done();
    for part in [
        "is as it should be",
        "HOOK_SECRET=$(muster okta hook-secret fernhill)",
        "okta_event_hook_verification",
    ] {
        assert!(text.out.contains(part), "{part:?} is not in\n{}", text.out);
    }
    assert!(!text.out.contains(&own) && !text.err.contains(&own));
    // The check sees it.
    let checks = home.line("okta check fernhill --json").done().lines();
    assert_eq!(checks[8]["state"], "ok", "{}", checks[8]);
    // What was done is known.
    let history = home.line("okta show fernhill --json").done().json();
    assert_eq!(history["state"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_secret_and_a_switched_off_hook_are_put_right() {
    let okta = Okta::fernhill().await;
    let (home, door) = connected(&okta);
    home.line("okta hook-create fernhill").done();
    door.take_secrets();
    let new = secret(&home, "--rotate")["secret"].as_str().expect("a secret").to_owned();
    let put = home.line("okta hook-create fernhill --json").done().json();
    assert_eq!(put["done"], json!(["edited", "verified"]), "an edit drops the verification");
    assert_eq!(door.take_secrets(), [new]);
    let id = put["hook"]["id"].as_str().expect("an id").to_owned();
    let off = Request::post(format!("/api/v1/eventHooks/{id}/lifecycle/deactivate"), &json!({}));
    #[expect(clippy::disallowed_methods, reason = "the simulator goes by the wall clock here")]
    let reply = okta.org().handle(&off.ssws(&okta.org().api_token()), Timestamp::now());
    assert_eq!(reply.status, 200);
    let checks = home.line("okta check fernhill --json").done().lines();
    assert_eq!(checks[8]["state"], "warn", "{}", checks[8]);
    let put = home.line("okta hook-create fernhill --json").done().json();
    assert_eq!(put["done"], json!(["switched on"]));
    assert_eq!(hooks(&okta).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_does_not_answer_is_told_and_found_again() {
    let okta = Okta::fernhill().await;
    let (home, door) = connected(&okta);
    door.answers(Answers::Html);
    let ran = home.line("okta hook-create fernhill").exits(1);
    for part in [
        "Unable to verify event hook",
        "deserialized",
        "muster serve",
        "https only",
        "/webhooks/okta",
    ] {
        assert!(ran.err.contains(part), "{part:?} is not in\n{}", ran.err);
    }
    assert!(ran.out.contains("curl -X POST"), "{}", ran.out);
    let checks = home.line("okta check fernhill --json").done().lines();
    assert_eq!(checks[8]["state"], "waiting", "{}", checks[8]);
    door.answers(Answers::Right);
    let made = home.line("okta hook-create fernhill --json").done().json();
    assert_eq!(made["done"], json!(["verified"]));
    assert_eq!(hooks(&okta).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_it_is_shown_how_to_do_it_by_hand() {
    let okta = Okta::fernhill().await;
    let (home, _door) = connected(&okta);
    for right in [Right::Read, Right::None] {
        okta.org().set_right(Area::EventHooks, right);
        let ran = home.line("okta hook-create fernhill").exits(4);
        for part in ["E0000006", "super administrator", "okta.eventhooks.manage"] {
            assert!(ran.err.contains(part), "{part:?} is not in\n{}", ran.err);
        }
        for part in [
            "/api/v1/eventHooks/HOOK_ID/lifecycle/verify",
            "resource \"okta_event_hook\" \"muster\"",
            "\"$HOOK_SECRET\"",
        ] {
            assert!(ran.out.contains(part), "{part:?} is not in\n{}", ran.out);
        }
        let own = secret(&home, "")["secret"].as_str().expect("a secret").to_owned();
        assert!(!ran.out.contains(&own) && !ran.err.contains(&own));
        let told = home.line("okta hook-create fernhill --json").exits(4).json();
        assert_eq!(told["hook"], Value::Null);
        assert!(told["error"].as_str().is_some_and(|text| text.contains("E0000006")));
    }
    okta.org().set_token_state(TokenState::Revoked);
    let ran = home.line("okta hook-create fernhill").exits(4);
    assert!(ran.err.contains("E0000011"), "{}", ran.err);
    okta.org().set_token_state(TokenState::Ok);
    okta.org().set_right(Area::EventHooks, Right::Manage);
    home.line("okta hook-create fernhill").done();
}

/// The public address names the port, so it must be known before.
fn served_at_a_known_port(home: &mut Home) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    home.set("MUSTER_LISTEN", &format!("127.0.0.1:{port}"));
    home.set("MUSTER_PUBLIC_URL", &format!("http://localhost:{port}"));
}

/// Gives somebody a new title.
fn promote_somebody(okta: &Okta) {
    #[expect(clippy::disallowed_methods, reason = "the simulator goes by the wall clock here")]
    let now = Timestamp::now();
    let listed = Request::get("/api/v1/users?limit=1").ssws(&okta.org().api_token());
    let who = okta.org().handle(&listed, now).json()[0]["id"].as_str().expect("an id").to_owned();
    let profile = serde_json::Map::from_iter([("title".to_owned(), json!("Lead"))]);
    okta.org().act(&Action::Update { who, profile }, now).expect("done");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_itself_is_verified_and_its_first_event_is_seen() {
    let okta = Okta::of(3).await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    served_at_a_known_port(&mut home);
    let mut program = Program::start(home.command(&["serve", "--json"]));
    program.first_line();
    let made = home.line("okta hook-create fernhill --json").done().json();
    assert_eq!(made["done"], json!(["made", "verified"]));
    let check =
        |number: usize| home.line("okta check fernhill --json").done().lines().remove(number);
    let ninth = check(8);
    assert_eq!(ninth["state"], "ok", "{ninth}");
    assert!(ninth["detail"].as_str().is_some_and(|text| text.starts_with("Verified 2")), "{ninth}");
    assert_eq!(check(9)["state"], "waiting");
    assert_eq!(okta.org().with(|org| org.people_count()), 3);
    promote_somebody(&okta);
    // Each look takes a while; Okta delivers within milliseconds.
    let seen = (0..200).any(|_| check(9)["state"] == "ok");
    assert!(seen, "{}", check(9));
    program.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_okta_could_not_deliver_is_told_and_found_in_the_log() {
    let okta = Okta::of(3).await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    served_at_a_known_port(&mut home);
    home.set("MUSTER_LOG_POLL_SECONDS", "1");
    home.line("okta sync fernhill").done();
    let serve = || {
        let mut program = Program::start(home.command(&["serve", "--json"]));
        program.first_line();
        program
    };
    let show = || home.line("okta show fernhill --json").done().json()["events"].take();
    // Each look takes a while; the log is read every second.
    let becomes = |wanted: &dyn Fn(&Value) -> bool| {
        assert!((0..400).any(|_| wanted(&show())), "{}", show());
    };
    let program = serve();
    home.line("okta hook-create fernhill").done();
    becomes(&|events| events["log"]["state"] == "ok");
    assert_eq!(show()["undelivered"], 0);
    program.kill();
    promote_somebody(&okta);
    // Okta tries twice, and nobody is there.
    while okta.org().with(|org| org.deliveries_open()) > 0 {
        tokio::task::yield_now().await;
    }
    let program = serve();
    becomes(&|events| events["undelivered"] == 1);
    let events = show();
    assert_eq!(events["undelivered_why"], "The event hook could not be reached");
    assert_eq!((&events["by_hook"], &events["missed"]), (&json!(0), &json!(1)), "{events}");
    let text = home.line("okta show fernhill").done().out;
    for part in ["1 by Okta, last ", "The event hook could not be reached"] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    // A token that may not read the log is told, and so is what heals then.
    okta.org().set_right(Area::Logs, Right::None);
    becomes(&|events| events["log"]["state"] == "rights_missing");
    let text = home.line("okta show fernhill").done().out;
    assert!(text.contains("the daily run finds what no hook brings"), "{text}");
    program.kill();
}
