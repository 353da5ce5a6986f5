//! Events of Okta as they arrive, by hook and from the System Log: each kept once, with the work that it asks for.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use muster_core::event::{Event, Hint, Interest, TYPES, Why};
use muster_core::id::{IdSource, OktaUserId, RunId, TenantId};
use muster_core::run::RunCause;
use uuid::Uuid;

use crate::db::{Arg, Tx};
use crate::error::StoreError;
use crate::history::Write;
use crate::jobs::{self, Due, NewJob, PERSON, kind, priority};
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// Characters of the longest name of a type, or id of a delivery, that is kept.
const NAME_MAX: usize = 120;

/// One event and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// What tells it from all others.
    pub uuid: String,
    pub event_type: String,
    pub published: Option<Timestamp>,
    pub hint: Hint,
}

impl Arrived {
    /// Judges an event by what the tenant cares about.
    pub fn of(event: &Event<'_>, interest: &Interest) -> Self {
        Self {
            uuid: event.key(),
            event_type: event.event_type.chars().take(NAME_MAX).collect(),
            published: event.published,
            hint: event.hint(interest),
        }
    }

    /// The kind and key of the job that it asks for.
    fn target(&self) -> Option<(&'static str, &str)> {
        match &self.hint {
            Hint::Person(id) => Some((kind::PERSON, id.as_str())),
            Hint::Group(id) => Some((kind::GROUP, id)),
            Hint::App => Some((kind::APP, "app")),
            Hint::Ignore(_) => None,
        }
    }

    fn ignored(&self) -> Option<Why> {
        match self.hint {
            Hint::Ignore(why) => Some(why),
            Hint::Person(_) | Hint::Group(_) | Hint::App => None,
        }
    }

    fn job(&self, priority: i64, due_at: Timestamp, cause: RunCause) -> Option<NewJob<'_>> {
        let (kind, key) = self.target()?;
        let job = NewJob::misc(kind, key, priority, due_at, cause).of_event(&*self.uuid);
        let lane = if kind == kind::PERSON { PERSON } else { job.lane };
        Some(NewJob { lane, ..job })
    }
}

/// One call of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub tenant: TenantId,
    /// The version of the door that let it in.
    pub version: i64,
    pub delivery_id: String,
    pub at: Timestamp,
    /// Whether this is a later part of a call whose beginning counts.
    pub rest: bool,
    pub events: Vec<Arrived>,
}

/// What came of storing several calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stored {
    /// Calls.
    pub deliveries: usize,
    /// Events that nobody had seen before.
    pub fresh: usize,
    /// Events that were there already.
    pub copies: usize,
    /// Which work it made due.
    pub due: Vec<Due>,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    tenant_id: Uuid,
    uuid: String,
    copies: i64,
    logged_at: Option<i64>,
}

/// An event of a group of calls, with how often it came.
struct Once<'a> {
    event: &'a Arrived,
    arrival: &'a Arrival,
    copies: i64,
}

