//! The only place that reads the time or draws a random seed.
//!
//! Everything else is given `now` as an argument or waits through a [`Clock`], so that a test can let a day pass at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

/// The wall clock, or one that stands still until it is told to move.
#[derive(Debug, Clone)]
pub enum Clock {
    /// The machine's clock.
    Wall,
    /// A clock for tests: waiting moves it forward at once.
    Manual(Arc<ManualClock>),
}

/// A clock that stands still until it is told to move.
pub struct ManualClock {
    micros: AtomicI64,
    looked: Box<dyn Fn() + Send + Sync>,
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ManualClock").field(&self.micros).finish()
    }
}

impl Clock {
    /// A clock for tests that begins at `start`.
    pub fn manual(start: Timestamp) -> Self {
        Self::watched(start, || {})
    }

    /// A clock for tests that tells of each look at it. Every step of a run looks several times, so whoever is told can
    /// break a run off at any of these places.
    pub fn watched(start: Timestamp, looked: impl Fn() + Send + Sync + 'static) -> Self {
        let micros = AtomicI64::new(start.as_microsecond());
        Self::Manual(Arc::new(ManualClock { micros, looked: Box::new(looked) }))
    }

    /// The present moment, in whole microseconds, as the database keeps it.
    pub fn now(&self) -> Timestamp {
        let micros = match self {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            Self::Wall => Timestamp::now().as_microsecond(),
            Self::Manual(clock) => {
                (clock.looked)();
                clock.micros.load(Ordering::SeqCst)
            }
        };
        Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Waits. A manual clock moves forward by `pause` instead and lets other tasks run once.
    pub async fn pause(&self, pause: Duration) {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the clock")]
            Self::Wall => tokio::time::sleep(pause).await,
            Self::Manual(clock) => {
                let micros = i64::try_from(pause.as_micros()).unwrap_or(0);
                clock.micros.fetch_add(micros, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Moves a manual clock; the wall clock is left alone.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(clock) = self {
            clock.micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(0), Ordering::SeqCst);
        }
    }
}

/// Waits until it is time to stop.
pub async fn stopped(stop: &mut tokio::sync::watch::Receiver<bool>) {
    // An error means that nobody can say so any more: that is a stop, too.
    let _ = stop.wait_for(|stop| *stop).await;
}

impl muster_okta::client::Timer for Clock {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    fn wait_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        let micros = at.as_microsecond() - self.now().as_microsecond();
        let pause = Duration::from_micros(u64::try_from(micros).unwrap_or(0));
        Box::pin(async move {
            if !pause.is_zero() {
                self.pause(pause).await;
            }
        })
    }
}

/// Thirty-two bytes from the operating system: what ids, nonces and jitter are drawn from.
pub fn random_seed() -> [u8; 32] {
    use rand::Rng as _;
    let mut seed = [0; 32];
    #[expect(clippy::disallowed_methods, reason = "this is where randomness enters")]
    rand::rng().fill_bytes(&mut seed);
    seed
}
