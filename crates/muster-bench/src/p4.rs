//! P4: hook deliveries stored and answered. The floor is the same HTTP server answering without storing anything.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::future::BoxFuture;
use muster_server::jobs::{JobError, Work};
use muster_server::sync::{Engine, RunError, Turn};
use muster_store::TenantDb;
use muster_store::jobs::misc::MiscClaim;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::events::write_call;
use crate::measure::{Spread, at, now, spread};
use crate::peers::Simulator;
use crate::service::{Stage, time};
use crate::show;

/// The tenant whose people are read meanwhile.
const READING: &str = "reading";

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many connections deliver at the same time.
    #[arg(long, default_value_t = 16)]
    clients: usize,
    /// How many tenants they deliver to.
    #[arg(long, default_value_t = 10)]
    tenants: usize,
    /// How long each round lasts.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// How often each is measured, in turn.
    #[arg(long, default_value_t = 5)]
    times: usize,
    /// An empty PostgreSQL database to store in, in place of a SQLite file. It fills from round to round.
    #[arg(long)]
    postgres_url: Option<String>,
    /// Where the SQLite file is made: on the disk that is to be measured.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Measure also while the same process reads an org of so many people for the first time (P1).
    #[arg(long)]
    while_reading: Option<u64>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    show::header(&format!("P4 with {} clients and {} tenants", options.clients, options.tenants));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let simulator = options.while_reading.map(Simulator::start).transpose()?;
    let (mut floor, mut stored, mut sync) = (Rounds::default(), Rounds::default(), Vec::new());
    let (mut reading, mut read) = (Rounds::default(), Vec::new());
    for round in 0..options.times {
        sync.push(syncs(options)?);
        let server = Server::floor()?;
        floor.add(runtime.block_on(load(&server, options, round))?);
        drop(server);
        let server = Server::muster(options, round, None, &runtime)?;
        stored.add(runtime.block_on(load(&server, options, round))?);
        drop(server);
        if let Some(simulator) = &simulator {
            let server = Server::muster(options, round, Some(simulator), &runtime)?;
            reading.add(runtime.block_on(load(&server, options, round))?);
            read.push(runtime.block_on(server.read())?);
        }
    }
    let sync = spread(sync);
    println!(
        "the disk alone, 4 KiB appended and synced: {:.0} a second ({:.0} to {:.0})",
        sync.median, sync.least, sync.most
    );
    println!();
    println!(
        "{:<22} {:>26} {:>9} {:>9} {:>9}",
        "", "deliveries a second", "p50 ms", "p99 ms", "max ms"
    );
    let floor = floor.show("floor: answer only");
    let stored = stored.show("P4 stored, then answered");
    if !read.is_empty() {
        reading.show("P4 while P1 runs");
        let read = spread(read);
        println!(
            "{:<24} {:.0} people a second read and stored meanwhile ({:.0} to {:.0})",
            "", read.median, read.least, read.most
        );
    }
    println!();
    println!(
        "P4 / floor {:.2}   (goal 10,000 a second, p99 at most 10 ms)",
        stored.median / floor.median
    );
    Ok(())
}

/// One round: how many were answered a second, and how long each took.
struct Round {
    rate: f64,
    p50: f64,
    p99: f64,
    most: f64,
}

#[derive(Default)]
struct Rounds(Vec<Round>);

impl Rounds {
    fn add(&mut self, round: Round) {
        self.0.push(round);
    }

    fn show(&self, name: &str) -> Spread {
        let of = |value: fn(&Round) -> f64| spread(self.0.iter().map(value));
        let rate = of(|round| round.rate);
        let told = format!("{:.0} ({:.0} to {:.0})", rate.median, rate.least, rate.most);
        let [p50, p99, most] = [of(|r| r.p50).median, of(|r| r.p99).median, of(|r| r.most).median];
        println!("{name:<24} {told:>24} {p50:>9.2} {p99:>9.2} {most:>9.2}");
        rate
    }
}

/// What is measured, in a process of its own.
struct Server {
    child: Child,
    at: SocketAddr,
    stage: Option<Stage>,
}