/// Stores calls of the hooks of any tenants with all that they ask for. It waits for nobody who changes a tenant.
pub(crate) async fn store(
    tx: &mut Tx,
    arrivals: &[Arrival],
    ids: &mut IdSource,
    now: Timestamp,
) -> Result<Stored, StoreError> {
    // In the order of their keys throughout, so that two who do this never wait for each other in a circle.
    count(tx, arrivals).await?;
    let mut events: BTreeMap<(TenantId, &str), Once<'_>> = BTreeMap::new();
    for arrival in arrivals {
        for event in &arrival.events {
            let once = Once { event, arrival, copies: 0 };
            events.entry((arrival.tenant, &event.uuid)).or_insert(once).copies += 1;
        }
    }
    let fresh = keep(tx, &events).await?;
    let all = arrivals.iter().map(|arrival| arrival.events.len()).sum::<usize>();
    let jobs: Vec<(TenantId, NewJob<'_>)> = fresh
        .iter()
        .filter_map(|(tenant, uuid)| {
            let once = events.get(&(*tenant, uuid.as_str()))?;
            let job = once.event.job(priority::HOOK, once.arrival.at, RunCause::Event)?;
            Some((*tenant, job))
        })
        .collect();
    let jobs: Vec<_> = jobs.iter().map(|(tenant, job)| (*tenant, job)).collect();
    jobs::enqueue_in(tx, &jobs, ids, now).await?;
    let due: BTreeSet<Due> =
        jobs.iter().map(|(tenant, job)| Due { tenant: *tenant, lane: job.lane }).collect();
    Ok(Stored {
        deliveries: arrivals.iter().filter(|arrival| !arrival.rest).count(),
        fresh: fresh.len(),
        copies: all - fresh.len(),
        due: due.into_iter().collect(),
    })
}

/// Counts the calls.
async fn count(tx: &mut Tx, arrivals: &[Arrival]) -> Result<(), StoreError> {
    #[derive(Default)]
    struct Tally {
        deliveries: i64,
        events: i64,
        ignored: i64,
        unknown: i64,
        first: Option<i64>,
        last: Option<i64>,
    }
    let mut tallies: BTreeMap<TenantId, Tally> = BTreeMap::new();
    for arrival in arrivals {
        let tally = tallies.entry(arrival.tenant).or_default();
        tally.deliveries += i64::from(!arrival.rest);
        let at = micros(arrival.at);
        tally.first = Some(tally.first.map_or(at, |first| first.min(at)));
        tally.last = tally.last.max(Some(at));
        for event in &arrival.events {
            tally.events += 1;
            tally.ignored += i64::from(event.ignored().is_some());
            tally.unknown += i64::from(event.ignored() == Some(Why::Unknown));
        }
    }
    let rows: Vec<Arg<'_>> = tallies
        .iter()
        .flat_map(|(tenant, tally)| {
            [
                (*tenant).into(),
                tally.deliveries.into(),
                tally.events.into(),
                tally.ignored.into(),
                tally.unknown.into(),
                tally.first.into(),
                tally.last.into(),
            ]
        })
        .collect();
    tx.execute_rows(
        7,
        &rows,
        "INSERT INTO hook_state (tenant_id, version, deliveries, events, ignored, unknown_types, refused, first_event_at,
                                 last_event_at)
         SELECT column1, 0, column2, column3, column4, column5, 0, column6, column7 FROM v WHERE column1 IS NOT NULL
         ON CONFLICT (tenant_id) DO UPDATE SET deliveries = hook_state.deliveries + excluded.deliveries,
             events = hook_state.events + excluded.events, ignored = hook_state.ignored + excluded.ignored,
             unknown_types = hook_state.unknown_types + excluded.unknown_types, refused = 0, refused_since = NULL,
             first_event_at = COALESCE(hook_state.first_event_at, excluded.first_event_at),
             last_event_at = excluded.last_event_at",
    )
    .await
    .map(drop)
}

/// Keeps the events; gives those that nobody had seen before.
async fn keep(
    tx: &mut Tx,
    events: &BTreeMap<(TenantId, &str), Once<'_>>,
) -> Result<Vec<(TenantId, String)>, StoreError> {
    const COLUMNS: usize = 10;
    let mut rows: Vec<Arg<'_>> = Vec::with_capacity(events.len() * COLUMNS);
    for ((tenant, uuid), Once { event, arrival, copies }) in events {
        let (kind, key) = event.target().unzip();
        rows.extend([
            (*tenant).into(),
            Arg::from(*uuid),
            event.event_type.as_str().into(),
            event.published.map(micros).into(),
            micros(arrival.at).into(),
            (*copies).into(),
            Arg::Text(Some(shortened(&arrival.delivery_id))),
            kind.into(),
            key.into(),
            event.ignored().map(Why::as_str).into(),
        ]);
    }
    let kept: Vec<EventRow> = tx
        .fetch_rows(
            COLUMNS,
            &rows,
            "INSERT INTO okta_events (tenant_id, uuid, type, published, hook_at, copies, delivery_id, kind, key, ignored)
             SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10
             FROM v WHERE column1 IS NOT NULL
             ON CONFLICT (tenant_id, uuid) DO UPDATE SET copies = okta_events.copies + excluded.copies,
                 hook_at = COALESCE(okta_events.hook_at, excluded.hook_at),
                 delivery_id = COALESCE(okta_events.delivery_id, excluded.delivery_id)
             RETURNING tenant_id, uuid, copies, logged_at",
        )
        .await?;
    let is_fresh = |row: &EventRow| {
        let sent = events.get(&(TenantId::new(row.tenant_id), row.uuid.as_str()));
        row.logged_at.is_none() && sent.is_some_and(|sent| sent.copies == row.copies)
    };
    let fresh = kept.into_iter().filter(is_fresh);
    Ok(fresh.map(|row| (TenantId::new(row.tenant_id), row.uuid)).collect())
}

