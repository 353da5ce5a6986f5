//! `muster okta`: the connection to Okta, its rules, preview and sync.

use clap::Subcommand;
use muster_core::rules::Rules;
use muster_core::tenant::TenantSlug;

use super::exit::{CliError, Exit};
use super::input::{self, Source};
use super::{Context, Why, by, okta_check, okta_hook, okta_set, okta_show, subdomain, sync};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Turn the integration on for a tenant (the vendor's switch)
    Enable {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        #[command(flatten)]
        why: Why,
    },
    /// Turn it off: no page, no hook, no run. People stay as they are
    Disable {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        #[command(flatten)]
        why: Why,
    },
    /// Set the address, the app and the secrets; each option alone replaces that value
    Set(okta_set::Set),
    /// Show the tenant's rules, or replace them from a TOML file
    Rules {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// A TOML file, or - for standard input; without it the rules are shown
        #[arg(value_name = "FILE")]
        file: Option<Source>,
        #[command(flatten)]
        why: Why,
    },
    /// Show the settings without secrets, the state and the last runs
    Show {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
    },
    /// Show what a full run would change; changes no person and sends nothing
    Plan {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
    },
    /// Run a full sync and wait for its end
    Sync(sync::Sync),
    /// Check the connection live, from the address to the first event, with cause and fix
    Check(okta_check::Check),
    /// Print the secret for Okta's field Authentication secret, or make a new one
    HookSecret(okta_hook::HookSecret),
    /// Make the event hook through Okta's API and have it verified; prints how to do it by hand, too
    HookCreate(okta_hook::HookCreate),
}

pub(super) async fn run(command: Command, cx: &mut Context) -> Result<Exit, CliError> {
    match command {
        Command::Enable { sub, why } => switch(cx, &sub, true, &why).await,
        Command::Disable { sub, why } => switch(cx, &sub, false, &why).await,
        Command::Set(set) => okta_set::run(set, cx).await,
        Command::Rules { sub, file: None, why: _ } => show_rules(cx, &sub).await,
        Command::Rules { sub, file: Some(file), why } => replace_rules(cx, &sub, &file, &why).await,
        Command::Show { sub } => okta_show::run(cx, &sub).await,
        Command::Plan { sub } => Box::pin(sync::plan(cx, &sub)).await,
        Command::Sync(sync) => Box::pin(sync::run(sync, cx)).await,
        Command::Check(check) => Box::pin(okta_check::run(check, cx)).await,
        Command::HookSecret(args) => okta_hook::secret(args, cx).await,
        Command::HookCreate(args) => Box::pin(okta_hook::create(args, cx)).await,
    }
}

async fn switch(cx: &mut Context, sub: &TenantSlug, on: bool, why: &Why) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let actor = cx.app.actor();
    let now = cx.app.clock.now();
    let turned =
        db.set_okta_enabled(on, by(&actor, why.reason.as_deref()), &mut cx.app.ids, now).await?;
    let sub = sub.as_str();
    let (state, already) = (if on { "on" } else { "off" }, if turned { "" } else { " already" });
    let told = serde_json::json!({"subdomain": sub, "okta_enabled": on, "changed": turned});
    cx.out.say(&told, format!("Okta is{already} {state} for {sub}."))?;
    if on && !cx.out.json && db.connection().await?.api_url.is_none() {
        let options = "--api-url URL --client-id ID --client-secret FILE --api-token FILE";
        cx.out.line(format!("Next: muster okta set {sub} {options}"))?;
    }
    Ok(Exit::Done)
}

async fn show_rules(cx: &mut Context, sub: &TenantSlug) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let rules = db.rules().await?;
    if cx.out.json {
        cx.out.object(&serde_json::json!({
            "revision": rules.revision, "set_at": rules.created_at, "set_by": rules.actor, "toml": rules.body
        }))?;
    } else {
        cx.out.text(&rules.body)?;
    }
    Ok(Exit::Done)
}

async fn replace_rules(
    cx: &mut Context,
    sub: &TenantSlug,
    file: &Source,
    why: &Why,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let text = input::text(file)?;
    Rules::parse(&text).map_err(|bad| {
        CliError::Usage(format!("these rules are refused, and nothing was changed: {bad}"))
    })?;
    let before = db.rules().await?.revision;
    let actor = cx.app.actor();
    let now = cx.app.clock.now();
    let revision =
        db.replace_rules(&text, by(&actor, why.reason.as_deref()), &mut cx.app.ids, now).await?;
    let sub = sub.as_str();
    let told =
        serde_json::json!({"subdomain": sub, "revision": revision, "changed": revision != before});
    cx.out.say(&told, if revision == before {
        format!("These are the rules of {sub} already (revision {revision}).")
    } else {
        format!(
            "The rules of {sub} are replaced (revision {revision}). The next run looks at everybody anew.\n\
             See what it would change: muster okta plan {sub}"
        )
    })?;
    Ok(Exit::Done)
}
