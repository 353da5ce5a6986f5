//! The people step: the part of a listing that needs a plan, with what the directory holds of each person.
//!
//! *Unchanged* means: same attributes, same revision of the rules, no local change since, no date passed. It costs a
//! compare inside the database and no write.

use std::collections::BTreeMap;

use jiff::civil::Date;
use muster_core::id::{OktaUserId, PersonId, RunId};
use muster_core::manager::Candidates;
use muster_core::person::{Person, Status};
use uuid::Uuid;

use crate::error::StoreError;
use crate::history::Write;
use crate::mirror::{MirrorRow, RawRow, mirror_columns};
use crate::people::{PersonRow, person_columns, person_joins};
use crate::sightings::seen_since;
use crate::time::days;

/// A stretch of the listing, in its order: who of it needs a plan, and how many do not.
#[derive(Debug)]
pub struct Stretch {
    pub rows: Vec<MirrorRow>,
    /// Whether the directory holds anybody of them already.
    pub known: bool,
    pub unchanged: u64,
    /// The last place of the stretch; `None` when the listing has no more.
    pub end: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct PlaceRow {
    place: i64,
}

#[derive(sqlx::FromRow)]
struct FoundRow {
    #[sqlx(flatten)]
    row: RawRow,
    known: bool,
}

#[derive(sqlx::FromRow)]
struct CountRow {
    n: i64,
}

macro_rules! needs_plan {
    () => {
        "(p.id IS NULL OR p.planned_hash IS NULL OR p.planned_hash <> m.hash OR p.planned_rules IS NULL
          OR p.planned_rules <> $4 OR p.due_day <= $5)
         AND (p.observed_at IS NULL OR p.observed_at <= m.observed_at)"
    };
}

/// The next stretch after `after`: at most `scan` people, at most `limit` of whom need a plan.
pub async fn next_stretch(
    write: &mut Write,
    run: RunId,
    after: i64,
    rules_revision: i64,
    today: Date,
    scan: i64,
    limit: i64,
) -> Result<Stretch, StoreError> {
    let tenant = write.tenant().uuid();
    let far: Option<PlaceRow> = write
        .tx()
        .fetch_optional(
            "SELECT place FROM (SELECT place FROM mirror WHERE tenant_id = $1 AND run_id = $2 AND place > $3
                                ORDER BY place LIMIT $4) AS part
             ORDER BY place DESC LIMIT 1",
            &[tenant.into(), run.uuid().into(), after.into(), scan.into()],
        )
        .await?;
    let Some(far) = far else {
        return Ok(Stretch { rows: Vec::new(), known: false, unchanged: 0, end: None });
    };
    let raw: Vec<FoundRow> = write
        .tx()
        .fetch_all(
            concat!(
                "SELECT ",
                mirror_columns!(),
                ", (p.id IS NOT NULL) AS known FROM mirror m LEFT JOIN people p ON p.tenant_id = m.tenant_id AND p.okta_user_id = m.okta_user_id
                  WHERE m.tenant_id = $1 AND m.run_id = $2 AND m.place > $3 AND m.place <= $6 AND ",
                needs_plan!(),
                " AND NOT ",
                seen_since!(),
                " ORDER BY m.place LIMIT $7"
            ),
            &[
                tenant.into(),
                run.uuid().into(),
                after.into(),
                rules_revision.into(),
                days(today).into(),
                far.place.into(),
                limit.into(),
            ],
        )
        .await?;
    let known = raw.iter().any(|found| found.known);
    let rows: Vec<MirrorRow> =
        raw.into_iter().map(|found| found.row.try_into()).collect::<Result<_, _>>()?;
    let end = match rows.last() {
        Some(last) if i64::try_from(rows.len()).unwrap_or(i64::MAX) == limit => last.place,
        _ => far.place,
    };
    let total: Vec<CountRow> = write
        .tx()
        .fetch_all(
            "SELECT COUNT(*) AS n FROM mirror WHERE tenant_id = $1 AND run_id = $2 AND place > $3 AND place <= $4",
            &[tenant.into(), run.uuid().into(), after.into(), end.into()],
        )
        .await?;
    let total = total.first().map_or(0, |row| u64::try_from(row.n).unwrap_or(0));
    Ok(Stretch { unchanged: total.saturating_sub(rows.len() as u64), rows, known, end: Some(end) })
}

