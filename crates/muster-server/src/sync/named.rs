//! Person runs: those whom events, a sign-in or a date named are read by id, and go through the same loop as everybody.

use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use muster_core::guard::{GuardVerdict, LogEvidence, Proof, ReadById, judge, prove};
use muster_core::id::OktaUserId;
use muster_core::problem::ProblemCode;
use muster_core::run::{ChangeKind, RunCause, RunPhase, RunState};
use muster_core::scope::{Scope, scope};
use muster_okta::error::{ErrorKind, OktaError};
use muster_store::history::Write;
use muster_store::items::{self, Item, ItemProof, ItemState};
use muster_store::jobs::{self, Backlog, Job as NamedJob, NewJob, Retry, kind, priority};
use muster_store::mirror::{self, Staged};
use muster_store::phases::people::{self, Acquaintance};
use muster_store::sightings::{self, Sighting};
use muster_store::{connection, events, runs};

use super::job::{Job, RunError, Setback, problem};

/// People read in one turn.
pub(super) const PEOPLE_MAX: i64 = 200;
/// Reads under way at once; the rate budget decides how fast they really go.
const AT_ONCE: usize = 8;
/// Calls of one person run for one person.
const CALLS: u64 = 2;
/// So few people are always read one by one: the rest of a full run has its cost too.
const FEW: u64 = 15;
/// Okta's app users are listed so many a page.
const PAGE: u64 = 500;
/// A storm is over when no event came for so long, …
const QUIET: SignedDuration = SignedDuration::from_secs(2);
/// … or somebody has waited for so long. An admin who works on many people for a minute costs one listing, not two.
const PATIENCE: SignedDuration = SignedDuration::from_secs(75);
/// Removals of so long are counted together, so that a burst of events is held as a full run would hold it (D12).
const BURST: SignedDuration = SignedDuration::from_mins(10);
/// Okta answers from before a change for some seconds after it. What came so soon after its event and shows nothing new is
/// looked at once more, this much later.
pub(super) const STALE: SignedDuration = SignedDuration::from_secs(10);
const SECOND_LOOK: SignedDuration = SignedDuration::from_secs(4);
/// How long somebody who could not be read waits, the first time …
const REST: SignedDuration = SignedDuration::from_secs(2);
/// … and at most.
pub(super) const REST_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Whether more people wait than a full listing would cost calls. Where listings fail people are read one by one all the same:
/// the failed run is tried again in its own time, and a leaver must not wait for that.
pub(super) fn is_storm(backlog: &Backlog) -> bool {
    let Some(listed) = backlog.listed.filter(|_| !backlog.last_failed) else { return false };
    let pages = listed / PAGE + 2;
    backlog.people > FEW && backlog.people * CALLS > pages
}

/// Whether it is time for the full run that takes the place of a storm: not before a run that covers it already.
pub(super) fn is_over(backlog: &Backlog, now: Timestamp) -> bool {
    let quiet = backlog.last_event.is_none_or(|last| now.duration_since(last) >= QUIET);
    let patient = backlog.oldest.is_some_and(|oldest| now.duration_since(oldest) < PATIENCE);
    !backlog.covered_soon && (quiet || !patient)
}

fn is_refusal(error: &OktaError) -> bool {
    matches!(error.kind(), ErrorKind::Credentials | ErrorKind::Rights)
}

/// What a read by id came to.
enum Named {
    /// Assigned: planned like anybody of a listing.
    Listed(Box<Staged>),
    /// Access is to go, for this proven reason.
    Out(muster_core::person::StatusReason),
    /// Neither here nor assigned.
    Stranger,
    /// Neither readable nor known to be deleted.
    Hidden,
}

/// Who was read, when Okta was asked, and what came of it.
type Read = (NamedJob, Timestamp, Result<Named, OktaError>);

