//! The managers step: who each manager value means, found set by set once everybody is there.

use muster_core::id::{PersonId, RunId, TeamId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::history::Write;

/// Someone whose manager is not (or no longer) the one their row shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub person: PersonId,
    pub before: Option<PersonId>,
    pub after: Option<PersonId>,
}

#[derive(sqlx::FromRow)]
struct IdRow {
    id: Uuid,
}

#[derive(sqlx::FromRow)]
struct MovedRow {
    id: Uuid,
    manager_id: Option<Uuid>,
    wanted: Option<Uuid>,
}

/// Whether anybody or the rules changed since managers were last resolved for everybody.
pub async fn due(write: &mut Write) -> Result<bool, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        due: bool,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            "SELECT (history_seq <> managers_seq) AS due FROM tenants WHERE id = $1",
            &[tenant.into()],
        )
        .await?;
    Ok(rows.first().is_some_and(|row| row.due))
}

/// Notes that managers are resolved for everybody as of the history up to `seq`.
pub async fn settled(write: &mut Write, seq: i64) -> Result<(), StoreError> {
    let tenant = write.tenant().uuid();
    write
        .tx()
        .execute("UPDATE tenants SET managers_seq = $2 WHERE id = $1", &[tenant.into(), seq.into()])
        .await
        .map(drop)
}

/// The last person id of the next `scan` people after `after`; `None` when there are no more.
pub async fn stretch_end(
    write: &mut Write,
    after: Option<PersonId>,
    scan: i64,
) -> Result<Option<PersonId>, StoreError> {
    let tenant = write.tenant().uuid();
    let from = after.map_or(Uuid::nil(), PersonId::uuid);
    let row: Option<IdRow> = write
        .tx()
        .fetch_optional(
            "SELECT id FROM (SELECT id FROM people WHERE tenant_id = $1 AND id > $2 ORDER BY id LIMIT $3) AS part
             ORDER BY id DESC LIMIT 1",
            &[tenant.into(), from.into(), scan.into()],
        )
        .await?;
    Ok(row.map(|row| PersonId::new(row.id)))
}

