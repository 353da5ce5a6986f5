//! How the demo tells its story: short lines for people, one object an act for scripts.

use std::collections::BTreeMap;

use muster_core::id::{OktaUserId, PersonId, RunId};
use muster_core::rules::ManagerMode;
use muster_core::run::{ChangeKind, RunKind, RunState};
use muster_store::history::Entry;
use muster_store::items::Item;
use muster_store::people::PersonKey;
use muster_store::runs::Run;

use super::stage::{SUB, Stage};
use crate::cli::exit::CliError;
use crate::cli::output::{Out, clean, cut, measure, thousands};
use crate::cli::person_view::{self, Moment, before_after, in_order};
use crate::cli::run_view::{self, RunJson};
use crate::cli::words::{change_words, field_words, happened, status_words};
use crate::config::variables::wrap;

/// People whose changes are told one by one.
const PEOPLE: usize = 16;

/// Problems told; the rest is in the run.
const PROBLEMS: usize = 4;

/// What a field says only to machines.
const TECHNICAL: [&str; 7] = [
    "login",
    "display_name",
    "manager_raw",
    "okta_user_id",
    "okta_status",
    "employee_number",
    "photo_url",
];

/// An act of the story.
pub(super) struct Act(&'static str);

impl Act {
    /// Begins an act: its name for scripts, its title for people.
    pub(super) fn begin(out: &mut Out, name: &'static str, title: &str) -> Result<Self, CliError> {
        if !out.json {
            out.line("")?;
            out.line(console::style(title).bold().to_string())?;
        }
        out.flush()?;
        Ok(Self(name))
    }

    /// The name for scripts.
    pub(super) fn name(&self) -> &'static str {
        self.0
    }

    /// How a run of this act went.
    pub(super) fn run(&self, out: &mut Out, run: &Run) -> Result<(), CliError> {
        if out.json {
            return out.object(&serde_json::json!({"act": self.0, "run": RunJson::of(run)}));
        }
        let what = match (run.kind, run.state) {
            (RunKind::Preview, RunState::Done) => "preview",
            (_, RunState::Done) => "synced",
            (_, RunState::Held) => "synced, and held the removals",
            (_, RunState::Incomplete) => "incomplete: nobody was removed",
            (_, state) => state.as_str(),
        };
        let took = run_view::duration_ms(run).map(run_view::seconds).unwrap_or_default();
        out.line(format!("  muster   {what}, in {took} and with {}", run_view::calls(run.calls)))?;
        let counts = run_view::counts_in_words(&run.counts, run.kind == RunKind::Preview);
        let counts: Vec<String> =
            counts.into_iter().map(|(n, what)| format!("{} {what}", thousands(n))).collect();
        hanging(out, "           ", &counts.join(" · "))
    }
}

/// The first words.
pub(super) fn open(out: &mut Out, text: &str) -> Result<(), CliError> {
    if out.json { Ok(()) } else { hanging(out, "", text) }
}

/// A sentence between the acts.
pub(super) fn plain(out: &mut Out, text: &str) -> Result<(), CliError> {
    if out.json { Ok(()) } else { hanging(out, "  ", text) }
}

/// What Okta's administrator did.
pub(super) fn admin(out: &mut Out, text: &str) -> Result<(), CliError> {
    said_of(out, "okta", text)
}

/// What Muster did.
pub(super) fn muster(out: &mut Out, text: &str) -> Result<(), CliError> {
    said_of(out, "muster", text)
}

fn said_of(out: &mut Out, who: &str, text: &str) -> Result<(), CliError> {
    if out.json {
        return Ok(());
    }
    for (at, line) in wrap(&clean(text), out.width.saturating_sub(11)).into_iter().enumerate() {
        out.line(format!("  {:<9}{line}", if at == 0 { who } else { "" }))?;
    }
    Ok(())
}

