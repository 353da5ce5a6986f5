//! What Okta feeds into a profile. A value from Okta wins; a value that Okta clears is cleared only if it came from Okta; a
//! pin holds.

use crate::field::{Field, FieldSet};
use crate::mapping::Mapped;
use crate::name::Name;
use crate::okta_user::OktaUser;
use crate::person::Profile;
use crate::problem::ProblemCode;
use crate::rules::Rules;

/// The profile with everything that Okta feeds, save e-mail and access, which depend on others too.
pub(super) fn fed(
    before: &Profile,
    pinned: FieldSet,
    read: &OktaUser,
    mapped: &Mapped,
    rules: &Rules,
    problems: &mut Vec<ProblemCode>,
) -> Profile {
    let mut after = before.clone();
    set(&mut after.okta_user_id, Some(&read.id));
    set(&mut after.okta_status, Some(&read.status));
    after.okta_created = read.created.or(before.okta_created);
    let from_okta = before.from_okta.with(Field::Email, true);
    let mut feed = Feed { from_okta, pinned, clear: rules.clear_empty };
    let first_name = mapped.first_name.as_ref().or_else(|| only_name(before, mapped));
    feed.name(Field::FirstName, &mut after.first_name, first_name, problems);
    feed.name(Field::LastName, &mut after.last_name, mapped.last_name.as_ref(), problems);
    feed.value(Field::Title, &mut after.title, mapped.title.as_ref());
    feed.value(Field::Language, &mut after.language, mapped.language.as_ref());
    feed.place(Field::Location, &mut after.location, mapped.location.as_ref());
    feed.place(Field::Team, &mut after.team, mapped.team.as_ref());
    if !mapped.photo_refused {
        feed.value(Field::PhotoUrl, &mut after.photo_url, mapped.photo_url.as_ref());
    }
    feed.value(Field::StartDate, &mut after.start_date, mapped.start_date.as_ref());
    feed.value(Field::EmployeeNumber, &mut after.employee_number, mapped.employee_number.as_ref());
    feed.value(Field::ManagerRaw, &mut after.manager_raw, mapped.manager_raw.as_ref());
    // These two only mirror Okta; nobody sets them here.
    set(&mut after.login, mapped.login.as_ref());
    set(&mut after.display_name, mapped.display_name.as_ref());
    after.from_okta = feed.from_okta;
    after
}

/// The display name, for somebody who has no other name at Okta and none of their own here.
fn only_name<'m>(before: &Profile, mapped: &'m Mapped) -> Option<&'m String> {
    let nameless =
        before.first_name.is_empty() || before.display_name.as_ref() == Some(&before.first_name);
    mapped
        .display_name
        .as_ref()
        .filter(|_| mapped.last_name.is_none() && before.last_name.is_empty() && nameless)
}

/// Sets a value where it differs: most of a profile stays as it is.
fn set<T: Clone + PartialEq>(held: &mut Option<T>, said: Option<&T>) {
    if held.as_ref() != said {
        *held = said.cloned();
    }
}

struct Feed {
    from_okta: FieldSet,
    pinned: FieldSet,
    clear: bool,
}

impl Feed {
    fn value<T: Clone + PartialEq>(
        &mut self,
        field: Field,
        held: &mut Option<T>,
        said: Option<&T>,
    ) {
        if self.pinned.has(field) {
            return;
        }
        if said.is_some() {
            set(held, said);
            self.from_okta = self.from_okta.with(field, true);
        } else if self.clear && self.from_okta.has(field) {
            *held = None;
            self.from_okta = self.from_okta.with(field, false);
        }
    }

    /// Two spellings of one place are one place: the one shown first stays.
    fn place(&mut self, field: Field, held: &mut Option<Name>, said: Option<&Name>) {
        let same = held.as_ref().zip(said).is_some_and(|(held, said)| held.key() == said.key());
        if same && !self.pinned.has(field) {
            self.from_okta = self.from_okta.with(field, true);
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
                if held != name {
                    held.clone_from(name);
                }
                self.from_okta = self.from_okta.with(field, true);
            }
            None if !held.is_empty() => problems.push(ProblemCode::NameKept),
            None => {}
        }
    }
}
