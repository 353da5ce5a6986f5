//! Answers and errors in Okta's words.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::exchange::Reply;
use crate::stamp::http_date;
use crate::state::hooks::Verification;
use crate::state::limits::Verdict;
use crate::state::{Org, Refused};

/// What a handler says, before the headers that every answer carries.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    /// `rel` and URL; each becomes a header line of its own. Source: recordings.
    pub links: Vec<(&'static str, String)>,
    pub etag: Option<String>,
    pub verify: Option<Box<Verification>>,
    /// Headers of this answer alone; those with the name of an ordinary one take its place.
    pub extra: Vec<(&'static str, String)>,
}

impl Answer {
    /// A JSON body that is already text.
    pub(crate) fn json(status: u16, body: Vec<u8>) -> Self {
        Self { status, body, links: Vec::new(), etag: None, verify: None, extra: Vec::new() }
    }

    /// A JSON body.
    pub(crate) fn value(value: &Value) -> Self {
        Self::json(200, value.to_string().into_bytes())
    }

    /// A page for people.
    pub(crate) fn html(status: u16, page: String) -> Self {
        Self::json(status, page.into_bytes()).with("content-type", "text/html;charset=UTF-8")
    }

    /// Sends a browser somewhere else.
    pub(crate) fn redirect(to: impl Into<String>) -> Self {
        Self::json(302, Vec::new()).with("location", to)
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.extra.push((name, value.into()));
        self
    }

    /// 204.
    pub(crate) fn nothing() -> Self {
        Self::json(204, Vec::new())
    }

    pub(crate) fn into_reply(
        self,
        verdict: Option<Verdict>,
        request_id: String,
        now: Timestamp,
    ) -> Reply {
        let mut headers = Vec::with_capacity(14);
        if !self.body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        headers.push(("date", http_date(now)));
        headers.push(("x-okta-request-id", request_id));
        if let Some(verdict) = verdict {
            headers.push(("x-rate-limit-limit", verdict.limit.to_string()));
            headers.push(("x-rate-limit-remaining", verdict.remaining.to_string()));
            headers.push(("x-rate-limit-reset", verdict.reset.to_string()));
        }
        for (rel, url) in self.links {
            headers.push(("link", format!("<{url}>; rel=\"{rel}\"")));
        }
        if let Some(etag) = self.etag {
            headers.push(("etag", etag));
        }
        headers.push(("cache-control", "no-cache, no-store".to_owned()));
        headers.push(("expires", "0".to_owned()));
        headers.push(("pragma", "no-cache".to_owned()));
        headers.push(("vary", "Accept-Encoding".to_owned()));
        let cached = self.extra.iter().any(|(name, _)| *name == "cache-control");
        headers.retain(|(name, _)| {
            let replaced = self.extra.iter().any(|(extra, _)| extra == name);
            let contradicted = cached && matches!(*name, "expires" | "pragma");
            !(replaced || contradicted)
        });
        headers.extend(self.extra);
        Reply {
            status: self.status,
            headers,
            body: self.body.into(),
            delay_ms: 0,
            cut: None,
            verify: self.verify.map(|verification| *verification),
        }
    }
}

impl Org {
    /// An error in Okta's form. Only code and status are stable; the texts are as recorded.
    pub(crate) fn error(
        &mut self,
        status: u16,
        code: &str,
        summary: &str,
        causes: &[&str],
    ) -> Answer {
        let causes: Vec<Value> =
            causes.iter().map(|cause| json!({ "errorSummary": cause })).collect();
        let body = json!({
            "errorCode": code,
            "errorSummary": summary,
            "errorLink": code,
            "errorId": format!("oae{}", self.dice.token(22)),
            "errorCauses": causes
        });
        Answer::json(status, body.to_string().into_bytes())
    }

    /// 404 for a thing that is not there, or that this caller may not see.
    pub(crate) fn not_found(&mut self, id: &str, kind: &str) -> Answer {
        let summary = format!("Not found: Resource not found: {id} ({kind})");
        self.error(404, "E0000007", &summary, &[])
    }

    /// 404 for a path that Okta does not have.
    pub(crate) fn no_such_path(&mut self) -> Answer {
        self.error(404, "E0000008", "The requested path was not found", &[])
    }

    pub(crate) fn wrong_method(&mut self) -> Answer {
        let text = "The endpoint does not support the provided HTTP method";
        self.error(405, "E0000022", text, &[])
    }

    pub(crate) fn bad_body(&mut self) -> Answer {
        self.error(400, "E0000003", "The request body was not well-formed.", &[])
    }

    /// 400 for a value that does not pass, naming the field as Okta does.
    pub(crate) fn invalid(&mut self, field: &str, cause: &str) -> Answer {
        self.error(400, "E0000001", &format!("Api validation failed: {field}"), &[cause])
    }

    /// 400 for a cursor that this listing did not give.
    pub(crate) fn bad_cursor(&mut self, search: bool) -> Answer {
        if search {
            self.error(400, "E0000031", "Invalid search criteria.", &["Invalid cursor."])
        } else {
            self.error(400, "E0000029", "Invalid paging request.", &["Invalid cursor."])
        }
    }

    pub(crate) fn limited(&mut self) -> Answer {
        let text = "API call exceeded rate limit due to too many requests.";
        self.error(429, "E0000047", text, &[])
    }

    /// An answer to a change that the org refused.
    pub(crate) fn refused(&mut self, refusal: &Refused) -> Answer {
        match refusal {
            Refused::Unknown(kind, id) => self.not_found(id, kind),
            Refused::NotNow(text) => self.error(403, "E0000056", text, &[]),
            Refused::LoginTaken(_) => self.invalid(
                "login",
                "login: An object with this field already exists in the current organization",
            ),
            Refused::Missing(field) => {
                self.invalid(field, &format!("{field}: The field cannot be left blank"))
            }
        }
    }
}
