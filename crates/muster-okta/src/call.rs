//! One call from its turn to its answer: waiting for the rate limit, trying again where that can help.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use muster_core::budget::Budget;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use crate::address::OktaAddress;
use crate::auth::Credentials;
use crate::client::Timer;
use crate::error::{Answer, Judged, OktaError, judge};
use crate::limits::{LimitHeaders, Share, Throttle, bucket};
use crate::reply::Reply;
use crate::request::{Limits, Request, with_smaller_page};
use crate::transport::{Transport, TransportError};

/// How often one call is sent when it meets faults that may pass, unless whoever asks has less time.
pub(crate) const TRIES_MAX: u32 = 4;
/// Pauses before the second, third and fourth try, in milliseconds, shortened at random by up to half: 26 s at most.
const PAUSES_MS: [u64; 3] = [2_000, 6_000, 18_000];
/// How often one call waits out a limit. With the longest wait that is half an hour.
const RESETS_MAX: u32 = 20;
/// No wait for a window is longer: a reset further ahead is a mistake (okta-sdk-nodejs #409).
const WAIT_SECONDS_MAX: i64 = 90;
/// Pauses after "too many at once", in milliseconds, growing to the last; shortened at random by up to half.
const AT_ONCE_MS: [u64; 5] = [500, 1_000, 2_000, 4_000, 8_000];
/// Calls under way at once. Small orgs allow 15 over all of their integrations, so half of that is polite.
const AT_ONCE_MAX: usize = 8;
/// How often a call gives way before it is told that the limit is used up: others may take each window before it.
const TURNS_MAX: u32 = 200;

/// A call to make.
pub(crate) struct Call {
    /// In plain words, for errors: "reading a page of the app's people".
    pub doing: &'static str,
    /// Path and query.
    pub path_and_query: String,
    pub method: http::Method,
    /// What is sent, and its content type.
    pub body: Option<(&'static str, Bytes)>,
    pub proof: Proof,
    /// Whether sending it twice does no more than sending it once. What does not is sent again only when Okta certainly did
    /// not carry it out: after a limit.
    pub repeatable: bool,
}

/// With what a call shows who makes it.
pub(crate) enum Proof {
    /// The API token.
    Token,
    /// Nothing: for what an org tells everybody.
    None,
    /// This value of `Authorization`.
    Header(SecretString),
}

impl Call {
    pub(crate) fn get(doing: &'static str, path_and_query: String) -> Self {
        Self {
            doing,
            path_and_query,
            method: http::Method::GET,
            body: None,
            proof: Proof::Token,
            repeatable: true,
        }
    }

    /// A call that changes something, with a JSON body or none.
    pub(crate) fn change(
        doing: &'static str,
        method: http::Method,
        path: String,
        body: Option<Vec<u8>>,
    ) -> Self {
        // HTTP says of PUT that once and twice are the same, and of POST that they need not be.
        let repeatable = method != http::Method::POST;
        let body = body.map(|json| ("application/json", Bytes::from(json)));
        Self { method, body, repeatable, ..Self::get(doing, path) }
    }
}

/// What a call gave, and when it was asked for.
pub(crate) struct Served {
    pub reply: Reply,
    /// When the try that was served was sent: what the reply shows is not older.
    pub requested_at: Timestamp,
}

pub(crate) struct Caller {
    pub address: OktaAddress,
    pub credentials: Credentials,
    pub transport: Transport,
    pub timer: Arc<dyn Timer>,
    tries_max: u32,
    slots: Semaphore,
    calls: AtomicU64,
    budget: SharedBudget,
    /// Whether a part of the budget is left to others who share it.
    patient: AtomicBool,
    state: Mutex<State>,
}

struct State {
    share: Share,
    random: ChaCha8Rng,
}

/// What is left of an org's rate limits for us. Clients that call the same org must share one, or each would take a share of
/// its own.
#[derive(Debug, Clone)]
pub struct SharedBudget(Arc<Mutex<Budget>>);

impl SharedBudget {
    /// A budget of `share_percent` (1 to 100) of what Okta allows the org and others leave.
    pub fn new(share_percent: u8) -> Self {
        Self(Arc::new(Mutex::new(Budget::new(share_percent.clamp(1, 100)))))
    }

