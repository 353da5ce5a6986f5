//! The loop that sees to what is due, with work that tests control.

mod fake;
mod turns;
