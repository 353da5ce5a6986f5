//! Signing in: with Okta, with a password, and everything that must not let anybody in.

#[path = "signin/attacks.rs"]
mod attacks;
#[path = "signin/doors.rs"]
mod doors;
#[path = "signin/input.rs"]
mod input;
#[path = "signin/misbehaving.rs"]
mod misbehaving;
#[path = "signin/rights.rs"]
mod rights;
