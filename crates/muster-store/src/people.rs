//! People: rows read into the types of the core, found, listed and counted.

use muster_core::field::FieldSet;
use muster_core::id::{OktaUserId, PersonId};
use muster_core::name::Name;
use muster_core::okta_user::OktaStatus;
use muster_core::person::{Email, Person, Profile, Role, Status, StatusReason};
use uuid::Uuid;

use crate::error::StoreError;
use crate::history::Write;
use crate::tenants::TenantDb;
use crate::time::{from_days, from_micros};

/// The columns of [`PersonRow`], from `people p` with the [`person_joins`].
macro_rules! person_columns {
    () => {
        "p.id, p.version, p.okta_user_id, p.okta_status, p.okta_created, p.status, p.status_reason, p.email, p.first_name,
         p.last_name, p.title, p.language, l.name AS location_name, t.name AS team_name, p.photo_url, p.start_date, p.role,
         p.break_glass, p.from_okta, p.pinned, p.login, p.employee_number, p.display_name, p.manager_raw, p.deactivated_at"
    };
}
pub(crate) use person_columns;

/// What [`person_columns`] needs beside `people p`.
macro_rules! person_joins {
    () => {
        "LEFT JOIN locations l ON l.tenant_id = p.tenant_id AND l.id = p.location_id
         LEFT JOIN teams t ON t.tenant_id = p.tenant_id AND t.id = p.team_id"
    };
}
pub(crate) use person_joins;

/// A person as stored, with the names of their location and team.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct PersonRow {
    pub(crate) id: Uuid,
    version: i64,
    okta_user_id: Option<String>,
    okta_status: Option<String>,
    okta_created: Option<i64>,
    status: String,
    status_reason: String,
    email: String,
    first_name: String,
    last_name: String,
    title: Option<String>,
    language: Option<String>,
    location_name: Option<String>,
    team_name: Option<String>,
    photo_url: Option<String>,
    start_date: Option<i64>,
    role: String,
    break_glass: bool,
    from_okta: i64,
    pinned: i64,
    login: Option<String>,
    employee_number: Option<String>,
    display_name: Option<String>,
    manager_raw: Option<String>,
    deactivated_at: Option<i64>,
}

impl TryFrom<PersonRow> for Person {
    type Error = StoreError;
    fn try_from(row: PersonRow) -> Result<Self, StoreError> {
        let id = PersonId::new(row.id);
        let bad = |column| StoreError::BadRow { table: "people", column, id: id.to_string() };
        let name = |column, text: Option<String>| {
            text.map(|text| Name::parse(&text).ok_or_else(|| bad(column))).transpose()
        };
        let okta_user_id = row
            .okta_user_id
            .map(|text| OktaUserId::parse(&text).map_err(|_| bad("okta_user_id")))
            .transpose()?;
        let time = |column, micros: Option<i64>| {
            micros.map(|micros| from_micros(micros).ok_or_else(|| bad(column))).transpose()
        };
        let profile = Profile {
            okta_user_id,
            okta_status: row.okta_status.as_deref().map(OktaStatus::parse),
            okta_created: time("okta_created", row.okta_created)?,
            status: Status::parse(&row.status).ok_or_else(|| bad("status"))?,
            reason: StatusReason::parse(&row.status_reason).ok_or_else(|| bad("status_reason"))?,
            email: Email::parse(&row.email).map_err(|_| bad("email"))?,
            first_name: row.first_name,
            last_name: row.last_name,
            title: row.title,
            language: row.language,
            location: name("location_id", row.location_name)?,
            team: name("team_id", row.team_name)?,
            photo_url: row.photo_url,
            start_date: row
                .start_date
                .map(|days| from_days(days).ok_or_else(|| bad("start_date")))
                .transpose()?,
            login: row.login,
            employee_number: row.employee_number,
            display_name: row.display_name,
            manager_raw: row.manager_raw,
            from_okta: FieldSet::from_bits(row.from_okta),
        };
        Ok(Self {
            id,
            version: row.version,
            role: Role::parse(&row.role).ok_or_else(|| bad("role"))?,
            break_glass: row.break_glass,
            pinned: FieldSet::from_bits(row.pinned),
            deactivated_at: time("deactivated_at", row.deactivated_at)?,
            profile,
        })
    }
}

/// How somebody names a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PersonKey {
    Id(PersonId),
    Email(String),
    Okta(OktaUserId),
}

