//! The only part that touches the network and the clock: serves an org over HTTP and calls its event hooks.

mod clock;
mod courier;
mod server;
mod stream;

use std::net::{Ipv4Addr, SocketAddr};

use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::handle::OrgHandle;
use crate::org;
use crate::state::Org;
use crate::state::limits::Preset;

/// How a simulator starts.
#[derive(Debug, Clone)]
pub struct SimConfig {
    /// 0 takes a free port.
    pub port: u16,
    /// How many people; 0 is the demo company Fernhill.
    pub people: u32,
    pub seed: u64,
    pub limits: Preset,
    /// How long every answer is held back.
    pub latency_ms: u64,
}

impl Default for SimConfig {
    fn default() -> Self {
        Self { port: 0, people: 0, seed: 1, limits: Preset::None, latency_ms: 0 }
    }
}

/// Starts simulators.
#[derive(Debug)]
pub struct Sim;

/// Why a simulator could not start.
#[derive(Debug, thiserror::Error)]
pub enum SimError {
    #[error("cannot listen on 127.0.0.1:{port}")]
    Listen {
        port: u16,
        #[source]
        cause: std::io::Error,
    },
}

/// A simulator that serves until it is dropped.
#[derive(Debug)]
pub struct RunningSim {
    org: OrgHandle,
    base: String,
    address: SocketAddr,
    /// Dropping the set ends the server and the courier.
    tasks: JoinSet<()>,
}

impl Sim {
    /// Builds the org that the configuration names and serves it.
    pub async fn start(config: SimConfig) -> Result<RunningSim, SimError> {
        let today = clock::now().to_zoned(TimeZone::UTC).date();
        let org = if config.people == 0 {
            org::fernhill(config.seed, today)
        } else {
            org::scaled(config.people, config.seed, today)
        };
        Self::serve(org, &config).await
    }

    /// Serves an org that the caller built.
    pub async fn serve(mut org: Org, config: &SimConfig) -> Result<RunningSim, SimError> {
        let listen = |cause| SimError::Listen { port: config.port, cause };
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, config.port)).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let base = format!("http://{address}");
        org.base.clone_from(&base);
        org.limits.preset = config.limits;
        org.settings.latency_ms = config.latency_ms;
        let org = OrgHandle::new(org);
        let mut tasks = JoinSet::new();
        tasks.spawn(server::serve(listener, org.clone()));
        tasks.spawn(courier::run(org.clone()));
        Ok(RunningSim { org, base, address, tasks })
    }
}

impl RunningSim {
    /// Scheme, host and port.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The org, for everything that needs no HTTP.
    pub fn org(&self) -> &OrgHandle {
        &self.org
    }

    /// The id of the app under test.
    pub fn app_id(&self) -> String {
        self.org.app_id()
    }

    /// The client id of the app under test.
    pub fn client_id(&self) -> String {
        self.org.client_id()
    }

    /// The client secret of the app under test.
    pub fn client_secret(&self) -> String {
        self.org.client_secret()
    }

    /// The API token.
    pub fn api_token(&self) -> String {
        self.org.api_token()
    }

    /// Waits for ever: until the server ends, which it does only when it cannot go on.
    pub async fn wait(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}
