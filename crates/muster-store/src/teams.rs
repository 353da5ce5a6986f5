//! Teams and locations: found or made by name, managed by hand. Secondary teams, which the sync never touches.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use muster_core::id::{IdSource, LocationId, PersonId, TeamId};
use muster_core::name::Name;
use uuid::Uuid;

use crate::db::Arg;
use crate::error::StoreError;
use crate::history::{By, Subject, Write, json_object};
use crate::tenants::TenantDb;
use crate::time::micros;

#[derive(sqlx::FromRow)]
struct NamedRow {
    id: Uuid,
    name_key: String,
}

/// The teams of these names, by the key of the name; those that are missing are made.
pub async fn names_to_ids(
    write: &mut Write,
    names: &[&Name],
    by: By<'_>,
    ids: &mut IdSource,
) -> Result<BTreeMap<String, TeamId>, StoreError> {
    let select = "SELECT id, name_key FROM teams WHERE tenant_id = $1 AND name_key IN";
    let (mut found, missing) = look_up(write, select, names).await?;
    let (tenant, now) = (write.tenant(), write.now());
    let origin = if by.run.is_some() { "okta" } else { "hand" };
    let fresh: Vec<(TeamId, &Name)> =
        missing.into_iter().map(|name| (ids.next(now), name)).collect();
    let mut args: Vec<Arg<'_>> = Vec::with_capacity(fresh.len() * 6);
    for (id, name) in &fresh {
        args.extend([
            tenant.into(),
            (*id).into(),
            name.shown().into(),
            name.key().into(),
            origin.into(),
            micros(now).into(),
        ]);
    }
    let head = "INSERT INTO teams (tenant_id, id, name, name_key, origin, created_at) VALUES";
    write.tx().insert_many(head, 6, &args, "").await?;
    for (id, name) in fresh {
        let after = json_object([("name", Some(name.shown())), ("origin", Some(origin))]);
        write.record_by(ids.next(now), by, Subject::Team(id), "create", None, Some(after));
        found.insert(name.key().to_owned(), id.uuid());
    }
    Ok(found.into_iter().map(|(key, id)| (key, TeamId::new(id))).collect())
}

/// The locations of these names, by the key of the name; those that are missing are made.
pub async fn locations_to_ids(
    write: &mut Write,
    names: &[&Name],
    by: By<'_>,
    ids: &mut IdSource,
) -> Result<BTreeMap<String, LocationId>, StoreError> {
    let select = "SELECT id, name_key FROM locations WHERE tenant_id = $1 AND name_key IN";
    let (mut found, missing) = look_up(write, select, names).await?;
    let (tenant, now) = (write.tenant(), write.now());
    let fresh: Vec<(LocationId, &Name)> =
        missing.into_iter().map(|name| (ids.next(now), name)).collect();
    let mut args: Vec<Arg<'_>> = Vec::with_capacity(fresh.len() * 5);
    for (id, name) in &fresh {
        args.extend([
            tenant.into(),
            (*id).into(),
            name.shown().into(),
            name.key().into(),
            micros(now).into(),
        ]);
    }
    let head = "INSERT INTO locations (tenant_id, id, name, name_key, created_at) VALUES";
    write.tx().insert_many(head, 5, &args, "").await?;
    for (id, name) in fresh {
        let after = json_object([("name", Some(name.shown()))]);
        write.record_by(ids.next(now), by, Subject::Location(id), "create", None, Some(after));
        found.insert(name.key().to_owned(), id.uuid());
    }
    Ok(found.into_iter().map(|(key, id)| (key, LocationId::new(id))).collect())
}

