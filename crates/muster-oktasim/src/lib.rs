//! A simulator of a whole Okta org.
//!
//! [`Org`] is a pure state machine: requests and times in, replies out. [`OrgHandle`] shares one between tasks,
//! [`Sim`] serves one over HTTP on loopback. The facts behind it are Okta's documents and recordings of real orgs; it
//! shares nothing with the client that it tests.

mod admin;
mod admin_api;
mod api;
mod dice;
mod faults;
mod handle;
mod ids;
pub mod org;
mod profile;
mod shell;
mod stamp;
mod state;

pub use admin::{Action, Done};
pub use admin_api::{AppChange, LimitChange, TokenChange};
pub use api::exchange::{Cut, Reply, Request};
pub use faults::{Fault, Faults, Rain, Rule, passing};
pub use handle::OrgHandle;
pub use shell::{RunningSim, Sim, SimConfig, SimError};
pub use state::hooks::{Delivery, HookCall, Outcome, Verification};
pub use state::keys::KeyChange;
pub use state::limits::{Family, Limits, Preset};
pub use state::log::EventKind;
pub use state::people::{Status, Transition};
pub use state::sign_in::{ClientAuth, LoginMode, Revocation, SubjectFormat};
pub use state::tokens::{Area, Right, TokenState};
pub use state::{HookSettings, Org, Refused, Settings, Stats};
