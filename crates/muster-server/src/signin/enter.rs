//! From somebody whom Okta vouches for, or whose password was right, to a session.

use std::time::Duration;

use jiff::SignedDuration;
use muster_core::access::may_enter;
use muster_core::claims::Identity;
use muster_core::id::{OktaUserId, PersonId};
use muster_core::person::Person;
use muster_core::run::RunCause;
use muster_store::StoreError;
use muster_store::jobs::{Due, NewJob, PERSON, priority};
use muster_store::people::PersonKey;
use muster_store::sessions::{NewSession, Opened};
use muster_store::tenants::TenantDb;
use tokio::time::timeout;

use super::flow::Proven;
use super::token::Token;
use super::{SignIn, SignInError, by_person};

/// How long somebody waits for their account to be made, before they are told to come back in a moment.
const READ_MAX: Duration = Duration::from_secs(8);
/// How often it is looked whether it is there.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Whoever was read within this time, and has no account, would have none after one more read.
const JUST_READ: SignedDuration = SignedDuration::from_mins(1);
/// How long Okta's API may take altogether while somebody waits before a page.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(10);

/// What is known of the one who comes, for the list of sessions.
#[derive(Debug, Clone, Default)]
pub struct Visitor {
    pub agent: String,
    pub place: Option<String>,
}

/// Somebody who is in.
pub struct Entered {
    pub person: PersonId,
    /// For the cookie.
    pub token: Token,
}

impl SignIn {
    /// Lets in whom Okta vouches for: found by the Okta user id and by nothing else. Whoever is assigned and not here yet is read now.
    pub async fn enter(
        &self,
        tenant: &TenantDb,
        proven: &Proven,
        visitor: &Visitor,
    ) -> Result<Entered, SignInError> {
        let user = &proven.identity.user;
        let key = PersonKey::Okta(user.clone());
        let person = match tenant.find_person(&key).await? {
            Some(person) => person,
            None => self.fetch(tenant, &proven.identity).await?,
        };
        let token = Token::new();
        let new = NewSession {
            id: Self::ids().next(self.now()),
            token_hash: token.hash("session"),
            person: person.id,
            by_okta: true,
            agent: &visitor.agent,
            place: visitor.place.as_deref(),
            logout_hint: Some(&proven.id_token),
            state_hash: Some(proven.state_hash),
        };
        self.open(tenant, &new).await?;
        Ok(Entered { person: person.id, token })
    }

    /// Begins a session of somebody whose password, and second factor if they have one, was right.
    pub(super) async fn enter_by_password(
        &self,
        tenant: &TenantDb,
        person: &Person,
        visitor: &Visitor,
    ) -> Result<Entered, SignInError> {
        let token = Token::new();
        let new = NewSession {
            id: Self::ids().next(self.now()),
            token_hash: token.hash("session"),
            person: person.id,
            by_okta: false,
            agent: &visitor.agent,
            place: visitor.place.as_deref(),
            logout_hint: None,
            state_hash: None,
        };
        self.open(tenant, &new).await?;
        if person.break_glass {
            tracing::warn!(tenant = %tenant.id(), person = %person.id, "A BREAK-GLASS ACCOUNT SIGNED IN WITH ITS PASSWORD");
            let actor = person.id.to_string();
            let (by, mut ids) = (by_person(&actor), Self::ids());
            tenant
                .note_security(person.id, "break_glass_used", &[], by, &mut ids, self.now())
                .await?;
        }
        Ok(Entered { person: person.id, token })
    }

    async fn open(&self, tenant: &TenantDb, new: &NewSession<'_>) -> Result<(), SignInError> {
        match tenant.open_session(new, self.now()).await? {
            Opened::Yes => Ok(()),
            Opened::Barred(barred) => Err(SignInError::Barred(barred)),
            Opened::Nobody => Err(SignInError::NotAssigned),
            Opened::Replayed => Err(SignInError::Replayed),
        }
    }

    /// Has somebody read who is not here: one live look whether they are assigned, then a run for them as for any other change.
    async fn fetch(&self, tenant: &TenantDb, identity: &Identity) -> Result<Person, SignInError> {
        let user = &identity.user;
        let connected = self.0.config.connect.connect(tenant).await;
        let connected = connected.map_err(|error| SignInError::Unreadable(Box::new(error)))?;
        let asked = timeout(WAIT_MAX, connected.client.app_user(&connected.app_id, user)).await;
        let assigned = asked.map_err(|late| SignInError::Unreadable(Box::new(late)))?;
        if assigned.map_err(|error| SignInError::Unreadable(Box::new(error)))?.is_none() {
            return Err(SignInError::NotAssigned);
        }
        let key = PersonKey::Okta(user.clone());
        if tenant.was_seen_in(user, self.now() - JUST_READ).await?
            && !tenant.person_waits(user).await?
        {
            // Perhaps they were made just now.
            if let Some(person) = tenant.find_person(&key).await? {
                return Ok(person);
            }
            self.note_refused(tenant, identity).await?;
            return Err(SignInError::NeedsDecision);
        }
        self.ask_to_read(tenant, user, RunCause::SignIn).await?;
        let clock = &self.0.config.clock;
        let patience = clock.now() + READ_MAX;
        loop {
            clock.pause(LOOK_EVERY).await;
            let read = !tenant.person_waits(user).await?;
            // In this order: whoever was read by then can be seen.
            if let Some(person) = tenant.find_person(&key).await? {
                let (status, reason) = (person.profile.status, person.profile.reason);
                may_enter(status, reason, false).map_err(SignInError::Barred)?;
                return Ok(person);
            }
            if read {
                self.note_refused(tenant, identity).await?;
                return Err(SignInError::NeedsDecision);
            }
            if clock.now() >= patience {
                return Err(SignInError::StillReading);
            }
        }
    }

    async fn ask_to_read(
        &self,
        tenant: &TenantDb,
        user: &OktaUserId,
        cause: RunCause,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let job = NewJob::person(user, priority::SIGN_IN, now, cause);
        tenant.ask(&[job], &mut Self::ids(), now).await?;
        self.wake(tenant);
        Ok(())
    }

    pub(super) fn wake(&self, tenant: &TenantDb) {
        // Nobody listens only when the service stops; the job is kept.
        let _ = self.0.config.wake.send(Due { tenant: tenant.id(), lane: PERSON });
    }

    /// Somebody came whose address an account here has, and who is not that account: an admin must look.
    async fn note_refused(
        &self,
        tenant: &TenantDb,
        identity: &Identity,
    ) -> Result<(), SignInError> {
        tracing::warn!(tenant = %tenant.id(), okta_user = %identity.user, "somebody signed in with Okta who has no account and could not be given one");
        let Some(email) = &identity.email else { return Ok(()) };
        let holder = tenant.find_person(&PersonKey::Email(email.to_lowercase())).await?;
        if let Some(holder) = holder {
            let said = [("okta_user_id", Some(identity.user.as_str()))];
            let by = by_person("okta");
            let (mut ids, now) = (Self::ids(), self.now());
            tenant.note_security(holder.id, "sign_in_refused", &said, by, &mut ids, now).await?;
        }
        Ok(())
    }
}
