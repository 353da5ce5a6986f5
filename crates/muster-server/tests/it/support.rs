//! What tests share: an installation of its own for each, a simulated Okta, databases on both engines.

mod ground;
mod home;
mod invariants;
mod line;
mod okta;
mod postgres;
mod stand;

pub(crate) use ground::{Ground, On, Tables, on_both_engines};
pub(crate) use home::{Home, Ran};
pub(crate) use line::{Called, Line};
pub(crate) use okta::{Okta, connect, connect_to};
pub(crate) use postgres::PostgresDatabase;
pub(crate) use stand::{ANA, Company, FERNHILL_RULES, OLGA, Stand, problem, standing};
