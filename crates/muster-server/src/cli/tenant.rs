//! `muster tenant`: companies.

use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use muster_core::id::TenantId;
use muster_core::person::Email;
use muster_core::rules::Rules;
use muster_core::tenant::TenantSlug;
use muster_store::tenants::{NewTenant, Tenant};

use super::exit::{CliError, Exit};
use super::output::{Table, clean, column};
use super::{Context, Why, by, subdomain, words};
use crate::signin::Token;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make a tenant and its owner's account
    Create {
        /// The subdomain: letters, digits and hyphens
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// The company's name
        #[arg(long, value_parser = name)]
        name: String,
        /// The first owner's address
        #[arg(long, value_name = "EMAIL", value_parser = words::email)]
        owner: Email,
        #[command(flatten)]
        why: Why,
    },
    /// List all tenants
    List,
}

/// A tenant in JSON.
#[derive(serde::Serialize)]
struct TenantJson<'a> {
    id: TenantId,
    subdomain: &'a str,
    name: &'a str,
    url: String,
    okta_enabled: bool,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'a str>,
    /// Where the owner sets a password; a secret until it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner_link_ends_at: Option<Timestamp>,
}

/// How long a link for setting a password works.
pub(super) const LINK: SignedDuration = SignedDuration::from_hours(24);

/// The address at which a password is set.
pub(super) fn link_of(config: &crate::config::Config, slug: &TenantSlug, token: &Token) -> String {
    format!("{}/welcome/{}", config.public_url.of_tenant(slug.as_str()), token.text())
}

pub(super) async fn run(command: Command, cx: &mut Context) -> Result<Exit, CliError> {
    match command {
        Command::Create { sub, name, owner, why } => {
            create(
                cx,
                NewTenant {
                    owner_link: None,
                    rules: Rules::default_text(Some(owner.domain())),
                    slug: sub,
                    name,
                    owner,
                },
                why.reason.as_deref(),
            )
            .await
        }
        Command::List => list(cx).await,
    }
}

async fn create(cx: &mut Context, new: NewTenant, reason: Option<&str>) -> Result<Exit, CliError> {
    let actor = cx.app.actor();
    let now = cx.app.clock.now();
    let (token, ends_at) = (Token::new(), now + LINK);
    let new = NewTenant { owner_link: Some((token.hash("link"), ends_at)), ..new };
    let tenant = cx.app.db.create_tenant(&new, by(&actor, reason), &mut cx.app.ids, now).await?;
    let sub = tenant.slug.as_str();
    let link = link_of(&cx.app.config, &tenant.slug, &token);
    if cx.out.json {
        let json = TenantJson {
            owner: Some(new.owner.shown()),
            owner_link: Some(link),
            owner_link_ends_at: Some(ends_at),
            ..json_of(&tenant, &cx.app.config)
        };
        cx.out.object(&json)?;
        return Ok(Exit::Done);
    }
    cx.out.line(format!("Made tenant {sub} ({}).", clean(&tenant.name)))?;
    cx.out
        .line(format!("Owner: {}, with an account that Okta does not feed.", new.owner.shown()))?;
    cx.out.line("With this link they set their password. It works once, for 24 hours:")?;
    cx.out.line("")?;
    cx.out.line(format!("    {link}"))?;
    cx.out.line("")?;
    cx.out.line(format!("Next: muster okta enable {sub}"))?;
    Ok(Exit::Done)
}

async fn list(cx: &mut Context) -> Result<Exit, CliError> {
    let tenants = cx.app.db.tenants().await?;
    if cx.out.json {
        for tenant in &tenants {
            cx.out.object(&json_of(tenant, &cx.app.config))?;
        }
        return Ok(Exit::Done);
    }
    if tenants.is_empty() {
        cx.out.line(
            "There is no tenant yet. Make one: muster tenant create SUB --name NAME --owner EMAIL",
        )?;
        return Ok(Exit::Done);
    }
    let columns =
        [column("SUBDOMAIN", 12), column("NAME", 12), column("OKTA", 4), column("MADE", 10)];
    let rows: Vec<Vec<String>> = tenants
        .iter()
        .map(|tenant| {
            vec![
                tenant.slug.as_str().to_owned(),
                clean(&tenant.name),
                (if tenant.okta_enabled { "on" } else { "off" }).to_owned(),
                cx.out.time(tenant.created_at),
            ]
        })
        .collect();
    let table = Table::fit(&columns, &rows, cx.out.width);
    cx.out.line(table.head())?;
    for row in &rows {
        cx.out.line(table.row(row))?;
    }
    Ok(Exit::Done)
}

fn json_of<'a>(tenant: &'a Tenant, config: &crate::config::Config) -> TenantJson<'a> {
    TenantJson {
        id: tenant.id,
        subdomain: tenant.slug.as_str(),
        name: &tenant.name,
        url: config.public_url.of_tenant(tenant.slug.as_str()),
        okta_enabled: tenant.okta_enabled,
        created_at: tenant.created_at,
        owner: None,
        owner_link: None,
        owner_link_ends_at: None,
    }
}

fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() {
        return Err("a company has a name".to_owned());
    }
    if name.chars().any(char::is_control) || name.chars().count() > 255 {
        return Err("a name is one line of at most 255 characters".to_owned());
    }
    Ok(name.to_owned())
}
