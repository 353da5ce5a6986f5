//! Carries out what was planned: rows, history and items, in the transaction of the step. Makes no choices.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use muster_core::field::{Field, FieldChange};
use muster_core::id::{ChangeId, OktaUserId, PersonId};
use muster_core::manager::{self, Candidates, Resolution};
use muster_core::person::{Person, Profile, Role};
use muster_core::plan::{Planned, Row};
use muster_core::problem::ProblemCode;
use muster_core::run::{ChangeKind, RunKind};
use muster_store::error::StoreError;
use muster_store::history::{By, NewChange, Subject, Write};
use muster_store::items::{self, Item, ItemProof, ItemState};
use muster_store::phases::people as query;
use muster_store::sessions;
use muster_store::teams;
use muster_store::upsert::{PersonWrite, Touch, touch_many, upsert_many};

use super::job::{Job, problem};

/// What a planned row is made of: the read it came from and the plan itself.
pub(super) struct Work {
    pub(super) row: Row,
    pub(super) planned: Planned,
    pub(super) hash: [u8; 16],
    pub(super) observed_at: Timestamp,
}

/// One row of people to be written, with what its history entry says.
pub(super) struct Written<'a> {
    pub(super) id: PersonId,
    pub(super) known: Option<&'a Person>,
    pub(super) after: &'a Profile,
    pub(super) kind: ChangeKind,
    pub(super) reason: &'a str,
    pub(super) fields: &'a [FieldChange],
    pub(super) marks: Marks,
}

/// What is remembered of a plan, so that the next run knows whether there is anything new.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    pub(super) hash: Option<[u8; 16]>,
    pub(super) due: Option<jiff::civil::Date>,
    pub(super) observed_at: Timestamp,
    pub(super) problems: i64,
    pub(super) confirm_needed: bool,
}

impl Work {
    fn marks(&self) -> Marks {
        Marks {
            hash: is_settled(&self.planned.problems).then_some(self.hash),
            due: self.planned.due,
            observed_at: self.observed_at,
            problems: bits(&self.planned.problems),
            confirm_needed: self.planned.confirm_needed,
        }
    }
}

/// Whether a plan holds until Okta says something else. A conflict is looked at again in every run until it is solved: its row
/// keeps no fingerprint. So is an owner who is kept, since somebody must be told for as long as it lasts.
pub(super) fn is_settled(problems: &[ProblemCode]) -> bool {
    let open = [
        ProblemCode::EmailConflict,
        ProblemCode::EmailDuplicate,
        ProblemCode::UnknownStatus,
        ProblemCode::LastOwnerKept,
    ];
    !problems.iter().any(|code| open.contains(code))
}

/// The owner whom a plan leaves in though Okta says that they are out.
fn kept_owner(work: &Work) -> Option<PersonId> {
    let known = work.row.known.as_ref()?;
    let kept = work.planned.problems.contains(&ProblemCode::LastOwnerKept);
    (kept && known.role == Role::Owner).then_some(known.id)
}

/// Problem codes as the bits that people rows keep.
pub(super) fn bits(codes: &[ProblemCode]) -> i64 {
    codes.iter().fold(0, |bits, code| bits | (1_i64 << (*code as u32)))
}

