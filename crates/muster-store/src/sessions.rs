//! Sessions: who is signed in, on what, since when. The database holds no token, only hashes of them.
//!
//! That a session ends with its person's access is held twice: a trigger deletes it in the transaction that takes the access away, and
//! every look at a session looks at the person too.

use jiff::Timestamp;
use muster_core::access::{Barred, may_enter};
use muster_core::id::{PersonId, SessionId};
use muster_core::person::{Role, Status, StatusReason};
use muster_core::signin::SessionLimits;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::db::Arg;
use crate::dialect::Sql;
use crate::error::StoreError;
use crate::history::Write;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// SHA-256 of a token.
pub type TokenHash = [u8; 32];

/// A session about to begin.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub id: SessionId,
    pub token_hash: TokenHash,
    pub person: PersonId,
    pub by_okta: bool,
    /// The browser as it names itself.
    pub agent: &'a str,
    pub place: Option<&'a str>,
    /// The ID token that Okta wants at a logout.
    pub logout_hint: Option<&'a SecretString>,
    /// Of the round trip to Okta that this ends, if it does: it counts once.
    pub state_hash: Option<TokenHash>,
}

/// What became of a session that was to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    Yes,
    /// They lost access meanwhile.
    Barred(Barred),
    /// There is no such person (any more).
    Nobody,
    /// The same round trip to Okta was used before.
    Replayed,
}

/// A session with whom it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub person: PersonId,
    pub by_okta: bool,
    pub began_at: Timestamp,
    pub used_at: Timestamp,
    pub role: Role,
    pub break_glass: bool,
    pub first_name: String,
    pub last_name: String,
    pub email: String,
    pub language: Option<String>,
    pub photo_url: Option<String>,
    pub is_linked: bool,
}

/// A session as its person sees it in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionInfo {
    pub id: SessionId,
    pub by_okta: bool,
    pub began_at: Timestamp,
    pub used_at: Timestamp,
    pub agent: String,
    pub place: Option<String>,
}

#[derive(sqlx::FromRow)]
struct SessionRow {
    id: Uuid,
    person_id: Uuid,
    by_okta: bool,
    began_at: i64,
    used_at: i64,
    role: String,
    status: String,
    status_reason: String,
    confirm_needed: bool,
    break_glass: bool,
    first_name: String,
    last_name: String,
    email: String,
    language: Option<String>,
    photo_url: Option<String>,
    okta_user_id: Option<String>,
}

#[derive(sqlx::FromRow)]
struct InfoRow {
    id: Uuid,
    by_okta: bool,
    began_at: i64,
    used_at: i64,
    agent: String,
    place: Option<String>,
}

fn time(id: Uuid, column: &'static str, at: i64) -> Result<Timestamp, StoreError> {
    let bad =
        || StoreError::BadRow { table: "sessions", column, id: SessionId::new(id).to_string() };
    from_micros(at).ok_or_else(bad)
}

/// PostgreSQL must be told the kind of a value that only stands in a SELECT.
macro_rules! insert_session {
    ($id:literal, $hash:literal, $okta:literal, $at:literal, $agent:literal, $place:literal, $hint:literal) => {
        concat!(
            "INSERT INTO sessions (tenant_id, id, token_hash, person_id, by_okta, began_at, used_at, agent, place, logout_hint)
             SELECT p.tenant_id, ", $id, ", ", $hash, ", p.id, ", $okta, ", ", $at, ", ", $at, ", ", $agent, ", ", $place, ", ", $hint, "
             FROM people p WHERE p.tenant_id = $1 AND p.id = $4 AND p.status = 'active' AND NOT p.confirm_needed
               AND (", $okta, " OR (p.role = 'owner' AND p.break_glass) OR (p.role <> 'owner' AND p.okta_user_id IS NULL)
                    OR NOT EXISTS (SELECT 1 FROM tenants t WHERE t.id = p.tenant_id AND t.okta_only))"
        )
    };
}

/// What the sealed ID token of a session is bound to.
const HINT: &str = "logout_hint";

