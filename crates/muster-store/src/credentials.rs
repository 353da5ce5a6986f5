//! What people prove themselves with here, besides Okta: passwords, second factors, and links for setting a password.
//!
//! No password and no code is here in plain; hashing is the caller's.

use jiff::Timestamp;
use muster_core::id::{IdSource, PersonId, SessionId};
use muster_core::person::{Person, Status};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::db::Arg;
use crate::error::StoreError;
use crate::history::{By, Subject, Write, json_object};
use crate::people::{self, PersonKey};
use crate::sessions::TokenHash;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// A stored password.
#[derive(Debug, Clone)]
pub struct Password {
    /// PHC text of Argon2id.
    pub hash: SecretString,
    pub set_at: Timestamp,
    /// When all wrong tries are forgotten.
    pub forgotten_at: Timestamp,
}

/// A stored second factor.
#[derive(Debug, Clone)]
pub struct SecondFactor {
    pub secret: SecretString,
    /// `None`: it was begun and no code was right so far, so it does not count.
    pub confirmed_at: Option<Timestamp>,
    /// When it was begun.
    pub made_at: Timestamp,
    /// Recovery codes that were not used.
    pub codes_left: u64,
}

/// What sealed secrets of second factors are bound to.
const FACTOR: &str = "second_factor";

