//! `muster demo`, going on after its story: the service and the simulated Okta that a browser can be sent to.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::driver::Driver;
use super::window::Window;
use crate::support::{Client, Home, Program, Ran};

/// The password that tests set for owners.
pub(super) const PASSWORD: &str = "a heron stands in the rain";

pub(super) struct Demo {
    home: Home,
    serving: Value,
    _temporary: tempfile::TempDir,
    _program: Program,
}

/// Somebody at the company.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) login: String,
    pub(super) first_name: String,
}

impl Demo {
    /// Fernhill, whose first owner is not assigned to the app.
    pub(super) fn fernhill() -> Self {
        Self::start(&["demo", "--json"])
    }

    /// So many people, and nothing odd about them. Okta does not know the first owner.
    pub(super) fn of(people: u32) -> Self {
        Self::start(&["demo", "--json", "--people", &people.to_string()])
    }

    fn start(args: &[&str]) -> Self {
        let mut home = Home::sqlite();
        // The program is killed, so it does not clear this away itself.
        let temporary = tempfile::tempdir().expect("a folder");
        home.set("TMPDIR", &temporary.path().display().to_string());
        let mut program = Program::start(home.command(args));
        let serving = loop {
            let act: Value = serde_json::from_str(&program.first_line()).expect("an object");
            if act["act"] == "serving" {
                break act;
            }
        };
        for (name, value) in serving["env"].as_object().expect("variables") {
            home.set(name, value.as_str().expect("text"));
        }
        Self { home, serving, _temporary: temporary, _program: program }
    }

    fn said(&self, name: &str) -> &str {
        self.serving[name].as_str().expect("text")
    }

    /// An address of the service.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.said("url"))
    }

    /// Okta's dashboard.
    pub(super) fn dashboard(&self) -> &str {
        self.said("dashboard")
    }

    pub(super) fn okta(&self) -> &str {
        self.said("base")
    }

    pub(super) fn owner(&self) -> &str {
        self.said("owner")
    }

    pub(super) fn owner_link(&self) -> &str {
        self.said("owner_link")
    }

    /// A command, beside the service.
    pub(super) fn muster(&self, line: &str) -> Ran {
        self.home.line(line)
    }

    /// People who are in and whom Okta feeds, by address.
    pub(super) fn people(&self) -> Vec<Person> {
        let listed = self.muster("people list fernhill --status active --json").done().lines();
        let text = |person: &Value, field: &str| person[field].as_str().unwrap_or("").to_owned();
        listed
            .iter()
            .filter(|person| person["managed"] == true && person["role"] == "learner")
            .map(|person| Person {
                login: text(person, "email"),
                first_name: text(person, "first_name"),
            })
            .collect()
    }

    /// What Okta's administrator does.
    pub(super) async fn act(&self, action: Value) {
        self.admin("POST", "/_sim/act", &action).await;
    }

    /// Loses the next call of Okta's hook.
    pub(super) async fn lose_a_hook(&self) {
        self.admin("PUT", "/_sim/settings", &json!({"hooks": {"drop_next": 1}})).await;
    }

    async fn admin(&self, method: &str, path: &str, body: &Value) {
        let address: SocketAddr =
            self.okta().trim_start_matches("http://").parse().expect("a place");
        let headers = [("host", "any"), ("content-type", "application/json")];
        let body_text = body.to_string();
        let mut okta = Client::to(address).await;
        let done = okta.call(method, path, &headers, body_text.as_bytes()).await;
        assert_eq!(done.status, 200, "{body}: {}", done.body);
    }

    /// The first owner in a window of their own, with a password and signed in by it.
    pub(super) async fn owner_in(&self, driver: &Driver) -> Window {
        let window = driver.window().await;
        self.set_password(&window, self.owner_link()).await;
        self.sign_in(&window, self.owner()).await;
        window
    }

    /// Sets [`PASSWORD`] by a link.
    pub(super) async fn set_password(&self, window: &Window, link: &str) {
        window.goto(link).await;
        window.reads("Set your password").await;
        window.fill("New password", PASSWORD).await;
        window.fill("The same again", PASSWORD).await;
        window.press("Set the password").await;
        window.reads("Sign in").await;
        window.has("Your password is set.").await;
    }

    /// Signs somebody in by [`PASSWORD`], from the sign-in page.
    pub(super) async fn sign_in(&self, window: &Window, email: &str) {
        window.goto(&self.url("/sign-in")).await;
        window.press("Sign in with a password").await;
        window.fill("Email address", email).await;
        window.fill("Password", PASSWORD).await;
        window.press("Sign in").await;
    }

    /// Signs somebody in with Okta, from the sign-in page.
    pub(super) async fn sign_in_with_okta(&self, window: &Window, login: &str) {
        window.goto(&self.url("/sign-in")).await;
        window.follow("Sign in with Okta").await;
        window.choose(login).await;
    }
}
