//! The plan: what Okta shows, what the directory holds, the rules and the day give the changes to make. Pure.
//!
//! Planning what was just applied changes nothing, and no plan but a removal takes access away.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::field::{Field, FieldChange, FieldSet};
use crate::id::{OktaUserId, PersonId};
use crate::mapping::{EmailProblem, Mapped, map};
use crate::matching::{Facts, Match, Pairing, find};
use crate::okta_user::{OktaStatus, OktaUser};
use crate::person::{Email, Person, Profile, Role, Status, StatusReason};
use crate::problem::ProblemCode;
use crate::rules::{InviteMode, Rules};
use crate::run::ChangeKind;
use crate::scope::{Scope, due, scope};

/// After how long an absence somebody above learner must be confirmed before they may sign in again.
const LONG_ABSENCE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// One Okta user of a listing of the app's people, with what the directory holds of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub read: OktaUser,
    pub known: Option<Person>,
    pub facts: Facts,
}

/// Whether an address that somebody else holds may become free in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailStep {
    /// It may: whoever wants it waits.
    Defer,
    /// It does not: facts name a holder only if they keep it.
    Resolve,
}

/// What is to be done with one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    pub okta_user_id: OktaUserId,
    /// The account concerned; `None` for somebody new (or nobody).
    pub target: Option<PersonId>,
    pub kind: ChangeKind,
    /// Why, in plain words.
    pub reason: String,
    pub fields: Vec<FieldChange>,
    /// The profile to write; for a removal the one it would leave. `None` when nothing is to be written.
    pub after: Option<Profile>,
    /// For removals: the reason the status will carry.
    pub status_reason: Option<StatusReason>,
    /// Must be planned again once addresses have changed hands.
    pub waits_for_email: bool,
    /// The day on which this person must be planned again even if nothing else changes.
    pub due: Option<Date>,
    /// May sign in only once an owner or admin says so.
    pub confirm_needed: bool,
    pub problems: Vec<ProblemCode>,
    /// What to call the person: their e-mail, else their name, else their Okta id.
    pub label: String,
}

/// Plans each row. The order of the rows does not matter, and each has exactly one answer, in the same place.
pub fn plan(
    rows: &[Row],
    rules: &Rules,
    today: Date,
    now: Timestamp,
    step: EmailStep,
) -> Vec<Planned> {
    rows.iter().map(|row| Planner { row, rules, today, now, step }.plan()).collect()
}

/// The profile of `person` once their access is taken away. Nothing else changes: all of it is there when they come back.
pub fn removal(person: &Person, reason: StatusReason, okta_status: Option<OktaStatus>) -> Profile {
    Profile {
        status: Status::Deactivated,
        reason,
        okta_status: okta_status.or_else(|| match reason {
            StatusReason::Suspended => Some(OktaStatus::Suspended),
            StatusReason::DeactivatedInOkta => Some(OktaStatus::Deprovisioned),
            _ => person.profile.okta_status.clone(),
        }),
        ..person.profile.clone()
    }
}

/// Why somebody lost access, in plain words.
pub fn removal_reason(reason: StatusReason) -> String {
    match reason {
        StatusReason::Unassigned => "no longer assigned to the app in Okta",
        StatusReason::Suspended => "suspended in Okta",
        StatusReason::DeactivatedInOkta => "deactivated in Okta",
        StatusReason::DeletedInOkta => "deleted in Okta",
        StatusReason::Filtered => "kept out by a rule of this tenant",
        StatusReason::ByHand => "deactivated by hand",
        StatusReason::Assigned
        | StatusReason::Staged
        | StatusReason::BeforeStartDate
        | StatusReason::Unmanaged => "",
    }
    .to_owned()
}

struct Planner<'a> {
    row: &'a Row,
    rules: &'a Rules,
    today: Date,
    now: Timestamp,
    step: EmailStep,
}

