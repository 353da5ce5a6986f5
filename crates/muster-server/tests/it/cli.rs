//! The command line as people and scripts meet it.

mod runs;
mod settings;
mod wrong_input;
