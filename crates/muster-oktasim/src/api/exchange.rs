//! Requests and replies as plain values, for HTTP and for tests without it.

use bytes::Bytes;
use http::Method;

use crate::state::hooks::Verification;

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// How many calls run at this moment, this one included.
    pub in_flight: u32,
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: Method, target: impl Into<String>) -> Self {
        Self {
            method,
            target: target.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            in_flight: 1,
        }
    }

    /// `GET target`.
    pub fn get(target: impl Into<String>) -> Self {
        Self::new(Method::GET, target)
    }

    /// `POST target` with a JSON body.
    pub fn post(target: impl Into<String>, body: &serde_json::Value) -> Self {
        Self { body: body.to_string().into(), ..Self::new(Method::POST, target) }
    }

    /// `PUT target` with a JSON body.
    pub fn put(target: impl Into<String>, body: &serde_json::Value) -> Self {
        Self { body: body.to_string().into(), ..Self::new(Method::PUT, target) }
    }

    /// `DELETE target`.
    pub fn delete(target: impl Into<String>) -> Self {
        Self::new(Method::DELETE, target)
    }

    /// Adds a header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        self
    }

    /// Authenticates with an API token.
    #[must_use]
    pub fn ssws(self, token: &str) -> Self {
        self.with("authorization", &format!("SSWS {token}"))
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// One reply, and what the transport is to do to it.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// One entry per header line: `link` comes twice.
    pub headers: Vec<(&'static str, String)>,
    pub body: Bytes,
    /// How long the transport holds the reply back.
    pub delay_ms: u64,
    /// Where the transport breaks off.
    pub cut: Option<Cut>,
    /// A hook to be verified: the caller's answer is made from the hook's, by [`crate::Org::verified`].
    pub verify: Option<Verification>,
}

/// Where a reply breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// After so many bytes of the body.
    After(usize),
    /// Before anything is sent.
    Drop,
}

impl Reply {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// The URL of the `next` link, if there is one.
    pub fn next(&self) -> Option<&str> {
        self.headers
            .iter()
            .filter(|(name, _)| *name == "link")
            .find_map(|(_, value)| value.strip_suffix(">; rel=\"next\"")?.strip_prefix('<'))
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// Turns the reply into the page of a proxy or sign-in form that answers 200.
    pub(crate) fn show_html(&mut self) {
        self.status = 200;
        self.headers.retain(|(name, _)| *name == "date");
        self.headers.push(("content-type", "text/html;charset=UTF-8".to_owned()));
        self.body = Bytes::from_static(
            b"<!DOCTYPE html><html><title>Sign in</title><p>Please sign in.</p></html>",
        );
    }
}