impl TenantDb {
    /// The password of a person, if they have one.
    pub async fn password(&self, person: PersonId) -> Result<Option<Password>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct PasswordRow {
            hash: String,
            set_at: i64,
            forgotten_at: i64,
        }
        let row: Option<PasswordRow> = self
            .db()
            .fetch_optional(
                "SELECT hash, set_at, forgotten_at FROM passwords WHERE tenant_id = $1 AND person_id = $2",
                &[self.id().into(), person.into()],
            )
            .await?;
        let time = |column, at| {
            let bad = || StoreError::BadRow { table: "passwords", column, id: person.to_string() };
            from_micros(at).ok_or_else(bad)
        };
        row.map(|row| {
            Ok(Password {
                set_at: time("set_at", row.set_at)?,
                forgotten_at: time("forgotten_at", row.forgotten_at)?,
                hash: SecretString::from(row.hash),
            })
        })
        .transpose()
    }

    /// Counts a try before it is judged, so that tries side by side are counted too; says whether it may be made.
    ///
    /// `before` is what was read; somebody else's try in between makes this one wait.
    pub async fn count_try(
        &self,
        person: PersonId,
        before: Timestamp,
        after: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE passwords SET forgotten_at = $4
                   WHERE tenant_id = $1 AND person_id = $2 AND forgotten_at = $3";
        let args = [self.id().into(), person.into(), micros(before).into(), micros(after).into()];
        Ok(self.db().execute(sql, &args).await? > 0)
    }

    /// Takes one counted try back, because it was right.
    pub async fn forget_try(
        &self,
        person: PersonId,
        counted: Timestamp,
        before: Timestamp,
    ) -> Result<(), StoreError> {
        self.count_try(person, counted, before).await.map(drop)
    }

    /// Makes the link with which a person sets a password; an earlier one ends.
    ///
    /// # Errors
    ///
    /// [`StoreError::NotFound`]; [`StoreError::Conflict`] for somebody who may not enter.
    pub async fn make_password_link(
        &self,
        key: &PersonKey,
        token_hash: &TokenHash,
        ends_at: Timestamp,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<Person, StoreError> {
        let mut write = self.write(now).await?;
        let person = people::load(&mut write, key).await?.ok_or_else(|| key.not_found())?;
        if person.profile.status != Status::Active {
            let label = person.profile.email.shown();
            return Err(StoreError::Conflict(format!(
                "{label} has no access, so a password would be of no use"
            )));
        }
        put_link(&mut write, person.id, token_hash, ends_at).await?;
        write.record_by(ids.next(now), by, Subject::Person(person.id), "password_link", None, None);
        write.commit().await?;
        Ok(person)
    }

    /// Whose link this is, while it lasts.
    pub async fn password_link(
        &self,
        token_hash: &TokenHash,
        now: Timestamp,
    ) -> Result<Option<PersonId>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct LinkRow {
            person_id: Uuid,
        }
        let row: Option<LinkRow> = self
            .db()
            .fetch_optional(
                "SELECT l.person_id FROM password_links l
                 JOIN people p ON p.tenant_id = l.tenant_id AND p.id = l.person_id AND p.status = 'active'
                 WHERE l.tenant_id = $1 AND l.token_hash = $2 AND l.ends_at > $3",
                &[self.id().into(), token_hash.as_slice().into(), micros(now).into()],
            )
            .await?;
        Ok(row.map(|row| PersonId::new(row.person_id)))
    }

    /// Sets a password by a link, which is used up by it. All sessions of the person end; says whose link it was.
    pub async fn set_password_by_link(
        &self,
        token_hash: &TokenHash,
        hash: &SecretString,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<Option<PersonId>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct LinkRow {
            person_id: Uuid,
        }
        let mut write = self.write(now).await?;
        let used: Vec<LinkRow> = write
            .tx()
            .fetch_all(
                "DELETE FROM password_links WHERE tenant_id = $1 AND token_hash = $2 AND ends_at > $3
                 AND EXISTS (SELECT 1 FROM people p WHERE p.tenant_id = password_links.tenant_id
                             AND p.id = password_links.person_id AND p.status = 'active')
                 RETURNING person_id",
                &[self.id().into(), token_hash.as_slice().into(), micros(now).into()],
            )
            .await?;
        let Some(person) = used.first().map(|row| PersonId::new(row.person_id)) else {
            return Ok(None);
        };
        put_password(&mut write, person, hash).await?;
        crate::sessions::end_all(&mut write, person).await?;
        let actor = person.to_string();
        let by = By { actor: &actor, ..by };
        write.record_by(ids.next(now), by, Subject::Person(person), "password", None, None);
        write.commit().await?;
        Ok(Some(person))
    }

    /// The second factor of a person, begun or confirmed.
    ///
    /// # Errors
    ///
    /// [`StoreError::SealBroken`] when its secret does not open.
    pub async fn second_factor(
        &self,
        person: PersonId,
    ) -> Result<Option<SecondFactor>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct FactorRow {
            secret: String,
            made_at: i64,
            confirmed_at: Option<i64>,
            codes_left: i64,
        }
        let row: Option<FactorRow> = self
            .db()
            .fetch_optional(
                "SELECT secret, made_at, confirmed_at,
                        (SELECT COUNT(*) FROM recovery_codes c WHERE c.tenant_id = f.tenant_id AND c.person_id = f.person_id
                         AND c.used_at IS NULL) AS codes_left
                 FROM second_factors f WHERE tenant_id = $1 AND person_id = $2",
                &[self.id().into(), person.into()],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let broken = || StoreError::SealBroken { field: FACTOR, host: person.to_string() };
        let plain = self.unseal(FACTOR, &person.to_string(), &row.secret).ok_or_else(broken)?;
        let text = std::str::from_utf8(&plain).map_err(|_| broken())?;
        Ok(Some(SecondFactor {
            secret: SecretString::from(text),
            made_at: from_micros(row.made_at).unwrap_or(Timestamp::UNIX_EPOCH),
            confirmed_at: row.confirmed_at.and_then(from_micros),
            codes_left: u64::try_from(row.codes_left).unwrap_or(0),
        }))
    }

    /// Begins a second factor, in place of one that was begun and not confirmed. One that counts stays; says whether it was begun.
    pub async fn begin_second_factor(
        &self,
        person: PersonId,
        secret: &SecretString,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sealed = self.seal(FACTOR, &person.to_string(), secret.expose_secret().as_bytes())?;
        let sql = "INSERT INTO second_factors (tenant_id, person_id, secret, made_at, confirmed_at, last_step)
                   VALUES ($1, $2, $3, $4, NULL, 0)
                   ON CONFLICT (tenant_id, person_id) DO UPDATE SET secret = excluded.secret, made_at = excluded.made_at
                   WHERE second_factors.confirmed_at IS NULL";
        let args = [self.id().into(), person.into(), sealed.into(), micros(now).into()];
        Ok(self.db().execute(sql, &args).await? > 0)
    }

    /// Lets a second factor count, after a first code of the time step `step` was right, with its recovery codes.
    pub async fn confirm_second_factor(
        &self,
        person: PersonId,
        step: i64,
        codes: &[TokenHash],
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut write = self.write(now).await?;
        let args = [self.id().into(), person.into(), micros(now).into(), step.into()];
        let sql = "UPDATE second_factors SET confirmed_at = $3, last_step = $4
                   WHERE tenant_id = $1 AND person_id = $2 AND confirmed_at IS NULL";
        if write.tx().execute(sql, &args).await? == 0 {
            return Ok(false);
        }
        put_codes(&mut write, person, codes).await?;
        write.record_by(ids.next(now), by, Subject::Person(person), "second_factor", None, None);
        write.commit().await?;
        Ok(true)
    }

    /// Takes a code of a time step, which must be later than that of the last one; says whether it was.
    pub async fn use_step(&self, person: PersonId, step: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE second_factors SET last_step = $3
                   WHERE tenant_id = $1 AND person_id = $2 AND confirmed_at IS NOT NULL AND last_step < $3";
        let args = [self.id().into(), person.into(), step.into()];
        Ok(self.db().execute(sql, &args).await? > 0)
    }

    /// Uses a recovery code up; says whether it was one.
    pub async fn use_recovery_code(
        &self,
        person: PersonId,
        code: &TokenHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE recovery_codes SET used_at = $4
                   WHERE tenant_id = $1 AND person_id = $2 AND code_hash = $3 AND used_at IS NULL";
        let args = [self.id().into(), person.into(), code.as_slice().into(), micros(now).into()];
        Ok(self.db().execute(sql, &args).await? > 0)
    }

    /// Puts new recovery codes in place of all earlier ones; says whether there is a second factor for them.
    pub async fn renew_recovery_codes(
        &self,
        person: PersonId,
        codes: &[TokenHash],
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        #[derive(sqlx::FromRow)]
        struct OnRow {
            n: i64,
        }
        let mut write = self.write(now).await?;
        let sql = "SELECT COUNT(*) AS n FROM second_factors
                   WHERE tenant_id = $1 AND person_id = $2 AND confirmed_at IS NOT NULL";
        let rows: Vec<OnRow> =
            write.tx().fetch_all(sql, &[self.id().into(), person.into()]).await?;
        if rows.first().is_none_or(|row| row.n == 0) {
            return Ok(false);
        }
        put_codes(&mut write, person, codes).await?;
        write.record_by(ids.next(now), by, Subject::Person(person), "recovery_codes", None, None);
        write.commit().await?;
        Ok(true)
    }

    /// Takes the second factor off, and ends all sessions of the person but perhaps one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] while only Okta may be used and nobody else could come in without it.
    pub async fn remove_second_factor(
        &self,
        person: PersonId,
        but: Option<SessionId>,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut write = self.write(now).await?;
        let mut removed = 0;
        for sql in [
            "DELETE FROM recovery_codes WHERE tenant_id = $1 AND person_id = $2",
            "DELETE FROM second_factors WHERE tenant_id = $1 AND person_id = $2",
        ] {
            removed = write.tx().execute(sql, &[self.id().into(), person.into()]).await?;
        }
        crate::entry::keep_break_glass(&mut write).await?;
        if removed > 0 {
            let but = but.map_or(Uuid::nil(), SessionId::uuid);
            let sql = "DELETE FROM sessions WHERE tenant_id = $1 AND person_id = $2 AND id <> $3";
            write.tx().execute(sql, &[self.id().into(), person.into(), but.into()]).await?;
            let subject = Subject::Person(person);
            write.record_by(ids.next(now), by, subject, "second_factor_off", None, None);
        }
        write.commit().await?;
        Ok(removed > 0)
    }

    /// Notes something that matters for security and changes nothing: a refused sign-in, a break-glass account in use.
    pub async fn note_security(
        &self,
        person: PersonId,
        kind: &'static str,
        said: &[(&str, Option<&str>)],
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut write = self.write(now).await?;
        let after = json_object(said.iter().copied());
        write.record_by(ids.next(now), by, Subject::Person(person), kind, None, Some(after));
        write.commit().await
    }
}