impl Server {
    fn floor() -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("answer");
        Self::start(command, None)
    }

    fn muster(
        options: &Options,
        round: usize,
        okta: Option<&Simulator>,
        runtime: &tokio::runtime::Runtime,
    ) -> anyhow::Result<Self> {
        let stage = runtime.block_on(prepare(options, round, okta))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["door", "--database"]).arg(stage.url()).arg("--key").arg(stage.key());
        if let Some(okta) = okta {
            command.args(["--okta", okta.host()]);
        }
        Self::start(command, Some(stage))
    }

    fn start(mut command: Command, stage: Option<Stage>) -> anyhow::Result<Self> {
        let program = command.get_program().display().to_string();
        let mut child = command.stdout(Stdio::piped()).spawn().with_context(|| {
            format!("cannot start {program}; build it with cargo build --release --workspace")
        })?;
        let out = child.stdout.take().context("the server has no output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let said: serde_json::Value =
            serde_json::from_str(&line).context("the server did not introduce itself")?;
        let at = said["listen"].as_str().context("no address")?.parse()?;
        Ok(Self { child, at, stage })
    }
}

impl Server {
    /// How many people a second were read and stored from the beginning of the run until now.
    async fn read(&self) -> anyhow::Result<f64> {
        #[derive(sqlx::FromRow)]
        struct ReadRow {
            people: i64,
            since: i64,
        }
        let sql = "SELECT (SELECT COUNT(*) FROM mirror) AS people, COALESCE(MAX(started_at), 0) AS since FROM runs";
        let stage = self.stage.as_ref().context("no database")?;
        let row: Option<ReadRow> = stage.db.fetch_optional(sql, &[]).await?;
        let row = row.filter(|row| row.since > 0).context("the run has not begun")?;
        let seconds = time().as_microsecond() - row.since;
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        Ok(row.people as f64 * 1e6 / seconds as f64)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn slug(round: usize, tenant: usize) -> String {
    format!("t{round}-{tenant}")
}

/// Makes the tenants of a round, each with the secret. With a simulator one more reads it from the beginning.
async fn prepare(
    options: &Options,
    round: usize,
    okta: Option<&Simulator>,
) -> anyhow::Result<Stage> {
    let seed = u8::try_from(round % 256)?;
    let mut stage =
        Stage::new(options.folder.as_deref(), options.postgres_url.as_deref(), seed).await?;
    for tenant in 0..options.tenants {
        stage.tenant(&slug(round, tenant), None).await?;
    }
    if let Some(okta) = okta {
        let reading = stage.tenant(READING, Some(okta)).await?;
        stage.ask_for_run(reading).await?;
    }
    Ok(stage)
}

/// Delivers for as long as a round lasts, over connections that are kept.
async fn load(server: &Server, options: &Options, round: usize) -> anyhow::Result<Round> {
    let until = now() + Duration::from_secs(options.seconds);
    let begun = now();
    let mut tasks = JoinSet::new();
    for client in 0..options.clients {
        let at = server.at;
        let slug = slug(round, client % options.tenants);
        tasks.spawn(async move { deliver(at, &slug, client, until).await });
    }
    let mut took = Vec::new();
    while let Some(done) = tasks.join_next().await {
        took.extend(done??);
    }
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(!took.is_empty(), "nothing was answered");
    took.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let rate = took.len() as f64 / seconds;
    Ok(Round { rate, p50: at(&took, 500), p99: at(&took, 990), most: at(&took, 1_000) })
}

async fn deliver(
    at: SocketAddr,
    slug: &str,
    client: usize,
    until: std::time::Instant,
) -> anyhow::Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(at).await?;
    stream.set_nodelay(true)?;
    let mut took = Vec::new();
    let mut call = Vec::new();
    let mut answer = [0; 1_024];
    for n in 0_u64.. {
        let user = format!("00u{:017}", (n.wrapping_mul(7_919) + client as u64) % 10_000);
        write_call(&mut call, slug, &user, client, n, "2026-11-23T12:58:42.340Z")?;
        let begun = now();
        stream.write_all(&call).await?;
        let mut length = 0;
        // An answer without a body ends with its head.
        while !answer[..length].ends_with(b"\r\n\r\n") {
            let more = stream.read(&mut answer[length..]).await?;
            ensure!(more > 0, "the server hung up");
            length += more;
        }
        let ended = now();
        ensure!(
            answer.starts_with(b"HTTP/1.1 204"),
            "not stored: {}",
            String::from_utf8_lossy(&answer[..length])
        );
        took.push(ended - begun);
        if ended >= until {
            break;
        }
    }
    Ok(took)
}

/// Serves 204 to whatever is sent, by the server of the service, until it is killed.
pub(crate) fn answer() -> anyhow::Result<()> {
    use muster_server::clock::Clock;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", serde_json::json!({"listen": listener.local_addr()?.to_string()}));
        let (_alive, stop) = tokio::sync::watch::channel(false);
        let taken = async |body: axum::body::Bytes| {
            // Taken whole, as the door takes it.
            drop(body);
            axum::http::StatusCode::NO_CONTENT
        };
        let router = axum::Router::new().route("/webhooks/okta", axum::routing::post(taken));
        muster_server::web::serve(listener, router, Clock::Wall, stop).await;
        Ok(())
    })
}

