//! What falls due by the clock: the daily full runs, the days that begin, and what may be cleared away.
//!
//! `core::schedule` says when; here it is carried out, once for each moment, however many processes look.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use muster_core::id::{IdSource, OktaUserId};
use muster_core::rules::Rules;
use muster_core::run::{RunCause, RunKind};
use muster_core::schedule::{self as when, Due, Tick, Timing};
use muster_store::jobs::{self, NewJob, priority};
use muster_store::runs::NewRun;
use muster_store::schedule::{Scheduled, fire, people_due};
use muster_store::{Db, StoreError, TenantDb, expiry, sessions};

/// Nothing is due for longer than this without a new look: rules and tenants change meanwhile.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_mins(5);
/// People who are asked for at once.
const PEOPLE: i64 = 500;

/// What a look did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticked {
    /// Full runs that were asked for; somebody must work on them.
    pub runs: usize,
    /// People to be looked at because a day began.
    pub people: usize,
    /// When to look again, at the latest.
    pub next: Timestamp,
}

/// How long events that need nothing any more are kept: long enough to know every copy that Okta may still send, and to look
/// back over a month.
const EVENTS_KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Looks at all tenants once and sets off what is due.
///
/// A tenant for which it fails is told in the log and does not keep the others waiting; the database itself failing is an error.
pub async fn tick(db: &Db, ids: &mut IdSource, now: Timestamp) -> Result<Ticked, StoreError> {
    let next = now.checked_add(LOOK_AGAIN).unwrap_or(Timestamp::MAX);
    let mut ticked = Ticked { runs: 0, people: 0, next };
    for scheduled in db.scheduled(now).await? {
        let tenant = db.tenant(scheduled.tenant);
        if let Err(error) = tick_one(&tenant, &scheduled, ids, now, &mut ticked).await {
            tracing::error!(tenant = %tenant.id(), error = %error, "what is due by the clock failed");
        }
    }
    Ok(ticked)
}

async fn tick_one(
    tenant: &TenantDb,
    scheduled: &Scheduled,
    ids: &mut IdSource,
    now: Timestamp,
    ticked: &mut Ticked,
) -> Result<(), StoreError> {
    // Rules were parsed before they were stored. Should an older version meet newer ones, the promise of a run a day holds.
    let rules = Rules::parse(&scheduled.rules).or_else(|_| Rules::parse(""));
    let Ok(rules) = rules else { return Ok(()) };
    let timing = Timing::new(&rules, tenant.id());
    match when::full_run(&timing, &scheduled.past, now) {
        Due::Now => {
            let new = NewRun {
                id: ids.next(now),
                kind: RunKind::Full,
                cause: RunCause::Schedule,
                actor: "schedule".to_owned(),
                approves: None,
            };
            let asked = tenant.request_scheduled_run(&new, &scheduled.past, now).await?;
            if let Some(asked) = asked.filter(|asked| !asked.joined) {
                tracing::info!(tenant = %tenant.id(), run = %asked.run, "daily run");
                ticked.runs += 1;
            }
        }
        Due::At(at) => ticked.next = ticked.next.min(at),
        Due::AfterThis => {}
    }
    let mut zones = vec![timing.zone().clone()];
    let places = tenant.place_zones().await?;
    zones.extend(places.iter().filter_map(|name| TimeZone::get(name).ok()));
    let days = when::start_dates(&zones, scheduled.start_dates, now);
    ticked.next = ticked.next.min(days.next);
    if let Some(moment) = days.due {
        ticked.people += begin_day(tenant, &timing, &zones, moment, ids, now).await?;
    }
    let leftovers = when::expiry(&timing, scheduled.expiry, now);
    ticked.next = ticked.next.min(leftovers.next);
    if let Some(moment) = leftovers.due {
        clear_away(tenant, moment, now).await?;
    }
    Ok(())
}

/// A day began somewhere: whoever waited for it is looked at again.
async fn begin_day(
    tenant: &TenantDb,
    timing: &Timing,
    zones: &[TimeZone],
    moment: Timestamp,
    ids: &mut IdSource,
    now: Timestamp,
) -> Result<usize, StoreError> {
    // The furthest day that it is anywhere; who of those people is where that day has come is sorted out below.
    let days = zones.iter().map(|zone| now.to_zoned(zone.clone()).date());
    let Some(furthest) = days.max() else { return Ok(0) };
    let mut write = tenant.write(now).await?;
    if !fire(&mut write, Tick::StartDates, moment).await? {
        return Ok(0);
    }
    let mut asked = 0;
    let mut after: Option<OktaUserId> = None;
    loop {
        let people = people_due(&mut write, furthest, after.as_ref(), PEOPLE).await?;
        let here = people
            .iter()
            .filter(|person| person.day <= when::today(person.zone.as_deref(), timing.zone(), now));
        let new: Vec<NewJob<'_>> = here
            .map(|person| {
                NewJob::person(&person.okta_user_id, priority::BULK, now, RunCause::StartDate)
            })
            .collect();
        asked += new.len();
        if !new.is_empty() {
            jobs::enqueue(&mut write, &new, ids).await?;
        }
        match people.last() {
            Some(last) => after = Some(last.okta_user_id.clone()),
            None => break,
        }
    }
    write.commit().await?;
    if asked > 0 {
        tracing::info!(tenant = %tenant.id(), people = asked, "a day began");
    }
    Ok(asked)
}

async fn clear_away(
    tenant: &TenantDb,
    moment: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let mut write = tenant.write(now).await?;
    if !fire(&mut write, Tick::Expiry, moment).await? {
        return Ok(());
    }
    expiry::previews(&mut write, now).await?;
    expiry::events(&mut write, now.checked_sub(EVENTS_KEPT).unwrap_or(Timestamp::MIN)).await?;
    expiry::alarms(&mut write, now).await?;
    sessions::expire(&mut write, now).await?;
    write.commit().await
}