impl TenantDb {
    /// Begins a session, if its person may enter at this very moment: nobody slips in between a look and the beginning.
    pub async fn open_session(
        &self,
        new: &NewSession<'_>,
        now: Timestamp,
    ) -> Result<Opened, StoreError> {
        let mut write = self.write(now).await?;
        if let Some(state) = &new.state_hash
            && !use_state(&mut write, state).await?
        {
            return Ok(Opened::Replayed);
        }
        if !insert(self, &mut write, new).await? {
            return why_not(&mut write, new.person).await;
        }
        write.commit().await?;
        Ok(Opened::Yes)
    }

    /// Notes that a round trip to Okta was used, for one that begins no session; says whether this was the first time.
    pub async fn use_state(&self, state: &TokenHash, now: Timestamp) -> Result<bool, StoreError> {
        let mut write = self.write(now).await?;
        let first = use_state(&mut write, state).await?;
        write.commit().await?;
        Ok(first)
    }

    /// The session of a token, if it still lasts and its person may enter.
    pub async fn session(
        &self,
        token_hash: &TokenHash,
        limits: SessionLimits,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        let row: Option<SessionRow> = self
            .db()
            .fetch_optional(
                "SELECT s.id, s.person_id, s.by_okta, s.began_at, s.used_at, p.role, p.status, p.status_reason,
                        p.confirm_needed, p.break_glass, p.first_name, p.last_name, p.email, p.language, p.photo_url,
                        p.okta_user_id
                 FROM sessions s JOIN people p ON p.tenant_id = s.tenant_id AND p.id = s.person_id
                 WHERE s.tenant_id = $1 AND s.token_hash = $2",
                &[self.id().into(), token_hash.as_slice().into()],
            )
            .await?;
        let Some(row) = row else { return Ok(None) };
        let person = PersonId::new(row.person_id);
        if judged(person, &row.status, &row.status_reason, row.confirm_needed)?.is_err() {
            return Ok(None);
        }
        let (began_at, used_at) =
            (time(row.id, "began_at", row.began_at)?, time(row.id, "used_at", row.used_at)?);
        if limits.is_over(began_at, used_at, now) {
            return Ok(None);
        }
        let bad = |column| StoreError::BadRow { table: "people", column, id: person.to_string() };
        Ok(Some(Session {
            id: SessionId::new(row.id),
            person,
            by_okta: row.by_okta,
            began_at,
            used_at,
            role: Role::parse(&row.role).ok_or_else(|| bad("role"))?,
            break_glass: row.break_glass,
            first_name: row.first_name,
            last_name: row.last_name,
            email: row.email,
            language: row.language,
            photo_url: row.photo_url,
            is_linked: row.okta_user_id.is_some(),
        }))
    }

    /// Notes that a session was used now.
    pub async fn note_session_used(&self, id: SessionId, now: Timestamp) -> Result<(), StoreError> {
        let sql =
            "UPDATE sessions SET used_at = $3 WHERE tenant_id = $1 AND id = $2 AND used_at < $3";
        let args = [self.id().into(), id.into(), micros(now).into()];
        self.db().execute(sql, &args).await.map(drop)
    }

    /// The sessions of a person that still last, the newest first.
    pub async fn sessions_of(
        &self,
        person: PersonId,
        limits: SessionLimits,
        now: Timestamp,
    ) -> Result<Vec<SessionInfo>, StoreError> {
        let rows: Vec<InfoRow> = self
            .db()
            .fetch_all(
                "SELECT id, by_okta, began_at, used_at, agent, place FROM sessions
                 WHERE tenant_id = $1 AND person_id = $2 ORDER BY used_at DESC, id DESC LIMIT 100",
                &[self.id().into(), person.into()],
            )
            .await?;
        let mut sessions = Vec::with_capacity(rows.len());
        for row in rows {
            let began_at = time(row.id, "began_at", row.began_at)?;
            let used_at = time(row.id, "used_at", row.used_at)?;
            if !limits.is_over(began_at, used_at, now) {
                let (id, by_okta) = (SessionId::new(row.id), row.by_okta);
                let (agent, place) = (row.agent, row.place);
                sessions.push(SessionInfo { id, by_okta, began_at, used_at, agent, place });
            }
        }
        Ok(sessions)
    }

