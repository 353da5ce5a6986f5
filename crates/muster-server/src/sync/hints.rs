//! Short work that is about more than one person: what the System Log shows, who is in a group, the app itself.
//!
//! None of it changes a person. It finds out whom to read again, and asks for that.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use muster_core::event::{Event, Interest, TYPES, Target};
use muster_core::run::{RunCause, RunKind};
use muster_okta::OktaError;
use muster_okta::error::{ErrorKind, Verdict};
use muster_okta::keep::KeepAttributes;
use muster_okta::log::{LOG_PAGE_MAX, LogFrom};
use muster_okta::page::PageLink;
use muster_okta::wire::LogEvent;
use muster_store::events::{Arrived, note_logged};
use muster_store::history::Write;
use muster_store::hooks::note_undelivered;
use muster_store::jobs::misc::{MiscClaim, stands};
use muster_store::jobs::{self, NewJob, kind, priority};
use muster_store::log_cursor::{self, LogCursor};
use muster_store::runs::{self, Join, NewRun};
use muster_store::tenants::TenantDb;
use muster_store::{StoreError, app_groups};
use sha2::{Digest as _, Sha256};

use super::engine::Engine;
use crate::connect::{Connected, NotConnected};

/// How far before the newest event the log is read again once its cursor is lost: events come into the log late.
const OVERLAP: SignedDuration = SignedDuration::from_mins(15);
/// Okta keeps its log for 90 days. Source: System Log, retention.
const KEPT: SignedDuration = SignedDuration::from_hours(24 * 90);
/// Pages read in one turn, so that a long gap does not keep the lane.
const PAGES: usize = 20;
/// Members of a group who are read one by one; a larger group is cheaper to read with everybody.
const MEMBERS_MAX: usize = 200;
/// Pages of the app's groups: an app with more has every group event looked at.
const GROUP_PAGES: usize = 50;

/// What Okta's log says of a call of an event hook that it gave up; it is written only then.
const UNDELIVERED: &str = "event_hook.delivery";
/// Characters that are kept of Okta's reason.
const REASON_MAX: usize = 200;

