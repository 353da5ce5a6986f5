//! How a tenant lets people in: by Okta only or not, how long sessions last, and whether its connection was proved.

use jiff::Timestamp;
use muster_core::access::{Entry, SsoReadiness, TEST_COUNTS};
use muster_core::id::{IdSource, OktaUserId, PersonId};
use muster_core::person::{Role, Status};
use muster_core::signin::SessionLimits;
use uuid::Uuid;

use crate::error::StoreError;
use crate::history::{By, Subject, Write, json_object};
use crate::jobs::{self, NewJob, priority};
use crate::people::{self, PersonKey};
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// What a round trip to Okta by *Connect* showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OktaProof {
    pub okta_user_id: OktaUserId,
    /// JSON object of what was said of them, to be shown.
    pub said: String,
    pub at: Timestamp,
}

/// That the connection was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedState {
    pub at: Timestamp,
    pub by: Option<PersonId>,
    pub issuer: String,
}

#[derive(sqlx::FromRow)]
struct Count {
    n: i64,
}

/// Active break-glass owners who could come in without Okta: with a password, a second factor and recovery codes.
macro_rules! break_glass_owners {
    () => {
        "SELECT COUNT(*) AS n FROM people p
         JOIN passwords w ON w.tenant_id = p.tenant_id AND w.person_id = p.id
         JOIN second_factors f ON f.tenant_id = p.tenant_id AND f.person_id = p.id AND f.confirmed_at IS NOT NULL
         WHERE p.tenant_id = $1 AND p.role = 'owner' AND p.status = 'active' AND p.break_glass
           AND NOT p.confirm_needed AND p.okta_user_id IS NULL
           AND EXISTS (SELECT 1 FROM recovery_codes c WHERE c.tenant_id = p.tenant_id AND c.person_id = p.id
                       AND c.used_at IS NULL)"
    };
}

/// What of a connection counts when it is proved: the address, the client, and when its secrets were set.
macro_rules! connection_mark {
    () => {
        "SELECT COALESCE(c.api_url, '') || ' ' || COALESCE(c.client_id, '') || ' ' ||
                COALESCE((SELECT MAX(s.set_at) FROM secrets s WHERE s.tenant_id = c.tenant_id
                          AND s.field IN ('client_secret', 'api_token')), 0) AS mark
         FROM okta_connections c WHERE c.tenant_id = $1"
    };
}

#[derive(sqlx::FromRow)]
struct Mark {
    mark: String,
}

async fn connection_mark(write: &mut Write) -> Result<String, StoreError> {
    let tenant = write.tenant();
    let row: Option<Mark> = write.tx().fetch_optional(connection_mark!(), &[tenant.into()]).await?;
    Ok(row.map(|row| row.mark).unwrap_or_default())
}

impl TenantDb {
    /// What is there of what must be so before only Okta may be used, for the owner who wants it.
    pub async fn sso_readiness(
        &self,
        acting: PersonId,
        now: Timestamp,
    ) -> Result<SsoReadiness, StoreError> {
        let mut write = self.write(now).await?;
        readiness(&mut write, acting).await
    }

    /// Lets people in by Okta only, or by any way.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] when something is missing for Okta only: see [`SsoReadiness`]. It is looked at in the same
    /// transaction, so nothing can go missing meanwhile.
    pub async fn set_entry(
        &self,
        entry: Entry,
        acting: PersonId,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut write = self.write(now).await?;
        if entry == Entry::OktaOnly && !readiness(&mut write, acting).await?.is_ready() {
            return Err(StoreError::Conflict(
                "only-Okta needs a test by you in the last 30 minutes and a break-glass owner; nothing was changed".into(),
            ));
        }
        let turned = turn(&mut write, entry, by, ids).await?;
        write.commit().await?;
        Ok(turned)
    }

    /// Sets how long sessions last, for those that are open too.
    pub async fn set_session_limits(
        &self,
        limits: SessionLimits,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut write = self.write(now).await?;
        let (idle, most) = (limits.idle.as_mins(), limits.absolute.as_mins());
        let args = [self.id().into(), idle.into(), most.into()];
        let sql =
            "UPDATE tenants SET session_idle_minutes = $2, session_max_minutes = $3 WHERE id = $1";
        write.tx().execute(sql, &args).await?;
        let (idle, most) = (idle.to_string(), most.to_string());
        let after = json_object([
            ("session_idle_minutes", Some(idle.as_str())),
            ("session_max_minutes", Some(most.as_str())),
        ]);
        write.record_by(ids.next(now), by, Subject::Settings, "session_limits", None, Some(after));
        write.commit().await
    }

