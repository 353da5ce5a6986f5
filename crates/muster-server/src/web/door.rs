//! `/webhooks/okta`: where Okta verifies its event hook, and delivers.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use jiff::Timestamp;
use muster_core::event::{self, Delivery, Hint, Unreadable, Why};
use muster_core::id::RunId;
use muster_core::run::{RunCause, RunKind};
use muster_store::StoreError;
use muster_store::events::{Arrival, Arrived};
use muster_store::hooks::Aside;
use muster_store::runs::NewRun;
use tokio::time::timeout;
use tracing::Instrument as _;

use super::body::{self, ASIDE_MAX, BODY_MAX};
use super::doors::{Came, Kept, Shown, Slot};
use super::group::Outcome;
use super::{STORE, Shared, Web, host, not_allowed, told};
use crate::telemetry::metrics::Call;

/// What Okta sends to find out whether somebody is at home. Its value comes back in the answer.
const CHALLENGE: &str = "x-okta-verification-challenge";
/// Characters of the longest challenge that is answered.
const CHALLENGE_MAX: usize = 1_024;
/// How often a delivery is looked at again because the door changed meanwhile.
const LOOKS_MAX: usize = 4;

/// Any call of the hook's address.
pub(super) async fn knock(State(web): State<Web>, request: Request) -> Response {
    let span = tracing::debug_span!("delivery", otel.kind = "server");
    answer(&web.0, request).instrument(span).await
}

async fn answer(web: &Shared, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (response, call) = match web.enter(&parts).await {
        Err(Refused::Elsewhere) => {
            (told(StatusCode::NOT_FOUND, "there is nothing here"), Call::NotFound)
        }
        Err(Refused::Secret) => (refuse(), Call::Refused),
        Err(Refused::TooOften) => (slow_down(), Call::Limited),
        Err(Refused::Method) => return not_allowed("GET, POST"),
        Err(Refused::Store(error)) => {
            let error = crate::telemetry::chain(&error);
            tracing::error!(%error, "the door cannot be looked at");
            (not_stored(), Call::NotStored)
        }
        Ok(guest) if parts.method == Method::GET => web.verify(&guest, &parts.headers),
        Ok(guest) => web.deliver(guest, body).await,
    };
    web.metrics.call(call);
    response
}

/// Why somebody is not let in.
enum Refused {
    /// There is no such door, or it is closed.
    Elsewhere,
    Method,
    /// The secret is wrong or missing.
    Secret,
    /// It is, for the umpteenth time.
    TooOften,
    Store(StoreError),
}

/// Somebody who was let in.
struct Guest {
    slot: Arc<Slot>,
    door: Arc<Kept>,
    shown: Option<Shown>,
}

impl Shared {
    /// Decides by the head of a call alone.
    async fn enter(&self, parts: &Parts) -> Result<Guest, Refused> {
        let slug = host::tenant(parts, &self.public_url, &self.trusted_proxies);
        let slug = slug.ok_or(Refused::Elsewhere)?;
        let (slot, came) = self.doors.slot(slug);
        let seen = timeout(STORE, self.doors.seen(&slot, came)).await;
        let mut door = within(seen)?.ok_or(Refused::Elsewhere)?;
        if !door.enabled {
            let fresh = timeout(STORE, self.doors.fresh(&slot, came, false)).await;
            door = within(fresh)?.filter(|door| door.enabled).ok_or(Refused::Elsewhere)?;
        }
        if !matches!(parts.method, Method::GET | Method::POST) {
            return Err(Refused::Method);
        }
        let shown = shown(&parts.headers);
        if parts.method == Method::GET && !parts.headers.contains_key(header::AUTHORIZATION) {
            // Okta shows the secret here too; a person who tries the address need not.
            let fresh = timeout(STORE, self.doors.fresh(&slot, came, false)).await;
            door = within(fresh)?.filter(|door| door.enabled).ok_or(Refused::Elsewhere)?;
            return Ok(Guest { slot, door, shown });
        }
        // What is kept may be old: a GET is answered by it alone, so it must be looked at anew.
        if parts.method == Method::POST
            && shown.is_some_and(|shown| door.admits(&shown, self.clock.now()))
        {
            return Ok(Guest { slot, door, shown });
        }
        self.look_again(slot, came, shown).await
    }