    fn get(&self) -> MutexGuard<'_, Budget> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one call went through so far.
#[derive(Default)]
struct Tries {
    /// How often the call may be sent when it meets faults that may pass.
    max: u32,
    faults: u32,
    resets: u32,
    unreadable: u32,
    sent: u32,
    /// The id of the first try that got an answer: Okta wants it on each further one.
    first_request_id: Option<String>,
}

impl Caller {
    pub(crate) fn new(
        address: OktaAddress,
        credentials: Credentials,
        transport: Transport,
        timer: Arc<dyn Timer>,
        tries_max: u32,
        budget: SharedBudget,
        random: ChaCha8Rng,
    ) -> Self {
        let state = Mutex::new(State { share: Share::default(), random });
        let slots = Semaphore::new(AT_ONCE_MAX);
        let (calls, patient) = (AtomicU64::new(0), AtomicBool::new(false));
        Self {
            address,
            credentials,
            transport,
            timer,
            tries_max,
            slots,
            calls,
            budget,
            patient,
            state,
        }
    }

    pub(crate) fn be_patient(&self) {
        self.patient.store(true, Ordering::Relaxed);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn share(&self) -> Option<(u64, u64)> {
        self.state().share.most()
    }

    /// Makes a call and reads its answer with `read`, whose error says what cannot be read.
    pub(crate) async fn call<T>(
        &self,
        call: Call,
        read: impl Fn(&Served) -> Result<T, String> + Send + Sync,
    ) -> Result<T, OktaError> {
        let Call { doing, mut path_and_query, method, body, proof, repeatable } = call;
        let proof = match proof {
            Proof::None => None,
            Proof::Header(header) => Some(header.expose_secret().to_owned()),
            Proof::Token => match self.credentials.header() {
                Some(header) => Some(header),
                None => return Err(OktaError::BadToken { doing }),
            },
        };
        let bucket = bucket(&path_and_query);
        // Given out in order, and never closed; without it the call would only be less polite.
        let _slot = self.slots.acquire().await.ok();
        let mut tries =
            Tries { max: if repeatable { self.tries_max } else { 1 }, ..Tries::default() };
        loop {
            let place = self.turn(doing, bucket).await?;
            let mut request = request(&path_and_query, proof.as_deref(), &tries);
            request.method = method.clone();
            if let Some((kind, body)) = &body {
                request.headers.push(("content-type".to_owned(), (*kind).to_owned()));
                request.body = body.clone();
            }
            let requested_at = self.timer.now();
            tries.sent += 1;
            self.calls.fetch_add(1, Ordering::Relaxed);
            let span = tracing::debug_span!(
                "okta",
                otel.kind = "client",
                doing,
                bucket,
                attempt = tries.sent
            );
            let outcome = self.transport.send(&self.address, request).instrument(span).await;
            place.note(outcome.as_ref().ok());
            let reply = match outcome {
                Ok(reply) if reply.body.len() > Limits::API.body_max => {
                    Err(TransportError::TooLarge { limit: Limits::API.body_max })
                }
                other => other,
            };
            let reply = match reply {
                Ok(reply) => reply,
                Err(cause) => {
                    self.after_silence(doing, cause, &mut tries, &mut path_and_query).await?;
                    continue;
                }
            };
            if tries.first_request_id.is_none() {
                tries.first_request_id = reply.request_id().map(str::to_owned);
            }
            match judge(&reply, &path_and_query) {
                Judged::Served => {
                    let served = Served { reply, requested_at };
                    match read(&served) {
                        Ok(value) => return Ok(value),
                        Err(why) => {
                            self.after_nonsense(doing, &served.reply, why, &mut tries).await?;
                        }
                    }
                }
                Judged::NotOkta => {
                    let why =
                        "it was not written by Okta; a proxy or a portal may stand in between";
                    self.after_nonsense(doing, &reply, why.to_owned(), &mut tries).await?;
                }
                Judged::Throttled(throttle) => {
                    self.after_throttle(doing, &reply, throttle, &mut tries).await?;
                }
                Judged::Passing(answer) => {
                    self.after_fault(doing, answer, &mut tries, &mut path_and_query).await?;
                }
                Judged::Refused(answer) => {
                    return Err(OktaError::Answered { doing, answer: Box::new(answer) });
                }
                Judged::Redirect => {
                    return Err(OktaError::Redirected { doing, status: reply.status });
                }
            }
        }
    }

    /// Waits until the budget lets us call, and takes a place in it.
    async fn turn(
        &self,
        doing: &'static str,
        bucket: Option<&'static str>,
    ) -> Result<Place<'_>, OktaError> {
        let Some(name) = bucket else {
            return Ok(Place { caller: self, bucket, began: self.timer.now() });
        };
        let mut until = Timestamp::UNIX_EPOCH;
        for _ in 0..TURNS_MAX {
            let now = self.timer.now();
            match self.start(name, now) {
                Ok(()) => return Ok(Place { caller: self, bucket, began: now }),
                Err(not_before) => {
                    until = not_before.max(later(now, SignedDuration::from_millis(100)));
                }
            }
            tracing::debug!(bucket, until = %until, "waiting for Okta's rate limit");
            self.timer.wait_until(until).await;
        }
        Err(OktaError::RateLimited { doing, until, request_id: None })
    }

