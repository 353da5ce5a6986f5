//! A call on its way to Okta: plain data, built without I/O.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

/// One HTTP request to the one host a client talks to.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The method; almost always `GET`.
    pub method: http::Method,
    /// Path and query, beginning with `/`. There is no host in it, so nothing that Okta sends can choose one.
    pub path_and_query: String,
    /// Names in lower case. `authorization` holds the token.
    pub headers: Vec<(String, String)>,
    /// Empty for `GET`.
    pub body: Bytes,
    /// What is accepted of the answer.
    pub limits: Limits,
}

/// How large an answer may be and how long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the body, decompressed.
    pub body_max: usize,
    /// The whole call.
    pub time_max: Duration,
}

impl Limits {
    /// For the API: the largest page is 500 people of a few kB, 32 MiB leaves each 64 kB; Okta itself gives up on a query after 30 s,
    /// and the rest is for a slow line.
    pub const API: Self = Self { body_max: 32 * 1024 * 1024, time_max: Duration::from_mins(1) };
    /// For signing in, where somebody sits before the screen: whatever is sent there is a few kB.
    pub const SIGN_IN: Self = Self { body_max: 256 * 1024, time_max: Duration::from_secs(10) };
}

impl Request {
    /// A `GET` without headers.
    pub fn get(path_and_query: impl Into<String>) -> Self {
        Self {
            method: http::Method::GET,
            path_and_query: path_and_query.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            limits: Limits::API,
        }
    }

    /// The first value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(held, _)| held.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Names of headers only: a value may be the token.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path_and_query", &self.path_and_query)
            .field("headers", &names)
            .field("body_bytes", &self.body.len())
            .field("limits", &self.limits)
            .finish()
    }
}

/// Appends `text` percent-encoded, so that it stays within one part of a path or one value of a query.
pub fn push_encoded(out: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

/// `text` percent-encoded; see [`push_encoded`]. A text of dots alone could climb the path, so its dots are encoded too.
pub fn encoded(text: &str) -> String {
    if !text.is_empty() && text.bytes().all(|byte| byte == b'.') {
        return "%2E".repeat(text.len());
    }
    let mut out = String::with_capacity(text.len());
    push_encoded(&mut out, text);
    out
}

/// The value of a query parameter as it stands in the text, still encoded.
pub fn query_value<'a>(path_and_query: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = path_and_query.split_once('?')?;
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then_some(value)
    })
}

/// The same call with at most half as many rows a page, or `None` when that makes no sense any more.
///
/// Okta answers 500 to a listing that takes it too long; fewer rows then help (developer docs, "core-okta-api").
pub fn with_smaller_page(path_and_query: &str) -> Option<String> {
    const SMALLEST: u32 = 20;
    let limit: u32 = query_value(path_and_query, "limit")?.parse().ok()?;
    let smaller = (limit / 2).max(SMALLEST);
    if smaller >= limit {
        return None;
    }
    let (path, query) = path_and_query.split_once('?')?;
    let mut out = format!("{path}?");
    for (index, pair) in query.split('&').enumerate() {
        if index > 0 {
            out.push('&');
        }
        if pair.starts_with("limit=") {
            out.push_str("limit=");
            out.push_str(&smaller.to_string());
        } else {
            out.push_str(pair);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_not_in_what_debug_prints() {
        let mut request = Request::get("/api/v1/users/me");
        request.headers.push(("authorization".into(), "SSWS s3cret".into()));
        let shown = format!("{request:?} {request:#?}");
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("authorization"));
        assert_eq!(request.header("Authorization"), Some("SSWS s3cret"));
    }

    #[test]
    fn what_is_encoded_stays_in_its_place() {
        for (text, expected) in [
            ("00uAb-_.~9", "00uAb-_.~9"),
            ("a/b?c#d", "a%2Fb%3Fc%23d"),
            ("..", "%2E%2E"),
            (".", "%2E"),
            ("é", "%C3%A9"),
            ("id eq \"x\"", "id%20eq%20%22x%22"),
            ("", ""),
        ] {
            assert_eq!(encoded(text), expected, "{text}");
        }
    }

    #[test]
    fn a_smaller_page_changes_the_limit_and_nothing_else() {
        for (before, after) in [
            ("/a?limit=500&after=x%3Dy", Some("/a?limit=250&after=x%3Dy")),
            ("/a?after=limit&limit=250", Some("/a?after=limit&limit=125")),
            ("/a?expand=user&limit=25", Some("/a?expand=user&limit=20")),
            ("/a?limit=20", None),
            ("/a?limit=1", None),
            ("/a?limit=many", None),
            ("/a?climit=500", None),
            ("/a", None),
        ] {
            assert_eq!(with_smaller_page(before).as_deref(), after, "{before}");
        }
    }
}
