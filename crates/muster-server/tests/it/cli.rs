//! The command line as people and scripts meet it.

mod demo;
mod interrupt;
mod runs;
mod settings;
mod wrong_input;
