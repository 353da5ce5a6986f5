//! Without a mouse.

use std::time::Duration;

use serde_json::json;
use thirtyfour::prelude::*;

use super::demo::{Demo, PASSWORD};
use super::driver::Driver;
use super::window::{Role, Window, name_of};

/// More presses of Tab than any page has places.
const PLACES_MAX: usize = 60;
const NO_DELAY: Option<Duration> = Some(Duration::ZERO);

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_done_by_keyboard_alone() {
    let Some(driver) = Driver::start() else { return };
    let demo = Demo::of(12);
    let window = driver.window().await;
    demo.set_password(&window, demo.owner_link()).await;
    window.goto(&demo.url("/sign-in")).await;
    window.reads("Sign in").await;

    // The first place leads past what is the same on all pages.
    press(&window, Key::Tab).await;
    assert_eq!(focused(&window).await, "Skip to the content");
    walk_to(&window, "Sign in with a password").await;
    press(&window, Key::Space).await;
    walk_to(&window, "Email address").await;
    type_text(&window, demo.owner()).await;
    press(&window, Key::Tab).await;
    assert_eq!(focused(&window).await, "Password");
    type_text(&window, PASSWORD).await;
    press(&window, Key::Tab).await;
    assert_eq!(focused(&window).await, "Sign in");
    press(&window, Key::Enter).await;
    window.find_like(Role::Heading, "Hello").await;

    // Escape closes the menu and leaves one where one was.
    let menu = walk_to(&window, "Menu of ").await;
    press(&window, Key::Enter).await;
    window.find(Role::Link, "Your account").await;
    walk_to(&window, "Integrations").await;
    press(&window, Key::Escape).await;
    assert!(window.lacks(Role::Link, "Integrations").await);
    assert_eq!(focused(&window).await, menu);
    press(&window, Key::Space).await;
    walk_to(&window, "Integrations").await;
    press(&window, Key::Enter).await;
    window.reads("Integrations").await;
    walk_to(&window, "Open").await;
    press(&window, Key::Enter).await;
    window.reads("Okta").await;
    for place in [
        "Copy Sign-in redirect URI 1",
        "Copy Initiate login URI",
        "Connect to Okta",
        "Make my account a break-glass account",
        "End after so many minutes without a click",
        "Save",
    ] {
        walk_to(&window, place).await;
    }

    window.goto(&demo.url("/account")).await;
    window.reads("Your account").await;
    walk_to(&window, "Turn it on").await;
    press(&window, Key::Enter).await;
    window.reads("Second factor").await;
    walk_to(&window, "The code that the app shows now").await;

    window.goto(&demo.url("/")).await;
    walk_to(&window, "Menu of ").await;
    press(&window, Key::Space).await;
    walk_to(&window, "Sign out").await;
    press(&window, Key::Enter).await;
    window.reads("You are signed out").await;
}

async fn press(window: &Window, key: Key) {
    type_text(window, key).await;
}

/// Types to whatever has the focus.
async fn type_text(window: &Window, keys: impl Into<TypingData>) {
    let typed = window.driver.action_chain_with_delay(NO_DELAY, NO_DELAY).send_keys(keys);
    typed.perform().await.expect("typed");
}

/// The name of what has the focus.
async fn focused(window: &Window) -> String {
    let element = window.driver.active_element().await.expect("somewhere");
    name_of(&element).await.expect("a name")
}

/// Goes on by Tab until something whose name begins so has the focus, and shows that it has; gives the whole name.
async fn walk_to(window: &Window, name: &str) -> String {
    let mut passed = Vec::new();
    for _ in 0..PLACES_MAX {
        let place = focused(window).await;
        if place.starts_with(name) {
            let outline = window.script(OUTLINE, Vec::new()).await;
            assert_eq!(outline, json!(true), "the focus cannot be seen on {place:?}");
            return place;
        }
        passed.push(place);
        press(window, Key::Tab).await;
    }
    panic!("{name:?} is not reached, but {passed:?}");
}

const OUTLINE: &str = "
    const style = getComputedStyle(document.activeElement);
    return document.activeElement.matches(':focus-visible') && style.outlineStyle !== 'none'
        && parseFloat(style.outlineWidth) >= 2;
";
