//! `muster okta show`: how the connection of a tenant is set, and how it does.

use jiff::Timestamp;
use muster_core::access::Entry;
use muster_core::alarm::Severity;
use muster_core::problem::ProblemCode;
use muster_core::tenant::TenantSlug;
use muster_store::TenantDb;
use muster_store::alarms::OpenAlarm;
use muster_store::connection::OktaConnection;
use muster_store::secrets::{SecretField, SecretInfo};
use muster_store::tenants::Tenant;
use serde_json::{Value, json};

use super::events_view::Events;
use super::exit::{CliError, Exit};
use super::output::{Out, Table, clean, thousands};
use super::{Context, run_view, sync};
use crate::config::variables::wrap;

/// Runs that are shown.
const RUNS: i64 = 5;

pub(super) async fn run(cx: &mut Context, sub: &TenantSlug) -> Result<Exit, CliError> {
    let (tenant, db) = cx.tenant(sub).await?;
    if cx.out.json {
        let told = json(&tenant, &db, cx).await?;
        cx.out.object(&told)?;
    } else {
        text(&tenant, &db, cx).await?;
    }
    Ok(Exit::Done)
}

/// The state of a connection in one word.
async fn state(
    tenant: &Tenant,
    db: &TenantDb,
    connection: &OktaConnection,
    alarms: &[OpenAlarm],
) -> Result<&'static str, CliError> {
    Ok(if !tenant.okta_enabled {
        "off"
    } else if sync::missing_value(db).await?.is_some() {
        "not_connected"
    } else if connection.attention.is_some() || alarms.iter().any(is_critical) {
        "needs_attention"
    } else {
        "ready"
    })
}

/// Everything about a connection but its secrets.
pub(super) async fn json(tenant: &Tenant, db: &TenantDb, cx: &Context) -> Result<Value, CliError> {
    let connection = db.connection().await?;
    let secrets = db.secrets().await?;
    let rules = db.rules().await?;
    let people = db.people_counts().await?;
    let runs = db.runs(RUNS).await?;
    let alarms = db.open_alarms().await?;
    let events = Events::of(db, cx.app.clock.now()).await?;
    let runs: Vec<Value> = runs.iter().map(|run| json!(run_view::RunJson::of(run))).collect();
    let secret = |field: SecretField| {
        find(&secrets, field).map_or(
            Value::Null,
            |info| json!({"set_at": info.set_at, "set_by": info.set_by, "host": info.host}),
        )
    };
    let connected = db.connected().await?;
    let attention = attention(&connection)
        .map(|(code, since, hint)| json!({"code": code, "since": since, "hint": hint}));
    Ok(json!({
        "subdomain": tenant.slug.as_str(),
        "state": state(tenant, db, &connection, &alarms).await?,
        "okta_enabled": tenant.okta_enabled,
        "url": cx.app.config.public_url.of_tenant(tenant.slug.as_str()),
        "api_url": connection.api_url,
        "client_id": connection.client_id,
        "app_id": connection.app_id,
        "org_id": connection.org_id,
        "connected": connected.as_ref().map(|state| json!({"at": state.at, "by": state.by, "issuer": state.issuer})),
        "okta_only": tenant.entry == Entry::OktaOnly,
        "session_minutes": {
            "idle": tenant.session_limits.idle.as_mins(), "absolute": tenant.session_limits.absolute.as_mins(),
        },
        "client_secret": secret(SecretField::ClientSecret),
        "api_token": secret(SecretField::ApiToken),
        "attention": attention,
        "alarms": alarms.iter().map(|alarm| alarm_json(alarm, tenant.slug.as_str())).collect::<Vec<_>>(),
        "events": events.json(),
        "rules_revision": rules.revision,
        "people": people,
        "runs": runs,
    }))
}

