//! A person and what happened to them, as people and scripts see it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;
use muster_core::field::Field;
use muster_core::id::{ChangeId, PersonId, RunId};
use muster_store::TenantDb;
use muster_store::history;
use muster_store::people::PersonKey;
use muster_store::people_view::PersonView;
use serde_json::{Map, Value};

use super::exit::CliError;
use super::output::{Out, clean, count, cut, measure};
use super::words::{cause_words, field_words, happened, status_words};
use crate::config::variables::wrap;

/// Entries read at once.
const PAGE: i64 = 500;

/// Entries shown to people; scripts get all.
const SHOWN: usize = 40;

/// A person and their timeline in JSON.
#[derive(serde::Serialize)]
pub(super) struct Shown<'a> {
    #[serde(flatten)]
    pub(super) person: &'a PersonView,
    /// Newest first.
    pub(super) timeline: &'a [Moment],
}

/// One entry of a timeline.
#[derive(serde::Serialize)]
pub(super) struct Moment {
    seq: i64,
    id: ChangeId,
    at: Timestamp,
    pub(super) kind: String,
    actor: String,
    cause: String,
    run_id: Option<RunId>,
    pub(super) reason: Option<String>,
    /// Field to `[before, after]`; people are named by their address.
    pub(super) fields: Map<String, Value>,
}

/// What to call somebody.
pub(super) fn name(person: &PersonView) -> String {
    format!("{} {}", person.first_name, person.last_name).trim().to_owned()
}

/// Everything that happened to a person, newest first.
pub(super) async fn timeline(db: &TenantDb, person: PersonId) -> Result<Vec<Moment>, CliError> {
    let mut entries: Vec<history::Entry> = Vec::new();
    loop {
        let before = entries.last().map(|entry| entry.seq);
        let page = db.timeline(person, before, PAGE).await?;
        if page.is_empty() {
            break;
        }
        entries.extend(page);
    }
    moments(db, entries).await
}

/// Entries of the history with both sides of each field, and managers named by their address.
pub(super) async fn moments(
    db: &TenantDb,
    entries: Vec<history::Entry>,
) -> Result<Vec<Moment>, CliError> {
    let mut names = BTreeMap::new();
    let mut moments = Vec::with_capacity(entries.len());
    for entry in entries {
        let mut fields = fields(&entry);
        for field in ["manager", "manager_by_hand"] {
            if let Some(pair) = fields.get_mut(field) {
                name_managers(db, pair, &mut names).await?;
            }
        }
        moments.push(Moment {
            seq: entry.seq,
            id: entry.id,
            at: entry.at,
            kind: entry.kind,
            actor: entry.actor,
            cause: entry.cause,
            run_id: entry.run_id,
            reason: entry.reason,
            fields,
        });
    }
    Ok(moments)
}

/// The two sides of an entry, field by field.
fn fields(entry: &history::Entry) -> Map<String, Value> {
    let side = |text: &Option<Box<serde_json::value::RawValue>>| -> Map<String, Value> {
        text.as_ref().and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
    };
    let (before, after) = (side(&entry.before), side(&entry.after));
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_by_key(|name| (place(name), (*name).clone()));
    names.dedup();
    let value =
        |side: &Map<String, Value>, name: &str| side.get(name).cloned().unwrap_or(Value::Null);
    names
        .into_iter()
        .map(|name| (name.clone(), Value::from(vec![value(&before, name), value(&after, name)])))
        .collect()
}

/// Where a field stands among the others.
fn place(name: &str) -> usize {
    Field::ALL.iter().position(|field| field.name() == name).unwrap_or(Field::ALL.len())
}

async fn name_managers(
    db: &TenantDb,
    pair: &mut Value,
    names: &mut BTreeMap<PersonId, Option<String>>,
) -> Result<(), CliError> {
    for side in pair.as_array_mut().into_iter().flatten() {
        let Some(id) = side.as_str().and_then(|text| text.parse::<PersonId>().ok()) else {
            continue;
        };
        let name = match names.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let found = db.find_person(&PersonKey::Id(id)).await?;
                unknown.insert(found.map(|person| person.profile.email.shown().to_owned()))
            }
        };
        if let Some(email) = name {
            *side = email.as_str().into();
        }
    }
    Ok(())
}

