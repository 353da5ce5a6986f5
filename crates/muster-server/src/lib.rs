//! Muster: the Okta integration of a learning platform, as a service one runs oneself.
//!
//! [`cli`] is the outside; it opens an [`app`] as the [`config`] says. [`sync`] is the loop: read Okta, plan, apply.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod sync;
pub mod telemetry;
