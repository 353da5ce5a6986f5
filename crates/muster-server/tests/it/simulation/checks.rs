//! What must hold whatever happens, checked after every run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use jiff::civil::Date;
use muster_core::id::RunId;
use muster_core::person::{Role, Status};
use muster_core::run::{ListingState, RunKind, RunState};
use muster_store::TenantDb;
use muster_store::history::Entry;
use muster_store::runs::Run;

use super::company::{Company, Truth};
use super::directory::{Directory, Row};
use super::model::Expected;
use super::people::{Standing, standing};
use super::policy::Policy;
use super::weather::Weather;

/// `Err` says in words what must not be.
pub(crate) type Check<T = ()> = Result<T, String>;

/// Fails with these words unless the condition holds.
macro_rules! must {
    ($holds:expr, $($words:tt)*) => {
        if !$holds {
            return Err(format!($($words)*));
        }
    };
}
pub(crate) use must;

/// Somebody's access that went away, as the history tells it.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) person: String,
    pub(crate) kind: String,
    pub(crate) run: Option<RunId>,
}

/// The history as far as it was read, and what it says of everybody's access.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    pub(crate) seen: i64,
    digest: u64,
    statuses: BTreeMap<String, String>,
    roles: BTreeMap<String, Role>,
}

impl Chronicle {
    /// Reads on; gives the losses of access since the last time, and the kinds of all new entries.
    pub(crate) async fn read_on(&mut self, tenant: &TenantDb) -> Check<(Vec<Loss>, Vec<String>)> {
        let last = tenant.tenant().await.map_err(|error| error.to_string())?.history_seq;
        let mut losses = Vec::new();
        let mut kinds = Vec::new();
        for entry in read(tenant, last, self.seen).await? {
            self.seen += 1;
            must!(
                entry.seq == self.seen,
                "the history goes from {} to {}",
                self.seen - 1,
                entry.seq
            );
            self.digest = fold(self.digest, &entry);
            kinds.push(entry.kind.clone());
            losses.extend(self.access(&entry)?);
        }
        must!(self.seen == last, "the history ends at {} and the tenant says {last}", self.seen);
        Ok((losses, kinds))
    }

    fn access(&mut self, entry: &Entry) -> Check<Option<Loss>> {
        let Some(person) = entry.subject_id.as_ref().filter(|_| entry.subject == "person") else {
            return Ok(None);
        };
        let after = entry.after.as_ref().map_or("{}", |after| after.get());
        let after: serde_json::Value =
            serde_json::from_str(after).map_err(|error| error.to_string())?;
        let said = after.get("status").and_then(serde_json::Value::as_str);
        let before = self.statuses.get(person).cloned();
        must!(
            before.is_some() || entry.kind == "create",
            "{person} begins in the history with {}",
            entry.kind
        );
        let now = said.map(str::to_owned).or(before.clone()).unwrap_or_else(|| "active".to_owned());
        self.statuses.insert(person.clone(), now.clone());
        let rank = |status: &str| {
            ["deactivated", "not_yet", "active"].iter().position(|known| *known == status)
        };
        let lost = before.is_some_and(|before| rank(&now) < rank(&before));
        Ok(lost.then(|| Loss {
            person: person.clone(),
            kind: entry.kind.clone(),
            run: entry.run_id,
        }))
    }

    /// Reads everything again: what was written stays as it was.
    pub(crate) async fn reread(&self, tenant: &TenantDb) -> Check {
        let digest = read(tenant, self.seen, 0).await?.iter().fold(0, fold);
        must!(digest == self.digest, "entries of the history were altered");
        Ok(())
    }