#[derive(sqlx::FromRow)]
struct ForUserRow {
    for_user: String,
    #[sqlx(flatten)]
    person: PersonRow,
}

async fn people_for(
    write: &mut Write,
    sql: &'static str,
    run: RunId,
    after: i64,
    end: i64,
) -> Result<Vec<(String, Person)>, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<ForUserRow> = write
        .tx()
        .fetch_all(sql, &[tenant.into(), run.uuid().into(), after.into(), end.into()])
        .await?;
    rows.into_iter().map(|row| Ok((row.for_user, Person::try_from(row.person)?))).collect()
}

/// What the directory holds of the Okta users of a stretch, by Okta id.
pub async fn known(
    write: &mut Write,
    run: RunId,
    after: i64,
    end: i64,
) -> Result<BTreeMap<String, Person>, StoreError> {
    const SQL: &str = concat!(
        "SELECT m.okta_user_id AS for_user, ",
        person_columns!(),
        " FROM mirror m JOIN people p ON p.tenant_id = m.tenant_id AND p.okta_user_id = m.okta_user_id ",
        person_joins!(),
        " WHERE m.tenant_id = $1 AND m.run_id = $2 AND m.place > $3 AND m.place <= $4"
    );
    Ok(people_for(write, SQL, run, after, end).await?.into_iter().collect())
}

/// Accounts that hold the e-mail of an Okta user of the stretch without being theirs, by Okta id.
pub async fn holders(
    write: &mut Write,
    run: RunId,
    after: i64,
    end: i64,
) -> Result<BTreeMap<String, Person>, StoreError> {
    const SQL: &str = concat!(
        "SELECT m.okta_user_id AS for_user, ",
        person_columns!(),
        " FROM mirror m JOIN people p ON p.tenant_id = m.tenant_id AND p.email_key = m.email_key
              AND (p.okta_user_id IS NULL OR p.okta_user_id <> m.okta_user_id) ",
        person_joins!(),
        " WHERE m.tenant_id = $1 AND m.run_id = $2 AND m.place > $3 AND m.place <= $4"
    );
    Ok(people_for(write, SQL, run, after, end).await?.into_iter().collect())
}

/// Whether the tenant has accounts that Okta does not know and that carry more than a name to recognise them by.
pub async fn has_namesakes(write: &mut Write) -> Result<bool, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<CountRow> = write
        .tx()
        .fetch_all(
            "SELECT COUNT(*) AS n FROM people WHERE tenant_id = $1 AND okta_user_id IS NULL
             AND (start_date IS NOT NULL OR employee_number IS NOT NULL)",
            &[tenant.into()],
        )
        .await?;
    Ok(rows.first().is_some_and(|row| row.n > 0))
}

/// Unlinked accounts with the same name as an Okta user of the stretch but another e-mail, by Okta id.
pub async fn namesakes(
    write: &mut Write,
    run: RunId,
    after: i64,
    end: i64,
) -> Result<BTreeMap<String, Vec<Person>>, StoreError> {
    const SQL: &str = concat!(
        "SELECT m.okta_user_id AS for_user, ",
        person_columns!(),
        " FROM mirror m JOIN people p ON p.tenant_id = m.tenant_id AND p.okta_user_id IS NULL
              AND p.name_key = m.name_key AND p.email_key <> COALESCE(m.email_key, '')
              AND (p.start_date IS NOT NULL OR p.employee_number IS NOT NULL) ",
        person_joins!(),
        " WHERE m.tenant_id = $1 AND m.run_id = $2 AND m.place > $3 AND m.place <= $4
          ORDER BY p.id"
    );
    let mut alike: BTreeMap<String, Vec<Person>> = BTreeMap::new();
    for (of, person) in people_for(write, SQL, run, after, end).await? {
        alike.entry(of).or_default().push(person);
    }
    Ok(alike)
}

