//! The e-mail step: everybody who waits for an address that somebody else had when the people step came to them.

use muster_core::id::{OktaUserId, RunId};
use muster_core::person::Person;

use crate::error::StoreError;
use crate::history::Write;
use crate::mirror::{MirrorRow, RawRow, mirror_columns};
use crate::people::{PersonRow, person_columns, person_joins};
use crate::sightings::seen_since;

/// Rows of the mirror that wait, in the order of their Okta ids; of nobody who was read by their id or written since.
pub async fn deferred(write: &mut Write, run: RunId) -> Result<Vec<MirrorRow>, StoreError> {
    let tenant = write.tenant().uuid();
    let rows: Vec<RawRow> = write
        .tx()
        .fetch_all(
            concat!(
                "SELECT ",
                mirror_columns!(),
                " FROM mirror m WHERE m.tenant_id = $1 AND m.run_id = $2 AND m.deferred
                  AND NOT EXISTS (SELECT 1 FROM people p WHERE p.tenant_id = m.tenant_id
                                  AND p.okta_user_id = m.okta_user_id AND p.observed_at > m.observed_at)
                  AND NOT ",
                seen_since!(),
                " ORDER BY m.place"
            ),
            &[tenant.into(), run.uuid().into()],
        )
        .await?;
    rows.into_iter().map(MirrorRow::try_from).collect()
}

/// What the directory holds of one Okta user, if anything.
pub async fn person_of(write: &mut Write, user: &OktaUserId) -> Result<Option<Person>, StoreError> {
    let tenant = write.tenant().uuid();
    let row: Option<PersonRow> = write
        .tx()
        .fetch_optional(
            concat!(
                "SELECT ",
                person_columns!(),
                " FROM people p ",
                person_joins!(),
                " WHERE p.tenant_id = $1 AND p.okta_user_id = $2"
            ),
            &[tenant.into(), user.as_str().into()],
        )
        .await?;
    row.map(Person::try_from).transpose()
}

/// Who holds an e-mail now, if anybody.
pub async fn holder_of(write: &mut Write, email_key: &str) -> Result<Option<Person>, StoreError> {
    let tenant = write.tenant().uuid();
    let row: Option<PersonRow> = write
        .tx()
        .fetch_optional(
            concat!(
                "SELECT ",
                person_columns!(),
                " FROM people p ",
                person_joins!(),
                " WHERE p.tenant_id = $1 AND p.email_key = $2"
            ),
            &[tenant.into(), email_key.into()],
        )
        .await?;
    row.map(Person::try_from).transpose()
}

/// Parks the addresses of people who are about to get others, so that two can swap. Only inside the transaction that
/// gives each of them a new one.
pub async fn park(write: &mut Write, people: &[&Person]) -> Result<(), StoreError> {
    let tenant = write.tenant().uuid();
    for person in people {
        write
            .tx()
            .execute(
                "UPDATE people SET email_key = $3 WHERE tenant_id = $1 AND id = $2",
                // No address has a space in it, so no parked key can be anybody's address.
                &[tenant.into(), person.id.uuid().into(), format!("parked {}", person.id).into()],
            )
            .await?;
    }
    Ok(())
}
