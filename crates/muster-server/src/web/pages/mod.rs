//! The pages, a file for what belongs together.

pub(super) mod account;
pub(super) mod home;
pub(super) mod integrations;
pub(super) mod okta;
pub(super) mod sign_in;
pub(super) mod welcome;