    /// Whether, when and by whom the connection as it is now was proved.
    pub async fn connected(&self) -> Result<Option<ConnectedState>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct StateRow {
            connected_at: Option<i64>,
            connected_by: Option<Uuid>,
            issuer: Option<String>,
        }
        let row: Option<StateRow> = self
            .db()
            .fetch_optional(
                "SELECT connected_at, connected_by, issuer FROM okta_connections WHERE tenant_id = $1",
                &[self.id().into()],
            )
            .await?;
        Ok(row.and_then(|row| {
            Some(ConnectedState {
                at: row.connected_at.and_then(from_micros)?,
                by: row.connected_by.map(PersonId::new),
                issuer: row.issuer?,
            })
        }))
    }

    /// Notes whom Okta showed when `acting` went there by *Connect*. With `issuer` everything was proved, and the tenant is connected if
    /// the connection is still the one whose mark stands beside it ([`TenantDb::connection_mark`]); says whether it is.
    pub async fn put_proof(
        &self,
        acting: PersonId,
        proof: &OktaProof,
        issuer: Option<(&str, &str)>,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut write = self.write(now).await?;
        let mark = connection_mark(&mut write).await?;
        let issuer = issuer.filter(|(_, proved)| *proved == mark).map(|(issuer, _)| issuer);
        let row = [
            self.id().into(),
            acting.into(),
            (&proof.okta_user_id).into(),
            proof.said.as_str().into(),
            issuer.is_some().into(),
            micros(now).into(),
        ];
        write
            .tx()
            .execute(
                "INSERT INTO okta_proofs (tenant_id, person_id, okta_user_id, said, is_good, at)
                 VALUES ($1, $2, $3, $4, $5, $6)
                 ON CONFLICT (tenant_id, person_id) DO UPDATE SET okta_user_id = excluded.okta_user_id,
                     said = excluded.said, is_good = excluded.is_good, at = excluded.at",
                &row,
            )
            .await?;
        if let Some(issuer) = issuer {
            let args = [self.id().into(), micros(now).into(), acting.into(), issuer.into()];
            let sql = "UPDATE okta_connections SET connected_at = $2, connected_by = $3, issuer = $4 WHERE tenant_id = $1";
            write.tx().execute(sql, &args).await?;
            let after = json_object([("issuer", Some(issuer))]);
            write.record_by(ids.next(now), by, Subject::Settings, "connect", None, Some(after));
        }
        write.commit().await?;
        Ok(issuer.is_some())
    }

    /// A word for the connection as it is set now: another one means that something of it was replaced.
    pub async fn connection_mark(&self) -> Result<String, StoreError> {
        let row: Option<Mark> =
            self.db().fetch_optional(connection_mark!(), &[self.id().into()]).await?;
        Ok(row.map(|row| row.mark).unwrap_or_default())
    }

    /// Whom Okta showed when this person last went there by *Connect*.
    pub async fn proof(&self, person: PersonId) -> Result<Option<OktaProof>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct ProofRow {
            okta_user_id: String,
            said: String,
            at: i64,
        }
        let row: Option<ProofRow> = self
            .db()
            .fetch_optional(
                "SELECT okta_user_id, said, at FROM okta_proofs WHERE tenant_id = $1 AND person_id = $2",
                &[self.id().into(), person.into()],
            )
            .await?;
        let bad =
            |column| StoreError::BadRow { table: "okta_proofs", column, id: person.to_string() };
        row.map(|row| {
            Ok(OktaProof {
                okta_user_id: OktaUserId::parse(&row.okta_user_id)
                    .map_err(|_| bad("okta_user_id"))?,
                said: row.said,
                at: from_micros(row.at).ok_or_else(|| bad("at"))?,
            })
        })
        .transpose()
    }

    /// Links the account of a person to the Okta user who was shown by their own round trip, if that is still the same one and not
    /// long ago; then Okta feeds them. The only way in which an owner's or admin's account is ever linked.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] with the reason when it cannot be.
    pub async fn link_by_proof(
        &self,
        person: PersonId,
        user: &OktaUserId,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let conflict = |text: &str| Err(StoreError::Conflict(text.to_owned()));
        let mut write = self.write(now).await?;
        let proven = proof_since(&mut write, person, user, now).await?;
        if !proven {
            return conflict("that sign-in is too long ago: press Connect to Okta again");
        }
        let Some(account) = people::load(&mut write, &PersonKey::Id(person)).await? else {
            return conflict("this account is gone");
        };
        if account.profile.okta_user_id.as_ref() == Some(user) {
            return Ok(());
        }
        if account.is_managed() {
            return conflict("this account is linked to another Okta user already");
        }
        if account.break_glass {
            return conflict("a break-glass account is never linked");
        }
        if account.profile.status != Status::Active {
            return conflict("this account has no access");
        }
        if people::load(&mut write, &PersonKey::Okta(user.clone())).await?.is_some() {
            return conflict("that Okta user belongs to another account here");
        }
        let args = [self.id().into(), person.into(), user.into()];
        let sql = "UPDATE people SET okta_user_id = $3, status_reason = 'assigned', version = version + 1, planned_hash = NULL
                   WHERE tenant_id = $1 AND id = $2";
        write.tx().execute(sql, &args).await?;
        let after = json_object([("okta_user_id", Some(user.as_str()))]);
        write.record_by(ids.next(now), by, Subject::Person(person), "link", None, Some(after));
        let cause = muster_core::run::RunCause::Connect;
        jobs::enqueue(&mut write, &[NewJob::person(user, priority::SIGN_IN, now, cause)], ids)
            .await?;
        write.commit().await
    }
}

