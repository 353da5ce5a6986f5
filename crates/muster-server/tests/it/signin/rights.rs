//! Who may do what: every address, tried as everybody.

use std::fmt;
use std::time::Duration;

use muster_core::access::{Relation, allows};
use muster_core::person::{Email, Role};
use muster_server::signin::Token;
use muster_server::web::routes::{Route, TABLE, Who};
use muster_store::accounts::NewAccount;
use muster_store::people::PersonKey;
use muster_store::sessions::{NewSession, Opened};

use crate::support::{ANA, Browser, Company, Ground, On, Page, Site};

/// Who comes to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Actor {
    Nobody,
    In(Role),
    /// An owner, of another company, with the cookie of that company's site.
    Elsewhere,
    /// An owner whose session was not used for too long.
    Idle,
    /// An owner whose access was taken away.
    Gone,
    /// An admin who must be confirmed first.
    ToConfirm,
    /// Somebody with a cookie that was never given out.
    Invented,
}

const ACTORS: [Actor; 10] = [
    Actor::Nobody,
    Actor::In(Role::Learner),
    Actor::In(Role::Hr),
    Actor::In(Role::Admin),
    Actor::In(Role::Owner),
    Actor::Elsewhere,
    Actor::Idle,
    Actor::Gone,
    Actor::ToConfirm,
    Actor::Invented,
];

/// What becomes of them there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// They are asked to sign in.
    SignIn,
    /// They may not.
    Forbidden,
    /// Neither: whatever else is wrong with a request without any fields.
    Served,
    /// Turned away for want of a proof, whoever they are; or nothing at all was done.
    Unproven,
}

/// Where a row of the table is tried, and as whom.
struct Cell {
    route: Route,
    actor: Actor,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} as {:?}", self.route.method, self.route.path, self.actor)
    }
}

impl Cell {
    fn expected(&self) -> Outcome {
        let Actor::In(role) = self.actor else {
            return match self.route.who {
                Who::Anybody | Who::Visitor => Outcome::Served,
                Who::Okta => Outcome::Unproven,
                Who::SignedIn | Who::May(_) => Outcome::SignIn,
            };
        };
        match self.route.who {
            Who::Anybody | Who::Visitor | Who::SignedIn => Outcome::Served,
            Who::Okta => Outcome::Unproven,
            Who::May(action) if allows(role, Relation::Other, action) => Outcome::Served,
            Who::May(_) => Outcome::Forbidden,
        }
    }

    fn seen(&self, page: &Page) -> Outcome {
        let leads = page.location.as_deref().unwrap_or_default();
        if self.route.who == Who::Okta {
            let begins = page.status == 303 && leads == "/users/auth/okta";
            // Anybody may look whether the hook's door is there; without a challenge it says that it has nothing to show.
            let shows = self.route.method == "GET" && page.status == 400;
            if page.status == 401 || begins || shows {
                return Outcome::Unproven;
            }
        }
        let to_sign_in = leads == "/sign-in" || leads.starts_with("/sign-in?");
        match page.status {
            401 => Outcome::SignIn,
            403 => Outcome::Forbidden,
            // The code comes after the password.
            303 if self.route.path == "/sign-in/code" && leads == "/sign-in" => Outcome::Served,
            303 if to_sign_in => Outcome::SignIn,
            _ => Outcome::Served,
        }
    }
}

/// A company with people of all roles, and another one.
struct Scene {
    home: Site,
    other: Site,
    idle: Token,
    gone: Token,
    to_confirm: Token,
}

async fn add(site: &mut Site, email: &str, role: Role) {
    let new = NewAccount::new(Email::parse(email).expect("an address"), role);
    let (ids, now) = (&mut site.stand.ids, site.stand.clock.now());
    site.stand.tenant.add_people(&[new], ANA, ids, now).await.expect("added");
}

/// Begins a session as a sign-in does.
async fn session(site: &mut Site, email: &str) -> Token {
    let person = site.stand.account(email).await.expect("somebody").id;
    let (token, now) = (Token::new(), site.clock().now());
    let new = NewSession {
        id: site.stand.ids.next(now),
        token_hash: token.hash("session"),
        person,
        by_okta: false,
        agent: "a test",
        place: None,
        logout_hint: None,
        state_hash: None,
    };
    let opened = site.stand.tenant.open_session(&new, now).await.expect("a session");
    assert_eq!(opened, Opened::Yes);
    token
}

fn address_of(role: Role) -> String {
    format!("{role}@fernhill.example")
}

impl Scene {
    async fn open(ground: &Ground) -> Self {
        let mut home = Site::open(ground, Company::of(3)).await;
        home.register();
        let mut other = Site::open(ground, Company::of(3)).await;
        for role in [Role::Learner, Role::Hr, Role::Admin, Role::Owner] {
            add(&mut home, &address_of(role), role).await;
        }
        for (name, role) in [("idle", Role::Owner), ("gone", Role::Owner), ("due", Role::Admin)] {
            add(&mut home, &format!("{name}@fernhill.example"), role).await;
        }
        add(&mut other, &address_of(Role::Owner), Role::Owner).await;
        let idle = session(&mut home, "idle@fernhill.example").await;
        home.clock().advance(Duration::from_hours(12));
        let gone = session(&mut home, "gone@fernhill.example").await;
        let to_confirm = session(&mut home, "due@fernhill.example").await;
        let (key, now) = (PersonKey::Email("gone@fernhill.example".to_owned()), home.clock().now());
        let ids = &mut home.stand.ids;
        home.stand.tenant.deactivate_by_hand(&key, ANA, ids, now).await.expect("deactivated");
        let due =
            "UPDATE people SET confirm_needed = TRUE WHERE email_key = 'due@fernhill.example'";
        assert_eq!(home.stand.tables.execute(due).await, 1);
        Self { home, other, idle, gone, to_confirm }
    }

