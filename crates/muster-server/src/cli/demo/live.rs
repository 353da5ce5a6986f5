//! The acts in which changes arrive by themselves: at once by hook, and from the System Log where no hook came.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use muster_core::id::{OktaUserId, RunId};
use muster_core::person::{Role, Status};
use muster_core::rules::ManagerMode;
use muster_oktasim::org::MorningStep;
use muster_oktasim::{Action, OrgHandle};
use muster_store::events::{Comparison, Kept};
use muster_store::people::PersonKey;
use serde_json::json;

use super::service::LOG_POLL;
use super::stage::{SUB, Stage};
use super::story::changed;
use super::tell::{self, Act};
use crate::cli::exit::CliError;
use crate::cli::output::{Out, count};
use crate::cli::person_view;
use crate::cli::run_view::seconds;

/// How long a change may take before the demo gives up.
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);
/// How often the demo looks whether a change arrived.
const LOOK: Duration = Duration::from_millis(5);
/// From when on an event counts as late; nothing of the demo is told of that.
const LATE_SECONDS: i64 = 60;

/// What Okta's administrator does to one person.
struct Change {
    /// For scripts.
    name: &'static str,
    /// Okta id, login or e-mail, as it is after the change.
    who: String,
    deed: Deed,
    /// Whether the call of the hook is lost on its way.
    lost: bool,
}

enum Deed {
    Morning(MorningStep),
    /// And how it is told.
    Act(Action, String),
}

impl Change {
    /// Does it, and says in one line what was done.
    fn happen(&self, org: &OrgHandle, at: Timestamp) -> Result<String, CliError> {
        let told = match &self.deed {
            Deed::Morning(step) => step.run(org, at),
            Deed::Act(action, told) => org.act(action, at).map(|_| told.clone()),
        };
        told.map_err(|refused| anyhow::anyhow!("the simulator refused: {refused}").into())
    }
}

/// The service begins, Okta gets a hook, and changes arrive; one of them not by the hook.
pub(super) async fn hooks(
    stage: &mut Stage,
    fernhill: bool,
    out: &mut Out,
) -> Result<(), CliError> {
    let act = Act::begin(out, "hooks", "Nobody wants to wait for the next sync: Muster serves")?;
    let changes = if fernhill { at_fernhill() } else { anywhere(stage).await? };
    stage.serve().await?;
    let (hook, types) = stage.make_hook().await?;
    let url = stage.app.config.public_url.of_tenant(SUB);
    if out.json {
        out.object(&json!({
            "act": act.name(), "listen": stage.app.config.listen.to_string(), "url": url,
            "hook": hook, "event_types": types,
        }))?;
    }
    tell::muster(out, &format!("serves {url} on this machine"))?;
    let types = count(types as u64, "type", "types");
    let made = format!("made an event hook in Okta for {types} of events; Okta verified it");
    tell::muster(out, &made)?;
    let every = LOG_POLL.as_secs();
    let net = format!("reads Okta's System Log every {every} s, for events that no hook brought");
    tell::muster(out, &net)?;
    tell::plain(
        out,
        "From now on Okta calls. The times count from the change in Okta: until its hook was received, and until all was done.",
    )?;
    // The first reading of the log is out of the way before anything happens: so the hooks are first.
    until(stage, "the first reading of the log", async |stage| {
        Ok(stage.db.log_cursor().await?.polled_at.is_some())
    })
    .await?;
    let began = whole_ms(stage.now());
    for change in &changes {
        one(stage, &act, change, out).await?;
    }
    let compared = compared(stage, began).await?;
    if out.json {
        return out.object(&json!({"act": act.name(), "events": events_json(compared)}));
    }
    let came = count(whole(compared.hooked), "event", "events");
    let missed = match compared.missed {
        0 => "none was missed".to_owned(),
        1 => "1 was missed by hook and found in Okta's System Log".to_owned(),
        n => format!("{n} were missed by hook and found in Okta's System Log"),
    };
    tell::plain(
        out,
        &format!(
            "{came} came by hook, {missed}. What an event says is never believed: it only names whom to read again."
        ),
    )
}