/// A person and their timeline, for people.
pub(super) fn text(
    out: &mut Out,
    person: &PersonView,
    timeline: &[Moment],
) -> Result<(), CliError> {
    let name = clean(&name(person));
    let address = clean(&person.email);
    out.line(if name.is_empty() { address } else { format!("{name} <{address}>") })?;
    let okta = match (&person.okta_user_id, &person.okta_status) {
        (Some(id), Some(status)) => format!("{id}, {} there", clean(status)),
        (Some(id), None) => id.to_string(),
        (None, _) => "not known there".to_owned(),
    };
    let manager = person.manager.as_ref().map(|manager| {
        let source = match manager.source {
            "okta" => "from Okta",
            "team" => "from the team",
            _ => "set by hand",
        };
        format!("{} ({source})", clean(&manager.email))
    });
    let lines = [
        ("Status", Some(status_words(person.status, person.status_reason))),
        ("Role", Some(person.role.to_string())),
        ("Title", person.title.clone()),
        ("Team", person.team.clone()),
        ("Manager", manager),
        ("Location", person.location.clone()),
        ("Language", person.language.clone()),
        ("Start date", person.start_date.clone()),
        ("Photo", person.photo_url.clone()),
        ("Okta", Some(okta)),
        ("Id", Some(person.id.to_string())),
    ];
    for (label, value) in lines {
        if let Some(value) = value {
            out.line(format!(
                "  {label:<12}{}",
                cut(&clean(&value), out.width.saturating_sub(14))
            ))?;
        }
    }
    if person.break_glass {
        out.line("  A protected account: the sync never takes its access away.")?;
    }
    if person.confirm_needed {
        out.line(
            "  Back after a long absence: an owner or admin must confirm before they can sign in.",
        )?;
    }
    out.line("")?;
    for moment in timeline.iter().take(SHOWN) {
        tell(out, moment)?;
    }
    let more = timeline.len().saturating_sub(SHOWN) as u64;
    if more > 0 {
        out.line(format!(
            "… and {} before that; --json shows all",
            count(more, "entry", "entries")
        ))?;
    }
    Ok(())
}

fn tell(out: &mut Out, moment: &Moment) -> Result<(), CliError> {
    let (what, cause) = (happened(&moment.kind), cause_words(&moment.cause));
    let actor = clean(&moment.actor);
    let reason = moment.reason.as_deref().map(clean);
    let at = out.time(moment.at);
    match (moment.run_id, reason) {
        (Some(run), reason) => {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            out.line(cut(&format!("{at}  {what}{reason}"), out.width))?;
            out.line(format!("    by {run}, from {cause} of {actor}"))?;
        }
        (None, Some(reason)) => {
            out.line(format!("{at}  {what} by {actor}, with {cause}"))?;
            for line in wrap(&format!("\"{reason}\""), out.width.saturating_sub(4)) {
                out.line(format!("    {line}"))?;
            }
        }
        (None, None) => out.line(format!("{at}  {what} by {actor}, with {cause}"))?,
    }
    // Of somebody new, what only machines compare is not worth a line.
    let hidden = |name: &str| {
        moment.kind == "create" && matches!(name, "login" | "display_name" | "manager_raw")
    };
    let fields: Vec<_> =
        in_order(&moment.fields).into_iter().filter(|(name, _)| !hidden(name)).collect();
    let width = fields.iter().map(|(name, _)| measure(&field_words(name))).max().unwrap_or(0);
    for (name, sides) in fields {
        let name = field_words(name);
        let left = format!("    {name}{}  ", " ".repeat(width.saturating_sub(measure(&name))));
        let value = before_after(sides);
        let room = out.width.saturating_sub(measure(&left));
        match value.split_once(" → ") {
            Some((before, after)) if measure(&value) > room => {
                out.line(cut(&format!("{left}{before}"), out.width))?;
                out.line(cut(&format!("{}→ {after}", " ".repeat(measure(&left))), out.width))?;
            }
            _ => out.line(cut(&format!("{left}{value}"), out.width))?,
        }
    }
    Ok(())
}

/// The fields in the order in which people look for them.
pub(super) fn in_order(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut all: Vec<_> = fields.iter().collect();
    all.sort_by_key(|(name, _)| place(name));
    all
}

/// `Engineer → Lead`; only what there is, for something that was set at first or cleared.
pub(super) fn before_after(sides: &Value) -> String {
    let side = |at: usize| match sides.get(at) {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(clean(text)).filter(|text| !text.is_empty()),
        Some(other) => Some(other.to_string()),
    };
    match (side(0), side(1)) {
        (None, Some(after)) => after,
        (Some(before), Some(after)) => format!("{before} → {after}"),
        (Some(before), None) => format!("{before} → nothing"),
        (None, None) => "nothing".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_read_as_a_story() {
        let cases = [
            (serde_json::json!(["Engineer", "Lead"]), "Engineer → Lead"),
            (serde_json::json!([null, "Lead"]), "Lead"),
            (serde_json::json!(["Lead", null]), "Lead → nothing"),
            (serde_json::json!([null, ""]), "nothing"),
        ];
        for (sides, want) in cases {
            assert_eq!(before_after(&sides), want);
        }
    }
}
