//! An owner connects Okta.

use serde_json::json;

use super::checks::Checks;
use super::demo::{Demo, PASSWORD};
use super::driver::Driver;
use super::look::picture;
use super::window::Role;

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_connects_okta_and_links_themselves() {
    let Some(driver) = Driver::start() else { return };
    let demo = Demo::fernhill();
    let owner = demo.owner();
    let window = driver.window().await;

    demo.set_password(&window, demo.owner_link()).await;
    picture(&window, "sign-in", 700).await;
    demo.sign_in(&window, owner).await;
    window.find_like(Role::Heading, "Hello").await;

    window.open_menu().await;
    window.follow("Integrations").await;
    window.reads("Integrations").await;
    window.follow("Open").await;
    window.reads("Okta").await;
    window.has("Not connected").await;

    // Okta knows Olive and does not have her assigned.
    window.press("Connect to Okta").await;
    window.choose(owner).await;
    window.reads("You are not assigned to this app").await;
    window.has("Ask your IT team to assign you").await;
    window.has("okta_access_denied").await;
    picture(&window, "not-assigned", 700).await;
    demo.act(json!({"do": "assign", "who": owner})).await;
    window.follow("Try again").await;
    window.press("Connect to Okta").await;

    // Okta knows the browser by now and asks nothing.
    window.reads("At Okta you are Olive Owens").await;
    window.has(&format!("Connected by {owner}")).await;
    for line in [
        "Sign-in and back: yes",
        "API token works: yes",
        "App found and active: yes",
        "Both redirect URIs are registered: yes",
        "API token reads people: yes",
        "You are assigned to the app: yes",
        "It would be linked to yours",
    ] {
        window.has(line).await;
    }
    picture(&window, "okta", 1250).await;
    if let Some(checks) = Checks::load() {
        checks.all(&window, "Okta, connected").await;
    }
    window.press("Yes, that is me: link my account").await;
    window.find(Role::Heading, "At Okta you are Olive Owens").await;
    window.has("Your account is linked to Okta.").await;
    window.has("This Okta user is linked to your account.").await;
    assert!(window.lacks(Role::Button, "Yes, that is me: link my account").await);

    // In by password, so out of here only; in with Okta, so out of Okta too.
    window.open_menu().await;
    window.press("Sign out").await;
    window.reads("You are signed out").await;
    window.follow("Sign in again").await;
    window.follow("Sign in with Okta").await;
    window.find_like(Role::Heading, "Hello").await;
    window.open_menu().await;
    window.press("Sign out").await;
    window.reads("You are signed out").await;
    assert_eq!(window.address().await, demo.url("/signed-out"));
    window.goto(&demo.url("/users/auth/okta")).await;
    window.reads("Choose who you are").await;
    assert!(window.address().await.starts_with(demo.okta()));

    // The password is still good; a wrong one is not.
    window.goto(&demo.url("/sign-in")).await;
    window.press("Sign in with a password").await;
    window.fill("Email address", owner).await;
    window.fill("Password", &PASSWORD.to_uppercase()).await;
    window.press("Sign in").await;
    window.has("do not belong together").await;
}
