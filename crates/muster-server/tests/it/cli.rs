//! The command line as people and scripts meet it.

mod settings;
mod wrong_input;
