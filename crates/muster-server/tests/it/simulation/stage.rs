//! One tenant on a stage: a database, an Okta org, a clock, and workers that may die at any place.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use jiff::Timestamp;
use muster_core::id::{IdSource, RunId};
use muster_core::person::Email;
use muster_core::run::{RunCause, RunKind};
use muster_core::tenant::TenantSlug;
use muster_okta::{ExtraHosts, Transport};
use muster_oktasim::{Action, Org, OrgHandle};
use muster_server::clock::Clock;
use muster_server::sync::{Engine, EngineConfig, OktaConnect, Pace, RunError};
use muster_store::connection::ConnectionUpdate;
use muster_store::db::Db;
use muster_store::runs::{NewRun, Run};
use muster_store::tenants::NewTenant;
use muster_store::{StoreError, TenantDb};
use secrecy::SecretString;
use tokio::sync::watch;

use super::company::Company;
use super::dice::Dice;
use super::hands::{BY, HandManagers};
use super::life;
use super::policy::Policy;
use super::wire::{Killed, Strikes, Wire};

/// How long a worker that went away keeps its lane.
const LEASE: Duration = Duration::from_mins(1);

/// How a run is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workers {
    /// By one worker to its end.
    One,
    /// The first is killed at a look at the clock or at a call; the next takes over after the lease.
    Killed,
    /// The first is dropped wherever it waits after so many polls. What was done by then depends on the machine.
    Dropped,
    /// The first stands still in a call; the next takes over after the lease; then the first wakes up.
    Frozen,
    /// Two from the beginning.
    Two,
}

pub(crate) struct Stage {
    pub(crate) db: Db,
    pub(crate) tenant: TenantDb,
    pub(crate) clock: Clock,
    pub(crate) strikes: Strikes,
    pub(crate) wire: Arc<Wire>,
    pub(crate) ids: IdSource,
    pub(crate) policy: Policy,
    /// The rules of each revision.
    pub(crate) policies: BTreeMap<i64, Policy>,
    pub(crate) hands: HandManagers,
    pub(crate) log_readable: bool,
    /// How the process reaches Okta in which everybody works who never stands still.
    connect: Arc<OktaConnect>,
    page_size: u32,
}

