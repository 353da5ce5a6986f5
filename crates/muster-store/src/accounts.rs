//! Changes of people by hand: accounts that Okta does not know, access taken and given back, pairings.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use muster_core::field::FieldSet;
use muster_core::id::{IdSource, OktaUserId, PersonId};
use muster_core::name::Name;
use muster_core::okta_user::OktaStatus;
use muster_core::person::{Email, Person, Profile, Role, Status, StatusReason};

use crate::entry;
use crate::error::{StoreError, Taken};
use crate::history::{By, Subject, Write, json_object};
use crate::people::{self, PersonKey};
use crate::teams;
use crate::tenants::TenantDb;
use crate::time::micros;
use crate::upsert::{PersonWrite, upsert_many};

/// An account to be made by hand. Okta does not know it, so the sync leaves it alone until it may be linked.
#[derive(Debug, Clone)]
pub struct NewAccount {
    pub email: Email,
    pub role: Role,
    pub first_name: String,
    pub last_name: String,
    pub title: Option<String>,
    pub language: Option<String>,
    pub location: Option<Name>,
    pub team: Option<Name>,
    pub start_date: Option<Date>,
    pub employee_number: Option<String>,
}

impl NewAccount {
    /// An account with nothing but an address and a role.
    pub fn new(email: Email, role: Role) -> Self {
        Self {
            email,
            role,
            first_name: String::new(),
            last_name: String::new(),
            title: None,
            language: None,
            location: None,
            team: None,
            start_date: None,
            employee_number: None,
        }
    }
}