fn shortened(id: &str) -> Cow<'_, str> {
    match id.char_indices().nth(NAME_MAX) {
        Some((end, _)) => Cow::Owned(id[..end].to_owned()),
        None => Cow::Borrowed(id),
    }
}

/// What a page of the System Log showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Logged {
    pub events: usize,
    /// Events that came neither by hook nor in an earlier page. A hook may still bring them.
    pub fresh: usize,
    /// Those of `fresh` that lead to something; it is asked for.
    pub asked: usize,
}

#[derive(sqlx::FromRow)]
struct LoggedRow {
    uuid: String,
    hook_at: Option<i64>,
    logged_at: Option<i64>,
}

/// Notes events that the System Log shows, and asks for what they need when nobody did yet.
pub async fn note_logged(
    write: &mut Write,
    events: &[Arrived],
    ids: &mut IdSource,
) -> Result<Logged, StoreError> {
    const COLUMNS: usize = 8;
    let (tenant, now) = (write.tenant(), write.now());
    let once: BTreeMap<&str, &Arrived> = events.iter().map(|event| (&*event.uuid, event)).collect();
    let mut rows: Vec<Arg<'_>> = Vec::with_capacity(once.len() * COLUMNS);
    for (uuid, event) in &once {
        let (kind, key) = event.target().unzip();
        rows.extend([
            tenant.into(),
            Arg::from(*uuid),
            event.event_type.as_str().into(),
            event.published.map(micros).into(),
            micros(now).into(),
            kind.into(),
            key.into(),
            event.ignored().map(Why::as_str).into(),
        ]);
    }
    let noted: Vec<LoggedRow> = write
        .tx()
        .fetch_rows(
            COLUMNS,
            &rows,
            "INSERT INTO okta_events (tenant_id, uuid, type, published, logged_at, copies, kind, key, ignored)
             SELECT column1, column2, column3, column4, column5, 0, column6, column7, column8
             FROM v WHERE column1 IS NOT NULL
             ON CONFLICT (tenant_id, uuid) DO UPDATE SET logged_at = COALESCE(okta_events.logged_at, excluded.logged_at)
             RETURNING uuid, hook_at, logged_at",
        )
        .await?;
    let fresh: Vec<_> = noted
        .iter()
        .filter(|row| row.hook_at.is_none() && row.logged_at == Some(micros(now)))
        .filter_map(|row| once.get(row.uuid.as_str()))
        .collect();
    let asked: Vec<_> =
        fresh.iter().filter_map(|event| event.job(priority::LOG, now, RunCause::Log)).collect();
    jobs::enqueue(write, &asked, ids).await?;
    Ok(Logged { events: once.len(), fresh: fresh.len(), asked: asked.len() })
}

/// An event whose work is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub uuid: String,
    /// Whom or what it named.
    pub key: String,
    pub event_type: String,
    pub published: Option<Timestamp>,
    pub hook_at: Option<Timestamp>,
    pub logged_at: Option<Timestamp>,
}

