//! Muster: the Okta integration of a learning platform, as a service one runs oneself.
//!
//! [`cli`] is the outside; it opens an [`app`] as the [`config`] says. [`web`] stores what Okta tells, [`jobs`] sees to it, and
//! [`sync`] is the loop: read Okta, plan, apply. [`signin`] lets people in.

pub mod alarms;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod connect;
pub mod jobs;
pub mod mail;
pub mod schedule;
pub mod signin;
pub mod sync;
pub mod telemetry;
pub mod web;