/// Why short work did not work out.
#[derive(Debug, thiserror::Error)]
pub enum HintError {
    #[error(transparent)]
    NotConnected(#[from] NotConnected),
    #[error(transparent)]
    Okta(#[from] OktaError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl HintError {
    /// What to do about it.
    pub fn verdict(&self) -> Verdict {
        match self {
            // Whoever connects the tenant again is followed by a full run.
            Self::NotConnected(NotConnected::Store(_)) | Self::Store(_) => Verdict::BackOff,
            Self::NotConnected(_) => Verdict::GiveUp,
            Self::Okta(error) => error.verdict(),
        }
    }
}

/// What a look into the log found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Polled {
    /// Events of the types that Muster understands.
    pub events: usize,
    /// Events that no hook had brought.
    pub fresh: usize,
    /// More may be waiting already.
    pub more: bool,
}

impl Engine {
    /// Reads on in the tenant's System Log, and asks for whoever was missed by the hook.
    pub async fn poll_log(
        &self,
        tenant: &TenantDb,
        claim: &MiscClaim,
    ) -> Result<Polled, HintError> {
        let okta = self.connect().connect(tenant).await?;
        let interest = interest(tenant, &okta).await?;
        let mut cursor = tenant.log_cursor().await?;
        let types: Vec<&str> = TYPES.iter().map(|kind| kind.name).chain([UNDELIVERED]).collect();
        let mut polled = Polled::default();
        let now = self.now();
        // The place to go on from holds what was asked for: a version that knows more types begins anew.
        let asked = names(&types);
        if cursor.types.as_deref() != Some(&asked) {
            cursor.next_link = None;
        }
        for _ in 0..PAGES {
            let link = cursor.next_link.as_deref().and_then(|text| PageLink::parse(text).ok());
            let from = match &link {
                Some(link) => LogFrom::After(link),
                None => LogFrom::Since(since(&cursor, now)),
            };
            let page = match okta.client.logs_poll(from, &types, LOG_PAGE_MAX).await {
                Ok(page) => page,
                Err(error) if error.kind() == ErrorKind::BadCursor && link.is_some() => {
                    cursor.next_link = None;
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Rights => {
                    // The daily run heals what no hook brings; the page and the commands say that the net is missing.
                    let state = Some("rights_missing".to_owned());
                    let cursor = LogCursor { polled_at: Some(now), state, ..cursor };
                    let mut write = self.short(tenant, claim).await?;
                    log_cursor::save(&mut write, &cursor).await?;
                    write.commit().await?;
                    return Ok(polled);
                }
                Err(error) => return Err(error.into()),
            };
            let (given_up, events): (Vec<&LogEvent>, Vec<&LogEvent>) =
                page.events.iter().partition(|event| event.event_type == UNDELIVERED);
            let arrived: Vec<Arrived> =
                events.into_iter().map(|event| Arrived::of(&thin(event), &interest)).collect();
            let newest = page.events.iter().filter_map(|event| event.published).max();
            let gap = link.is_none() && is_gap(&cursor, now);
            cursor = LogCursor {
                next_link: Some(page.next.as_str().to_owned()),
                last_published: cursor.last_published.max(newest),
                polled_at: Some(now),
                state: None,
                types: Some(asked.clone()),
            };
            let mut ids = self.fork_ids(now);
            let mut write = self.short(tenant, claim).await?;
            // In this order: whoever stores the calls of hooks locks the counts of the door first, too.
            note_undelivered(&mut write, &undelivered(&given_up)).await?;
            let noted = note_logged(&mut write, &arrived, &mut ids).await?;
            log_cursor::save(&mut write, &cursor).await?;
            if gap {
                // What happened meanwhile may not be in the log any more.
                self.ask_for_all(&mut write, RunCause::Log).await?;
            }
            write.commit().await?;
            polled.events += noted.events;
            polled.fresh += noted.fresh;
            polled.more = page.more;
            if !page.more {
                break;
            }
        }
        Ok(polled)
    }

    /// Reads who is in a group that something happened to, and asks for them; for everybody, if they are many.
    pub async fn look_at_group(
        &self,
        tenant: &TenantDb,
        claim: &MiscClaim,
    ) -> Result<(), HintError> {
        let group = claim.job.key.as_str();
        let okta = self.connect().connect(tenant).await?;
        let before = tenant.app_groups().await?;
        let groups = self.read_groups(tenant, claim, &okta).await?;
        let was_ours = before.is_none_or(|known| known.ids.contains(group));
        let is_ours = groups.as_ref().is_none_or(|ids| ids.contains(group));
        if !was_ours && !is_ours {
            return Ok(());
        }
        let keep = KeepAttributes::new(std::iter::empty::<&str>());
        let mut members = Vec::new();
        let mut at = None;
        let mut whole = true;
        loop {
            match okta.client.group_users_page(group, &keep, at.as_ref()).await {
                Ok(page) => {
                    members.extend(page.users.into_iter().map(|listed| listed.user.id));
                    at = page.next;
                    whole &= page.skipped_unreadable.is_empty();
                }
                // It is gone, and with it the list of who was in it.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    whole = false;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            if at.is_none() || members.len() > MEMBERS_MAX {
                break;
            }
        }
        let now = self.now();
        let mut ids = self.fork_ids(now);
        let mut write = self.short(tenant, claim).await?;
        if !whole || at.is_some() || members.len() > MEMBERS_MAX {
            self.ask_for_all(&mut write, RunCause::Event).await?;
        } else {
            let event = claim.job.event.as_deref();
            let people: Vec<NewJob<'_>> = members
                .iter()
                .map(|id| {
                    let job = NewJob::person(id, priority::HOOK, now, RunCause::Event);
                    NewJob { event: event.map(Cow::Borrowed), ..job }
                })
                .collect();
            jobs::enqueue(&mut write, &people, &mut ids).await?;
        }
        settle(&mut write, claim, kind::GROUP).await?;
        Ok(write.commit().await?)
    }

    /// Something happened to the app: its groups are read again, and everybody.
    pub async fn look_at_app(&self, tenant: &TenantDb, claim: &MiscClaim) -> Result<(), HintError> {
        let okta = self.connect().connect(tenant).await?;
        self.read_groups(tenant, claim, &okta).await?;
        let mut write = self.short(tenant, claim).await?;
        self.ask_for_all(&mut write, RunCause::Event).await?;
        settle(&mut write, claim, kind::APP).await?;
        Ok(write.commit().await?)
    }

    /// Reads which groups the app has. `None` when the token may not, or they are too many: then every group counts.
    async fn read_groups(
        &self,
        tenant: &TenantDb,
        claim: &MiscClaim,
        okta: &Connected,
    ) -> Result<Option<BTreeSet<String>>, HintError> {
        let asked_at = self.now();
        let mut ids = BTreeSet::new();
        let mut at = None;
        for _ in 0..GROUP_PAGES {
            let page = match okta.client.app_groups_page(&okta.app_id, at.as_ref()).await {
                Ok(page) => page,
                Err(error) if error.kind() == ErrorKind::Rights => break,
                Err(error) => return Err(error.into()),
            };
            ids.extend(page.items.into_iter().map(|group| group.id));
            at = page.next;
            if at.is_none() {
                let mut write = self.short(tenant, claim).await?;
                app_groups::replace(&mut write, &ids, asked_at).await?;
                write.commit().await?;
                return Ok(Some(ids));
            }
        }
        // What was once known of them must not go on hiding events of groups that came since.
        let mut write = self.short(tenant, claim).await?;
        app_groups::forget(&mut write).await?;
        write.commit().await?;
        Ok(None)
    }

    async fn ask_for_all(&self, write: &mut Write, cause: RunCause) -> Result<(), StoreError> {
        let new = NewRun {
            id: self.id(write.now()),
            kind: RunKind::Full,
            cause,
            actor: "okta".to_owned(),
            approves: None,
        };
        runs::request(write, &new, Join::Unread).await.map(drop)
    }

    /// A change of short work: nothing is written once somebody else took the work over.
    async fn short(&self, tenant: &TenantDb, claim: &MiscClaim) -> Result<Write, StoreError> {
        let mut write = tenant.write(self.now()).await?;
        stands(&mut write, claim).await?;
        Ok(write)
    }
}

/// The events that asked for this work led to something: others go on from here.
async fn settle(write: &mut Write, claim: &MiscClaim, kind: &str) -> Result<(), StoreError> {
    let now = write.now();
    let key = claim.job.key.as_str();
    muster_store::events::mark_applied(write, kind, &[key], now, None).await.map(drop)
}

async fn interest(tenant: &TenantDb, okta: &Connected) -> Result<Interest, StoreError> {
    let groups = tenant.app_groups().await?;
    Ok(Interest { app_id: Some(okta.app_id.clone()), app_groups: groups.map(|groups| groups.ids) })
}

/// A short name for a list of types.
fn names(types: &[&str]) -> String {
    let digest = Sha256::digest(types.join(" "));
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// From when on the log is read if there is no place to go on from.
fn since(cursor: &LogCursor, now: Timestamp) -> Timestamp {
    let from = cursor.last_published.unwrap_or(now) - OVERLAP;
    // Older than the log is kept is answered without a word, much older is refused.
    from.max(now - KEPT)
}

/// Whether something may have left the log before anybody read it.
fn is_gap(cursor: &LogCursor, now: Timestamp) -> bool {
    cursor.last_published.or(cursor.polled_at).is_some_and(|last| now.duration_since(last) > KEPT)
}

/// When each call of a hook was given up, and why.
fn undelivered(events: &[&LogEvent]) -> Vec<(Timestamp, String)> {
    let reason = |event: &LogEvent| {
        let told = event.outcome.as_ref().and_then(|outcome| outcome.reason.clone());
        told.unwrap_or_default().chars().take(REASON_MAX).collect()
    };
    events.iter().filter_map(|event| Some((event.published?, reason(event)))).collect()
}

/// An event of the log as `core::event` reads it.
fn thin(event: &LogEvent) -> Event<'_> {
    let text = |text: &Option<String>| Cow::Owned(text.clone().unwrap_or_default());
    Event {
        uuid: text(&event.uuid),
        event_type: Cow::Borrowed(&event.event_type),
        published: event.published,
        targets: event
            .target
            .iter()
            .flatten()
            .map(|target| Target { id: text(&target.id), kind: text(&target.kind) })
            .collect(),
    }
}