impl Job<'_> {
    /// Reads whom the run is about, and stages them.
    pub(super) async fn read_named(&mut self) -> Result<(), RunError> {
        let mut write = self.step().await?;
        let keys: Vec<&str> = self.named.iter().map(|job| job.key.as_str()).collect();
        let known = people::acquaintances(&mut write, &keys).await?;
        self.commit(write).await?;
        self.okta().await?;
        let job = &*self;
        // Made before anything is awaited: what makes them could not be sent to another thread.
        let reads: Vec<_> =
            self.named.iter().map(|named| job.ask(named, known.get(&named.key))).collect();
        let reads = stream::iter(reads).buffered(AT_ONCE).collect::<Vec<_>>();
        let reads = self.beating(reads).await?;
        let mut refused = None;
        self.was_answered = reads.iter().any(|(_, _, read)| read.is_ok())
            && !reads.iter().any(|(_, _, read)| matches!(read, Err(error) if is_refusal(error)));
        let seen = self.seen(&reads);
        let (mut staged, mut notes, mut again) = (Vec::new(), Vec::new(), Vec::new());
        let mut write = self.step().await?;
        // Once more: while Okta was asked another run may have let somebody in by an older page.
        let keys: Vec<&str> = self.named.iter().map(|job| job.key.as_str()).collect();
        let known = people::acquaintances(&mut write, &keys).await?;
        let has_access = |key: &str| known.get(key).is_some_and(|known| known.has_access);
        for (named, _, read) in reads {
            match read {
                Ok(Named::Listed(one)) => staged.push(*one),
                // Out already: an event more says nothing new, and must not count as a removal more.
                Ok(Named::Out(_)) if !has_access(&named.key) => {
                    self.run.counts.add(ChangeKind::Unchanged, 1);
                }
                Ok(Named::Out(reason)) => {
                    if let (Ok(okta_user_id), Some(person)) =
                        (OktaUserId::parse(&named.key), known.get(&named.key))
                    {
                        notes.push(Item {
                            okta_user_id,
                            person: Some(person.id),
                            change: ChangeKind::Deactivate,
                            state: ItemState::Candidate,
                            proof: Some(ItemProof::Missing),
                            label: person.email.clone(),
                            reason: "Okta shows it by id".to_owned(),
                            problems: Vec::new(),
                            status_reason: Some(reason),
                            fields: "{}".to_owned(),
                        });
                    }
                }
                Ok(Named::Stranger) if has_access(&named.key) => {
                    again.push(self.later(&named, "they were let in while they were being read"));
                }
                Ok(Named::Stranger) => self.run.counts.skipped += 1,
                Ok(Named::Hidden) => {
                    let gone = "somebody can neither be read by id nor found among the deleted";
                    self.run.note(problem(ProblemCode::TokenNarrowed, 1, gone));
                    again.push(self.later(&named, gone));
                }
                Err(error) => {
                    again.push(self.later(&named, &error.to_string()));
                    match Setback::of(&error) {
                        Setback::Refused(problem) => refused = Some(problem),
                        Setback::Truncated(problem) => self.run.note(problem),
                    }
                }
            }
        }
        sightings::note(&mut write, self.run.id, &seen).await?;
        let mut place = mirror::last_place(&mut write, self.run.id).await?;
        mirror::stage(&mut write, self.run.id, &staged, place).await?;
        place += i64::try_from(staged.len()).unwrap_or(0);
        self.staged = u64::try_from(place).unwrap_or(0);
        items::put(&mut write, self.run.id, &notes).await?;
        jobs::retry(&mut write, &again).await?;
        self.named.retain(|named| again.iter().all(|retry| retry.id != named.id));
        self.run.counts.read = self.staged + self.run.counts.skipped;
        self.run.counts.missing = notes.len() as u64;
        if let Some(problem) = refused {
            connection::set_attention(&mut write, Some(problem.code.name())).await?;
            self.run.note(problem);
        }
        let rivals = mirror::rivals(&mut write, self.run.id).await?;
        let losers = self.losers(rivals);
        mirror::set_winners(&mut write, self.run.id, &losers).await?;
        self.run.phase = RunPhase::People;
        self.run.cursor = None;
        Ok(self.commit(write).await?)
    }

    async fn ask(&self, named: &NamedJob, known: Option<&Acquaintance>) -> Read {
        let asked_at = self.now();
        (named.clone(), asked_at, self.look_at(&named.key, known, asked_at).await)
    }

    /// Whom these reads showed, when they were asked for, and whether they are out.
    fn seen(&self, reads: &[Read]) -> Vec<Sighting> {
        let is_out = |read: &Result<Named, OktaError>| match read {
            Ok(Named::Listed(one)) => {
                Some(matches!(scope(&one.user, true, &self.rules, self.today), Scope::Out(_)))
            }
            Ok(Named::Out(_) | Named::Stranger) => Some(true),
            Ok(Named::Hidden) | Err(_) => None,
        };
        reads
            .iter()
            .filter_map(|(named, asked_at, read)| {
                let is_out = is_out(read)?;
                Some(Sighting { okta_user_id: named.key.clone(), at: *asked_at, is_out })
            })
            .collect()
    }

    async fn look_at(
        &self,
        key: &str,
        known: Option<&Acquaintance>,
        asked_at: Timestamp,
    ) -> Result<Named, OktaError> {
        let (Ok(okta), Ok(id)) = (self.connected(), OktaUserId::parse(key)) else {
            return Ok(Named::Stranger);
        };
        let (app_user, user) =
            (okta.client.app_user(&okta.app_id, &id), okta.client.user(&id, &self.keep));
        // Whoever is known costs two calls in any case: side by side, a leaver is out after one answer's time. Events about
        // people of other apps are many: one call tells that somebody is a stranger.
        let (assigned, listed) = if known.is_some() {
            let (assigned, listed) = tokio::join!(app_user, user);
            (assigned?.is_some(), listed)
        } else {
            match app_user.await? {
                Some(_) => (true, user.await),
                None => return Ok(Named::Stranger),
            }
        };
        let has_access = known.is_some_and(|known| known.has_access);
        let Some(listed) = listed? else {
            let log = self.deletion(&id).await?;
            return Ok(match prove(&ReadById::Gone { log }) {
                Proof::Out(reason) => Named::Out(reason),
                _ if !has_access => Named::Stranger,
                // Whether deleted or hidden from a narrowed token nobody can tell: a full run, which knows how many
                // there are, may.
                Proof::Gone | Proof::StillIn | Proof::Hidden => Named::Hidden,
            });
        };
        if assigned {
            let staged = Staged::new(listed.user, listed.raw, asked_at);
            return Ok(Named::Listed(Box::new(staged)));
        }
        Ok(match prove(&ReadById::User { user: listed.user, assigned }) {
            Proof::Out(reason) => Named::Out(reason),
            _ => Named::Hidden,
        })
    }

    /// What the System Log says of somebody who answers 404.
    pub(super) async fn deletion(&self, id: &OktaUserId) -> Result<LogEvidence, OktaError> {
        let Ok(okta) = self.connected() else { return Ok(LogEvidence::Unreadable) };
        // Okta keeps its log for 90 days; whoever was seen within that time must have left a trace there when deleted.
        let since = self.now() - SignedDuration::from_hours(24 * 89);
        match okta.client.logged_deletion(id, since).await {
            Ok(true) => Ok(LogEvidence::Deleted),
            Ok(false) => Ok(LogEvidence::NotFound),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Rights | ErrorKind::NotFound | ErrorKind::BadRequest
                ) =>
            {
                Ok(LogEvidence::Unreadable)
            }
            Err(error) => Err(error),
        }
    }

    /// The guard across time: what this run would remove and what others removed just before are judged together.
    pub(super) async fn weigh_named(&mut self) -> Result<(), RunError> {
        let mut write = self.step().await?;
        let run = self.run.id;
        let now = items::count_removals(&mut write, run, ItemState::Candidate, None).await?;
        if now > 0 {
            let before = runs::removals_since(&mut write, self.now() - BURST).await?;
            let active = self.had_access(&mut write).await?;
            // Those removed a moment ago had access when the burst began.
            let verdict = judge(&self.rules.guard, active + before, now + before, 0);
            if verdict != GuardVerdict::Proceed {
                return self.pen(write).await;
            }
            items::move_removals(&mut write, run, ItemState::Candidate, ItemState::Out).await?;
        }
        self.run.phase = RunPhase::Removals;
        self.run.cursor = None;
        Ok(self.commit(write).await?)
    }

    /// Holds what this run would remove together with the other removals of the same burst: a human decides once.
    async fn pen(&mut self, mut write: Write) -> Result<(), RunError> {
        let (run, suspected) = (self.run.id, ItemState::Candidate);
        let held = items::removals(&mut write, run, suspected, None, PEOPLE_MAX).await?;
        // Okta told something new of them: there is nothing to look at twice.
        self.touched.extend(held.into_iter().map(|item| item.okta_user_id.to_string()));
        let Some(mut pen) = runs::pen_since(&mut write, self.now() - BURST).await? else {
            return self.hold(write).await;
        };
        let moved = items::move_to_pen(&mut write, self.run.id, pen.id).await?;
        let counts = &mut self.run.counts;
        counts.read -= moved.listed.min(counts.read);
        counts.missing -= moved.missing.min(counts.missing);
        counts.add(ChangeKind::Unchanged, moved.known);
        pen.counts.read += moved.listed;
        pen.counts.missing += moved.missing;
        pen.counts.held += moved.listed + moved.missing;
        pen.finished_at = Some(self.now());
        let told = |n| problem(ProblemCode::RemovalsHeld, n, &pen.id.to_string());
        self.run.note(told(moved.listed + moved.missing + moved.known));
        let more = told(moved.listed + moved.missing);
        pen.note(more);
        runs::save(&mut write, &pen).await?;
        self.run.phase = RunPhase::Report;
        self.run.cursor = None;
        Ok(self.commit(write).await?)
    }

    /// Ends a person run: what asked for it is done, its events are applied.
    pub(super) async fn settle_named(
        &mut self,
        mut write: Write,
        state: RunState,
    ) -> Result<(), RunError> {
        let began = self.run.read_started_at.unwrap_or(self.run.queued_at);
        let keys: Vec<&str> = self.named.iter().map(|job| job.key.as_str()).collect();
        let applied =
            events::mark_applied(&mut write, kind::PERSON, &keys, began, Some(self.run.id)).await?;
        let done: Vec<_> = self.named.iter().map(|job| job.id).collect();
        jobs::finish(&mut write, &done).await?;
        let mut looks = Vec::new();
        for job in &self.named {
            let fresh = applied.iter().any(|event| {
                let at = event.published.or(event.hook_at);
                event.key == job.key && at.is_some_and(|at| began.duration_since(at) < STALE)
            });
            if fresh && job.priority < priority::SECOND_LOOK && !self.touched.contains(&job.key) {
                looks.extend(OktaUserId::parse(&job.key).ok());
            }
        }
        let due = self.now() + SECOND_LOOK;
        let looks: Vec<NewJob<'_>> = looks
            .iter()
            .map(|id| NewJob::person(id, priority::SECOND_LOOK, due, RunCause::Event))
            .collect();
        jobs::enqueue(&mut write, &looks, &mut self.ids).await?;
        self.finish(write, state).await?;
        self.engine.applied(self.db.id(), &applied);
        Ok(())
    }

    /// Whoever the run is about waits for another try.
    pub(super) async fn wait_all(&mut self, write: &mut Write, why: &str) -> Result<(), RunError> {
        let again: Vec<Retry> = self.named.iter().map(|named| self.later(named, why)).collect();
        Ok(jobs::retry(write, &again).await?)
    }

    fn later(&self, named: &NamedJob, why: &str) -> Retry {
        let doublings = u32::try_from(named.attempts.clamp(1, 12) - 1).unwrap_or(0);
        let rest = (REST * 2_i32.pow(doublings)).min(REST_MAX);
        Retry { id: named.id, due_at: self.now() + rest, error: why.to_owned() }
    }

    /// The event that led to a change of this Okta user, if one did.
    pub(super) fn event_of(&self, okta_user_id: &str) -> Option<String> {
        self.named.iter().find(|job| job.key == okta_user_id)?.event.clone()
    }
}