impl TenantDb {
    /// Adds accounts by hand, all of them or none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Taken`] names each of `accounts`, by its place, whose address somebody has already.
    pub async fn add_people(
        &self,
        accounts: &[NewAccount],
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<Vec<PersonId>, StoreError> {
        let mut write = self.write(now).await?;
        let added = insert(&mut write, accounts, by, ids).await?;
        write.commit().await?;
        Ok(added)
    }

    /// Takes a person's access away by hand. It sticks: the sync does not give it back on its own.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`]; [`StoreError::LastOwner`]; [`StoreError::Conflict`] for a protected account and for
    /// somebody who was deactivated by hand already.
    pub async fn deactivate_by_hand(
        &self,
        key: &PersonKey,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<PersonId, StoreError> {
        let mut write = self.write(now).await?;
        let person = load(&mut write, key).await?;
        let label = person.profile.email.shown();
        if person.break_glass {
            return Err(StoreError::Conflict(format!(
                "{label} is a protected account: take the protection off first"
            )));
        }
        if person.profile.status == Status::Deactivated
            && person.profile.reason == StatusReason::ByHand
        {
            return Err(StoreError::Conflict(format!("{label} is deactivated by hand already")));
        }
        if person.role == Role::Owner
            && person.profile.status == Status::Active
            && !people::has_other_active_owner(&mut write, person.id).await?
        {
            return Err(StoreError::LastOwner);
        }
        let deactivated_at = person.deactivated_at.unwrap_or(now);
        let next = Access {
            status: Status::Deactivated,
            reason: StatusReason::ByHand,
            deactivated_at: Some(deactivated_at),
        };
        set_access(&mut write, &person, next, "deactivate", by, ids).await?;
        write.commit().await?;
        Ok(person.id)
    }

    /// Gives a person's access back by hand.
    ///
    /// Somebody whom Okta feeds gets it back only if it was taken by hand: else the next run would take it away again.
    /// With `unlink` it works for them too, as an account that Okta does not feed any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] with the reason when it cannot be given back like this.
    pub async fn reactivate_by_hand(
        &self,
        key: &PersonKey,
        unlink: bool,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<PersonId, StoreError> {
        let mut write = self.write(now).await?;
        let person = load(&mut write, key).await?;
        may_return(&person, unlink)?;
        let stays_managed = person.is_managed() && !unlink;
        let reason = if stays_managed { StatusReason::Assigned } else { StatusReason::Unmanaged };
        if unlink && person.is_managed() {
            write
                .tx()
                .execute(
                    "UPDATE people SET okta_user_id = NULL, okta_status = NULL, okta_created = NULL, from_okta = 0
                     WHERE tenant_id = $1 AND id = $2",
                    &[self.id().into(), person.id.into()],
                )
                .await?;
        }
        let next = Access { status: Status::Active, reason, deactivated_at: None };
        set_access(&mut write, &person, next, "reactivate", by, ids).await?;
        write.commit().await?;
        Ok(person.id)
    }

    /// Notes the decision that an Okta user is the account `person`, or is not. The next run heeds it.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when there is no such account.
    pub async fn set_pairing(
        &self,
        user: &OktaUserId,
        person: &PersonKey,
        same: bool,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut write = self.write(now).await?;
        let person = load(&mut write, person).await?;
        write
            .tx()
            .execute(
                "INSERT INTO pairings (tenant_id, okta_user_id, person_id, same, created_at) VALUES ($1, $2, $3, $4, $5)
                 ON CONFLICT (tenant_id, okta_user_id) DO UPDATE SET person_id = excluded.person_id,
                     same = excluded.same, created_at = excluded.created_at",
                &[self.id().into(), user.into(), person.id.into(), same.into(), micros(now).into()],
            )
            .await?;
        // Whoever the Okta user is fed to by now must be planned again.
        write
            .tx()
            .execute(
                "UPDATE people SET planned_hash = NULL WHERE tenant_id = $1 AND okta_user_id = $2",
                &[self.id().into(), user.into()],
            )
            .await?;
        let after = json_object([
            ("okta_user_id", Some(user.as_str())),
            ("same", Some(if same { "true" } else { "false" })),
        ]);
        write.record_by(
            ids.next(now),
            by,
            Subject::Person(person.id),
            "pairing",
            None,
            Some(after),
        );
        write.commit().await
    }

    /// Says that somebody who came back after a long absence may sign in.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] when nobody waits for that.
    pub async fn confirm_return(
        &self,
        key: &PersonKey,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE people SET confirm_needed = FALSE, version = version + 1
                   WHERE tenant_id = $1 AND id = $2 AND confirm_needed AND $3 IS NOT NULL";
        if self.flip(key, sql, ("confirm_needed", false), "confirm", by, ids, now).await? {
            return Ok(());
        }
        Err(StoreError::Conflict("this person does not wait for a confirmation".into()))
    }

    /// Makes an account a protected one (or not any more): the sync never takes its access away.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`].
    pub async fn set_protected(
        &self,
        key: &PersonKey,
        protected: bool,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE people SET break_glass = $3, version = version + 1, planned_hash = NULL
                   WHERE tenant_id = $1 AND id = $2 AND break_glass <> $3";
        self.flip(key, sql, ("break_glass", protected), "protect", by, ids, now).await
    }

    /// Turns a switch of a person; says whether it was turned by this.
    #[expect(
        clippy::too_many_arguments,
        reason = "who, which switch, and the four that every change by hand has"
    )]
    async fn flip(
        &self,
        key: &PersonKey,
        sql: &'static str,
        (name, on): (&str, bool),
        kind: &'static str,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut write = self.write(now).await?;
        let person = load(&mut write, key).await?;
        if write.tx().execute(sql, &[self.id().into(), person.id.into(), on.into()]).await? == 0 {
            return Ok(false);
        }
        if name == "break_glass" && !on {
            entry::keep_break_glass(&mut write).await?;
        }
        let state = |on: bool| Some(json_object([(name, Some(if on { "true" } else { "false" }))]));
        write.record_by(ids.next(now), by, Subject::Person(person.id), kind, state(!on), state(on));
        write.commit().await?;
        Ok(true)
    }

    /// Sets a person's manager by hand, or takes that setting back.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`] when either is missing; [`StoreError::Conflict`] for somebody as their own manager.
    pub async fn set_manager_by_hand(
        &self,
        key: &PersonKey,
        manager: Option<PersonId>,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        #[derive(sqlx::FromRow)]
        struct HandRow {
            manager_hand_id: Option<uuid::Uuid>,
        }
        let mut write = self.write(now).await?;
        let person = load(&mut write, key).await?;
        if manager == Some(person.id) {
            return Err(StoreError::Conflict("nobody is their own manager".into()));
        }
        if let Some(manager) = manager {
            load(&mut write, &PersonKey::Id(manager)).await?;
        }
        let args = [self.id().into(), person.id.into()];
        let row: Option<HandRow> = write
            .tx()
            .fetch_optional(
                "SELECT manager_hand_id FROM people WHERE tenant_id = $1 AND id = $2",
                &args,
            )
            .await?;
        let before = row.and_then(|row| row.manager_hand_id).map(PersonId::new);
        if before == manager {
            return Ok(());
        }
        write
            .tx()
            .execute(
                "UPDATE people SET manager_hand_id = $3, version = version + 1 WHERE tenant_id = $1 AND id = $2",
                &[self.id().into(), person.id.into(), manager.into()],
            )
            .await?;
        let json = |id: Option<PersonId>| {
            Some(json_object([("manager_by_hand", id.map(|id| id.to_string()).as_deref())]))
        };
        write.record_by(
            ids.next(now),
            by,
            Subject::Person(person.id),
            "manager",
            json(before),
            json(manager),
        );
        write.commit().await
    }
}

async fn load(write: &mut Write, key: &PersonKey) -> Result<Person, StoreError> {
    people::load(write, key).await?.ok_or_else(|| key.not_found())
}

fn may_return(person: &Person, unlink: bool) -> Result<(), StoreError> {
    let profile = &person.profile;
    let label = profile.email.shown();
    let refuse = |why: String| Err(StoreError::Conflict(why));
    if profile.status != Status::Deactivated {
        return refuse(format!("{label} is not deactivated"));
    }
    if unlink || !person.is_managed() {
        return Ok(());
    }
    if profile.reason != StatusReason::ByHand {
        return refuse(format!(
            "{label} is deactivated because Okta says so ({}): give access in Okta, then sync",
            profile.reason
        ));
    }
    match &profile.okta_status {
        Some(status @ (OktaStatus::Suspended | OktaStatus::Deprovisioned | OktaStatus::Staged)) => {
            refuse(format!(
                "{label} is {status} in Okta by now, so the next run would take the access away again: change that in Okta first"
            ))
        }
        _ => Ok(()),
    }
}

struct Access {
    status: Status,
    reason: StatusReason,
    deactivated_at: Option<Timestamp>,
}

async fn set_access(
    write: &mut Write,
    person: &Person,
    next: Access,
    kind: &'static str,
    by: By<'_>,
    ids: &mut IdSource,
) -> Result<(), StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    write
        .tx()
        .execute(
            // The fingerprint goes, so that the next run plans this person again.
            "UPDATE people SET status = $3, status_reason = $4, deactivated_at = $5, confirm_needed = FALSE,
                               version = version + 1, planned_hash = NULL
             WHERE tenant_id = $1 AND id = $2",
            &[
                tenant.into(),
                person.id.into(),
                next.status.as_str().into(),
                next.reason.as_str().into(),
                next.deactivated_at.map(micros).into(),
            ],
        )
        .await?;
    let json = |status: Status, reason: StatusReason, okta: Option<&str>| {
        let mut fields =
            vec![("status", Some(status.as_str())), ("status_reason", Some(reason.as_str()))];
        // Only unlinking changes it: a managed person becomes an unmanaged one.
        if person.is_managed() && next.reason == StatusReason::Unmanaged {
            fields.push(("okta_user_id", okta));
        }
        Some(json_object(fields))
    };
    let linked = person.profile.okta_user_id.as_ref().map(OktaUserId::as_str);
    let before = json(person.profile.status, person.profile.reason, linked);
    let after = json(next.status, next.reason, None);
    write.record_by(ids.next(now), by, Subject::Person(person.id), kind, before, after);
    Ok(())
}