    /// Looks at the door as it is now. Only that may turn somebody away.
    async fn look_again(
        &self,
        slot: Arc<Slot>,
        came: Came,
        shown: Option<Shown>,
    ) -> Result<Guest, Refused> {
        let now = self.clock.now();
        let slowed = slot.refusals.is_exhausted(now);
        let fresh = timeout(STORE, self.doors.fresh(&slot, came, slowed)).await;
        let door = within(fresh)?.filter(|door| door.enabled).ok_or(Refused::Elsewhere)?;
        if shown.is_some_and(|shown| door.admits(&shown, self.clock.now())) {
            return Ok(Guest { slot, door, shown });
        }
        Err(self.refused(&slot, now))
    }

    fn refused(&self, slot: &Slot, now: Timestamp) -> Refused {
        if !slot.refusals.may_be_told(now) {
            return Refused::TooOften;
        }
        if let Some(door) = slot.last() {
            self.group.refused(door.tenant);
        }
        Refused::Secret
    }

    fn verify(&self, guest: &Guest, headers: &HeaderMap) -> (Response, Call) {
        let challenge = headers.get(CHALLENGE).and_then(|value| value.to_str().ok());
        let Some(challenge) = challenge.filter(|text| text.len() <= CHALLENGE_MAX) else {
            let text = "this is where Okta delivers events; it has nothing to show";
            return (told(StatusCode::BAD_REQUEST, text), Call::NotFound);
        };
        // Whoever shows a wrong secret does not come so far.
        self.group.verified(guest.door.tenant, guest.shown.is_some());
        let answer = serde_json::json!({"verification": challenge}).to_string();
        ([(header::CONTENT_TYPE, "application/json")], answer).into_response_as(Call::Verified)
    }

    /// Takes a delivery. There is no answer but 204 and 503 from here on: Okta never repeats what got another 4xx.
    async fn deliver(&self, mut guest: Guest, body: Body) -> (Response, Call) {
        let Ok(read) = body::read(body, &self.budget).await else {
            return (not_stored(), Call::NotStored);
        };
        let at = self.clock.now();
        let bytes = &read.bytes;
        let parsed = if read.is_whole() {
            event::parse(bytes).map_err(Problem::Unreadable)
        } else {
            Err(Problem::TooLarge)
        };
        let storing = async {
            for _ in 0..LOOKS_MAX {
                match self.store(&guest, &parsed, bytes, read.size, at).await {
                    Outcome::DoorChanged => {}
                    other => return Ok(other),
                }
                let Guest { slot, shown, .. } = guest;
                let came = slot.came();
                guest = self.look_again(slot, came, shown).await?;
            }
            Ok(Outcome::Failed)
        };
        match timeout(STORE, storing).await {
            Ok(Ok(Outcome::Stored)) => {
                let waited = self.clock.now().duration_since(at);
                self.metrics.waited(Duration::try_from(waited).unwrap_or_default());
                let call = if parsed.is_ok() { Call::Stored } else { Call::Aside };
                StatusCode::NO_CONTENT.into_response_as(call)
            }
            Ok(Err(Refused::Secret | Refused::TooOften)) => (refuse(), Call::Refused),
            Ok(Err(Refused::Elsewhere)) => {
                (told(StatusCode::NOT_FOUND, "there is nothing here"), Call::NotFound)
            }
            Ok(Ok(_) | Err(_)) | Err(_) => (not_stored(), Call::NotStored),
        }
    }

