//! What attackers try, and what careless people do: each by its name.

#[path = "attacks/answers.rs"]
mod answers;
#[path = "attacks/forms.rs"]
mod forms;
#[path = "attacks/identity.rs"]
mod identity;
#[path = "attacks/leaving.rs"]
mod leaving;
#[path = "attacks/links.rs"]
mod links;
#[path = "attacks/only_okta.rs"]
mod only_okta;
#[path = "attacks/passwords.rs"]
mod passwords;
#[path = "attacks/second.rs"]
mod second;
#[path = "attacks/sessions.rs"]
mod sessions;
#[path = "attacks/universal.rs"]
mod universal;

use muster_core::person::Status;
use totp_rs::{Algorithm, Builder, Secret};

use crate::support::{Browser, Company, Ground, On, Page, Site, password_of};

const SESSION: &str = "__Host-muster";
const BROWSER: &str = "__Host-muster-browser";
const HALF: &str = "__Host-muster-half";

async fn ground() -> Ground {
    Ground::on(On::Sqlite).await.expect("a database")
}

/// A company of a dozen that is read, with its addresses entered at Okta.
async fn site(ground: &Ground) -> Site {
    let mut site = Site::open(ground, Company::of(12)).await;
    site.register();
    site.stand.sync().await;
    site
}

/// Logins of people who may come in by Okta.
async fn people(site: &Site) -> Vec<String> {
    let mut people = Vec::new();
    for who in site.stand.assigned() {
        if site.stand.of_okta(&who).await.is_some_and(|person| person.status == Status::Active) {
            people.push(who);
        }
    }
    assert!(people.len() >= 4, "{people:?}");
    people
}

/// Whether somebody is signed in in a browser.
async fn is_in(browser: &Browser) -> bool {
    let page = browser.clone().get("/account").await;
    match page.status {
        200 => true,
        303 => {
            assert_eq!(page.leads(), "/sign-in?return_to=%2Faccount");
            false
        }
        other => panic!("{other}: {}", page.body),
    }
}

/// Sessions in the whole database.
async fn sessions(site: &Site) -> usize {
    site.stand.tables.dump("sessions").await.len()
}

/// A browser with somebody's cookies.
fn with_cookies_of(site: &Site, other: &Browser) -> Browser {
    let mut browser = site.browser();
    browser.cookies.clone_from(&other.cookies);
    browser
}

/// The cookie of a round trip to Okta that is under way.
fn flow(browser: &Browser) -> (String, String) {
    let mut flows =
        browser.cookies.iter().filter(|(name, _)| name.starts_with("__Host-muster-flow-"));
    let (name, value) = flows.next().expect("a round trip");
    assert!(flows.next().is_none(), "more than one round trip");
    (name.clone(), value.clone())
}

/// Types an address and its password.
async fn type_password(browser: &mut Browser, email: &str, password: &str) -> Page {
    browser.get("/sign-in").await;
    browser.post("/sign-in", &[("email", email), ("password", password)]).await
}

/// The right one.
async fn type_right(browser: &mut Browser, email: &str) -> Page {
    type_password(browser, email, &password_of(email)).await
}

/// The code of a second factor at the time of the site.
pub(super) fn code(site: &Site, secret: &str) -> String {
    let plain: String = secret.chars().filter(|c| !c.is_whitespace()).collect();
    let totp = Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(1)
        .with_step_duration(30)
        .with_secret(Secret::try_from_base32(&plain).expect("base32"))
        .with_issuer(Some("Fernhill"))
        .with_account_name("somebody")
        .build()
        .expect("a generator");
    let now = u64::try_from(site.clock().now().as_second()).expect("after 1970");
    totp.generate(now).to_string()
}

/// A second factor that counts, of whoever is in in this browser: its secret, and the recovery codes.
async fn enrol(site: &Site, browser: &mut Browser) -> (String, Vec<String>) {
    let page = browser.get("/account/second-factor").await;
    let (_, rest) = page.body.split_once("id=\"secret\">").expect("a secret");
    let secret = rest.split('<').next().expect("a secret").to_owned();
    let typed = code(site, &secret);
    let page = browser.post("/account/second-factor", &[("code", &typed)]).await;
    assert_eq!(page.status, 200, "{}", page.body);
    let codes = page.body.split("<li><code>").skip(1);
    let codes: Vec<String> =
        codes.map(|rest| rest.split('<').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(codes.len(), 10, "{}", page.body);
    (secret, codes)
}
