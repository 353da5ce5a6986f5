//! What an Okta administrator does, as values: for tests, for the demo and for the admin API.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::ids::Kind;
use crate::state::people::{NewPerson, Transition};
use crate::state::{Org, Refused};

/// One thing an administrator does. `who` is an Okta id, a login or an e-mail; `group` an id or a name; without `app`
/// the app under test is meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    Create {
        profile: Map<String, Value>,
        #[serde(default)]
        groups: Vec<String>,
        /// Assign directly to the app.
        #[serde(default)]
        assign: bool,
        #[serde(default = "yes")]
        activate: bool,
        #[serde(default = "yes")]
        password: bool,
    },
    /// Changes attributes; null unsets.
    Update {
        who: String,
        profile: Map<String, Value>,
    },
    Activate {
        who: String,
    },
    Deactivate {
        who: String,
    },
    Suspend {
        who: String,
    },
    Unsuspend {
        who: String,
    },
    Lock {
        who: String,
    },
    Unlock {
        who: String,
    },
    ExpirePassword {
        who: String,
    },
    ResetPassword {
        who: String,
    },
    /// The person finishes the activation: PROVISIONED becomes ACTIVE, and no event says so.
    Finish {
        who: String,
    },
    /// A provisioning job brings a deactivated person back.
    ReactivateByJob {
        who: String,
    },
    /// Deactivates first if need be, then deletes.
    Delete {
        who: String,
    },
    Assign {
        who: String,
        #[serde(default)]
        app: Option<String>,
    },
    /// Takes the person out of the app: the direct assignment and every assigned group.
    Unassign {
        who: String,
        #[serde(default)]
        app: Option<String>,
    },
    AddToGroup {
        who: String,
        group: String,
    },
    RemoveFromGroup {
        who: String,
        group: String,
    },
    CreateGroup {
        name: String,
    },
    RenameGroup {
        group: String,
        name: String,
    },
    DeleteGroup {
        group: String,
    },
    AssignGroup {
        group: String,
        #[serde(default)]
        app: Option<String>,
    },
    UnassignGroup {
        group: String,
        #[serde(default)]
        app: Option<String>,
    },
    /// Everyone with the one department gets the other.
    RenameDepartment {
        from: String,
        to: String,
    },
    /// Two people exchange their e-mail addresses, not their logins.
    SwapEmails {
        one: String,
        other: String,
    },
    /// Ends a person's sessions at Okta and in every app that wants to be told (Universal Logout).
    SignOutEverywhere {
        who: String,
    },
    /// Switches Federation Broker Mode.
    BrokerMode {
        on: bool,
    },
}

fn yes() -> bool {
    true
}

/// What an action did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Done {
    /// The Okta id of the person or group that was created or changed.
    pub id: Option<String>,
    /// How many people were changed.
    pub people: usize,
}

impl Org {
    /// Does what an administrator does in the console, and logs what Okta would log.
    pub fn act(&mut self, action: &Action, now: Timestamp) -> Result<Done, Refused> {
        match action {
            Action::Create { profile, groups, assign, activate, password } => {
                let groups: Vec<u32> =
                    groups.iter().map(|group| self.find_group(group)).collect::<Result<_, _>>()?;
                let profile = profile.iter().map(|(name, value)| (name.clone(), value.clone()));
                let new = NewPerson {
                    profile: profile.collect(),
                    activate: *activate,
                    has_password: *password,
                };
                let cause = self.console("/admin/users/create");
                let slot = self.create_person(&new, &cause, now)?;
                for group in groups {
                    self.add_member(group, slot, &cause, now)?;
                }
                if *assign {
                    self.assign(0, slot, &cause, now)?;
                }
                Ok(self.did(slot))
            }
            Action::Update { who, profile } => {
                let slot = self.find_person(who)?;
                let changes: Vec<(String, Value)> =
                    profile.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
                let cause = self.on_person("/api/v1/users/", slot, "");
                self.update_person(slot, &changes, &cause, now)?;
                Ok(self.did(slot))
            }
            Action::Activate { who } => self.shift(who, Transition::Activate, "activate", now),
            Action::Deactivate { who } => {
                self.shift(who, Transition::Deactivate, "deactivate", now)
            }
            Action::Suspend { who } => self.shift(who, Transition::Suspend, "suspend", now),
            Action::Unsuspend { who } => self.shift(who, Transition::Unsuspend, "unsuspend", now),
            Action::Lock { who } => self.shift(who, Transition::Lock, "lock", now),
            Action::Unlock { who } => self.shift(who, Transition::Unlock, "unlock", now),
            Action::ExpirePassword { who } => {
                self.shift(who, Transition::ExpirePassword, "expire_password", now)
            }
            Action::ResetPassword { who } => {
                self.shift(who, Transition::ResetPassword, "reset_password", now)
            }
            Action::Finish { who } => self.shift(who, Transition::Finish, "finish", now),
            Action::ReactivateByJob { who } => {
                let slot = self.find_person(who)?;
                self.reactivate_by_job(slot, now)?;
                Ok(self.did(slot))
            }
            Action::Delete { who } => {
                let slot = self.find_person(who)?;
                let done = self.did(slot);
                let cause = self.on_person("/api/v1/users/", slot, "");
                if !self.delete_person(slot, &cause, now)? {
                    self.delete_person(slot, &cause, now)?;
                }
                Ok(done)
            }
            Action::Assign { who, app } => {
                let (slot, app) = (self.find_person(who)?, self.find_app(app.as_deref())?);
                let uri = format!(
                    "/admin/app/oidc_client/instance/{}/assign/",
                    self.ids.id(Kind::App, app)
                );
                let cause = self.on_person(&uri, slot, "");
                self.assign(app, slot, &cause, now)?;
                Ok(self.did(slot))
            }
            Action::Unassign { who, app } => {
                let (slot, app) = (self.find_person(who)?, self.find_app(app.as_deref())?);
                let uri = format!("/api/v1/apps/{}/users/", self.ids.id(Kind::App, app));
                let cause = self.on_person(&uri, slot, "");
                self.unassign_wholly(app, slot, &cause, now)?;
                Ok(self.did(slot))
            }
            Action::AddToGroup { who, group } | Action::RemoveFromGroup { who, group } => {
                let (slot, group) = (self.find_person(who)?, self.find_group(group)?);
                let uri = format!("/api/v1/groups/{}/users/", self.ids.id(Kind::Group, group));
                let cause = self.on_person(&uri, slot, "");
                if matches!(action, Action::AddToGroup { .. }) {
                    self.add_member(group, slot, &cause, now)?;
                } else {
                    self.remove_member(group, slot, &cause, now)?;
                }
                Ok(self.did(slot))
            }
            Action::RenameDepartment { from, to } => self.rename_department(from, to, now),
            Action::SwapEmails { one, other } => self.swap_emails(one, other, now),
            Action::SignOutEverywhere { who } => {
                let slot = self.find_person(who)?;
                let cause = self.on_person("/admin/user/clear_user_sessions/", slot, "");
                self.sign_out_everywhere(slot, &cause, now);
                Ok(self.did(slot))
            }
            Action::BrokerMode { on } => {
                if let Some(app) = self.apps.first_mut() {
                    app.implicit = *on;
                }
                Ok(Done::default())
            }
            other => self.act_on_group(other, now),
        }
    }