/// Decisions by hand about the Okta users of a stretch, by Okta id: the account, and whether it is the same person.
pub async fn pairings(
    write: &mut Write,
    run: RunId,
    after: i64,
    end: i64,
) -> Result<BTreeMap<String, (bool, Person)>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        same: bool,
        #[sqlx(flatten)]
        of: ForUserRow,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            concat!(
                "SELECT m.okta_user_id AS for_user, x.same, ",
                person_columns!(),
                " FROM pairings x JOIN mirror m ON m.tenant_id = x.tenant_id AND m.okta_user_id = x.okta_user_id
                  JOIN people p ON p.tenant_id = x.tenant_id AND p.id = x.person_id ",
                person_joins!(),
                " WHERE m.tenant_id = $1 AND m.run_id = $2 AND m.place > $3 AND m.place <= $4"
            ),
            &[tenant.into(), run.uuid().into(), after.into(), end.into()],
        )
        .await?;
    rows.into_iter()
        .map(|row| Ok((row.of.for_user, (row.same, Person::try_from(row.of.person)?))))
        .collect()
}

/// Marks rows of the mirror as waiting for the step that moves contended e-mails.
pub async fn defer(write: &mut Write, run: RunId, users: &[OktaUserId]) -> Result<(), StoreError> {
    let tenant = write.tenant().uuid();
    for user in users {
        write
            .tx()
            .execute(
                "UPDATE mirror SET deferred = TRUE WHERE tenant_id = $1 AND run_id = $2 AND okta_user_id = $3",
                &[tenant.into(), run.uuid().into(), user.as_str().into()],
            )
            .await?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct KeyedRow {
    id: Uuid,
    matched: String,
}

/// Who the manager values `keys` (as of `core::manager::key`) may mean among the people there are now: by Okta id, login
/// and e-mail. Employee numbers and names wait for the managers step, when everybody is there.
pub async fn manager_candidates(
    write: &mut Write,
    raw: &[&str],
    keys: &[&str],
) -> Result<BTreeMap<String, Candidates>, StoreError> {
    let tenant = write.tenant().uuid();
    let mut found: BTreeMap<String, Candidates> = BTreeMap::new();
    let ask = [
        (
            "SELECT id, okta_user_id AS matched FROM people WHERE tenant_id = $1 AND okta_user_id IN",
            raw,
            0_u8,
        ),
        (
            "SELECT id, login_key AS matched FROM people WHERE tenant_id = $1 AND login_key IN",
            keys,
            1,
        ),
        (
            "SELECT id, email_key AS matched FROM people WHERE tenant_id = $1 AND email_key IN",
            keys,
            2,
        ),
    ];
    for (sql, values, which) in ask {
        let rows: Vec<KeyedRow> = write.tx().fetch_in(sql, &[tenant.into()], values).await?;
        for row in rows {
            let id = Some(PersonId::new(row.id));
            let key = if which == 0 { row.matched.to_lowercase() } else { row.matched };
            let of = found.entry(key).or_default();
            match which {
                0 => of.by_okta_id = id,
                1 => of.by_login = id,
                _ => of.by_email = id,
            }
        }
    }
    Ok(found)
}

/// Somebody of an Okta user, as far as a run that names them must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acquaintance {
    pub id: PersonId,
    /// Their e-mail as it is shown.
    pub email: String,
    /// Whether they may still enter, now or later.
    pub has_access: bool,
}

/// Whom the directory holds for each of these Okta users.
pub async fn acquaintances(
    write: &mut Write,
    users: &[&str],
) -> Result<BTreeMap<String, Acquaintance>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        id: Uuid,
        okta_user_id: String,
        email: String,
        status: String,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_in(
            "SELECT id, okta_user_id, email, status FROM people WHERE tenant_id = $1 AND okta_user_id IN",
            &[tenant.into()],
            users,
        )
        .await?;
    let known = |row: Row| {
        let has_access = row.status != Status::Deactivated.as_str();
        (row.okta_user_id, Acquaintance { id: PersonId::new(row.id), email: row.email, has_access })
    };
    Ok(rows.into_iter().map(known).collect())
}
