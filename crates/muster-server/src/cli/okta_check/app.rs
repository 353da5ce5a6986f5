//! C5 to C7: the app, where it sends people back to, and who is assigned.

use muster_okta::KeepAttributes;
use muster_okta::error::ErrorKind;
use muster_okta::wire::App;

use super::super::output::{count, thousands};
use super::{APP, ASSIGNED, Found, Probe, REDIRECTS};

pub(super) async fn checks(probe: &Probe<'_>) -> Vec<Found> {
    let Some(id) = probe.app_id() else {
        return vec![APP.fail("The client id is not set.", "muster okta set SUB --client-id ID")];
    };
    let app = match probe.client.app(id).await {
        Ok(app) => app,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return vec![APP.fail(
                "No app with this Client ID in this Okta.",
                "Is it a different Okta org (preview vs production)? Where the app's id is not its client id: muster okta set SUB \
                 --app-id ID",
            )];
        }
        Err(error) => return vec![APP.failed(&error)],
    };
    vec![the_app(probe, &app), redirects(probe, &app), assigned(probe, id).await]
}

/// C5.
fn the_app(probe: &Probe<'_>, app: &App) -> Found {
    let label = &app.label;
    if app.status != "ACTIVE" {
        return APP.fail(
            format!("\"{label}\" is {} in Okta.", app.status.to_lowercase()),
            "Activate it: Applications › the app › Inactive › Activate.",
        );
    }
    if app.implicit_assignment {
        return APP.fail(
            format!("\"{label}\" has Federation Broker Mode on: Okta lets everybody in and lists nobody."),
            "Switch it off in the app (General › Federation Broker Mode) and assign people or groups.",
        );
    }
    if app.client_id.is_some() && app.client_id != probe.connection.client_id {
        return APP.fail(
            format!("\"{label}\" has another client id than the one that is set."),
            "Set the client id of this app, or the app id of the other: muster okta set SUB --client-id ID --app-id ID",
        );
    }
    match app.sign_on_mode.as_deref() {
        Some("OPENID_CONNECT") | None => APP.ok(format!("\"{label}\" – ACTIVE, OIDC.")),
        Some(other) => APP.warn(
            format!("\"{label}\" – ACTIVE, but it signs people on with {other}."),
            "People can be synced with it. To sign in later, make an app of the kind OIDC - Web Application.",
        ),
    }
}

/// C6. Syncing needs neither, so what is missing is a warning.
fn redirects(probe: &Probe<'_>, app: &App) -> Found {
    let base = probe.base();
    // Muster answers under any locale, but sends people to this one, and Okta compares exactly.
    let connect = format!("{base}/en-US/okta/auth_callback");
    let sign_in = format!("{base}/users/auth/okta/callback");
    let mut missing = Vec::new();
    if !app.redirect_uris.contains(&connect) {
        missing.push((1, connect));
    }
    if !app.redirect_uris.contains(&sign_in) {
        missing.push((2, sign_in));
    }
    if missing.is_empty() {
        return REDIRECTS.ok("Both are registered.");
    }
    let numbers: Vec<String> = missing.iter().map(|(number, _)| number.to_string()).collect();
    let uris: Vec<String> = missing.into_iter().map(|(_, uri)| uri).collect();
    let (word, verb) = if uris.len() == 1 { ("URI", "is") } else { ("URIs", "are") };
    REDIRECTS.warn(
        format!(
            "{word} {} {verb} missing in the app: people could not sign in.",
            numbers.join(" and ")
        ),
        format!("Add: {}", uris.join(" and ")),
    )
}

/// C7: how many, and through how many groups. Beyond a page it is not counted: a run does that.
async fn assigned(probe: &Probe<'_>, id: &str) -> Found {
    let none = KeepAttributes::new(Vec::<String>::new());
    let page = match probe.client.app_users_page(id, &none, None).await {
        Ok(page) => page,
        Err(error) => return ASSIGNED.failed(&error),
    };
    let seen = (page.users.len() + page.skipped_unreadable.len()) as u64;
    if seen == 0 {
        return ASSIGNED.warn(
            "Nobody is assigned to the app.",
            "Assign people or groups: Applications › the app › Assignments › Assign.",
        );
    }
    let people = match page.next {
        Some(_) => format!("{} people or more", thousands(seen)),
        None => count(seen, "person", "people"),
    };
    let groups = match probe.client.app_groups_page(id, None).await {
        Ok(groups) if groups.items.is_empty() => ", one by one".to_owned(),
        Ok(groups) => format!(" via {}", count(groups.items.len() as u64, "group", "groups")),
        // People are what counts.
        Err(_) => String::new(),
    };
    ASSIGNED.ok(format!("{people}{groups}."))
}
