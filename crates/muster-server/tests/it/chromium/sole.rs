//! Okta as the only way in, without ever locking the owners out.

use super::checks::enrol;
use super::demo::Demo;
use super::driver::Driver;
use super::window::{Role, Window};

const SWITCH: &str = "Let people in with Okta only";

#[tokio::test(flavor = "multi_thread")]
async fn only_okta_counts_once_an_owner_for_emergencies_is_ready() {
    let Some(driver) = Driver::start() else { return };
    let demo = Demo::fernhill();
    let window = demo.owner_in(&driver).await;
    demo.act(serde_json::json!({"do": "assign", "who": demo.owner()})).await;

    // Nothing is ready, and the page offers nothing.
    open(&demo, &window).await;
    window.has("Your own account is linked to Okta: no").await;
    assert!(window.lacks(Role::Button, SWITCH).await);
    refused(&demo, &window).await;

    // All but the way in for emergencies.
    window.press("Connect to Okta").await;
    window.choose(demo.owner()).await;
    window.press("Yes, that is me: link my account").await;
    window.has("Your account is linked to Okta.").await;
    window.has("Your own account is linked to Okta: yes").await;
    window.has("in the last 30 minutes: yes").await;
    window.has("has a password, a second factor and recovery codes: no").await;
    assert!(window.lacks(Role::Button, SWITCH).await);
    refused(&demo, &window).await;

    // Another owner makes theirs the account for emergencies.
    let spare = "glass@fernhill.example";
    let names = "--first Gail --last Glass";
    demo.muster(&format!("people add fernhill --email {spare} {names} --role owner")).done();
    let link = demo.muster(&format!("people password-link fernhill {spare}")).done().out;
    let link = link.split_whitespace().find(|word| word.starts_with("http")).expect("a link");
    let other = driver.window().await;
    demo.set_password(&other, link).await;
    demo.sign_in(&other, spare).await;
    other.find_like(Role::Heading, "Hello").await;
    other.goto(&demo.url("/account/second-factor")).await;
    let codes = enrol(&other).await;
    open(&demo, &other).await;
    other.press("Make my account a break-glass account").await;
    other.has("Yours is a break-glass account now.").await;

    open(&demo, &window).await;
    window.press(SWITCH).await;
    window.has("From now on people come in with Okta only.").await;

    // A password is no way in for the linked owner any more. It is for the other one.
    let late = driver.window().await;
    demo.sign_in(&late, demo.owner()).await;
    late.has("Your company lets people in with Okta only.").await;
    demo.sign_in(&late, spare).await;
    late.reads("One more step").await;
    late.fill("Code", &codes[0]).await;
    late.press("Continue").await;
    late.find_like(Role::Heading, "Hello").await;
    open(&demo, &late).await;
    late.press("Allow passwords again").await;
    late.has("Passwords are allowed again.").await;
}

async fn open(demo: &Demo, window: &Window) {
    window.goto(&demo.url("/integrations/okta")).await;
    window.reads("How people come in").await;
}

/// Sends the form that the page does not offer, from the page itself.
async fn refused(demo: &Demo, window: &Window) {
    window.script(FORGED, Vec::new()).await;
    window.find_like(Role::Link, "start page").await;
    open(demo, window).await;
    window.has("owners, and accounts that Okta does not know, may use a password too").await;
}

const FORGED: &str = "
    const form = document.querySelector('form[action$=break-glass]');
    form.action = form.action.replace('break-glass', 'entry');
    form.elements.break_glass.name = 'entry';
    form.elements.entry.value = 'okta-only';
    form.submit();
";
