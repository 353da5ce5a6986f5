//! The service as it is shipped, in a process of its own, and the database it works on.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use muster_core::id::{IdSource, TenantId};
use muster_core::person::Email;
use muster_core::run::{RunCause, RunKind};
use muster_core::tenant::TenantSlug;
use muster_store::connection::ConnectionUpdate;
use muster_store::history::By;
use muster_store::runs::NewRun;
use muster_store::secrets::MasterKeys;
use muster_store::tenants::NewTenant;
use muster_store::{DatabaseUrl, Db};
use secrecy::SecretString;

use crate::binaries;
use crate::events::SECRET;
use crate::measure::{now, pause};
use crate::peers::{Simulator, introduced};

const BY: By<'static> = By { actor: "bench", cause: "cli", run: None, reason: None };
/// The app of tenants that have no simulator.
const APP: &str = "0oaBench";

/// A database, and a connection to it beside the service's own.
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    url: String,
    pub(crate) db: Db,
    ids: IdSource,
}

/// The present time.
pub(crate) fn time() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    Timestamp::now()
}

impl Stage {
    /// A SQLite file below `parent` or where temporary files are, or the PostgreSQL database named. `seed` must differ for each
    /// stage of one database.
    pub(crate) async fn new(
        parent: Option<&Path>,
        postgres: Option<&str>,
        seed: u8,
    ) -> anyhow::Result<Self> {
        let folder = match parent {
            Some(parent) => tempfile::tempdir_in(parent)?,
            None => tempfile::tempdir()?,
        };
        // Base64 of 32 times the byte 1: what is sealed here is no secret.
        let key = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\n";
        let path = folder.path().join("master.key");
        std::fs::write(&path, key)?;
        // Otherwise the service warns of it.
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let file = format!("sqlite://{}", folder.path().join("muster.db").display());
        let url = postgres.map_or(file, str::to_owned);
        let place: DatabaseUrl = url.parse()?;
        let db = Db::open(&place, MasterKeys::parse(key)?, [1; 32], time()).await?;
        Ok(Self { folder, url, db, ids: IdSource::seeded([seed; 32]) })
    }

    /// Takes the SQLite file away, so that the next to come makes it anew. Nothing of this stage can be asked any more.
    pub(crate) async fn remove_database(&self) -> anyhow::Result<()> {
        self.db.close().await;
        for name in ["muster.db", "muster.db-wal", "muster.db-shm"] {
            let gone = std::fs::remove_file(self.folder.path().join(name));
            ensure!(gone.is_ok() || name != "muster.db", "there is no SQLite file");
        }
        Ok(())
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("master.key")
    }

    /// Makes a tenant with a hook, connected to `okta` if there is one.
    pub(crate) async fn tenant(
        &mut self,
        slug: &str,
        okta: Option<&Simulator>,
    ) -> anyhow::Result<TenantId> {
        let (db, ids, now) = (&self.db, &mut self.ids, time());
        let new = NewTenant {
            owner_link: None,
            slug: TenantSlug::parse(slug)?,
            name: "Bench".to_owned(),
            owner: Email::parse("owner@bench.example")?,
            rules: String::new(),
        };
        let id = db.create_tenant(&new, BY, ids, now).await?.id;
        let tenant = db.tenant(id);
        tenant.set_okta_enabled(true, BY, ids, now).await?;
        let update = match okta {
            Some(okta) => ConnectionUpdate {
                api_url: Some(okta.base.clone()),
                client_id: Some(okta.app_id.clone()),
                app_id: None,
                client_secret: Some(okta.secret.clone().into()),
                api_token: Some(okta.token.clone().into()),
            },
            None => {
                ConnectionUpdate { app_id: Some(APP.to_owned()), ..ConnectionUpdate::default() }
            }
        };
        tenant.set_connection(update, BY, ids, now).await?;
        let secret = SecretString::from(SECRET);
        tenant.rotate_hook_secret(&secret, None, BY, ids, now).await?;
        Ok(id)
    }

    /// Asks for a run of everybody; a service finds it within half a second.
    pub(crate) async fn ask_for_run(&mut self, tenant: TenantId) -> anyhow::Result<()> {
        let new = NewRun {
            id: self.ids.next(time()),
            kind: RunKind::Full,
            cause: RunCause::Cli,
            actor: "bench".to_owned(),
            approves: None,
        };
        self.db.tenant(tenant).request_run(&new, time()).await?;
        Ok(())
    }