    /// Takes a place in the budget, or says when to ask again.
    fn start(&self, bucket: &str, now: Timestamp) -> Result<(), Timestamp> {
        let mut budget = self.budget.get();
        if self.patient.load(Ordering::Relaxed) {
            budget.start_patiently(bucket, now)
        } else {
            budget.start(bucket, now)
        }
    }

    async fn after_silence(
        &self,
        doing: &'static str,
        cause: TransportError,
        tries: &mut Tries,
        path_and_query: &mut String,
    ) -> Result<(), OktaError> {
        let smaller = match &cause {
            TransportError::Timeout | TransportError::TooLarge { .. } => {
                with_smaller_page(path_and_query)
            }
            _ => None,
        };
        let hopeless = match &cause {
            TransportError::Refused { .. } => true,
            TransportError::TooLarge { .. } => smaller.is_none(),
            _ => false,
        };
        if hopeless || !self.pause_after_fault(tries).await {
            return Err(OktaError::NoReply { doing, cause });
        }
        tracing::info!(doing, cause = %cause, "no answer from Okta, trying again");
        if let Some(smaller) = smaller {
            *path_and_query = smaller;
        }
        Ok(())
    }

    async fn after_fault(
        &self,
        doing: &'static str,
        answer: Answer,
        tries: &mut Tries,
        path_and_query: &mut String,
    ) -> Result<(), OktaError> {
        let status = answer.status;
        // 409 means "try again in minutes", which is longer than a call lasts.
        if status == 409 || !self.pause_after_fault(tries).await {
            return Err(OktaError::Answered { doing, answer: Box::new(answer) });
        }
        tracing::info!(doing, status, "Okta has a fault, trying again");
        if matches!(status, 500 | 504)
            && let Some(smaller) = with_smaller_page(path_and_query)
        {
            *path_and_query = smaller;
        }
        Ok(())
    }

    async fn after_nonsense(
        &self,
        doing: &'static str,
        reply: &Reply,
        why: String,
        tries: &mut Tries,
    ) -> Result<(), OktaError> {
        if tries.unreadable > 0 || !self.pause_after_fault(tries).await {
            let request_id = reply.request_id().map(str::to_owned);
            return Err(OktaError::Unreadable { doing, status: reply.status, why, request_id });
        }
        tries.unreadable += 1;
        tracing::info!(doing, why, "an answer cannot be read, trying once more");
        Ok(())
    }

