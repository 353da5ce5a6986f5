//! Why somebody is not signed in. Each has a word for the log; the page says cause and fix.

use muster_core::access::Barred;
use muster_core::claims::BadClaims;
use muster_okta::oidc::{BadToken, OidcError};
use muster_store::StoreError;

/// Why a sign-in by Okta did not end in a session. Nobody is signed in then.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Something of the connection is missing.
    #[error("Okta is not set up: {0} is missing")]
    NotSetUp(&'static str),
    /// The stored address may not be called.
    #[error("the stored Okta address may not be called: {0}")]
    Address(String),
    /// The answer belongs to no sign-in that this browser began, or to one that is over.
    #[error("no sign-in of this browser waits for this answer")]
    NotBegun,
    /// It was begun too long ago.
    #[error("the sign-in was begun too long ago")]
    TooLate,
    /// The same answer came before.
    #[error("the answer was used before")]
    Replayed,
    /// The answer is not one that Okta gives.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// Okta says no.
    #[error("Okta answered {error:?}: {description}")]
    Okta { error: String, description: String },
    /// Too many codes from there that Okta did not take.
    #[error("too many wrong codes from that place")]
    TooOften,
    /// Somebody started it for another organisation.
    #[error("it was started for another issuer")]
    OtherIssuer,
    #[error("Okta could not be asked")]
    Oidc(#[source] OidcError),
    #[error("the ID token is not to be believed")]
    Token(#[source] BadToken),
    #[error("the ID token's claims are wrong")]
    Claims(#[source] BadClaims),
    /// They are not assigned to the app.
    #[error("not assigned to the app")]
    NotAssigned,
    /// Assigned, and no account could be made or found without a human.
    #[error("the account needs a decision by an admin")]
    NeedsDecision,
    /// Assigned, and their account is still being made.
    #[error("the account is still being made")]
    StillReading,
    /// There is an account, and it may not enter.
    #[error("the account may not enter: {0:?}")]
    Barred(Barred),
    /// Okta's API did not say whether they are assigned.
    #[error("whether they are assigned could not be read")]
    Unreadable(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SignInError {
    /// A short word for it, for logs, figures and the page.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSetUp(_) => "not_set_up",
            Self::Address(_) => "bad_address",
            Self::NotBegun => "state_unknown",
            Self::TooLate => "state_old",
            Self::Replayed => "state_used",
            Self::Malformed(_) => "malformed",
            Self::Okta { error, .. } => okta_code(error),
            Self::TooOften => "too_often",
            Self::OtherIssuer => "other_issuer",
            Self::Oidc(error) => error.code(),
            Self::Token(bad) => bad.code(),
            Self::Claims(bad) => bad.code(),
            Self::NotAssigned => "not_assigned",
            Self::NeedsDecision => "needs_decision",
            Self::StillReading => "still_reading",
            Self::Barred(Barred::NotYet) => "not_yet",
            Self::Barred(Barred::Deactivated(_)) => "deactivated",
            Self::Barred(Barred::ToConfirm) => "to_confirm",
            Self::Unreadable(_) => "assignment_unreadable",
            Self::Store(_) => "store",
        }
    }

    /// Which page tells of it: several causes have one fix.
    pub fn page(&self) -> &'static str {
        match self {
            Self::NotSetUp(_) | Self::Address(_) => "not-set-up",
            Self::NotBegun | Self::TooLate | Self::Replayed | Self::Malformed(_) => "start-again",
            Self::Okta { error, description } => okta_page(error, description),
            Self::TooOften => "too-often",
            Self::OtherIssuer => "other-issuer",
            Self::Oidc(OidcError::OtherIssuer { .. } | OidcError::ForeignEndpoint { .. }) => {
                "wrong-server"
            }
            Self::Oidc(OidcError::BadKey { .. }) => "bad-secret",
            Self::Oidc(OidcError::Refused { code, .. }) if code == "invalid_client" => "bad-secret",
            Self::Oidc(OidcError::Refused { code, .. }) if code == "invalid_grant" => "start-again",
            Self::Oidc(_) | Self::Unreadable(_) => "okta-away",
            Self::Claims(BadClaims::Expired(_) | BadClaims::NotYet(_)) => "clock",
            Self::Token(_) | Self::Claims(_) => "not-believed",
            Self::NotAssigned => "not-assigned",
            Self::NeedsDecision => "needs-decision",
            Self::StillReading => "still-reading",
            Self::Barred(Barred::NotYet) => "not-yet",
            Self::Barred(Barred::Deactivated(_)) => "deactivated",
            Self::Barred(Barred::ToConfirm) => "to-confirm",
            Self::Store(_) => "our-fault",
        }
    }

    /// The HTTP status that fits.
    pub fn status(&self) -> u16 {
        match self.page() {
            "not-set-up" => 404,
            "start-again" | "other-issuer" => 400,
            "okta-away" | "still-reading" => 503,
            "too-often" => 429,
            "our-fault" => 500,
            "wrong-server" | "bad-secret" | "clock" | "not-believed" | "okta-app" => 502,
            _ => 403,
        }
    }
}

/// The words that Okta sends to a callback. Source: OpenID Connect Core 1.0, 3.1.2.6; RFC 6749, 4.1.2.1; Okta's own.
const OKTA: &[(&str, &str)] = &[
    ("access_denied", "okta_access_denied"),
    ("login_required", "okta_login_required"),
    ("consent_required", "okta_consent_required"),
    ("interaction_required", "okta_interaction_required"),
    ("invalid_scope", "okta_invalid_scope"),
    ("invalid_request", "okta_invalid_request"),
    ("unauthorized_client", "okta_unauthorized_client"),
    ("unsupported_response_type", "okta_unsupported_response_type"),
    ("server_error", "okta_server_error"),
    ("temporarily_unavailable", "okta_temporarily_unavailable"),
];

fn okta_code(error: &str) -> &'static str {
    OKTA.iter().find(|(word, _)| *word == error).map_or("okta_other", |(_, code)| code)
}

fn okta_page(error: &str, description: &str) -> &'static str {
    match error {
        // By far the most common, and told apart by its text only.
        "access_denied" if description.contains("not assigned") => "not-assigned",
        "access_denied" => "denied",
        "login_required" | "interaction_required" | "consent_required" => "start-again",
        "server_error" | "temporarily_unavailable" => "okta-away",
        _ => "okta-app",
    }
}
