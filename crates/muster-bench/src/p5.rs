//! P5: from a hook to what it led to. The floor is the two calls to Okta that a person costs, one after the other.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use muster_core::id::TenantId;
use muster_okta::address::ExtraHosts;
use muster_okta::transport::{HttpConfig, HttpTransport, Transport};
use serde_json::json;
use tokio::task::JoinSet;

use crate::events::Courier;
use crate::floor::{self, client};
use crate::measure::{at, now, pause};
use crate::peers::{Admin, Simulator};
use crate::report::{Goal, Report};
use crate::service::{Service, Stage};
use crate::watch::{Sight, Watch};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many tenants the events are spread over.
    #[arg(long, default_value_t = 500)]
    tenants: usize,
    /// How many people each of them has.
    #[arg(long, default_value_t = 200)]
    people: u64,
    /// Events a second.
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// How long each round lasts.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// How often each is measured, in turn.
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// How long the simulator holds back every answer.
    #[arg(long, default_value_t = 100)]
    latency_ms: u64,
    /// One JSON object in place of rows.
    #[arg(long)]
    json: bool,
}

/// How long after the last event of a round all must be applied.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let title = format!(
        "P5: {} events a second over {} tenants of {} people, Okta answers in {} ms",
        options.rate, options.tenants, options.people, options.latency_ms
    );
    let mut report = Report::new(options.json, &title);
    let simulator = Simulator::start(options.people)?;
    let mut stage = Stage::new(None, None, 1).await?;
    let mut tenants = Vec::new();
    for n in 0..options.tenants {
        let id = stage.tenant(&slug(n), Some(&simulator)).await?;
        stage.ask_for_run(id).await?;
        tenants.push(id);
    }
    report.note("the tenants are made and read Okta for the first time");
    let service = Service::start(&stage, &[&simulator])?;
    stage.quiet(Duration::from_mins(30)).await?;
    let people = stage.people(tenants[0]).await?;
    ensure!(!people.is_empty(), "nobody was read");
    let latency = json!({"latency_ms": options.latency_ms});
    simulator.admin("PUT", "settings", &latency).await?;
    let round = Rounds { options, simulator: &simulator, stage: &stage, tenants, people };
    let (mut floors, mut lags) = (Vec::new(), Vec::new());
    let (mut busy, mut lost, mut answers) = (Vec::new(), 0, Vec::new());
    for n in 0..options.times {
        floors.push(round.floor().await?);
        let before = service.busy();
        let (lag, answered, missed) = round.hooks(&service, n).await?;
        let used = service.busy().saturating_sub(before);
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        busy.push(used.as_secs_f64() * 1e3 / (options.rate * options.seconds) as f64);
        lags.push(lag);
        answers.push(answered);
        lost += missed;
        stage.quiet(PATIENCE).await?;
    }
    for warning in service.warnings().iter().take(10) {
        report.note(warning);
    }
    let of = |rounds: &[Vec<Duration>], part: usize| -> Vec<f64> {
        rounds.iter().map(|round| at(round, part)).collect()
    };
    let floor = report.add("floor: the two calls alone, p50", "ms", of(&floors, 500), Goal::None);
    report.add("floor: the two calls alone, p99", "ms", of(&floors, 990), Goal::None);
    report.add("hook answered, p50", "ms", of(&answers, 500), Goal::None);
    report.add("hook answered, p99", "ms", of(&answers, 990), Goal::None);
    let p50 = report.add("hook to applied, p50", "ms", of(&lags, 500), Goal::AtMost(350.0));
    report.add("hook to applied, p99", "ms", of(&lags, 990), Goal::AtMost(1_000.0));
    report.add("hook to applied, slowest", "ms", of(&lags, 1_000), Goal::None);
    report.add("p50 / floor", "", [p50 / floor], Goal::None);
    report.add("processor time of the service an event", "ms", busy, Goal::None);
    let unapplied = stage.unapplied().await?;
    #[expect(clippy::cast_precision_loss, reason = "a count that should be 0")]
    report.add(
        "events lost or not applied",
        "",
        [lost as f64 + unapplied as f64],
        Goal::AtMost(0.0),
    );
    report.tell();
    Ok(())
}