/// Stores the link of somebody, in place of an earlier one.
pub(crate) async fn put_link(
    write: &mut Write,
    person: PersonId,
    token_hash: &TokenHash,
    ends_at: Timestamp,
) -> Result<(), StoreError> {
    let args = [
        write.tenant().into(),
        person.into(),
        token_hash.as_slice().into(),
        micros(write.now()).into(),
        micros(ends_at).into(),
    ];
    write
        .tx()
        .execute(
            "INSERT INTO password_links (tenant_id, person_id, token_hash, made_at, ends_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (tenant_id, person_id) DO UPDATE SET token_hash = excluded.token_hash,
                 made_at = excluded.made_at, ends_at = excluded.ends_at",
            &args,
        )
        .await
        .map(drop)
}

async fn put_password(
    write: &mut Write,
    person: PersonId,
    hash: &SecretString,
) -> Result<(), StoreError> {
    let now = micros(write.now());
    let args = [write.tenant().into(), person.into(), hash.expose_secret().into(), now.into()];
    write
        .tx()
        .execute(
            "INSERT INTO passwords (tenant_id, person_id, hash, set_at, forgotten_at) VALUES ($1, $2, $3, $4, 0)
             ON CONFLICT (tenant_id, person_id) DO UPDATE SET hash = excluded.hash, set_at = excluded.set_at,
                 forgotten_at = 0",
            &args,
        )
        .await
        .map(drop)
}

async fn put_codes(
    write: &mut Write,
    person: PersonId,
    codes: &[TokenHash],
) -> Result<(), StoreError> {
    let tenant = write.tenant();
    let sql = "DELETE FROM recovery_codes WHERE tenant_id = $1 AND person_id = $2";
    write.tx().execute(sql, &[tenant.into(), person.into()]).await?;
    let rows: Vec<Arg<'_>> = codes
        .iter()
        .flat_map(|code| [tenant.into(), person.into(), code.as_slice().into()])
        .collect();
    let head = "INSERT INTO recovery_codes (tenant_id, person_id, code_hash) VALUES";
    write.tx().insert_many(head, 3, &rows, "").await.map(drop)
}