    async fn after_throttle(
        &self,
        doing: &'static str,
        reply: &Reply,
        throttle: Throttle,
        tries: &mut Tries,
    ) -> Result<(), OktaError> {
        let now = self.timer.now();
        let wait = match throttle {
            Throttle::Window => window_wait(reply, now),
            Throttle::AtOnce { retry_after: Some(seconds) } => {
                SignedDuration::from_secs(seconds.into())
            }
            Throttle::AtOnce { retry_after: None } => {
                let step = (tries.resets as usize).min(AT_ONCE_MS.len() - 1);
                self.shortened(AT_ONCE_MS[step])
            }
        };
        let until = later(now, wait);
        tries.resets += 1;
        if tries.resets > RESETS_MAX {
            let request_id = reply.request_id().map(str::to_owned);
            return Err(OktaError::RateLimited { doing, until, request_id });
        }
        tracing::info!(doing, until = %until, "Okta limits calls, waiting");
        self.timer.wait_until(until).await;
        Ok(())
    }

    /// Waits before a further try; false when there is none left.
    async fn pause_after_fault(&self, tries: &mut Tries) -> bool {
        tries.faults += 1;
        if tries.faults >= tries.max {
            return false;
        }
        let step = (tries.faults as usize - 1).min(PAUSES_MS.len() - 1);
        let until = later(self.timer.now(), self.shortened(PAUSES_MS[step]));
        self.timer.wait_until(until).await;
        true
    }

    /// Between a half and the whole of a pause, so that many callers do not come back at once.
    fn shortened(&self, millis: u64) -> SignedDuration {
        let random = u64::from(self.state().random.next_u32());
        let millis = millis / 2 + ((millis / 2 * random) >> 32);
        SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the budget, given back when the call ends, a call that is dropped half-way included.
struct Place<'a> {
    caller: &'a Caller,
    bucket: Option<&'static str>,
    /// When the call was let through.
    began: Timestamp,
}

impl Place<'_> {
    /// Takes note of what the reply says of the limit.
    fn note(self, reply: Option<&Reply>) {
        let Some(bucket) = self.bucket else { return };
        let Some(headers) = reply.and_then(LimitHeaders::of) else { return };
        let received = self.caller.timer.now();
        self.caller.state().share.count(bucket, &headers);
        // A limit of 0 speaks of calls at once, not of the window.
        if headers.limit > 0 {
            let LimitHeaders { limit, remaining, reset, date } = headers;
            let mut budget = self.caller.budget.get();
            budget.observe(bucket, limit, remaining, reset, date, received);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = self.bucket {
            self.caller.budget.get().finish(bucket, self.began);
        }
    }
}

/// Until the window ends, by the clock that set its end: our own clock may be wrong.
fn window_wait(reply: &Reply, now: Timestamp) -> SignedDuration {
    let Some(headers) = LimitHeaders::of(reply) else { return SignedDuration::from_secs(1) };
    let okta_now = headers.date.unwrap_or(now).as_second();
    // Both times are cut to whole seconds, hence one second more.
    let seconds = headers.reset.saturating_sub(okta_now).saturating_add(1);
    SignedDuration::from_secs(seconds.clamp(1, WAIT_SECONDS_MAX))
}

fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// How Muster names itself.
pub(crate) const USER_AGENT: &str = concat!("Muster/", env!("CARGO_PKG_VERSION"));

fn request(path_and_query: &str, token: Option<&str>, tries: &Tries) -> Request {
    let mut request = Request::get(path_and_query);
    let mut put =
        |name: &str, value: &str| request.headers.push((name.to_owned(), value.to_owned()));
    put("accept", "application/json");
    put("user-agent", USER_AGENT);
    if let Some(token) = token {
        put("authorization", token);
    }
    if let (Some(first), true) = (&tries.first_request_id, tries.sent > 0) {
        put("x-okta-retry-for", first);
        put("x-okta-retry-count", &tries.sent.to_string());
    }
    request
}
