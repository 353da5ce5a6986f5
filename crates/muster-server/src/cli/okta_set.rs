//! `muster okta set`: where Okta is and how we may call it.

use clap::Args;
use muster_core::tenant::TenantSlug;
use muster_okta::address::{AddressKind, BadAddress, OktaAddress};
use muster_store::connection::ConnectionUpdate;

use super::exit::{CliError, Exit};
use super::input::{self, Source};
use super::{Context, Why, by, subdomain};

#[derive(Debug, Args)]
pub(super) struct Set {
    /// The tenant's subdomain
    #[arg(value_name = "SUB", value_parser = subdomain)]
    sub: TenantSlug,
    /// The address of the Okta org, such as acme.okta.com
    #[arg(long, value_name = "URL")]
    api_url: Option<String>,
    /// Say that an address outside of okta.com is your own custom domain at Okta
    #[arg(long, requires = "api_url")]
    confirm_custom_domain: bool,
    /// The client id of the app in Okta
    #[arg(long, value_name = "ID", value_parser = client_id)]
    client_id: Option<String>,
    /// A file with the client secret, or with the private key (PEM) of an app that uses one; or - for standard input
    #[arg(long, value_name = "FILE")]
    client_secret: Option<Source>,
    /// A file with the API token, or - for standard input
    #[arg(long, value_name = "FILE")]
    api_token: Option<Source>,
    /// The app's id, where it is not its client id
    #[arg(long, value_name = "ID", value_parser = app_id)]
    app_id: Option<String>,
    #[command(flatten)]
    why: Why,
}

pub(super) async fn run(set: Set, cx: &mut Context) -> Result<Exit, CliError> {
    let (tenant, db) = cx.tenant(&set.sub).await?;
    let sub = set.sub.as_str();
    super::sync::must_be_enabled(&tenant)?;
    if set.is_empty() {
        return Err(CliError::usage(
            "nothing to set: give --api-url, --client-id, --client-secret, --api-token or --app-id",
        ));
    }
    input::one_stdin(&[
        ("--client-secret", set.client_secret.as_ref()),
        ("--api-token", set.api_token.as_ref()),
    ])?;
    let mut notes = Vec::new();
    let api_url = match &set.api_url {
        Some(text) => Some(address(text, set.confirm_custom_domain, cx, &mut notes)?),
        None => None,
    };
    let client_secret = set
        .client_secret
        .as_ref()
        .map(|file| input::client_secret("--client-secret", file))
        .transpose()?;
    let api_token = match &set.api_token {
        Some(file) => {
            let (token, scheme_removed) = input::token("--api-token", file)?;
            if scheme_removed {
                notes.push("removed the word SSWS before the token".to_owned());
            }
            Some(token)
        }
        None => None,
    };
    let update = ConnectionUpdate {
        api_url,
        client_id: set.client_id,
        app_id: set.app_id,
        client_secret,
        api_token,
    };
    let actor = cx.app.actor();
    let now = cx.app.clock.now();
    let connection = db
        .set_connection(update, by(&actor, set.why.reason.as_deref()), &mut cx.app.ids, now)
        .await?;
    if cx.out.json {
        let mut told = super::okta_show::json(&tenant, &db, cx).await?;
        told["notes"] = notes.into();
        cx.out.object(&told)?;
        return Ok(Exit::Done);
    }
    for note in notes {
        cx.out.line(format!("Note: {note}"))?;
    }
    cx.out.line(format!(
        "Saved for {sub}: {}.",
        connection.api_url.as_deref().unwrap_or("no address yet")
    ))?;
    match super::sync::missing_value(&db).await? {
        Some((what, option)) => {
            cx.out.line(format!(
                "Still missing: {what}. Set it with: muster okta set {sub} {option}"
            ))?;
        }
        None => cx.out.line(format!("Next: muster okta plan {sub}"))?,
    }
    Ok(Exit::Done)
}

impl Set {
    fn is_empty(&self) -> bool {
        self.api_url.is_none()
            && self.client_id.is_none()
            && self.client_secret.is_none()
            && self.api_token.is_none()
            && self.app_id.is_none()
    }
}

fn address(
    text: &str,
    confirmed: bool,
    cx: &Context,
    notes: &mut Vec<String>,
) -> Result<String, CliError> {
    let extra = &cx.app.config.okta_extra_hosts;
    let parsed = OktaAddress::parse(text, extra, confirmed).map_err(|bad| {
        let hint = match bad {
            BadAddress::ConfirmCustom(_) => " with --confirm-custom-domain",
            _ => "",
        };
        CliError::Usage(format!("--api-url: {bad}{hint}"))
    })?;
    notes.extend(parsed.notes);
    match parsed.kind {
        AddressKind::OktaSuffix => {}
        AddressKind::CustomDomain => {
            notes.push(format!("{} is taken as your own custom domain", parsed.address.host()));
        }
        AddressKind::Extra => notes.push(format!(
            "{} is allowed by MUSTER_OKTA_EXTRA_HOSTS, which is for a simulator only",
            parsed.address.host_key()
        )),
    }
    Ok(parsed.address.to_string())
}

/// Okta takes client ids of 6 to 100 printable characters without blanks.
fn client_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    if (6..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a client id has 6 to 100 characters and no blanks; copy it from Client Credentials in Okta".to_owned())
    }
}

/// Becomes a part of the path of a call.
fn app_id(text: &str) -> Result<String, String> {
    let text = text.trim();
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("an app's id has letters and digits only, such as 0oa1b2c3d4e5f6g7h8i9".to_owned())
    }
}
