//! People and what can happen to them.

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use super::log::{Cause, Event, EventKind, Target};
use super::{Org, Refused, index, login_key};
use crate::profile::Profile;
use crate::stamp::{Seconds, seconds};

/// A user's status. Source: Okta management API, schema `UserStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    Staged,
    Provisioned,
    Active,
    Recovery,
    PasswordExpired,
    LockedOut,
    Suspended,
    Deprovisioned,
}

impl Status {
    /// Every status there is.
    pub const ALL: [Self; 8] = [
        Self::Staged,
        Self::Provisioned,
        Self::Active,
        Self::Recovery,
        Self::PasswordExpired,
        Self::LockedOut,
        Self::Suspended,
        Self::Deprovisioned,
    ];

    /// Okta's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "STAGED",
            Self::Provisioned => "PROVISIONED",
            Self::Active => "ACTIVE",
            Self::Recovery => "RECOVERY",
            Self::PasswordExpired => "PASSWORD_EXPIRED",
            Self::LockedOut => "LOCKED_OUT",
            Self::Suspended => "SUSPENDED",
            Self::Deprovisioned => "DEPROVISIONED",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which directory masters a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Okta,
    ActiveDirectory,
}

/// One user.
#[derive(Debug, Clone)]
pub struct Person {
    pub profile: Profile,
    pub status: Status,
    /// The status that `unsuspend` leads back to.
    pub before_suspension: Status,
    pub provider: Provider,
    pub has_password: bool,
    pub created: Seconds,
    pub activated: Seconds,
    pub status_changed: Seconds,
    pub last_login: Seconds,
    pub last_updated: Seconds,
    pub password_changed: Seconds,
}

/// A change of status that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    Activate,
    Deactivate,
    Suspend,
    Unsuspend,
    /// Sends the activation mail again; the status stays.
    Reactivate,
    Unlock,
    Lock,
    ExpirePassword,
    ResetPassword,
    /// The person finishes the activation.
    Finish,
}

impl Transition {
    /// The status this leads to, or nothing when it is not allowed.
    ///
    /// Source: lifecycle table of the Users API; the suspend link of a recorded PROVISIONED user.
    pub fn leads_to(self, person: &Person) -> Option<Status> {
        use Status::{
            Active, Deprovisioned, LockedOut, PasswordExpired, Provisioned, Recovery, Staged,
            Suspended,
        };
        let live =
            matches!(person.status, Active | Provisioned | Recovery | PasswordExpired | LockedOut);
        match (self, person.status) {
            (Self::Activate, Staged | Deprovisioned) => {
                Some(if person.has_password { Active } else { Provisioned })
            }
            (Self::Deactivate, status) if status != Deprovisioned => Some(Deprovisioned),
            (Self::Suspend, _) if live => Some(Suspended),
            (Self::Unsuspend, Suspended) => Some(person.before_suspension),
            (Self::Reactivate, Provisioned) => Some(Provisioned),
            (Self::Unlock, LockedOut) | (Self::Finish, Provisioned) => Some(Active),
            (Self::Lock, Active) => Some(LockedOut),
            (Self::ExpirePassword, Active | PasswordExpired) => Some(PasswordExpired),
            (Self::ResetPassword, Active | Recovery | PasswordExpired | LockedOut) => {
                Some(Recovery)
            }
            _ => None,
        }
    }

    /// What the System Log writes. An administrator's reactivation is an `activate`: `reactivate` comes from jobs only.
    fn event(self) -> Option<EventKind> {
        match self {
            Self::Activate => Some(EventKind::Activate),
            Self::Deactivate => Some(EventKind::Deactivate),
            Self::Suspend => Some(EventKind::Suspend),
            Self::Unsuspend => Some(EventKind::Unsuspend),
            Self::Unlock => Some(EventKind::UnlockByAdmin),
            Self::Lock => Some(EventKind::Lock),
            Self::ResetPassword => Some(EventKind::ResetPassword),
            // No event says that somebody finished the activation.
            Self::Reactivate | Self::ExpirePassword | Self::Finish => None,
        }
    }
}