impl Planner<'_> {
    fn plan(&self) -> Planned {
        let mapped = map(&self.row.read, self.rules);
        let scope = scope(&self.row.read, true, self.rules, self.today);
        match &self.row.known {
            Some(person) => self.known(person, &mapped, &scope),
            None => self.unknown(&mapped, &scope),
        }
    }

    fn blank(&self, mapped: &Mapped, kind: ChangeKind, reason: impl Into<String>) -> Planned {
        let name = || {
            let name = format!(
                "{} {}",
                mapped.first_name.as_deref().unwrap_or_default(),
                mapped.last_name.as_deref().unwrap_or_default()
            );
            let name = name.trim().to_owned();
            if name.is_empty() { self.row.read.id.to_string() } else { name }
        };
        let label = mapped.email.as_ref().map_or_else(|_| name(), |email| email.shown().to_owned());
        Planned {
            okta_user_id: self.row.read.id.clone(),
            target: None,
            kind,
            reason: reason.into(),
            fields: Vec::new(),
            after: None,
            status_reason: None,
            waits_for_email: false,
            due: due(&self.row.read, self.rules, self.today),
            confirm_needed: false,
            problems: Vec::new(),
            label,
        }
    }

    /// An Okta user whom the directory does not know by id.
    fn unknown(&self, mapped: &Mapped, scope: &Scope) -> Planned {
        if let Scope::Excluded { rule } = scope {
            let mut planned =
                self.blank(mapped, ChangeKind::Skip, format!("kept out by the rule: {rule}"));
            planned.problems.push(ProblemCode::ExcludedByRule);
            return planned;
        }
        let email = match &mapped.email {
            Ok(email) => email,
            Err(problem) => {
                let (code, why) = match problem {
                    EmailProblem::Missing => (ProblemCode::EmailMissing, "has no e-mail in Okta"),
                    EmailProblem::Malformed => {
                        (ProblemCode::EmailMalformed, "has an e-mail in Okta that is none")
                    }
                };
                let mut planned = self.blank(mapped, ChangeKind::Skip, why);
                planned.problems.push(code);
                return planned;
            }
        };
        if *scope == Scope::Unknown {
            let status = self.row.read.status.as_str();
            let why =
                format!("has the status {status}, which this version of Muster does not know");
            let mut planned = self.blank(mapped, ChangeKind::Review, why);
            planned.problems.push(ProblemCode::UnknownStatus);
            return planned;
        }
        let enters = matches!(scope, Scope::In | Scope::NotYet(_));
        let may_leave = self.step == EmailStep::Defer;
        match find(mapped, &self.row.facts, self.rules, enters, may_leave) {
            Match::Create => self.create(mapped, email, scope),
            Match::Link(id) => self.link(id, mapped, scope, "linked to the account that was here"),
            Match::Relink(id) => {
                let old = self.account(id).and_then(|person| person.profile.okta_user_id.as_ref());
                let old = old.map(ToString::to_string).unwrap_or_default();
                self.link(
                    id,
                    mapped,
                    scope,
                    &format!("came back under a new Okta id; re-linked from old id {old}"),
                )
            }
            Match::Wait => {
                let mut planned = self.blank(
                    mapped,
                    ChangeKind::Review,
                    "waits for an e-mail that somebody else has",
                );
                planned.waits_for_email = true;
                planned
            }
            Match::Review(code, why) => {
                let mut planned = self.blank(mapped, ChangeKind::Review, why);
                planned.problems.push(code);
                planned
            }
        }
    }

    fn create(&self, mapped: &Mapped, email: &Email, scope: &Scope) -> Planned {
        let (status, reason) = standing(scope).unwrap_or((Status::NotYet, StatusReason::Staged));
        let empty = Profile {
            okta_user_id: None,
            okta_status: None,
            okta_created: None,
            status,
            reason,
            email: email.clone(),
            first_name: String::new(),
            last_name: String::new(),
            title: None,
            language: None,
            location: None,
            team: None,
            photo_url: None,
            start_date: None,
            login: None,
            employee_number: None,
            display_name: None,
            manager_raw: None,
            from_okta: FieldSet::default(),
        };
        let mut problems = mapped.problems.clone();
        let mut after = self.fed(&empty, FieldSet::default(), mapped, &mut problems);
        after.email = email.clone();
        let why = match (status, reason) {
            (Status::Deactivated, reason) => removal_reason(reason),
            (Status::NotYet, StatusReason::Staged) => {
                "assigned to the app in Okta, not activated there yet".to_owned()
            }
            (Status::NotYet, _) => "assigned to the app in Okta, starts later".to_owned(),
            (Status::Active, _) => "assigned to the app in Okta".to_owned(),
        };
        let mut planned = self.blank(mapped, ChangeKind::Create, why);
        planned.fields = changes(None, &after);
        planned.problems = self.told(problems, after.start_date.is_none());
        planned.after = Some(after);
        planned
    }

    fn account(&self, id: PersonId) -> Option<&Person> {
        let facts = &self.row.facts;
        let paired = match &facts.pairing {
            Some(Pairing::Same(person)) => Some(person),
            _ => None,
        };
        [paired, facts.holder.as_ref(), facts.namesake.as_ref()]
            .into_iter()
            .flatten()
            .find(|person| person.id == id)
    }

    fn link(&self, id: PersonId, mapped: &Mapped, scope: &Scope, why: &str) -> Planned {
        let Some(account) = self.account(id) else {
            return self.blank(mapped, ChangeKind::Review, why);
        };
        let mut problems = mapped.problems.clone();
        let mut after = self.fed(&account.profile, account.pinned, mapped, &mut problems);
        if let Ok(email) = &mapped.email {
            let free =
                email.key() == account.profile.email.key() || self.row.facts.holder.is_none();
            if free && !account.pinned.has(Field::Email) {
                after.email = email.clone();
                after.from_okta = after.from_okta.with(Field::Email, true);
            }
        }
        let by_hand = account.profile.status == Status::Deactivated
            && account.profile.reason == StatusReason::ByHand;
        if by_hand && !self.rules.okta_wins {
            after.status = Status::Deactivated;
            after.reason = StatusReason::ByHand;
        } else if let Some((status, reason)) = standing(scope) {
            (after.status, after.reason) = (status, reason);
        }
        let mut planned = self.blank(mapped, ChangeKind::Link, why);
        planned.target = Some(id);
        planned.fields = changes(Some(&account.profile), &after);
        planned.problems = self.told(problems, after.start_date.is_none());
        planned.after = Some(after);
        planned
    }

    /// Somebody whom Okta feeds already.
    fn known(&self, person: &Person, mapped: &Mapped, scope: &Scope) -> Planned {
        let mut problems = mapped.problems.clone();
        let mut after = self.fed(&person.profile, person.pinned, mapped, &mut problems);
        let mut planned = self.blank(mapped, ChangeKind::Unchanged, "");
        planned.target = Some(person.id);
        planned.label = person.profile.email.shown().to_owned();
        match &mapped.email {
            Err(problem) => problems.push(match problem {
                EmailProblem::Missing => ProblemCode::EmailMissing,
                EmailProblem::Malformed => ProblemCode::EmailMalformed,
            }),
            Ok(_) if person.pinned.has(Field::Email) => {}
            Ok(email) if email.key() == person.profile.email.key() => after.email = email.clone(),
            Ok(_) if self.row.facts.email_winner.is_some() => {
                problems.push(ProblemCode::EmailDuplicate)
            }
            Ok(email) => match &self.row.facts.holder {
                None => after.email = email.clone(),
                Some(_) if self.step == EmailStep::Defer => {
                    planned.waits_for_email = true;
                    return planned;
                }
                Some(_) => problems.push(ProblemCode::EmailConflict),
            },
        }
        let outcome = self.access(person, scope, &mut after, &mut problems);
        planned.confirm_needed = outcome.confirm_needed;
        planned.status_reason = outcome.removal;
        planned.fields = changes(Some(&person.profile), &after);
        let needs_decision = problems.iter().any(|code| {
            matches!(
                code,
                ProblemCode::EmailConflict
                    | ProblemCode::EmailDuplicate
                    | ProblemCode::UnknownStatus
            )
        });
        let changed = after != person.profile;
        (planned.kind, planned.reason) = if let Some(reason) = outcome.removal {
            (ChangeKind::Deactivate, self.why_out(scope, reason))
        } else if outcome.returns {
            (ChangeKind::Reactivate, "back in scope in Okta".to_owned())
        } else if changed {
            (ChangeKind::Update, "changed in Okta".to_owned())
        } else if needs_decision {
            (ChangeKind::Review, self.why_review(&problems))
        } else {
            (ChangeKind::Unchanged, String::new())
        };
        planned.problems = self.told(problems, after.start_date.is_none());
        planned.after = changed.then_some(after);
        planned
    }

    /// What becomes of the access of somebody who is known, written into `after`.
    fn access(
        &self,
        person: &Person,
        scope: &Scope,
        after: &mut Profile,
        problems: &mut Vec<ProblemCode>,
    ) -> Access {
        let was_out = person.profile.status == Status::Deactivated;
        let mut access = Access::default();
        match standing(scope) {
            None => problems.push(ProblemCode::UnknownStatus),
            Some((Status::Deactivated, reason)) if !was_out => {
                if person.break_glass {
                    problems.push(ProblemCode::LastOwnerKept);
                } else {
                    (after.status, after.reason) = (Status::Deactivated, reason);
                    access.removal = Some(reason);
                }
            }
            // Whoever is out keeps the reason for which they went.
            Some((Status::Deactivated, _)) => {}
            Some((status, reason)) => {
                let by_hand = was_out && person.profile.reason == StatusReason::ByHand;
                let stays_out =
                    was_out && (!self.rules.reactivate || (by_hand && !self.rules.okta_wins));
                // Somebody who was in does not lose access because their start date was moved.
                let was_in = person.profile.status == Status::Active;
                let only_later = was_in && status == Status::NotYet;
                if !stays_out && !only_later {
                    (after.status, after.reason) = (status, reason);
                    access.returns = was_out;
                    if was_out && self.is_long_absent(person) {
                        access.confirm_needed = true;
                        problems.push(ProblemCode::ReturnsAfterLongAbsence);
                    }
                }
            }
        }
        access
    }

    fn is_long_absent(&self, person: &Person) -> bool {
        person.role != Role::Learner
            && person.deactivated_at.is_some_and(|at| self.now.duration_since(at) > LONG_ABSENCE)
    }

    fn why_out(&self, scope: &Scope, reason: StatusReason) -> String {
        match scope {
            Scope::Excluded { rule } => format!("kept out by the rule: {rule}"),
            _ => removal_reason(reason),
        }
    }

    fn why_review(&self, problems: &[ProblemCode]) -> String {
        let facts = &self.row.facts;
        if problems.contains(&ProblemCode::UnknownStatus) {
            return format!(
                "has the status {}, which this version of Muster does not know",
                self.row.read.status
            );
        }
        match (&facts.holder, &facts.email_winner) {
            (Some(holder), _) => {
                format!(
                    "the new e-mail belongs to {}; change it for one of them",
                    holder.display()
                )
            }
            (None, Some(winner)) => {
                format!("another Okta user ({winner}) has the same e-mail and comes first")
            }
            (None, None) => "needs a decision".to_owned(),
        }
    }

    /// The profile with everything that Okta feeds, save e-mail and access.
    fn fed(
        &self,
        before: &Profile,
        pinned: FieldSet,
        mapped: &Mapped,
        problems: &mut Vec<ProblemCode>,
    ) -> Profile {
        let mut after = before.clone();
        after.okta_user_id = Some(self.row.read.id.clone());
        after.okta_status = Some(self.row.read.status.clone());
        after.okta_created = self.row.read.created.or(before.okta_created);
        let mut feed = Feed { after_okta: before.from_okta, pinned, clear: self.rules.clear_empty };
        feed.name(Field::FirstName, &mut after.first_name, mapped.first_name.as_ref(), problems);
        let told = problems.len();
        feed.name(Field::LastName, &mut after.last_name, mapped.last_name.as_ref(), problems);
        if before.last_name.is_empty() {
            // Some people have one name: that it stays empty is no problem.
            problems.truncate(told);
        }
        feed.value(Field::Title, &mut after.title, mapped.title.as_ref());
        feed.value(Field::Language, &mut after.language, mapped.language.as_ref());
        feed.place(Field::Location, &mut after.location, mapped.location.as_ref());
        feed.place(Field::Team, &mut after.team, mapped.team.as_ref());
        if !mapped.photo_refused {
            feed.value(Field::PhotoUrl, &mut after.photo_url, mapped.photo_url.as_ref());
        }
        feed.value(Field::StartDate, &mut after.start_date, mapped.start_date.as_ref());
        after.login.clone_from(&mapped.login);
        after.employee_number = mapped
            .employee_number
            .clone()
            .or_else(|| before.employee_number.clone().filter(|_| before.okta_user_id.is_none()));
        after.display_name.clone_from(&mapped.display_name);
        feed.value(Field::ManagerRaw, &mut after.manager_raw, mapped.manager_raw.as_ref());
        after.from_okta = feed.after_okta.with(
            Field::Email,
            before.from_okta.has(Field::Email) || before.okta_user_id.is_none(),
        );
        after
    }

    /// Problems of a plan, once each and in order.
    fn told(&self, mut problems: Vec<ProblemCode>, no_start: bool) -> Vec<ProblemCode> {
        if no_start && self.rules.invite == InviteMode::OnStartDate {
            problems.push(ProblemCode::StartDateMissing);
        }
        problems.sort_unstable();
        problems.dedup();
        problems
    }
}