/// Those of the names that are there, and the first spelling of each that is not, in the order given.
async fn look_up<'n>(
    write: &mut Write,
    select: &'static str,
    names: &[&'n Name],
) -> Result<(BTreeMap<String, Uuid>, Vec<&'n Name>), StoreError> {
    let mut seen = BTreeSet::new();
    let distinct: Vec<&Name> =
        names.iter().copied().filter(|name| seen.insert(name.key())).collect();
    let keys: Vec<&str> = distinct.iter().map(|name| name.key()).collect();
    let tenant = write.tenant();
    let rows: Vec<NamedRow> = write.tx().fetch_in(select, &[tenant.into()], &keys).await?;
    let found: BTreeMap<_, _> = rows.into_iter().map(|row| (row.name_key, row.id)).collect();
    let missing = distinct.into_iter().filter(|name| !found.contains_key(name.key())).collect();
    Ok((found, missing))
}

/// A team in JSON.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct TeamView {
    pub id: TeamId,
    pub name: String,
    /// `okta`: made by a run; `hand`: made here.
    pub origin: String,
    pub parent_id: Option<TeamId>,
    pub manager_id: Option<PersonId>,
    /// `hand` or `first_member`, when there is a manager.
    pub manager_source: Option<String>,
    /// People whose primary team it is and who are not deactivated.
    pub people: u64,
}

#[derive(sqlx::FromRow)]
struct TeamRow {
    id: Uuid,
    name: String,
    origin: String,
    parent_id: Option<Uuid>,
    manager_id: Option<Uuid>,
    manager_source: Option<String>,
    people: i64,
}

/// A location in JSON.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LocationView {
    pub id: LocationId,
    pub name: String,
    pub time_zone: Option<String>,
}