impl Job<'_> {
    /// Applies a batch of plans (or, in a preview, notes them).
    pub(super) async fn apply(
        &mut self,
        write: &mut Write,
        batch: &[Work],
    ) -> Result<(), StoreError> {
        let mut notes = Vec::new();
        let mut writes = Vec::new();
        let mut touches = Vec::new();
        let now = self.now();
        for work in batch {
            let planned = &work.planned;
            let known = work.row.known.as_ref();
            match planned.kind {
                ChangeKind::Deactivate if self.is_truncated() => {
                    // What a listing shows that did not end by itself takes nobody's access away.
                    self.run.counts.add(ChangeKind::Unchanged, 1);
                }
                // Counted once the guard has spoken.
                ChangeKind::Deactivate => notes.push(item(planned, ItemState::Candidate)),
                kind => {
                    self.run.counts.add(kind, 1);
                    let told = matches!(kind, ChangeKind::Skip | ChangeKind::Review)
                        || (self.is_preview() && kind != ChangeKind::Unchanged);
                    if told {
                        notes.push(item(planned, ItemState::Noted));
                    }
                    if self.is_preview() {
                        if !matches!(kind, ChangeKind::Skip | ChangeKind::Review) {
                            for code in &planned.problems {
                                self.run.note(problem(*code, 1, ""));
                            }
                        }
                        continue;
                    }
                    let marks = work.marks();
                    match (&planned.after, known) {
                        (Some(after), _) => writes.push(Written {
                            id: planned.target.unwrap_or_else(|| self.ids.next(now)),
                            known: known.or(target(work)),
                            after,
                            kind,
                            reason: &planned.reason,
                            fields: &planned.fields,
                            marks,
                        }),
                        (None, Some(_)) => touches.push(Touch {
                            okta_user_id: planned.okta_user_id.clone(),
                            settled: marks.hash.is_some(),
                            due_day: marks.due,
                            problems: marks.problems,
                        }),
                        (None, None) => {}
                    }
                }
            }
        }
        let kept: Vec<_> = batch.iter().filter_map(kept_owner).collect();
        if !self.is_preview() && !self.is_truncated() {
            sessions::keep_owners(write, &kept).await?;
        }
        items::put(write, self.run.id, &notes).await?;
        touch_many(write, self.run.id, self.run.rules_revision, &touches).await?;
        self.write_people(write, &writes, now).await
    }

    /// Writes people and their history: a fixed number of statements, however many people.
    pub(super) async fn write_people(
        &mut self,
        write: &mut Write,
        people: &[Written<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if people.is_empty() {
            return Ok(());
        }
        let actor = self.run.actor.clone();
        let by = By {
            actor: &actor,
            cause: self.run.cause.as_str(),
            run: Some(self.run.id),
            reason: None,
        };
        let team_names: Vec<_> = people.iter().filter_map(|one| one.after.team.as_ref()).collect();
        let location_names: Vec<_> =
            people.iter().filter_map(|one| one.after.location.as_ref()).collect();
        let teams = teams::names_to_ids(write, &team_names, by, &mut self.ids).await?;
        let locations = teams::locations_to_ids(write, &location_names, by, &mut self.ids).await?;
        let managers = self.managers_of_new(write, people).await?;
        let rows: Vec<PersonWrite<'_>> = people
            .iter()
            .map(|one| PersonWrite {
                id: one.id,
                version: one.known.map_or(1, |known| known.version + 1),
                role: one.known.map_or(Role::Learner, |known| known.role),
                break_glass: one.known.is_some_and(|known| known.break_glass),
                pinned: one.known.map(|known| known.pinned).unwrap_or_default(),
                deactivated_at: deactivated_at(one, now),
                profile: one.after,
                team_id: one.after.team.as_ref().and_then(|name| teams.get(name.key()).copied()),
                location_id: one
                    .after
                    .location
                    .as_ref()
                    .and_then(|name| locations.get(name.key()).copied()),
                manager_id: managers.get(&one.id).copied(),
                confirm_needed: one.marks.confirm_needed,
                planned_hash: one.marks.hash,
                planned_rules: Some(self.run.rules_revision),
                due_day: one.marks.due,
                observed_at: Some(one.marks.observed_at),
                problems: one.marks.problems,
                created_at: now,
            })
            .collect();
        upsert_many(write, &rows).await?;
        for one in people {
            let (before, after) =
                sides(one.fields, one.known.is_none(), managers.get(&one.id).copied());
            let by = By { reason: (!one.reason.is_empty()).then_some(one.reason), ..by };
            let okta_user_id = one.after.okta_user_id.as_ref().map(OktaUserId::as_str);
            write.record(NewChange {
                id: self.ids.next::<ChangeId>(now),
                at: write.now(),
                subject: Subject::Person(one.id),
                kind: one.kind.as_str(),
                actor: by.actor.to_owned(),
                cause: by.cause.to_owned(),
                run: by.run,
                reason: by.reason.map(str::to_owned),
                before,
                after,
                event: okta_user_id.and_then(|id| self.event_of(id)),
            });
            if self.run.kind == RunKind::Person {
                self.touched.extend(okta_user_id.map(str::to_owned));
            }
        }
        Ok(())
    }

    /// Managers of people who are just being made, as far as they are already there. The managers step does the rest.
    async fn managers_of_new(
        &self,
        write: &mut Write,
        people: &[Written<'_>],
    ) -> Result<BTreeMap<PersonId, PersonId>, StoreError> {
        let new: Vec<(&Written<'_>, &str, String)> = people
            .iter()
            .filter(|one| one.known.is_none())
            .filter_map(|one| {
                let raw = one.after.manager_raw.as_deref()?;
                Some((one, raw.trim(), manager::key(raw)?))
            })
            .collect();
        if new.is_empty() {
            return Ok(BTreeMap::new());
        }
        let raw: Vec<&str> =
            new.iter().map(|(_, raw, _)| *raw).collect::<BTreeSet<_>>().into_iter().collect();
        let keys: Vec<&str> = new
            .iter()
            .map(|(_, _, key)| key.as_str())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut candidates = query::manager_candidates(write, &raw, &keys).await?;
        for one in people.iter().filter(|one| one.known.is_none()) {
            candidates.entry(one.after.email.key().to_owned()).or_default().by_email = Some(one.id);
        }
        let nobody = Candidates::default();
        let mut found = BTreeMap::new();
        for (one, _, key) in &new {
            let of = candidates.get(key).unwrap_or(&nobody);
            if let Resolution::Found(manager) = manager::resolve(of, false, one.id) {
                found.insert(one.id, manager);
            }
        }
        Ok(found)
    }
}

/// The account that a link or a re-link turns into the person's own.
fn target(work: &Work) -> Option<&Person> {
    work.row.facts.account(work.planned.target?)
}

fn deactivated_at(one: &Written<'_>, now: Timestamp) -> Option<Timestamp> {
    use muster_core::person::Status;
    match one.after.status {
        Status::Deactivated => one.known.and_then(|known| known.deactivated_at).or(Some(now)),
        Status::Active | Status::NotYet => None,
    }
}

/// An item from a plan.
pub(super) fn item(planned: &Planned, state: ItemState) -> Item {
    let fields: serde_json::Map<String, serde_json::Value> = planned
        .fields
        .iter()
        .map(|change| {
            (change.field.name().to_owned(), serde_json::json!([change.before, change.after]))
        })
        .collect();
    Item {
        okta_user_id: planned.okta_user_id.clone(),
        person: planned.target,
        change: planned.kind,
        state,
        proof: (planned.kind == ChangeKind::Deactivate).then_some(ItemProof::Listed),
        label: planned.label.clone(),
        reason: planned.reason.clone(),
        problems: planned.problems.iter().map(|code| code.name().to_owned()).collect(),
        status_reason: planned.status_reason,
        fields: serde_json::Value::Object(fields).to_string(),
    }
}

/// The two sides of a history entry: JSON objects of the fields that changed. Someone new has no before.
fn sides(
    fields: &[FieldChange],
    new: bool,
    manager: Option<PersonId>,
) -> (Option<String>, Option<String>) {
    let mut before = serde_json::Map::new();
    let mut after = serde_json::Map::new();
    for change in fields {
        let name = change.field.name();
        if !new {
            before.insert(name.to_owned(), change.before.clone().into());
        }
        if !new || change.after.is_some() {
            after.insert(name.to_owned(), change.after.clone().into());
        }
    }
    if let Some(manager) = manager {
        after.insert(Field::Manager.name().to_owned(), manager.to_string().into());
    }
    let text = |side: serde_json::Map<_, _>| serde_json::Value::Object(side).to_string();
    ((!new).then(|| text(before)), Some(text(after)))
}
