//! Every way in which a call can fail, and what follows from it.

use std::fmt;

use jiff::Timestamp;

use crate::limits::Throttle;
use crate::reply::{Refusal, Reply};
use crate::request::query_value;
use crate::transport::TransportError;

/// What the caller should do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Try again, but not before this moment.
    RetryAt(Timestamp),
    /// Try again after a pause that grows from try to try. For a bad cursor: begin the listing anew.
    BackOff,
    /// Trying again cannot help; a person must act.
    GiveUp,
}

/// The causes that are told apart, whatever the call was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The token is wrong, expired, revoked, or its owner was deactivated.
    Credentials,
    /// The token is good, but its owner may not do this, or the org lacks the feature.
    Rights,
    /// Okta does not show the object: it is gone, or hidden from this token.
    NotFound,
    /// The cursor of a listing is no longer good: begin the listing anew.
    BadCursor,
    /// Okta's rate limit, for longer than one call waits.
    RateLimited,
    /// Okta, or the way to it, does not work for the moment.
    Unavailable,
    /// What came back is not what Okta sends; often a proxy or a portal answered instead.
    Unreadable,
    /// We refused to call: the address, a redirect or a link leads somewhere a token must not go.
    Refused,
    /// Okta says that the call itself is wrong.
    BadRequest,
}

impl ErrorKind {
    /// A stable word for logs, metrics and stored problems.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Rights => "rights",
            Self::NotFound => "not_found",
            Self::BadCursor => "bad_cursor",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
            Self::BadRequest => "bad_request",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Okta's refusal of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What the status and the code mean together.
    pub kind: ErrorKind,
    /// Code and sentences; `None` when the body held none, which only happens for a bare 401, 403 or 5xx.
    pub refusal: Option<Refusal>,
    /// The id by which Okta's support finds this call.
    pub request_id: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Okta answered {}", self.status)?;
        if let Some(refusal) = &self.refusal {
            write!(f, " {}", refusal.code)?;
            if !refusal.summary.is_empty() {
                write!(f, " {:?}", refusal.summary)?;
            }
        }
        Ok(())
    }
}

/// Why a call to Okta did not give what was asked for.
///
/// `doing` names the call in plain words: "reading a page of the app's people".
#[derive(Debug, thiserror::Error)]
pub enum OktaError {
    /// Okta answered and refused.
    #[error("{doing}: {answer}")]
    Answered {
        /// What was tried.
        doing: &'static str,
        /// What Okta said.
        answer: Box<Answer>,
    },
    /// The rate limit outlasted all waits of one call.
    #[error("{doing}: Okta's rate limit is used up until {until}")]
    RateLimited {
        /// What was tried.
        doing: &'static str,
        /// Not before this moment.
        until: Timestamp,
        /// The id of the last call that Okta turned away.
        request_id: Option<String>,
    },
    /// No whole reply came.
    #[error("{doing}: no answer from Okta")]
    NoReply {
        /// What was tried.
        doing: &'static str,
        /// What happened on the way.
        #[source]
        cause: TransportError,
    },
    /// A reply came, and it is not what Okta sends.
    #[error("{doing}: the answer ({status}) cannot be read: {why}")]
    Unreadable {
        /// What was tried.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it, without any of its content.
        why: String,
        /// The id by which Okta's support finds this call.
        request_id: Option<String>,
    },
    /// Okta, or who answers in its place, wanted us to go elsewhere. A token is never sent after a redirect.
    #[error("{doing}: the address answers with a redirect ({status}), which is not followed")]
    Redirected {
        /// What was tried.
        doing: &'static str,
        /// The HTTP status.
        status: u16,
    },
    /// The next page lies on a host that is not this org's.
    #[error(
        "{doing}: the next page is said to be at {host:?}, which is not this org; the token was not sent there"
    )]
    ForeignLink {
        /// What was tried.
        doing: &'static str,
        /// Where the link led.
        host: String,
    },
    /// The stored token cannot be one: Okta's tokens are printable ASCII without blanks.
    #[error("{doing}: the API token is empty or has characters that no token has")]
    BadToken {
        /// What was tried.
        doing: &'static str,
    },
    /// An id that cannot be one, so the call was not made.
    #[error("{doing}: {id:?} is not an id of Okta")]
    BadId {
        /// What was tried.
        doing: &'static str,
        /// The text, shortened.
        id: String,
    },
    /// A stored link belongs to another listing than the one that is read.
    #[error("{doing}: the stored link belongs to another listing")]
    OtherListing {
        /// What was tried.
        doing: &'static str,
    },
}

