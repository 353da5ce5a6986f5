//! P6: a storm of events for one tenant, and another tenant's single events meanwhile.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use muster_core::id::TenantId;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::events::Courier;
use crate::measure::{at, now, pause};
use crate::peers::{Admin, Simulator};
use crate::report::{Goal, Report};
use crate::service::{Service, Stage};
use crate::watch::{Sight, Watch};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many people the tenant has; everybody changes once in the storm.
    #[arg(long, default_value_t = 10_000)]
    people: u64,
    /// How long the storm lasts.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How often it storms.
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// How long the simulators hold back every answer.
    #[arg(long, default_value_t = 100)]
    latency_ms: u64,
    /// One JSON object in place of rows.
    #[arg(long)]
    json: bool,
}

/// How long after the storm everything must be applied; longer counts as never.
const PATIENCE: Duration = Duration::from_mins(3);
/// How often somebody of the other tenant changes.
const CALM_EVERY: Duration = Duration::from_millis(500);

const STORM: &str = "storm";
const CALM: &str = "calm";

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let title = format!(
        "P6: {} events in {} s for a tenant of as many people, Okta answers in {} ms",
        options.people, options.seconds, options.latency_ms
    );
    let mut report = Report::new(options.json, &title);
    let (stormy, calm) = (Simulator::start(options.people)?, Simulator::start(200)?);
    let mut stage = Stage::new(None, None, 1).await?;
    let storm = stage.tenant(STORM, Some(&stormy)).await?;
    let quiet = stage.tenant(CALM, Some(&calm)).await?;
    stage.ask_for_run(storm).await?;
    stage.ask_for_run(quiet).await?;
    let service = Service::start(&stage, &[&stormy, &calm])?;
    stage.quiet(Duration::from_mins(10)).await?;
    let latency = json!({"latency_ms": options.latency_ms});
    for simulator in [&stormy, &calm] {
        simulator.admin("PUT", "settings", &latency).await?;
    }
    let (mut calls, mut listing, mut settled) = (Vec::new(), Vec::new(), Vec::new());
    let (mut calms, mut limits, mut lost) = (Vec::new(), Vec::new(), 0);
    for round in 0..options.times {
        // The floor in calls and in time: one listing.
        stormy.admin("DELETE", "stats", &Value::Null).await?;
        let begun = now();
        stage.ask_for_run(storm).await?;
        stage.quiet(PATIENCE).await?;
        let whole = begun.elapsed();
        let (one, _) = stormy.calls().await?;
        stormy.admin("DELETE", "stats", &Value::Null).await?;
        let people = [stage.people(storm).await?, stage.people(quiet).await?];
        let round = Round {
            options,
            stage: &stage,
            tenants: [storm, quiet],
            people,
            courier: Arc::new(Courier::new(service.public)),
            number: round,
        };
        let last = round.storm(&stormy, &calm).await?;
        let after = round.settled(last.over).await?;
        stage.quiet(PATIENCE).await?;
        let (made, limited) = stormy.calls().await?;
        report.note(&format!(
            "a full run: {one} calls, {:.1} s; the storm: {made} calls, settled after {:.1} s",
            whole.as_secs_f64(),
            after.as_secs_f64()
        ));
        #[expect(clippy::cast_precision_loss, reason = "counts of calls")]
        {
            calls.push(made as f64 / one as f64);
            listing.push(one as f64);
            limits.push(limited as f64);
        }
        settled.push(after.as_secs_f64());
        lost += last.missed;
        calms.push(last.calm);
    }
    for warning in service.warnings().iter().take(10) {
        report.note(warning);
    }
    let of = |part: usize| -> Vec<f64> { calms.iter().map(|round| at(round, part)).collect() };
    report.add("floor: calls of one full run", "calls", listing, Goal::None);
    report.add("calls of the storm / calls of one full run", "", calls, Goal::AtMost(2.0));
    report.add("all applied after the last event", "s", settled, Goal::AtMost(10.0));
    report.add("the other tenant, hook to applied, p50", "ms", of(500), Goal::None);
    report.add(
        "the other tenant, hook to applied, slowest",
        "ms",
        of(1_000),
        Goal::AtMost(1_000.0),
    );
    report.add("answers 429", "", limits, Goal::AtMost(0.0));
    let unapplied = stage.unapplied().await?;
    #[expect(clippy::cast_precision_loss, reason = "a count that should be 0")]
    let lost = lost as f64 + unapplied as f64;
    report.add("events lost or not applied", "", [lost], Goal::AtMost(0.0));
    report.tell();
    Ok(())
}

