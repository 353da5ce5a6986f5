//! `muster okta plan` and `muster okta sync`: asking for a run and waiting for it.

use clap::Args;
use muster_core::id::RunId;
use muster_core::run::{RunCause, RunKind};
use muster_core::tenant::TenantSlug;
use muster_okta::address::OktaAddress;
use muster_store::TenantDb;
use muster_store::runs::{NewRun, Run};
use muster_store::secrets::SecretField;
use muster_store::tenants::Tenant;

use super::exit::{CliError, Exit};
use super::progress::{self, Waited};
use super::{Context, run_view, subdomain, words};
use crate::sync::Engine;

#[derive(Debug, Args)]
pub(super) struct Sync {
    /// The tenant's subdomain
    #[arg(value_name = "SUB", value_parser = subdomain)]
    sub: TenantSlug,
    /// Remove the people whom this run holds: each is read again by id, and those still out are removed
    #[arg(long, value_name = "RUN", value_parser = words::run_id)]
    approve: Option<RunId>,
}

pub(super) async fn run(sync: Sync, cx: &mut Context) -> Result<Exit, CliError> {
    let (tenant, db) = cx.tenant(&sync.sub).await?;
    ready(&tenant, &db, cx).await?;
    let run = ask_and_wait(cx, &tenant, &db, RunKind::Full, sync.approve).await?;
    if cx.out.json {
        cx.out.object(&run_view::RunJson::of(&run))?;
    } else {
        run_view::summary(&mut cx.out, &run, sync.sub.as_str())?;
    }
    Ok(Exit::of_run(&run))
}

pub(super) async fn plan(cx: &mut Context, sub: &TenantSlug) -> Result<Exit, CliError> {
    let (tenant, db) = cx.tenant(sub).await?;
    ready(&tenant, &db, cx).await?;
    let run = ask_and_wait(cx, &tenant, &db, RunKind::Preview, None).await?;
    if cx.out.json {
        cx.out.object(&run_view::RunJson::of(&run))?;
        run_view::changes_json(&mut cx.out, &db, run.id).await?;
    } else {
        run_view::changes_text(&mut cx.out, &db, run.id).await?;
        run_view::summary(&mut cx.out, &run, sub.as_str())?;
    }
    Ok(Exit::of_run(&run))
}

async fn ask_and_wait(
    cx: &Context,
    tenant: &Tenant,
    db: &TenantDb,
    kind: RunKind,
    approves: Option<RunId>,
) -> Result<Run, CliError> {
    let engine = cx.app.engine()?;
    let cause = if approves.is_some() { RunCause::Approval } else { RunCause::Cli };
    let id = engine.id(engine.now());
    let new = NewRun { id, kind, cause, actor: cx.app.actor(), approves };
    let requested = engine.request(db, &new).await?;
    if requested.joined {
        eprintln!("Such a run is under way already; waiting for its end ({}).", requested.run);
    }
    wait(&engine, tenant, db, requested.run).await
}

/// Waits for the end of a run, with a progress bar on a terminal.
pub(super) async fn wait(
    engine: &Engine,
    tenant: &Tenant,
    db: &TenantDb,
    run: RunId,
) -> Result<Run, CliError> {
    match Box::pin(progress::follow(engine.watch(), engine.drive(db, run))).await? {
        Waited::Ended(run) => Ok(*run),
        Waited::Interrupted => {
            let standing = db
                .run(run)
                .await?
                .ok_or_else(|| CliError::Usage(format!("there is no run {run}")))?;
            Err(CliError::Interrupted(progress::goes_on(tenant.slug.as_str(), &standing)))
        }
    }
}

/// The vendor's switch must be on for whatever follows.
pub(super) fn must_be_enabled(tenant: &Tenant) -> Result<(), CliError> {
    if tenant.okta_enabled {
        return Ok(());
    }
    let sub = tenant.slug.as_str();
    Err(CliError::Usage(format!(
        "Okta is off for {sub}. Turn it on with: muster okta enable {sub}"
    )))
}

/// The first value of the connection that is not set: what it is, and the option that sets it.
pub(super) async fn missing_value(
    db: &TenantDb,
) -> Result<Option<(&'static str, &'static str)>, CliError> {
    let connection = db.connection().await?;
    let secrets = db.secrets().await?;
    let sealed = |field: SecretField| secrets.iter().any(|info| info.field == field.as_str());
    let values = [
        (connection.api_url.is_some(), "the API URL", "--api-url URL"),
        (connection.client_id.is_some(), "the client id", "--client-id ID"),
        (sealed(SecretField::ApiToken), "the API token", "--api-token FILE"),
        // Signing in needs it; a run does not. So it comes last.
        (sealed(SecretField::ClientSecret), "the client secret", CLIENT_SECRET),
    ];
    Ok(values.into_iter().find(|(set, ..)| !set).map(|(_, what, option)| (what, option)))
}

const CLIENT_SECRET: &str = "--client-secret FILE";

/// Everything that can be known to be missing before Okta is called.
pub(super) async fn ready(tenant: &Tenant, db: &TenantDb, cx: &Context) -> Result<(), CliError> {
    must_be_enabled(tenant)?;
    let sub = tenant.slug.as_str();
    if let Some((what, option)) =
        missing_value(db).await?.filter(|(_, option)| *option != CLIENT_SECRET)
    {
        return Err(CliError::Usage(format!(
            "Okta is not connected for {sub}: {what} is not set. Set it with: muster okta set {sub} {option}"
        )));
    }
    let url = db.connection().await?.api_url.unwrap_or_default();
    if let Err(refused) = OktaAddress::parse(&url, &cx.app.config.okta_extra_hosts, true) {
        return Err(CliError::Usage(format!(
            "the stored address {url} may not be called: {refused}. Set another with: muster okta set {sub} --api-url URL, \
             or, for a simulator only, allow it with MUSTER_OKTA_EXTRA_HOSTS"
        )));
    }
    Ok(())
}
