//! Words that people read, and words that people type.

use std::str::FromStr as _;

use muster_core::field::Field;
use muster_core::id::RunId;
use muster_core::person::{Email, Role, Status, StatusReason};
use muster_core::run::{ChangeKind, RunCause, RunKind, RunState};
use muster_store::people::PersonKey;

/// Reads an address.
pub(super) fn email(text: &str) -> Result<Email, String> {
    Email::parse(text).map_err(|bad| bad.to_string())
}

/// Reads a role.
pub(super) fn role(text: &str) -> Result<Role, String> {
    one_of(text, Role::parse, Role::ALL, Role::as_str)
}

/// Reads a status.
pub(super) fn status(text: &str) -> Result<Status, String> {
    one_of(text, Status::parse, Status::ALL, Status::as_str)
}

/// Reads the id of a run.
pub(super) fn run_id(text: &str) -> Result<RunId, String> {
    RunId::from_str(text.trim())
        .map_err(|_| "a run's id begins with run_; `muster run list SUB` shows them".to_owned())
}

/// Reads what names a person.
pub(super) fn person(text: &str) -> Result<PersonKey, String> {
    PersonKey::parse(text).map_err(|bad| bad.to_string())
}

fn one_of<T: Copy>(
    text: &str,
    parse: impl Fn(&str) -> Option<T>,
    all: &[T],
    word: impl Fn(T) -> &'static str,
) -> Result<T, String> {
    parse(&text.trim().to_lowercase()).ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|value| word(*value)).collect();
        format!("must be one of {}", words.join(", "))
    })
}

/// A status with its reason, short enough for a table.
pub(super) fn status_words(status: Status, reason: StatusReason) -> String {
    let why = match reason {
        StatusReason::Assigned => return status.as_str().to_owned(),
        StatusReason::Staged => "staged",
        StatusReason::BeforeStartDate => "before start date",
        StatusReason::Unassigned => "unassigned",
        StatusReason::Suspended => "suspended",
        StatusReason::DeactivatedInOkta => "deactivated in Okta",
        StatusReason::DeletedInOkta => "deleted in Okta",
        StatusReason::Filtered => "filtered by a rule",
        StatusReason::ByHand => "by hand",
        StatusReason::Unmanaged => "not from Okta",
    };
    let status = match status {
        Status::Active => "active",
        Status::NotYet => "not yet",
        Status::Deactivated => "deactivated",
    };
    format!("{status} ({why})")
}

/// What made a run or a change, as the end of "… by".
pub(super) fn cause_words(cause: &str) -> &'static str {
    match RunCause::parse(cause) {
        Some(RunCause::Button) => "the button",
        Some(RunCause::Schedule) => "the daily run",
        Some(RunCause::Event) => "an event from Okta",
        Some(RunCause::Log) => "Okta's System Log",
        Some(RunCause::SignIn) => "a sign-in",
        Some(RunCause::StartDate) => "a start date",
        Some(RunCause::Connect) => "connecting to Okta",
        Some(RunCause::Cli) => "a command",
        Some(RunCause::Approval) => "an approval",
        Some(RunCause::Undo) => "an undo",
        None => "something unknown",
    }
}

/// What kind of run it is.
pub(super) fn kind_words(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Full => "full run",
        RunKind::Person => "run for one person",
        RunKind::Preview => "preview",
    }
}

/// How a run stands.
pub(super) fn state_words(state: RunState) -> &'static str {
    match state {
        RunState::Queued => "is queued",
        RunState::Running => "is running",
        RunState::Done => "is done",
        RunState::Held => "is done, but removals are held",
        RunState::Incomplete => "is incomplete: nobody was removed",
        RunState::Failed => "failed",
        RunState::Discarded => "was discarded",
    }
}

/// What happened to a person, from the kind of a history entry.
pub(super) fn happened(kind: &str) -> &str {
    match kind {
        "create" => "account made",
        "link" => "linked to Okta",
        "update" => "changed",
        "reactivate" => "access given back",
        "deactivate" => "access taken away",
        "manager" => "other manager",
        "pairing" => "pairing decided",
        "join_team" => "joined a team",
        "leave_team" => "left a team",
        "erased" => "erased",
        other => other,
    }
}

/// What a plan wants done, as a sign and a word.
pub(super) fn change_words(kind: ChangeKind) -> (&'static str, &'static str) {
    match kind {
        ChangeKind::Create => ("+", "create"),
        ChangeKind::Link => ("=", "link"),
        ChangeKind::Update => ("~", "update"),
        ChangeKind::Reactivate => ("^", "reactivate"),
        ChangeKind::Deactivate => ("-", "deactivate"),
        ChangeKind::Skip => (".", "skipped"),
        ChangeKind::Review => ("?", "needs a decision"),
        ChangeKind::Unchanged => (" ", "unchanged"),
    }
}

/// A field's name for people.
pub(super) fn field_words(name: &str) -> String {
    let known = Field::ALL.iter().find(|field| field.name() == name);
    match known {
        Some(Field::Email) => "e-mail".to_owned(),
        Some(Field::PhotoUrl) => "photo".to_owned(),
        Some(Field::OktaUserId) => "Okta id".to_owned(),
        Some(Field::OktaStatus) => "status in Okta".to_owned(),
        Some(Field::ManagerRaw) => "manager in Okta".to_owned(),
        _ => name.replace('_', " "),
    }
}