impl TenantDb {
    /// All teams, by name.
    pub async fn teams(&self) -> Result<Vec<TeamView>, StoreError> {
        let rows: Vec<TeamRow> = self
            .db()
            .fetch_all(
                "SELECT t.id, t.name, t.origin, t.parent_id, t.manager_id, t.manager_source, COALESCE(c.n, 0) AS people
                 FROM teams t LEFT JOIN (SELECT team_id, COUNT(*) AS n FROM people WHERE tenant_id = $1
                                         AND status <> 'deactivated' GROUP BY team_id) c ON c.team_id = t.id
                 WHERE t.tenant_id = $1 ORDER BY t.name_key",
                &[self.id().into()],
            )
            .await?;
        let view = |row: TeamRow| TeamView {
            id: TeamId::new(row.id),
            name: row.name,
            origin: row.origin,
            parent_id: row.parent_id.map(TeamId::new),
            manager_id: row.manager_id.map(PersonId::new),
            manager_source: row.manager_source,
            people: u64::try_from(row.people).unwrap_or(0),
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// All locations, by name.
    pub async fn locations(&self) -> Result<Vec<LocationView>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct LocationRow {
            id: Uuid,
            name: String,
            time_zone: Option<String>,
        }
        let rows: Vec<LocationRow> = self
            .db()
            .fetch_all(
                "SELECT id, name, time_zone FROM locations WHERE tenant_id = $1 ORDER BY name_key",
                &[self.id().into()],
            )
            .await?;
        let view = |row: LocationRow| LocationView {
            id: LocationId::new(row.id),
            name: row.name,
            time_zone: row.time_zone,
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// Makes `manager` the manager of a team by hand, or nobody.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the team or the person is not of this tenant.
    pub async fn set_team_manager(
        &self,
        team: TeamId,
        manager: Option<PersonId>,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        #[derive(sqlx::FromRow)]
        struct ManagerRow {
            manager_id: Option<Uuid>,
        }
        let mut write = self.write(now).await?;
        if let Some(person) = manager {
            must_exist(
                &mut write,
                "SELECT id FROM people WHERE tenant_id = $1 AND id = $2",
                person.uuid(),
                person,
            )
            .await?;
        }
        let row: Option<ManagerRow> = write
            .tx()
            .fetch_optional(
                "SELECT manager_id FROM teams WHERE tenant_id = $1 AND id = $2",
                &[self.id().into(), team.into()],
            )
            .await?;
        let before = row.ok_or_else(|| StoreError::NotFound(format!("there is no team {team}")))?;
        let before = before.manager_id.map(PersonId::new);
        // Also who cleared it did so by hand: the sync must not fill it again.
        write
            .tx()
            .execute(
                "UPDATE teams SET manager_id = $3, manager_source = 'hand' WHERE tenant_id = $1 AND id = $2",
                &[self.id().into(), team.into(), manager.into()],
            )
            .await?;
        if before != manager {
            let json = |id: Option<PersonId>| {
                Some(json_object([("manager", id.map(|id| id.to_string()).as_deref())]))
            };
            write.record_by(
                ids.next(now),
                by,
                Subject::Team(team),
                "manager",
                json(before),
                json(manager),
            );
        }
        write.commit().await
    }

    /// Puts a person into a secondary team; says whether they were not there before.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when the team or the person is not of this tenant.
    pub async fn add_membership(
        &self,
        person: PersonId,
        team: TeamId,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut write = self.write(now).await?;
        must_exist(
            &mut write,
            "SELECT id FROM people WHERE tenant_id = $1 AND id = $2",
            person.uuid(),
            person,
        )
        .await?;
        must_exist(
            &mut write,
            "SELECT id FROM teams WHERE tenant_id = $1 AND id = $2",
            team.uuid(),
            team,
        )
        .await?;
        let added = write
            .tx()
            .execute(
                "INSERT INTO memberships (tenant_id, person_id, team_id, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (tenant_id, person_id, team_id) DO NOTHING",
                &[self.id().into(), person.into(), team.into(), micros(now).into()],
            )
            .await?;
        if added > 0 {
            let after = json_object([("team", Some(team.to_string().as_str()))]);
            write.record_by(
                ids.next(now),
                by,
                Subject::Person(person),
                "join_team",
                None,
                Some(after),
            );
            write.commit().await?;
        }
        Ok(added > 0)
    }

    /// Takes a person out of a secondary team; says whether they were there.
    pub async fn remove_membership(
        &self,
        person: PersonId,
        team: TeamId,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut write = self.write(now).await?;
        let removed = write
            .tx()
            .execute(
                "DELETE FROM memberships WHERE tenant_id = $1 AND person_id = $2 AND team_id = $3",
                &[self.id().into(), person.into(), team.into()],
            )
            .await?;
        if removed > 0 {
            let before = json_object([("team", Some(team.to_string().as_str()))]);
            write.record_by(
                ids.next(now),
                by,
                Subject::Person(person),
                "leave_team",
                Some(before),
                None,
            );
            write.commit().await?;
        }
        Ok(removed > 0)
    }

    /// The secondary teams of a person.
    pub async fn memberships(&self, person: PersonId) -> Result<Vec<TeamId>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct TeamIdRow {
            team_id: Uuid,
        }
        let rows: Vec<TeamIdRow> = self
            .db()
            .fetch_all(
                "SELECT team_id FROM memberships WHERE tenant_id = $1 AND person_id = $2 ORDER BY team_id",
                &[self.id().into(), person.into()],
            )
            .await?;
        Ok(rows.into_iter().map(|row| TeamId::new(row.team_id)).collect())
    }
}

pub(crate) async fn must_exist(
    write: &mut Write,
    sql: &'static str,
    id: Uuid,
    shown: impl std::fmt::Display,
) -> Result<(), StoreError> {
    #[derive(sqlx::FromRow)]
    struct IdRow {
        #[expect(dead_code, reason = "only its arrival matters")]
        id: Uuid,
    }
    let tenant = write.tenant();
    let row: Option<IdRow> = write.tx().fetch_optional(sql, &[tenant.into(), id.into()]).await?;
    row.map(drop).ok_or_else(|| {
        StoreError::NotFound(format!("there is nobody and nothing with the id {shown}"))
    })
}