/// The service begins again after a while in which every hook was missed.
pub(super) async fn back(
    stage: &mut Stage,
    away: Timestamp,
    out: &mut Out,
) -> Result<(), CliError> {
    let act = Act::begin(out, "back", "The update is done: Muster serves again")?;
    // Okta tries twice, and then it gives up: what it still has under way would find us back.
    until(stage, "the end of Okta's calls", async |stage| {
        Ok(stage.org().with(|org| org.deliveries_open()) == 0)
    })
    .await?;
    let began = stage.now();
    stage.serve().await?;
    until(stage, "the end of the log", async |stage| caught_up(stage, began).await).await?;
    let took = ms_between(began, stage.now());
    let compared = compared(stage, whole_ms(away)).await?;
    let runs = stage.db.runs(1_000).await?;
    let people: u64 = runs.iter().filter(|run| run.queued_at >= began).map(changed).sum();
    if out.json {
        return out.object(&json!({
            "act": act.name(), "events": events_json(compared), "changed": people, "ms": took,
        }));
    }
    let missed = count(whole(compared.missed), "event", "events");
    tell::muster(
        out,
        &format!(
            "found {missed} in the log that no hook could bring, and looked at all they name, in {}",
            seconds(took)
        ),
    )?;
    match people {
        0 => tell::plain(out, "Nobody had to be changed: the syncs had been there first."),
        n => {
            tell::plain(out, &format!("{} changed by that.", count(n, "person was", "people were")))
        }
    }
}

/// Waits until something is the case.
async fn until(
    stage: &Stage,
    what: &str,
    is_so: impl AsyncFn(&Stage) -> Result<bool, CliError>,
) -> Result<(), CliError> {
    let deadline = stage.now() + PATIENCE;
    while !is_so(stage).await? {
        if stage.now() > deadline {
            return Err(CliError::Failed(format!("waited too long for {what}")));
        }
        stage.app.clock.pause(LOOK).await;
    }
    Ok(())
}

/// Whether the log was read since `began` and all that it asks for is done.
async fn caught_up(stage: &Stage, began: Timestamp) -> Result<bool, CliError> {
    let cursor = stage.db.log_cursor().await?;
    Ok(cursor.polled_at.is_some_and(|at| at >= began)
        && stage.db.events_waiting().await?.0 == 0
        && stage.db.open_full_run().await?.is_none())
}

fn at_fernhill() -> Vec<Change> {
    let step = |name: &'static str, who: &str, lost| Change {
        name,
        who: format!("{who}@fernhill.example"),
        deed: Deed::Morning(MorningStep { name }),
        lost,
    };
    vec![
        step("joiner", "joy.newcombe", false),
        step("mover", "mona.mover", false),
        step("leaver", "leo.leaver", false),
        step("suspended", "duncan.twice", false),
        step("new-manager", "lina.linkwell", true),
    ]
}

/// The same for people of whom nothing is known, as far as there are enough of them.
async fn anywhere(stage: &Stage) -> Result<Vec<Change>, CliError> {
    let page = stage.db.people_page(ManagerMode::Off, Some(Status::Active), "", 200).await?;
    let learners = page.iter().filter(|person| person.managed && person.role == Role::Learner);
    let mut people = learners.filter_map(|person| {
        Some((person.okta_user_id.as_ref()?.to_string(), person_view::name(person)))
    });
    let mut changes = Vec::new();
    for (name, told, lost) in [
        ("title", "has a new title", false),
        ("leaver", "left: the Okta user was deactivated", false),
        ("suspended", "was suspended", false),
        ("title", "has a new title, too", true),
    ] {
        let Some((who, person)) = people.next() else { break };
        let action = match name {
            "leaver" => Action::Deactivate { who: who.clone() },
            "suspended" => Action::Suspend { who: who.clone() },
            _ => {
                let profile = [("title".to_owned(), json!("Keeper of the Demo"))];
                Action::Update { who: who.clone(), profile: profile.into_iter().collect() }
            }
        };
        changes.push(Change {
            name,
            who,
            deed: Deed::Act(action, format!("{person} {told}.")),
            lost,
        });
    }
    Ok(changes)
}

