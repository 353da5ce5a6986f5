//! The spine: every change to people, teams, settings and approvals, append only, numbered without a gap in each tenant.

use jiff::Timestamp;
use muster_core::id::{ChangeId, LocationId, PersonId, RunId, TeamId, TenantId};
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::db::{Arg, Tx};
use crate::dialect::Sql;
use crate::error::StoreError;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// What a change was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Person(PersonId),
    Team(TeamId),
    Location(LocationId),
    Run(RunId),
    /// The switch and the connection of the tenant, without its secrets.
    Settings,
    Rules,
    /// A secret; its value is never in the history.
    Credential,
}

impl Subject {
    /// The word for it in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Team(_) => "team",
            Self::Location(_) => "location",
            Self::Run(_) => "run",
            Self::Settings => "settings",
            Self::Rules => "rules",
            Self::Credential => "credential",
        }
    }

    /// The id, where there is more than one of its kind.
    pub const fn uuid(self) -> Option<Uuid> {
        match self {
            Self::Person(id) => Some(id.uuid()),
            Self::Team(id) => Some(id.uuid()),
            Self::Location(id) => Some(id.uuid()),
            Self::Run(id) => Some(id.uuid()),
            Self::Settings | Self::Rules | Self::Credential => None,
        }
    }
}

/// A change about to be recorded.
#[derive(Debug, Clone)]
pub struct NewChange {
    pub id: ChangeId,
    pub at: Timestamp,
    pub subject: Subject,
    /// `create`, `link`, `update`, `reactivate`, `deactivate`, `manager`, …
    pub kind: &'static str,
    /// Who did it: `okta`, `os:ana`.
    pub actor: String,
    /// What made them: a word of [`RunCause`](muster_core::run::RunCause).
    pub cause: String,
    pub run: Option<RunId>,
    /// The event of Okta that it follows from.
    pub event: Option<String>,
    pub reason: Option<String>,
    /// JSON object of the fields that changed, each as text or null.
    pub before: Option<String>,
    pub after: Option<String>,
}

/// A transaction that changes one tenant. It holds the tenant's lock, so there is never a second one at a time.
///
/// Dropping it undoes all of it.
pub struct Write {
    tx: Tx,
    tenant: TenantId,
    now: Timestamp,
    /// The number of the last entry, those waiting included.
    seq: i64,
    waiting: Vec<(i64, NewChange)>,
}

impl TenantDb {
    /// Begins a change of this tenant, waiting for whoever changes it now.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoTenant`] when there is none (any more).
    pub async fn write(&self, now: Timestamp) -> Result<Write, StoreError> {
        #[derive(sqlx::FromRow)]
        struct SeqRow {
            history_seq: i64,
        }
        let mut tx = self.db().begin().await?;
        // SQLite has one writer, who holds everything already.
        let lock = Sql::differing(
            "SELECT history_seq FROM tenants WHERE id = $1",
            "SELECT history_seq FROM tenants WHERE id = $1 FOR UPDATE",
        );
        let row: Option<SeqRow> = tx.fetch_optional(lock, &[self.id().into()]).await?;
        let seq = row.ok_or(StoreError::NoTenant(self.id()))?.history_seq;
        Ok(Write { tx, tenant: self.id(), now, seq, waiting: Vec::new() })
    }
}

impl Write {
    /// The transaction, for statements.
    pub fn tx(&mut self) -> &mut Tx {
        &mut self.tx
    }

    /// The tenant that is being changed.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// When the change began.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The number of the tenant's last history entry, those of this change included.
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// Adds an entry to the history, under the tenant's next number; it is written at the commit.
    pub fn record(&mut self, change: NewChange) {
        self.seq += 1;
        self.waiting.push((self.seq, change));
    }

    /// Makes the change lasting, with its history.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.write_history().await?;
        self.tx.commit().await
    }

    /// Writes the entries recorded so far, for a transaction that goes on.
    pub async fn write_history(&mut self) -> Result<(), StoreError> {
        const COLUMNS: usize = 14;
        if self.waiting.is_empty() {
            return Ok(());
        }
        let mut args: Vec<Arg<'_>> = Vec::with_capacity(self.waiting.len() * COLUMNS);
        for (seq, change) in &self.waiting {
            args.extend([
                self.tenant.into(),
                (*seq).into(),
                change.id.into(),
                micros(change.at).into(),
                change.subject.as_str().into(),
                change.subject.uuid().into(),
                change.kind.into(),
                change.actor.as_str().into(),
                change.cause.as_str().into(),
                change.run.into(),
                change.reason.as_deref().into(),
                change.before.as_deref().into(),
                change.after.as_deref().into(),
                change.event.as_deref().into(),
            ]);
        }
        let head = "INSERT INTO history (tenant_id, seq, id, at, subject, subject_id, kind, actor, cause, run_id, reason,
                                         before, after, event_id) VALUES";
        self.tx.insert_many(head, COLUMNS, &args, "").await?;
        self.waiting.clear();
        let seq = [self.tenant.into(), self.seq.into()];
        self.tx.execute("UPDATE tenants SET history_seq = $2 WHERE id = $1", &seq).await.map(drop)
    }
}

