//! `muster serve`: the service, until it is told to stop.

use super::Context;
use super::exit::{CliError, Exit};
use crate::app::Listening;
use crate::config::Config;

pub(super) async fn run(cx: &mut Context) -> Result<Exit, CliError> {
    for warning in &cx.app.config.warnings {
        tracing::warn!("{warning}");
    }
    let extra = &cx.app.config.okta_extra_hosts;
    if !extra.is_empty() {
        tracing::warn!(
            hosts = %extra,
            "MUSTER_OKTA_EXTRA_HOSTS IS SET: these hosts may be called as if they were Okta. It is for a simulator only"
        );
    }
    // Before anybody is told that it runs: a signal that comes at once must not be lost.
    let stop = signal().map_err(anyhow::Error::from)?;
    let service = cx.app.listen().await?;
    let at = service.listening();
    let told = told(&cx.app.config, at);
    let text = text(&cx.app.config, at);
    cx.out.say(&told, text)?;
    cx.out.flush()?;
    tracing::info!(public = %at.public, operators = ?at.operators, "listening");
    service.run(stop).await.map_err(anyhow::Error::from)?;
    tracing::info!("stopped");
    Ok(Exit::Done)
}

fn told(config: &Config, at: Listening) -> serde_json::Value {
    serde_json::json!({
        "listen": at.public.to_string(),
        "ops_listen": at.operators.map(|address| address.to_string()),
        "public_url": config.public_url.to_string(),
        "tenants_at": config.public_url.of_tenant("SUB"),
        "database": config.database_url.to_string(),
        "version": env!("CARGO_PKG_VERSION"),
    })
}

fn text(config: &Config, at: Listening) -> String {
    let mut lines = format!(
        "muster {} listens on {}. Tenants are at {}, event hooks at {}/webhooks/okta.",
        env!("CARGO_PKG_VERSION"),
        at.public,
        config.public_url.of_tenant("SUB"),
        config.public_url.of_tenant("SUB"),
    );
    if let Some(operators) = at.operators {
        lines.push_str(&format!("\nFigures for operators: http://{operators}/metrics"));
    }
    lines
}

/// Over once somebody asks this process to stop: Ctrl-C, or SIGTERM as service managers send it.
#[cfg(unix)]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Over once somebody presses Ctrl-C.
#[cfg(not(unix))]
fn signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // An error means that nobody can say so: then only killing it is left.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
