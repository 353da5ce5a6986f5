//! The removals step: who is about to lose access, as the directory and the mirror hold them now.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_core::id::RunId;
use muster_core::person::Person;

use crate::error::StoreError;
use crate::history::Write;
use crate::mirror::{MirrorRow, RawRow, mirror_columns};
use crate::people::{PersonRow, person_columns, person_joins};
use crate::time::from_micros;

/// The people of these Okta users, each with the time of the last read of Okta that changed them, or that another run than
/// `run` made of them by their id.
pub async fn people_by_okta(
    write: &mut Write,
    run: RunId,
    users: &[&str],
) -> Result<BTreeMap<String, (Person, Option<Timestamp>)>, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        observed_at: Option<i64>,
        #[sqlx(flatten)]
        person: PersonRow,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_in(
            concat!(
                "SELECT CASE WHEN s.observed_at > p.observed_at OR p.observed_at IS NULL THEN s.observed_at
                             ELSE p.observed_at END AS observed_at, ",
                person_columns!(),
                " FROM people p LEFT JOIN sightings s ON s.tenant_id = p.tenant_id AND s.okta_user_id = p.okta_user_id
                                                         AND s.run_id <> $2 ",
                person_joins!(),
                " WHERE p.tenant_id = $1 AND p.okta_user_id IN"
            ),
            &[tenant.into(), run.into()],
            users,
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let person = Person::try_from(row.person)?;
            let id =
                person.profile.okta_user_id.as_ref().map(ToString::to_string).unwrap_or_default();
            Ok((id, (person, row.observed_at.and_then(from_micros))))
        })
        .collect()
}

/// What the listing of `run` shows of these Okta users.
pub async fn mirror_rows(
    write: &mut Write,
    run: RunId,
    users: &[&str],
) -> Result<BTreeMap<String, MirrorRow>, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<RawRow> = write
        .tx()
        .fetch_in(
            concat!(
                "SELECT ",
                mirror_columns!(),
                " FROM mirror m WHERE m.tenant_id = $1 AND m.run_id = $2 AND m.okta_user_id IN"
            ),
            &[tenant.into(), run.into()],
            users,
        )
        .await?;
    rows.into_iter()
        .map(|row| {
            let row = MirrorRow::try_from(row)?;
            Ok((row.user.id.to_string(), row))
        })
        .collect()
}

/// How many active owners the tenant has.
pub async fn active_owners(write: &mut Write) -> Result<u64, StoreError> {
    #[derive(sqlx::FromRow)]
    struct Row {
        n: i64,
    }
    let tenant = write.tenant().uuid();
    let rows: Vec<Row> = write
        .tx()
        .fetch_all(
            "SELECT COUNT(*) AS n FROM people WHERE tenant_id = $1 AND role = 'owner' AND status = 'active'",
            &[tenant.into()],
        )
        .await?;
    Ok(rows.first().map_or(0, |row| u64::try_from(row.n).unwrap_or(0)))
}
