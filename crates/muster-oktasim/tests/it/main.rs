//! The simulator from outside, without HTTP but for one file.

mod access;
mod faults;
mod fernhill;
mod hooks;
mod lifecycle;
mod listing;
mod logs;
mod served;
mod shapes;
mod stand;
