//! Start, read, judge: what Okta shows, and how far it may be believed.

use std::collections::{BTreeMap, BTreeSet};

use muster_core::guard::{LogEvidence, UNREADABLE_MAX, too_many_unreadable};
use muster_core::id::OktaUserId;
use muster_core::person::Person;
use muster_core::problem::{Problem, ProblemCode};
use muster_core::run::{ChangeKind, ListingState, RunKind, RunPhase, RunState};
use muster_core::scope::{Scope, scope};
use muster_okta::client::{SkippedUser, UsersPage};
use muster_okta::error::{ErrorKind, OktaError};
use muster_okta::keep::KeepAttributes;
use muster_okta::page::PageLink;
use muster_store::error::StoreError;
use muster_store::history::Write;
use muster_store::items::{self, Item, ItemState};
use muster_store::mirror::{self, Rival, Staged};
use muster_store::phases::missing;
use muster_store::phases::removals::people_by_okta;
use muster_store::{connection, expiry, unreadable};
use tokio::sync::mpsc;

use super::job::{Job, RunError, Setback, problem};
use crate::connect::Connected;

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
        if self.run.kind != RunKind::Person {
            self.run.had_access = Some(missing::with_access(&mut write).await?);
        }
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
        loop {
            match self.list().await? {
                Listed::Whole => return Ok(self.enter(RunPhase::Judge, None).await?),
                Listed::Repeated => {
                    let detail = "Okta sent the same place in the list twice";
                    let problem = problem(ProblemCode::ListingTruncated, 0, detail);
                    return self.setback(Setback::Truncated(problem)).await;
                }
                Listed::Failed(error)
                    if error.kind() == ErrorKind::BadCursor && self.run.restarts < RESTARTS_MAX =>
                {
                    self.begin_again().await?;
                }
                Listed::Failed(error) => return self.setback(Setback::of(&error)).await,
            }
        }
    }

    /// Reads the listing from where the run stands. While pages are being stored, the next ones are being fetched: nothing is
    /// held while Okta is waited for, and pages that come faster than they are stored share a transaction.
    async fn list(&mut self) -> Result<Listed, RunError> {
        let at = match self.run.cursor.as_deref().map(PageLink::parse) {
            Some(Err(_)) | None => None,
            Some(Ok(link)) => Some(link),
        };
        let okta = self.okta().await?;
        let keep = self.keep.clone();
        let ahead = self.engine.pace().pages_ahead;
        let mut listing = Pages { okta: &okta, keep: &keep, at, seen: BTreeSet::new(), end: None };
        if ahead == 0 {
            while let Some(page) = self.beating(listing.next()).await? {
                let mut write = self.step().await?;
                let mut place = mirror::last_place(&mut write, self.run.id).await?;
                self.stage(&mut write, page, &mut place).await?;
                self.store(write).await?;
            }
            return Ok(listing.ended());
        }
        let (send, mut pages) = mpsc::channel(ahead);
        let fetching = async move {
            while let Some(page) = listing.next().await {
                // Nobody takes pages any more when storing failed; that error is told by who stored.
                if send.send(page).await.is_err() {
                    break;
                }
            }
            listing.ended()
        };
        let storing = async {
            while let Some(page) = self.beating(pages.recv()).await? {
                let mut write = self.step().await?;
                let mut place = mirror::last_place(&mut write, self.run.id).await?;
                self.stage(&mut write, page, &mut place).await?;
                while self.may_go_on()
                    && let Ok(page) = pages.try_recv()
                {
                    self.stage(&mut write, page, &mut place).await?;
                }
                self.store(write).await?;
            }
            // Taken along, so that whoever fetches is told when nobody stores any more.
            drop(pages);
            Ok::<_, RunError>(())
        };
        let (listed, stored) = tokio::join!(fetching, storing);
        stored.map(|()| listed)
    }

    /// Somebody who is listed and cannot be read counts as seen and is left as they are: not in the mirror, so nothing is
    /// planned for them, and noted, so that nobody takes them for missing. Of too many only the number is kept: the listing
    /// removes nobody then, so nobody need be told apart from the missing.
    async fn note_unreadable(
        &mut self,
        write: &mut Write,
        page: &UsersPage,
    ) -> Result<(), StoreError> {
        let Some(first) = page.skipped_unreadable.first() else { return Ok(()) };
        let people = page.skipped_unreadable.len();
        tracing::warn!(people, first = %first.id, "records of a listing cannot be read");
        if self.is_truncated() {
            self.run.counts.skipped += people as u64;
            return Ok(());
        }
        // Somebody may be on a page twice.
        let odd: BTreeMap<&str, &SkippedUser> =
            page.skipped_unreadable.iter().map(|one| (one.id.as_str(), one)).collect();
        let ids: Vec<&str> = odd.keys().copied().collect();
        let known = people_by_okta(write, self.run.id, &ids).await?;
        let notes: Vec<Item> = odd
            .into_values()
            .map(|one| noted(one, known.get(one.id.as_str()).map(|(person, _)| person)))
            .collect();
        items::put(write, self.run.id, &notes).await?;
        if unreadable::count(write, self.run.id).await? > UNREADABLE_MAX {
            self.run.listing = Some(ListingState::Truncated);
        }
        Ok(())
    }

    /// How many people of the listing could not be read, and whether that is too many.
    async fn count_unreadable(&mut self, write: &mut Write) -> Result<(), StoreError> {
        self.run.counts.skipped += unreadable::settle(write, self.run.id).await?;
        let unreadable = self.run.counts.skipped;
        self.run.counts.read = mirror::count(write, self.run.id).await? + unreadable;
        if too_many_unreadable(unreadable, self.run.counts.read) {
            let detail = format!("the records of {unreadable} of {} people", self.run.counts.read);
            self.truncate(problem(ProblemCode::OktaUnreadable, unreadable, &detail));
        }
        Ok(())
    }

    async fn begin_again(&mut self) -> Result<(), RunError> {
        let mut write = self.step().await?;
        mirror::clear(&mut write, self.run.id).await?;
        items::clear(&mut write, self.run.id).await?;
        self.run.restarts += 1;
        self.run.cursor = None;
        self.run.listing = None;
        self.run.counts.skipped = 0;
        self.staged = 0;
        self.commit(write).await?;
        Ok(())
    }

    async fn stage(
        &mut self,
        write: &mut Write,
        page: UsersPage,
        place: &mut i64,
    ) -> Result<(), StoreError> {
        self.note_unreadable(write, &page).await?;
        let (people, next) = staged(page);
        mirror::stage(write, self.run.id, &people, *place).await?;
        *place += i64::try_from(people.len()).unwrap_or(0);
        self.staged += people.len() as u64;
        self.run.cursor = next.map(|link| link.as_str().to_owned());
        self.show();
        Ok(())
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
        let okta = self.okta().await?;
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
        let mut write = self.step().await?;
        let known = missing::canaries(&mut write, self.run.id, CANARIES).await?;
        self.store(write).await?;
        for id in &known {
            match self.beating(okta.client.user(id, &self.keep)).await? {
                Ok(Some(_)) => return Ok(Ok(None)),
                Ok(None) => match self.beating(self.deletion(id)).await? {
                    // Not hidden but gone, as Okta's log can tell: it answers truly about people.
                    Ok(LogEvidence::Deleted) => return Ok(Ok(None)),
                    Ok(_) => {}
                    Err(error) => return Ok(Err(error)),
                },
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
        self.count_unreadable(&mut write).await?;
        if self.run.counts.read == 0 && !self.is_truncated() {
            self.run.note(problem(ProblemCode::NobodyAssigned, 0, ""));
        }
        self.run.phase = RunPhase::People;
        self.run.cursor = None;
        self.commit(write).await?;
        Ok(())
    }

    /// Of several Okta users with one e-mail: who already has it here, else who is in before who is out, else who is older.
    pub(super) fn losers(&self, rivals: Vec<Rival>) -> Vec<(OktaUserId, OktaUserId)> {
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

/// How a listing ended.
enum Listed {
    /// By itself.
    Whole,
    /// A page led to one that had been there before.
    Repeated,
    Failed(OktaError),
}

/// The pages of a listing, one after the other.
struct Pages<'a> {
    okta: &'a Connected,
    keep: &'a KeepAttributes,
    at: Option<PageLink>,
    /// Links that were followed.
    seen: BTreeSet<String>,
    end: Option<Listed>,
}

impl Pages<'_> {
    /// The next page, if there is one that can be had.
    async fn next(&mut self) -> Option<UsersPage> {
        if self.end.is_some() {
            return None;
        }
        let Connected { client, app_id } = self.okta;
        let mut page = match client.app_users_page(app_id, self.keep, self.at.as_ref()).await {
            Ok(page) => page,
            Err(error) => {
                self.end = Some(Listed::Failed(error));
                return None;
            }
        };
        match page.next.clone() {
            None => self.end = Some(Listed::Whole),
            Some(link)
                if self.at.as_ref() == Some(&link)
                    || !self.seen.insert(link.as_str().to_owned()) =>
            {
                page.next = None;
                self.end = Some(Listed::Repeated);
            }
            next => self.at = next,
        }
        Some(page)
    }

    /// How it ended.
    fn ended(self) -> Listed {
        self.end.unwrap_or(Listed::Whole)
    }
}

/// A page as it goes into the mirror, and where the next one is.
fn staged(page: UsersPage) -> (Vec<Staged>, Option<PageLink>) {
    let at = page.requested_at;
    let people =
        page.users.into_iter().map(|listed| Staged::new(listed.user, listed.raw, at)).collect();
    (people, page.next)
}

/// The note about somebody whose record cannot be read.
fn noted(one: &SkippedUser, person: Option<&Person>) -> Item {
    let label = match person {
        Some(person) => format!("{} {}", person.profile.email.shown(), one.id),
        None => one.id.to_string(),
    };
    Item {
        okta_user_id: one.id.clone(),
        person: person.map(|person| person.id),
        change: ChangeKind::Skip,
        state: ItemState::Noted,
        proof: None,
        label,
        reason: format!("the record cannot be read: {}", one.why),
        problems: vec![ProblemCode::RecordUnreadable.name().to_owned()],
        status_reason: None,
        fields: "{}".to_owned(),
    }
}
