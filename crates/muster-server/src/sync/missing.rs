//! The missing step: who should be in the listing and is not, the guard, and the reads by id that prove who is out.

use futures_util::{StreamExt, TryStreamExt, stream};
use muster_core::guard::{
    GONE_MAX, GuardVerdict, LogEvidence, Proof, ReadById, SAMPLE, judge, prove,
};
use muster_core::id::OktaUserId;
use muster_core::person::StatusReason;
use muster_core::problem::ProblemCode;
use muster_core::run::{ChangeKind, RunKind, RunPhase};
use muster_core::scope::{Scope, scope};
use muster_okta::error::OktaError;
use muster_store::history::Write;
use muster_store::items::{self, Item, ItemProof, ItemState};
use muster_store::phases::missing as query;

use super::job::{Job, RunError, Setback, problem};

/// The cursor once everybody missing is noted and the guard let them pass. No Okta id begins with a space.
const PROVING: &str = " proving";
/// Missing people noted in one step.
const COLLECT: i64 = 500;
/// Reads by id whose outcome is stored in one step.
const PROVE: i64 = 50;
/// Reads by id under way at once; the rate budget decides how fast they really go.
const AT_ONCE: usize = 8;

impl Job<'_> {
    pub(super) async fn missing(&mut self) -> Result<(), RunError> {
        if self.is_truncated() {
            return self.dismiss_all().await;
        }
        if self.run.kind == RunKind::Person {
            return self.weigh_named().await;
        }
        if self.lists() {
            self.collect_missing().await?;
        }
        if self.run.phase == RunPhase::Missing {
            self.prove_missing().await?;
        }
        Ok(())
    }

    /// Takes back every removal: the listing did not deserve belief.
    async fn dismiss_all(&mut self) -> Result<(), RunError> {
        let mut write = self.step().await?;
        self.dismiss(&mut write).await?;
        self.run.phase = RunPhase::Report;
        self.run.cursor = None;
        self.commit(write).await?;
        Ok(())
    }

    async fn dismiss(&mut self, write: &mut Write) -> Result<(), RunError> {
        for state in [ItemState::Candidate, ItemState::Out] {
            let n = items::move_removals(write, self.run.id, state, ItemState::Dismissed).await?;
            self.run.counts.add(ChangeKind::Unchanged, n);
        }
        Ok(())
    }

    async fn collect_missing(&mut self) -> Result<(), RunError> {
        while self.run.cursor.as_deref() != Some(PROVING) {
            let mut write = self.step().await?;
            let after = self.run.cursor.clone().unwrap_or_default();
            let since = self.run.read_started_at.unwrap_or(self.run.queued_at);
            let people = query::next(&mut write, self.run.id, since, &after, COLLECT).await?;
            let notes: Vec<Item> = people
                .iter()
                .filter_map(|person| {
                    Some(Item {
                        okta_user_id: person.profile.okta_user_id.clone()?,
                        person: Some(person.id),
                        change: ChangeKind::Deactivate,
                        state: ItemState::Candidate,
                        proof: Some(ItemProof::Missing),
                        label: person.profile.email.shown().to_owned(),
                        reason: "no longer among the people assigned to the app".to_owned(),
                        problems: Vec::new(),
                        status_reason: None,
                        fields: "{}".to_owned(),
                    })
                })
                .collect();
            items::put(&mut write, self.run.id, &notes).await?;
            self.run.counts.missing += notes.len() as u64;
            match notes.last() {
                Some(last) => self.run.cursor = Some(last.okta_user_id.to_string()),
                None => return self.guard(write).await,
            }
            self.commit(write).await?;
        }
        Ok(())
    }

    async fn guard(&mut self, mut write: Write) -> Result<(), RunError> {
        let count = |proof| (self.run.id, ItemState::Candidate, Some(proof));
        let (run, state, proof) = count(ItemProof::Listed);
        let listed = items::count_removals(&mut write, run, state, proof).await?;
        let (run, state, proof) = count(ItemProof::Missing);
        let missing = items::count_removals(&mut write, run, state, proof).await?;
        // Counting everybody takes a while; nobody to be removed is too few by any count.
        let active = if listed + missing == 0 { 0 } else { self.had_access(&mut write).await? };
        match judge(&self.rules.guard, active, listed, missing) {
            GuardVerdict::Proceed => {
                self.run.cursor = Some(PROVING.to_owned());
                self.commit(write).await?;
            }
            GuardVerdict::Hold => self.hold(write).await?,
            GuardVerdict::SampleThenHold => {
                let sample = items::removals(
                    &mut write,
                    self.run.id,
                    ItemState::Candidate,
                    Some(ItemProof::Missing),
                    i64::try_from(SAMPLE).unwrap_or(20),
                )
                .await?;
                // The cursor stays: whoever takes over before the verdict is stored asks the guard again.
                self.commit(write).await?;
                let Some(proofs) = self.read_all(&sample).await? else { return Ok(()) };
                let write = self.step().await?;
                let proofs: Vec<Proof> = proofs.into_iter().map(|(_, proof)| proof).collect();
                match self.contradiction(&proofs, 0) {
                    Some((code, detail)) => self.contradicted(write, code, &detail).await?,
                    None => self.hold(write).await?,
                }
            }
        }
        Ok(())
    }

    /// How many had access when the run began: whom it let in itself must not make room for whom it removes.
    pub(super) async fn had_access(&self, write: &mut Write) -> Result<u64, RunError> {
        if let Some(had) = self.run.had_access {
            return Ok(had);
        }
        let counts = &self.run.counts;
        let let_in = counts.created + counts.linked + counts.reactivated;
        Ok(query::with_access(write).await?.saturating_sub(let_in))
    }

    /// More removals than the rules allow at once: they wait for a human, everything else is already done.
    pub(super) async fn hold(&mut self, mut write: Write) -> Result<(), RunError> {
        let held =
            items::move_removals(&mut write, self.run.id, ItemState::Candidate, ItemState::Held)
                .await?;
        self.run.counts.held = held;
        self.run.note(problem(ProblemCode::RemovalsHeld, held, &self.run.id.to_string()));
        self.run.phase = RunPhase::Report;
        self.run.cursor = None;
        self.commit(write).await?;
        Ok(())
    }

    async fn contradicted(
        &mut self,
        mut write: Write,
        code: ProblemCode,
        detail: &str,
    ) -> Result<(), RunError> {
        self.truncate(problem(code, 0, detail));
        self.dismiss(&mut write).await?;
        self.run.phase = RunPhase::Report;
        self.run.cursor = None;
        self.commit(write).await?;
        Ok(())
    }

    /// What the reads by id say against the listing, if anything. In an approval somebody who is in again is no
    /// contradiction: they are left alone.
    fn contradiction(&self, proofs: &[Proof], gone_before: u64) -> Option<(ProblemCode, String)> {
        let count =
            |wanted: fn(&Proof) -> bool| proofs.iter().filter(|proof| wanted(proof)).count() as u64;
        let still_in = count(|proof| matches!(proof, Proof::StillIn));
        let hidden = count(|proof| matches!(proof, Proof::Hidden));
        let gone = gone_before + count(|proof| matches!(proof, Proof::Gone));
        if still_in > 0 && self.lists() {
            let detail = format!(
                "{still_in} people who are not in the list are still assigned when asked for by id"
            );
            return Some((ProblemCode::ListingContradicted, detail));
        }
        if hidden > 0 || gone > GONE_MAX {
            let n = hidden + gone;
            let detail = format!(
                "{n} people can neither be listed nor read by id, and Okta's log knows of no deletion"
            );
            return Some((ProblemCode::TokenNarrowed, detail));
        }
        None
    }

    /// Reads everybody missing by id. Only when all of them are proven is anybody removed.
    async fn prove_missing(&mut self) -> Result<(), RunError> {
        loop {
            let mut write = self.step().await?;
            let batch = items::removals(
                &mut write,
                self.run.id,
                ItemState::Candidate,
                Some(ItemProof::Missing),
                PROVE,
            )
            .await?;
            if batch.is_empty() {
                items::move_removals(&mut write, self.run.id, ItemState::Candidate, ItemState::Out)
                    .await?;
                self.run.phase = RunPhase::Removals;
                self.run.cursor = None;
                self.commit(write).await?;
                return Ok(());
            }
            self.commit(write).await?;
            let Some(proofs) = self.read_all(&batch).await? else { return Ok(()) };
            let mut write = self.step().await?;
            let gone = items::count_gone(&mut write, self.run.id).await?;
            let flat: Vec<Proof> = proofs.iter().map(|(_, proof)| proof.clone()).collect();
            if let Some((code, detail)) = self.contradiction(&flat, gone) {
                return self.contradicted(write, code, &detail).await;
            }
            let proven: Vec<Item> = proofs
                .into_iter()
                .filter_map(|(item, proof)| match proof {
                    Proof::Out(reason) => {
                        Some(Item { state: ItemState::Out, status_reason: Some(reason), ..item })
                    }
                    Proof::Gone => Some(Item {
                        state: ItemState::Out,
                        status_reason: Some(StatusReason::DeletedInOkta),
                        problems: vec![items::GONE.to_owned()],
                        ..item
                    }),
                    Proof::StillIn => Some(Item { state: ItemState::Dismissed, ..item }),
                    Proof::Hidden => None,
                })
                .collect();
            let back =
                proven.iter().filter(|item| item.state == ItemState::Dismissed).count() as u64;
            self.run.counts.add(ChangeKind::Unchanged, back);
            items::put(&mut write, self.run.id, &proven).await?;
            self.commit(write).await?;
        }
    }

    /// Reads people by id, several at once. `None` when Okta would not say: the run has been led elsewhere then.
    async fn read_all(&mut self, batch: &[Item]) -> Result<Option<Vec<(Item, Proof)>>, RunError> {
        self.okta().await?;
        let job = &*self;
        // Made before anything is awaited: what makes them could not be sent to another thread.
        let reads: Vec<_> = batch.iter().map(|item| job.read_one(item)).collect();
        let reads = stream::iter(reads).buffered(AT_ONCE).try_collect::<Vec<_>>();
        let read = job.beating(reads).await?;
        match read {
            Ok(proofs) => Ok(Some(proofs)),
            Err(error) => {
                match Setback::of(&error) {
                    Setback::Truncated(problem) => {
                        let mut write = self.step().await?;
                        self.truncate(problem);
                        self.dismiss(&mut write).await?;
                        self.run.phase = RunPhase::Report;
                        self.run.cursor = None;
                        self.commit(write).await?;
                    }
                    refused @ Setback::Refused(_) => self.setback(refused).await?,
                }
                Ok(None)
            }
        }
    }

    async fn read_one(&self, item: &Item) -> Result<(Item, Proof), OktaError> {
        let read = self.read_by_id(&item.okta_user_id).await?;
        Ok((item.clone(), self.weigh(&read)))
    }

    /// What a read by id proves. An approval may also be about people whom a rule keeps out: they are assigned all the same.
    fn weigh(&self, read: &ReadById) -> Proof {
        let proof = prove(read);
        match (read, &proof) {
            (ReadById::User { user, assigned }, Proof::StillIn) if !self.lists() => {
                match scope(user, *assigned, &self.rules, self.today) {
                    Scope::Excluded { .. } => Proof::Out(StatusReason::Filtered),
                    _ => proof,
                }
            }
            _ => proof,
        }
    }

    async fn read_by_id(&self, id: &OktaUserId) -> Result<ReadById, OktaError> {
        let Ok(okta) = self.connected() else {
            // `read_all` made the client before.
            return Ok(ReadById::Gone { log: LogEvidence::Unreadable });
        };
        if let Some(listed) = okta.client.user(id, &self.keep).await? {
            let assigned = okta.client.app_user(&okta.app_id, id).await?.is_some();
            return Ok(ReadById::User { user: listed.user, assigned });
        }
        let log = self.deletion(id).await?;
        Ok(ReadById::Gone { log })
    }
}
