//! What tests share: an installation of its own for each, a simulated Okta, databases on both engines.

mod browser;
mod doorway;
mod ground;
mod home;
mod http;
mod invariants;
mod line;
mod okta;
mod post;
mod postgres;
mod program;
mod served;
mod site;
mod stand;

pub(crate) use browser::{Browser, Page};
pub(crate) use doorway::{Answers, Doorway};
pub(crate) use ground::{Ground, On, Tables, on_both_engines};
pub(crate) use home::{Home, Ran};
pub(crate) use http::{Answer, Client};
pub(crate) use line::{Called, Line};
pub(crate) use okta::{Okta, connect, connect_to};
pub(crate) use post::PostOffice;
pub(crate) use postgres::PostgresDatabase;
pub(crate) use program::Program;
pub(crate) use served::{APP, HOOK, SECRET, Served, deliver, delivery, made, one};
pub(crate) use site::{Site, password_of};
pub(crate) use stand::{ANA, Company, FERNHILL_RULES, OLGA, Stand, problem, standing};