    /// The directory against its own history, and what no run may ever do.
    pub(crate) fn compare(&mut self, directory: &Directory) -> Check {
        let mut okta = BTreeSet::new();
        let mut emails = BTreeSet::new();
        for row in &directory.rows {
            let id = row.id.map(|id| id.to_string()).unwrap_or_default();
            let told = self.statuses.get(&id).map(String::as_str);
            must!(
                told == Some(row.status.as_str()),
                "{} is {}, the history says {told:?}",
                row.email,
                row.status
            );
            must!(emails.insert(row.email.clone()), "two people have the e-mail {}", row.email);
            if let Some(user) = &row.okta {
                must!(okta.insert(user.clone()), "two people have the Okta id {user}");
            }
            let role = *self.roles.entry(id).or_insert(row.role);
            must!(role == row.role, "the role of {} went from {role} to {}", row.email, row.role);
            must!(
                (row.status == Status::Deactivated) == row.gone_at.is_some(),
                "{} is {} and left at {:?}",
                row.email,
                row.status,
                row.gone_at
            );
        }
        must!(
            self.statuses.len() == directory.rows.len(),
            "the history knows of people whom the directory has not"
        );
        let owner = |row: &&Row| row.role == Role::Owner && row.status == Status::Active;
        must!(directory.rows.iter().any(|row| owner(&row)), "there is no active owner");
        Ok(())
    }
}

async fn read(tenant: &TenantDb, to: i64, after: i64) -> Check<Vec<Entry>> {
    if to == after {
        return Ok(Vec::new());
    }
    let mut entries =
        tenant.history(Some(to + 1), to - after).await.map_err(|error| error.to_string())?;
    entries.reverse();
    Ok(entries)
}

fn fold(digest: u64, entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    let json = |side: &Option<Box<serde_json::value::RawValue>>| {
        side.as_ref().map(|side| side.get().to_owned())
    };
    (digest, entry.seq, entry.id.to_string(), entry.at.as_microsecond()).hash(&mut hasher);
    (&entry.kind, &entry.actor, &entry.subject_id, json(&entry.before), json(&entry.after))
        .hash(&mut hasher);
    hasher.finish()
}

/// A finished run with everything it is to be judged by.
pub(crate) struct Ended<'a> {
    pub(crate) run: &'a Run,
    pub(crate) losses: &'a [Loss],
    pub(crate) after: &'a Directory,
    pub(crate) company: &'a Company,
    pub(crate) policy: &'a Policy,
    pub(crate) today: Date,
    pub(crate) weather: &'a Weather,
}

