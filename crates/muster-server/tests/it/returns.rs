//! People lose access and get it back: everything is as it was, and nobody is ever lost.

mod away;
mod owners;
mod ways;
