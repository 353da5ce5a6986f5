//! The plan: what Okta shows, what the directory holds, the rules and the day give the changes to make. Pure.
//!
//! Planning what was just applied changes nothing, and no plan but a removal takes access away. A plan cannot set a role:
//! a [`Profile`] has none.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::field::{Field, FieldChange, FieldSet};
use crate::id::{OktaUserId, PersonId};
use crate::mapping::{EmailProblem, Mapped, Mapper};
use crate::matching::{Facts, Match, find};
use crate::okta_user::{OktaStatus, OktaUser};
use crate::person::{Email, Person, Profile, Role, Status, StatusReason};
use crate::problem::ProblemCode;
use crate::rules::{InviteMode, Rules};
use crate::run::ChangeKind;
use crate::scope::{Scope, judge, lies_ahead};

mod changes;
mod feed;

use changes::changes;
use feed::fed;

/// After how long an absence somebody above learner must be confirmed before they may sign in again.
const LONG_ABSENCE: SignedDuration = SignedDuration::from_hours(24 * 30);

/// One Okta user of a listing of the app's people, with what the directory holds of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What Okta shows.
    pub read: OktaUser,
    /// The account that belongs to this Okta id, if any.
    pub known: Option<Person>,
    /// What else bears on this row.
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
    /// Whose plan this is.
    pub okta_user_id: OktaUserId,
    /// The account concerned; `None` for somebody new (or nobody).
    pub target: Option<PersonId>,
    /// What happens.
    pub kind: ChangeKind,
    /// Why, in plain words.
    pub reason: String,
    /// The fields that change, in the order in which they are shown.
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
    /// What was degraded or odd: each once, in order.
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
    let mut mapper = Mapper::new(rules);
    let mut planned: Vec<Planned> = rows
        .iter()
        .map(|row| {
            let mapped = mapper.map(&row.read);
            let ahead = lies_ahead(mapped.start_date, rules, today);
            let scope = judge(&row.read, true, rules, || ahead.is_some());
            let planner = Planner { row, rules, now, step, mapped: &mapped, ahead };
            match &row.known {
                Some(person) => planner.known(person, &scope),
                None => planner.unknown(&scope),
            }
        })
        .collect();
    one_account_each(rows, &mut planned);
    planned
}

/// Lets no account become two Okta users' at once. Its own Okta user goes first, then a decision by hand, then the smaller
/// Okta id.
fn one_account_each(rows: &[Row], planned: &mut [Planned]) {
    let is_link = |plan: &Planned| plan.kind == ChangeKind::Link;
    if !planned.iter().any(is_link) {
        return;
    }
    let mut owners: BTreeMap<PersonId, (Claim, &OktaUserId)> = BTreeMap::new();
    for (row, plan) in rows.iter().zip(planned.iter()) {
        let (account, claim) = match (&row.known, plan.target) {
            (Some(person), _) => (person.id, Claim::Own),
            (None, Some(target)) if row.facts.is_paired() => (target, Claim::Decision),
            (None, Some(target)) => (target, Claim::Email),
            (None, None) => continue,
        };
        let claim = (claim, &row.read.id);
        owners.entry(account).and_modify(|best| *best = claim.min(*best)).or_insert(claim);
    }
    for plan in planned.iter_mut().filter(|plan| is_link(plan)) {
        let Some((_, owner)) = plan.target.and_then(|target| owners.get(&target)) else { continue };
        if **owner != plan.okta_user_id {
            plan.reason = format!("the account that fits belongs to another Okta user ({owner})");
            plan.kind = ChangeKind::Review;
            plan.target = None;
            plan.after = None;
            plan.fields.clear();
            plan.confirm_needed = false;
            plan.problems = vec![ProblemCode::EmailConflict];
        }
    }
}

/// Why an Okta user should have an account, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    Own,
    Decision,
    Email,
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
    now: Timestamp,
    step: EmailStep,
    mapped: &'a Mapped,
    /// The start date, while it lies ahead and people wait for theirs.
    ahead: Option<Date>,
}