/// What a new user starts with.
#[derive(Debug, Clone)]
pub struct NewPerson {
    pub profile: Vec<(String, Value)>,
    pub activate: bool,
    pub has_password: bool,
}

impl Org {
    /// Puts a finished person into the next slot, without any event: for building orgs.
    pub fn place(&mut self, person: Person) -> u32 {
        let slot = u32::try_from(self.people.len()).unwrap_or(u32::MAX);
        let login = person.profile.text(&self.pool, "login");
        self.logins.insert(login_key(&login), slot);
        self.people.push(Some(person));
        slot
    }

    /// Creates a user as `POST /api/v1/users` does.
    pub fn create_person(
        &mut self,
        new: &NewPerson,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<u32, Refused> {
        let text = |name: &str| {
            new.profile
                .iter()
                .find(|(known, _)| known == name)
                .and_then(|(_, value)| value.as_str())
        };
        let login = text("login").ok_or(Refused::Missing("login"))?.to_owned();
        if text("email").is_none() {
            return Err(Refused::Missing("email"));
        }
        if self.slot_of_login(&login).is_some() {
            return Err(Refused::LoginTaken(login));
        }
        let values = new.profile.iter().map(|(name, value)| (name.as_str(), value.clone()));
        let profile = Profile::from_values(&mut self.pool, values);
        let at = seconds(now);
        let slot = self.place(Person {
            profile,
            status: Status::Staged,
            before_suspension: Status::Active,
            provider: Provider::Okta,
            has_password: new.has_password,
            created: at,
            activated: 0,
            status_changed: at,
            last_login: 0,
            last_updated: at,
            password_changed: if new.has_password { at } else { 0 },
        });
        self.remember_person(slot, None, now);
        let targets = vec![self.user_target(slot)];
        self.write_log(Event::of(EventKind::Create, targets), cause, now);
        if new.activate {
            self.transition(slot, Transition::Activate, cause, now)?;
        }
        Ok(slot)
    }

    /// Changes a status, with everything that follows from it in the app and in the log.
    pub fn transition(
        &mut self,
        slot: u32,
        transition: Transition,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let before = self.known_person(slot)?.clone();
        let target = transition.leads_to(&before).ok_or_else(|| {
            Refused::NotNow(format!("{transition:?} is not possible while {}", before.status))
        })?;
        let at = seconds(now);
        let changed = Person {
            status: target,
            before_suspension: if target == Status::Suspended {
                before.status
            } else {
                before.before_suspension
            },
            status_changed: at,
            last_updated: at,
            activated: if transition == Transition::Activate { at } else { before.activated },
            ..before.clone()
        };
        self.put_person(slot, changed, now);
        // Observed order on a deactivation: unassigned from the apps, then deactivated, then signed out.
        if transition == Transition::Deactivate {
            self.settle_all_apps(slot, cause, now);
        }
        if let Some(kind) = transition.event() {
            let targets = vec![self.user_target(slot)];
            self.write_log(Event::of(kind, targets), cause, now);
        }
        match transition {
            Transition::Deactivate => {
                self.forget_sign_ins(slot);
                let targets = vec![self.user_target(slot)];
                self.write_log(Event::of(EventKind::SessionClear, targets), cause, now);
            }
            Transition::Activate => {
                if before.status == Status::Staged {
                    self.announce_apps(slot, cause, now);
                }
                self.settle_all_apps(slot, cause, now);
            }
            _ => {}
        }
        Ok(())
    }

    /// What a provisioning or import job does when it brings a deactivated user back: both events, one transaction.
    pub fn reactivate_by_job(&mut self, slot: u32, now: Timestamp) -> Result<(), Refused> {
        let cause = Cause {
            actor: self.system_actor(),
            uri: String::new(),
            transaction: format!("eru{}", self.dice.token(17)),
            job: true,
            agent: "",
        };
        self.transition(slot, Transition::Activate, &cause, now)?;
        let targets = vec![self.user_target(slot)];
        self.write_log(Event::of(EventKind::Reactivate, targets), &cause, now);
        Ok(())
    }

    /// Changes attributes; null unsets. Returns the names that changed, which may be none.
    pub fn update_person(
        &mut self,
        slot: u32,
        changes: &[(String, Value)],
        cause: &Cause,
        now: Timestamp,
    ) -> Result<Vec<String>, Refused> {
        let before = self.known_person(slot)?.clone();
        let changed: Vec<String> = changes
            .iter()
            .filter(|(name, value)| before.profile.get(&self.pool, name) != *value)
            .map(|(name, _)| name.clone())
            .collect();
        if changed.is_empty() {
            return Ok(changed);
        }
        let new_login = changes.iter().find(|(name, _)| name == "login");
        if let Some((_, value)) = new_login {
            let login = value.as_str().ok_or(Refused::Missing("login"))?;
            if self.slot_of_login(login).is_some_and(|holder| holder != slot) {
                return Err(Refused::LoginTaken(login.to_owned()));
            }
            let old = before.profile.text(&self.pool, "login");
            self.logins.remove(&login_key(&old));
            self.logins.insert(login_key(login), slot);
        }
        let profile = before.profile.with(&mut self.pool, changes);
        self.put_person(slot, Person { profile, last_updated: seconds(now), ..before }, now);
        let mut event = Event::of(EventKind::UpdateProfile, vec![self.user_target(slot)]);
        event.changed = Some(changed.join(","));
        self.write_log(event, cause, now);
        Ok(changed)
    }

    /// Deletes as `DELETE /api/v1/users/{id}` does: the first call deactivates, the second deletes.
    ///
    /// Returns whether the person is gone. Source: recordings of both calls.
    pub fn delete_person(
        &mut self,
        slot: u32,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        let before = self.known_person(slot)?.clone();
        if before.status != Status::Deprovisioned {
            self.transition(slot, Transition::Deactivate, cause, now)?;
            return Ok(false);
        }
        let target = self.user_target(slot);
        self.write_log(Event::of(EventKind::DeleteInitiated, vec![target.clone()]), cause, now);
        let login = before.profile.text(&self.pool, "login");
        self.logins.remove(&login_key(&login));
        self.leave_all_groups_silently(slot);
        self.remember_person(slot, Some(before), now);
        if let Some(place) = self.people.get_mut(index(slot)) {
            *place = None;
        }
        self.write_log(Event::of(EventKind::DeleteCompleted, vec![target]), cause, now);
        Ok(true)
    }

    /// Sets a status without asking whether it is allowed and without any event: for building orgs.
    pub fn set_status(&mut self, slot: u32, status: Status) {
        if let Some(person) = self.person_mut(slot) {
            person.status = status;
        }
    }

    /// The person as the System Log shows a target.
    pub(crate) fn user_target(&self, slot: u32) -> Target {
        let actor = self.actor(slot);
        Target {
            kind: "User",
            id: actor.id.clone(),
            alternate: actor.alternate.clone(),
            display: actor.display.clone(),
        }
    }

    pub(crate) fn known_person(&self, slot: u32) -> Result<&Person, Refused> {
        self.person(slot).ok_or_else(|| Refused::Unknown("person", slot.to_string()))
    }

    fn put_person(&mut self, slot: u32, person: Person, now: Timestamp) {
        if let Some(place) = self.people.get_mut(index(slot)) {
            let before = place.replace(person);
            self.remember_person(slot, before, now);
        }
    }

    fn remember_person(&mut self, slot: u32, before: Option<Person>, now: Timestamp) {
        if let Some(until) = self.stale_until(now) {
            self.past.note_person(slot, before, until);
        }
    }

    /// Until when reads show what is being replaced now; nothing when reads are never stale.
    pub(crate) fn stale_until(&self, now: Timestamp) -> Option<Timestamp> {
        let lag = self.settings.stale_seconds;
        (lag > 0)
            .then(|| now.checked_add(jiff::SignedDuration::from_secs(i64::from(lag))).ok())
            .flatten()
    }
}
