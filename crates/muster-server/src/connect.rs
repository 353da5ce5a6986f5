//! From a tenant's stored connection to a client that may call its Okta.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use muster_okta::address::{ExtraHosts, OktaAddress};
use muster_okta::client::{ClientConfig, OktaClient, SharedBudget, Timer};
use muster_okta::transport::Transport;
use muster_store::error::StoreError;
use muster_store::secrets::SecretField;
use muster_store::tenants::TenantDb;
use secrecy::SecretString;

use crate::clock::Clock;

/// A client for one tenant's Okta, and the app whose assignments say who is in.
pub struct Connected {
    pub client: OktaClient,
    pub app_id: String,
}

/// Why no client can be made.
#[derive(Debug, thiserror::Error)]
pub enum NotConnected {
    /// A value is missing; the text says which command sets it.
    #[error("{0}")]
    Incomplete(String),
    /// The stored address may not be called (any more).
    #[error("the stored Okta address may not be called: {0}")]
    Address(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes clients. The service goes over HTTP; a simulation stays in the process.
pub trait Connect: Send + Sync {
    /// A client for the tenant, if its connection is complete.
    fn connect<'a>(
        &'a self,
        tenant: &'a TenantDb,
    ) -> BoxFuture<'a, Result<Connected, NotConnected>>;
}

/// Connects with what the tenant stored, over whichever transport it is given.
pub struct OktaConnect {
    clock: Clock,
    extra_hosts: ExtraHosts,
    transport: Transport,
    seed: u64,
    page_size: u32,
    tries_max: u32,
    /// One an org: all runs of a process share what is left of its limits.
    budgets: Mutex<BTreeMap<String, SharedBudget>>,
}

/// How much of each rate limit may be used: the rest is for the org's other integrations.
const SHARE_PERCENT: u8 = 50;

impl OktaConnect {
    /// Makes clients that may, besides Okta's own hosts, call `extra_hosts`. `seed` is for the jitter of retries.
    pub fn new(clock: Clock, extra_hosts: ExtraHosts, transport: Transport, seed: u64) -> Self {
        let budgets = Mutex::default();
        Self { clock, extra_hosts, transport, seed, page_size: 500, tries_max: 4, budgets }
    }

    /// Asks for fewer people a page than Okta's most (500), so that a small org has several.
    #[must_use]
    pub fn with_page_size(mut self, people: u32) -> Self {
        self.page_size = people;
        self
    }

    /// Gives up sooner on a call that fails, because somebody waits for the answer.
    #[must_use]
    pub fn with_tries(mut self, tries_max: u32) -> Self {
        self.tries_max = tries_max;
        self
    }

    /// The way that clients go.
    pub fn transport(&self) -> Transport {
        self.transport.clone()
    }

    /// A client for looking at a connection that may not be complete: only its address must be set. Without a token, calls that
    /// need one are refused before they are made.
    pub async fn probe(&self, tenant: &TenantDb) -> Result<OktaClient, NotConnected> {
        let connection = tenant.connection().await?;
        let url = connection.api_url.ok_or_else(|| missing("the API URL", "--api-url URL"))?;
        let address = self.address(&url)?;
        let token = tenant.secret(SecretField::ApiToken, &address.host_key()).await?;
        Ok(self.made(address, token.unwrap_or_else(|| SecretString::from(""))))
    }

    async fn client(&self, tenant: &TenantDb) -> Result<Connected, NotConnected> {
        let connection = tenant.connection().await?;
        let url = connection.api_url.ok_or_else(|| missing("the API URL", "--api-url URL"))?;
        let client_id =
            connection.client_id.ok_or_else(|| missing("the client id", "--client-id ID"))?;
        let address = self.address(&url)?;
        let token = tenant
            .secret(SecretField::ApiToken, &address.host_key())
            .await?
            .ok_or_else(|| missing("the API token", "--api-token FILE"))?;
        let client = self.made(address, token);
        Ok(Connected { client, app_id: connection.app_id.unwrap_or(client_id) })
    }

    /// A custom domain was confirmed when it was stored; what must hold at each call is the guard on its address.
    fn address(&self, url: &str) -> Result<OktaAddress, NotConnected> {
        OktaAddress::parse(url, &self.extra_hosts, true)
            .map(|parsed| parsed.address)
            .map_err(|refused| NotConnected::Address(refused.to_string()))
    }

    fn made(&self, address: OktaAddress, token: SecretString) -> OktaClient {
        let timer: Arc<dyn Timer> = Arc::new(self.clock.clone());
        let host = address.host_key();
        let budget = self
            .budgets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(host)
            .or_insert_with(|| SharedBudget::new(SHARE_PERCENT))
            .clone();
        let config = ClientConfig {
            address,
            token,
            share_percent: SHARE_PERCENT,
            transport: self.transport.clone(),
            timer,
            seed: self.seed,
            page_size: self.page_size,
            tries_max: self.tries_max,
        };
        OktaClient::sharing(config, budget)
    }
}

fn missing(what: &str, option: &str) -> NotConnected {
    NotConnected::Incomplete(format!(
        "Okta is not connected: {what} is not set. Set it with `muster okta set SUB {option}`."
    ))
}

impl Connect for OktaConnect {
    fn connect<'a>(
        &'a self,
        tenant: &'a TenantDb,
    ) -> BoxFuture<'a, Result<Connected, NotConnected>> {
        Box::pin(self.client(tenant))
    }
}
