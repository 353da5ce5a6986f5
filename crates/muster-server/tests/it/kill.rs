//! The real program, killed and frozen in the midst of its work, and several of it on one database: whatever happens to a
//! process, the next one ends what it began, and the result is that of a run that nobody disturbed.

mod gate;
mod migrations;
mod moments;
mod process;
mod serving;
mod several;
mod snapshot;
mod world;