async fn proof_since(
    write: &mut Write,
    person: PersonId,
    user: &OktaUserId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let since = micros(now.checked_sub(TEST_COUNTS).unwrap_or(Timestamp::MIN));
    let args = [write.tenant().into(), person.into(), user.into(), since.into()];
    let sql = "SELECT COUNT(*) AS n FROM okta_proofs WHERE tenant_id = $1 AND person_id = $2 AND okta_user_id = $3 AND at > $4";
    let rows: Vec<Count> = write.tx().fetch_all(sql, &args).await?;
    Ok(rows.first().is_some_and(|row| row.n > 0))
}

/// As [`proof_since`], of a round trip that found nothing wrong with the connection as it is now.
async fn tested_since(
    write: &mut Write,
    person: PersonId,
    user: &OktaUserId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let since = micros(now.checked_sub(TEST_COUNTS).unwrap_or(Timestamp::MIN));
    let args = [write.tenant().into(), person.into(), user.into(), since.into()];
    let sql = "SELECT COUNT(*) AS n FROM okta_proofs p
               JOIN okta_connections c ON c.tenant_id = p.tenant_id AND c.connected_at >= p.at
               WHERE p.is_good AND p.tenant_id = $1 AND p.person_id = $2 AND p.okta_user_id = $3 AND p.at > $4";
    let rows: Vec<Count> = write.tx().fetch_all(sql, &args).await?;
    Ok(rows.first().is_some_and(|row| row.n > 0))
}

async fn readiness(write: &mut Write, acting: PersonId) -> Result<SsoReadiness, StoreError> {
    let now = write.now();
    let mut ready = SsoReadiness::default();
    if let Some(person) = people::load(write, &PersonKey::Id(acting)).await?
        && person.role == Role::Owner
        && let Some(user) = &person.profile.okta_user_id
    {
        ready.linked = true;
        ready.tested = tested_since(write, acting, user, now).await?;
    }
    ready.break_glass = has_break_glass(write).await?;
    Ok(ready)
}

async fn has_break_glass(write: &mut Write) -> Result<bool, StoreError> {
    let tenant = write.tenant();
    let rows: Vec<Count> = write.tx().fetch_all(break_glass_owners!(), &[tenant.into()]).await?;
    Ok(rows.first().is_some_and(|row| row.n > 0))
}

/// Refuses a change after which only Okta could be used and no break-glass owner were ready.
pub(crate) async fn keep_break_glass(write: &mut Write) -> Result<(), StoreError> {
    let tenant = write.tenant();
    let sql = "SELECT COUNT(*) AS n FROM tenants WHERE id = $1 AND okta_only";
    let rows: Vec<Count> = write.tx().fetch_all(sql, &[tenant.into()]).await?;
    if rows.first().is_some_and(|row| row.n > 0) && !has_break_glass(write).await? {
        return Err(StoreError::Conflict(
            "only Okta may be used to sign in, and nobody else could come in without it: let people in by other ways first".into(),
        ));
    }
    Ok(())
}

/// Turns the switch inside a change, with its history; says whether it was turned.
pub(crate) async fn turn(
    write: &mut Write,
    entry: Entry,
    by: By<'_>,
    ids: &mut IdSource,
) -> Result<bool, StoreError> {
    let only = entry == Entry::OktaOnly;
    let (tenant, now) = (write.tenant(), write.now());
    let sql = "UPDATE tenants SET okta_only = $2 WHERE id = $1 AND okta_only <> $2";
    if write.tx().execute(sql, &[tenant.into(), only.into()]).await? == 0 {
        return Ok(false);
    }
    if only {
        // Whose password does not count any more is out; guests come in again.
        let sql = "DELETE FROM sessions WHERE tenant_id = $1 AND NOT by_okta AND person_id NOT IN
                   (SELECT id FROM people WHERE tenant_id = $1 AND role = 'owner' AND break_glass)";
        write.tx().execute(sql, &[tenant.into()]).await?;
    }
    let state =
        |on: bool| Some(json_object([("okta_only", Some(if on { "true" } else { "false" }))]));
    write.record_by(ids.next(now), by, Subject::Settings, "okta_only", state(!only), state(only));
    Ok(true)
}
