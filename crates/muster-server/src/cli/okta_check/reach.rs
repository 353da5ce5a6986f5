//! C1 to C4: is it Okta, and does it take what was entered.

use muster_core::id::OktaUserId;
use muster_okta::KeepAttributes;
use muster_okta::error::{ErrorKind, OktaError};
use muster_okta::oidc::assertion;
use muster_okta::transport::TransportError;
use muster_store::people::PersonKey;
use muster_store::secrets::SecretField;

use super::super::exit::CliError;
use super::{ADDRESS, CLIENT, Found, PEOPLE, Probe, TOKEN};

/// C1: the address answers and is an Okta org, the same as before.
pub(super) async fn address(probe: &Probe<'_>) -> Found {
    let address = probe.client.address();
    let host = address.host();
    let look = "Look at the address bar of Okta: it is the part before `-admin`.";
    let organization = match probe.client.organization().await {
        Ok(organization) => organization,
        Err(error) => return unreached(host, &error, look),
    };
    if let Some(known) = probe.connection.org_id.as_ref().filter(|known| **known != organization.id)
    {
        return ADDRESS.fail(
            format!("{host} is another Okta organisation ({}) than before ({known}).", organization.id),
            "Did you mean preview or production? Enter the API URL, the secret and the token of the right one anew.",
        );
    }
    let engine = match organization.pipeline.as_deref() {
        Some("idx") => ", Identity Engine",
        Some("v1") => ", Classic Engine",
        _ => "",
    };
    let is = format!("{host} is an Okta organisation ({}{engine}).", organization.id);
    match probe.client.discovery().await {
        Ok(discovery) if discovery.issuer.trim_end_matches('/') == address.to_string() => {
            ADDRESS.ok(is)
        }
        Ok(discovery) => ADDRESS.warn(
            format!("{is} It signs as {}, not as {address}.", discovery.issuer),
            "Fine if that is your own domain at Okta.",
        ),
        Err(error) => {
            ADDRESS.warn(format!("{is} {error}."), "Nothing for syncing; signing in will need it.")
        }
    }
}

fn unreached(host: &str, error: &OktaError, look: &str) -> Found {
    match (error, error.kind()) {
        (OktaError::NoReply { cause: TransportError::Connect(_), .. }, _) => {
            ADDRESS.fail(format!("We can't find `{host}`, or nothing answers there."), look)
        }
        (_, ErrorKind::Unavailable) => ADDRESS.fail(
            format!("`{host}` does not answer as it should: {error}."),
            "Look at Okta's status page, and at DNS, firewall and proxy of this machine.",
        ),
        (_, ErrorKind::Refused) => {
            ADDRESS.fail(format!("`{host}` may not be called: {error}."), look)
        }
        _ => ADDRESS.fail(
            format!("Something answers at `{host}`, and it is not an Okta organisation."),
            look,
        ),
    }
}

/// C2: client id and secret belong together.
pub(super) async fn client(probe: &Probe<'_>) -> Result<Found, CliError> {
    let Some(id) = &probe.connection.client_id else {
        return Ok(CLIENT.fail("The client id is not set.", "muster okta set SUB --client-id ID"));
    };
    let host = probe.client.address().host_key();
    let Some(secret) = probe.db.secret(SecretField::ClientSecret, &host).await? else {
        return Ok(CLIENT
            .fail("The client secret is not set.", "muster okta set SUB --client-secret FILE"));
    };
    if assertion::is_key(&secret) {
        return Ok(CLIENT.skipped(
            "The app uses a private key: Connect to Okta, in the browser, shows whether it fits.",
        ));
    }
    let back = format!("{}/users/auth/okta/callback", probe.base());
    Ok(match probe.client.client_accepted(id, &secret, &back).await {
        Ok(true) => CLIENT.ok("Okta accepts them."),
        Ok(false) => CLIENT.refused(
            "Okta says this Client ID and secret don't belong together.",
            "Copy both again from Client Credentials (the secret can be shown with the eye icon). An inactive app is refused too.",
        ),
        Err(error) => match error.code() {
            // The client is right, and Okta has another objection to the question.
            Some("unauthorized_client" | "unsupported_grant_type") => CLIENT.warn(
                "Okta accepts them, but the app may not use Authorization Code.",
                "In the app: General › Grant type › Authorization Code.",
            ),
            _ => CLIENT.failed(&error),
        },
    })
}

/// C3: the token works, and whose it is.
pub(super) async fn token(probe: &Probe<'_>) -> Result<Found, CliError> {
    let host = probe.client.address().host_key();
    if probe.db.secret(SecretField::ApiToken, &host).await?.is_none() {
        return Ok(TOKEN.fail("The API token is not set.", "muster okta set SUB --api-token FILE"));
    }
    let me = match probe.client.me().await {
        Ok(me) => me,
        Err(error) => return Ok(TOKEN.failed(&error)),
    };
    let login = me.profile.login.or(me.profile.email).unwrap_or_else(|| me.id.clone());
    let works = format!("Works as {login}.");
    // Somebody who is also a learner will leave one day, and the token with them.
    let person = match OktaUserId::parse(&me.id) {
        Ok(id) => probe.db.find_person(&PersonKey::Okta(id)).await?,
        Err(_) => None,
    };
    Ok(match person {
        Some(_) => TOKEN.warn(
            format!("{works} That is a person assigned to the app."),
            "When they leave, the token dies with their account. Make one under a service account with the role Read-only \
             administrator.",
        ),
        None => TOKEN.ok(works),
    })
}

/// C4: the token may list people, and sees some.
pub(super) async fn people(probe: &Probe<'_>) -> Found {
    let none = KeepAttributes::new(Vec::<String>::new());
    match probe.client.users_page(&none, None).await {
        Ok(page) if page.users.is_empty() && page.skipped_unreadable.is_empty() => PEOPLE.refused(
            "The token works but sees nobody.",
            "The admin who made it has no admin role any more, or one for a group without people. It needs at least Read-only \
             administrator.",
        ),
        Ok(_) => PEOPLE.ok("It may."),
        Err(error) if error.kind() == ErrorKind::Rights => PEOPLE.refused(
            format!("The token works but may not list users ({}).", error.code().unwrap_or("403")),
            "The admin who made it needs at least Read-only administrator.",
        ),
        Err(error) => PEOPLE.failed(&error),
    }
}
