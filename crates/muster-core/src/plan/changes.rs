//! What differs between two profiles, as text for people and for the history.

use std::borrow::Cow;

use crate::field::{Field, FieldChange};
use crate::name::Name;
use crate::person::Profile;

/// The fields in which two profiles differ, in the order in which they are shown. Nobody before has nothing set.
pub(super) fn changes(before: Option<&Profile>, after: &Profile) -> Vec<FieldChange> {
    Field::ALL
        .iter()
        .filter_map(|&field| {
            let before = before.and_then(|profile| text(profile, field));
            let after = text(after, field);
            (before != after).then(|| FieldChange {
                field,
                before: before.map(Cow::into_owned),
                after: after.map(Cow::into_owned),
            })
        })
        .collect()
}

fn text(profile: &Profile, field: Field) -> Option<Cow<'_, str>> {
    match field {
        Field::FirstName => unless_empty(&profile.first_name),
        Field::LastName => unless_empty(&profile.last_name),
        Field::Email => Some(profile.email.shown().into()),
        Field::Title => kept(profile.title.as_ref()),
        Field::Language => kept(profile.language.as_ref()),
        Field::Location => profile.location.as_ref().map(Name::shown).map(Cow::from),
        Field::Team => profile.team.as_ref().map(Name::shown).map(Cow::from),
        Field::PhotoUrl => kept(profile.photo_url.as_ref()),
        Field::StartDate => profile.start_date.map(|date| date.to_string().into()),
        // Resolved for everybody at once, after the plan.
        Field::Manager => None,
        Field::Status => Some(profile.status.as_str().into()),
        Field::OktaUserId => profile.okta_user_id.as_ref().map(|id| id.as_str().into()),
        Field::OktaStatus => profile.okta_status.as_ref().map(|status| status.as_str().into()),
        Field::Login => kept(profile.login.as_ref()),
        Field::EmployeeNumber => kept(profile.employee_number.as_ref()),
        Field::DisplayName => kept(profile.display_name.as_ref()),
        Field::ManagerRaw => kept(profile.manager_raw.as_ref()),
    }
}

fn kept(text: Option<&String>) -> Option<Cow<'_, str>> {
    text.map(|text| text.as_str().into())
}

fn unless_empty(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then(|| text.into())
}
