//! The decisions of Muster, and nothing but decisions.
//!
//! Nothing here does I/O, reads a clock or draws a random number: what a function needs, it is given.
//! So every decision can be tested as a table, and a preview is the same code as the run itself.

#![warn(missing_docs)]

pub mod access;
pub mod alarm;
pub mod budget;
pub mod claims;
pub mod event;
pub mod field;
pub mod guard;
pub mod id;
pub mod manager;
pub mod mapping;
pub mod matching;
pub mod name;
pub mod okta_user;
pub mod person;
pub mod plan;
pub mod problem;
pub mod rename;
pub mod rules;
pub mod run;
pub mod schedule;
pub mod scope;
pub mod signin;
pub mod tenant;