impl Ended<'_> {
    /// All that was true while the run read, as far as Okta may have shown it.
    fn truths(&self) -> impl Iterator<Item = &Truth> {
        let began = self.run.read_started_at.unwrap_or(self.run.queued_at);
        let lag = jiff::SignedDuration::from_secs(i64::from(self.weather.stale) + 1);
        self.company.since(began - lag).iter().map(|(_, truth)| truth)
    }

    fn standing(&self, truth: &Truth, okta: &str) -> Option<Standing> {
        truth.get(okta).map(|user| standing(user, self.policy, self.today))
    }

    pub(crate) fn check(&self) -> Check {
        self.counts()?;
        self.nobody_wronged()?;
        self.nobody_forgotten()
    }

    fn counts(&self) -> Check {
        let run = self.run;
        must!(!run.is_open(), "the run is still {}", run.state);
        must!(run.finished_at.is_some(), "the run has no end");
        if run.state == RunState::Failed {
            return Ok(());
        }
        let c = &run.counts;
        let told = c.created
            + c.linked
            + c.updated
            + c.unchanged
            + c.reactivated
            + c.deactivated
            + c.held
            + c.skipped
            + c.review;
        must!(c.read + c.missing == told, "the counts do not add up: {c:?}");
        must!(
            (run.state == RunState::Held) == (c.held > 0) || run.kind == RunKind::Preview,
            "a run that is {} holds {}",
            run.state,
            c.held
        );
        Ok(())
    }

    /// Nobody lost access whom the company had in all the while, and nobody at all by a run that did not see everything.
    fn nobody_wronged(&self) -> Check {
        for loss in self.losses {
            let Some(run) = loss.run else { continue };
            must!(run == self.run.id, "{} lost access by another run", loss.person);
            must!(loss.kind == "deactivate", "{} lost access by {}", loss.person, loss.kind);
            let state = self.run.state;
            must!(
                state == RunState::Done
                    || (state == RunState::Held && self.run.kind != RunKind::Preview),
                "a run that is {state} took away the access of {}",
                loss.person
            );
            must!(state != RunState::Held, "a run that holds its removals removed {}", loss.person);
            must!(self.run.kind != RunKind::Preview, "a preview removed {}", loss.person);
            let row = self
                .after
                .rows
                .iter()
                .find(|row| row.id.is_some_and(|id| id.to_string() == loss.person));
            let Some(row) = row else { return Err(format!("{} is no more", loss.person)) };
            must!(!row.protected, "{} is protected and lost access", row.email);
            let Some(okta) = &row.okta else {
                return Err(format!("{} is not Okta's to remove", row.email));
            };
            let was_out = self
                .truths()
                .any(|truth| self.standing(truth, okta).is_none_or(|place| !place.is_in()));
            // By decision D11: at most five people who answer 404 while nobody can ask the log.
            let may_be_hidden = self.weather.hidden && !self.weather.log_readable;
            must!(
                was_out || may_be_hidden,
                "{} ({okta}) lost access and was in all the time",
                row.email
            );
        }
        Ok(())
    }

    /// Nobody has access whom a run that saw everything should have removed.
    fn nobody_forgotten(&self) -> Check {
        let run = self.run;
        let whole =
            run.kind == RunKind::Full && run.approves.is_none() && run.state == RunState::Done;
        if !whole {
            return Ok(());
        }
        must!(
            run.listing == Some(ListingState::Complete),
            "a run that is done has the listing {:?}",
            run.listing
        );
        let owners = self
            .after
            .rows
            .iter()
            .filter(|row| row.role == Role::Owner && row.status == Status::Active);
        let owners = owners.count();
        for row in self.after.rows.iter().filter(|row| row.has_access() && !row.protected) {
            let Some(okta) = &row.okta else { continue };
            let last_owner = row.role == Role::Owner && row.status == Status::Active && owners == 1;
            let out = self
                .truths()
                .all(|truth| self.standing(truth, okta).is_none_or(|place| !place.is_in()));
            must!(!out || last_owner, "{} ({okta}) has access and was out all the time", row.email);
        }
        Ok(())
    }
}

/// The differences between what the model expects and what is there; `None` when there are none.
pub(crate) fn differences(
    expected: &Expected,
    actual: &Directory,
    managers: bool,
) -> Option<String> {
    let mut text = String::new();
    let mut matched = BTreeSet::new();
    for want in &expected.rows {
        let found = actual.rows.iter().position(|row| match &want.okta {
            Some(okta) => row.okta.as_ref() == Some(okta),
            None => row.id == want.id,
        });
        let Some(at) = found else {
            let _ = writeln!(text, "  missing  {}", want.line());
            continue;
        };
        matched.insert(at);
        let got = &actual.rows[at];
        let same = |row: &Row| {
            let compared = managers && row.has_access();
            let gone = row.gone_at.is_some();
            // What depends on when and where a row was read is not compared.
            let row = Row { id: None, login: None, made: None, gone_at: None, ..row.clone() };
            (Row { manager: row.manager.clone().filter(|_| compared), ..row }, gone)
        };
        if same(want) != same(got) || (want.id.is_some() && want.id != got.id) {
            let _ = writeln!(text, "  expected {}\n  but is   {}", want.line(), got.line());
        }
    }
    for (at, row) in actual.rows.iter().enumerate().filter(|(at, _)| !matched.contains(at)) {
        let _ = writeln!(text, "  too many {} (row {at})", row.line());
    }
    (!text.is_empty()).then_some(text)
}
