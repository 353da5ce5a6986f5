//! What can go wrong with the database, in words for the people who run it.

use muster_core::id::TenantId;

/// Why the store did not do what it was asked for. Nothing was changed then.
///
/// `Display` names the operation and never repeats its source; the log line walks the chain.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address of the database cannot be used.
    #[error(
        "{text:?} is not the address of a database: use sqlite://PATH or postgres://USER@HOST/NAME"
    )]
    BadUrl { text: String },
    /// The database could not be opened or reached.
    #[error("cannot open the database {database}")]
    Unreachable {
        database: String,
        #[source]
        cause: Box<sqlx::Error>,
    },
    /// The folder or the file of the database could not be made.
    #[error("cannot make {path}")]
    Folder {
        path: String,
        #[source]
        cause: std::io::Error,
    },
    /// Something else lives there.
    #[error(
        "{database} holds data that is not of Muster: give MUSTER_DATABASE_URL an empty database of its own"
    )]
    NotOurs { database: String },
    /// A newer Muster changed the database in a way that this one does not understand.
    #[error(
        "the database is at version {database}, which needs a newer muster than this one (it knows version {binary}): \
         install the newer one"
    )]
    TooNew { database: i64, binary: i64 },
    /// A step of bringing the database to this version failed.
    #[error("cannot bring the database to version {version} ({name})")]
    Migration {
        version: i64,
        name: &'static str,
        #[source]
        cause: Box<sqlx::Error>,
    },
    /// The master key file is not the one of this database.
    #[error(
        "the master key file does not fit this database: its secrets were stored under key {wanted}; \
         put that key back into MUSTER_MASTER_KEY_FILE"
    )]
    WrongMasterKey { wanted: String },
    /// The master key file cannot be read as one.
    #[error("the master key file is not usable: {0}")]
    BadMasterKey(&'static str),
    /// Another process held the database for too long.
    #[error("{doing}: another process is keeping the database busy")]
    Locked {
        doing: String,
        #[source]
        cause: Box<sqlx::Error>,
    },
    /// A statement failed.
    #[error("{doing}: the database refused")]
    Sql {
        doing: String,
        #[source]
        cause: Box<sqlx::Error>,
    },
    /// A stored row cannot be read as what it should be.
    #[error("row {id} of table {table} holds something unreadable in column {column}")]
    BadRow { table: &'static str, column: &'static str, id: String },
    /// A stored secret does not open: it was changed, moved, or belongs to another host.
    #[error("the stored {field} does not open for {host}: enter it again")]
    SealBroken { field: &'static str, host: String },
    /// What was asked for does not fit what is there; the text is for the one who asked.
    #[error("{0}")]
    Conflict(String),
    /// What was asked for does not exist; the text is for the one who asked.
    #[error("{0}")]
    NotFound(String),
    /// Addresses of accounts to be added belong to somebody already.
    #[error("{}", taken_text(.0))]
    Taken(Vec<Taken>),
    /// The change would leave the tenant without any active owner.
    #[error(
        "this would leave the tenant without an active owner: make somebody else an owner first"
    )]
    LastOwner,
    /// Another process took over the lane.
    #[error("another process took over this work")]
    ClaimLost,
    /// The tenant is gone.
    #[error("there is no tenant {0}")]
    NoTenant(TenantId),
    /// Rows for an insert that are not a whole number of rows, or mix kinds in one column: a mistake of ours.
    #[error("{doing}: {problem}")]
    BadInsert { doing: String, problem: &'static str },
}

/// An account that cannot be added, because its address is not free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its place in the list given, from 0.
    pub row: usize,
    pub email: String,
    /// The place of the one before it with the same address, when it is taken within the list itself.
    pub earlier: Option<usize>,
}

fn taken_text(taken: &[Taken]) -> String {
    let shown: Vec<&str> = taken.iter().take(3).map(|one| one.email.as_str()).collect();
    let more = if taken.len() > shown.len() { ", …" } else { "" };
    let count = taken.len();
    let verb = if count == 1 { "address belongs" } else { "addresses belong" };
    format!("{count} {verb} to somebody already ({}{more}); nobody was added", shown.join(", "))
}

impl StoreError {
    /// The error of a failed statement.
    pub(crate) fn sql(sql: &str, cause: sqlx::Error) -> Self {
        Self::judge(|| gist(sql), cause)
    }

    /// The error of a failed operation that is not one statement: `begin`, `commit`.
    pub(crate) fn during(doing: &'static str, cause: sqlx::Error) -> Self {
        Self::judge(|| doing.to_owned(), cause)
    }

    fn judge(doing: impl FnOnce() -> String, cause: sqlx::Error) -> Self {
        if let sqlx::Error::Database(error) = &cause {
            // The words of the triggers in the migrations, the same on both engines.
            if error.message().contains("muster: last active owner") {
                return Self::LastOwner;
            }
        }
        let doing = doing();
        if is_busy(&cause) {
            return Self::Locked { doing, cause: Box::new(cause) };
        }
        Self::Sql { doing, cause: Box::new(cause) }
    }

    /// Whether the same may work out at once: two transactions waited for each other, and this one was chosen to give way.
    pub fn gave_way(&self) -> bool {
        // PostgreSQL: serialization_failure and deadlock_detected.
        let given = |code: &str| matches!(code, "40001" | "40P01");
        matches!(self, Self::Sql { cause, .. }
            if cause.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|code| given(&code)))
    }

    /// Whether a row with the same key is already there.
    pub fn is_duplicate(&self) -> bool {
        matches!(self, Self::Sql { cause, .. }
            if cause.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation))
    }
}

/// SQLite: 5 is BUSY and 6 is LOCKED, with details in the higher bits. PostgreSQL: 55P03 is lock_not_available.
fn is_busy(cause: &sqlx::Error) -> bool {
    match cause {
        sqlx::Error::PoolTimedOut => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code == "55P03"
                || code
                    .parse::<u32>()
                    .is_ok_and(|code| matches!(code & 0xff, 5 | 6) && code < 0x1_0000)
        }),
        _ => false,
    }
}

/// A statement in few words, for a message: `insert people`. Never its values.
pub(crate) fn gist(sql: &str) -> String {
    let mut words = sql.split_whitespace();
    let verb = words.next().unwrap_or("statement").to_lowercase();
    let before_table = match verb.as_str() {
        "insert" => "INTO",
        "update" => return format!("update {}", words.next().unwrap_or("rows")),
        _ => "FROM",
    };
    let table = words.by_ref().skip_while(|word| *word != before_table).nth(1).unwrap_or("rows");
    format!("{verb} {}", table.trim_matches(|c: char| !c.is_alphanumeric() && c != '_'))
}

#[cfg(test)]
mod tests {
    use super::gist;

    #[test]
    fn a_statement_in_few_words() {
        let cases = [
            ("SELECT a, b FROM people WHERE x = $1", "select people"),
            ("INSERT INTO run_items (a, b) VALUES", "insert run_items"),
            ("UPDATE tenants SET a = 1", "update tenants"),
            ("DELETE FROM mirror WHERE a = 'secret'", "delete mirror"),
        ];
        for (sql, want) in cases {
            assert_eq!(gist(sql), want);
        }
    }
}
