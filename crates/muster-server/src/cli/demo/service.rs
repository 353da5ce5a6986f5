//! The service of the demo: what `muster serve` runs, in this process and on a port of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::app::App;
use crate::cli::exit::CliError;
use crate::config::PublicUrl;

/// How often the System Log is read in the demo. Nobody wants to watch five minutes pass.
pub(super) const LOG_POLL: Duration = Duration::from_secs(3);

/// A service that answers until it is stopped, or broken off when it is dropped.
pub(super) struct Serving {
    stop: oneshot::Sender<()>,
    ends: JoinSet<()>,
}

impl Serving {
    /// Begins to serve: the first time on any port that is free, from then on the same again.
    pub(super) async fn start(app: &mut App) -> Result<Self, CliError> {
        let listener = TcpListener::bind(app.config.listen).await;
        let at = listener.as_ref().ok().and_then(|listener| listener.local_addr().ok());
        let (Ok(listener), Some(at)) = (listener, at) else {
            return Err(CliError::Failed(format!("cannot listen on {}", app.config.listen)));
        };
        app.config.listen = at;
        app.config.public_url = PublicUrl::parse(&format!("http://localhost:{}", at.port()))
            .map_err(CliError::Failed)?;
        let service = app.listen_at(listener).await?;
        let (stop, asked) = oneshot::channel();
        let mut ends = JoinSet::new();
        ends.spawn(async {
            // Who cannot ask any more wants no service any more. Why a part of it ended is in the log.
            let _ = service.run(async { asked.await.unwrap_or_default() }).await;
        });
        Ok(Self { stop, ends })
    }

    /// Ends as `muster serve` does: answers under way are given, what was taken is stored.
    pub(super) async fn stop(mut self) {
        // It may have ended before.
        let _ = self.stop.send(());
        while self.ends.join_next().await.is_some() {}
    }
}

/// Where the service is looked for before it ever ran.
pub(super) fn any_port() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}
