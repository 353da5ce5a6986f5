//! Everybody else: in with Okta, from here and from Okta's dashboard, and out when their access ends, however it ends.

use std::time::Duration;

use serde_json::json;
use thirtyfour::prelude::*;

use super::demo::{Demo, Person};
use super::driver::Driver;
use super::look::picture;
use super::window::{Role, Window};

/// How long an event may take to end a session; the demo reads Okta's log every three seconds.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn people_come_in_from_here_and_from_okta_unless_they_are_not_assigned() {
    let Some(driver) = Driver::start() else { return };
    let demo = Demo::of(12);
    let people = demo.people();

    let window = entered(&demo, &driver, &people[0]).await;
    window.open_menu().await;
    picture(&window, "home", 700).await;
    assert!(window.lacks(Role::Link, "Integrations").await);
    window.goto(&demo.url("/integrations")).await;
    assert!(!window.shown().await.contains("People, teams and managers"));
    drop(window);

    // Okta's tile leads to a page within the app that asks Okta who it is, and Okta knows.
    let window = driver.window().await;
    window.goto(demo.dashboard()).await;
    window.choose(&people[1].login).await;
    window.reads("My apps").await;
    let tiles = window.driver.query(By::Css("main ul a")).any_required().await.expect("tiles");
    assert_eq!(tiles.len(), 1);
    tiles[0].click().await.expect("followed");
    window.reads(&format!("Hello, {}", people[1].first_name)).await;
    assert_eq!(window.address().await, demo.url("/"));
    drop(window);

    let who = &people[2].login;
    demo.act(json!({"do": "unassign", "who": who})).await;
    let window = driver.window().await;
    demo.sign_in_with_okta(&window, who).await;
    window.reads("You are not assigned to this app").await;
    window.has("Okta knows you").await;
    window.has("Ask your IT team to assign you").await;
    // Assigned again they come in by the button that the page offers.
    demo.act(json!({"do": "assign", "who": who})).await;
    window.follow("Try again").await;
    window.follow("Sign in with Okta").await;
    window.reads(&format!("Hello, {}", people[2].first_name)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_loses_access_is_out_at_the_next_click() {
    let Some(driver) = Driver::start() else { return };
    let demo = Demo::of(40);
    let people = demo.people();

    // An event of Okta ends it.
    let person = &people[0];
    let window = entered(&demo, &driver, person).await;
    demo.act(json!({"do": "deactivate", "who": person.login})).await;
    let out = async { while !is_out(&demo, &window).await {} };
    tokio::time::timeout(PATIENCE, out).await.expect("out by an event");
    drop(window);

    // A command ends it.
    let person = &people[1];
    let window = entered(&demo, &driver, person).await;
    demo.muster(&format!("people deactivate fernhill {} --reason asked", person.login)).done();
    assert!(is_out(&demo, &window).await, "out by a command");
    window.follow("Sign in with Okta").await;
    window.reads("Your account is deactivated").await;
    drop(window);

    // A sync ends it, when the event did not arrive.
    let person = &people[2];
    let window = entered(&demo, &driver, person).await;
    demo.lose_a_hook().await;
    demo.act(json!({"do": "unassign", "who": person.login})).await;
    demo.muster("okta sync fernhill --json").done();
    assert!(is_out(&demo, &window).await, "out by a sync");
    drop(window);

    // Many at once keep their access until somebody agrees.
    let person = people.last().expect("somebody");
    let window = entered(&demo, &driver, person).await;
    let leavers = &people[people.len() - 12..];
    for leaver in leavers {
        demo.lose_a_hook().await;
        demo.act(json!({"do": "unassign", "who": leaver.login})).await;
    }
    let held = demo.muster("okta sync fernhill --json").exits(3).json();
    assert!(!is_out(&demo, &window).await, "{held}");
    let run = held["id"].as_str().expect("a run");
    demo.muster(&format!("okta sync fernhill --approve {run} --json")).done();
    assert!(is_out(&demo, &window).await, "out by approval");
}

/// A window of a person who signed in with Okta.
async fn entered(demo: &Demo, driver: &Driver, person: &Person) -> Window {
    let window = driver.window().await;
    demo.sign_in_with_okta(&window, &person.login).await;
    window.reads(&format!("Hello, {}", person.first_name)).await;
    window
}

/// Clicks once, and says whether they are asked to sign in.
async fn is_out(demo: &Demo, window: &Window) -> bool {
    window.goto(&demo.url("/account")).await;
    window.address().await == demo.url("/sign-in")
}