#[derive(Default)]
struct Access {
    removal: Option<StatusReason>,
    returns: bool,
    confirm_needed: bool,
}

/// What a scope means for a status; `None` where nothing may be concluded.
fn standing(scope: &Scope) -> Option<(Status, StatusReason)> {
    match scope {
        Scope::In => Some((Status::Active, StatusReason::Assigned)),
        Scope::NotYet(reason) => Some((Status::NotYet, *reason)),
        Scope::Out(reason) => Some((Status::Deactivated, *reason)),
        Scope::Excluded { .. } => Some((Status::Deactivated, StatusReason::Filtered)),
        Scope::Unknown => None,
    }
}

/// Feeds fields: a value from Okta wins; a value that Okta clears is cleared only if it came from Okta; a pin holds.
struct Feed {
    after_okta: FieldSet,
    pinned: FieldSet,
    clear: bool,
}

impl Feed {
    fn value<T: Clone>(&mut self, field: Field, held: &mut Option<T>, said: Option<&T>) {
        if self.pinned.has(field) {
            return;
        }
        match said {
            Some(value) => {
                *held = Some(value.clone());
                self.after_okta = self.after_okta.with(field, true);
            }
            None if self.clear && self.after_okta.has(field) => {
                *held = None;
                self.after_okta = self.after_okta.with(field, false);
            }
            None => {}
        }
    }

