//! People of the demo company before they become Okta users.

use super::chart::{Chart, Place};
use super::names::{ascii, names_for};
use crate::dice::Dice;
use crate::state::people::{Provider, Status};

/// How a person comes to the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Employees,
    Contractors,
    BothGroups,
    Direct,
    Unassigned,
}

/// What a person's `managerId` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ManagerBy {
    Email,
    Login,
    EmployeeNumber,
    /// Nothing; only `manager` holds a display name.
    NameOnly,
}

/// One person in the making.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub first: Option<String>,
    pub last: Option<String>,
    pub email: Option<String>,
    pub login: Option<String>,
    pub department: Option<String>,
    pub city: Option<String>,
    pub place: Place,
    pub language: &'static str,
    pub title: String,
    pub preferred: Option<String>,
    pub locale: Option<String>,
    pub manager_by: ManagerBy,
    pub start: Option<String>,
    pub undated: bool,
    pub status: Status,
    pub provider: Provider,
    pub user_type: &'static str,
    pub hold: Hold,
    pub stays_in_group: bool,
    pub picture: Option<String>,
    pub number: String,
    /// How many days ago the Okta user was made.
    pub age_days: Option<i32>,
    /// Whether the seat has a story already.
    pub claimed: bool,
}

/// One draft for each seat, without names.
pub(super) fn drafts(chart: &Chart) -> Vec<Draft> {
    chart
        .seats
        .iter()
        .enumerate()
        .map(|(place, seat)| Draft {
            first: None,
            last: None,
            email: None,
            login: None,
            department: Some(seat.department.to_owned()),
            city: Some(seat.place.city.to_owned()).filter(|city| !city.is_empty()),
            place: seat.place,
            language: seat.place.language,
            title: seat.title.to_owned(),
            preferred: None,
            locale: None,
            manager_by: ManagerBy::Email,
            start: None,
            undated: false,
            status: Status::Active,
            provider: Provider::Okta,
            user_type: "Employee",
            hold: Hold::Employees,
            stays_in_group: false,
            picture: None,
            number: format!("FH{:04}", 1000 + place),
            age_days: None,
            claimed: false,
        })
        .collect()
}

/// Gives everybody what the stories left open. Only names, ages and photos depend on the seed.
pub(super) fn fill(drafts: &mut [Draft], dice: &mut Dice) {
    let ordinary: Vec<bool> = drafts.iter().map(|draft| draft.first.is_none()).collect();
    fill_names(drafts, dice);
    for ((place, draft), ordinary) in drafts.iter_mut().enumerate().zip(ordinary) {
        // Northbeck was bought; its people kept their addresses. Those with a story keep theirs for any seed.
        let northbeck = ordinary && draft.city.as_deref() == Some("Manchester") && place % 3 > 0;
        if northbeck {
            draft.number = draft.number.replace("FH", "NB");
        }
        let domain = if northbeck { "northbeck.example" } else { "fernhill.example" };
        let local = local_part(draft);
        draft.email.get_or_insert_with(|| format!("{local}@{domain}"));
        let email = draft.email.clone().unwrap_or_default();
        // Logins look like e-mail addresses but need not be the person's own.
        let apart = place % 13 == 5 && !draft.claimed;
        let login = if apart { format!("{local}@fernhill.okta.example") } else { email };
        draft.login.get_or_insert(login);
        if draft.picture.is_none() && dice.chance(400) {
            draft.picture = Some(format!("https://photos.fernhill.example/{local}.jpg"));
        }
        if draft.age_days.is_none() {
            draft.age_days = Some(400 + i32::try_from(dice.below(2000)).unwrap_or_default());
        }
        spell_language(draft, place);
        if draft.manager_by == ManagerBy::Email && place % 17 == 3 {
            draft.manager_by = ManagerBy::EmployeeNumber;
        } else if draft.manager_by == ManagerBy::Email && place % 7 == 2 {
            draft.manager_by = ManagerBy::Login;
        }
    }
}

/// Draws names that nobody else has.
fn fill_names(drafts: &mut [Draft], dice: &mut Dice) {
    let mut taken: Vec<String> =
        drafts.iter().filter_map(|draft| draft.first.as_ref().map(|_| local_part(draft))).collect();
    for draft in drafts.iter_mut().filter(|draft| draft.first.is_none()) {
        let names = names_for(draft.language);
        loop {
            draft.first = Some(names.first[dice.below(names.first.len())].to_owned());
            draft.last = Some(names.last[dice.below(names.last.len())].to_owned());
            let local = local_part(draft);
            if !taken.contains(&local) {
                taken.push(local);
                break;
            }
        }
    }
}

/// The part of the e-mail before the `@`.
pub(super) fn local_part(draft: &Draft) -> String {
    let first = ascii(draft.first.as_deref().unwrap_or_default());
    let last = ascii(draft.last.as_deref().unwrap_or_default());
    let joined = format!("{first}.{last}");
    joined.trim_matches('.').to_owned()
}

/// Languages are spelled as directories spell them: every way there is.
fn spell_language(draft: &mut Draft, place: usize) {
    let dashed = draft.language;
    let full = match dashed {
        "de" => "de-DE",
        "pl" => "pl-PL",
        "fr" => "fr-FR",
        "ja" => "ja-JP",
        other => other,
    };
    let underscored = full.replace('-', "_");
    draft.locale = Some(underscored.clone());
    let spelled = match place % 6 {
        0 => Some(underscored),
        1 => Some(full.to_ascii_lowercase()),
        2 => Some(full.to_owned()),
        // Only `locale` says it.
        3 => None,
        _ => Some(dashed.to_owned()),
    };
    draft.preferred = draft.preferred.take().or(spelled);
}
