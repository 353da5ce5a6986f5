//! The address of a database.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::StoreError;

/// Where the database is: `sqlite://PATH`, `sqlite::memory:` (for simulations) or `postgres://…`.
///
/// Never shows a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(pub(crate) Place);

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    File(PathBuf),
    Memory,
    Postgres(url_text::Secret),
}

pub(crate) mod url_text {
    /// A PostgreSQL address with whatever password is in it.
    #[derive(Clone, PartialEq, Eq)]
    pub(crate) struct Secret(pub(crate) String);
}

impl DatabaseUrl {
    /// A SQLite database in a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Place::File(path.into()))
    }

    /// A SQLite database that lives in memory and ends with the [`Db`](crate::db::Db).
    pub fn memory() -> Self {
        Self(Place::Memory)
    }

    /// The file, if the database is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(path) => Some(path),
            Place::Memory | Place::Postgres(_) => None,
        }
    }

    /// Whether the database is a PostgreSQL one, which needs its master key file named.
    pub fn is_postgres(&self) -> bool {
        matches!(self.0, Place::Postgres(_))
    }
}

impl FromStr for DatabaseUrl {
    type Err = StoreError;
    fn from_str(text: &str) -> Result<Self, StoreError> {
        let bad = || StoreError::BadUrl { text: without_password(text) };
        if matches!(text, "sqlite::memory:" | "sqlite://:memory:") {
            return Ok(Self::memory());
        }
        if let Some(path) = text.strip_prefix("sqlite://") {
            // A path is a path: what looks like a query would silently become part of the file's name.
            return if path.is_empty() || path.contains('?') {
                Err(bad())
            } else {
                Ok(Self::file(path))
            };
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            text.parse::<sqlx::postgres::PgConnectOptions>().map_err(|_| bad())?;
            return Ok(Self(Place::Postgres(url_text::Secret(text.to_owned()))));
        }
        Err(bad())
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => write!(f, "sqlite://{}", path.display()),
            Place::Memory => f.write_str("sqlite::memory:"),
            Place::Postgres(text) => f.write_str(&without_password(&text.0)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text up to its parameters, with `***` for a password: also parameters may hold one.
fn without_password(text: &str) -> String {
    let text = text.split('?').next().unwrap_or_default();
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    match rest.rsplit_once('@') {
        Some((who, place)) => {
            let user = who.split(':').next().unwrap_or_default();
            if user == who { text.to_owned() } else { format!("{scheme}://{user}:***@{place}") }
        }
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let shown = |text: &str| {
            text.parse::<DatabaseUrl>().map(|url| url.to_string()).map_err(|e| e.to_string())
        };
        assert_eq!(
            shown("sqlite://muster-data/muster.db").as_deref(),
            Ok("sqlite://muster-data/muster.db")
        );
        assert_eq!(shown("sqlite::memory:").as_deref(), Ok("sqlite::memory:"));
        assert_eq!(
            shown("postgres://ana:pa:s@s@db.example:5432/muster?password=x").as_deref(),
            Ok("postgres://ana:***@db.example:5432/muster")
        );
        for bad in [
            "",
            "muster.db",
            "mysql://x",
            "sqlite://",
            "sqlite://a.db?mode=ro",
            "postgres://u:secret@h:port/x",
        ] {
            let error = shown(bad).expect_err(bad);
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