struct Round<'a> {
    options: &'a Options,
    stage: &'a Stage,
    tenants: [TenantId; 2],
    people: [Vec<String>; 2],
    courier: Arc<Courier>,
    number: usize,
}

/// What a storm came to.
struct Storm {
    /// When the last event was answered.
    over: Instant,
    /// How long the other tenant's events took, sorted.
    calm: Vec<Duration>,
    missed: usize,
}

impl Round<'_> {
    fn title(&self) -> String {
        format!("zz {:02}", self.number)
    }

    /// Everybody changes, one after the other; meanwhile somebody of the other tenant does twice a second.
    async fn storm(&self, stormy: &Simulator, calm: &Simulator) -> anyhow::Result<Storm> {
        let watch = Watch::new(self.stage.db.clone());
        let mut look = pin!(watch.look());
        let storm = self.events(stormy);
        let meanwhile = self.singles(calm, &watch);
        let both = async {
            let mut meanwhile = pin!(meanwhile);
            let mut storm = pin!(storm);
            let over = tokio::select! {
                done = &mut meanwhile => { done?; storm.await? }
                over = &mut storm => { let over = over?; meanwhile.await?; over }
            };
            watch.settle(Duration::from_secs(30)).await;
            anyhow::Ok(over)
        };
        let over = tokio::select! {
            looked = &mut look => return Err(looked.err().unwrap_or_else(|| anyhow::anyhow!("nobody looks"))),
            over = both => over?,
        };
        let (mut calm, missed) = watch.take();
        calm.sort_unstable();
        Ok(Storm { over, calm, missed })
    }

    /// The storm; gives the moment in which its last event was answered.
    async fn events(&self, stormy: &Simulator) -> anyhow::Result<Instant> {
        let mut admin = Admin::open(stormy).await?;
        let title = self.title();
        let mut tasks = JoinSet::new();
        let begun = now();
        for (n, user) in (0..).zip(&self.people[0]) {
            let due = Duration::from_micros(
                n * 1_000_000 * self.options.seconds / self.people[0].len() as u64,
            );
            pause(due.saturating_sub(begun.elapsed())).await;
            admin.retitle(user, &title).await?;
            let (courier, user, round) = (Arc::clone(&self.courier), user.clone(), self.number);
            tasks.spawn(async move { courier.deliver(STORM, &user, round, n).await });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok(now())
    }

    async fn singles(&self, calm: &Simulator, watch: &Watch) -> anyhow::Result<()> {
        let mut admin = Admin::open(calm).await?;
        let begun = now();
        let mut n = 0;
        while begun.elapsed() < Duration::from_secs(self.options.seconds) {
            let user = &self.people[1][usize::try_from(n)? % self.people[1].len()];
            let title = format!("zz {:02} {n:06}", self.number);
            admin.retitle(user, &title).await?;
            watch.want(self.tenants[1], user, Sight::Title(title), now());
            self.courier.deliver(CALM, user, 1_000 + self.number, n).await?;
            n += 1;
            pause(CALM_EVERY.saturating_mul(u32::try_from(n)?).saturating_sub(begun.elapsed()))
                .await;
        }
        Ok(())
    }

    /// How long after the storm everybody had what Okta says.
    async fn settled(&self, over: Instant) -> anyhow::Result<Duration> {
        #[derive(sqlx::FromRow)]
        struct CountRow {
            n: i64,
        }
        let title = self.title();
        let sql = "SELECT COUNT(*) AS n FROM people
                   WHERE tenant_id = $1 AND status = 'active' AND okta_user_id IS NOT NULL AND title <> $2";
        loop {
            let after = over.elapsed();
            let args = [self.tenants[0].into(), (&title).into()];
            let left: Option<CountRow> = self.stage.db.fetch_optional(sql, &args).await?;
            let left = left.map_or(0, |row| row.n);
            if left == 0 {
                return Ok(after);
            }
            ensure!(after < PATIENCE, "{left} people still have their old title");
            pause(Duration::from_millis(50)).await;
        }
    }
}
