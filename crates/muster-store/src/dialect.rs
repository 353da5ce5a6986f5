//! The words that differ between SQLite and PostgreSQL. Everything else is one text for both.

/// The engine behind a [`Db`](crate::db::Db).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The text of a migration with its words in double braces replaced for this engine.
    pub(crate) fn schema(self, text: &str) -> String {
        let words: [(&str, &str); 5] = match self {
            Self::Sqlite => [
                ("{{uuid}}", "BLOB"),
                ("{{key}}", "TEXT"),
                ("{{blob}}", "BLOB"),
                ("{{bool}}", "BOOLEAN"),
                ("{{clustered}}", "WITHOUT ROWID"),
            ],
            Self::Postgres => [
                ("{{uuid}}", "UUID"),
                // Compared byte by byte, as SQLite and Rust do, whatever the language of the server.
                ("{{key}}", "TEXT COLLATE \"C\""),
                ("{{blob}}", "BYTEA"),
                ("{{bool}}", "BOOLEAN"),
                ("{{clustered}}", ""),
            ],
        };
        words.iter().fold(text.to_owned(), |text, (word, meaning)| text.replace(word, meaning))
    }
}

/// SQL for both engines. A plain `&'static str` is one that both understand.
#[derive(Debug, Clone, Copy)]
pub struct Sql {
    pub(crate) sqlite: &'static str,
    pub(crate) postgres: &'static str,
}

impl Sql {
    /// Two texts with one meaning.
    pub const fn differing(sqlite: &'static str, postgres: &'static str) -> Self {
        Self { sqlite, postgres }
    }

    /// The text for one engine.
    pub const fn text(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self { sqlite: text, postgres: text }
    }
}
