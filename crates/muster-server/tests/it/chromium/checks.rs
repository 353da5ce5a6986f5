//! Every page is for everybody: axe-core finds nothing wrong in light, in dark and on a narrow screen, where nothing is cut off.

use muster_server::clock::Clock;
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use super::demo::Demo;
use super::driver::{Driver, missing, variable};
use super::window::{Role, Window};

/// Pages as wide as this must do (WCAG 2.2, 1.4.10).
const NARROW: u32 = 320;

/// What judges pages.
pub(super) struct Checks {
    axe: String,
}

impl Checks {
    /// Reads axe-core from where `MUSTER_AXE` says; `None`, and a loud line, when it is nowhere.
    pub(super) fn load() -> Option<Self> {
        let Some(path) = variable("MUSTER_AXE") else {
            missing("MUSTER_AXE must name axe.min.js (`cargo xtask test` installs it)");
            return None;
        };
        let axe = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        Some(Self { axe })
    }

    /// Judges the page that is there.
    pub(super) async fn all(&self, window: &Window, page: &str) {
        for (scheme, width) in [("light", 1000), ("dark", 1000), ("light", NARROW)] {
            window.colours(scheme).await;
            window.size(width, 700).await;
            let found = self.violations(window).await;
            assert!(found.is_empty(), "{page}, {scheme}, {width} px:\n{}", found.join("\n"));
            if width == NARROW {
                let wide = window.script(TOO_WIDE, vec![json!(width)]).await;
                assert_eq!(wide, json!([]), "{page} is wider than {width} px");
            }
        }
        window.size(1000, 700).await;
    }

    async fn violations(&self, window: &Window) -> Vec<String> {
        if window.script("return typeof axe", Vec::new()).await == "undefined" {
            window.driver.execute(self.axe.as_str(), Vec::new()).await.expect("axe-core");
        }
        let found = window.script_later(AXE, Vec::new()).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        found.as_array().expect("a list").iter().map(text).collect()
    }
}

/// Everything that axe-core knows, its advice on good practice too.
const AXE: &str = "
    const done = arguments[arguments.length - 1];
    document.getAnimations().forEach((one) => one.finish());
    axe.run(document, {resultTypes: ['violations']})
        .then((result) => done(result.violations.flatMap((rule) => rule.nodes.map((node) =>
            `${rule.id}: ${rule.help}: ${node.html} ${node.failureSummary}`))))
        .catch((error) => done([String(error)]));
";

/// Whether the page scrolls sideways, and what makes it do so.
const TOO_WIDE: &str = "
    const width = document.documentElement.scrollWidth;
    if (width <= arguments[0]) return [];
    const out = [...document.querySelectorAll('body *')]
        .filter((one) => one.getBoundingClientRect().right > arguments[0]);
    return [width, ...out.map((one) => one.outerHTML.slice(0, 120))];
";

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_for_everybody() {
    let (Some(driver), Some(checks)) = (Driver::start(), Checks::load()) else { return };
    let demo = Demo::of(12);
    let window = driver.window().await;

    window.goto(demo.owner_link()).await;
    window.reads("Set your password").await;
    checks.all(&window, "welcome").await;
    demo.set_password(&window, demo.owner_link()).await;
    checks.all(&window, "sign-in with a message").await;
    window.press("Sign in with a password").await;
    checks.all(&window, "sign-in").await;
    demo.sign_in(&window, "nobody@fernhill.example").await;
    window.has("do not belong together").await;
    checks.all(&window, "sign-in with a mistake").await;
    window.goto(&demo.url("/welcome/used-already")).await;
    checks.all(&window, "a link that is over").await;

    demo.sign_in(&window, demo.owner()).await;
    window.find_like(Role::Heading, "Hello").await;
    checks.all(&window, "home").await;
    window.open_menu().await;
    checks.all(&window, "home with menu").await;
    window.follow("Integrations").await;
    window.reads("Integrations").await;
    checks.all(&window, "integrations").await;
    window.follow("Open").await;
    window.reads("Okta").await;
    checks.all(&window, "Okta").await;
    window.goto(&demo.url("/no/such/page")).await;
    window.find_like(Role::Link, "start page").await;
    checks.all(&window, "not found").await;

    let codes = second_factor(&demo, &window, &checks).await;
    window.open_menu().await;
    window.press("Sign out").await;
    window.reads("You are signed out").await;
    checks.all(&window, "signed out").await;
    demo.sign_in(&window, demo.owner()).await;
    window.reads("One more step").await;
    checks.all(&window, "code").await;
    window.fill("Code", "000000").await;
    window.press("Continue").await;
    window.has("That code is wrong").await;
    checks.all(&window, "code with a mistake").await;
    window.fill("Code", &codes[0]).await;
    window.press("Continue").await;
    window.find_like(Role::Heading, "Hello").await;

    let stranger = demo.people()[0].login.clone();
    demo.act(json!({"do": "unassign", "who": stranger})).await;
    let window = driver.window().await;
    demo.sign_in_with_okta(&window, &stranger).await;
    window.reads("You are not assigned to this app").await;
    checks.all(&window, "not assigned").await;
}

/// Turns the second factor on; gives the recovery codes.
async fn second_factor(demo: &Demo, window: &Window, checks: &Checks) -> Vec<String> {
    window.goto(&demo.url("/account")).await;
    window.reads("Your account").await;
    checks.all(window, "account").await;
    window.follow("Turn it on").await;
    window.reads("Second factor").await;
    checks.all(window, "second factor").await;
    let codes = enrol(window).await;
    checks.all(window, "recovery codes").await;
    window.follow("I kept them").await;
    window.reads("Your account").await;
    window.has("Recovery codes left: ").await;
    checks.all(window, "account with a second factor").await;
    codes
}

/// On the page that shows the secret: types the code that an app on a phone would show; gives the recovery codes.
pub(super) async fn enrol(window: &Window) -> Vec<String> {
    let secret = window.script("return document.querySelector('.secret').textContent", Vec::new());
    let secret = secret.await.as_str().expect("text").to_owned();
    window.fill("The code that the app shows now", &code_of(&secret)).await;
    window.press("Turn it on").await;
    window.reads("Keep these codes").await;
    let codes =
        "return [...document.querySelectorAll('.codes code')].map((one) => one.textContent)";
    let codes = window.script(codes, Vec::new()).await;
    serde_json::from_value(codes).expect("codes")
}

/// What an app on a phone shows now (RFC 6238).
fn code_of(secret: &str) -> String {
    let secret: String = secret.chars().filter(char::is_ascii_alphanumeric).collect();
    let secret = Secret::try_from_base32(&secret).expect("a secret");
    let app = Builder::new().with_secret(secret).with_account_name("me".to_owned()).build();
    let now = u64::try_from(Clock::Wall.now().as_second()).expect("a time");
    app.expect("an app").generate(now).to_string()
}