impl PersonKey {
    /// That nobody is here by this name.
    pub fn not_found(&self) -> StoreError {
        let who = match self {
            Self::Id(id) => id.to_string(),
            Self::Email(email) => email.clone(),
            Self::Okta(id) => id.to_string(),
        };
        StoreError::NotFound(format!("there is nobody here with {who}"))
    }

    /// Takes an e-mail address, an id (`per_…`) or an Okta id, told apart by their looks.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when it looks like none of them.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let text = text.trim();
        if text.contains('@') {
            return Ok(Self::Email(text.to_lowercase()));
        }
        if text.starts_with(PersonId::PREFIX)
            && let Ok(id) = text.parse()
        {
            return Ok(Self::Id(id));
        }
        OktaUserId::parse(text).map(Self::Okta).map_err(|_| {
            StoreError::NotFound(format!(
                "{text:?} is neither an e-mail address nor an id of a person"
            ))
        })
    }
}

macro_rules! select_person {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            person_columns!(),
            " FROM people p ",
            person_joins!(),
            " WHERE p.tenant_id = $1 ",
            $rest
        )
    };
}

const BY_ID: &str = select_person!("AND p.id = $2");
const BY_EMAIL: &str = select_person!("AND p.email_key = $2");
const BY_OKTA: &str = select_person!("AND p.okta_user_id = $2");

impl TenantDb {
    /// One person, if the directory has them.
    pub async fn find_person(&self, key: &PersonKey) -> Result<Option<Person>, StoreError> {
        let (sql, value) = match key {
            PersonKey::Id(id) => (BY_ID, (*id).into()),
            PersonKey::Email(key) => (BY_EMAIL, key.as_str().into()),
            PersonKey::Okta(id) => (BY_OKTA, id.into()),
        };
        let row: Option<PersonRow> =
            self.db().fetch_optional(sql, &[self.id().into(), value]).await?;
        row.map(Person::try_from).transpose()
    }

    /// How many people there are, by status.
    pub async fn people_counts(&self) -> Result<PeopleCounts, StoreError> {
        #[derive(sqlx::FromRow)]
        struct CountRow {
            status: String,
            managed: bool,
            n: i64,
        }
        let rows: Vec<CountRow> = self
            .db()
            .fetch_all(
                "SELECT status, (okta_user_id IS NOT NULL) AS managed, COUNT(*) AS n FROM people WHERE tenant_id = $1
                 GROUP BY status, okta_user_id IS NOT NULL",
                &[self.id().into()],
            )
            .await?;
        let mut counts = PeopleCounts::default();
        for row in rows {
            let n = u64::try_from(row.n).unwrap_or(0);
            match Status::parse(&row.status) {
                Some(Status::Active) => counts.active += n,
                Some(Status::NotYet) => counts.not_yet += n,
                _ => counts.deactivated += n,
            }
            counts.unmanaged += if row.managed { 0 } else { n };
        }
        Ok(counts)
    }
}

/// How many people a tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct PeopleCounts {
    pub active: u64,
    pub not_yet: u64,
    pub deactivated: u64,
    /// Those of the above whom Okta does not know.
    pub unmanaged: u64,
}

/// One person, read inside a change, so that they cannot change under the writer.
pub async fn load(write: &mut Write, key: &PersonKey) -> Result<Option<Person>, StoreError> {
    let tenant = write.tenant();
    let (sql, value) = match key {
        PersonKey::Id(id) => (BY_ID, (*id).into()),
        PersonKey::Email(key) => (BY_EMAIL, key.as_str().into()),
        PersonKey::Okta(id) => (BY_OKTA, id.into()),
    };
    let row: Option<PersonRow> = write.tx().fetch_optional(sql, &[tenant.into(), value]).await?;
    row.map(Person::try_from).transpose()
}

/// Whether the tenant has an active owner other than `person`.
pub async fn has_other_active_owner(
    write: &mut Write,
    person: PersonId,
) -> Result<bool, StoreError> {
    #[derive(sqlx::FromRow)]
    struct IdRow {
        #[expect(dead_code, reason = "only its arrival matters")]
        id: Uuid,
    }
    let tenant = write.tenant();
    let row: Option<IdRow> = write
        .tx()
        .fetch_optional(
            "SELECT id FROM people WHERE tenant_id = $1 AND role = 'owner' AND status = 'active' AND id <> $2 LIMIT 1",
            &[tenant.into(), person.into()],
        )
        .await?;
    Ok(row.is_some())
}
