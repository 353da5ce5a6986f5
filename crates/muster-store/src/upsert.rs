//! Rows of people written by runs, many at a time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use muster_core::field::FieldSet;
use muster_core::id::{LocationId, OktaUserId, PersonId, RunId, TeamId};
use muster_core::manager;
use muster_core::name::key_of;
use muster_core::person::{Profile, Role};

use crate::db::Arg;
use crate::error::StoreError;
use crate::history::Write;
use crate::time::{days, micros};

/// A whole row of `people` as it is to be from now on.
///
/// For somebody who is there already, `role`, `break_glass`, `pinned`, `manager_id` and `created_at` are left as they are stored: no run
/// may change them. A manager set by hand is not even here. Whoever must be confirmed stays so until somebody does, or
/// until access is taken again.
#[derive(Debug, Clone)]
pub struct PersonWrite<'a> {
    pub id: PersonId,
    /// One more than before; 1 for somebody new.
    pub version: i64,
    pub role: Role,
    pub break_glass: bool,
    pub pinned: FieldSet,
    pub deactivated_at: Option<Timestamp>,
    pub profile: &'a Profile,
    /// Of `profile.location`.
    pub location_id: Option<LocationId>,
    /// Of `profile.team`.
    pub team_id: Option<TeamId>,
    /// Who `profile.manager_raw` means, as far as it is known. Only for somebody new: whose manager moves is the business of
    /// the managers step.
    pub manager_id: Option<PersonId>,
    pub confirm_needed: bool,
    /// Fingerprint of what Okta said; `None` when the person must be planned again.
    pub planned_hash: Option<[u8; 16]>,
    pub planned_rules: Option<i64>,
    /// When a date makes a new plan due.
    pub due_day: Option<Date>,
    /// When Okta was asked for what this row shows.
    pub observed_at: Option<Timestamp>,
    /// A bit a problem met when planning.
    pub problems: i64,
    pub created_at: Timestamp,
}

const COLUMNS: usize = 38;

const HEAD: &str = "INSERT INTO people (tenant_id, id, version, okta_user_id, okta_status, okta_created, status,
        status_reason, email, email_key, first_name, last_name, name_key, title, language, location_id, team_id, photo_url,
        start_date, role, break_glass, from_okta, pinned, login, login_key, employee_number, display_name, manager_raw,
        manager_key, manager_id, deactivated_at, confirm_needed, planned_hash, planned_rules, due_day, observed_at, problems,
        created_at) VALUES";

const TAIL: &str = "ON CONFLICT (tenant_id, id) DO UPDATE SET version = excluded.version,
        okta_user_id = excluded.okta_user_id, okta_status = excluded.okta_status, okta_created = excluded.okta_created,
        status = excluded.status, status_reason = excluded.status_reason, email = excluded.email,
        email_key = excluded.email_key, first_name = excluded.first_name, last_name = excluded.last_name,
        name_key = excluded.name_key, title = excluded.title, language = excluded.language,
        location_id = excluded.location_id, team_id = excluded.team_id, photo_url = excluded.photo_url,
        start_date = excluded.start_date, from_okta = excluded.from_okta, login = excluded.login,
        login_key = excluded.login_key, employee_number = excluded.employee_number, display_name = excluded.display_name,
        manager_raw = excluded.manager_raw, manager_key = excluded.manager_key,
        deactivated_at = excluded.deactivated_at,
        confirm_needed = (excluded.status <> 'deactivated' AND (people.confirm_needed OR excluded.confirm_needed)),
        planned_hash = excluded.planned_hash, planned_rules = excluded.planned_rules, due_day = excluded.due_day,
        observed_at = excluded.observed_at, problems = excluded.problems";

