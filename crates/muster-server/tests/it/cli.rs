//! The command line as people and scripts meet it.

mod check;
mod demo;
mod hook;
mod interrupt;
mod runs;
mod settings;
mod traces;
mod wrong_input;
