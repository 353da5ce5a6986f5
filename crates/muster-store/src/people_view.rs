//! A person as people and scripts see them: with the effective manager, as JSON.

use muster_core::id::{OktaUserId, PersonId};
use muster_core::manager::{self, ManagerRef};
use muster_core::person::{Person, Role, Status, StatusReason};
use muster_core::rules::ManagerMode;
use uuid::Uuid;

use crate::error::StoreError;
use crate::people::{PersonKey, PersonRow, person_columns, person_joins};
use crate::tenants::TenantDb;

/// A person in JSON. Unset values are null, never absent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PersonView {
    pub id: PersonId,
    pub okta_user_id: Option<OktaUserId>,
    pub okta_status: Option<String>,
    pub status: Status,
    pub status_reason: StatusReason,
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub title: Option<String>,
    pub language: Option<String>,
    pub location: Option<String>,
    pub team: Option<String>,
    pub photo_url: Option<String>,
    pub role: Role,
    /// `2026-11-23`.
    pub start_date: Option<String>,
    /// The effective manager.
    pub manager: Option<ManagerView>,
    /// Whether Okta feeds this person.
    pub managed: bool,
    /// When they lost access, if they are deactivated.
    pub deactivated_at: Option<String>,
    pub employee_number: Option<String>,
    /// What Okta says of the manager, as it came.
    pub manager_raw: Option<String>,
    pub break_glass: bool,
    /// May sign in only once an owner or admin says so.
    pub confirm_needed: bool,
}

/// Who leads a person, and where that comes from.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ManagerView {
    pub id: PersonId,
    pub email: String,
    /// `okta`, `team` or `hand`.
    pub source: &'static str,
}

#[derive(sqlx::FromRow)]
struct ViewRow {
    #[sqlx(flatten)]
    person: PersonRow,
    confirm_needed: bool,
    hand_id: Option<Uuid>,
    hand_email: Option<String>,
    hand_status: Option<String>,
    synced_id: Option<Uuid>,
    synced_email: Option<String>,
    synced_status: Option<String>,
    of_team_id: Option<Uuid>,
    of_team_email: Option<String>,
    of_team_status: Option<String>,
    of_parent_id: Option<Uuid>,
    of_parent_email: Option<String>,
    of_parent_status: Option<String>,
}

impl ViewRow {
    fn into_view(self, mode: ManagerMode) -> Result<PersonView, StoreError> {
        let person = Person::try_from(self.person)?;
        let candidates = [
            (self.hand_id, self.hand_email, self.hand_status),
            (self.synced_id, self.synced_email, self.synced_status),
            (self.of_team_id, self.of_team_email, self.of_team_status),
            (self.of_parent_id, self.of_parent_email, self.of_parent_status),
        ];
        let manager_ref = |at: usize| {
            let (id, _, status) = &candidates[at];
            let active = status.as_deref() == Some(Status::Active.as_str());
            id.map(|id| ManagerRef { id: PersonId::new(id), active })
        };
        let found = manager::effective(
            mode,
            person.id,
            manager_ref(0),
            manager_ref(1),
            manager_ref(2),
            manager_ref(3),
        );
        let manager = found.map(|(id, source)| ManagerView {
            id,
            email: candidates
                .iter()
                .find(|(other, _, _)| *other == Some(id.uuid()))
                .and_then(|(_, email, _)| email.clone())
                .unwrap_or_default(),
            source: source.as_str(),
        });
        Ok(PersonView { manager, confirm_needed: self.confirm_needed, ..view_of(person) })
    }
}

fn view_of(person: Person) -> PersonView {
    let profile = person.profile;
    PersonView {
        id: person.id,
        managed: profile.okta_user_id.is_some(),
        okta_user_id: profile.okta_user_id,
        okta_status: profile.okta_status.map(|status| status.as_str().to_owned()),
        status: profile.status,
        status_reason: profile.reason,
        email: profile.email.shown().to_owned(),
        first_name: profile.first_name,
        last_name: profile.last_name,
        title: profile.title,
        language: profile.language,
        location: profile.location.map(|name| name.shown().to_owned()),
        team: profile.team.map(|name| name.shown().to_owned()),
        photo_url: profile.photo_url,
        role: person.role,
        start_date: profile.start_date.map(|date| date.to_string()),
        manager: None,
        deactivated_at: person.deactivated_at.map(|at| at.to_string()),
        employee_number: profile.employee_number,
        manager_raw: profile.manager_raw,
        break_glass: person.break_glass,
        confirm_needed: false,
    }
}

macro_rules! select_view {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            person_columns!(),
            ", p.confirm_needed, mh.id AS hand_id, mh.email AS hand_email, mh.status AS hand_status,
               ms.id AS synced_id, ms.email AS synced_email, ms.status AS synced_status,
               mt.id AS of_team_id, mt.email AS of_team_email, mt.status AS of_team_status,
               mp.id AS of_parent_id, mp.email AS of_parent_email, mp.status AS of_parent_status
             FROM people p ",
            person_joins!(),
            " LEFT JOIN people mh ON mh.tenant_id = p.tenant_id AND mh.id = p.manager_hand_id
              LEFT JOIN people ms ON ms.tenant_id = p.tenant_id AND ms.id = p.manager_id
              LEFT JOIN people mt ON mt.tenant_id = p.tenant_id AND mt.id = t.manager_id
              LEFT JOIN teams tp ON tp.tenant_id = p.tenant_id AND tp.id = t.parent_id
              LEFT JOIN people mp ON mp.tenant_id = p.tenant_id AND mp.id = tp.manager_id
             WHERE p.tenant_id = $1 ",
            $rest
        )
    };
}

impl TenantDb {
    /// One person with their effective manager under `mode`.
    pub async fn person_view(
        &self,
        mode: ManagerMode,
        key: &PersonKey,
    ) -> Result<Option<PersonView>, StoreError> {
        let (sql, value) = match key {
            PersonKey::Id(id) => (select_view!("AND p.id = $2"), (*id).into()),
            PersonKey::Email(key) => (select_view!("AND p.email_key = $2"), key.as_str().into()),
            PersonKey::Okta(id) => (select_view!("AND p.okta_user_id = $2"), id.into()),
        };
        let row: Option<ViewRow> =
            self.db().fetch_optional(sql, &[self.id().into(), value]).await?;
        row.map(|row| row.into_view(mode)).transpose()
    }

    /// People by e-mail address, `limit` of them after the address `after` (an empty text at first), of one status or of
    /// all. The next page begins after the last address, in lower case.
    pub async fn people_page(
        &self,
        mode: ManagerMode,
        status: Option<Status>,
        after: &str,
        limit: i64,
    ) -> Result<Vec<PersonView>, StoreError> {
        let args = [
            self.id().into(),
            after.to_lowercase().into(),
            limit.into(),
            status.map(Status::as_str).into(),
        ];
        let sql = select_view!(
            "AND p.email_key > $2 AND ($4 IS NULL OR p.status = $4) ORDER BY p.email_key LIMIT $3"
        );
        let rows: Vec<ViewRow> = self.db().fetch_all(sql, &args).await?;
        rows.into_iter().map(|row| row.into_view(mode)).collect()
    }
}
