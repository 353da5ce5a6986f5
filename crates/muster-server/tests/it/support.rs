//! What tests share: an installation of its own for each, a simulated Okta, databases on both engines.

mod home;
mod okta;
mod postgres;

pub(crate) use home::{Home, Ran};
pub(crate) use okta::{Okta, connect};
pub(crate) use postgres::PostgresDatabase;
