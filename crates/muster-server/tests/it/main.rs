//! The service from outside and as a whole: the real binary, the real engine, a simulated Okta.

mod cli;
mod faults;
mod fernhill;
mod guard;
mod kill;
mod returns;
mod simulation;
mod support;
