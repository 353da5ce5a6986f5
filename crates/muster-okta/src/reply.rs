//! What came back from Okta: status, headers, body; and how a refusal is read out of it.

use std::fmt;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;

/// One HTTP reply, read to its end.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// One entry for each header line; names in any case, one name possibly several times.
    pub headers: Vec<(String, String)>,
    /// The body, decompressed.
    pub body: Bytes,
}

impl Reply {
    /// All values of a header, in order, whatever the case of its name.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers
            .iter()
            .filter(move |(held, _)| held.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(held, _)| held.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Okta's own time when it answered: the header `Date`.
    pub fn date(&self) -> Option<Timestamp> {
        const DATES: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);
        DATES.parse_timestamp(self.header("date")?.trim()).ok()
    }

    /// The id by which Okta's support finds this call.
    pub fn request_id(&self) -> Option<&str> {
        self.header("x-okta-request-id").map(str::trim).filter(|id| !id.is_empty())
    }

    /// Whether the status says that the call was served.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Why Okta refused, if the body says so in one of Okta's two ways; `None` when something else wrote the body.
    pub fn refusal(&self) -> Option<Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Cause {
            error_summary: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            error_code: Option<String>,
            error_summary: Option<String>,
            error_causes: Option<Vec<Cause>>,
            error: Option<String>,
            #[serde(rename = "error_description")]
            error_description: Option<String>,
        }
        let body: Body = serde_json::from_slice(&self.body).ok()?;
        let code = body.error_code.or(body.error).filter(|code| !code.is_empty())?;
        let summary = body.error_summary.or(body.error_description).unwrap_or_default();
        let causes = body.error_causes.unwrap_or_default();
        Some(Refusal {
            code: short(&code),
            summary: short(&summary),
            causes: causes
                .into_iter()
                .filter_map(|cause| cause.error_summary)
                .map(|s| short(&s))
                .collect(),
        })
    }
}

/// Names of headers only, and the size of the body: both may hold personal data.
impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// What Okta writes when it refuses a call. Only the code is stable; the texts are for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// `E0000007`, or the `error` of an OAuth reply.
    pub code: String,
    /// Okta's sentence.
    pub summary: String,
    /// Okta's further sentences.
    pub causes: Vec<String>,
}

/// At most 300 characters on one line, so that a hostile text can flood neither a log nor a page.
fn short(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(headers: &[(&str, &str)], body: &str) -> Reply {
        Reply {
            status: 400,
            headers: headers.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn headers_are_found_in_any_case_and_all_of_them() {
        let reply = reply(&[("LINK", "a"), ("X-Okta-Request-ID", " r1 "), ("link", "b")], "");
        assert_eq!(reply.headers("Link").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(reply.request_id(), Some("r1"));
        assert_eq!(reply.header("date"), None);
    }

    #[test]
    fn dates_are_read_as_http_writes_them() {
        for (text, seconds) in [
            ("Mon, 29 Sep 2025 03:49:54 GMT", Some(1_759_117_794)),
            // A weekday that does not fit is no reason to lose the date.
            ("Tue, 29 Sep 2025 03:49:54 GMT", Some(1_759_117_794)),
            ("29 Sep 2025 03:49:54 +0000", Some(1_759_117_794)),
            ("yesterday", None),
            ("", None),
        ] {
            let date = reply(&[("Date", text)], "").date();
            assert_eq!(date.map(Timestamp::as_second), seconds, "{text}");
        }
    }

    #[test]
    fn refusals_are_read_in_both_of_oktas_ways_and_nothing_else_is() {
        let code = |body: &str| reply(&[], body).refusal().map(|refusal| refusal.code);
        assert_eq!(
            code(r#"{"errorCode":"E0000007","errorSummary":"no","errorCauses":[]}"#),
            Some("E0000007".into())
        );
        assert_eq!(code(r#"{"errorCode":"E0000007","errorCauses":null}"#), Some("E0000007".into()));
        assert_eq!(
            code(r#"{"error":"invalid_client","error_description":"x"}"#),
            Some("invalid_client".into())
        );
        for other in ["", "{}", "[]", "null", "<html>", r#"{"errorCode":7}"#, r#"{"errorCode":""}"#]
        {
            assert_eq!(code(other), None, "{other}");
        }
        let long = format!(r#"{{"errorCode":"E1","errorSummary":"a\n{}"}}"#, "x".repeat(9999));
        let summary =
            reply(&[], &long).refusal().map(|refusal| refusal.summary).unwrap_or_default();
        assert_eq!(summary.chars().count(), 300);
        assert!(summary.starts_with("a x"));
    }
}