impl Planner<'_> {
    fn blank(&self, label: String, kind: ChangeKind, reason: impl Into<String>) -> Planned {
        Planned {
            okta_user_id: self.row.read.id.clone(),
            target: None,
            kind,
            reason: reason.into(),
            fields: Vec::new(),
            after: None,
            status_reason: None,
            waits_for_email: false,
            due: self.ahead,
            confirm_needed: false,
            problems: Vec::new(),
            label,
        }
    }

    /// What to call somebody of whom only Okta tells.
    fn label(&self) -> String {
        if let Ok(email) = &self.mapped.email {
            return email.shown().to_owned();
        }
        let part = |part: &Option<String>| part.clone().unwrap_or_default();
        let name = format!("{} {}", part(&self.mapped.first_name), part(&self.mapped.last_name));
        match name.trim() {
            "" => self.row.read.id.to_string(),
            name => name.to_owned(),
        }
    }

    fn no_account(&self, kind: ChangeKind, code: ProblemCode, why: impl Into<String>) -> Planned {
        let mut planned = self.blank(self.label(), kind, why);
        planned.problems.push(code);
        planned
    }

    /// An Okta user whom the directory does not know by id.
    fn unknown(&self, scope: &Scope) -> Planned {
        if let Scope::Excluded { rule } = scope {
            let why = format!("kept out by the rule: {rule}");
            return self.no_account(ChangeKind::Skip, ProblemCode::ExcludedByRule, why);
        }
        let email = match &self.mapped.email {
            Ok(email) => email,
            Err(EmailProblem::Missing) => {
                let why = "has no e-mail in Okta";
                return self.no_account(ChangeKind::Skip, ProblemCode::EmailMissing, why);
            }
            Err(EmailProblem::Malformed) => {
                let why = "has an e-mail in Okta that is none";
                return self.no_account(ChangeKind::Skip, ProblemCode::EmailMalformed, why);
            }
        };
        if *scope == Scope::Unknown {
            let why = self.why_unknown_status();
            return self.no_account(ChangeKind::Review, ProblemCode::UnknownStatus, why);
        }
        let facts = &self.row.facts;
        let enters = matches!(scope, Scope::In | Scope::NotYet(_));
        let may_leave = self.step == EmailStep::Defer;
        match find(self.mapped, facts, self.rules, enters, may_leave) {
            Match::Create => self.create(email, scope),
            Match::Link(id) => self.link(id, email, scope, "linked to the account that was here"),
            Match::Relink(id) => {
                let old = facts.account(id).and_then(|person| person.profile.okta_user_id.as_ref());
                let old = old.map(OktaUserId::as_str).unwrap_or_default();
                let why = format!("came back under a new Okta id; re-linked from old id {old}");
                self.link(id, email, scope, &why)
            }
            Match::Wait => {
                let why = "waits for an e-mail that somebody else has";
                let mut planned = self.blank(self.label(), ChangeKind::Review, why);
                planned.waits_for_email = true;
                planned
            }
            Match::Review(code, why) => self.no_account(ChangeKind::Review, code, why),
        }
    }

    fn create(&self, email: &Email, scope: &Scope) -> Planned {
        // Excluded and unknown were answered before.
        let (status, reason) = standing(scope).unwrap_or((Status::NotYet, StatusReason::Staged));
        let mut problems = self.mapped.problems.clone();
        let empty = nobody(email, status, reason);
        let after = fed(
            &empty,
            FieldSet::default(),
            &self.row.read,
            self.mapped,
            self.rules,
            &mut problems,
        );
        let why = match (status, reason) {
            (Status::Deactivated, reason) => removal_reason(reason),
            (Status::NotYet, StatusReason::Staged) => {
                "assigned to the app in Okta, not activated there yet".to_owned()
            }
            (Status::NotYet, _) => "assigned to the app in Okta, starts later".to_owned(),
            (Status::Active, _) => "assigned to the app in Okta".to_owned(),
        };
        let mut planned = self.blank(email.shown().to_owned(), ChangeKind::Create, why);
        planned.fields = changes(None, &after);
        planned.problems = self.told(problems, &after);
        planned.after = Some(after);
        planned
    }

    /// An account that becomes this Okta user's, or becomes it again under a new id.
    fn link(&self, id: PersonId, email: &Email, scope: &Scope, why: &str) -> Planned {
        let facts = &self.row.facts;
        let Some(account) = facts.account(id) else {
            return self.no_account(ChangeKind::Review, ProblemCode::EmailConflict, why);
        };
        let mut problems = self.mapped.problems.clone();
        let before = &account.profile;
        let mut after =
            fed(before, account.pinned, &self.row.read, self.mapped, self.rules, &mut problems);
        if email.key() == before.email.key() || account.pinned.has(Field::Email) {
            // It is theirs already, or an admin said which one it is.
        } else if facts.email_winner.is_some() {
            problems.push(ProblemCode::EmailDuplicate);
        } else if facts.holder.as_ref().is_some_and(|holder| holder.id != id) {
            problems.push(ProblemCode::EmailConflict);
        } else {
            after.email = email.clone();
        }
        let access = self.access(account, scope, &mut after, &mut problems);
        match (scope, after.status, after.reason) {
            // Whoever was in stays in until Okta takes that back: staged or starting later takes nothing away.
            (_, Status::Active, StatusReason::Unmanaged) => after.reason = StatusReason::Assigned,
            (Scope::Out(reason), Status::Deactivated, old) if old != StatusReason::ByHand => {
                after.reason = *reason;
            }
            _ => {}
        }
        let mut planned = self.blank(email.shown().to_owned(), ChangeKind::Link, why);
        planned.target = Some(id);
        planned.confirm_needed = access.confirm_needed;
        planned.fields = changes(Some(before), &after);
        planned.problems = self.told(problems, &after);
        planned.after = Some(after);
        planned
    }

    /// Somebody whom Okta feeds already.
    fn known(&self, person: &Person, scope: &Scope) -> Planned {
        let label = person.profile.email.shown().to_owned();
        let mut planned = self.blank(label, ChangeKind::Unchanged, "");
        planned.target = Some(person.id);
        let mut problems = self.mapped.problems.clone();
        let new_email = match self.email(person) {
            NewEmail::Waits => {
                planned.waits_for_email = true;
                return planned;
            }
            NewEmail::Kept(problem) => {
                problems.extend(problem);
                None
            }
            NewEmail::Taken(email) => Some(email),
        };
        let before = &person.profile;
        let mut after =
            fed(before, person.pinned, &self.row.read, self.mapped, self.rules, &mut problems);
        if let Some(email) = new_email {
            after.email.clone_from(email);
        }
        let access = self.access(person, scope, &mut after, &mut problems);
        let changed = after != *before;
        (planned.kind, planned.reason) = if let Some(reason) = access.removal {
            (ChangeKind::Deactivate, why_out(scope, reason))
        } else if access.returns {
            (ChangeKind::Reactivate, "back in scope in Okta".to_owned())
        } else if changed {
            (ChangeKind::Update, why_changed(before, &after))
        } else if problems.iter().copied().any(needs_decision) {
            (ChangeKind::Review, self.why_review(&problems))
        } else {
            (ChangeKind::Unchanged, String::new())
        };
        planned.confirm_needed = access.confirm_needed;
        planned.status_reason = access.removal;
        if changed {
            planned.fields = changes(Some(before), &after);
        }
        planned.problems = self.told(problems, &after);
        planned.after = changed.then_some(after);
        planned
    }

    /// What becomes of the e-mail of somebody who is known.
    fn email(&self, person: &Person) -> NewEmail<'_> {
        let facts = &self.row.facts;
        match &self.mapped.email {
            Err(EmailProblem::Missing) => NewEmail::Kept(Some(ProblemCode::EmailMissing)),
            Err(EmailProblem::Malformed) => NewEmail::Kept(Some(ProblemCode::EmailMalformed)),
            Ok(_) if person.pinned.has(Field::Email) => NewEmail::Kept(None),
            // Another spelling of the same address is nobody else's.
            Ok(email) if email.key() == person.profile.email.key() => NewEmail::Taken(email),
            Ok(_) if facts.email_winner.is_some() => {
                NewEmail::Kept(Some(ProblemCode::EmailDuplicate))
            }
            Ok(email) if facts.holder.is_none() => NewEmail::Taken(email),
            Ok(_) if self.step == EmailStep::Defer => NewEmail::Waits,
            Ok(_) => NewEmail::Kept(Some(ProblemCode::EmailConflict)),
        }
    }

    /// What becomes of the access of somebody who has an account, written into `after`.
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
            Some((Status::Deactivated, _)) if !was_out && person.break_glass => {
                problems.push(ProblemCode::LastOwnerKept);
            }
            Some((Status::Deactivated, reason)) if !was_out => {
                (after.status, after.reason) = (Status::Deactivated, reason);
                access.removal = Some(reason);
            }
            // Whoever is out keeps the reason for which they went.
            Some((Status::Deactivated, _)) => {}
            Some((status, reason)) => {
                let by_hand = person.profile.reason == StatusReason::ByHand;
                let stays_out =
                    was_out && (!self.rules.reactivate || (by_hand && !self.rules.okta_wins));
                // Somebody who was in does not lose access because their start date was moved.
                let only_later =
                    person.profile.status == Status::Active && status == Status::NotYet;
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

    fn why_unknown_status(&self) -> String {
        let status = &self.row.read.status;
        format!("has the status {status}, which this version of Muster does not know")
    }

    fn why_review(&self, problems: &[ProblemCode]) -> String {
        let facts = &self.row.facts;
        if problems.contains(&ProblemCode::UnknownStatus) {
            return self.why_unknown_status();
        }
        match (&facts.email_winner, &facts.holder) {
            (Some(winner), _) => {
                format!("another Okta user ({winner}) has the same e-mail and comes first")
            }
            (None, Some(holder)) => {
                let whose = holder.display();
                format!("the new e-mail belongs to {whose}; change it for one of them")
            }
            (None, None) => "needs a decision".to_owned(),
        }
    }

    /// Problems of a plan, once each and in order.
    fn told(&self, mut problems: Vec<ProblemCode>, after: &Profile) -> Vec<ProblemCode> {
        if after.team.is_none() && !self.rules.map.team.is_empty() {
            problems.push(ProblemCode::NoTeam);
        }
        let waits_for_dates = self.rules.invite == InviteMode::OnStartDate;
        if waits_for_dates
            && after.start_date.is_none()
            && !problems.contains(&ProblemCode::StartDateMalformed)
        {
            problems.push(ProblemCode::StartDateMissing);
        }
        problems.sort_unstable();
        problems.dedup();
        problems
    }
}

/// What becomes of an e-mail.
enum NewEmail<'a> {
    /// The old one stays, perhaps because of a problem.
    Kept(Option<ProblemCode>),
    Taken(&'a Email),
    /// Somebody else has it and may release it.
    Waits,
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

/// Problems that stay until a person settles them.
fn needs_decision(code: ProblemCode) -> bool {
    matches!(
        code,
        ProblemCode::EmailConflict | ProblemCode::EmailDuplicate | ProblemCode::UnknownStatus
    )
}

fn why_out(scope: &Scope, reason: StatusReason) -> String {
    match scope {
        Scope::Excluded { rule } => format!("kept out by the rule: {rule}"),
        _ => removal_reason(reason),
    }
}

fn why_changed(before: &Profile, after: &Profile) -> String {
    match (before.status, before.reason, after.status) {
        (Status::NotYet, StatusReason::Staged, Status::Active) => "activated in Okta",
        (Status::NotYet, _, Status::Active) => "may enter now",
        _ => "changed in Okta",
    }
    .to_owned()
}

/// Somebody of whom nothing but the address is known yet.
fn nobody(email: &Email, status: Status, reason: StatusReason) -> Profile {
    Profile {
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
    }
}

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