    /// A browser as somebody has it who is about to send something, and the value that its forms show.
    async fn browser(&mut self, actor: Actor) -> Browser {
        let token = match actor {
            Actor::Nobody => None,
            Actor::In(role) => Some(session(&mut self.home, &address_of(role)).await),
            Actor::Elsewhere => Some(session(&mut self.other, &address_of(Role::Owner)).await),
            Actor::Idle => Some(self.idle.clone()),
            Actor::Gone => Some(self.gone.clone()),
            Actor::ToConfirm => Some(self.to_confirm.clone()),
            Actor::Invented => Some(Token::new()),
        };
        let mut browser = self.home.browser();
        let before = Token::new();
        browser.cookies.insert("__Host-muster-browser".to_owned(), before.text().to_owned());
        browser.csrf = before.derived("form");
        if let Some(token) = token {
            browser.cookies.insert("__Host-muster".to_owned(), token.text().to_owned());
            if matches!(actor, Actor::In(_)) {
                browser.csrf = token.derived("form");
            }
        }
        browser
    }
}

/// An address of a row.
fn address(path: &str, css: &str) -> String {
    let address = path
        .replace("/assets/{file}", css)
        .replace("{token}", Token::new().text())
        .replace("{locale}", "en-US");
    assert!(!address.contains('{'), "how is {path} filled?");
    address
}

#[tokio::test]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let ground = Ground::on(On::Sqlite).await.expect("a database");
    let mut company = Scene::open(&ground).await;
    let front = company.home.browser().get("/sign-in").await;
    let (_, rest) = front.body.split_once("rel=\"stylesheet\" href=\"").expect("a style sheet");
    let css = rest.split('"').next().expect("an address").to_owned();
    let mut cells = 0;
    let mut wrong = Vec::new();
    let mut seen = Vec::new();
    for route in TABLE {
        for actor in ACTORS {
            let cell = Cell { route: *route, actor };
            let mut browser = company.browser(actor).await;
            let to = address(route.path, &css);
            let page = match route.method {
                "GET" => browser.get(&to).await,
                "POST" => browser.post(&to, &[]).await,
                other => panic!("{other}?"),
            };
            cells += 1;
            let outcome = cell.seen(&page);
            // Nobody works here, so the service is not ready.
            let is_broken = page.status >= 500 && route.path != "/readyz";
            if outcome != cell.expected() || is_broken {
                let leads = page.location.clone().unwrap_or_default();
                wrong.push(format!(
                    "{cell}: {outcome:?}, not {:?} ({} {leads})",
                    cell.expected(),
                    page.status
                ));
            }
            // A page comes back to where they wanted to go; something sent is never sent by itself.
            match (route.method, outcome) {
                ("GET", Outcome::SignIn) => assert_eq!(page.status, 303, "{cell}"),
                ("POST", Outcome::SignIn) => assert_eq!(page.status, 401, "{cell}"),
                _ => {}
            }
            seen.push(outcome);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(cells, TABLE.len() * ACTORS.len());
    for outcome in [Outcome::SignIn, Outcome::Forbidden, Outcome::Served, Outcome::Unproven] {
        assert!(seen.contains(&outcome), "{outcome:?} never came about");
    }
}

#[tokio::test]
async fn whoever_may_not_is_not_told_what_is_there() {
    let ground = Ground::on(On::Sqlite).await.expect("a database");
    let mut company = Scene::open(&ground).await;
    let secret = company.home.stand.okta.client_id();
    for actor in
        ACTORS.into_iter().filter(|actor| !matches!(actor, Actor::In(Role::Owner | Role::Admin)))
    {
        let mut browser = company.browser(actor).await;
        for path in ["/integrations", "/integrations/okta"] {
            let page = browser.get(path).await;
            assert!(matches!(page.status, 303 | 403), "{actor:?}: {}", page.status);
            assert!(!page.has(&secret) && !page.has("fernhill.okta.com"), "{actor:?}");
        }
        let page = browser.get("/nothing/of/the/kind").await;
        assert_eq!(page.status, 404, "{actor:?}");
    }
}

#[tokio::test]
async fn what_was_refused_changed_nothing() {
    let ground = Ground::on(On::Sqlite).await.expect("a database");
    let mut company = Scene::open(&ground).await;
    let tables = ["tenants", "people", "okta_connections", "okta_proofs", "history"];
    let sent: [(&str, &[(&str, &str)]); 5] = [
        ("/integrations/okta/entry", &[("entry", "any")]),
        ("/integrations/okta/break-glass", &[("break_glass", "on")]),
        ("/integrations/okta/sessions", &[("idle", "5"), ("absolute", "5")]),
        ("/integrations/okta/link", &[]),
        ("/integrations/okta/connect", &[]),
    ];
    let mut before = Vec::new();
    for table in tables {
        before.push(company.home.stand.tables.dump(table).await);
    }
    for actor in ACTORS {
        if matches!(actor, Actor::In(Role::Owner)) {
            continue;
        }
        for (path, fields) in sent {
            let mut browser = company.browser(actor).await;
            browser.post(path, fields).await;
        }
    }
    for (table, before) in tables.into_iter().zip(before) {
        assert_eq!(company.home.stand.tables.dump(table).await, before, "{table}");
    }
}
