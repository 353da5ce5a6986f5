//! The hook's door, by real HTTP on both engines.

mod bad_input;
mod fuzz;
mod killed;
mod rotation;
mod storage;
mod stored;
