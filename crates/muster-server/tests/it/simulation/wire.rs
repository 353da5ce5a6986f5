//! The way from Muster to the simulated Okta, within the process, with places at which a seed can strike.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use muster_okta::{Exchange, Reply, Request, TransportError};
use muster_oktasim::{Cut, OrgHandle};
use muster_server::clock::Clock;
use tokio::sync::watch;

use super::company::Company;
use super::dice::Dice;
use super::life;

/// How long a call may last.
const WHOLE_CALL: SignedDuration = SignedDuration::from_secs(60);

/// What is thrown where a worker is to die.
pub(crate) struct Killed;

/// Where the worker under way is to die or to stand still, counted from the moment it is armed.
#[derive(Debug, Default)]
struct Aim {
    calls: u64,
    looks: u64,
    die_at_call: Option<u64>,
    die_at_look: Option<u64>,
    freeze_at_call: Option<u64>,
    change_at_call: Option<(u64, Dice)>,
    /// Whoever looks now is none of those counted.
    aside: bool,
}

/// The strikes that a seed has in store.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strikes {
    aim: Arc<Mutex<Aim>>,
    /// Told of each look at the clock.
    looked: watch::Sender<()>,
}

impl Strikes {
    fn aim(&self) -> MutexGuard<'_, Aim> {
        self.aim.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all strikes and begins to count anew.
    pub(crate) fn clear(&self) {
        *self.aim() = Aim::default();
    }

    pub(crate) fn die_at_call(&self, n: u64) {
        self.aim().die_at_call = Some(n);
    }

    pub(crate) fn die_at_look(&self, n: u64) {
        self.aim().die_at_look = Some(n);
    }

    pub(crate) fn freeze_at_call(&self, n: u64) {
        self.aim().freeze_at_call = Some(n);
    }

    /// Lets something happen in the company just before the n-th call.
    pub(crate) fn change_at_call(&self, n: u64, dice: Dice) {
        self.aim().change_at_call = Some((n, dice));
    }

    /// How often the clock was looked at, and the time, without counting this look.
    pub(crate) fn peek(&self, clock: &Clock) -> (u64, Timestamp) {
        self.aim().aside = true;
        let now = clock.now();
        let mut aim = self.aim();
        aim.aside = false;
        (aim.looks, now)
    }

    /// Tells of each look at the clock from now on.
    fn looks(&self) -> watch::Receiver<()> {
        self.looked.subscribe()
    }

    /// Called at each look at the clock. A panic at an armed one ends the worker there, as a kill would.
    pub(crate) fn looked(&self) {
        let mut aim = self.aim();
        if aim.aside {
            return;
        }
        aim.looks += 1;
        self.looked.send_replace(());
        if aim.die_at_look == Some(aim.looks) {
            drop(aim);
            // Quietly: nothing is wrong.
            std::panic::resume_unwind(Box::new(Killed));
        }
    }
}

/// The company's Okta, as Muster reaches it.
pub(crate) struct Wire {
    pub(crate) org: OrgHandle,
    pub(crate) clock: Clock,
    pub(crate) strikes: Strikes,
    pub(crate) company: Arc<Mutex<Company>>,
    /// How many calls stand still, and whether they may go on.
    pub(crate) frozen: watch::Sender<u64>,
    pub(crate) released: watch::Sender<bool>,
}

impl Wire {
    pub(crate) fn company(&self) -> MutexGuard<'_, Company> {
        self.company.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands still until released. Whoever stays awake gives the call up after a while, as every HTTP client does: its place
    /// in Okta's limits must not be taken for ever.
    async fn stand_still(&self) -> Result<(), TransportError> {
        let mut released = self.released.subscribe();
        let mut looks = self.strikes.looks();
        let (_, began) = self.strikes.peek(&self.clock);
        self.frozen.send_modify(|calls| *calls += 1);
        loop {
            tokio::select! {
                biased;
                // The senders live as long as we do.
                _ = released.wait_for(|released| *released) => return Ok(()),
                _ = looks.changed() => {}
            }
            let (_, now) = self.strikes.peek(&self.clock);
            if now.duration_since(began) > WHOLE_CALL {
                return Err(TransportError::Timeout);
            }
        }
    }

    async fn answer(&self, request: Request) -> Result<Reply, TransportError> {
        let (die, freeze, change) = {
            let mut aim = self.strikes.aim();
            aim.calls += 1;
            let n = aim.calls;
            let change = match &aim.change_at_call {
                Some((at, _)) if *at == n => aim.change_at_call.take(),
                _ => None,
            };
            (aim.die_at_call == Some(n), aim.freeze_at_call == Some(n), change)
        };
        if die {
            std::panic::resume_unwind(Box::new(Killed));
        }
        if freeze {
            self.stand_still().await?;
        }
        if let Some((_, mut dice)) = change {
            for _ in 0..dice.within(1, 4) {
                life::happen(&mut self.company(), &mut dice);
            }
        }
        let now = self.clock.now();
        let call = muster_oktasim::Request {
            method: request.method,
            target: request.path_and_query,
            headers: request.headers,
            body: request.body,
            in_flight: 1,
        };
        let reply = self.org.handle(&call, now);
        self.clock.advance(Duration::from_millis(20 + reply.delay_ms));
        match reply.cut {
            Some(Cut::Drop) => Err(TransportError::Timeout),
            Some(Cut::After(bytes)) if bytes < reply.body.len() => Err(TransportError::Cut),
            _ => Ok(Reply {
                status: reply.status,
                headers: reply
                    .headers
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect(),
                body: reply.body,
            }),
        }
    }
}

impl Exchange for Wire {
    fn exchange(&self, request: Request) -> BoxFuture<'_, Result<Reply, TransportError>> {
        Box::pin(self.answer(request))
    }
}