/// One change, from Okta to here.
async fn one(stage: &Stage, act: &Act, change: &Change, out: &mut Out) -> Result<(), CliError> {
    let at = whole_ms(stage.now());
    if change.lost {
        stage.org().settings(|settings| settings.hooks.drop_next = 1);
    }
    let mut told = change.happen(stage.org(), at)?;
    if change.lost {
        told.push_str(" The call of the hook is lost on its way, on purpose.");
    }
    tell::admin(out, &told)?;
    out.flush()?;
    let id = stage.org().person_id(&change.who).map_err(|refused| anyhow::anyhow!("{refused}"))?;
    let id = OktaUserId::parse(&id).map_err(anyhow::Error::from)?;
    let events = arrived(stage, change, &id, at).await?;
    let times = Times::of(&events, at);
    if out.json {
        return out.object(&json!({
            "act": act.name(), "change": change.name, "okta_user_id": id.as_str(), "happened_at": at,
            "events": events.len(), "by": if times.hook.is_some() { "hook" } else { "log" },
            "hook_ms": times.hook, "log_ms": times.log, "applied_ms": times.applied,
        }));
    }
    match (times.hook, times.log) {
        (Some(hook), _) => tell::moment(out, "muster", hook, &["hook received".to_owned()])?,
        (None, Some(log)) => {
            let found = format!("missed by hook, found in the log after {}", seconds(log));
            tell::moment(out, "muster", log, &[found])?;
        }
        (None, None) => {}
    }
    let mut lines = Vec::new();
    if let Some(person) = stage.db.find_person(&PersonKey::Okta(id)).await? {
        let runs: BTreeSet<RunId> = events.iter().filter_map(|event| event.run).collect();
        for run in runs {
            lines.extend(tell::changes_of(stage, run, person.id).await?);
        }
    }
    if lines.is_empty() {
        lines.push("looked at; nothing to change".to_owned());
    }
    tell::moment(out, "", times.applied, &lines)
}

/// Waits until all that a change caused has led to something.
async fn arrived(
    stage: &Stage,
    change: &Change,
    person: &OktaUserId,
    at: Timestamp,
) -> Result<Vec<Kept>, CliError> {
    // The log may be read between the change and the call of the hook; what is told is told when both are known.
    let is_here =
        |event: &Kept| event.applied_at.is_some() && (event.hook_at.is_some() || change.lost);
    let deadline = at + PATIENCE;
    loop {
        let events = stage.db.events_about(person, at).await?;
        if !events.is_empty() && events.iter().all(is_here) {
            return Ok(events);
        }
        if stage.now() > deadline {
            let name = change.name;
            return Err(CliError::Failed(format!("the change {name:?} did not arrive in time")));
        }
        stage.app.clock.pause(LOOK).await;
    }
}

/// When a change was known here, in milliseconds after it happened in Okta, from the records of its events.
struct Times {
    /// The first hook; `None` when none came.
    hook: Option<i64>,
    /// When it was first seen in the log.
    log: Option<i64>,
    /// When the last of it was done.
    applied: i64,
}

impl Times {
    fn of(events: &[Kept], at: Timestamp) -> Self {
        let first = events.iter().filter_map(|event| event.published).min().unwrap_or(at);
        let after = |moment: Option<Timestamp>| moment.map(|moment| ms_between(first, moment));
        Self {
            hook: after(events.iter().filter_map(|event| event.hook_at).min()),
            log: after(events.iter().filter_map(|event| event.logged_at).min()),
            applied: after(events.iter().filter_map(|event| event.applied_at).max())
                .unwrap_or_default(),
        }
    }
}

async fn compared(stage: &Stage, from: Timestamp) -> Result<Comparison, CliError> {
    let to = stage.now() + SignedDuration::from_secs(1);
    Ok(stage.db.compare_events(from, to, LATE_SECONDS).await?)
}

fn events_json(compared: Comparison) -> serde_json::Value {
    json!({"by_hook": compared.hooked, "in_log": compared.logged, "missed": compared.missed})
}

/// Okta tells times in whole milliseconds.
fn whole_ms(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn ms_between(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap_or(0).max(0)
}

fn whole(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}
