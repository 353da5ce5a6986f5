//! The e-mail step: addresses that change hands, released and taken in one transaction, so that two people can swap.

use std::collections::{BTreeMap, BTreeSet};

use muster_core::field::Field;
use muster_core::id::OktaUserId;
use muster_core::matching::Facts;
use muster_core::person::{Email, Person, Status};
use muster_core::plan::{EmailStep, Row, plan};
use muster_core::run::{ChangeKind, RunPhase};
use muster_core::scope::{Scope, scope};
use muster_store::error::StoreError;
use muster_store::history::Write;
use muster_store::mirror::MirrorRow;
use muster_store::phases::emails as query;
use muster_store::phases::people;
use muster_store::phases::removals::mirror_rows;

use super::apply::Work;
use super::job::{Job, RunError};
use super::people::decided;

struct Claimant {
    staged: MirrorRow,
    known: Option<Person>,
    wants: String,
    holder: Option<Person>,
    /// The holder is about to take another address.
    holder_moves: bool,
    /// Who could be the same person, if they are new.
    facts: Facts,
}

impl Job<'_> {
    pub(super) async fn emails(&mut self) -> Result<(), RunError> {
        let mut write = self.step().await?;
        let mut claimants = Vec::new();
        for staged in query::deferred(&mut write, self.run.id).await? {
            let wants = email_key(&staged);
            let known = query::person_of(&mut write, &staged.user.id).await?;
            let holder = query::holder_of(&mut write, &wants)
                .await?
                .filter(|holder| holder.profile.okta_user_id.as_ref() != Some(&staged.user.id));
            let listed = self.listed(&mut write, holder.as_ref()).await?;
            let holder_moves = holder
                .as_ref()
                .zip(listed.as_ref())
                .is_some_and(|(holder, listed)| self.moves(holder, listed, &wants));
            let facts = match known {
                Some(_) => Facts::default(),
                None => self.likeness(&mut write, &staged).await?,
            };
            let facts = Facts { holder_listed: listed.is_some(), ..facts };
            claimants.push(Claimant { staged, known, wants, holder, holder_moves, facts });
        }
        let granted = granted(&claimants, self.is_preview());
        let (rows, marks): (Vec<Row>, Vec<_>) = claimants
            .into_iter()
            .map(|claimant| {
                let free = granted.contains(&claimant.staged.user.id);
                let facts = Facts {
                    email_winner: claimant.staged.email_winner,
                    holder: claimant.holder.filter(|_| !free),
                    ..claimant.facts
                };
                let marks = (claimant.staged.hash, claimant.staged.observed_at);
                (Row { read: claimant.staged.user, known: claimant.known, facts }, marks)
            })
            .unzip();
        let planned = plan(&rows, &self.rules, self.today, self.now(), EmailStep::Resolve);
        let batch: Vec<Work> = rows
            .into_iter()
            .zip(planned)
            .zip(marks)
            .map(|((row, planned), (hash, observed_at))| Work { row, planned, hash, observed_at })
            .collect();
        if !self.is_preview() {
            let moving: Vec<&Person> = batch
                .iter()
                // A removal is not written here: whoever loses access keeps their address until the next run.
                .filter(|work| work.planned.kind != ChangeKind::Deactivate)
                .filter(|work| work.planned.after.is_some() && granted.contains(&work.row.read.id))
                .filter_map(|work| work.row.known.as_ref())
                .collect();
            query::park(&mut write, &moving).await?;
        }
        self.apply(&mut write, &batch).await?;
        self.run.phase = RunPhase::Managers;
        self.run.cursor = None;
        self.commit(write).await?;
        Ok(())
    }

    /// Who could be the same person as somebody new, and what was decided about it.
    async fn likeness(&self, write: &mut Write, staged: &MirrorRow) -> Result<Facts, StoreError> {
        let (run, place) = (self.run.id, staged.place);
        let namesakes = people::namesakes(write, run, place - 1, place).await?;
        let pairings = people::pairings(write, run, place - 1, place).await?;
        Ok(Facts {
            namesakes: namesakes.into_values().flatten().collect(),
            pairing: pairings.into_values().next().map(|(same, person)| decided(same, person)),
            ..Facts::default()
        })
    }

    /// Whether the holder of an address takes another one in this run, if there is room for them.
    fn moves(&self, holder: &Person, listed: &MirrorRow, wants: &str) -> bool {
        let new = email_key(listed);
        let loses_access = holder.profile.status != Status::Deactivated
            && !holder.break_glass
            && matches!(
                scope(&listed.user, true, &self.rules, self.today),
                Scope::Out(_) | Scope::Excluded { .. }
            );
        !new.is_empty()
            && new != wants
            && listed.email_winner.is_none()
            && !holder.pinned.has(Field::Email)
            && !loses_access
    }

    /// What the listing says of the holder of an address.
    async fn listed(
        &self,
        write: &mut Write,
        holder: Option<&Person>,
    ) -> Result<Option<MirrorRow>, StoreError> {
        let Some(id) = holder.and_then(|holder| holder.profile.okta_user_id.as_ref()) else {
            return Ok(None);
        };
        Ok(mirror_rows(write, self.run.id, &[id.as_str()]).await?.remove(id.as_str()))
    }
}

/// The address that Okta gives somebody, for comparing; empty when it gives none that is one.
fn email_key(row: &MirrorRow) -> String {
    let text = row.user.attributes.text("email").unwrap_or_default();
    Email::parse(&text).map(|email| email.key().to_owned()).unwrap_or_default()
}

/// Who gets the address they want: those whose address nobody holds, or whose holder leaves it and gets their own. Whoever
/// could move without waiting did so in the people step, unless it was a preview, which writes nothing.
fn granted(claimants: &[Claimant], preview: bool) -> BTreeSet<OktaUserId> {
    let by_id: BTreeMap<&OktaUserId, &Claimant> =
        claimants.iter().map(|claimant| (&claimant.staged.user.id, claimant)).collect();
    let mut granted: BTreeSet<OktaUserId> = by_id.keys().map(|id| (*id).clone()).collect();
    // Begin with everybody and take out whoever waits for somebody who stays, until nobody more falls out. So a ring of
    // people who swap among themselves is granted whole.
    loop {
        let stuck: Vec<OktaUserId> = granted
            .iter()
            .filter(|id| {
                by_id.get(id).is_none_or(|claimant| {
                    let Some(holder) = &claimant.holder else {
                        return claimant.staged.email_winner.is_some();
                    };
                    let Some(of) = holder.profile.okta_user_id.as_ref() else { return true };
                    let gets_own =
                        if by_id.contains_key(of) { granted.contains(of) } else { preview };
                    claimant.wants.is_empty() || !(claimant.holder_moves && gets_own)
                })
            })
            .cloned()
            .collect();
        if stuck.is_empty() {
            return granted;
        }
        for id in stuck {
            granted.remove(&id);
        }
    }
}