    /// Ends one session of a person; says whether there was one.
    pub async fn end_session(&self, person: PersonId, id: SessionId) -> Result<bool, StoreError> {
        let sql = "DELETE FROM sessions WHERE tenant_id = $1 AND person_id = $2 AND id = $3";
        let args = [self.id().into(), person.into(), id.into()];
        Ok(self.db().execute(sql, &args).await? > 0)
    }

    /// Ends all sessions of a person but perhaps one; says how many there were.
    pub async fn end_sessions(
        &self,
        person: PersonId,
        but: Option<SessionId>,
    ) -> Result<u64, StoreError> {
        let sql = "DELETE FROM sessions WHERE tenant_id = $1 AND person_id = $2 AND id <> $3";
        // No session has the nil id.
        let but = but.map_or(Uuid::nil(), SessionId::uuid);
        let args = [self.id().into(), person.into(), but.into()];
        self.db().execute(sql, &args).await
    }

    /// The ID token with which a session began, for Okta's logout.
    pub async fn logout_hint(&self, id: SessionId) -> Result<Option<SecretString>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct HintRow {
            logout_hint: Option<String>,
        }
        let row: Option<HintRow> = self
            .db()
            .fetch_optional(
                "SELECT logout_hint FROM sessions WHERE tenant_id = $1 AND id = $2",
                &[self.id().into(), id.into()],
            )
            .await?;
        // One sealed with a key that is gone is of no use, and no reason to keep anybody from leaving.
        let sealed = row.and_then(|row| row.logout_hint);
        let opened = sealed.and_then(|sealed| self.unseal(HINT, &id.to_string(), &sealed));
        let text = opened.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
        Ok(text.map(SecretString::from))
    }
}

fn judged(
    person: PersonId,
    status: &str,
    reason: &str,
    to_confirm: bool,
) -> Result<Result<(), Barred>, StoreError> {
    let bad = |column| StoreError::BadRow { table: "people", column, id: person.to_string() };
    let status = Status::parse(status).ok_or_else(|| bad("status"))?;
    let reason = StatusReason::parse(reason).ok_or_else(|| bad("status_reason"))?;
    Ok(may_enter(status, reason, to_confirm))
}

/// Why no session could begin for somebody.
async fn why_not(write: &mut Write, person: PersonId) -> Result<Opened, StoreError> {
    #[derive(sqlx::FromRow)]
    struct GateRow {
        status: String,
        status_reason: String,
        confirm_needed: bool,
    }
    let sql =
        "SELECT status, status_reason, confirm_needed FROM people WHERE tenant_id = $1 AND id = $2";
    let args = [write.tenant().into(), person.into()];
    let gate: Option<GateRow> = write.tx().fetch_optional(sql, &args).await?;
    let Some(gate) = gate else { return Ok(Opened::Nobody) };
    let judged = judged(person, &gate.status, &gate.status_reason, gate.confirm_needed)?;
    // The tenant is locked, so nobody was let in or out since.
    Ok(judged.err().map_or(Opened::Nobody, Opened::Barred))
}

async fn use_state(write: &mut Write, state: &TokenHash) -> Result<bool, StoreError> {
    let args = [write.tenant().into(), state.as_slice().into(), micros(write.now()).into()];
    let sql = "INSERT INTO used_states (tenant_id, state_hash, used_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    Ok(write.tx().execute(sql, &args).await? > 0)
}

