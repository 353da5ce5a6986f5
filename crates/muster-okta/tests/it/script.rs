//! An Okta that answers from a script, and a clock that only waiting moves.

#![expect(clippy::unnecessary_wraps, reason = "a script mixes replies with calls that get none")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use muster_core::id::OktaUserId;
use muster_okta::client::{ClientConfig, OktaClient, SharedBudget, Timer};
use muster_okta::{
    Exchange, ExtraHosts, KeepAttributes, OktaAddress, Reply, Request, Transport, TransportError,
};

pub(crate) const TOKEN: &str = "00s3cret-Token_42";

/// A clock that stands still except while somebody waits.
pub(crate) struct ManualTimer(AtomicI64);

impl ManualTimer {
    pub(crate) fn at(text: &str) -> Arc<Self> {
        let start: Timestamp = text.parse().expect("a time");
        Arc::new(Self(AtomicI64::new(start.as_microsecond())))
    }
}

impl Timer for ManualTimer {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).expect("in range")
    }
    fn wait_until(&self, at: Timestamp) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.0.fetch_max(at.as_microsecond(), Ordering::SeqCst);
            tokio::task::yield_now().await;
        })
    }
}

pub(crate) type Answer = Result<Reply, TransportError>;

/// Answers in turn; the last answer is repeated for ever. Keeps what was asked and when.
pub(crate) struct Script {
    timer: Arc<ManualTimer>,
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<(Timestamp, Request)>>,
}

impl Exchange for Script {
    fn exchange(&self, request: Request) -> BoxFuture<'_, Answer> {
        self.asked.lock().expect("unpoisoned").push((self.timer.now(), request));
        let mut answers = self.answers.lock().expect("unpoisoned");
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        Box::pin(async move { answer.expect("a script has answers") })
    }
}

pub(crate) struct Scene {
    pub(crate) client: OktaClient,
    pub(crate) timer: Arc<ManualTimer>,
    pub(crate) script: Arc<Script>,
}

impl Scene {
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::with(answers, |_| {})
    }

    pub(crate) fn with(
        answers: impl IntoIterator<Item = Answer>,
        change: impl FnOnce(&mut ClientConfig),
    ) -> Self {
        // Two hours behind Okta's clock.
        let timer = ManualTimer::at("2026-05-05T06:00:00Z");
        let script = Arc::new(Script {
            timer: Arc::clone(&timer),
            answers: Mutex::new(answers.into_iter().collect()),
            asked: Mutex::new(Vec::new()),
        });
        let mut config = config(&timer, &script);
        change(&mut config);
        Self { client: OktaClient::new(config), timer, script }
    }

    /// A further client of the same org, within a budget that it shares.
    pub(crate) fn another(&self, budget: &SharedBudget) -> OktaClient {
        OktaClient::sharing(config(&self.timer, &self.script), budget.clone())
    }

    /// Path and query of every call, in order.
    pub(crate) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|(_, request)| request.path_and_query).collect()
    }

    pub(crate) fn asked(&self) -> Vec<(Timestamp, Request)> {
        self.script.asked.lock().expect("unpoisoned").clone()
    }

    /// Seconds of waiting before each call, counted from the first.
    pub(crate) fn seconds(&self) -> Vec<i64> {
        let asked = self.asked();
        asked.iter().map(|(at, _)| at.duration_since(asked[0].0).as_secs()).collect()
    }

    pub(crate) fn waited(&self) -> SignedDuration {
        let asked = self.asked();
        self.timer.now().duration_since(asked[0].0)
    }
}

fn config(timer: &Arc<ManualTimer>, script: &Arc<Script>) -> ClientConfig {
    let address =
        OktaAddress::parse("acme.okta.com", &ExtraHosts::default(), false).expect("good").address;
    let transport = Transport::InProcess(Arc::clone(script) as Arc<dyn Exchange>);
    let timer = Arc::clone(timer) as Arc<dyn Timer>;
    ClientConfig::new(address, TOKEN.to_owned().into(), transport, timer, 7)
}

pub(crate) fn keep() -> KeepAttributes {
    KeepAttributes::new(["title"])
}

pub(crate) fn ana() -> OktaUserId {
    OktaUserId::parse("00u1ana").expect("an id")
}

pub(crate) fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    Reply {
        status,
        headers: headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect(),
        body: Bytes::copy_from_slice(body.as_bytes()),
    }
}

pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Ok(reply(status, &[("content-type", "application/json")], body))
}

pub(crate) fn refusal(status: u16, code: &str) -> Answer {
    let body = format!(
        r#"{{"errorCode":"{code}","errorSummary":"A sentence.","errorLink":"{code}","errorId":"oae1","errorCauses":[]}}"#
    );
    Ok(reply(status, &[("X-Okta-Request-Id", "req-1")], &body))
}

/// A reply with limit headers. Okta's clock shows 08:00:00 plus `at` seconds, and the window ends at 08:01:00.
pub(crate) fn limited(status: u16, limit: u64, remaining: u64, at: i64, body: &str) -> Answer {
    let start: Timestamp = "2026-05-05T08:00:00Z".parse().expect("a time");
    let date = start + SignedDuration::from_secs(at);
    let reset = start.as_second() + 60;
    Ok(reply(
        status,
        &[
            ("X-Rate-Limit-Limit", &limit.to_string()),
            ("X-Rate-Limit-Remaining", &remaining.to_string()),
            ("X-Rate-Limit-Reset", &reset.to_string()),
            ("Date", &date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()),
            ("X-Okta-Request-Id", "req-1"),
        ],
        body,
    ))
}

/// A page of one person, with the links given.
pub(crate) fn page(links: &[&str]) -> Answer {
    let headers: Vec<(&str, &str)> = links.iter().map(|link| ("link", *link)).collect();
    Ok(reply(200, &headers, &format!("[{}]", person("00u1ana"))))
}

pub(crate) fn person(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","scope":"USER","status":"ACTIVE","_embedded":{{"user":{{"id":"{id}","status":"ACTIVE","profile":{{"login":"ana@acme.example","title":"Lead"}}}}}}}}"#
    )
}

pub(crate) fn user(id: &str) -> String {
    format!(r#"{{"id":"{id}","status":"ACTIVE","profile":{{"login":"ana@acme.example"}}}}"#)
}
