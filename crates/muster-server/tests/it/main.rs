//! The service from outside and as a whole: the real binary, the real engine, a simulated Okta.

mod alarms;
mod chromium;
mod cli;
mod door;
mod events;
mod faults;
mod fernhill;
mod guard;
mod jobs;
mod kill;
mod returns;
mod schedule;
mod signin;
mod simulation;
mod support;
