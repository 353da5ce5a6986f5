//! Which account is this Okta user? By Okta id; and once, under conditions, by e-mail.
//!
//! An e-mail proves nothing: it is neither unique nor lasting at Okta. So it links only accounts that nobody could gain
//! anything by taking over, and only where the tenant says that the domain is its own.

use crate::id::{OktaUserId, PersonId};
use crate::mapping::Mapped;
use crate::name::key_of;
use crate::person::{Person, Role, Status, StatusReason};
use crate::problem::ProblemCode;
use crate::rules::{Returners, Rules};

/// What the directory and the rest of the listing say about one Okta user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// Another Okta user of the listing with the same e-mail, who comes first.
    pub email_winner: Option<OktaUserId>,
    /// Another account that holds this e-mail.
    pub holder: Option<Person>,
    /// An account that Okta does not know, with the same name and another e-mail.
    pub namesake: Option<Person>,
    /// What a person decided about this Okta user.
    pub pairing: Option<Pairing>,
}

/// A decision by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pairing {
    /// The Okta user is this account's owner.
    Same(Person),
    /// The Okta user and this account are two people.
    Different(PersonId),
}

/// What is to be done with an Okta user whom the directory does not know by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// There is no account yet.
    Create,
    /// This account becomes theirs.
    Link(PersonId),
    /// This account was theirs under an older Okta id.
    Relink(PersonId),
    /// Somebody else who is moving away has the address: look again then.
    Wait,
    /// A person must decide.
    Review(ProblemCode, String),
}

/// Finds the account of an Okta user whom the directory does not know by id. `enters` says that they are in, or will be.
pub fn find(
    mapped: &Mapped,
    facts: &Facts,
    rules: &Rules,
    enters: bool,
    holder_may_leave: bool,
) -> Match {
    if let Some(Pairing::Same(account)) = &facts.pairing {
        return paired(account, enters);
    }
    if let Some(winner) = &facts.email_winner {
        let text = format!("another Okta user ({winner}) has the same e-mail and comes first");
        return Match::Review(ProblemCode::EmailDuplicate, text);
    }
    if let Some(holder) = &facts.holder {
        return match &holder.profile.okta_user_id {
            None => by_email(mapped, holder, rules, enters),
            Some(_) => returner(mapped, holder, rules, holder_may_leave),
        };
    }
    match &facts.namesake {
        Some(twin) if is_likely_same(mapped, twin) && !told_apart(facts, twin) => {
            let text = format!(
                "probably the same person as {}, who is here under another e-mail",
                twin.profile.email.shown()
            );
            Match::Review(ProblemCode::LikelyDuplicate, text)
        }
        _ => Match::Create,
    }
}

fn paired(account: &Person, enters: bool) -> Match {
    let whose = account.profile.email.shown();
    if account.profile.okta_user_id.is_some() {
        let text =
            format!("paired by hand with {whose}, who meanwhile belongs to another Okta user");
        return Match::Review(ProblemCode::EmailConflict, text);
    }
    if is_protected(account) {
        return Match::Review(ProblemCode::ProtectedAccount, protected(account));
    }
    if enters {
        Match::Link(account.id)
    } else {
        Match::Review(ProblemCode::WouldLinkWithoutAccess, without_access(whose))
    }
}

fn by_email(mapped: &Mapped, holder: &Person, rules: &Rules, enters: bool) -> Match {
    let whose = holder.profile.email.shown();
    if is_protected(holder) {
        return Match::Review(ProblemCode::ProtectedAccount, protected(holder));
    }
    if !on_listed_domain(mapped, rules) {
        let domain = holder.profile.email.domain();
        let text = format!(
            "there is an account {whose} here, but {domain} is not among this tenant's e-mail domains"
        );
        return Match::Review(ProblemCode::DomainNotListed, text);
    }
    if enters {
        Match::Link(holder.id)
    } else {
        Match::Review(ProblemCode::WouldLinkWithoutAccess, without_access(whose))
    }
}

fn returner(mapped: &Mapped, holder: &Person, rules: &Rules, holder_may_leave: bool) -> Match {
    let whose = holder.display();
    let gone = holder.profile.status == Status::Deactivated
        && matches!(
            holder.profile.reason,
            StatusReason::DeactivatedInOkta | StatusReason::DeletedInOkta
        );
    if !gone {
        if holder_may_leave && holder.profile.status != Status::Deactivated {
            return Match::Wait;
        }
        let text = format!(
            "the e-mail belongs to {whose}, another Okta user; change it for one of them in Okta"
        );
        return Match::Review(ProblemCode::EmailConflict, text);
    }
    let same_name = {
        let name = |first: &str, last: &str| key_of(&format!("{first} {last}"));
        let (first, last) = (mapped.first_name.as_deref(), mapped.last_name.as_deref());
        name(first.unwrap_or_default(), last.unwrap_or_default())
            == name(&holder.profile.first_name, &holder.profile.last_name)
    };
    let safe = holder.role == Role::Learner
        && !holder.break_glass
        && on_listed_domain(mapped, rules)
        && same_name;
    if rules.returners == Returners::Automatic && safe {
        Match::Relink(holder.id)
    } else {
        let text =
            format!("looks like {whose} coming back under a new Okta id; a person must decide");
        Match::Review(ProblemCode::ReturnerNeedsDecision, text)
    }
}

/// Owners' and admins' accounts are linked only by a sign-in of their own.
fn is_protected(account: &Person) -> bool {
    matches!(account.role, Role::Owner | Role::Admin) || account.break_glass
}

fn protected(account: &Person) -> String {
    let role = if account.break_glass { "a break-glass account" } else { account.role.as_str() };
    format!(
        "{} is {role}: only their own sign-in with Okta links that account",
        account.profile.email.shown()
    )
}

fn without_access(whose: &str) -> String {
    format!(
        "linking {whose} would take its access away at once; deactivate it by hand or assign the Okta user"
    )
}

fn on_listed_domain(mapped: &Mapped, rules: &Rules) -> bool {
    mapped
        .email
        .as_ref()
        .is_ok_and(|email| rules.email_domains.iter().any(|domain| domain == email.domain()))
}

/// A name alone is no sign: there are many John Smiths. A start date or employee number in common is.
fn is_likely_same(mapped: &Mapped, twin: &Person) -> bool {
    let same_date = mapped.start_date.is_some() && mapped.start_date == twin.profile.start_date;
    let same_number =
        mapped.employee_number.is_some() && mapped.employee_number == twin.profile.employee_number;
    same_date || same_number
}

fn told_apart(facts: &Facts, twin: &Person) -> bool {
    matches!(&facts.pairing, Some(Pairing::Different(id)) if *id == twin.id)
}
