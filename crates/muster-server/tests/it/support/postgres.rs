//! A database on PostgreSQL that exists for one test.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::Connection as _;

/// A database of its own; dropped with the value.
pub(crate) struct PostgresDatabase {
    server: String,
    name: String,
}

impl PostgresDatabase {
    /// An empty database on the server that `MUSTER_TEST_POSTGRES_URL` names as a superuser; `None`, and a loud line, when
    /// it names none.
    pub(crate) async fn new() -> Option<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "a test has no configuration but its environment"
        )]
        let Ok(server) = std::env::var("MUSTER_TEST_POSTGRES_URL") else {
            eprintln!(
                "NOT TESTED ON POSTGRESQL: set MUSTER_TEST_POSTGRES_URL to the address of a superuser"
            );
            return None;
        };
        Some(Self::made(server, "").await)
    }

    /// A database that holds what this one holds now. Nobody may be connected to this one.
    pub(crate) async fn copy(&self) -> Self {
        Self::made(self.server.clone(), &format!("TEMPLATE {}", self.name)).await
    }

    async fn made(server: String, how: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("muster_it_{}_{number}", std::process::id());
        admin(&server, &format!("CREATE DATABASE {name} {how}")).await;
        Self { server, name }
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        let (base, _) = self.server.rsplit_once('/').expect("a database in the address");
        format!("{base}/{}", self.name)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        let (server, sql) =
            (self.server.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        // The test's own runtime may be what is being torn down, so a thread of its own does it.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(admin(&server, &sql));
        });
        assert!(
            dropped.join().is_ok() || std::thread::panicking(),
            "the database {} was left behind",
            self.name
        );
    }
}

async fn admin(server: &str, sql: &str) {
    let mut connection = sqlx::PgConnection::connect(server).await.expect("the server");
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
    done.expect("an empty database");
}