/// What runs the service with nobody to do the work: only what happens until the answer, and the sorting after it.
#[derive(Debug, clap::Args)]
pub(crate) struct DoorOptions {
    #[arg(long)]
    database: String,
    #[arg(long)]
    key: String,
    /// Host and port of a simulator, if whoever is connected to it is to be read meanwhile.
    #[arg(long)]
    okta: Option<String>,
}

/// Serves the hook's door until it is killed.
pub(crate) fn door(options: &DoorOptions) -> anyhow::Result<()> {
    use muster_server::app::App;
    use muster_server::clock::Clock;
    use muster_server::config::{Config, Environment};
    let env = Environment::of([
        ("MUSTER_DATABASE_URL", options.database.as_str()),
        ("MUSTER_MASTER_KEY_FILE", options.key.as_str()),
        ("MUSTER_LISTEN", "127.0.0.1:0"),
        ("MUSTER_PUBLIC_URL", "https://bench.example"),
        ("MUSTER_OKTA_EXTRA_HOSTS", options.okta.as_deref().unwrap_or_default()),
    ]);
    let config = Config::read(None, &env).map_err(|problems| anyhow::anyhow!("{problems:?}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = App::open(config, Clock::Wall).await?;
        let reader = if options.okta.is_some() { Some(app.engine()?) } else { None };
        let work = std::sync::Arc::new(Reader(reader));
        let service = app.listen_with(work).await?;
        println!("{}", serde_json::json!({"listen": service.listening().public.to_string()}));
        // It ends with the process.
        let _ = service.run(std::future::pending()).await;
        Ok(())
    })
}

/// Reads everybody where that is asked for, and does nothing else.
struct Reader(Option<Engine>);

impl Work for Reader {
    fn person_turn<'a>(&'a self, _: &'a TenantDb) -> BoxFuture<'a, Result<Turn, RunError>> {
        Box::pin(std::future::ready(Ok(Turn::Idle)))
    }

    fn bulk_turn<'a>(&'a self, tenant: &'a TenantDb) -> BoxFuture<'a, Result<Turn, RunError>> {
        Box::pin(async move {
            match &self.0 {
                Some(engine) => engine.bulk_turn(tenant).await,
                None => Ok(Turn::Idle),
            }
        })
    }

    fn kinds(&self) -> &[&'static str] {
        &[]
    }

    fn job<'a>(&'a self, _: &'a TenantDb, _: &'a MiscClaim) -> BoxFuture<'a, Result<(), JobError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// How often a second the disk appends 4 KiB and makes them lasting.
fn syncs(options: &Options) -> anyhow::Result<f64> {
    const TIMES: u32 = 300;
    let mut file = match &options.folder {
        Some(folder) => tempfile::tempfile_in(folder)?,
        None => tempfile::tempfile()?,
    };
    let begun = now();
    for _ in 0..TIMES {
        file.write_all(&[1; 4_096])?;
        file.sync_data()?;
    }
    Ok(f64::from(TIMES) / begun.elapsed().as_secs_f64())
}
