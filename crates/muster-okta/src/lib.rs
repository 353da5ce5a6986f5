//! A typed, streaming client for the Okta management API.
//!
//! Pure: [`address`] (which hosts may be called), [`request`], [`reply`], [`page`], [`limits`], [`wire`] and
//! [`people`] (what Okta sends). Asynchronous: [`transport`] and [`client`]. [`error`] says of every failure whether
//! to try again. Nothing here reads a clock: a [`client::Timer`] is given.
#![warn(missing_docs)]

pub mod address;
pub mod auth;
mod call;
pub mod client;
pub mod error;
pub mod hooks;
pub mod keep;
pub mod limits;
pub mod log;
pub mod oidc;
pub mod page;
pub mod people;
pub mod reply;
pub mod request;
pub mod transport;
pub mod wire;

pub use address::{AddressKind, BadAddress, ExtraHosts, OktaAddress, Parsed, forbidden_ip};
pub use client::{ClientConfig, OktaClient, Timer};
pub use error::{ErrorKind, OktaError, Verdict};
pub use hooks::NewEventHook;
pub use keep::KeepAttributes;
pub use log::{LogFrom, LogPage};
pub use page::PageLink;
pub use people::{ListedUser, SkippedUser};
pub use reply::Reply;
pub use request::Request;
pub use transport::{Exchange, HttpTransport, Transport, TransportError};
