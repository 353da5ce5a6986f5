//! The service: the web, the loop of work and what they share, from the first connection to the last.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use muster_store::db::Db;
use muster_store::jobs::Due;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::clockwork::{Clockwork, Post};
use super::{App, OpenError, worker};
use crate::clock::{Clock, random_seed, stopped};
use crate::config::{Config, variables};
use crate::jobs::{EngineWork, Jobs, JobsConfig, Work};
use crate::telemetry::chain;
use crate::telemetry::metrics::{Metrics, Pulse};
use crate::web::{self, Groups, Web, WebConfig};

/// How far the clocks may be apart before it is said: leases are much longer.
const SKEW_MAX: SignedDuration = SignedDuration::from_secs(5);
/// How often the clocks are compared.
const COMPARE_EVERY: Duration = Duration::from_mins(10);
/// How long a stop may take altogether.
const GOODBYE: Duration = Duration::from_secs(10);

/// Where a service listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    pub public: SocketAddr,
    pub operators: Option<SocketAddr>,
}

/// A service that listens, and answers once [`Service::run`] is awaited.
pub struct Service {
    db: Db,
    clock: Clock,
    metrics: Arc<Metrics>,
    web: Web,
    groups: Groups,
    jobs: Jobs,
    clockwork: Clockwork,
    post: Option<Post>,
    wakes: mpsc::UnboundedReceiver<Due>,
    public: TcpListener,
    operators: Option<TcpListener>,
    listening: Listening,
    stop: watch::Sender<bool>,
}

impl App {
    /// Begins to listen where the configuration says.
    pub async fn listen(&self) -> Result<Service, OpenError> {
        self.listen_at(self.bind().await?).await
    }

    /// Listens at a place that was taken before: for whoever must know the port to say what the public URL is.
    pub async fn listen_at(&self, public: TcpListener) -> Result<Service, OpenError> {
        let metrics = Arc::new(Metrics::default());
        let told = Arc::clone(&metrics);
        let engine = self.engine()?.telling(Arc::new(move |tenant, events, at| {
            for event in events {
                told.applied(&tenant.to_string(), event.published, event.hook_at, at);
            }
        }));
        let work = EngineWork { engine: Arc::new(engine), log_poll: self.config.log_poll };
        self.listen_for(public, Arc::new(work), metrics).await
    }

    /// The same with the work done by somebody else, for tests.
    pub async fn listen_with(&self, work: Arc<dyn Work>) -> Result<Service, OpenError> {
        self.listen_for(self.bind().await?, work, Arc::new(Metrics::default())).await
    }

    /// Takes the place where the configuration says that the public is listened to.
    async fn bind(&self) -> Result<TcpListener, OpenError> {
        Ok(bind(self.config.listen, variables::LISTEN).await?.0)
    }

    async fn listen_for(
        &self,
        public: TcpListener,
        work: Arc<dyn Work>,
        metrics: Arc<Metrics>,
    ) -> Result<Service, OpenError> {
        let Config { listen, ops_listen, .. } = self.config;
        let here = public.local_addr().map_err(|cause| OpenError::Listen {
            address: listen,
            variable: variables::LISTEN,
            cause,
        })?;
        let (operators, there) = match ops_listen {
            Some(address) => {
                let (listener, address) = bind(address, variables::OPS_LISTEN).await?;
                (Some(listener), Some(address))
            }
            None => (None, None),
        };
        let (stop, stopped) = watch::channel(false);
        let (wake, wakes) = mpsc::unbounded_channel();
        let pulse = Arc::new(Pulse::default());
        let (web, groups) = Web::new(
            self.db.clone(),
            WebConfig {
                public_url: self.config.public_url.clone(),
                trusted_proxies: self.config.trusted_proxies.clone(),
                clock: self.clock.clone(),
                seed: random_seed(),
                metrics: Arc::clone(&metrics),
                pulse: Arc::clone(&pulse),
                wake: wake.clone(),
                stop: stopped,
                signin: self.signin(wake.clone())?,
                support_contact: self.config.support_contact.clone(),
            },
        );
        let post = self.mailer()?.map(|mailer| Post {
            db: self.db.clone(),
            clock: self.clock.clone(),
            mailer,
        });
        let clockwork = Clockwork {
            db: self.db.clone(),
            clock: self.clock.clone(),
            log_poll: self.config.log_poll,
            wake,
        };
        let jobs = Jobs::new(
            self.db.clone(),
            work,
            JobsConfig {
                clock: self.clock.clone(),
                seed: random_seed(),
                owner: worker(),
                lease: self.config.lease,
                metrics: Arc::clone(&metrics),
                pulse,
            },
        );
        Ok(Service {
            db: self.db.clone(),
            clock: self.clock.clone(),
            metrics,
            web,
            groups,
            jobs,
            clockwork,
            post,
            wakes,
            public,
            operators,
            listening: Listening { public: here, operators: there },
            stop,
        })
    }
}

