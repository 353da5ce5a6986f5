//! One browser with a profile of its own. What is on a page is found as people find it: by role and name.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::common::command::{Command, ExtensionCommand};
use thirtyfour::error::{WebDriverErrorInner, WebDriverResult};
use thirtyfour::extensions::query::ElementPollerWithTimeout;
use thirtyfour::prelude::*;

/// How long a page may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(40);

/// What something on a page is, for whoever cannot see it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    Heading,
    Button,
    Link,
    Field,
}

impl Role {
    /// The elements that may have this role.
    const fn elements(self) -> &'static str {
        match self {
            Self::Heading => "h1, h2, h3",
            Self::Button => "button, summary",
            Self::Link => "a[href]",
            Self::Field => "input:not([type=hidden])",
        }
    }
}

pub(super) struct Window {
    pub(super) driver: WebDriver,
}

impl Window {
    pub(super) async fn open(url: &str, chromium: &Path, profile: &Path, args: &[&str]) -> Self {
        let mut wanted = DesiredCapabilities::chrome();
        wanted.set_binary(&chromium.display().to_string()).expect("set");
        let own = format!("--user-data-dir={}", profile.display());
        let always = [
            "--headless=new",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--window-size=1000,700",
            own.as_str(),
        ];
        for arg in always.iter().chain(args) {
            wanted.add_arg(arg).expect("set");
        }
        let poller = Arc::new(ElementPollerWithTimeout::new(PATIENCE, LOOK));
        let driver = WebDriver::builder(url, wanted).poller(poller).await.expect("a browser");
        Self { driver }
    }

    pub(super) async fn goto(&self, url: &str) {
        self.driver.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    /// Where it is, without what comes after the path.
    pub(super) async fn address(&self) -> String {
        let mut url = self.driver.current_url().await.expect("an address");
        url.set_query(None);
        url.into()
    }

    /// Waits for something with this role and this name.
    pub(super) async fn find(&self, role: Role, name: &str) -> WebElement {
        self.find_by(role, name, |label, name| label == name).await
    }

    /// The same by a part of its name.
    pub(super) async fn find_like(&self, role: Role, part: &str) -> WebElement {
        self.find_by(role, part, |label, part| label.contains(part)).await
    }

    async fn find_by(&self, role: Role, name: &str, fits: fn(&str, &str) -> bool) -> WebElement {
        let wanted = name.to_owned();
        let found = self
            .driver
            .query(By::Css(role.elements()))
            .with_filter(move |element: WebElement| {
                let wanted = wanted.clone();
                // Whatever belongs to a page that has just gone is not what is looked for.
                async move {
                    let named = name_of(&element).await.is_ok_and(|name| fits(&name, &wanted));
                    Ok(named && element.is_displayed().await.unwrap_or(false))
                }
            })
            .first()
            .await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("no {role:?} {name:?} ({error}) on\n{}", self.shown().await),
        }
    }

    /// Whether there is none now. The page must be there already.
    pub(super) async fn lacks(&self, role: Role, name: &str) -> bool {
        for element in self.driver.find_all(By::Css(role.elements())).await.expect("a page") {
            if name_of(&element).await.expect("a name") == name {
                return false;
            }
        }
        true
    }

    /// Waits for a page with this heading.
    pub(super) async fn reads(&self, heading: &str) {
        self.find(Role::Heading, heading).await;
    }

    /// Waits for a page that shows this text.
    pub(super) async fn has(&self, text: &str) {
        let wanted = text.to_owned();
        let found = self
            .driver
            .query(By::Tag("body"))
            .with_filter(move |body: WebElement| {
                let wanted = wanted.clone();
                async move { Ok(body.text().await.is_ok_and(|text| text.contains(&wanted))) }
            })
            .exists()
            .await;
        assert!(found.unwrap_or(false), "no {text:?} on\n{}", self.shown().await);
    }

    pub(super) async fn press(&self, button: &str) {
        self.click(Role::Button, button).await;
    }

    pub(super) async fn follow(&self, link: &str) {
        self.click(Role::Link, link).await;
    }

    async fn click(&self, role: Role, name: &str) {
        // A page may go away between the look and the click; the next one has it, too, or it is not found.
        while let Err(error) = self.find(role, name).await.click().await {
            let is_gone = matches!(*error, WebDriverErrorInner::StaleElementReference(_));
            assert!(is_gone, "{role:?} {name:?}: {error}");
        }
    }

    pub(super) async fn fill(&self, label: &str, value: &str) {
        let field = self.find(Role::Field, label).await;
        field.clear().await.expect("cleared");
        field.send_keys(value).await.expect("typed");
    }

    /// Opens the menu behind the profile picture.
    pub(super) async fn open_menu(&self) {
        self.find_like(Role::Button, "Menu of ").await.click().await.expect("opened");
    }

    /// Address and text of the page.
    pub(super) async fn shown(&self) -> String {
        let url = self.driver.current_url().await.map(String::from).unwrap_or_default();
        let text = match self.driver.find(By::Tag("body")).await {
            Ok(body) => body.text().await.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        format!("{url}\n{text}")
    }

    /// At Okta's page: chooses who signs in.
    pub(super) async fn choose(&self, login: &str) {
        self.reads("Choose who you are").await;
        self.fill("Name or user name", login).await;
        self.press("Search").await;
        let one = self.find_like(Role::Button, &format!(", {login}")).await;
        one.click().await.expect("chosen");
    }

    /// What a script on the page says.
    pub(super) async fn script(&self, script: &str, args: Vec<Value>) -> Value {
        let said = self.driver.execute(script, args).await;
        said.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// As [`Self::script`], for one that says it later, to its last argument.
    pub(super) async fn script_later(&self, script: &str, args: Vec<Value>) -> Value {
        let said = self.driver.execute_async(script, args).await;
        said.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// How large the window is, in CSS pixels.
    pub(super) async fn size(&self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false
        });
        self.developer("Emulation.setDeviceMetricsOverride", size).await;
    }

    /// What the person set for all pages: `light` or `dark`.
    pub(super) async fn colours(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.developer("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    async fn developer(&self, command: &'static str, params: Value) {
        let command = Developer(json!({"cmd": command, "params": params}));
        self.driver.cmd(Command::ExtensionCommand(Box::new(command))).await.expect("done");
    }
}

/// The name that assistive technology reads, as Chromium computes it.
pub(super) async fn name_of(element: &WebElement) -> WebDriverResult<String> {
    let asked = Computed(format!("/element/{}/computedlabel", element.element_id()).into());
    let said = element.handle().cmd(Command::ExtensionCommand(Box::new(asked))).await?;
    said.value()
}

/// A question about an element that the crate does not know.
#[derive(Debug)]
struct Computed(Arc<str>);

impl ExtensionCommand for Computed {
    fn parameters_json(&self) -> Option<Value> {
        None
    }

    fn method(&self) -> http::Method {
        http::Method::GET
    }

    fn endpoint(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

/// A command of the protocol of Chromium's own tools for developers.
#[derive(Debug)]
struct Developer(Value);

impl ExtensionCommand for Developer {
    fn parameters_json(&self) -> Option<Value> {
        Some(self.0.clone())
    }

    fn method(&self) -> http::Method {
        http::Method::POST
    }

    fn endpoint(&self) -> Arc<str> {
        "/goog/cdp/execute".into()
    }
}