impl OktaError {
    /// The cause, whatever the call was.
    pub fn kind(&self) -> ErrorKind {
        use TransportError::{Refused, TooLarge};
        match self {
            Self::Answered { answer, .. } => answer.kind,
            Self::RateLimited { .. } => ErrorKind::RateLimited,
            Self::NoReply { cause: Refused { .. }, .. }
            | Self::Redirected { .. }
            | Self::ForeignLink { .. } => ErrorKind::Refused,
            Self::NoReply { cause: TooLarge { .. }, .. } | Self::Unreadable { .. } => {
                ErrorKind::Unreadable
            }
            Self::NoReply { .. } => ErrorKind::Unavailable,
            Self::BadToken { .. } => ErrorKind::Credentials,
            Self::BadId { .. } => ErrorKind::BadRequest,
            Self::OtherListing { .. } => ErrorKind::BadCursor,
        }
    }

    /// What to do about it.
    pub fn verdict(&self) -> Verdict {
        if let Self::RateLimited { until, .. } = self {
            return Verdict::RetryAt(*until);
        }
        match self.kind() {
            ErrorKind::RateLimited
            | ErrorKind::Unavailable
            | ErrorKind::Unreadable
            | ErrorKind::BadCursor => Verdict::BackOff,
            ErrorKind::Credentials
            | ErrorKind::Rights
            | ErrorKind::NotFound
            | ErrorKind::Refused
            | ErrorKind::BadRequest => Verdict::GiveUp,
        }
    }

    /// Okta's code (`E0000011`), if Okta gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Answered { answer, .. } => Some(answer.refusal.as_ref()?.code.as_str()),
            _ => None,
        }
    }

    /// Okta's further sentences about a refusal.
    pub fn causes(&self) -> &[String] {
        match self {
            Self::Answered { answer, .. } => {
                answer.refusal.as_ref().map_or(&[], |refusal| &refusal.causes)
            }
            _ => &[],
        }
    }

    /// The id by which Okta's support finds the call, if a reply came.
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Answered { answer, .. } => answer.request_id.as_deref(),
            Self::RateLimited { request_id, .. } | Self::Unreadable { request_id, .. } => {
                request_id.as_deref()
            }
            _ => None,
        }
    }

    /// The HTTP status, if a reply came.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Answered { answer, .. } => Some(answer.status),
            Self::RateLimited { .. } => Some(429),
            Self::Unreadable { status, .. } | Self::Redirected { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// What was tried, in plain words.
    pub fn doing(&self) -> &'static str {
        match self {
            Self::Answered { doing, .. }
            | Self::RateLimited { doing, .. }
            | Self::NoReply { doing, .. }
            | Self::Unreadable { doing, .. }
            | Self::Redirected { doing, .. }
            | Self::ForeignLink { doing, .. }
            | Self::BadToken { doing }
            | Self::BadId { doing, .. }
            | Self::OtherListing { doing } => doing,
        }
    }
}

/// What a reply means before its content is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    /// Served.
    Served,
    /// Turned away by a limit.
    Throttled(Throttle),
    /// A fault that may pass by itself.
    Passing(Answer),
    /// Refused for good.
    Refused(Answer),
    /// Not written by Okta.
    NotOkta,
    /// A redirect.
    Redirect,
}

/// Judges a reply by its status and Okta's code. Source of the codes: Okta developer docs, "Error codes".
pub(crate) fn judge(reply: &Reply, path_and_query: &str) -> Judged {
    let refusal = reply.refusal();
    let code = refusal.as_ref().map_or("", |refusal| refusal.code.as_str());
    let paged = query_value(path_and_query, "after").is_some();
    // Whether something wrote this body that is not Okta: a proxy, a firewall, a portal. A bare 401 or 403 is believed.
    let foreign = code.is_empty() && !(matches!(reply.status, 401 | 403) && reply.body.is_empty());
    let kind = match (reply.status, code) {
        (200..=299, _) => return Judged::Served,
        (300..=399, _) => return Judged::Redirect,
        (429, _) => return Judged::Throttled(Throttle::of(reply)),
        (501, _) => ErrorKind::BadRequest,
        // 409 E0000112: "this user is still being activated; try again in minutes".
        (408 | 425 | 500.., _) | (409, "E0000112") => ErrorKind::Unavailable,
        // Most of all a 404: whoever answers in Okta's place must not be able to prove that somebody is gone.
        _ if foreign => return Judged::NotOkta,
        // Means "not enabled or not permitted", although it comes as a 401; the token itself is good.
        (401, "E0000015") | (403, _) => ErrorKind::Rights,
        (401, _) => ErrorKind::Credentials,
        (404, "E0000007") => ErrorKind::NotFound,
        // The last of these is the System Log's word for a query that it cannot read.
        (400, "E0000029" | "E0000030" | "E0000031" | "E0000053") if paged => ErrorKind::BadCursor,
        _ => ErrorKind::BadRequest,
    };
    let passing = kind == ErrorKind::Unavailable;
    let answer = Answer {
        status: reply.status,
        kind,
        refusal,
        request_id: reply.request_id().map(str::to_owned),
    };
    if passing { Judged::Passing(answer) } else { Judged::Refused(answer) }
}
