//! The program in a real browser: Chromium, used as people use it, with a simulated Okta beside it.
//!
//! Each test starts `muster demo` and a driver of its own. Where there is no Chromium they say so and test nothing; in CI they fail.

mod checks;
mod demo;
mod driver;
mod keyboard;
mod learner;
mod look;
mod owner;
mod plain;
mod sole;
mod window;
