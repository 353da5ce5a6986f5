//! What a run found about single people and did not simply apply: a preview's rows, removals on their way, people skipped
//! or in need of a decision.

use muster_core::id::{OktaUserId, PersonId, RunId};
use muster_core::person::StatusReason;
use muster_core::problem::ProblemCode;
use muster_core::run::ChangeKind;
use uuid::Uuid;

use crate::db::Arg;
use crate::error::StoreError;
use crate::history::Write;
use crate::tenants::TenantDb;

muster_core::words! {
    /// Where an item stands. Only removals leave `Noted`.
    ItemState {
        /// Told, and nothing more.
        Noted = "noted",
        /// A removal that was not yet judged or proven.
        Candidate = "candidate",
        /// A removal that was proven and waits to be applied.
        Out = "out",
        /// A removal that waits for a human.
        Held = "held",
        /// A removal that was carried out.
        Applied = "applied",
        /// A removal that turned out wrong, or was discarded.
        Dismissed = "dismissed",
    }
}

muster_core::words! {
    /// How a removal came to be suspected.
    ItemProof {
        /// The listing itself shows the person as out.
        Listed = "listed",
        /// The listing lacks the person: only a read by id can prove it.
        Missing = "missing",
    }
}

/// One row about one person of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub okta_user_id: OktaUserId,
    pub person: Option<PersonId>,
    pub change: ChangeKind,
    pub state: ItemState,
    pub proof: Option<ItemProof>,
    /// What to call the person: an address or a name.
    pub label: String,
    /// Why, in plain words.
    pub reason: String,
    /// Codes of the problems met.
    pub problems: Vec<String>,
    /// For removals: the reason the status will carry.
    pub status_reason: Option<StatusReason>,
    /// JSON object: field to `[before, after]`.
    pub fields: String,
}

#[derive(sqlx::FromRow)]
struct ItemRow {
    okta_user_id: String,
    person_id: Option<Uuid>,
    change: String,
    state: String,
    proof: Option<String>,
    label: String,
    reason: String,
    problems: String,
    status_reason: Option<String>,
    fields: String,
}

impl TryFrom<ItemRow> for Item {
    type Error = StoreError;
    fn try_from(row: ItemRow) -> Result<Self, StoreError> {
        let bad = |column| StoreError::BadRow {
            table: "run_items",
            column,
            id: row.okta_user_id.clone(),
        };
        Ok(Self {
            okta_user_id: OktaUserId::parse(&row.okta_user_id).map_err(|_| bad("okta_user_id"))?,
            person: row.person_id.map(PersonId::new),
            change: ChangeKind::parse(&row.change).ok_or_else(|| bad("change"))?,
            state: ItemState::parse(&row.state).ok_or_else(|| bad("state"))?,
            proof: row
                .proof
                .as_deref()
                .map(|text| ItemProof::parse(text).ok_or_else(|| bad("proof")))
                .transpose()?,
            status_reason: row
                .status_reason
                .as_deref()
                .map(|text| StatusReason::parse(text).ok_or_else(|| bad("status_reason")))
                .transpose()?,
            label: row.label,
            reason: row.reason,
            problems: row
                .problems
                .split(',')
                .filter(|code| !code.is_empty())
                .map(str::to_owned)
                .collect(),
            fields: row.fields,
        })
    }
}

macro_rules! select_items {
    ($rest:literal) => {
        concat!(
            "SELECT okta_user_id, person_id, change, state, proof, label, reason, problems, status_reason, fields
             FROM run_items WHERE tenant_id = $1 AND run_id = $2 ",
            $rest
        )
    };
}

#[derive(sqlx::FromRow)]
struct CountRow {
    n: i64,
}

impl TenantDb {
    /// A run's items in the order of their Okta ids, `limit` of them after `after`.
    pub async fn items(
        &self,
        run: RunId,
        after: Option<&OktaUserId>,
        limit: i64,
    ) -> Result<Vec<Item>, StoreError> {
        let rows: Vec<ItemRow> = self
            .db()
            .fetch_all(
                select_items!("AND okta_user_id > $3 ORDER BY okta_user_id LIMIT $4"),
                &[
                    self.id().into(),
                    run.uuid().into(),
                    after.map_or("", OktaUserId::as_str).into(),
                    limit.into(),
                ],
            )
            .await?;
        rows.into_iter().map(Item::try_from).collect()
    }
}