fn slug(tenant: usize) -> String {
    format!("t{tenant}")
}

struct Rounds<'a> {
    options: &'a Options,
    simulator: &'a Simulator,
    stage: &'a Stage,
    tenants: Vec<TenantId>,
    people: Vec<String>,
}

impl Rounds<'_> {
    /// The two calls for as many people a second, each by a client of its own over connections that are shared.
    async fn floor(&self) -> anyhow::Result<Vec<Duration>> {
        let host = ExtraHosts::parse(self.simulator.host())?;
        let http = HttpConfig { extra_hosts: host, proxy: None };
        let transport = Transport::Http(HttpTransport::new(http)?);
        let keep = Arc::new(floor::everything()?);
        let mut tasks = JoinSet::new();
        let begun = now();
        for n in 0..self.options.rate * self.options.seconds {
            self.due(begun, n).await;
            let (base, token) = (&self.simulator.base, &self.simulator.token);
            let client = client(base, token, transport.clone())?;
            let user = muster_core::id::OktaUserId::parse(self.person(n))?;
            let (app, keep) = (self.simulator.app_id.clone(), Arc::clone(&keep));
            tasks.spawn(async move {
                let begun = now();
                let assigned = client.app_user(&app, &user).await?.is_some();
                let found = client.user(&user, &keep).await?.is_some();
                ensure!(assigned && found, "somebody is missing");
                Ok(begun.elapsed())
            });
        }
        let mut took = Vec::new();
        while let Some(done) = tasks.join_next().await {
            took.push(done??);
        }
        took.sort_unstable();
        Ok(took)
    }

    /// Changes people in Okta and delivers the hooks; how long each took to be applied and to be answered, sorted, and how
    /// many never were.
    async fn hooks(
        &self,
        service: &Service,
        round: usize,
    ) -> anyhow::Result<(Vec<Duration>, Vec<Duration>, usize)> {
        let watch = Arc::new(Watch::new(self.stage.db.clone()));
        let courier = Arc::new(Courier::new(service.public));
        let mut admin = Admin::open(self.simulator).await?;
        let mut tasks = JoinSet::new();
        let looker = Arc::clone(&watch);
        let mut look = pin!(async move { looker.look().await });
        let begun = now();
        let events = async {
            for n in 0..self.options.rate * self.options.seconds {
                self.due(begun, n).await;
                let (user, title) = (self.person(n).to_owned(), format!("zz {round:02} {n:06}"));
                admin.retitle(&user, &title).await?;
                let at = usize::try_from(n.wrapping_mul(7))? % self.tenants.len();
                let (courier, tenant) = (Arc::clone(&courier), self.tenants[at]);
                let watch = Arc::clone(&watch);
                tasks.spawn(async move {
                    let begun = now();
                    watch.want(tenant, &user, Sight::Title(title), begun);
                    courier.deliver(&slug(at), &user, round, n).await?;
                    anyhow::Ok(begun.elapsed())
                });
            }
            let mut answers = Vec::new();
            while let Some(done) = tasks.join_next().await {
                answers.push(done??);
            }
            watch.settle(PATIENCE).await;
            anyhow::Ok(answers)
        };
        let mut answers = tokio::select! {
            looked = &mut look => return Err(looked.err().unwrap_or_else(|| anyhow::anyhow!("nobody looks"))),
            answers = events => answers?,
        };
        answers.sort_unstable();
        let (mut lags, missed) = watch.take();
        lags.sort_unstable();
        Ok((lags, answers, missed))
    }

    /// Waits until event `n` is due.
    async fn due(&self, begun: std::time::Instant, n: u64) {
        let due = Duration::from_micros(n * 1_000_000 / self.options.rate);
        pause(due.saturating_sub(begun.elapsed())).await;
    }

    /// Whom event `n` is about: everybody in turn.
    fn person(&self, n: u64) -> &str {
        let place = usize::try_from(n).unwrap_or(0) % self.people.len();
        &self.people[place]
    }
}
