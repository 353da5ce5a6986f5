//! Calls of hooks on their way: made lasting at once with as little writing as can be, and sorted into events and work right
//! after, many at a time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use muster_core::event::{Hint, Why};
use muster_core::id::{IdSource, OktaUserId, TenantId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::db::{Arg, Db};
use crate::dialect::Sql;
use crate::error::StoreError;
use crate::events::{self, Arrival, Arrived, Stored};
use crate::jobs::kind;
use crate::time::{from_micros, micros};

/// What became of calls that were to be made lasting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakenIn {
    /// All of them are.
    Lasting,
    /// None of them is: the doors of these tenants changed after they let somebody in.
    DoorChanged(Vec<TenantId>),
}

/// Rows that are sorted in one transaction at most, …
const ROWS_MAX: i64 = 64;
/// … and events, save that a row is never split: it bounds how long the writer is held. A row holds no more.
const EVENTS_MAX: usize = 128;

#[derive(sqlx::FromRow)]
struct TenantRow {
    tenant_id: Uuid,
}

#[derive(sqlx::FromRow)]
struct InboxRow {
    id: Uuid,
    calls: String,
}

#[derive(sqlx::FromRow)]
struct AnyRow {
    n: i64,
}

impl Db {
    /// Makes calls of the hooks of any tenants lasting, all or none.
    ///
    /// A door that changes at the same moment may count as changed before or after: the call came before the change was
    /// known.
    pub async fn take_in(
        &self,
        arrivals: &[Arrival],
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<TakenIn, StoreError> {
        let parts: Vec<String> = parted(arrivals)
            .iter()
            .map(|calls| serde_json::to_string(calls).map_err(|_| bad(Uuid::nil())))
            .collect::<Result<_, _>>()?;
        let doors: BTreeSet<(TenantId, i64)> =
            arrivals.iter().map(|arrival| (arrival.tenant, arrival.version)).collect();
        // One statement for both: what is stored, and the doors that must stand.
        let mut rows: Vec<Arg<'_>> = Vec::with_capacity(doors.len().max(parts.len()) * 5);
        let mut doors_left = doors.iter();
        let mut parts_left = parts.iter();
        loop {
            let (part, door) = (parts_left.next(), doors_left.next());
            if part.is_none() && door.is_none() {
                break;
            }
            rows.extend([
                part.map(|_| ids.draw(now)).into(),
                micros(now).into(),
                part.map(String::as_str).into(),
                door.map(|(tenant, _)| tenant.uuid()).into(),
                Arg::Int(door.map(|(_, version)| *version)),
            ]);
        }
        let stored = self
            .execute_rows(
                5,
                &rows,
                "INSERT INTO hook_inbox (id, at, calls) SELECT column1, column2, column3 FROM v
                 WHERE column1 IS NOT NULL AND NOT EXISTS
                     (SELECT 1 FROM v door JOIN hook_state h ON h.tenant_id = door.column4 AND h.version <> door.column5)",
            )
            .await?;
        if stored > 0 || arrivals.is_empty() {
            return Ok(TakenIn::Lasting);
        }
        Ok(TakenIn::DoorChanged(self.changed_doors(&doors).await?))
    }

    async fn changed_doors(
        &self,
        doors: &BTreeSet<(TenantId, i64)>,
    ) -> Result<Vec<TenantId>, StoreError> {
        let rows: Vec<Arg<'_>> = doors
            .iter()
            .flat_map(|(tenant, version)| [(*tenant).into(), (*version).into()])
            .collect();
        let changed: Vec<TenantRow> = self
            .fetch_rows(
                2,
                &rows,
                "SELECT DISTINCT h.tenant_id FROM v JOIN hook_state h ON h.tenant_id = v.column1 AND h.version <> v.column2
                 WHERE v.column1 IS NOT NULL ORDER BY h.tenant_id",
            )
            .await?;
        Ok(changed.into_iter().map(|row| TenantId::new(row.tenant_id)).collect())
    }

    /// Whether anything waits to be sorted.
    pub async fn inbox_waits(&self) -> Result<bool, StoreError> {
        let sql = "SELECT COUNT(*) AS n FROM (SELECT id FROM hook_inbox LIMIT 1) first";
        let row: Option<AnyRow> = self.fetch_optional(sql, &[]).await?;
        Ok(row.is_some_and(|row| row.n > 0))
    }

    /// Sorts some of what waits, the oldest first; `None` when nothing did. Any number of processes may do so.
    pub async fn sort_inbox(
        &self,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<Option<Stored>, StoreError> {
        let mut tx = self.begin().await?;
        let oldest = Sql::differing(
            "SELECT id, calls FROM hook_inbox ORDER BY id LIMIT $1",
            "SELECT id, calls FROM hook_inbox ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED",
        );
        let rows: Vec<InboxRow> = tx.fetch_all(oldest, &[ROWS_MAX.into()]).await?;
        let (mut arrivals, mut done) = (Vec::new(), Vec::new());
        let mut events = 0;
        for row in rows {
            if events >= EVENTS_MAX {
                break;
            }
            let Some(calls) = unpacked(&row.calls) else {
                // A newer version may know better.
                tracing::error!(error = %bad(row.id), "calls of event hooks are left where they are");
                continue;
            };
            events += calls.iter().map(|call| call.events.len()).sum::<usize>();
            arrivals.extend(calls);
            done.push(Arg::from(row.id));
        }
        if done.is_empty() {
            return Ok(None);
        }
        let stored = events::store(&mut tx, &arrivals, ids, now).await?;
        let sql =
            "DELETE FROM hook_inbox WHERE id IN (SELECT column1 FROM v WHERE column1 IS NOT NULL)";
        tx.execute_rows(1, &done, sql).await?;
        tx.commit().await?;
        Ok(Some(stored))
    }
}

fn bad(id: Uuid) -> StoreError {
    StoreError::BadRow { table: "hook_inbox", column: "calls", id: id.to_string() }
}

/// What goes into each row: calls of so many events together, and long ones in parts.
fn parted(arrivals: &[Arrival]) -> Vec<Vec<Call<'_>>> {
    let mut rows: Vec<Vec<Call<'_>>> = Vec::new();
    let mut room = 0;
    for arrival in arrivals {
        // A call without events is one of no parts, and counts.
        let mut parts = arrival.events.chunks(EVENTS_MAX).peekable();
        let first = parts.next().unwrap_or_default();
        for (n, part) in std::iter::once(first).chain(parts).enumerate() {
            match rows.last_mut() {
                Some(row) if part.len() <= room => row.push(Call::of(arrival, part, n > 0)),
                _ => {
                    room = EVENTS_MAX;
                    rows.push(vec![Call::of(arrival, part, n > 0)]);
                }
            }
            room -= part.len();
        }
    }
    rows
}

/// A call as it is kept, or a part of it.
#[derive(Serialize, Deserialize)]
struct Call<'a> {
    tenant: TenantId,
    at: i64,
    delivery: std::borrow::Cow<'a, str>,
    /// Whether an earlier part of the same call is kept, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    rest: bool,
    events: Vec<Packed<'a>>,
}

