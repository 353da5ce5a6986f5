//! A database of its own for each story, on each engine.

use std::future::Future;
use std::pin::Pin;

use jiff::Timestamp;
use muster_core::id::{IdSource, TenantId};
use muster_core::person::Email;
use muster_core::tenant::TenantSlug;
use muster_store::history::By;
use muster_store::secrets::MasterKeys;
use muster_store::tenants::NewTenant;
use muster_store::{DatabaseUrl, Db, StoreError, TenantDb};
use sqlx::Connection as _;

/// Two master keys: base64 of 32 times `1` and of 32 times `2`.
pub(crate) const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
pub(crate) const OTHER_KEY: &str = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";

pub(crate) const ANA: By<'static> = By { actor: "os:ana", cause: "cli", run: None, reason: None };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    File,
    Memory,
    Postgres,
}

/// What a story begins with: an empty database that is open.
pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) url: DatabaseUrl,
    pub(crate) ids: IdSource,
    pub(crate) now: Timestamp,
}

pub(crate) fn keys(lines: &[&str]) -> MasterKeys {
    MasterKeys::parse(&lines.join("\n")).expect("a key file")
}

impl World {
    pub(crate) async fn open(&self, lines: &[&str]) -> Result<Db, StoreError> {
        Db::open(&self.url, keys(lines), [4; 32], self.now).await
    }

    /// A tenant with one owner, `olga@acme.example`.
    pub(crate) async fn tenant(&mut self, slug: &str) -> TenantDb {
        let new = NewTenant {
            owner_link: None,
            slug: TenantSlug::parse(slug).expect("a slug"),
            name: format!("{slug} Ltd"),
            owner: Email::parse("olga@acme.example").expect("an address"),
            rules: "email_domains = [\"acme.example\"]\n".into(),
        };
        let tenant =
            self.db.create_tenant(&new, ANA, &mut self.ids, self.now).await.expect("a tenant");
        self.db.tenant(tenant.id)
    }

    pub(crate) fn nobody(&mut self) -> TenantId {
        self.ids.next(self.now)
    }
}

/// A story under way.
pub(crate) type Told<'w> = Pin<Box<dyn Future<Output = ()> + Send + 'w>>;

type Story = for<'w> fn(&'w mut World) -> Told<'w>;

/// Plays a story on an engine. The database goes away afterwards, also when the story fails.
pub(crate) async fn play(engine: Engine, name: &str, story: Story) {
    let now: Timestamp = "2026-11-23T03:00:00Z".parse().expect("a time");
    let ids = IdSource::seeded([3; 32]);
    let folder = tempfile::tempdir().expect("a folder");
    let (url, server) = match engine {
        Engine::Memory => (DatabaseUrl::memory(), None),
        Engine::File => (DatabaseUrl::file(folder.path().join("inner/muster.db")), None),
        Engine::Postgres => {
            let Some(server) = postgres() else { return };
            let database = format!("muster_{}_{name}", std::process::id());
            admin(&server, &format!("CREATE DATABASE {database}")).await;
            let (base, _) = server.rsplit_once('/').expect("a database in the address");
            let url = format!("{base}/{database}").parse().expect("an address");
            (url, Some((server, database)))
        }
    };
    let db = Db::open(&url, keys(&[KEY]), [4; 32], now).await.expect("a database");
    let mut world = World { db: db.clone(), url, ids, now };
    // In a task of its own, so that a failed story still leaves nothing behind.
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { story(&mut world).await });
    let outcome = tasks.join_next().await.expect("one task");
    db.close().await;
    if let Some((server, database)) = server {
        admin(&server, &format!("DROP DATABASE {database} WITH (FORCE)")).await;
    }
    if let Err(failed) = outcome {
        std::panic::resume_unwind(failed.into_panic());
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no configuration but its environment")]
fn postgres() -> Option<String> {
    let url = std::env::var("MUSTER_TEST_POSTGRES_URL").ok();
    if url.is_none() {
        eprintln!(
            "NOT TESTED ON POSTGRESQL: set MUSTER_TEST_POSTGRES_URL to the address of a superuser"
        );
    }
    url
}

async fn admin(server: &str, sql: &str) {
    let mut connection = sqlx::PgConnection::connect(server).await.expect("the server");
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
    done.expect("an empty database");
}
