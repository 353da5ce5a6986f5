//! The storage of Muster: SQL for SQLite and PostgreSQL, one text for both.
//!
//! [`db::Db`] knows the engines apart, nobody else does. [`tenants::TenantDb`] sees one tenant and has no method that takes
//! another. [`history::Write`] is the only way to change a tenant: a transaction that holds its lock and writes its history.

pub mod accounts;
pub mod alarms;
pub mod app_groups;
#[cfg(debug_assertions)]
pub mod commits;
mod connect;
pub mod connection;
pub mod credentials;
pub mod db;
pub mod dialect;
pub mod entry;
pub mod error;
pub mod events;
pub mod expiry;
pub mod facts;
pub mod health;
pub mod history;
pub mod hooks;
pub mod inbox;
pub mod items;
pub mod jobs;
pub mod lanes;
mod lists;
pub mod log_cursor;
mod migrate;
pub mod mirror;
pub mod people;
pub mod people_view;
pub mod phases;
pub mod rules;
pub mod runs;
pub mod schedule;
pub mod secrets;
pub mod sessions;
pub mod sightings;
pub mod teams;
pub mod tenants;
pub mod time;
pub mod unreadable;
pub mod upsert;
pub mod url;

pub use db::Db;
pub use error::StoreError;
pub use history::Write;
pub use tenants::TenantDb;
pub use url::DatabaseUrl;