async fn bind(
    address: SocketAddr,
    variable: &'static str,
) -> Result<(TcpListener, SocketAddr), OpenError> {
    let failed = |cause| OpenError::Listen { address, variable, cause };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let here = listener.local_addr().map_err(failed)?;
    Ok((listener, here))
}

/// A part of the service ended by itself, which none should: the log says which and why.
#[derive(Debug, thiserror::Error)]
#[error("a part of the service ended by itself; the log says why. Nothing is lost; start it again")]
pub struct PartEnded;

impl Service {
    /// Where it listens.
    pub fn listening(&self) -> Listening {
        self.listening
    }

    /// Answers and works until `stop` is over. Then nothing new is taken, answers under way are given, what was taken is
    /// stored, and work is finished or left to others.
    ///
    /// # Errors
    ///
    /// [`PartEnded`], after the same.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), PartEnded> {
        let Self {
            db,
            clock,
            metrics,
            web,
            groups,
            jobs,
            clockwork,
            post,
            wakes,
            public,
            operators,
            ..
        } = self;
        let stopped = || self.stop.subscribe();
        let mut tasks: JoinSet<()> = JoinSet::new();
        tasks.spawn(groups.run());
        tasks.spawn(jobs.run(wakes, stopped()));
        tasks.spawn(clockwork.run(stopped()));
        if let Some(post) = post {
            tasks.spawn(post.run(stopped()));
        }
        tasks.spawn(web::serve(public, web.public(), clock.clone(), stopped()));
        if let Some(listener) = operators {
            tasks.spawn(web::serve(listener, web.operators(), clock.clone(), stopped()));
        }
        tasks.spawn(compare_clocks(db, clock, metrics, stopped()));
        drop(web);
        let failed = tokio::select! {
            () = stop => false,
            // None of them ends by itself.
            ended = tasks.join_next() => {
                tracing::error!(?ended, "a part of the service ended");
                true
            }
        };
        tracing::info!("stopping");
        self.stop.send_replace(true);
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(GOODBYE, all).await.is_err() {
            tracing::warn!("not everything ended in time; nothing of it is lost");
        }
        if failed { Err(PartEnded) } else { Ok(()) }
    }
}

/// Warns when this clock and the database's are far apart: work would change hands too early or too late.
async fn compare_clocks(
    db: Db,
    clock: Clock,
    metrics: Arc<Metrics>,
    mut stop: watch::Receiver<bool>,
) {
    let mut times = interval(COMPARE_EVERY);
    times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            _ = times.tick() => {}
        }
        match db.server_time().await {
            Ok(Some(theirs)) => {
                let ahead = clock.now().duration_since(theirs);
                metrics.clock_skew(ahead.as_secs());
                if ahead.abs() > SKEW_MAX {
                    tracing::warn!(
                        seconds = ahead.as_secs(),
                        "THE CLOCK OF THIS MACHINE IS WRONG, or the database's is: set both by NTP"
                    );
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the database's clock cannot be read");
            }
        }
    }
}
