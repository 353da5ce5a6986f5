//! The line to a simulated Okta within the process, and a record of what went over it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use muster_okta::reply::Reply;
use muster_okta::request::Request;
use muster_okta::transport::{Exchange, TransportError};
use muster_oktasim::{Cut, OrgHandle};
use muster_server::clock::Clock;

/// One call, as it went over the line.
#[derive(Debug, Clone)]
pub(crate) struct Called {
    pub(crate) at: Timestamp,
    pub(crate) path: String,
    pub(crate) status: u16,
    /// The reply's `x-rate-limit-reset`: seconds since 1970.
    pub(crate) reset: Option<i64>,
}

/// Changes the body of a reply on its way; gives `None` to leave it alone.
type Twist = Box<dyn Fn(&str, &str) -> Option<String> + Send>;

/// Brings calls to an org that lives in this process, on the clock of the test.
pub(crate) struct Line {
    org: OrgHandle,
    clock: Clock,
    calls: Mutex<Vec<Called>>,
    twist: Mutex<Option<Twist>>,
}

impl Line {
    pub(crate) fn new(org: OrgHandle, clock: Clock) -> Self {
        Self { org, clock, calls: Mutex::new(Vec::new()), twist: Mutex::new(None) }
    }

    /// The calls since the last time they were taken.
    pub(crate) fn take_calls(&self) -> Vec<Called> {
        std::mem::take(&mut self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Rewrites bodies of replies from now on; `twist` is given the path with its query, and the body.
    pub(crate) fn twist(&self, twist: impl Fn(&str, &str) -> Option<String> + Send + 'static) {
        *self.twist.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(twist));
    }

    /// Ends the rewriting.
    pub(crate) fn straighten(&self) {
        *self.twist.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn answer(&self, request: Request) -> Result<Reply, TransportError> {
        /// The longest that the real transport waits for a whole call.
        const WHOLE_CALL_MS: u64 = 60_000;
        let at = self.clock.now();
        let path = request.path_and_query;
        let mut asked = muster_oktasim::Request::new(request.method, path.clone());
        asked.headers = request.headers;
        asked.body = request.body;
        let reply = self.org.handle(&asked, at);
        let called = Called {
            at,
            path: path.clone(),
            status: reply.status,
            reset: reply.header("x-rate-limit-reset").and_then(|text| text.parse().ok()),
        };
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(called);
        if reply.delay_ms > 0 {
            self.clock.pause(Duration::from_millis(reply.delay_ms.min(WHOLE_CALL_MS))).await;
        }
        if reply.delay_ms > WHOLE_CALL_MS {
            return Err(TransportError::Timeout);
        }
        match reply.cut {
            Some(Cut::Drop) => return Err(TransportError::Cut),
            Some(Cut::After(bytes)) if bytes < reply.body.len() => return Err(TransportError::Cut),
            Some(Cut::After(_)) | None => {}
        }
        let mut body = reply.body;
        if let Some(twist) = &*self.twist.lock().unwrap_or_else(PoisonError::into_inner)
            && let Some(other) = twist(&path, &String::from_utf8_lossy(&body))
        {
            body = other.into();
        }
        let headers =
            reply.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(Reply { status: reply.status, headers, body })
    }
}

impl Exchange for Line {
    fn exchange(&self, request: Request) -> BoxFuture<'_, Result<Reply, TransportError>> {
        Box::pin(self.answer(request))
    }
}
