//! What goes wrong with a request, and how it is told: a page for people, a problem (RFC 9457) for programs.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use muster_store::StoreError;

use crate::telemetry::chain;

/// Why a request was not served. The page is made where it is known who reads ([`super::guard`]).
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    /// Names the texts `fault-…-title` and `fault-…-text`.
    pub(super) key: &'static str,
    /// Something that the text shows.
    pub(super) detail: Option<String>,
}

impl Fault {
    const fn new(status: StatusCode, key: &'static str) -> Self {
        Self { status, key, detail: None }
    }

    /// There is nothing here, or nothing that this person may know of.
    pub(super) const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, "not-found");
    /// No company has this address.
    pub(super) const NO_TENANT: Self = Self::new(StatusCode::NOT_FOUND, "no-tenant");
    pub(super) const FORBIDDEN: Self = Self::new(StatusCode::FORBIDDEN, "forbidden");
    /// They are not signed in, and it is not a page that could be shown afterwards.
    pub(super) const SIGNED_OUT: Self = Self::new(StatusCode::UNAUTHORIZED, "signed-out");
    /// A form that did not come from one of our pages, or from one of another session.
    pub(super) const OTHER_SITE: Self = Self::new(StatusCode::FORBIDDEN, "other-site");
    pub(super) const MALFORMED: Self = Self::new(StatusCode::BAD_REQUEST, "malformed");
    pub(super) const TOO_LARGE: Self = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large");
    pub(super) const MEDIA_TYPE: Self = Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed");
    pub(super) const COOKIES: Self =
        Self::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "cookies");
    pub(super) const METHOD: Self = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method");
    pub(super) const OURS: Self = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ours");
    pub(super) const BUSY: Self = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy");

    pub(super) fn conflict(text: String) -> Self {
        Self { detail: Some(text), ..Self::new(StatusCode::CONFLICT, "conflict") }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(text) => Self::conflict(text),
            StoreError::NotFound(_) => Self::NOT_FOUND,
            StoreError::LastOwner => Self::conflict(StoreError::LastOwner.to_string()),
            other => {
                tracing::error!(error = %chain(&other), "a request failed");
                Self::OURS
            }
        }
    }
}

impl From<super::fields::BadFields> for Fault {
    fn from(bad: super::fields::BadFields) -> Self {
        match bad {
            super::fields::BadFields::TooLarge => Self::TOO_LARGE,
            super::fields::BadFields::Type => Self::MEDIA_TYPE,
            super::fields::BadFields::Malformed | super::fields::BadFields::Repeated => {
                Self::MALFORMED
            }
        }
    }
}

impl IntoResponse for Fault {
    /// An empty answer that carries what it is; the page is put in by [`super::guard`].
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// Why a page is not shown: something is wrong, or another page comes first.
#[derive(Debug)]
pub(super) enum Instead {
    Fault(Fault),
    Page(String),
}

impl From<Fault> for Instead {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<StoreError> for Instead {
    fn from(error: StoreError) -> Self {
        Self::Fault(error.into())
    }
}

impl From<super::fields::BadFields> for Instead {
    fn from(bad: super::fields::BadFields) -> Self {
        Self::Fault(bad.into())
    }
}

impl IntoResponse for Instead {
    fn into_response(self) -> Response {
        match self {
            Self::Fault(fault) => fault.into_response(),
            Self::Page(to) => Redirect::to(&to).into_response(),
        }
    }
}