/// One entry of the history. Its JSON is what people and scripts see.
#[derive(Debug, serde::Serialize)]
pub struct Entry {
    pub seq: i64,
    pub id: ChangeId,
    pub at: Timestamp,
    pub subject: String,
    /// The prefixed id, where there is more than one of the subject's kind.
    pub subject_id: Option<String>,
    pub kind: String,
    pub actor: String,
    pub cause: String,
    pub run_id: Option<RunId>,
    /// Okta's id of the event that it follows from.
    pub event_id: Option<String>,
    pub reason: Option<String>,
    pub before: Option<Box<RawValue>>,
    pub after: Option<Box<RawValue>>,
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    seq: i64,
    id: Uuid,
    at: i64,
    subject: String,
    subject_id: Option<Uuid>,
    kind: String,
    actor: String,
    cause: String,
    run_id: Option<Uuid>,
    event_id: Option<String>,
    reason: Option<String>,
    before: Option<String>,
    after: Option<String>,
}

impl TryFrom<EntryRow> for Entry {
    type Error = StoreError;
    fn try_from(row: EntryRow) -> Result<Self, StoreError> {
        let bad = |column| StoreError::BadRow {
            table: "history",
            column,
            id: ChangeId::new(row.id).to_string(),
        };
        let json = |column, text: Option<String>| {
            text.map(|text| RawValue::from_string(text).map_err(|_| bad(column))).transpose()
        };
        Ok(Self {
            seq: row.seq,
            id: ChangeId::new(row.id),
            at: from_micros(row.at).ok_or_else(|| bad("at"))?,
            subject_id: row.subject_id.map(|id| match row.subject.as_str() {
                "person" => PersonId::new(id).to_string(),
                "team" => TeamId::new(id).to_string(),
                "location" => LocationId::new(id).to_string(),
                _ => RunId::new(id).to_string(),
            }),
            before: json("before", row.before)?,
            after: json("after", row.after)?,
            subject: row.subject,
            kind: row.kind,
            actor: row.actor,
            cause: row.cause,
            run_id: row.run_id.map(RunId::new),
            event_id: row.event_id,
            reason: row.reason,
        })
    }
}

macro_rules! select_entries {
    ($rest:literal) => {
        concat!(
            "SELECT seq, id, at, subject, subject_id, kind, actor, cause, run_id, event_id, reason, before, after
             FROM history WHERE tenant_id = $1 ",
            $rest
        )
    };
}

impl TenantDb {
    /// The newest entries, newest first: `limit` of them before the number `before`, or the very newest.
    pub async fn history(&self, before: Option<i64>, limit: i64) -> Result<Vec<Entry>, StoreError> {
        let args = [self.id().into(), before.unwrap_or(i64::MAX).into(), limit.into()];
        self.entries(select_entries!("AND seq < $2 ORDER BY seq DESC LIMIT $3"), &args).await
    }

    /// What happened to one person, newest first, paged like [`TenantDb::history`].
    pub async fn timeline(
        &self,
        person: PersonId,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        self.history_of(Subject::Person(person), before, limit).await
    }

    /// What happened to one subject, newest first, paged like [`TenantDb::history`].
    pub async fn history_of(
        &self,
        subject: Subject,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        let before = before.unwrap_or(i64::MAX);
        if let Some(id) = subject.uuid() {
            let args = [self.id().into(), id.into(), before.into(), limit.into()];
            let sql =
                select_entries!("AND subject_id = $2 AND seq < $3 ORDER BY seq DESC LIMIT $4");
            return self.entries(sql, &args).await;
        }
        let args = [self.id().into(), subject.as_str().into(), before.into(), limit.into()];
        let sql = select_entries!(
            "AND subject_id IS NULL AND subject = $2 AND seq < $3 ORDER BY seq DESC LIMIT $4"
        );
        self.entries(sql, &args).await
    }

    /// What one run changed, in order: `limit` entries after the number `after`.
    pub async fn history_of_run(
        &self,
        run: RunId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Entry>, StoreError> {
        let args = [self.id().into(), run.into(), after.into(), limit.into()];
        self.entries(select_entries!("AND run_id = $2 AND seq > $3 ORDER BY seq LIMIT $4"), &args)
            .await
    }

    async fn entries(&self, sql: &'static str, args: &[Arg<'_>]) -> Result<Vec<Entry>, StoreError> {
        let rows: Vec<EntryRow> = self.db().fetch_all(sql, args).await?;
        rows.into_iter().map(Entry::try_from).collect()
    }
}

/// Who makes a change, what made them, and why.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    /// `okta`, `os:ana`.
    pub actor: &'a str,
    /// A word of [`RunCause`](muster_core::run::RunCause).
    pub cause: &'a str,
    pub run: Option<RunId>,
    pub reason: Option<&'a str>,
}

impl Write {
    /// Records a change made now by `by`. `before` and `after` are JSON objects, as [`json_object`] makes them.
    pub fn record_by(
        &mut self,
        id: ChangeId,
        by: By<'_>,
        subject: Subject,
        kind: &'static str,
        before: Option<String>,
        after: Option<String>,
    ) {
        self.record(NewChange {
            id,
            at: self.now,
            subject,
            kind,
            actor: by.actor.to_owned(),
            cause: by.cause.to_owned(),
            run: by.run,
            event: None,
            reason: by.reason.map(str::to_owned),
            before,
            after,
        });
    }

    /// A change of a tenant that was made in this very transaction.
    pub(crate) fn of_new_tenant(tx: Tx, tenant: TenantId, now: Timestamp) -> Self {
        Self { tx, tenant, now, seq: 0, waiting: Vec::new() }
    }
}

/// A JSON object of texts and nulls, in the order given.
pub fn json_object<'a>(fields: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let mut out = String::from("{");
    for (name, value) in fields {
        if out.len() > 1 {
            out.push(',');
        }
        out.push_str(&serde_json::Value::from(name).to_string());
        out.push(':');
        out.push_str(&serde_json::Value::from(value).to_string());
    }
    out.push('}');
    out
}