/// Adds accounts inside a change, all of them or none.
pub(crate) async fn insert(
    write: &mut Write,
    accounts: &[NewAccount],
    by: By<'_>,
    ids: &mut IdSource,
) -> Result<Vec<PersonId>, StoreError> {
    refuse_taken(write, accounts).await?;
    let now = write.now();
    let teams: Vec<&Name> = accounts.iter().filter_map(|account| account.team.as_ref()).collect();
    let teams = teams::names_to_ids(write, &teams, by, ids).await?;
    let places: Vec<&Name> =
        accounts.iter().filter_map(|account| account.location.as_ref()).collect();
    let places = teams::locations_to_ids(write, &places, by, ids).await?;
    let profiles: Vec<(PersonId, &NewAccount, Profile)> =
        accounts.iter().map(|account| (ids.next(now), account, profile(account))).collect();
    let rows: Vec<PersonWrite<'_>> = profiles
        .iter()
        .map(|(id, account, profile)| PersonWrite {
            id: *id,
            version: 1,
            role: account.role,
            break_glass: false,
            pinned: FieldSet::default(),
            deactivated_at: None,
            location_id: profile.location.as_ref().and_then(|name| places.get(name.key()).copied()),
            team_id: profile.team.as_ref().and_then(|name| teams.get(name.key()).copied()),
            profile,
            manager_id: None,
            confirm_needed: false,
            planned_hash: None,
            planned_rules: None,
            due_day: None,
            observed_at: None,
            problems: 0,
            created_at: now,
        })
        .collect();
    upsert_many(write, &rows).await?;
    for (id, account, _) in &profiles {
        let fields = [
            ("email", Some(account.email.shown())),
            ("first_name", Some(account.first_name.as_str())),
            ("last_name", Some(account.last_name.as_str())),
            ("role", Some(account.role.as_str())),
        ];
        write.record_by(
            ids.next(now),
            by,
            Subject::Person(*id),
            "create",
            None,
            Some(json_object(fields)),
        );
    }
    Ok(profiles.into_iter().map(|(id, _, _)| id).collect())
}

