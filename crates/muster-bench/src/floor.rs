//! The floor: read every page, parse it, forget it.

use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use muster_core::rules::Rules;
use muster_okta::address::{ExtraHosts, OktaAddress};
use muster_okta::client::{ClientConfig, OktaClient, Timer};
use muster_okta::keep::KeepAttributes;
use muster_okta::transport::{HttpConfig, HttpTransport, Transport};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    base: String,
    #[arg(long)]
    app_id: String,
    /// Of a simulator; a real one never belongs on a command line.
    #[arg(long)]
    token: String,
}

struct Wall;

impl Timer for Wall {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
        Timestamp::now()
    }

    fn wait_until(&self, _at: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // The simulator has no limits here, so nothing is ever waited for.
        Box::pin(std::future::ready(()))
    }
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(read(options))
}

/// A client of a simulator at `base`, as the service makes them, with all of the limit.
pub(crate) fn client(base: &str, token: &str, transport: Transport) -> anyhow::Result<OktaClient> {
    let hosts = ExtraHosts::parse(base.trim_start_matches("http://"))?;
    let address = OktaAddress::parse(base, &hosts, true)?.address;
    Ok(OktaClient::new(ClientConfig {
        address,
        token: token.to_owned().into(),
        share_percent: 100,
        transport,
        timer: Arc::new(Wall),
        seed: 1,
        page_size: 500,
        tries_max: 4,
    }))
}

/// The attributes that rules keep when they say nothing.
pub(crate) fn everything() -> anyhow::Result<KeepAttributes> {
    Ok(KeepAttributes::new(Rules::parse("")?.attribute_names()))
}

async fn read(options: &Options) -> anyhow::Result<()> {
    let extra_hosts = ExtraHosts::parse(options.base.trim_start_matches("http://"))?;
    let http = HttpTransport::new(HttpConfig { extra_hosts, proxy: None })?;
    let client = client(&options.base, &options.token, Transport::Http(http))?;
    let keep = everything()?;
    let mut people = 0;
    let mut next = None;
    loop {
        let page = client.app_users_page(&options.app_id, &keep, next.as_ref()).await?;
        people += page.users.len();
        next = page.next;
        if next.is_none() {
            println!("{people}");
            return Ok(());
        }
    }
}
