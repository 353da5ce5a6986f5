//! `muster run`: what runs found and did.

use clap::Subcommand;
use muster_core::id::{ChangeId, RunId};
use muster_core::run::{RunKind, RunState};
use muster_core::tenant::TenantSlug;

use super::exit::{CliError, Exit};
use super::output::Table;
use super::{Context, Why, run_view, subdomain, words};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List the newest runs
    List {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
    },
    /// Show one run: counts, problems, and the removals it holds
    Show {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        #[arg(value_name = "RUN", value_parser = words::run_id)]
        run: RunId,
    },
    /// Drop the removals that a run holds: nobody is removed
    Discard {
        /// The tenant's subdomain
        #[arg(value_name = "SUB", value_parser = subdomain)]
        sub: TenantSlug,
        #[arg(value_name = "RUN", value_parser = words::run_id)]
        run: RunId,
        #[command(flatten)]
        why: Why,
    },
}

pub(super) async fn run(command: Command, cx: &mut Context) -> Result<Exit, CliError> {
    match command {
        Command::List { sub, limit } => list(cx, &sub, limit).await,
        Command::Show { sub, run } => show(cx, &sub, run).await,
        Command::Discard { sub, run, why } => discard(cx, &sub, run, why).await,
    }
}

async fn list(cx: &mut Context, sub: &TenantSlug, limit: u32) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let runs = db.runs(limit.into()).await?;
    let out = &mut cx.out;
    if out.json {
        for run in &runs {
            out.object(&run_view::RunJson::of(run))?;
        }
        return Ok(Exit::Done);
    }
    if runs.is_empty() {
        out.line(format!("No run yet. See what one would do: muster okta plan {}", sub.as_str()))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = runs.iter().map(|run| run_view::row(run, out)).collect();
    let table = Table::fit(&run_view::COLUMNS, &rows, out.width);
    out.line(table.head())?;
    for row in &rows {
        out.line(table.row(row))?;
    }
    Ok(Exit::Done)
}

async fn show(cx: &mut Context, sub: &TenantSlug, id: RunId) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let run = db.run(id).await?.ok_or_else(|| no_run(sub, id))?;
    let out = &mut cx.out;
    if out.json {
        let mut told = serde_json::to_value(run_view::RunJson::of(&run))
            .map_err(|e| CliError::Output(e.into()))?;
        if run.state == RunState::Held {
            told["held"] = run_view::held_json(&db, id).await?;
        }
        out.object(&told)?;
        return Ok(Exit::Done);
    }
    if run.kind == RunKind::Preview || run.state == RunState::Held {
        run_view::changes_text(out, &db, id).await?;
    }
    run_view::summary(out, &run, sub.as_str())?;
    Ok(Exit::Done)
}

async fn discard(
    cx: &mut Context,
    sub: &TenantSlug,
    id: RunId,
    why: Why,
) -> Result<Exit, CliError> {
    let (_, db) = cx.tenant(sub).await?;
    let now = cx.app.clock.now();
    let change: ChangeId = cx.app.ids.next(now);
    db.discard_run(id, &cx.app.actor(), why.reason, change, now).await?;
    let run = db.run(id).await?.ok_or_else(|| no_run(sub, id))?;
    let held = run.counts.held;
    let told = run_view::RunJson::of(&run);
    cx.out.say(
        &told,
        format!(
            "Discarded: the {held} removals that {id} held are dropped, and nobody was removed."
        ),
    )?;
    Ok(Exit::Done)
}

fn no_run(sub: &TenantSlug, id: RunId) -> CliError {
    CliError::Usage(format!("there is no run {id}; `muster run list {}` shows them", sub.as_str()))
}