async fn text(tenant: &Tenant, db: &TenantDb, cx: &mut Context) -> Result<(), CliError> {
    let connection = db.connection().await?;
    let secrets = db.secrets().await?;
    let rules = db.rules().await?;
    let people = db.people_counts().await?;
    let runs = db.runs(RUNS).await?;
    let sub = tenant.slug.as_str();
    let alarms = db.open_alarms().await?;
    let state = state(tenant, db, &connection, &alarms).await?;
    let events = Events::of(db, cx.app.clock.now()).await?;
    let out = &mut cx.out;
    out.line(format!("{} ({sub}): {}", clean(&tenant.name), state.replace('_', " ")))?;
    if let Some((_, since, hint)) = attention(&connection) {
        if let Some(since) = since {
            out.line(format!("  since {}:", out.time(since)))?;
        }
        for line in wrap(&hint, out.width.saturating_sub(2)) {
            out.line(format!("  {line}"))?;
        }
    }
    for alarm in &alarms {
        show_alarm(alarm, sub, out)?;
    }
    out.line("")?;
    let unset = || "not set".to_owned();
    let secret = |field: SecretField, out: &super::output::Out| {
        find(&secrets, field).map_or_else(unset, |info| {
            format!("set on {} by {}", out.time(info.set_at), clean(&info.set_by))
        })
    };
    let app = match (&connection.app_id, &connection.client_id) {
        (Some(id), _) => id.clone(),
        (None, Some(_)) => "the client id".to_owned(),
        (None, None) => unset(),
    };
    let proved = match db.connected().await? {
        Some(state) => format!("proved on {}", out.time(state.at)),
        None => "not proved yet (Connect to Okta, in the browser)".to_owned(),
    };
    let sign_in = match tenant.entry {
        Entry::OktaOnly => format!("{proved}; with Okta only"),
        Entry::Any => proved,
    };
    let lines = [
        ("API URL", connection.api_url.clone().unwrap_or_else(unset)),
        ("Client ID", connection.client_id.clone().unwrap_or_else(unset)),
        ("Client secret", secret(SecretField::ClientSecret, out)),
        ("API token", secret(SecretField::ApiToken, out)),
        ("App", app),
        ("Signing in", sign_in),
        ("Rules", format!("revision {}, by {}", rules.revision, clean(&rules.actor))),
        (
            "People",
            format!(
                "{} active, {} not yet, {} deactivated; {} of them not from Okta",
                thousands(people.active),
                thousands(people.not_yet),
                thousands(people.deactivated),
                thousands(people.unmanaged)
            ),
        ),
    ];
    for (name, value) in lines.into_iter().chain(events.lines(out, sub)) {
        out.line(format!("  {name:<15}{value}"))?;
    }
    out.line("")?;
    if runs.is_empty() {
        out.line("No run yet.")?;
    } else {
        let columns = run_view::COLUMNS;
        let rows: Vec<Vec<String>> = runs.iter().map(|run| run_view::row(run, out)).collect();
        let table = Table::fit(&columns, &rows, out.width);
        out.line(table.head())?;
        for row in &rows {
            out.line(table.row(row))?;
        }
    }
    if !tenant.okta_enabled {
        out.line(format!("\nTurn it on: muster okta enable {sub}"))?;
    } else if let Some((what, option)) = sync::missing_value(db).await? {
        out.line(format!("\nStill missing: {what}. Set it with: muster okta set {sub} {option}"))?;
    }
    Ok(())
}

fn find(secrets: &[SecretInfo], field: SecretField) -> Option<&SecretInfo> {
    secrets.iter().find(|info| info.field == field.as_str())
}

fn attention(connection: &OktaConnection) -> Option<(String, Option<Timestamp>, String)> {
    let code = connection.attention.clone()?;
    let hint = ProblemCode::parse(&code)
        .map(|known| muster_core::problem::hint(known, ""))
        .unwrap_or_default();
    Some((code, connection.attention_at, hint))
}

fn is_critical(alarm: &OpenAlarm) -> bool {
    alarm.code.severity() == Severity::Critical
}

fn alarm_json(alarm: &OpenAlarm, sub: &str) -> Value {
    let told = alarm.code.told(sub, &alarm.detail);
    json!({
        "code": alarm.code, "severity": alarm.code.severity(), "since": alarm.since, "raised_at": alarm.raised_at,
        "mailed_at": alarm.mailed_at, "title": told.title, "what": told.what, "why": told.why, "fix": told.fix,
        "meanwhile": told.meanwhile,
    })
}

fn show_alarm(alarm: &OpenAlarm, sub: &str, out: &mut Out) -> Result<(), CliError> {
    let told = alarm.code.told(sub, &alarm.detail);
    let mailed = match alarm.mailed_at {
        Some(at) => format!(", told by mail {}", out.time(at)),
        None => String::new(),
    };
    let severity = if is_critical(alarm) { "ALARM" } else { "Warning" };
    out.line(format!("\n{severity}: {} (since {}{mailed})", told.title, out.time(alarm.since)))?;
    for text in [told.what.as_str(), &told.why, &told.fix, told.meanwhile] {
        for line in wrap(text, out.width.saturating_sub(2)) {
            out.line(format!("  {line}"))?;
        }
    }
    Ok(())
}
