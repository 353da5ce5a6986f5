//! The loop's shell: read Okta, stage, plan (pure, in core), guard, apply. It makes no decision of its own.
//!
//! A run is worked on in short steps. Each step is one transaction that locks the tenant, makes sure that the claim on the
//! lane still stands, does its part and stores how far it came. Whoever is killed between two steps loses nothing, and
//! whoever lost the lane writes nothing.

mod apply;
mod emails;
mod engine;
mod hints;
mod job;
mod managers;
mod missing;
mod named;
mod people;
mod read;
mod removals;
mod renames;
mod report;

pub use crate::connect::{Connect, Connected, NotConnected, OktaConnect};
pub use engine::{Engine, EngineConfig, OnApplied, Pace, Progress, Turn};
pub use hints::{HintError, Polled};
pub use job::RunError;