#[derive(sqlx::FromRow)]
struct AppliedRow {
    uuid: String,
    key: String,
    r#type: String,
    published: Option<i64>,
    hook_at: Option<i64>,
    logged_at: Option<i64>,
}

/// Marks the events that name one of `keys` (Okta user ids, or ids of groups) and had arrived by `until`, the moment from
/// which Okta was read. Later ones have jobs of their own.
pub async fn mark_applied(
    write: &mut Write,
    kind: &str,
    keys: &[&str],
    until: Timestamp,
    run: Option<RunId>,
) -> Result<Vec<Applied>, StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    let rows: Vec<Arg<'_>> = keys
        .iter()
        .flat_map(|key| {
            [
                tenant.into(),
                kind.into(),
                Arg::from(*key),
                micros(until).into(),
                micros(now).into(),
                run.into(),
            ]
        })
        .collect();
    let marked: Vec<AppliedRow> = write
        .tx()
        .fetch_rows(
            6,
            &rows,
            "UPDATE okta_events SET applied_at = v.column5, run_id = v.column6 FROM v
             WHERE v.column1 IS NOT NULL AND okta_events.tenant_id = v.column1 AND okta_events.key = v.column3
                   AND okta_events.kind = v.column2 AND okta_events.kind IS NOT NULL AND okta_events.applied_at IS NULL
                   AND COALESCE(okta_events.hook_at, okta_events.logged_at) <= v.column4
             RETURNING uuid, key, type, published, hook_at, logged_at",
        )
        .await?;
    let time = |at: Option<i64>| at.and_then(from_micros);
    let applied = |row: AppliedRow| Applied {
        uuid: row.uuid,
        key: row.key,
        event_type: row.r#type,
        published: time(row.published),
        hook_at: time(row.hook_at),
        logged_at: time(row.logged_at),
    };
    Ok(marked.into_iter().map(applied).collect())
}

/// Marks every event that waits and had arrived by `until`: the full run `run`, which began to read then, covers them all, save
/// those about somebody whose record it could not read.
pub async fn mark_all_applied(
    write: &mut Write,
    until: Timestamp,
    run: RunId,
) -> Result<u64, StoreError> {
    let sql = "UPDATE okta_events SET applied_at = $3, run_id = $4
               WHERE tenant_id = $1 AND applied_at IS NULL AND kind IS NOT NULL AND COALESCE(hook_at, logged_at) <= $2
               AND NOT EXISTS (SELECT 1 FROM run_items i WHERE i.tenant_id = $1 AND i.run_id = $4
                               AND i.okta_user_id = okta_events.key AND i.change = 'skip'
                               AND i.problems = 'record_unreadable')";
    let args =
        [write.tenant().into(), micros(until).into(), micros(write.now()).into(), run.into()];
    write.tx().execute(sql, &args).await
}

/// How what came by hook compares with what the System Log shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Comparison {
    /// Events of the log that a hook could have brought.
    pub logged: i64,
    /// Of these, events that no hook brought.
    pub missed: i64,
    /// Events that a hook brought.
    pub hooked: i64,
    /// Of these, events that came more than once.
    pub doubled: i64,
    /// Of these, events that came later after they happened than was asked about.
    pub late: i64,
    /// Of these, events that the log does not show (yet).
    pub unlogged: i64,
}

/// An event as it is kept: when it happened, when it came and by what way, and when it had led to something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub event_type: String,
    /// By Okta's clock.
    pub published: Option<Timestamp>,
    /// When it first came by hook; `None` while it never did.
    pub hook_at: Option<Timestamp>,
    /// When it was first seen in the System Log.
    pub logged_at: Option<Timestamp>,
    pub applied_at: Option<Timestamp>,
    /// The run that did what it asked for.
    pub run: Option<RunId>,
}

#[derive(sqlx::FromRow)]
struct KeptRow {
    r#type: String,
    published: Option<i64>,
    hook_at: Option<i64>,
    logged_at: Option<i64>,
    applied_at: Option<i64>,
    run_id: Option<Uuid>,
}

