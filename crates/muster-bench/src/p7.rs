//! P7: how much of a limited Okta is used while work waits, and that no call is refused.

use std::pin::pin;
use std::time::{Duration, Instant};

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
    /// How many people the tenant has. Everybody is read again and again.
    #[arg(long, default_value_t = 50_000)]
    people: u64,
    /// How long it is measured.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
    /// Calls a window that the simulator allows for each family of endpoints.
    #[arg(long, default_value_t = 100)]
    limit: u64,
    /// How long a window is; Okta's is a minute.
    #[arg(long, default_value_t = 60)]
    window_seconds: u64,
    /// Events a minute meanwhile, which cost two calls each.
    #[arg(long, default_value_t = 20)]
    events: u64,
    /// How long the simulator holds back every answer.
    #[arg(long, default_value_t = 100)]
    latency_ms: u64,
    /// One JSON object in place of rows.
    #[arg(long)]
    json: bool,
}

/// The part of each limit that the service takes.
const SHARE: f64 = 0.5;
const SLUG: &str = "limited";

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let title = format!(
        "P7: {} minutes of full runs of {} people and {} events a minute, {} calls a window of {} s",
        options.minutes, options.people, options.events, options.limit, options.window_seconds
    );
    let mut report = Report::new(options.json, &title);
    let simulator = Simulator::start(options.people)?;
    let mut stage = Stage::new(None, None, 1).await?;
    let tenant = stage.tenant(SLUG, Some(&simulator)).await?;
    stage.ask_for_run(tenant).await?;
    let service = Service::start(&stage, &[&simulator])?;
    stage.quiet(Duration::from_mins(10)).await?;
    let people = stage.people(tenant).await?;
    ensure!(!people.is_empty(), "nobody was read");
    let latency = json!({"latency_ms": options.latency_ms});
    simulator.admin("PUT", "settings", &latency).await?;
    let limit = options.limit;
    let families = ["users", "user", "groups", "group", "apps", "app", "logs", "o_auth", "other"];
    let families: serde_json::Map<String, Value> =
        families.iter().map(|family| ((*family).to_owned(), json!(limit))).collect();
    let limits = json!({"overrides": families, "window_seconds": options.window_seconds});
    simulator.admin("PUT", "limits", &limits).await?;
    simulator.admin("DELETE", "stats", &Value::Null).await?;
    let watch = Watch::new(stage.db.clone());
    let begun = now();
    let until = begun + Duration::from_mins(options.minutes);
    {
        let events = events(options, &simulator, &service, &watch, (tenant, &people), until);
        let runs = keep_running(&mut stage, tenant, until);
        let (mut look, mut events, mut runs) = (pin!(watch.look()), pin!(events), pin!(runs));
        let both = async {
            let (events, runs) = futures_util::future::join(&mut events, &mut runs).await;
            events.and(runs)
        };
        tokio::select! {
            looked = &mut look => return Err(looked.err().unwrap_or_else(|| anyhow::anyhow!("nobody looks"))),
            done = both => done?,
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    let stats = simulator.admin("GET", "stats", &Value::Null).await?;
    for warning in service.warnings().iter().take(10) {
        report.note(warning);
    }
    let (mut lags, waiting) = watch.take();
    lags.sort_unstable();
    // Everything below one app is one family: pages of the listing, the canary and assignments of single people.
    let app = calls(&stats, |path| path.contains("/api/v1/apps/"));
    #[expect(clippy::cast_precision_loss, reason = "counts of calls")]
    {
        let allowed = options.limit as f64 * SHARE * seconds / options.window_seconds as f64;
        report.add("floor: calls that the share allows", "calls", [allowed], Goal::None);
        report.add("calls of that family", "calls", [app as f64], Goal::None);
        let (least, most) = (Goal::AtLeast(90.0), Goal::AtMost(0.0));
        report.add("of the share", "%", [app as f64 * 100.0 / allowed], least);
        let limited = stats["limited"].as_u64().unwrap_or(0);
        report.add("answers 429", "", [limited as f64], most);
        report.add("all calls", "calls", [calls(&stats, |_| true) as f64], Goal::None);
        report.add("events applied", "", [lags.len() as f64], Goal::None);
        report.add("events still waiting", "", [waiting as f64], Goal::None);
    }
    if !lags.is_empty() {
        report.add("hook to applied, p50", "ms", [at(&lags, 500)], Goal::None);
        report.add("hook to applied, slowest", "ms", [at(&lags, 1_000)], Goal::None);
    }
    report.tell();
    Ok(())
}

/// Asks for the next full run whenever there is none, so that work always waits.
async fn keep_running(stage: &mut Stage, tenant: TenantId, until: Instant) -> anyhow::Result<()> {
    while now() < until {
        stage.ask_for_run(tenant).await?;
        pause(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn events(
    options: &Options,
    simulator: &Simulator,
    service: &Service,
    watch: &Watch,
    (tenant, people): (TenantId, &[String]),
    until: Instant,
) -> anyhow::Result<()> {
    let courier = Courier::new(service.public);
    let begun = now();
    let mut n = 0;
    while options.events > 0 && now() < until {
        let user = &people[usize::try_from(n * 7_919)? % people.len()];
        let title = format!("zz {n:06}");
        // The connection would not be kept open for as long as the pauses may be.
        Admin::open(simulator).await?.retitle(user, &title).await?;
        watch.want(tenant, user, Sight::Title(title), now());
        courier.deliver(SLUG, user, 1, n).await?;
        n += 1;
        let due = Duration::from_millis(n * 60_000 / options.events);
        pause(due.saturating_sub(begun.elapsed())).await;
    }
    Ok(())
}

/// Calls of Okta's API whose method and path `which` says.
fn calls(stats: &Value, which: impl Fn(&str) -> bool) -> u64 {
    let calls = stats["calls"].as_object();
    let chosen =
        calls.into_iter().flatten().filter(|(name, _)| !name.contains("/_sim/") && which(name));
    chosen.filter_map(|(_, n)| n.as_u64()).sum()
}