/// Stores items; an item of the same person and run is replaced.
pub async fn put(write: &mut Write, run: RunId, items: &[Item]) -> Result<(), StoreError> {
    const COLUMNS: usize = 12;
    let tenant = write.tenant().uuid();
    let mut args: Vec<Arg<'_>> = Vec::with_capacity(items.len() * COLUMNS);
    for item in items {
        args.extend([
            tenant.into(),
            run.uuid().into(),
            item.okta_user_id.as_str().into(),
            Arg::Uuid(item.person.map(PersonId::uuid)),
            item.change.as_str().into(),
            item.state.as_str().into(),
            Arg::from(item.proof.map(ItemProof::as_str)),
            item.label.as_str().into(),
            item.reason.as_str().into(),
            item.problems.join(",").into(),
            Arg::from(item.status_reason.map(StatusReason::as_str)),
            item.fields.as_str().into(),
        ]);
    }
    write
        .tx()
        .insert_many(
            "INSERT INTO run_items (tenant_id, run_id, okta_user_id, person_id, change, state, proof, label, reason,
                                    problems, status_reason, fields) VALUES",
            COLUMNS,
            &args,
            "ON CONFLICT (tenant_id, run_id, okta_user_id) DO UPDATE SET person_id = excluded.person_id,
                 change = excluded.change, state = excluded.state, proof = excluded.proof, label = excluded.label,
                 reason = excluded.reason, problems = excluded.problems, status_reason = excluded.status_reason,
                 fields = excluded.fields",
        )
        .await
        .map(drop)
}

/// Removals of a run in one state, in the order of their Okta ids.
pub async fn removals(
    write: &mut Write,
    run: RunId,
    state: ItemState,
    proof: Option<ItemProof>,
    limit: i64,
) -> Result<Vec<Item>, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<ItemRow> = write
        .tx()
        .fetch_all(
            select_items!(
                "AND change = 'deactivate' AND state = $3 AND ($4 IS NULL OR proof = $4) ORDER BY okta_user_id LIMIT $5"
            ),
            &[
                tenant.into(),
                run.uuid().into(),
                state.as_str().into(),
                Arg::from(proof.map(ItemProof::as_str)),
                limit.into(),
            ],
        )
        .await?;
    rows.into_iter().map(Item::try_from).collect()
}

/// How many removals of a run are in one state, by how they came to be suspected.
pub async fn count_removals(
    write: &mut Write,
    run: RunId,
    state: ItemState,
    proof: Option<ItemProof>,
) -> Result<u64, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<CountRow> = write
        .tx()
        .fetch_all(
            "SELECT COUNT(*) AS n FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND change = 'deactivate'
             AND state = $3 AND ($4 IS NULL OR proof = $4)",
            &[
                tenant.into(),
                run.uuid().into(),
                state.as_str().into(),
                Arg::from(proof.map(ItemProof::as_str)),
            ],
        )
        .await?;
    Ok(rows.first().map_or(0, |row| u64::try_from(row.n).unwrap_or(0)))
}

/// Moves all removals of a run from one state to another; says how many.
pub async fn move_removals(
    write: &mut Write,
    run: RunId,
    from: ItemState,
    to: ItemState,
) -> Result<u64, StoreError> {
    let tenant = write.tenant().uuid();
    write
        .tx()
        .execute(
            "UPDATE run_items SET state = $4 WHERE tenant_id = $1 AND run_id = $2 AND change = 'deactivate' AND state = $3",
            &[tenant.into(), run.uuid().into(), from.as_str().into(), to.as_str().into()],
        )
        .await
}

/// Copies the held removals of `held` into `run`, as candidates that must each be proven again.
pub async fn copy_held(write: &mut Write, held: RunId, run: RunId) -> Result<u64, StoreError> {
    let tenant = write.tenant().uuid();
    write
        .tx()
        .execute(
            "INSERT INTO run_items (tenant_id, run_id, okta_user_id, person_id, change, state, proof, label, reason,
                                    problems, status_reason, fields)
             SELECT tenant_id, $3, okta_user_id, person_id, change, 'candidate', 'missing', label, reason, problems,
                    status_reason, fields
             FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND change = 'deactivate' AND state = 'held'",
            &[tenant.into(), held.uuid().into(), run.uuid().into()],
        )
        .await
}

