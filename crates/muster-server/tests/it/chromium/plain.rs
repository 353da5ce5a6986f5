//! Without scripts: they are a comfort, and nothing needs them.

use serde_json::json;

use super::demo::Demo;
use super::driver::Driver;
use super::window::Role;

#[tokio::test(flavor = "multi_thread")]
async fn people_come_in_and_go_out_without_scripts() {
    let Some(driver) = Driver::start() else { return };
    let demo = Demo::of(12);
    let window = driver.window_with(&["--blink-settings=scriptEnabled=false"]).await;

    demo.set_password(&window, demo.owner_link()).await;
    demo.sign_in(&window, demo.owner()).await;
    window.find_like(Role::Heading, "Hello").await;
    window.open_menu().await;
    window.follow("Integrations").await;
    window.follow("Open").await;
    window.reads("Okta").await;
    // Buttons that only a script could serve are not there.
    assert!(window.lacks(Role::Button, "Copy Sign-in redirect URI 1").await);
    window.open_menu().await;
    window.follow("Your account").await;
    window.reads("Where you are signed in").await;
    window.open_menu().await;
    window.press("Sign out").await;
    window.reads("You are signed out").await;

    let person = demo.people()[0].clone();
    demo.sign_in_with_okta(&window, &person.login).await;
    window.reads(&format!("Hello, {}", person.first_name)).await;
    window.open_menu().await;
    window.press("Sign out").await;
    window.reads("You are signed out").await;
    assert_eq!(window.address().await, demo.url("/signed-out"));
    demo.act(json!({"do": "unassign", "who": person.login})).await;
    demo.sign_in_with_okta(&window, &person.login).await;
    window.reads("You are not assigned to this app").await;
}
