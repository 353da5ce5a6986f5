//! Leavers during a full run of their own tenant: the event is applied at once, and no page read before brings them back.

use std::pin::pin;
use std::time::Duration;

use anyhow::ensure;
use muster_core::id::TenantId;
use serde_json::{Value, json};

use crate::events::Courier;
use crate::measure::{at, now, pause};
use crate::peers::{Admin, Simulator};
use crate::report::{Goal, Report};
use crate::service::{Service, Stage};
use crate::watch::{Sight, Watch};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many people the tenant has.
    #[arg(long, default_value_t = 100_000)]
    people: u64,
    /// How long the simulator holds back every answer.
    #[arg(long, default_value_t = 300)]
    latency_ms: u64,
    /// How many people leave while the listing is read, evenly over its time and its pages.
    #[arg(long, default_value_t = 12)]
    leavers: u64,
    /// One JSON object in place of rows.
    #[arg(long)]
    json: bool,
}

const SLUG: &str = "leaving";

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let title = format!(
        "Leavers during a full run of {} people, Okta answers in {} ms",
        options.people, options.latency_ms
    );
    let mut report = Report::new(options.json, &title);
    let simulator = Simulator::start(options.people)?;
    let mut stage = Stage::new(None, None, 1).await?;
    let tenant = stage.tenant(SLUG, Some(&simulator)).await?;
    stage.ask_for_run(tenant).await?;
    let service = Service::start(&stage, &[&simulator])?;
    stage.quiet(Duration::from_mins(10)).await?;
    let people = in_order(&stage, tenant).await?;
    let latency = json!({"latency_ms": options.latency_ms});
    simulator.admin("PUT", "settings", &latency).await?;
    simulator.admin("DELETE", "stats", &Value::Null).await?;
    let watch = Watch::new(stage.db.clone());
    let begun = now();
    stage.ask_for_run(tenant).await?;
    let leavers = leave(options, &simulator, &service, &watch, (&stage, tenant), &people);
    let left = {
        let (mut look, mut leavers) = (pin!(watch.look()), pin!(leavers));
        tokio::select! {
            looked = &mut look => return Err(looked.err().unwrap_or_else(|| anyhow::anyhow!("nobody looks"))),
            left = &mut leavers => left?,
        }
    };
    stage.quiet(Duration::from_mins(30)).await?;
    let whole = begun.elapsed();
    let (calls, _) = simulator.calls().await?;
    for warning in service.warnings().iter().take(10) {
        report.note(warning);
    }
    let back = still_here(&stage, tenant, &left).await?;
    let again = stage.count("SELECT COUNT(*) AS n FROM history WHERE kind = 'reactivate'").await?;
    let (mut lags, missed) = watch.take();
    lags.sort_unstable();
    ensure!(!lags.is_empty(), "nobody's access ended");
    report.add("the full run with the leavers", "s", [whole.as_secs_f64()], Goal::None);
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    {
        report.add("calls", "calls", [calls as f64], Goal::None);
        report.add("people who left during it", "", [left.len() as f64], Goal::None);
        report.add("of these after their page was read", "", [before_read(&left)], Goal::None);
        report.add("never applied", "", [missed as f64], Goal::AtMost(0.0));
        report.add("brought back", "", [(back + again) as f64], Goal::AtMost(0.0));
        // One after the other.
        let floor = 2.0 * options.latency_ms as f64;
        report.add("floor: the two calls it costs", "ms", [floor], Goal::None);
    }
    report.add("hook to no access, p50", "ms", [at(&lags, 500)], Goal::None);
    report.add("hook to no access, slowest", "ms", [at(&lags, 1_000)], Goal::AtMost(2_000.0));
    report.tell();
    Ok(())
}

/// Somebody who left, and whether the present run had read them as still there.
struct Left {
    user: String,
    was_read: bool,
}

#[expect(clippy::cast_precision_loss, reason = "a handful")]
fn before_read(left: &[Left]) -> f64 {
    left.iter().filter(|left| left.was_read).count() as f64
}

/// Lets people leave while the listing is read: half of them from pages that were read already, half from pages to come.
async fn leave(
    options: &Options,
    simulator: &Simulator,
    service: &Service,
    watch: &Watch,
    (stage, tenant): (&Stage, TenantId),
    people: &[String],
) -> anyhow::Result<Vec<Left>> {
    let courier = Courier::new(service.public);
    let mut admin = Admin::open(simulator).await?;
    let mut left = Vec::new();
    let step = people.len() as u64 / (options.leavers + 1);
    for n in 0..options.leavers {
        // A part of the listing later than the last one.
        let read = loop {
            let read = read_so_far(stage, tenant, people.len()).await?;
            if read >= (n + 1) * step || read >= people.len() as u64 {
                break read;
            }
            pause(Duration::from_millis(50)).await;
        };
        let place = if n % 2 == 0 { read / 2 + n } else { read.midpoint(people.len() as u64) + n };
        let user = &people[usize::try_from(place)?.min(people.len() - 1)];
        admin.call("POST", "act", &json!({"do": "deactivate", "who": user})).await?;
        watch.want(tenant, user, Sight::Gone, now());
        courier.deliver(SLUG, user, 1, n).await?;
        left.push(Left { user: user.clone(), was_read: place < read });
    }
    watch.settle(Duration::from_mins(1)).await;
    Ok(left)
}

#[derive(sqlx::FromRow)]
struct KeyRow {
    okta_user_id: String,
}

/// Everybody in the order of the listing.
async fn in_order(stage: &Stage, tenant: TenantId) -> anyhow::Result<Vec<String>> {
    let sql = "SELECT okta_user_id FROM mirror WHERE tenant_id = $1 ORDER BY run_id, place";
    let rows: Vec<KeyRow> = stage.db.fetch_all(sql, &[tenant.into()]).await?;
    Ok(rows.into_iter().map(|row| row.okta_user_id).collect())
}

/// How many people the present run has read and stored; everybody once it is over.
async fn read_so_far(stage: &Stage, tenant: TenantId, all: usize) -> anyhow::Result<u64> {
    #[derive(sqlx::FromRow)]
    struct PlaceRow {
        n: i64,
    }
    let sql = "SELECT COALESCE((SELECT MAX(m.place) FROM mirror m WHERE m.tenant_id = r.tenant_id AND m.run_id = r.id), 0) AS n
               FROM runs r WHERE r.tenant_id = $1 AND r.kind = 'full' AND r.state IN ('queued', 'running')";
    let row: Option<PlaceRow> = stage.db.fetch_optional(sql, &[tenant.into()]).await?;
    Ok(row.map_or(all as u64, |row| u64::try_from(row.n).unwrap_or(0)))
}

/// How many of those who left have access.
async fn still_here(stage: &Stage, tenant: TenantId, left: &[Left]) -> anyhow::Result<i64> {
    let mut here = 0;
    for Left { user, .. } in left {
        let sql = "SELECT okta_user_id FROM people WHERE tenant_id = $1 AND okta_user_id = $2 AND status = 'active'";
        let row: Option<KeyRow> =
            stage.db.fetch_optional(sql, &[tenant.into(), user.into()]).await?;
        here += i64::from(row.is_some());
    }
    Ok(here)
}