/// Writes whole rows, whether the people are there already or not. History is the caller's.
///
/// # Errors
///
/// [`StoreError::is_duplicate`] when an e-mail or Okta id belongs to somebody else; [`StoreError::LastOwner`].
pub async fn upsert_many(write: &mut Write, rows: &[PersonWrite<'_>]) -> Result<(), StoreError> {
    let tenant = write.tenant();
    let mut args: Vec<Arg<'_>> = Vec::with_capacity(rows.len() * COLUMNS);
    for row in rows {
        push(&mut args, tenant.into(), row);
    }
    write.tx().insert_many(HEAD, COLUMNS, &args, TAIL).await.map(drop)
}

fn push<'a>(args: &mut Vec<Arg<'a>>, tenant: Arg<'a>, row: &'a PersonWrite<'_>) {
    let profile = row.profile;
    args.extend([
        tenant,
        row.id.into(),
        row.version.into(),
        profile.okta_user_id.as_ref().map(muster_core::id::OktaUserId::as_str).into(),
        profile.okta_status.as_ref().map(muster_core::okta_user::OktaStatus::as_str).into(),
        profile.okta_created.map(micros).into(),
        profile.status.as_str().into(),
        profile.reason.as_str().into(),
        profile.email.shown().into(),
        profile.email.key().into(),
        profile.first_name.as_str().into(),
        profile.last_name.as_str().into(),
        name_key(&profile.first_name, &profile.last_name).into(),
        profile.title.as_deref().into(),
        profile.language.as_deref().into(),
        row.location_id.into(),
        row.team_id.into(),
        profile.photo_url.as_deref().into(),
        profile.start_date.map(days).into(),
        row.role.as_str().into(),
        row.break_glass.into(),
        profile.from_okta.bits().into(),
        row.pinned.bits().into(),
        profile.login.as_deref().into(),
        login_key(profile).into(),
        profile.employee_number.as_deref().into(),
        profile.display_name.as_deref().into(),
        profile.manager_raw.as_deref().into(),
        profile.manager_raw.as_deref().and_then(manager::key).into(),
        row.manager_id.into(),
        row.deactivated_at.map(micros).into(),
        row.confirm_needed.into(),
        Arg::Blob(row.planned_hash.as_ref().map(|hash| hash.as_slice().into())),
        row.planned_rules.into(),
        row.due_day.map(days).into(),
        row.observed_at.map(micros).into(),
        row.problems.into(),
        micros(row.created_at).into(),
    ]);
}

/// What is remembered of a plan that changes nothing about a person.
#[derive(Debug, Clone)]
pub struct Touch {
    pub okta_user_id: OktaUserId,
    /// Whether the plan holds until Okta says something else; if not, the person is planned again in every run.
    pub settled: bool,
    pub due_day: Option<Date>,
    pub problems: i64,
}

/// Remembers plans that change nothing, made from the listing of `run`, so that the next run need not make them again.
///
/// People with the same marks share a statement: after a change of the rules that is nearly everybody.
pub async fn touch_many(
    write: &mut Write,
    run: RunId,
    rules_revision: i64,
    rows: &[Touch],
) -> Result<(), StoreError> {
    let tenant = write.tenant();
    let mut groups: BTreeMap<(bool, Option<i64>, i64), Vec<&str>> = BTreeMap::new();
    for row in rows {
        let marks = (row.settled, row.due_day.map(days), row.problems);
        groups.entry(marks).or_default().push(row.okta_user_id.as_str());
    }
    for ((settled, due, problems), users) in groups {
        let sql = if settled {
            "UPDATE people SET planned_hash = m.hash, planned_rules = $3, due_day = $4, problems = $5 FROM mirror m
             WHERE m.tenant_id = $1 AND m.run_id = $2 AND people.tenant_id = m.tenant_id
                   AND people.okta_user_id = m.okta_user_id AND m.okta_user_id IN"
        } else {
            "UPDATE people SET planned_hash = NULL, planned_rules = $3, due_day = $4, problems = $5 FROM mirror m
             WHERE m.tenant_id = $1 AND m.run_id = $2 AND people.tenant_id = m.tenant_id
                   AND (people.planned_hash IS NOT NULL OR people.due_day IS DISTINCT FROM $4 OR people.problems <> $5)
                   AND people.okta_user_id = m.okta_user_id AND m.okta_user_id IN"
        };
        let marks = [tenant.into(), run.into(), rules_revision.into(), due.into(), problems.into()];
        write.tx().execute_in(sql, &marks, &users).await?;
    }
    Ok(())
}

/// First and last name for comparing, as `mirror.name_key` has them too.
pub(crate) fn name_key(first: &str, last: &str) -> String {
    key_of(&format!("{first} {last}"))
}

/// The login for comparing, only where it differs from the e-mail.
fn login_key(profile: &Profile) -> Option<String> {
    let key = profile.login.as_deref().and_then(manager::key)?;
    (key != profile.email.key()).then_some(key)
}