// The order: Okta id, login, e-mail, employee number (if unique). `login_key` is kept only where it differs from the e-mail,
// so the e-mail of the same person stands for it. Nobody is their own manager.
macro_rules! resolved {
    ($more:literal) => {
        concat!(
            "CASE WHEN p.manager_key IS NULL THEN NULL
                  ELSE COALESCE(
                 (SELECT k.id FROM people k WHERE k.tenant_id = p.tenant_id AND k.okta_user_id = TRIM(p.manager_raw)),
                 (SELECT k.id FROM people k WHERE k.tenant_id = p.tenant_id AND k.login_key = p.manager_key
                  ORDER BY k.id LIMIT 1),
                 (SELECT k.id FROM people k WHERE k.tenant_id = p.tenant_id AND k.email_key = p.manager_key),
                 (SELECT k.id FROM people k WHERE k.tenant_id = p.tenant_id AND k.employee_number = TRIM(p.manager_raw)
                  AND NOT EXISTS (SELECT 1 FROM people j WHERE j.tenant_id = k.tenant_id
                                  AND j.employee_number = k.employee_number AND j.id <> k.id))",
            $more,
            ") END"
        )
    };
}

macro_rules! moved {
    ($more:literal) => {
        moved!($more, "p.id > $2 AND p.id <= $3")
    };
    ($more:literal, $which:literal) => {
        concat!(
            "SELECT id, manager_id, CASE WHEN wanted = id THEN NULL ELSE wanted END AS wanted FROM
                 (SELECT p.id, p.manager_id, ",
            resolved!($more),
            " AS wanted FROM people p WHERE p.tenant_id = $1 AND ",
            $which,
            " AND p.okta_user_id IS NOT NULL AND (p.manager_key IS NOT NULL OR p.manager_id IS NOT NULL)) AS found
              WHERE manager_id IS DISTINCT FROM CASE WHEN wanted = id THEN NULL ELSE wanted END
              ORDER BY id"
        )
    };
}

const MOVED: &str = moved!("");
// Names have no index, because few tenants let them count: the unique ones are listed once a statement.
const MOVED_BY_NAME: &str = concat!(
    "WITH counted AS (SELECT id, name_key, COUNT(*) OVER (PARTITION BY name_key) AS n FROM people WHERE tenant_id = $1),
          named AS MATERIALIZED (SELECT id, name_key FROM counted WHERE n = 1) ",
    moved!(", (SELECT k.id FROM named k WHERE k.name_key = p.manager_key)")
);

/// People of a stretch whose manager moved. A first and last name counts only if `by_name`, and only if it is unique.
pub async fn moved(
    write: &mut Write,
    after: Option<PersonId>,
    end: PersonId,
    by_name: bool,
) -> Result<Vec<Moved>, StoreError> {
    let tenant = write.tenant().uuid();
    let from = after.map_or(Uuid::nil(), PersonId::uuid);
    let rows: Vec<MovedRow> = write
        .tx()
        .fetch_all(
            if by_name { MOVED_BY_NAME } else { MOVED },
            &[tenant.into(), from.into(), end.uuid().into()],
        )
        .await?;
    Ok(rows.into_iter().map(Moved::from).collect())
}

const MOVED_NEAR: &str = concat!(
    "WITH near AS MATERIALIZED
         (SELECT t.id FROM mirror m JOIN people t ON t.tenant_id = m.tenant_id AND t.okta_user_id = m.okta_user_id
          WHERE m.tenant_id = $1 AND m.run_id = $2
          UNION
          SELECT r.id FROM mirror m JOIN people t ON t.tenant_id = m.tenant_id AND t.okta_user_id = m.okta_user_id
          JOIN people r ON r.tenant_id = t.tenant_id AND r.manager_id = t.id
          WHERE m.tenant_id = $1 AND m.run_id = $2
          UNION
          SELECT w.id FROM mirror m JOIN people t ON t.tenant_id = m.tenant_id AND t.okta_user_id = m.okta_user_id
          JOIN people w ON w.tenant_id = t.tenant_id AND w.manager_id IS NULL AND w.manager_key IS NOT NULL
               AND w.manager_key IN (t.email_key, t.login_key, LOWER(t.okta_user_id), LOWER(t.employee_number), t.name_key)
          WHERE m.tenant_id = $1 AND m.run_id = $2) ",
    moved!("", "p.id IN (SELECT id FROM near)")
);

/// Those whose manager moved because of the people whom `run` read: these themselves, whoever has them as manager, and
/// whoever waits for one of them by an id, an address or a number.
pub async fn moved_near(write: &mut Write, run: RunId) -> Result<Vec<Moved>, StoreError> {
    let tenant = write.tenant().uuid();
    let args = [tenant.into(), run.into()];
    let rows: Vec<MovedRow> = write.tx().fetch_all(MOVED_NEAR, &args).await?;
    Ok(rows.into_iter().map(Moved::from).collect())
}

impl From<MovedRow> for Moved {
    fn from(row: MovedRow) -> Self {
        Self {
            person: PersonId::new(row.id),
            before: row.manager_id.map(PersonId::new),
            after: row.wanted.map(PersonId::new),
        }
    }
}

/// Sets the managers of people, each in the same statement.
pub async fn set(write: &mut Write, moved: &[Moved]) -> Result<(), StoreError> {
    let tenant = write.tenant().uuid();
    let pairs: Vec<_> = moved.iter().map(|one| (one.person, one.after)).collect();
    write
        .tx()
        .set_ids(
            "UPDATE people SET manager_id = v.column2, version = version + 1 FROM v
             WHERE people.tenant_id = v.scope AND people.id = v.column1",
            &tenant.into(),
            &pairs,
        )
        .await
        .map(drop)
}

/// A team that has no manager yet, and the manager of its first member who has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirstManager {
    pub team: TeamId,
    pub manager: PersonId,
}

/// Teams without a manager, each with the manager of its first member who has one other than themselves that has not left. First
/// is who Okta made first, then by id.
pub async fn first_managers(write: &mut Write) -> Result<Vec<FirstManager>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        team_id: Uuid,
        manager_id: Uuid,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            "SELECT team_id, manager_id FROM
                 (SELECT p.team_id, p.manager_id,
                         ROW_NUMBER() OVER (PARTITION BY p.team_id ORDER BY p.okta_created, p.okta_user_id) AS place
                  FROM people p JOIN teams t ON t.tenant_id = p.tenant_id AND t.id = p.team_id
                       JOIN people b ON b.tenant_id = p.tenant_id AND b.id = p.manager_id
                  WHERE p.tenant_id = $1 AND t.manager_id IS NULL AND p.okta_user_id IS NOT NULL
                        AND p.status <> 'deactivated' AND b.status <> 'deactivated') AS ranked
             WHERE place = 1 ORDER BY team_id",
            &[tenant.into()],
        )
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| FirstManager {
            team: TeamId::new(row.team_id),
            manager: PersonId::new(row.manager_id),
        })
        .collect())
}

/// Gives a team the manager of its first member.
pub async fn set_first(write: &mut Write, first: FirstManager) -> Result<(), StoreError> {
    let tenant = write.tenant().uuid();
    write
        .tx()
        .execute(
            "UPDATE teams SET manager_id = $3, manager_source = 'first_member' WHERE tenant_id = $1 AND id = $2",
            &[tenant.into(), first.team.uuid().into(), first.manager.uuid().into()],
        )
        .await
        .map(drop)
}