impl KeptRow {
    fn into_kept(self) -> Kept {
        let time = |at: Option<i64>| at.and_then(from_micros);
        Kept {
            event_type: self.r#type,
            published: time(self.published),
            hook_at: time(self.hook_at),
            logged_at: time(self.logged_at),
            applied_at: time(self.applied_at),
            run: self.run_id.map(RunId::new),
        }
    }
}

#[derive(sqlx::FromRow)]
struct ComparedRow {
    r#type: String,
    logged: i64,
    missed: i64,
    hooked: i64,
    doubled: i64,
    late: i64,
    unlogged: i64,
}

#[derive(sqlx::FromRow)]
struct WaitingRow {
    n: i64,
    oldest: Option<i64>,
}

impl TenantDb {
    /// Compares the events of `[from, to)`, by Okta's clock, that lead to something. `late_seconds` is from when on an event
    /// counts as late.
    pub async fn compare_events(
        &self,
        from: Timestamp,
        to: Timestamp,
        late_seconds: i64,
    ) -> Result<Comparison, StoreError> {
        let sql = "SELECT type, COUNT(logged_at) AS logged,
                          COUNT(CASE WHEN logged_at IS NOT NULL AND hook_at IS NULL THEN 1 END) AS missed,
                          COUNT(hook_at) AS hooked, COUNT(CASE WHEN copies > 1 THEN 1 END) AS doubled,
                          COUNT(CASE WHEN hook_at - published > $4 THEN 1 END) AS late,
                          COUNT(CASE WHEN logged_at IS NULL THEN 1 END) AS unlogged
                   FROM okta_events
                   WHERE tenant_id = $1 AND published >= $2 AND published < $3 AND kind IS NOT NULL GROUP BY type";
        let late = late_seconds.saturating_mul(1_000_000);
        let args = [self.id().into(), micros(from).into(), micros(to).into(), late.into()];
        let rows: Vec<ComparedRow> = self.db().fetch_all(sql, &args).await?;
        // What no hook may be subscribed to cannot be missed by one.
        let log_only = |name: &str| TYPES.iter().any(|known| known.name == name && !known.hook);
        let all = rows.iter().filter(|row| !log_only(&row.r#type));
        Ok(all.fold(Comparison::default(), |sum, row| Comparison {
            logged: sum.logged + row.logged,
            missed: sum.missed + row.missed,
            hooked: sum.hooked + row.hooked,
            doubled: sum.doubled + row.doubled,
            late: sum.late + row.late,
            unlogged: sum.unlogged + row.unlogged,
        }))
    }

    /// The events that ask for somebody to be read again and happened at `from` or later, by Okta's clock, in their order. It
    /// looks at all events of the tenant: for people who watch, not for the loop.
    pub async fn events_about(
        &self,
        person: &OktaUserId,
        from: Timestamp,
    ) -> Result<Vec<Kept>, StoreError> {
        let sql = "SELECT type, published, hook_at, logged_at, applied_at, run_id FROM okta_events
                   WHERE tenant_id = $1 AND kind = $2 AND key = $3 AND published >= $4 ORDER BY published, uuid";
        let args = [self.id().into(), kind::PERSON.into(), person.into(), micros(from).into()];
        let rows: Vec<KeptRow> = self.db().fetch_all(sql, &args).await?;
        Ok(rows.into_iter().map(KeptRow::into_kept).collect())
    }

    /// How many events wait for what they ask for, and since when the first of them.
    pub async fn events_waiting(&self) -> Result<(i64, Option<Timestamp>), StoreError> {
        let sql =
            "SELECT COUNT(*) AS n, MIN(COALESCE(hook_at, logged_at)) AS oldest FROM okta_events
                   WHERE tenant_id = $1 AND applied_at IS NULL AND kind IS NOT NULL";
        let row: Option<WaitingRow> = self.db().fetch_optional(sql, &[self.id().into()]).await?;
        Ok(row.map_or((0, None), |row| (row.n, row.oldest.and_then(from_micros))))
    }
}