/// An event: its id, type, time, kind and key; or, in place of these two, nothing and why.
#[derive(Serialize, Deserialize)]
struct Packed<'a>(
    std::borrow::Cow<'a, str>,
    std::borrow::Cow<'a, str>,
    Option<i64>,
    Option<std::borrow::Cow<'a, str>>,
    std::borrow::Cow<'a, str>,
);

impl<'a> Call<'a> {
    fn of(arrival: &'a Arrival, events: &'a [Arrived], rest: bool) -> Self {
        let pack = |event: &'a Arrived| {
            let (kind, key) = match &event.hint {
                Hint::Person(id) => (Some(kind::PERSON), id.as_str()),
                Hint::Group(id) => (Some(kind::GROUP), id.as_str()),
                Hint::App => (Some(kind::APP), ""),
                Hint::Ignore(why) => (None, why.as_str()),
            };
            let published = event.published.map(micros);
            let event_type = event.event_type.as_str().into();
            Packed(
                event.uuid.as_str().into(),
                event_type,
                published,
                kind.map(Into::into),
                key.into(),
            )
        };
        Self {
            tenant: arrival.tenant,
            at: micros(arrival.at),
            delivery: arrival.delivery_id.as_str().into(),
            rest,
            events: events.iter().map(pack).collect(),
        }
    }

    fn unpacked(self) -> Option<Arrival> {
        let event = |packed: Packed<'_>| {
            let Packed(uuid, event_type, published, kind, key) = packed;
            let hint = match kind.as_deref() {
                Some(kind::PERSON) => Hint::Person(OktaUserId::parse(&key).ok()?),
                Some(kind::GROUP) => Hint::Group(key.into_owned()),
                Some(kind::APP) => Hint::App,
                Some(_) => return None,
                None => Hint::Ignore(Why::parse(&key)?),
            };
            let (uuid, event_type) = (uuid.into_owned(), event_type.into_owned());
            Some(Arrived { uuid, event_type, published: published.and_then(from_micros), hint })
        };
        Some(Arrival {
            tenant: self.tenant,
            version: 0,
            delivery_id: self.delivery.into_owned(),
            at: from_micros(self.at)?,
            rest: self.rest,
            events: self.events.into_iter().map(event).collect::<Option<_>>()?,
        })
    }
}