    /// Two spellings of one place are one place: the one shown first stays.
    fn place(
        &mut self,
        field: Field,
        held: &mut Option<crate::name::Name>,
        said: Option<&crate::name::Name>,
    ) {
        let same = held.as_ref().zip(said).is_some_and(|(held, said)| held.key() == said.key());
        if same && !self.pinned.has(field) {
            self.after_okta = self.after_okta.with(field, true);
        } else {
            self.value(field, held, said);
        }
    }

    /// A name is never blanked.
    fn name(
        &mut self,
        field: Field,
        held: &mut String,
        said: Option<&String>,
        problems: &mut Vec<ProblemCode>,
    ) {
        match said {
            _ if self.pinned.has(field) => {}
            Some(name) => {
                held.clone_from(name);
                self.after_okta = self.after_okta.with(field, true);
            }
            None if !held.is_empty() => problems.push(ProblemCode::NameKept),
            None => {}
        }
    }
}

/// The fields in which two profiles differ, in the order in which they are shown.
fn changes(before: Option<&Profile>, after: &Profile) -> Vec<FieldChange> {
    let text = |profile: &Profile, field: Field| -> Option<String> {
        let name =
            |name: &Option<crate::name::Name>| name.as_ref().map(|name| name.shown().to_owned());
        let set = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        match field {
            Field::FirstName => set(&profile.first_name),
            Field::LastName => set(&profile.last_name),
            Field::Email => Some(profile.email.shown().to_owned()),
            Field::Title => profile.title.clone(),
            Field::Language => profile.language.clone(),
            Field::Location => name(&profile.location),
            Field::Team => name(&profile.team),
            Field::PhotoUrl => profile.photo_url.clone(),
            Field::StartDate => profile.start_date.map(|date| date.to_string()),
            Field::Manager => None,
            Field::Status => Some(profile.status.as_str().to_owned()),
            Field::OktaUserId => profile.okta_user_id.as_ref().map(ToString::to_string),
            Field::OktaStatus => profile.okta_status.as_ref().map(ToString::to_string),
            Field::Login => profile.login.clone(),
            Field::EmployeeNumber => profile.employee_number.clone(),
            Field::DisplayName => profile.display_name.clone(),
            Field::ManagerRaw => profile.manager_raw.clone(),
        }
    };
    if before == Some(after) {
        return Vec::new();
    }
    Field::ALL
        .iter()
        .filter_map(|&field| {
            let (before, after) =
                (before.and_then(|profile| text(profile, field)), text(after, field));
            (before != after).then_some(FieldChange { field, before, after })
        })
        .collect()
}

#[cfg(test)]
mod tests;
