//! What is sent to the pages and what they send: headers as a scanner looks at them, secrets, and input that nobody means well with.

#[path = "input/fuzz.rs"]
mod fuzz;
#[path = "input/headers.rs"]
mod headers;
#[path = "input/methods.rs"]
mod methods;
#[path = "input/odd.rs"]
mod odd;
#[path = "input/secrets.rs"]
mod secrets;

use std::collections::BTreeSet;

use muster_core::person::Role;
use muster_server::web::routes::TABLE;

use crate::support::{Browser, Company, Ground, OLGA, On, Site};

async fn ground() -> Ground {
    Ground::on(On::Sqlite).await.expect("a database")
}

/// A company that is read, and its owner, who is in.
async fn site(ground: &Ground) -> (Site, Browser) {
    let mut site = Site::open(ground, Company::of(12)).await;
    site.register();
    site.stand.sync().await;
    let mut owner = site.with_password(OLGA, Role::Owner).await;
    owner.get("/").await;
    (site, owner)
}

/// Answered by machines for machines, without pages.
fn is_machine(path: &str) -> bool {
    matches!(path, "/healthz" | "/readyz" | "/webhooks/okta")
}

/// The paths of the table, each once, with something in the place of names.
fn paths() -> BTreeSet<(&'static str, String)> {
    let filled = |path: &str| {
        let path = path
            .replace("{file}", "muster-0.css")
            .replace("{token}", &"A".repeat(43))
            .replace("{locale}", "en-US");
        assert!(!path.contains('{'), "how is {path} filled?");
        path
    };
    TABLE.iter().map(|row| (row.path, filled(row.path))).collect()
}

/// The addresses that the head of a page names.
fn assets(body: &str) -> Vec<String> {
    let starts = body.split("\"/assets/").skip(1);
    let names = starts.map(|rest| rest.split('"').next().unwrap_or_default());
    let assets: Vec<_> = names.map(|name| format!("/assets/{name}")).collect();
    assert_eq!(assets.len(), 3, "{body}");
    assets
}
