//! Sees from outside when a change is in the database: what counts is what anybody else can read.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use muster_core::id::TenantId;
use muster_store::Db;
use muster_store::db::Arg;

use crate::measure::{now, pause};

/// How often the database is looked into: a change is seen so much later at most, plus the query itself.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What is waited for.
#[derive(Debug, Clone)]
pub(crate) enum Sight {
    /// Somebody has this title, or one that sorts after it: a later one, when titles are numbered.
    Title(String),
    /// Somebody has no access any more.
    Gone,
}

struct Wanted {
    n: u64,
    tenant: TenantId,
    user: String,
    sight: Sight,
    since: Instant,
}

#[derive(Default)]
struct Seen {
    wanted: Vec<Wanted>,
    lags: Vec<Duration>,
    next: u64,
}

/// What is waited for, and how long it took.
pub(crate) struct Watch {
    db: Db,
    seen: Mutex<Seen>,
}

#[derive(sqlx::FromRow)]
struct NumberRow {
    n: i64,
}

impl Watch {
    pub(crate) fn new(db: Db) -> Self {
        Self { db, seen: Mutex::default() }
    }

    /// Waits for a sight of somebody since `since`.
    pub(crate) fn want(&self, tenant: TenantId, user: &str, sight: Sight, since: Instant) {
        let mut seen = self.seen();
        let n = seen.next;
        seen.next += 1;
        seen.wanted.push(Wanted { n, tenant, user: user.to_owned(), sight, since });
    }

    /// How long each took that was seen, and how many were not, which are forgotten with this.
    pub(crate) fn take(&self) -> (Vec<Duration>, usize) {
        let seen = std::mem::take(&mut *self.seen());
        (seen.lags, seen.wanted.len())
    }

    /// Looks until it is dropped.
    pub(crate) async fn look(&self) -> anyhow::Result<()> {
        loop {
            let begun = now();
            self.look_once().await?;
            pause(LOOK_EVERY.saturating_sub(begun.elapsed())).await;
        }
    }

    /// Waits until everything was seen, at most so long.
    pub(crate) async fn settle(&self, most: Duration) {
        let begun = now();
        while !self.seen().wanted.is_empty() && begun.elapsed() < most {
            pause(LOOK_EVERY).await;
        }
    }

    async fn look_once(&self) -> anyhow::Result<()> {
        let mut args: Vec<Arg<'_>> = Vec::new();
        for Wanted { n, tenant, user, sight, .. } in &self.seen().wanted {
            let title = match sight {
                Sight::Title(title) => Some(title.clone()),
                Sight::Gone => None,
            };
            args.extend([
                i64::try_from(*n)?.into(),
                (*tenant).into(),
                user.clone().into(),
                title.into(),
            ]);
        }
        if args.is_empty() {
            return Ok(());
        }
        let sql = "SELECT v.column1 AS n FROM v CROSS JOIN people p
                   WHERE v.column1 IS NOT NULL AND p.tenant_id = v.column2 AND p.okta_user_id = v.column3
                         AND (p.title >= v.column4 OR (v.column4 IS NULL AND p.status <> 'active'))";
        let found: Vec<NumberRow> = self.db.fetch_rows(4, &args, sql).await?;
        let at = now();
        let mut seen = self.seen();
        for NumberRow { n } in found {
            let Some(place) =
                seen.wanted.iter().position(|wanted| i64::try_from(wanted.n) == Ok(n))
            else {
                continue;
            };
            let wanted = seen.wanted.swap_remove(place);
            seen.lags.push(at - wanted.since);
        }
        Ok(())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