/// Writes the session of somebody who may enter; says whether they may. The condition is that of
/// [`may_enter`], and for passwords that of `muster_core::access::may_use_password`, but for domains.
async fn insert(
    tenant: &TenantDb,
    write: &mut Write,
    new: &NewSession<'_>,
) -> Result<bool, StoreError> {
    let now = micros(write.now());
    let id = new.id.to_string();
    let seal = |hint: &SecretString| tenant.seal(HINT, &id, hint.expose_secret().as_bytes());
    let hint = new.logout_hint.map(seal).transpose()?;
    let args = [
        tenant.id().into(),
        new.id.into(),
        new.token_hash.as_slice().into(),
        new.person.into(),
        new.by_okta.into(),
        now.into(),
        new.agent.into(),
        new.place.into(),
        hint.into(),
    ];
    let written = write
        .tx()
        .execute(
            Sql::differing(
                insert_session!("$2", "$3", "$5", "$6", "$7", "$8", "$9"),
                insert_session!(
                    "$2::uuid",
                    "$3::bytea",
                    "$5::boolean",
                    "$6::bigint",
                    "$7::text",
                    "$8::text",
                    "$9::text"
                ),
            ),
            &args,
        )
        .await?;
    Ok(written > 0)
}

/// Notes that these owners keep their access although Okta says that they are out. Their sessions by Okta end; all of them when this is
/// new, so that whoever sits there must show anew that it is them.
pub async fn keep_owners(write: &mut Write, people: &[PersonId]) -> Result<(), StoreError> {
    let (tenant, now) = (write.tenant(), micros(write.now()));
    for person in people {
        let args = [tenant.into(), (*person).into(), now.into()];
        let sql =
            "INSERT INTO kept_owners (tenant_id, person_id, since, seen_at) VALUES ($1, $2, $3, $3)
                   ON CONFLICT (tenant_id, person_id) DO NOTHING";
        if write.tx().execute(sql, &args).await? > 0 {
            end_all(write, *person).await?;
            continue;
        }
        let sql = "UPDATE kept_owners SET seen_at = $3 WHERE tenant_id = $1 AND person_id = $2";
        write.tx().execute(sql, &args).await?;
        let sql = "DELETE FROM sessions WHERE tenant_id = $1 AND person_id = $2 AND by_okta";
        write.tx().execute(sql, &args[..2]).await?;
    }
    Ok(())
}

/// Forgets owners whom a run that saw everybody, and began at `began`, did not find out any more.
pub async fn forget_kept_owners(write: &mut Write, began: Timestamp) -> Result<(), StoreError> {
    let args = [write.tenant().into(), micros(began).into()];
    let sql = "DELETE FROM kept_owners WHERE tenant_id = $1 AND seen_at < $2";
    write.tx().execute(sql, &args).await.map(drop)
}

/// Ends all sessions of a person.
pub(crate) async fn end_all(write: &mut Write, person: PersonId) -> Result<(), StoreError> {
    let args = [write.tenant().into(), person.into()];
    let sql = "DELETE FROM sessions WHERE tenant_id = $1 AND person_id = $2";
    write.tx().execute(sql, &args).await.map(drop)
}

/// Drops what is of no more use: sessions that are over, round trips whose cookie is gone, links that ended.
pub async fn expire(write: &mut Write, now: Timestamp) -> Result<(), StoreError> {
    let tenant: Arg<'_> = write.tenant().into();
    let before = |span: jiff::SignedDuration| -> Arg<'_> {
        micros(now.checked_sub(span).unwrap_or(Timestamp::MIN)).into()
    };
    let hours = jiff::SignedDuration::from_hours;
    for (sql, at) in [
        (
            "DELETE FROM sessions WHERE tenant_id = $1
             AND (used_at < $2 - (SELECT session_idle_minutes * 60000000 FROM tenants WHERE id = $1)
                  OR began_at < $2 - (SELECT session_max_minutes * 60000000 FROM tenants WHERE id = $1))",
            before(hours(0)),
        ),
        ("DELETE FROM used_states WHERE tenant_id = $1 AND used_at < $2", before(hours(1))),
        ("DELETE FROM password_links WHERE tenant_id = $1 AND ends_at < $2", before(hours(0))),
        ("DELETE FROM okta_proofs WHERE tenant_id = $1 AND at < $2", before(hours(24))),
        (
            "DELETE FROM second_factors WHERE tenant_id = $1 AND confirmed_at IS NULL AND made_at < $2",
            before(hours(24)),
        ),
    ] {
        write.tx().execute(sql, &[tenant.clone(), at]).await?;
    }
    Ok(())
}
