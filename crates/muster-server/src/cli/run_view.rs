//! A run as people and scripts see it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_core::id::{OktaUserId, PersonId, RunId};
use muster_core::problem::Problem;
use muster_core::run::{ChangeKind, Counts, ListingState, RunCause, RunKind, RunState};
use muster_store::TenantDb;
use muster_store::items::{Item, ItemState};
use muster_store::runs::Run;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::exit::CliError;
use super::output::{Column, Out, clean, column, count, cut, measure, number, thousands};
use super::person_view::in_order;
use super::words::{change_words, field_words, kind_words, state_words};
use crate::config::variables::wrap;

/// Items read at once.
const PAGE: i64 = 500;

/// People shown of each kind of change; scripts get all.
const SHOWN: usize = 25;

/// A run in JSON.
#[derive(serde::Serialize)]
pub(super) struct RunJson<'a> {
    id: RunId,
    kind: RunKind,
    cause: RunCause,
    state: RunState,
    listing: Option<ListingState>,
    counts: Counts,
    calls: i64,
    duration_ms: Option<i64>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    problems: &'a [Problem],
    actor: &'a str,
    /// The run whose held removals this one carried out.
    approves: Option<RunId>,
    queued_at: Timestamp,
}

impl<'a> RunJson<'a> {
    pub(super) fn of(run: &'a Run) -> Self {
        Self {
            id: run.id,
            kind: run.kind,
            cause: run.cause,
            state: run.state,
            listing: run.listing,
            counts: run.counts,
            calls: run.calls,
            duration_ms: duration_ms(run),
            started_at: run.started_at,
            finished_at: run.finished_at,
            problems: &run.problems,
            actor: &run.actor,
            approves: run.approves,
            queued_at: run.queued_at,
        }
    }
}

pub(super) fn duration_ms(run: &Run) -> Option<i64> {
    Some(run.finished_at?.as_millisecond() - run.started_at?.as_millisecond())
}

/// The columns of a list of runs.
pub(super) const COLUMNS: [Column; 5] =
    [column("RUN", 36), column("WHEN", 11), column("STATE", 8), number("READ"), number("CHANGED")];

/// A run in a list.
pub(super) fn row(run: &Run, out: &Out) -> Vec<String> {
    let counts = &run.counts;
    let changed =
        counts.created + counts.linked + counts.updated + counts.reactivated + counts.deactivated;
    let state = match (run.kind, run.state) {
        (RunKind::Preview, RunState::Done) => "preview".to_owned(),
        (_, RunState::Held) => format!("held {}", thousands(counts.held)),
        (_, state) => state.to_string(),
    };
    let when = out.time(run.started_at.unwrap_or(run.queued_at));
    // The year and the seconds are in the run itself.
    let when = when.get(5..16).unwrap_or(&when).to_owned();
    vec![run.id.to_string(), when, state, thousands(counts.read), thousands(changed)]
}

/// How a run went, for people.
pub(super) fn summary(out: &mut Out, run: &Run, sub: &str) -> Result<(), CliError> {
    let kind = capital(kind_words(run.kind));
    let took = match duration_ms(run) {
        Some(ms) => format!(", after {} and {}", seconds(ms), calls(run.calls)),
        None => String::new(),
    };
    out.line(format!("{kind} {} {}{took}.", run.id, state_words(run.state)))?;
    for (n, what) in counts_in_words(&run.counts, run.kind == RunKind::Preview) {
        out.line(format!("{:>9}  {what}", thousands(n)))?;
    }
    if !run.problems.is_empty() {
        out.line("")?;
        out.line("What needs a look")?;
        for problem in &run.problems {
            tell(out, problem)?;
        }
    }
    if let Some(next) = next_steps(run, sub) {
        out.line("")?;
        out.text(&next)?;
    }
    Ok(())
}

fn tell(out: &mut Out, problem: &Problem) -> Result<(), CliError> {
    let people = if problem.people > 0 { thousands(problem.people) } else { "·".to_owned() };
    let hint = if problem.hint.is_empty() { problem.code.name() } else { &problem.hint };
    for (at, line) in wrap(&clean(hint), out.width.saturating_sub(11)).into_iter().enumerate() {
        let left = if at == 0 { people.as_str() } else { "" };
        out.line(format!("{left:>9}  {line}"))?;
    }
    Ok(())
}

