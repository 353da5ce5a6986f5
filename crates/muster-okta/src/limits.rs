//! Okta's rate limit as its replies tell it. Deciding when to call is `muster_core::budget`'s job.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::reply::Reply;

/// The limit of one bucket as one reply showed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitHeaders {
    /// Calls a window allows.
    pub limit: u64,
    /// Calls left in this window.
    pub remaining: u64,
    /// End of the window in seconds since 1970, by Okta's clock.
    pub reset: i64,
    /// Okta's clock when it answered.
    pub date: Option<Timestamp>,
}

impl LimitHeaders {
    /// Reads `X-Rate-Limit-Limit`, `-Remaining` and `-Reset`; `None` unless all three are there.
    ///
    /// Header lines may come twice, or joined by commas; then the smallest number holds (okta-sdk-java #259).
    pub fn of(reply: &Reply) -> Option<Self> {
        Some(Self {
            limit: smallest(reply, "x-rate-limit-limit")?,
            remaining: smallest(reply, "x-rate-limit-remaining")?,
            reset: smallest(reply, "x-rate-limit-reset")?,
            date: reply.date(),
        })
    }
}

fn smallest<N: std::str::FromStr + Ord>(reply: &Reply, name: &str) -> Option<N> {
    reply.headers(name).flat_map(|line| line.split(',')).filter_map(|n| n.trim().parse().ok()).min()
}

/// Why a reply was a 429.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// The window is used up: wait for its end.
    Window,
    /// Too many calls at once (limit 0), or a 429 without the headers: a short pause is right, and the reset, if any, is
    /// only a guess that may lie far ahead (okta-sdk-nodejs #409).
    AtOnce {
        /// What a proxy asks for in `Retry-After`, in seconds, if that is short enough to be meant.
        retry_after: Option<u8>,
    },
}

impl Throttle {
    /// Tells the two kinds apart.
    pub fn of(reply: &Reply) -> Self {
        match LimitHeaders::of(reply) {
            Some(headers) if headers.limit > 0 => Self::Window,
            _ => {
                let retry_after =
                    reply.header("retry-after").and_then(|text| text.trim().parse().ok());
                Self::AtOnce { retry_after: retry_after.filter(|&seconds| seconds <= 90) }
            }
        }
    }
}

/// The bucket that a call is counted in, or `None` for calls that Okta does not limit.
///
/// Source: the families of Okta's table of limits (developer docs, "rl-global-mgmt").
pub fn bucket(path_and_query: &str) -> Option<&'static str> {
    let path = path_and_query.split('?').next().unwrap_or_default();
    if path.starts_with("/.well-known/") || path.ends_with("/keys") {
        return None;
    }
    let mut parts = path.trim_matches('/').split('/');
    let family = (parts.next(), parts.next(), parts.next(), parts.next());
    Some(match family {
        (Some("api"), Some("v1"), Some("users"), None) => "users",
        (Some("api"), Some("v1"), Some("users"), Some(_)) => "users/{id}",
        (Some("api"), Some("v1"), Some("groups"), None) => "groups",
        (Some("api"), Some("v1"), Some("groups"), Some(_)) => "groups/{id}",
        (Some("api"), Some("v1"), Some("apps"), None) => "apps",
        (Some("api"), Some("v1"), Some("apps"), Some(_)) => "apps/{id}",
        (Some("api"), Some("v1"), Some("logs"), _) => "logs",
        (Some("oauth2"), ..) => "oauth2",
        _ => "other",
    })
}

/// How many of our calls fell into one window of a bucket, at most: the share of Okta's limit that we took.
#[derive(Debug, Default)]
pub struct Share {
    windows: BTreeMap<&'static str, Window>,
    /// Calls and limit of the fullest window so far.
    most: Option<(u64, u64)>,
}

#[derive(Debug, Default)]
struct Window {
    reset: i64,
    calls: u64,
}

impl Share {
    /// Counts one reply of `bucket`.
    pub fn count(&mut self, bucket: &'static str, headers: &LimitHeaders) {
        let window = self.windows.entry(bucket).or_default();
        if window.reset != headers.reset {
            *window = Window { reset: headers.reset, calls: 0 };
        }
        window.calls += 1;
        if headers.limit == 0 {
            return;
        }
        let fuller = self.most.is_none_or(|(calls, limit)| {
            u128::from(window.calls) * u128::from(limit)
                > u128::from(calls) * u128::from(headers.limit)
        });
        if fuller {
            self.most = Some((window.calls, headers.limit));
        }
    }