/// What was the case here so many milliseconds after a change.
pub(super) fn moment(out: &mut Out, who: &str, ms: i64, lines: &[String]) -> Result<(), CliError> {
    const LEFT: usize = 22;
    if out.json {
        return Ok(());
    }
    let ms = thousands(u64::try_from(ms).unwrap_or(0));
    let mut left = format!("  {who:<9}{ms:>6} ms  ");
    let room = out.width.saturating_sub(LEFT);
    for line in lines.iter().flat_map(|line| wrap(&clean(line), room)) {
        out.line(format!("{left}{line}"))?;
        left = " ".repeat(LEFT);
    }
    Ok(())
}

/// A command to try, on a line of its own, so that it can be copied.
pub(super) fn command(out: &mut Out, text: &str) -> Result<(), CliError> {
    if out.json { Ok(()) } else { out.line(format!("    $ {text}")) }
}

/// The problems of a run that concern most people.
pub(super) fn problems(out: &mut Out, run: &Run) -> Result<(), CliError> {
    if out.json || run.problems.is_empty() {
        return Ok(());
    }
    out.line("  Problems that it met, each with its fix:")?;
    for problem in run.problems.iter().take(PROBLEMS) {
        // The first two sentences say what it is.
        let mut hint: String = problem.hint.split_inclusive(". ").take(2).collect();
        hint.truncate(hint.trim_end().len());
        let people = thousands(problem.people);
        for (at, line) in wrap(&clean(&hint), out.width.saturating_sub(11)).into_iter().enumerate()
        {
            out.line(format!("  {:>7}  {line}", if at == 0 { people.as_str() } else { "" }))?;
        }
    }
    let more = run.problems.len().saturating_sub(PROBLEMS);
    if more > 0 {
        out.line(format!("           … and {more} more"))?;
        command(out, &format!("muster run show {SUB} {}", run.id))?;
    }
    Ok(())
}

/// People with a case worth looking at, and what became of them.
pub(super) async fn look_at(
    out: &mut Out,
    stage: &Stage,
    run: &Run,
    cases: &[(&str, &str)],
) -> Result<(), CliError> {
    if out.json {
        return Ok(());
    }
    let items = items(stage, run).await?;
    out.line("  Look at")?;
    for (case, story) in cases {
        let planted = stage.org().with(|org| {
            let planted = org.planted().iter().find(|planted| planted.case == *case)?;
            let pairs = planted.okta_ids.iter().zip(&planted.logins);
            Some(
                pairs
                    .filter_map(|(id, login)| Some((OktaUserId::parse(id).ok()?, login.clone())))
                    .collect::<Vec<_>>(),
            )
        });
        let people = planted.unwrap_or_default();
        // The one with a note to show, else the first of the case.
        let with_note = people.iter().find(|(id, _)| items.contains_key(id));
        let Some((id, login)) = with_note.or_else(|| people.first()) else { continue };
        let outcome = match items.get(id) {
            Some(item) => {
                let (_, word) = change_words(item.change);
                format!("{word}: {}", item.reason)
            }
            None => match stage
                .db
                .person_view(ManagerMode::Individual, &PersonKey::Okta(id.clone()))
                .await?
            {
                Some(person) => {
                    let led = person
                        .manager
                        .map(|manager| format!(", manager {}", manager.email))
                        .unwrap_or_default();
                    format!("{}{led}", status_words(person.status, person.status_reason))
                }
                None => continue,
            },
        };
        hanging(out, "    ", &format!("{} {story}", name_of(login)))?;
        hanging(out, "      ", &clean(&format!("→ {outcome}")))?;
    }
    Ok(())
}

/// `ana.ito@fernhill.example` is Ana Ito.
fn name_of(login: &str) -> String {
    let capital = |word: &str| {
        let mut chars = word.chars();
        chars
            .next()
            .map(|first| first.to_uppercase().chain(chars).collect::<String>())
            .unwrap_or_default()
    };
    let local = login.split('@').next().unwrap_or_default();
    local.split('.').map(capital).collect::<Vec<_>>().join(" ")
}

async fn items(stage: &Stage, run: &Run) -> Result<BTreeMap<OktaUserId, Item>, CliError> {
    let mut all = BTreeMap::new();
    let mut after: Option<OktaUserId> = None;
    loop {
        let page = stage.db.items(run.id, after.as_ref(), 500).await?;
        after = page.last().map(|item| item.okta_user_id.clone());
        if after.is_none() {
            return Ok(all);
        }
        let told = page.into_iter().filter(|item| item.change != ChangeKind::Unchanged);
        all.extend(told.map(|item| (item.okta_user_id.clone(), item)));
    }
}