    /// Waits until no run and no work is left, at most so long.
    pub(crate) async fn quiet(&self, most: Duration) -> anyhow::Result<()> {
        let begun = now();
        loop {
            let left = self.count(LEFT).await?;
            if left == 0 {
                return Ok(());
            }
            ensure!(begun.elapsed() < most, "{left} runs or jobs are still left");
            pause(Duration::from_millis(100)).await;
        }
    }

    /// The number that a query gives as `n`.
    pub(crate) async fn count(&self, sql: &'static str) -> anyhow::Result<i64> {
        #[derive(sqlx::FromRow)]
        struct CountRow {
            n: i64,
        }
        let row: Option<CountRow> = self.db.fetch_optional(sql, &[]).await?;
        Ok(row.map_or(0, |row| row.n))
    }

    /// Okta ids of a tenant's active people, in no order.
    pub(crate) async fn people(&self, tenant: TenantId) -> anyhow::Result<Vec<String>> {
        #[derive(sqlx::FromRow)]
        struct KeyRow {
            okta_user_id: String,
        }
        let sql = "SELECT okta_user_id FROM people
                   WHERE tenant_id = $1 AND status = 'active' AND okta_user_id IS NOT NULL ORDER BY id";
        let rows: Vec<KeyRow> = self.db.fetch_all(sql, &[tenant.into()]).await?;
        Ok(rows.into_iter().map(|row| row.okta_user_id).collect())
    }

    /// Events that should have led to something and did not yet.
    pub(crate) async fn unapplied(&self) -> anyhow::Result<i64> {
        self.count(
            "SELECT COUNT(*) AS n FROM okta_events WHERE applied_at IS NULL AND kind IS NOT NULL",
        )
        .await
    }
}

/// Open runs, jobs but that of the System Log, which always waits for its time, and calls of hooks that are not sorted.
const LEFT: &str = "SELECT (SELECT COUNT(*) FROM runs WHERE state IN ('queued', 'running'))
    + (SELECT COUNT(*) FROM jobs WHERE state IN ('waiting', 'taken') AND kind <> 'log_poll')
    + (SELECT COUNT(*) FROM hook_inbox) AS n";

/// A `muster serve` of its own, killed when dropped.
pub(crate) struct Service {
    child: Child,
    pub(crate) public: SocketAddr,
    log: PathBuf,
}

impl Service {
    /// Starts it on a stage. `okta` are simulators that it may call.
    pub(crate) fn start(stage: &Stage, okta: &[&Simulator]) -> anyhow::Result<Self> {
        let hosts: Vec<&str> = okta.iter().map(|simulator| simulator.host()).collect();
        let log = stage.folder.path().join("service.log");
        let mut command = Command::new(binaries()?.join("muster"));
        command
            .args(["serve", "--json"])
            .env("MUSTER_DATABASE_URL", stage.url())
            .env("MUSTER_MASTER_KEY_FILE", stage.key())
            .env("MUSTER_OKTA_EXTRA_HOSTS", hosts.join(","))
            .env("MUSTER_LISTEN", "127.0.0.1:0")
            .env("MUSTER_PUBLIC_URL", "https://bench.example")
            // The events that the benchmarks deliver have ids of their own, so those of the simulator's System Log would come on
            // top; in Okta they are the same.
            .env("MUSTER_LOG_POLL_SECONDS", "0")
            .env("MUSTER_LOG", "warn")
            .stderr(File::create(&log)?);
        let (child, said) = introduced(&mut command).with_context(|| {
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            format!("the service did not start: {log}")
        })?;
        let public = said["listen"].as_str().context("no address")?.parse()?;
        Ok(Self { child, public, log })
    }

    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// What it warned of, save of the simulator.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines = log.lines().filter(|line| !line.contains("MUSTER_OKTA_EXTRA_HOSTS"));
        lines.map(str::to_owned).collect()
    }

    /// Processor time it used so far.
    pub(crate) fn busy(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.unwrap_or_default();
        // After the name in brackets: state is the first field, user and system time are the twelfth and thirteenth, in
        // hundredths of a second on every Linux that matters here.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 =
            fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
