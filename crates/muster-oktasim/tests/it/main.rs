//! The simulator from outside, without HTTP but for one file.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test that calls them")]

mod access;
mod browser;
mod clients;
mod dashboard;
mod faults;
mod fernhill;
mod hooks;
mod lifecycle;
mod listing;
mod logs;
mod oauth;
mod served;
mod shapes;
mod sign_in;
mod sign_out;
mod stand;