    /// `(our calls, calls allowed)` in the window of which we took the largest part; `None` before any limit was seen.
    pub fn most(&self) -> Option<(u64, u64)> {
        self.most
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn reply(headers: &[(&str, &str)]) -> Reply {
        Reply {
            status: 429,
            headers: headers.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect(),
            body: Bytes::new(),
        }
    }

    #[test]
    fn limit_headers_are_read_in_any_case_and_the_smallest_holds() {
        let full = reply(&[
            ("X-Rate-Limit-Limit", "600"),
            ("x-rate-limit-limit", "500"),
            ("X-RATE-LIMIT-REMAINING", "7, 3"),
            ("X-Rate-Limit-Reset", " 1757607758 "),
            ("Date", "Thu, 11 Sep 2025 16:21:50 GMT"),
        ]);
        let headers = LimitHeaders::of(&full);
        assert_eq!(
            headers.map(|h| (h.limit, h.remaining, h.reset, h.date.map(Timestamp::as_second))),
            Some((500, 3, 1_757_607_758, Some(1_757_607_710)))
        );
        for broken in [
            reply(&[]),
            reply(&[("x-rate-limit-limit", "600"), ("x-rate-limit-remaining", "1")]),
            reply(&[
                ("x-rate-limit-limit", "many"),
                ("x-rate-limit-remaining", "1"),
                ("x-rate-limit-reset", "9"),
            ]),
            reply(&[
                ("x-rate-limit-limit", "-1"),
                ("x-rate-limit-remaining", "1"),
                ("x-rate-limit-reset", "9"),
            ]),
        ] {
            assert_eq!(LimitHeaders::of(&broken), None, "{broken:?}");
        }
    }

    #[test]
    fn a_full_window_and_too_many_at_once_are_told_apart() {
        let headers = |limit: &str| {
            reply(&[
                ("x-rate-limit-limit", limit),
                ("x-rate-limit-remaining", "0"),
                ("x-rate-limit-reset", "1757607758"),
            ])
        };
        assert_eq!(Throttle::of(&headers("10")), Throttle::Window);
        assert_eq!(Throttle::of(&headers("0")), Throttle::AtOnce { retry_after: None });
        for (text, expected) in [("7", Some(7)), ("86400", None), ("91", None), ("soon", None)] {
            let throttle = Throttle::of(&reply(&[("Retry-After", text)]));
            assert_eq!(throttle, Throttle::AtOnce { retry_after: expected }, "{text}");
        }
    }

    #[test]
    fn calls_fall_into_oktas_buckets() {
        for (path, expected) in [
            ("/api/v1/users?limit=200", Some("users")),
            ("/api/v1/users/00u1", Some("users/{id}")),
            ("/api/v1/users/me", Some("users/{id}")),
            ("/api/v1/apps/0oa1/users?limit=500", Some("apps/{id}")),
            ("/api/v1/apps/0oa1", Some("apps/{id}")),
            ("/api/v1/apps", Some("apps")),
            ("/api/v1/groups/00g1/users", Some("groups/{id}")),
            ("/api/v1/groups?q=a", Some("groups")),
            ("/api/v1/logs?since=x", Some("logs")),
            ("/api/v1/meta/schemas/user/default", Some("other")),
            ("/oauth2/v1/token", Some("oauth2")),
            ("/oauth2/v1/keys", None),
            ("/.well-known/okta-organization", None),
        ] {
            assert_eq!(bucket(path), expected, "{path}");
        }
    }

    #[test]
    fn the_share_is_that_of_the_fullest_window() {
        let mut share = Share::default();
        let seen = |limit, reset| LimitHeaders { limit, remaining: 1, reset, date: None };
        assert_eq!(share.most(), None);
        for _ in 0..3 {
            share.count("apps/{id}", &seen(100, 60));
        }
        share.count("apps/{id}", &seen(100, 120));
        share.count("users/{id}", &seen(1000, 60));
        share.count("users/{id}", &seen(0, 180));
        assert_eq!(share.most(), Some((3, 100)));
        share.count("logs", &seen(20, 60));
        assert_eq!(share.most(), Some((1, 20)));
    }
}
