//! What alarms are decided from, for all connected tenants at once: a handful of statements, however many tenants there are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_core::alarm::{Facts, HookFacts};
use muster_core::id::{RunId, TenantId};
use muster_core::problem::ProblemCode;
use muster_core::run::Counts;
use uuid::Uuid;

use crate::db::{Arg, Db};
use crate::error::StoreError;
use crate::time::from_micros;

/// After a hook was verified it may take some minutes until events flow (Okta developer docs, "Event hooks").
const FLOWS_AFTER_MICROS: i64 = 10 * 60 * 1_000_000;

#[derive(sqlx::FromRow)]
struct TenantRow {
    id: Uuid,
    since: i64,
    attention: Option<String>,
    attention_at: Option<i64>,
    failing_since: Option<i64>,
    complete_at: Option<i64>,
    open_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct HeldRow {
    tenant_id: Uuid,
    id: Uuid,
    counts: String,
    finished_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct HookRow {
    tenant_id: Uuid,
    verified_at: Option<i64>,
    last_event_at: Option<i64>,
    refused: i64,
    refused_since: Option<i64>,
    refused_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct CountRow {
    tenant_id: Uuid,
    since: Option<i64>,
    n: i64,
}

impl Db {
    /// The facts of every tenant that is connected and switched on. `hook_types` are the types of events that every hook
    /// brings: others may be missing because nobody asked for them.
    pub async fn alarm_facts(
        &self,
        hook_types: &[&str],
    ) -> Result<Vec<(TenantId, Facts)>, StoreError> {
        let mut facts = self.connected_tenants().await?;
        self.add_held(&mut facts).await?;
        self.add_hooks(&mut facts).await?;
        self.add_missed(&mut facts, hook_types).await?;
        self.add_dead_letters(&mut facts).await?;
        self.add_kept_owners(&mut facts).await?;
        Ok(facts.into_iter().collect())
    }

    async fn connected_tenants(&self) -> Result<BTreeMap<TenantId, Facts>, StoreError> {
        let rows: Vec<TenantRow> = self
            .fetch_all(
                "SELECT t.id, s.set_at AS since, c.attention, c.attention_at, h.failing_since,
                        (SELECT r.finished_at FROM runs r WHERE r.tenant_id = t.id AND r.kind = 'full' AND r.approves IS NULL
                              AND r.state IN ('done', 'held', 'discarded') ORDER BY r.queued_at DESC LIMIT 1) AS complete_at,
                        (SELECT MIN(r.queued_at) FROM runs r WHERE r.tenant_id = t.id AND r.kind = 'full'
                              AND r.approves IS NULL AND r.state IN ('queued', 'running')) AS open_at
                 FROM tenants t
                 JOIN okta_connections c ON c.tenant_id = t.id AND c.api_url IS NOT NULL AND c.client_id IS NOT NULL
                 JOIN secrets s ON s.tenant_id = t.id AND s.field = 'api_token'
                 LEFT JOIN okta_health h ON h.tenant_id = t.id
                 WHERE t.okta_enabled ORDER BY t.id",
                &[],
            )
            .await?;
        rows.into_iter()
            .map(|row| {
                let id = TenantId::new(row.id);
                let bad =
                    |column| StoreError::BadRow { table: "tenants", column, id: id.to_string() };
                let since = from_micros(row.since).ok_or_else(|| bad("since"))?;
                // A code that only a newer version knows still needs a person.
                let attention = row.attention.map(|code| {
                    let code = ProblemCode::parse(&code).unwrap_or(ProblemCode::OktaUnreadable);
                    (code, row.attention_at.and_then(from_micros).unwrap_or(since))
                });
                let facts = Facts {
                    since,
                    complete_run: row.complete_at.and_then(from_micros),
                    open_run: row.open_at.and_then(from_micros),
                    attention,
                    failing_since: row.failing_since.and_then(from_micros),
                    held: None,
                    hook: HookFacts::default(),
                    dead_letters: None,
                    kept_owners: None,
                };
                Ok((id, facts))
            })
            .collect()
    }

    /// The newest run of each tenant whose removals wait.
    async fn add_held(&self, facts: &mut BTreeMap<TenantId, Facts>) -> Result<(), StoreError> {
        let rows: Vec<HeldRow> = self
            .fetch_all(
                "SELECT tenant_id, id, counts, finished_at FROM runs WHERE state = 'held' ORDER BY tenant_id, queued_at",
                &[],
            )
            .await?;
        for row in rows {
            let run = RunId::new(row.id);
            let bad = |column| StoreError::BadRow { table: "runs", column, id: run.to_string() };
            let counts: Counts = serde_json::from_str(&row.counts).map_err(|_| bad("counts"))?;
            let at = row.finished_at.and_then(from_micros).ok_or_else(|| bad("finished_at"))?;
            if let Some(facts) = facts.get_mut(&TenantId::new(row.tenant_id)) {
                facts.held = Some((run, counts.held, at));
            }
        }
        Ok(())
    }

    async fn add_hooks(&self, facts: &mut BTreeMap<TenantId, Facts>) -> Result<(), StoreError> {
        let rows: Vec<HookRow> = self
            .fetch_all(
                "SELECT tenant_id, verified_at, last_event_at, refused, refused_since, refused_at FROM hook_state",
                &[],
            )
            .await?;
        for row in rows {
            let Some(facts) = facts.get_mut(&TenantId::new(row.tenant_id)) else { continue };
            let refused =
                row.refused_since.and_then(from_micros).zip(row.refused_at.and_then(from_micros));
            facts.hook = HookFacts {
                verified_at: row.verified_at.and_then(from_micros),
                last_event_at: row.last_event_at.and_then(from_micros),
                missed: None,
                refused: refused.map(|(since, last)| (since, last, count(row.refused))),
            };
        }
        Ok(())
    }

    /// Events since the last one that came by hook, which the log had and the hook did not bring.
    async fn add_missed(
        &self,
        facts: &mut BTreeMap<TenantId, Facts>,
        hook_types: &[&str],
    ) -> Result<(), StoreError> {
        // Eight types, the same for all tenants: a list of eight places, the last of which may be repeated.
        let Some(last) = hook_types.last() else { return Ok(()) };
        let mut args: Vec<Arg<'_>> = vec![FLOWS_AFTER_MICROS.into()];
        args.extend((0..8).map(|at| Arg::from(*hook_types.get(at).unwrap_or(last))));
        let rows: Vec<CountRow> = self
            .fetch_all(
                "SELECT e.tenant_id, MIN(e.published) AS since, COUNT(*) AS n
                 FROM hook_state h JOIN okta_events e ON e.tenant_id = h.tenant_id
                 WHERE e.hook_at IS NULL AND e.logged_at IS NOT NULL AND e.kind IS NOT NULL
                       AND e.published > COALESCE(h.last_event_at, 0) AND e.published > COALESCE(h.verified_at, 0) + $1
                       AND e.type IN ($2, $3, $4, $5, $6, $7, $8, $9)
                 GROUP BY e.tenant_id",
                &args,
            )
            .await?;
        for row in rows {
            if let Some(facts) = facts.get_mut(&TenantId::new(row.tenant_id)) {
                let since = row.since.and_then(from_micros);
                facts.hook.missed = since.map(|since| (since, count(row.n)));
            }
        }
        Ok(())
    }

    async fn add_dead_letters(
        &self,
        facts: &mut BTreeMap<TenantId, Facts>,
    ) -> Result<(), StoreError> {
        let rows: Vec<CountRow> = self
            .fetch_all(
                "SELECT tenant_id, MIN(enqueued_at) AS since, COUNT(*) AS n FROM jobs WHERE state = 'dead' GROUP BY tenant_id",
                &[],
            )
            .await?;
        for row in rows {
            if let Some(facts) = facts.get_mut(&TenantId::new(row.tenant_id)) {
                let since = row.since.and_then(from_micros);
                facts.dead_letters = since.map(|since: Timestamp| (count(row.n), since));
            }
        }
        Ok(())
    }

    /// Owners who are out at Okta and keep their access here.
    async fn add_kept_owners(
        &self,
        facts: &mut BTreeMap<TenantId, Facts>,
    ) -> Result<(), StoreError> {
        let rows: Vec<CountRow> = self
            .fetch_all(
                "SELECT k.tenant_id, MIN(k.since) AS since, COUNT(*) AS n FROM kept_owners k
                 JOIN people p ON p.tenant_id = k.tenant_id AND p.id = k.person_id AND p.status = 'active'
                 GROUP BY k.tenant_id",
                &[],
            )
            .await?;
        for row in rows {
            if let Some(facts) = facts.get_mut(&TenantId::new(row.tenant_id)) {
                let since = row.since.and_then(from_micros);
                facts.kept_owners = since.map(|since: Timestamp| (count(row.n), since));
            }
        }
        Ok(())
    }
}

fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