    async fn store(
        &self,
        guest: &Guest,
        parsed: &Result<Delivery<'_>, Problem>,
        bytes: &[u8],
        size: usize,
        at: Timestamp,
    ) -> Outcome {
        let door = &guest.door;
        let delivery = match parsed {
            Ok(delivery) => delivery,
            Err(problem) => return self.aside(door, problem.words(), bytes, size, at).await,
        };
        let events: Vec<Arrived> =
            delivery.events.iter().map(|event| Arrived::of(event, &door.interest)).collect();
        // What names nobody, and what is no event, might have named somebody.
        let nobody = |event: &&Arrived| event.hint == Hint::Ignore(Why::Nobody);
        let unplaced = events.iter().filter(nobody).count() + delivery.broken;
        if unplaced > 0 {
            let reason = format!("{unplaced} of its events name nobody who could be read");
            let kept = self.aside(door, reason.into(), bytes, size, at).await;
            if kept != Outcome::Stored {
                return kept;
            }
        }
        let (tenant, version) = (door.tenant, door.version);
        let delivery_id = delivery.id.clone().into_owned();
        self.group.store(Arrival { tenant, version, delivery_id, at, rest: false, events }).await
    }

    /// Keeps a body aside and makes a full run due.
    async fn aside(
        &self,
        door: &Kept,
        reason: Cow<'static, str>,
        bytes: &[u8],
        size: usize,
        at: Timestamp,
    ) -> Outcome {
        let mut ids = self.fork_ids(at);
        let run = NewRun {
            id: ids.next::<RunId>(at),
            kind: RunKind::Full,
            cause: RunCause::Event,
            actor: "okta".to_owned(),
            approves: None,
        };
        let aside = Aside {
            at,
            reason: reason.into_owned(),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            body: bytes[..bytes.len().min(ASIDE_MAX)].to_vec(),
        };
        let tenant = self.db.tenant(door.tenant);
        match tenant.keep_aside(&aside, &run, door.version, &mut ids, at).await {
            Ok(true) => {
                tracing::warn!(tenant = %door.tenant, size, reason = aside.reason, "a delivery was put aside");
                Outcome::Stored
            }
            Ok(false) => Outcome::DoorChanged,
            Err(error) => {
                let error = crate::telemetry::chain(&error);
                tracing::error!(%error, "a delivery could not be put aside");
                Outcome::Failed
            }
        }
    }
}

/// Why a body says nothing.
enum Problem {
    TooLarge,
    Unreadable(Unreadable),
}

impl Problem {
    fn words(&self) -> Cow<'static, str> {
        match self {
            Self::TooLarge => format!("it is larger than {BODY_MAX} bytes").into(),
            Self::Unreadable(why) => why.to_string().into(),
        }
    }
}

/// What was shown in `Authorization`; twice is as good as not at all.
fn shown(headers: &HeaderMap) -> Option<Shown> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next()?;
    values.next().is_none().then(|| Shown::of(first.as_bytes()))
}

fn within<T>(
    looked: Result<Result<T, StoreError>, tokio::time::error::Elapsed>,
) -> Result<T, Refused> {
    let Ok(found) = looked else {
        let slow = "look at the door: the database did not answer".to_owned();
        return Err(Refused::Store(StoreError::Conflict(slow)));
    };
    found.map_err(Refused::Store)
}

fn refuse() -> Response {
    told(StatusCode::UNAUTHORIZED, "the secret in Authorization is missing or wrong")
}

fn slow_down() -> Response {
    let mut response = told(StatusCode::TOO_MANY_REQUESTS, "too many wrong secrets");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn not_stored() -> Response {
    let mut response =
        told(StatusCode::SERVICE_UNAVAILABLE, "it could not be stored; send it again");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

trait IntoResponseAs {
    fn into_response_as(self, call: Call) -> (Response, Call);
}

impl<T: axum::response::IntoResponse> IntoResponseAs for T {
    fn into_response_as(self, call: Call) -> (Response, Call) {
        (self.into_response(), call)
    }
}
