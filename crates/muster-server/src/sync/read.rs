//! Start, read, judge: what Okta shows, and how far it may be believed.

use std::collections::{BTreeMap, BTreeSet};

use muster_core::id::OktaUserId;
use muster_core::problem::{Problem, ProblemCode};
use muster_core::run::{ListingState, RunKind, RunPhase, RunState};
use muster_core::scope::{Scope, scope};
use muster_okta::client::UsersPage;
use muster_okta::error::{ErrorKind, OktaError};
use muster_okta::page::PageLink;
use muster_store::error::StoreError;
use muster_store::mirror::{self, Rival, Staged};
use muster_store::phases::missing;
use muster_store::{connection, expiry, items, runs};

use super::job::{Job, RunError, Setback, problem};

/// A refused cursor is answered by one new beginning; a second refusal ends the listing.
const RESTARTS_MAX: i64 = 1;
/// How many known people are asked for before we say that reading by id does not work.
const CANARIES: i64 = 3;

impl Job<'_> {
    pub(super) async fn start(&mut self) -> Result<(), RunError> {
        let now = self.now();
        let mut write = self.step().await?;
        expiry::previews(&mut write, now).await?;
        self.run.read_started_at = Some(now);
        self.run.cursor = None;
        self.run.phase = match self.run.approves {
            None => RunPhase::Read,
            Some(held) => {
                // Each of them is read by id, and that is all that this run reads.
                self.run.counts.read = items::copy_held(&mut write, held, self.run.id).await?;
                RunPhase::Judge
            }
        };
        self.commit(write).await?;
        Ok(())
    }

    pub(super) async fn read(&mut self) -> Result<(), RunError> {
        let mut at = match self.run.cursor.as_deref().map(PageLink::parse) {
            Some(Err(_)) | None => None,
            Some(Ok(link)) => Some(link),
        };
        let mut seen = BTreeSet::new();
        let mut fetched = self.fetch(at.as_ref()).await?;
        loop {
            let (people, next) = match fetched {
                Ok(page) => {
                    self.tell_unreadable(&page);
                    staged(page)
                }
                Err(error)
                    if error.kind() == ErrorKind::BadCursor && self.run.restarts < RESTARTS_MAX =>
                {
                    self.begin_again().await?;
                    at = None;
                    seen.clear();
                    fetched = self.fetch(None).await?;
                    continue;
                }
                Err(error) => return self.setback(Setback::of(&error)).await,
            };
            let repeated = next.as_ref().is_some_and(|link| {
                at.as_ref() == Some(link) || !seen.insert(link.as_str().to_owned())
            });
            if repeated {
                self.stage(&people, None).await?;
                let detail = "Okta sent the same place in the list twice";
                return self
                    .setback(Setback::Truncated(problem(ProblemCode::ListingTruncated, 0, detail)))
                    .await;
            }
            let Some(link) = next else {
                self.stage(&people, None).await?;
                self.enter(RunPhase::Judge, None).await?;
                return Ok(());
            };
            // While one page is being written, the next is being fetched.
            self.okta().await?;
            let (stored, ahead) = self.stage_while_fetching(&people, &link).await;
            stored?;
            fetched = ahead?;
            at = Some(link);
        }
    }

    async fn fetch(
        &mut self,
        at: Option<&PageLink>,
    ) -> Result<Result<UsersPage, OktaError>, RunError> {
        self.okta().await?;
        let okta = self.connected()?;
        Ok(self.beating(okta.client.app_users_page(&okta.app_id, &self.keep, at)).await?)
    }

    /// Somebody who is listed and cannot be read is left as they are: they are not in the mirror, so the read by id that a
    /// removal needs would have to succeed first.
    fn tell_unreadable(&mut self, page: &UsersPage) {
        let Some(first) = page.skipped_unreadable.first() else { return };
        let people = page.skipped_unreadable.len() as u64;
        let detail = format!("{} and {} more people of the list", first.id, people - 1);
        self.run.note(problem(ProblemCode::OktaUnreadable, people, &detail));
    }

    async fn begin_again(&mut self) -> Result<(), RunError> {
        let mut write = self.step().await?;
        mirror::clear(&mut write, self.run.id).await?;
        self.run.restarts += 1;
        self.run.cursor = None;
        self.staged = 0;
        self.commit(write).await?;
        Ok(())
    }

    async fn stage(
        &mut self,
        people: &[Staged],
        next: Option<&PageLink>,
    ) -> Result<(), StoreError> {
        let mut write = self.step().await?;
        mirror::stage(&mut write, self.run.id, people).await?;
        self.run.cursor = next.map(|link| link.as_str().to_owned());
        self.staged += people.len() as u64;
        self.commit(write).await
    }

    /// Stages a page and commits it while the next page is being fetched: nothing is held while Okta is waited for.
    async fn stage_while_fetching(
        &mut self,
        people: &[Staged],
        link: &PageLink,
    ) -> (Result<(), StoreError>, Result<Result<UsersPage, OktaError>, RunError>) {
        let okta = match self.connected() {
            Ok(okta) => okta,
            Err(error) => return (Ok(()), Err(error)),
        };
        let mut run = self.run.clone();
        run.cursor = Some(link.as_str().to_owned());
        run.calls = self.calls();
        let (stored, ahead) = tokio::join!(
            async {
                let mut write = self.step().await?;
                mirror::stage(&mut write, run.id, people).await?;
                runs::save(&mut write, &run).await?;
                write.commit().await
            },
            self.beating(okta.client.app_users_page(&okta.app_id, &self.keep, Some(link))),
        );
        if stored.is_ok() {
            self.run = run;
            self.staged += people.len() as u64;
            self.show();
        }
        (stored, ahead.map_err(RunError::from))
    }

    /// What a setback while reading leads to: the listing counts as truncated, or the run fails and a person must look.
    pub(super) async fn setback(&mut self, setback: Setback) -> Result<(), RunError> {
        match setback {
            Setback::Truncated(problem) => {
                let write = self.step().await?;
                self.truncate(problem);
                self.run.phase = RunPhase::Judge;
                self.run.cursor = None;
                self.commit(write).await?;
            }
            Setback::Refused(problem) => {
                let mut write = self.step().await?;
                mirror::clear(&mut write, self.run.id).await?;
                connection::set_attention(&mut write, Some(problem.code.name())).await?;
                self.run.note(problem);
                self.finish(write, RunState::Failed).await?;
            }
        }
        Ok(())
    }

    pub(super) fn truncate(&mut self, problem: Problem) {
        self.run.listing = Some(ListingState::Truncated);
        self.run.note(problem);
    }

    /// The canary: with the same credential the app reads, is active and has assignments, and a known person reads by id.
    async fn canary(&mut self) -> Result<Result<Option<Problem>, OktaError>, RunError> {
        self.okta().await?;
        let okta = self.connected()?;
        let app = match self.beating(okta.client.app(&okta.app_id)).await? {
            Ok(app) => app,
            Err(error) => return Ok(Err(error)),
        };
        if app.implicit_assignment {
            return Ok(Ok(Some(problem(ProblemCode::FederationBrokerMode, 0, &app.label))));
        }
        if app.status != "ACTIVE" {
            return Ok(Ok(Some(problem(ProblemCode::AppInactive, 0, &app.label))));
        }
        let known = {
            let mut write = self.step().await?;
            missing::canaries(&mut write, self.run.id, CANARIES).await?
        };
        for id in &known {
            match self.beating(okta.client.user(id, &self.keep)).await? {
                Ok(Some(_)) => return Ok(Ok(None)),
                Ok(None) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        let gone = "people whom the directory knows cannot be read by their id";
        Ok(Ok((!known.is_empty()).then(|| problem(ProblemCode::TokenNarrowed, 0, gone))))
    }

    pub(super) async fn judge(&mut self) -> Result<(), RunError> {
        if !self.is_truncated() {
            match self.canary().await? {
                Ok(None) => self.run.listing = Some(ListingState::Complete),
                Ok(Some(problem)) => self.truncate(problem),
                Err(error) => match Setback::of(&error) {
                    Setback::Truncated(problem) => self.truncate(problem),
                    refused @ Setback::Refused(_) => return self.setback(refused).await,
                },
            }
        }
        let mut write = self.step().await?;
        if self.run.approves.is_some() {
            self.run.phase = RunPhase::Missing;
            self.run.cursor = None;
            self.commit(write).await?;
            return Ok(());
        }
        let rivals = mirror::rivals(&mut write, self.run.id).await?;
        let losers = self.losers(rivals);
        mirror::set_winners(&mut write, self.run.id, &losers).await?;
        self.run.counts.read = mirror::count(&mut write, self.run.id).await?;
        if self.run.counts.read == 0 && !self.is_truncated() {
            self.run.note(problem(ProblemCode::NobodyAssigned, 0, ""));
        }
        self.run.phase = RunPhase::People;
        self.run.cursor = None;
        self.commit(write).await?;
        Ok(())
    }

    /// Of several Okta users with one e-mail: who already has it here, else who is in before who is out, else who is older.
    fn losers(&self, rivals: Vec<Rival>) -> Vec<(OktaUserId, OktaUserId)> {
        let mut by_email: BTreeMap<String, Vec<Rival>> = BTreeMap::new();
        for rival in rivals {
            by_email.entry(rival.email_key.clone()).or_default().push(rival);
        }
        let rank = |rival: &Rival| {
            let user = &rival.row.user;
            let place = match scope(user, true, &self.rules, self.today) {
                Scope::In | Scope::NotYet(_) => 0_u8,
                Scope::Unknown => 1,
                Scope::Out(_) => 2,
                Scope::Excluded { .. } => 3,
            };
            (!rival.holds, place, user.created, user.id.clone())
        };
        let mut losers = Vec::new();
        for mut group in by_email.into_values() {
            group.sort_by_key(&rank);
            let mut group = group.into_iter().map(|rival| rival.row.user.id);
            if let Some(winner) = group.next() {
                losers.extend(group.map(|loser| (loser, winner.clone())));
            }
        }
        losers
    }

    /// Whether this run lists at all (an approval does not).
    pub(super) fn lists(&self) -> bool {
        self.run.approves.is_none() && self.run.kind != RunKind::Person
    }
}

/// A page as it goes into the mirror, and where the next one is.
fn staged(page: UsersPage) -> (Vec<Staged>, Option<PageLink>) {
    let at = page.requested_at;
    let people =
        page.users.into_iter().map(|listed| Staged::new(listed.user, listed.raw, at)).collect();
    (people, page.next)
}