/// What a run changed, person by person.
pub(super) async fn changes(out: &mut Out, stage: &Stage, run: &Run) -> Result<(), CliError> {
    if out.json {
        return Ok(());
    }
    let entries = stage.db.history_of_run(run.id, 0, 1_000).await?;
    let mut order: Vec<PersonId> = Vec::new();
    let mut by_person: BTreeMap<PersonId, Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        let Some(id) = entry.subject_id.as_deref().and_then(|id| id.parse::<PersonId>().ok())
        else {
            continue;
        };
        if !by_person.contains_key(&id) {
            order.push(id);
        }
        by_person.entry(id).or_default().push(entry);
    }
    for id in order.iter().take(PEOPLE) {
        let name = stage.db.find_person(&PersonKey::Id(*id)).await?.map(|person| person.display());
        let moments =
            person_view::moments(&stage.db, by_person.remove(id).unwrap_or_default()).await?;
        one_person(out, &clean(&name.unwrap_or_else(|| id.to_string())), &moments)?;
    }
    let more = order.len().saturating_sub(PEOPLE);
    if more > 0 {
        out.line(format!("    … and {more} more"))?;
    }
    Ok(())
}

/// What one run changed about one person, in lines that tell something to people.
pub(super) async fn changes_of(
    stage: &Stage,
    run: RunId,
    person: PersonId,
) -> Result<Vec<String>, CliError> {
    let person = person.to_string();
    let mut entries = stage.db.history_of_run(run, 0, 1_000).await?;
    entries.retain(|entry| entry.subject_id.as_deref() == Some(person.as_str()));
    let moments = person_view::moments(&stage.db, entries).await?;
    Ok(moments.iter().flat_map(in_few_words).collect())
}

fn one_person(out: &mut Out, name: &str, moments: &[Moment]) -> Result<(), CliError> {
    const NAME: usize = 20;
    let name = cut(name, NAME);
    let mut left = format!("    {name}{}", " ".repeat(NAME + 1 - measure(&name).min(NAME)));
    let room = out.width.saturating_sub(measure(&left));
    for line in moments.iter().flat_map(in_few_words) {
        for line in wrap(&clean(&line), room) {
            out.line(format!("{left}{line}"))?;
            left = " ".repeat(measure(&left));
        }
    }
    Ok(())
}

/// A change in lines that tell something to people.
fn in_few_words(moment: &Moment) -> Vec<String> {
    let reason = moment.reason.as_deref().unwrap_or_default();
    match moment.kind.as_str() {
        "create" => vec![format!("{}: {}", happened("create"), run_view::about(&moment.fields))],
        "deactivate" | "reactivate" => vec![format!("{}: {reason}", happened(&moment.kind))],
        kind => {
            let fields = in_order(&moment.fields)
                .into_iter()
                .filter(|(name, _)| !TECHNICAL.contains(&name.as_str()));
            let mut lines: Vec<String> = fields
                .map(|(name, sides)| format!("{}: {}", field_words(name), before_after(sides)))
                .collect();
            if kind == "link" {
                lines.insert(0, happened("link").to_owned());
            }
            lines
        }
    }
}

/// One person, as the command shows them.
pub(super) async fn person(out: &mut Out, stage: &Stage, email: &str) -> Result<(), CliError> {
    if out.json {
        return Ok(());
    }
    let key = PersonKey::Email(email.to_owned());
    let Some(person) = stage.db.person_view(ManagerMode::Individual, &key).await? else {
        return Ok(());
    };
    let timeline = person_view::timeline(&stage.db, person.id).await?;
    person_view::text(out, &person, &timeline)
}

fn hanging(out: &mut Out, indent: &str, text: &str) -> Result<(), CliError> {
    for line in wrap(text, out.width.saturating_sub(measure(indent))) {
        out.line(format!("{indent}{line}"))?;
    }
    Ok(())
}
