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
    /// The listing has the Okta user to whom that account belongs, so they are not gone, whatever the account's status says.
    pub holder_listed: bool,
    /// Accounts that Okta does not know, with the same name and another e-mail, the oldest first.
    pub namesakes: Vec<Person>,
    /// What a person decided about this Okta user.
    pub pairing: Option<Pairing>,
}

impl Facts {
    /// The account with this id, as far as these facts name it.
    pub fn account(&self, id: PersonId) -> Option<&Person> {
        let paired = match &self.pairing {
            Some(Pairing::Same(person)) => Some(person),
            Some(Pairing::Different(_)) | None => None,
        };
        let held = [paired, self.holder.as_ref()].into_iter().flatten();
        held.chain(&self.namesakes).find(|person| person.id == id)
    }

    /// Whether a person decided whose account this is.
    pub(crate) fn is_paired(&self) -> bool {
        matches!(self.pairing, Some(Pairing::Same(_)))
    }

    fn tell_apart(&self, account: &Person) -> bool {
        matches!(&self.pairing, Some(Pairing::Different(id)) if *id == account.id)
    }
}

/// A decision by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "rare, short-lived and mostly the large one")]
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

/// Finds the account of an Okta user whom the directory does not know by id.
///
/// `enters` says that they are in, or will be; `holder_may_leave` that an address held by another Okta user may still become
/// free in this run. In this order: a decision by hand, the holder of the e-mail, a likely double, else somebody new.
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
        if facts.tell_apart(holder) {
            let text = format!(
                "the e-mail belongs to {}, who is somebody else by decision; change it for one of them",
                holder.display()
            );
            return Match::Review(ProblemCode::EmailConflict, text);
        }
        // Even somebody who is gone may be back in this listing, under another address.
        if holder.is_managed() && holder_may_leave {
            return Match::Wait;
        }
        return if holder.is_managed() {
            returner(mapped, holder, facts.holder_listed, rules)
        } else {
            by_email(holder, rules, enters)
        };
    }
    let is_twin = |twin: &&Person| is_likely_same(mapped, twin) && !facts.tell_apart(twin);
    let Some(twin) = facts.namesakes.iter().find(is_twin) else { return Match::Create };
    let text = format!(
        "probably the same person as {}, who is here under another e-mail",
        twin.profile.email.shown()
    );
    Match::Review(ProblemCode::LikelyDuplicate, text)
}

/// A person decided. That counts for an account that Okta does not feed yet, and for one whose older Okta user is out.
fn paired(account: &Person, enters: bool) -> Match {
    let whose = account.profile.email.shown();
    if account.is_managed() {
        if account.profile.status == Status::Deactivated && !account.break_glass {
            return Match::Relink(account.id);
        }
        let text = format!("paired by hand with {whose}, which belongs to another Okta user");
        return Match::Review(ProblemCode::EmailConflict, text);
    }
    if is_protected(account) {
        return Match::Review(ProblemCode::ProtectedAccount, protected(account));
    }
    link(account, enters)
}

fn by_email(holder: &Person, rules: &Rules, enters: bool) -> Match {
    if is_protected(holder) {
        return Match::Review(ProblemCode::ProtectedAccount, protected(holder));
    }
    if !on_listed_domain(holder, rules) {
        let email = &holder.profile.email;
        let text = format!(
            "there is an account {} here, but {} is not among this tenant's e-mail domains",
            email.shown(),
            email.domain()
        );
        return Match::Review(ProblemCode::DomainNotListed, text);
    }
    link(holder, enters)
}

/// Links an account, unless that would take access away that it has now.
fn link(account: &Person, enters: bool) -> Match {
    if enters {
        return Match::Link(account.id);
    }
    let text = format!(
        "linking {} would take its access away at once; deactivate it by hand or bring the Okta user back",
        account.profile.email.shown()
    );
    Match::Review(ProblemCode::WouldLinkWithoutAccess, text)
}

/// Somebody whose e-mail an account of another Okta user holds.
fn returner(mapped: &Mapped, holder: &Person, listed: bool, rules: &Rules) -> Match {
    let whose = holder.display();
    let same_name = has_name(mapped, holder);
    let gone = is_gone(holder) && !listed;
    let safe = gone
        && same_name
        && holder.role == Role::Learner
        && !holder.break_glass
        && on_listed_domain(holder, rules);
    if safe && rules.returners == Returners::Automatic {
        return Match::Relink(holder.id);
    }
    // Whoever is out for another reason (unassigned, say) may have left for good all the same.
    if gone || (same_name && holder.profile.status == Status::Deactivated) {
        let text =
            format!("looks like {whose} coming back under a new Okta id; a person must decide");
        return Match::Review(ProblemCode::ReturnerNeedsDecision, text);
    }
    let text = format!(
        "the e-mail belongs to {whose}, another Okta user; change it for one of them in Okta"
    );
    Match::Review(ProblemCode::EmailConflict, text)
}

/// Their Okta user was deactivated or deleted, as far as we know.
fn is_gone(account: &Person) -> bool {
    account.profile.status == Status::Deactivated
        && matches!(
            account.profile.reason,
            StatusReason::DeactivatedInOkta | StatusReason::DeletedInOkta
        )
}

/// Owners' and admins' accounts are linked only by a sign-in of their own.
fn is_protected(account: &Person) -> bool {
    matches!(account.role, Role::Owner | Role::Admin) || account.break_glass
}

fn protected(account: &Person) -> String {
    let email = account.profile.email.shown();
    if account.break_glass {
        return format!("{email} is a break-glass account: it is never linked");
    }
    format!("{email} is {}: only their own sign-in with Okta links that account", account.role)
}

/// Callers know that the Okta user has this account's e-mail, so it is one domain for both.
fn on_listed_domain(account: &Person, rules: &Rules) -> bool {
    rules.email_domains.iter().any(|domain| domain == account.profile.email.domain())
}

fn has_name(mapped: &Mapped, account: &Person) -> bool {
    let name = |first: &str, last: &str| key_of(&format!("{first} {last}"));
    let (first, last) = (mapped.first_name.as_deref(), mapped.last_name.as_deref());
    name(first.unwrap_or_default(), last.unwrap_or_default())
        == name(&account.profile.first_name, &account.profile.last_name)
}

/// A name alone is no sign: there are many John Smiths. A start date or employee number in common is.
fn is_likely_same(mapped: &Mapped, twin: &Person) -> bool {
    let same_date = mapped.start_date.is_some() && mapped.start_date == twin.profile.start_date;
    let same_number =
        mapped.employee_number.is_some() && mapped.employee_number == twin.profile.employee_number;
    same_date || same_number
}

#[cfg(test)]
mod tests;
