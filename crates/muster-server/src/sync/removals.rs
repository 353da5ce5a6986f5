//! The removals step: takes access away from whoever was proven to be out, and from nobody else.

use std::collections::BTreeMap;

use muster_core::field::{Field, FieldChange};
use muster_core::matching::Facts;
use muster_core::person::{Person, Profile, Role, Status};
use muster_core::plan::{EmailStep, Row, plan, removal};
use muster_core::problem::ProblemCode;
use muster_core::run::{ChangeKind, RunPhase};
use muster_store::history::Write;
use muster_store::items::{self, Item, ItemProof, ItemState};
use muster_store::mirror::MirrorRow;
use muster_store::phases::removals as query;
use muster_store::sessions;

use super::apply::{Marks, Written, bits, is_settled};
use super::job::{Job, RunError, problem};

/// People removed in one step.
const BATCH: i64 = 200;

/// A removal that is about to be written.
struct Going {
    item: Item,
    person: Person,
    after: Profile,
    fields: Vec<FieldChange>,
    reason: String,
    marks: Marks,
}

impl Job<'_> {
    pub(super) async fn removals(&mut self) -> Result<(), RunError> {
        loop {
            let mut write = self.step().await?;
            let batch =
                items::removals(&mut write, self.run.id, ItemState::Out, None, BATCH).await?;
            if batch.is_empty() {
                self.run.phase = RunPhase::Report;
                self.run.cursor = None;
                self.commit(write).await?;
                return Ok(());
            }
            if self.is_preview() {
                let told: Vec<Item> = batch
                    .into_iter()
                    .map(|item| Item { state: ItemState::Noted, ..item })
                    .collect();
                self.run.counts.add(ChangeKind::Deactivate, told.len() as u64);
                items::put(&mut write, self.run.id, &told).await?;
            } else {
                self.remove(&mut write, batch).await?;
            }
            self.commit(write).await?;
        }
    }

    async fn remove(&mut self, write: &mut Write, batch: Vec<Item>) -> Result<(), RunError> {
        let ids: Vec<&str> = batch.iter().map(|item| item.okta_user_id.as_str()).collect();
        let mut people = query::people_by_okta(write, self.run.id, &ids).await?;
        let mut rows = query::mirror_rows(write, self.run.id, &ids).await?;
        let mut owners = query::active_owners(write).await?;
        let mut going = Vec::new();
        let mut staying = Vec::new();
        let mut kept = Vec::new();
        let since = self.run.read_started_at.unwrap_or(self.run.queued_at);
        for item in batch {
            let found = people.remove(item.okta_user_id.as_str());
            let Some((person, observed_at)) = found else {
                staying.push(Item { state: ItemState::Dismissed, ..item });
                continue;
            };
            // Whoever was looked at since, or lost access by another way, is no longer ours to judge.
            let fresher = observed_at.is_some_and(|at| at > since);
            let out_already = person.profile.status == Status::Deactivated;
            let last_owner = person.role == Role::Owner
                && person.profile.status == Status::Active
                && owners <= 1;
            if fresher || out_already || last_owner || person.break_glass {
                if last_owner || person.break_glass {
                    self.run.note(problem(ProblemCode::LastOwnerKept, 1, &item.label));
                    if !fresher && !out_already && person.role == Role::Owner {
                        kept.push(person.id);
                    }
                }
                staying.push(Item { state: ItemState::Dismissed, ..item });
                continue;
            }
            match self.going(item, person, &mut rows) {
                Ok(one) => {
                    if one.person.role == Role::Owner && one.person.profile.status == Status::Active
                    {
                        owners -= 1;
                    }
                    going.push(one);
                }
                Err(item) => staying.push(Item { state: ItemState::Dismissed, ..item }),
            }
        }
        sessions::keep_owners(write, &kept).await?;
        self.run.counts.add(ChangeKind::Unchanged, staying.len() as u64);
        self.run.counts.add(ChangeKind::Deactivate, going.len() as u64);
        let writes: Vec<Written<'_>> = going
            .iter()
            .map(|one| Written {
                id: one.person.id,
                known: Some(&one.person),
                after: &one.after,
                kind: ChangeKind::Deactivate,
                reason: &one.reason,
                fields: &one.fields,
                marks: one.marks,
            })
            .collect();
        self.write_people(write, &writes, self.now()).await?;
        let applied = going.into_iter().map(|one| Item { state: ItemState::Applied, ..one.item });
        let told: Vec<Item> = applied.chain(staying).collect();
        items::put(write, self.run.id, &told).await?;
        Ok(())
    }

    /// What one removal writes. Someone whom the listing shows as out is planned again from it, so that the next run finds
    /// nothing left to do; gives the item back when that plan no longer takes access away.
    #[expect(clippy::result_large_err, reason = "an item that stays goes back whole")]
    fn going(
        &self,
        item: Item,
        person: Person,
        rows: &mut BTreeMap<String, MirrorRow>,
    ) -> Result<Going, Item> {
        let listed = rows
            .remove(item.okta_user_id.as_str())
            .filter(|_| item.proof == Some(ItemProof::Listed));
        if let Some(staged) = listed {
            let facts = Facts { email_winner: staged.email_winner, ..Facts::default() };
            let row = Row { read: staged.user, known: Some(person), facts };
            // An address that is in dispute is not for a removal to settle: the next run looks again.
            let planned = plan(
                std::slice::from_ref(&row),
                &self.rules,
                self.today,
                self.now(),
                EmailStep::Defer,
            )
            .pop();
            let (Some(planned), Some(mut person)) = (planned, row.known) else { return Err(item) };
            let (ChangeKind::Deactivate, Some(mut after)) = (planned.kind, planned.after) else {
                return Err(item);
            };
            let same_address = after.email == person.profile.email;
            if !same_address {
                after.email = person.profile.email.clone();
            }
            person.version = person.version.max(1);
            let fields = planned
                .fields
                .into_iter()
                .filter(|change| same_address || change.field != Field::Email)
                .collect();
            let marks = Marks {
                hash: (same_address && is_settled(&planned.problems)).then_some(staged.hash),
                due: planned.due,
                observed_at: staged.observed_at,
                problems: bits(&planned.problems),
                confirm_needed: false,
            };
            return Ok(Going { item, person, after, fields, reason: planned.reason, marks });
        }
        let Some(reason) = item.status_reason else { return Err(item) };
        let after = removal(&person, reason, None);
        let fields = vec![FieldChange {
            field: Field::Status,
            before: Some(person.profile.status.as_str().to_owned()),
            after: Some(after.status.as_str().to_owned()),
        }];
        let marks = Marks {
            hash: None,
            due: None,
            observed_at: self.now(),
            problems: 0,
            confirm_needed: false,
        };
        let reason = muster_core::plan::removal_reason(reason);
        Ok(Going { item, person, after, fields, reason, marks })
    }
}