fn unpacked(calls: &str) -> Option<Vec<Arrival>> {
    let calls: Vec<Call<'_>> = serde_json::from_str(calls).ok()?;
    calls.into_iter().map(Call::unpacked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back() {
        let at = Timestamp::from_second(1_000).expect("a time");
        let event = |n: usize, hint| Arrived {
            uuid: format!("e{n}"),
            event_type: "user.\"odd\"".into(),
            published: (n > 1).then_some(at),
            hint,
        };
        let hints = [
            Hint::Person(OktaUserId::parse("00u1").expect("an id")),
            Hint::Group("00g1".into()),
            Hint::App,
            Hint::Ignore(Why::Unknown),
            Hint::Ignore(Why::OtherApp),
        ];
        let events = hints.into_iter().enumerate().map(|(n, hint)| event(n, hint)).collect();
        let tenant = TenantId::new(Uuid::from_u128(7));
        let arrival = Arrival {
            tenant,
            version: 0,
            delivery_id: "d \u{0} ü".into(),
            at,
            rest: false,
            events,
        };
        let text = serde_json::to_string(&parted(std::slice::from_ref(&arrival))[0]).expect("json");
        assert_eq!(unpacked(&text), Some(vec![arrival]));
        for odd in ["", "{}", "[{}]", "[{\"tenant\":\"ten_\"}]", &text.replace("person", "planet")]
        {
            assert_eq!(unpacked(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_row_holds_so_many_events_and_no_more() {
        let at = Timestamp::from_second(1_000).expect("a time");
        let arrival = |call: usize, events: usize| Arrival {
            tenant: TenantId::new(Uuid::from_u128(7)),
            version: 0,
            delivery_id: format!("d{call}"),
            at,
            rest: false,
            events: (0..events)
                .map(|n| Arrived {
                    uuid: format!("e{call}-{n}"),
                    event_type: "user.lifecycle.suspend".into(),
                    published: None,
                    hint: Hint::App,
                })
                .collect(),
        };
        let sizes = [1, 0, 127, 1, 300, 128, 84, 1, 5_000];
        let arrivals: Vec<_> =
            sizes.iter().enumerate().map(|(n, size)| arrival(n, *size)).collect();
        let rows = parted(&arrivals);
        let events = |row: &Vec<Call<'_>>| row.iter().map(|call| call.events.len()).sum::<usize>();
        assert!(rows.iter().all(|row| events(row) <= EVENTS_MAX));
        assert!(rows.len() <= sizes.iter().sum::<usize>() / EVENTS_MAX + sizes.len());
        // Each call counts once, and nothing is lost or turned round.
        let calls: Vec<_> = rows.iter().flatten().collect();
        assert_eq!(calls.iter().filter(|call| !call.rest).count(), sizes.len());
        let told: Vec<_> =
            calls.iter().flat_map(|call| &call.events).map(|event| &*event.0).collect();
        let all: Vec<_> =
            arrivals.iter().flat_map(|call| &call.events).map(|event| &*event.uuid).collect();
        assert_eq!(told, all);
    }
}