fn next_steps(run: &Run, sub: &str) -> Option<String> {
    let id = run.id;
    Some(match (run.kind, run.state) {
        (RunKind::Preview, RunState::Done) => {
            format!("Nothing was changed. To carry it out: muster okta sync {sub}")
        }
        (_, RunState::Held) => format!(
            "Who they are:        muster run show {sub} {id}\n\
             Remove them:         muster okta sync {sub} --approve {id}\n\
             Keep everybody:      muster run discard {sub} {id}"
        ),
        (_, RunState::Incomplete | RunState::Failed) => {
            format!("Nobody lost access. When the cause is gone: muster okta sync {sub}")
        }
        _ => return None,
    })
}

pub(super) fn counts_in_words(counts: &Counts, preview: bool) -> Vec<(u64, &'static str)> {
    let word = |done: &'static str, would: &'static str| if preview { would } else { done };
    [
        (counts.read, "read from Okta"),
        (counts.missing, "here, but not in Okta's list"),
        (counts.created, word("created", "would be created")),
        (
            counts.linked,
            word(
                "linked to an account that was here",
                "would be linked to an account that is here",
            ),
        ),
        (counts.updated, word("updated", "would be updated")),
        (counts.reactivated, word("given access again", "would be given access again")),
        (counts.deactivated, word("lost access", "would lose access")),
        (
            counts.held,
            word(
                "held: they would lose access, if somebody approves",
                "would be held for approval",
            ),
        ),
        (counts.skipped, "skipped"),
        (counts.review, "need a decision"),
        (counts.unchanged, "unchanged"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .collect()
}

/// A duration for people: `412 ms`, `1.4 s`, `12 min`.
pub(super) fn seconds(ms: i64) -> String {
    match ms {
        ..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

pub(super) fn calls(calls: i64) -> String {
    count(u64::try_from(calls).unwrap_or(0), "call to Okta", "calls to Okta")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// One change of a plan in JSON.
#[derive(serde::Serialize)]
struct ChangeJson<'a> {
    change: ChangeKind,
    person: &'a str,
    okta_user_id: &'a OktaUserId,
    person_id: Option<PersonId>,
    fields: &'a RawValue,
    reason: &'a str,
    problems: &'a [String],
    /// A removal that would wait, or waits, for approval.
    held: bool,
}

impl<'a> ChangeJson<'a> {
    fn of(item: &'a Item) -> Result<Self, CliError> {
        let fields: &RawValue =
            serde_json::from_str(&item.fields).map_err(|e| CliError::Output(e.into()))?;
        Ok(Self {
            change: item.change,
            person: &item.label,
            okta_user_id: &item.okta_user_id,
            person_id: item.person,
            fields,
            reason: &item.reason,
            problems: &item.problems,
            held: item.state == ItemState::Held,
        })
    }
}

fn is_told(item: &Item) -> bool {
    item.change != ChangeKind::Unchanged && item.state != ItemState::Dismissed
}

/// All changes that a run found, one JSON object a line.
pub(super) async fn changes_json(out: &mut Out, db: &TenantDb, run: RunId) -> Result<(), CliError> {
    let mut after: Option<OktaUserId> = None;
    loop {
        let items = db.items(run, after.as_ref(), PAGE).await?;
        for item in items.iter().filter(|item| is_told(item)) {
            out.object(&ChangeJson::of(item)?)?;
        }
        after = items.last().map(|item| item.okta_user_id.clone());
        if after.is_none() || out.is_closed() {
            return Ok(());
        }
    }
}

/// The removals that a run holds, as a JSON list.
pub(super) async fn held_json(db: &TenantDb, run: RunId) -> Result<Value, CliError> {
    let mut held = Vec::new();
    let mut after: Option<OktaUserId> = None;
    loop {
        let items = db.items(run, after.as_ref(), PAGE).await?;
        for item in items.iter().filter(|item| item.state == ItemState::Held) {
            let change = ChangeJson::of(item)?;
            held.push(serde_json::to_value(change).map_err(|e| CliError::Output(e.into()))?);
        }
        after = items.last().map(|item| item.okta_user_id.clone());
        if after.is_none() {
            return Ok(held.into());
        }
    }
}

/// The changes that a run found, by kind, the first of each.
pub(super) async fn changes_text(out: &mut Out, db: &TenantDb, run: RunId) -> Result<(), CliError> {
    let mut kinds: BTreeMap<ChangeKind, (u64, Vec<Item>)> = BTreeMap::new();
    let mut after: Option<OktaUserId> = None;
    loop {
        let items = db.items(run, after.as_ref(), PAGE).await?;
        after = items.last().map(|item| item.okta_user_id.clone());
        for item in items.into_iter().filter(is_told) {
            let (n, shown) = kinds.entry(item.change).or_default();
            *n += 1;
            if shown.len() < SHOWN {
                shown.push(item);
            }
        }
        if after.is_none() {
            break;
        }
    }
    for (kind, (n, shown)) in kinds {
        let (sign, word) = change_words(kind);
        out.line(format!("{} {word}", thousands(n)))?;
        let widest = shown.iter().map(|item| measure(&clean(&item.label))).max().unwrap_or(0);
        let label_width = widest.min(out.width / 2);
        for item in &shown {
            change_text(out, sign, item, label_width)?;
        }
        let more = n.saturating_sub(shown.len() as u64);
        if more > 0 {
            out.line(format!("  … and {} more; --json shows all", thousands(more)))?;
        }
        out.line("")?;
    }
    Ok(())
}

fn change_text(out: &mut Out, sign: &str, item: &Item, label_width: usize) -> Result<(), CliError> {
    let label = cut(&clean(&item.label), label_width);
    let pad = " ".repeat(label_width.saturating_sub(measure(&label)));
    let left = format!("  {sign} {label}{pad}  ");
    let room = out.width.saturating_sub(measure(&left));
    let fields: Map<String, Value> = serde_json::from_str(&item.fields).unwrap_or_default();
    let details = match item.change {
        ChangeKind::Create => vec![cut(&clean(&about(&fields)), room)],
        ChangeKind::Update | ChangeKind::Link | ChangeKind::Reactivate if !fields.is_empty() => {
            changed(&fields).iter().flat_map(|line| wrap(&clean(line), room)).collect()
        }
        _ => wrap(&clean(&item.reason), room),
    };
    for (at, detail) in details.iter().enumerate() {
        let left = if at == 0 { left.clone() } else { " ".repeat(measure(&left)) };
        out.line(format!("{left}{detail}"))?;
    }
    Ok(())
}

/// Who somebody new is, in few words.
pub(super) fn about(fields: &Map<String, Value>) -> String {
    let after = |name: &str| {
        fields.get(name).and_then(|pair| pair.get(1)).and_then(Value::as_str).unwrap_or("")
    };
    let name = format!("{} {}", after("first_name"), after("last_name"));
    let parts = [name.trim(), after("title"), after("team"), after("location")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Fields with their values before and after, a line each.
fn changed(fields: &Map<String, Value>) -> Vec<String> {
    let side = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(other) => other.to_string(),
    };
    let line = |(name, pair): (&String, &Value)| {
        format!("{}: {} → {}", field_words(name), side(pair.get(0)), side(pair.get(1)))
    };
    in_order(fields).into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_people() {
        for (ms, want) in [(412, "412 ms"), (1_449, "1.4 s"), (61_000, "1 min 1 s")] {
            assert_eq!(seconds(ms), want);
        }
    }

    #[test]
    fn changes_read_as_before_and_after() {
        let fields =
            serde_json::json!({"title": ["Engineer", "Lead"], "photo_url": ["https://x/y", null]});
        let lines = changed(fields.as_object().expect("an object"));
        assert_eq!(lines, ["title: Engineer → Lead", "photo: https://x/y → nothing"]);
    }
}
