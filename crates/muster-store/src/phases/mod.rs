//! The set queries of a run's steps, one file a step.

pub mod emails;
pub mod managers;
pub mod missing;
pub mod people;
pub mod removals;
pub mod renames;
pub mod report;