    fn act_on_group(&mut self, action: &Action, now: Timestamp) -> Result<Done, Refused> {
        let cause = self.console("/admin/group");
        let group = match action {
            Action::CreateGroup { name } => self.create_group(name, "", &cause, now),
            Action::RenameGroup { group, name } => {
                let group = self.find_group(group)?;
                self.rename_group(group, name, "", &cause, now)?;
                group
            }
            Action::DeleteGroup { group } => {
                let group = self.find_group(group)?;
                self.delete_group(group, &cause, now)?;
                group
            }
            Action::AssignGroup { group, app } => {
                let (group, app) = (self.find_group(group)?, self.find_app(app.as_deref())?);
                self.assign_group(app, group, &cause, now);
                group
            }
            Action::UnassignGroup { group, app } => {
                let (group, app) = (self.find_group(group)?, self.find_app(app.as_deref())?);
                self.unassign_group(app, group, &cause, now);
                group
            }
            _ => return Ok(Done::default()),
        };
        Ok(Done { id: Some(self.ids.id(Kind::Group, group).to_string()), people: 0 })
    }

    fn shift(
        &mut self,
        who: &str,
        transition: Transition,
        verb: &str,
        now: Timestamp,
    ) -> Result<Done, Refused> {
        let slot = self.find_person(who)?;
        let uri = format!("/admin/user/{verb}/");
        let cause = self.on_person(&uri, slot, "");
        self.transition(slot, transition, &cause, now)?;
        Ok(self.did(slot))
    }

    fn rename_department(&mut self, from: &str, to: &str, now: Timestamp) -> Result<Done, Refused> {
        let people: Vec<u32> = (0_u32..)
            .zip(&self.people)
            .filter_map(|(slot, person)| Some((slot, person.as_ref()?)))
            .filter(|(_, person)| person.profile.text(&self.pool, "department") == from)
            .map(|(slot, _)| slot)
            .collect();
        for slot in &people {
            let cause = self.on_person("/api/v1/users/", *slot, "");
            let change = [("department".to_owned(), Value::from(to))];
            self.update_person(*slot, &change, &cause, now)?;
        }
        Ok(Done { id: None, people: people.len() })
    }

    fn swap_emails(&mut self, one: &str, other: &str, now: Timestamp) -> Result<Done, Refused> {
        let (one, other) = (self.find_person(one)?, self.find_person(other)?);
        let email = |org: &Self, slot| -> Result<Value, Refused> {
            Ok(org.known_person(slot)?.profile.get(&org.pool, "email"))
        };
        let (first, second) = (email(self, one)?, email(self, other)?);
        for (slot, value) in [(one, second), (other, first)] {
            let cause = self.on_person("/api/v1/users/", slot, "");
            self.update_person(slot, &[("email".to_owned(), value)], &cause, now)?;
        }
        Ok(Done { id: None, people: 2 })
    }

    fn on_person(&mut self, before: &str, slot: u32, after: &str) -> crate::state::log::Cause {
        let uri = format!("{before}{}{after}", self.ids.id(Kind::User, slot));
        self.console(&uri)
    }

    fn did(&self, slot: u32) -> Done {
        Done { id: Some(self.ids.id(Kind::User, slot).to_string()), people: 1 }
    }
}
