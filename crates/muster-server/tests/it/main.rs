//! The service from outside and as a whole: the real binary, the real engine, a simulated Okta.

mod cli;
mod support;