/// What became of removals that joined those of an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// People whom Okta showed as out.
    pub listed: u64,
    /// People who had to be asked for by id.
    pub missing: u64,
    /// People who wait there already.
    pub known: u64,
}

/// Hands the suspected removals of `run` to `pen`, where others wait for a human.
pub async fn move_to_pen(write: &mut Write, run: RunId, pen: RunId) -> Result<Moved, StoreError> {
    let tenant = write.tenant().uuid();
    let mut moved = Moved::default();
    for proof in [ItemProof::Listed, ItemProof::Missing] {
        let n = write
            .tx()
            .execute(
                "INSERT INTO run_items (tenant_id, run_id, okta_user_id, person_id, change, state, proof, label,
                                        reason, problems, status_reason, fields)
                 SELECT tenant_id, $3, okta_user_id, person_id, change, 'held', proof, label, reason, problems,
                        status_reason, fields
                 FROM run_items
                 WHERE tenant_id = $1 AND run_id = $2 AND change = 'deactivate' AND state = 'candidate' AND proof = $4
                 ON CONFLICT DO NOTHING",
                &[tenant.into(), run.uuid().into(), pen.uuid().into(), proof.as_str().into()],
            )
            .await?;
        match proof {
            ItemProof::Listed => moved.listed = n,
            ItemProof::Missing => moved.missing = n,
        }
    }
    let all = move_removals(write, run, ItemState::Candidate, ItemState::Dismissed).await?;
    moved.known = all.saturating_sub(moved.listed + moved.missing);
    Ok(moved)
}

/// How many of a run's items met each problem, by the stored lists of codes.
pub async fn problem_lists(
    write: &mut Write,
    run: RunId,
) -> Result<Vec<(String, u64)>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        problems: String,
        n: i64,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            "SELECT problems, COUNT(*) AS n FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND problems <> ''
             AND change IN ('skip', 'review') GROUP BY problems ORDER BY problems",
            &[tenant.into(), run.uuid().into()],
        )
        .await?;
    Ok(rows.into_iter().map(|row| (row.problems, u64::try_from(row.n).unwrap_or(0))).collect())
}

/// Forgets everything that a run found about single people: its listing begins again.
pub async fn clear(write: &mut Write, run: RunId) -> Result<(), StoreError> {
    let tenant = write.tenant();
    write
        .tx()
        .execute(
            "DELETE FROM run_items WHERE tenant_id = $1 AND run_id = $2",
            &[tenant.into(), run.into()],
        )
        .await
        .map(drop)
}

/// Marks the removal of somebody who answers 404 and of whose deletion no log could tell.
pub const GONE: &str = "gone";

/// How many proven removals of a run rest on a 404 alone.
pub async fn count_gone(write: &mut Write, run: RunId) -> Result<u64, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<CountRow> = write
        .tx()
        .fetch_all(
            "SELECT COUNT(*) AS n FROM run_items WHERE tenant_id = $1 AND run_id = $2 AND change = 'deactivate'
             AND state = 'out' AND problems = $3",
            &[tenant.into(), run.into(), GONE.into()],
        )
        .await?;
    Ok(rows.first().map_or(0, |row| u64::try_from(row.n).unwrap_or(0)))
}

/// Closes a held run whose removals `approval` carried out: its items end as those of the approval did.
pub async fn settle_approved(
    write: &mut Write,
    held: RunId,
    approval: RunId,
    now: jiff::Timestamp,
) -> Result<(), StoreError> {
    let tenant = write.tenant().uuid();
    write
        .tx()
        .execute(
            "UPDATE run_items SET state = COALESCE(
                 (SELECT done.state FROM run_items done WHERE done.tenant_id = $1 AND done.run_id = $3
                  AND done.okta_user_id = run_items.okta_user_id), 'dismissed')
             WHERE tenant_id = $1 AND run_id = $2 AND change = 'deactivate' AND state = 'held'",
            &[tenant.into(), held.into(), approval.into()],
        )
        .await?;
    let Some(mut run) = crate::runs::load(write, held).await? else { return Ok(()) };
    let applied = count_removals(write, held, ItemState::Applied, None).await?;
    run.counts.deactivated += applied;
    run.counts.unchanged += run.counts.held.saturating_sub(applied);
    run.counts.held = 0;
    run.problems.retain(|problem| problem.code != ProblemCode::RemovalsHeld);
    run.state = muster_core::run::RunState::Done;
    run.finished_at = Some(now);
    crate::runs::save(write, &run).await
}