impl Stage {
    /// A tenant of its own in `db`, connected to an org of its own.
    pub(crate) async fn set(db: Db, seed: u64, dice: &mut Dice) -> Result<Self, StoreError> {
        let start: Timestamp = "2026-03-02T08:00:00Z".parse().expect("a time");
        let strikes = Strikes::default();
        let told = strikes.clone();
        let clock = Clock::watched(start, move || told.looked());
        let mut org = Org::empty("acme", seed, start);
        org.base = "https://acme.okta.com".to_owned();
        org.settings.page_cap = Some(dice.within(2, 12));
        let org = OrgHandle::new(org);
        let mut company = Company::new(org.clone(), clock.clone());
        found(&mut company, dice);
        let wire = Arc::new(Wire {
            org: org.clone(),
            clock: clock.clone(),
            strikes: strikes.clone(),
            company: Arc::new(Mutex::new(company)),
            frozen: watch::Sender::new(0),
            released: watch::Sender::new(false),
        });
        let mut ids = IdSource::seeded(dice.bytes());
        let policy = Policy::first(dice);
        let new = NewTenant {
            owner_link: None,
            slug: TenantSlug::parse(&format!("s{seed}x")).expect("a slug"),
            name: "Acme".to_owned(),
            owner: Email::parse("olga.owner@acme.example").expect("an address"),
            rules: policy.toml(),
        };
        let tenant = db.create_tenant(&new, BY, &mut ids, start).await?;
        let tenant = db.tenant(tenant.id);
        tenant.set_okta_enabled(true, BY, &mut ids, start).await?;
        let update = ConnectionUpdate {
            api_url: Some("https://acme.okta.com".to_owned()),
            client_id: Some(org.client_id()),
            api_token: Some(SecretString::from(org.api_token())),
            ..ConnectionUpdate::default()
        };
        tenant.set_connection(update, BY, &mut ids, start).await?;
        let transport = Transport::InProcess(wire.clone());
        let page_size = u32::try_from(dice.within(3, 12)).expect("it fits");
        let connect =
            OktaConnect::new(clock.clone(), ExtraHosts::default(), transport, dice.next());
        let connect = Arc::new(connect.with_page_size(page_size));
        Ok(Self {
            db,
            tenant,
            clock,
            strikes,
            wire,
            ids,
            policies: BTreeMap::from([(1, policy.clone())]),
            policy,
            hands: HandManagers::new(),
            log_readable: dice.chance(75),
            connect,
            page_size,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn engine(&self, owner: &str, dice: &mut Dice) -> Engine {
        self.engine_of(owner, self.connect.clone(), dice)
    }

    /// An engine in a process of its own: what stands still there keeps nobody's share of Okta's limits.
    fn engine_apart(&self, owner: &str, dice: &mut Dice) -> Engine {
        let transport = Transport::InProcess(self.wire.clone());
        let connect =
            OktaConnect::new(self.clock.clone(), ExtraHosts::default(), transport, dice.next());
        self.engine_of(owner, Arc::new(connect.with_page_size(self.page_size)), dice)
    }

    fn engine_of(&self, owner: &str, connect: Arc<OktaConnect>, dice: &mut Dice) -> Engine {
        let config = EngineConfig {
            clock: self.clock.clone(),
            seed: dice.bytes(),
            connect,
            owner: owner.to_owned(),
            lease: LEASE,
            pace: Pace::STEP_BY_STEP,
        };
        Engine::new(self.db.clone(), config)
    }

    /// Asks for a run.
    pub(crate) async fn request(
        &mut self,
        kind: RunKind,
        cause: RunCause,
        approves: Option<RunId>,
    ) -> Result<RunId, StoreError> {
        let now = self.now();
        let new =
            NewRun { id: self.ids.next(now), kind, cause, actor: "os:olga".to_owned(), approves };
        Ok(self.tenant.request_run(&new, now).await?.run)
    }

    /// Works on a run until it is finished. `between` may change the company while nobody works.
    pub(crate) async fn drive(
        &mut self,
        run: RunId,
        workers: Workers,
        mut dice: Dice,
        between: bool,
    ) -> Result<Run, RunError> {
        match workers {
            Workers::One => {}
            Workers::Killed | Workers::Dropped => {
                for _ in 0..dice.within(1, 3) {
                    let ended = match workers {
                        Workers::Killed => self.killed(run, &mut dice).await?,
                        _ => self.dropped(run, &mut dice).await?,
                    };
                    if let Some(run) = ended {
                        return Ok(run);
                    }
                    self.clock.advance(LEASE + Duration::from_secs(1));
                    if between && dice.chance(30) {
                        self.clock.advance(Duration::from_secs(60 * dice.below(50) as u64));
                        for _ in 0..dice.below(4) {
                            life::happen(&mut self.wire.company(), &mut dice);
                        }
                    }
                }
            }
            Workers::Frozen => return self.frozen(run, &mut dice).await,
            Workers::Two => {
                let (one, other) = (self.engine("one", &mut dice), self.engine("two", &mut dice));
                let (first, second) =
                    tokio::join!(one.drive(&self.tenant, run), other.drive(&self.tenant, run));
                second?;
                return first;
            }
        }
        self.engine("last", &mut dice).drive(&self.tenant, run).await
    }

    /// Works on a run until it is killed; gives the run if that never came.
    async fn killed(&self, run: RunId, dice: &mut Dice) -> Result<Option<Run>, RunError> {
        let engine = self.engine("mortal", dice);
        let far = if dice.chance(50) { 12 } else { 60 };
        if dice.chance(60) {
            self.strikes.die_at_look(dice.within(1, far * 2) as u64);
        } else {
            self.strikes.die_at_call(dice.within(1, far / 4) as u64);
        }
        let worked = AssertUnwindSafe(engine.drive(&self.tenant, run)).catch_unwind().await;
        self.strikes.clear();
        match worked {
            Ok(done) => done.map(Some),
            Err(panic) if panic.is::<Killed>() => Ok(None),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Works on a run for so many polls and drops the worker then; gives the run if it was done before.
    async fn dropped(&self, run: RunId, dice: &mut Dice) -> Result<Option<Run>, RunError> {
        let engine = self.engine("mortal", dice);
        let mut left = dice.within(1, 400);
        let mut work = pin!(engine.drive(&self.tenant, run));
        std::future::poll_fn(|context| {
            if left == 0 {
                return Poll::Ready(Ok(None));
            }
            left -= 1;
            work.as_mut().poll(context).map(|done| done.map(Some))
        })
        .await
    }

    /// Lets a worker stand still in a call until another has taken over and come to a call of its own, or to the end.
    async fn frozen(&self, run: RunId, dice: &mut Dice) -> Result<Run, RunError> {
        let (first, second) = (self.engine_apart("sleeper", dice), self.engine("second", dice));
        let mut frozen = self.wire.frozen.subscribe();
        let before = *frozen.borrow_and_update();
        self.wire.released.send_replace(false);
        self.strikes.freeze_at_call(dice.within(1, 12) as u64);
        let mut sleeper = pin!(first.drive(&self.tenant, run));
        // Whoever stands still must not keep others from the database: first a page that is being written is waited for,
        // then the beat of its heart, after which it does nothing for a while.
        let (_, now) = self.strikes.peek(&self.clock);
        let mut written = pin!(self.tenant.write(now).map(drop));
        let mut is_written = false;
        let slept = std::future::poll_fn(|context| {
            let before_poll = self.strikes.peek(&self.clock);
            if let Poll::Ready(done) = sleeper.as_mut().poll(context) {
                return Poll::Ready(Some(done));
            }
            let after_poll = self.strikes.peek(&self.clock);
            if *frozen.borrow_and_update() == before {
                return Poll::Pending;
            }
            if !is_written {
                is_written = written.as_mut().poll(context).is_ready();
                return Poll::Pending;
            }
            let waits = after_poll.0 == before_poll.0 && after_poll.1 > before_poll.1;
            if waits { Poll::Ready(None) } else { Poll::Pending }
        });
        if let Some(done) = slept.await {
            self.strikes.clear();
            return done;
        }
        self.strikes.clear();
        self.clock.advance(LEASE + Duration::from_secs(1));
        let again = dice.chance(50);
        if again {
            self.strikes.freeze_at_call(dice.within(1, 6) as u64);
        }
        let mut worker = pin!(second.drive(&self.tenant, run));
        // The sleeper is not polled meanwhile: its heart stands still too.
        let ended = tokio::select! {
            biased;
            done = &mut worker => Some(done),
            _ = frozen.wait_for(|calls| *calls > before + 1) => None,
        };
        self.strikes.clear();
        self.wire.released.send_replace(true);
        if let Some(done) = ended {
            sleeper.await?;
            done
        } else {
            let (slept, worked) = tokio::join!(sleeper, worker);
            slept?;
            worked
        }
    }
}

/// The company at its beginning: the administrator, the group, and some people.
fn found(company: &mut Company, dice: &mut Dice) {
    let profile = serde_json::json!({
        "login": "it@acme.example", "email": "it@acme.example", "firstName": "Ira", "lastName": "Tech"
    });
    let profile = profile.as_object().cloned().unwrap_or_default();
    company.act(&Action::Create {
        profile,
        groups: Vec::new(),
        assign: false,
        activate: true,
        password: true,
    });
    company.admin = company.now.keys().next().cloned().unwrap_or_default();
    let group = life::GROUP.to_owned();
    company.act(&Action::CreateGroup { name: group.clone() });
    company.act(&Action::AssignGroup { group, app: None });
    for _ in 0..dice.within(3, 18) {
        life::hire(company, dice);
    }
}