async fn refuse_taken(write: &mut Write, accounts: &[NewAccount]) -> Result<(), StoreError> {
    #[derive(sqlx::FromRow)]
    struct KeyRow {
        email_key: String,
    }
    let keys: Vec<&str> = accounts.iter().map(|account| account.email.key()).collect();
    let tenant = write.tenant();
    let select = "SELECT email_key FROM people WHERE tenant_id = $1 AND email_key IN";
    let rows: Vec<KeyRow> = write.tx().fetch_in(select, &[tenant.into()], &keys).await?;
    let present: BTreeSet<String> = rows.into_iter().map(|row| row.email_key).collect();
    let mut first = BTreeMap::new();
    let mut taken = Vec::new();
    for (row, account) in accounts.iter().enumerate() {
        let email = account.email.shown().to_owned();
        if present.contains(account.email.key()) {
            taken.push(Taken { row, email, earlier: None });
        } else if let Some(earlier) = first.insert(account.email.key(), row) {
            taken.push(Taken { row, email, earlier: Some(earlier) });
        }
    }
    if taken.is_empty() { Ok(()) } else { Err(StoreError::Taken(taken)) }
}

fn profile(account: &NewAccount) -> Profile {
    Profile {
        okta_user_id: None,
        okta_status: None,
        okta_created: None,
        status: Status::Active,
        reason: StatusReason::Unmanaged,
        email: account.email.clone(),
        first_name: account.first_name.clone(),
        last_name: account.last_name.clone(),
        title: account.title.clone(),
        language: account.language.clone(),
        location: account.location.clone(),
        team: account.team.clone(),
        photo_url: None,
        start_date: account.start_date,
        login: None,
        employee_number: account.employee_number.clone(),
        display_name: None,
        manager_raw: None,
        from_okta: FieldSet::default(),
    }
}
