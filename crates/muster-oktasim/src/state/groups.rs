//! Apps, groups, and who is assigned to what.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;

use super::log::{Cause, Event, EventKind, Target};
use super::people::Status;
use super::sign_in::{ClientAuth, LoginMode, SubjectFormat};
use super::{Org, Refused, index};
use crate::ids::Kind;
use crate::stamp::{Seconds, seconds};

/// One app. The app under test is a custom OIDC app; others may stand beside it.
#[derive(Debug)]
pub(crate) struct App {
    pub label: String,
    pub client_id: String,
    pub client_secret: String,
    pub active: bool,
    /// Federation Broker Mode: everyone may sign in and no assignments exist.
    pub implicit: bool,
    pub redirect_uris: Vec<String>,
    pub post_logout_uris: Vec<String>,
    pub initiate_login_uri: Option<String>,
    /// How the tile on the dashboard works; not set, it follows from the login URI.
    pub login_mode: Option<LoginMode>,
    pub grant_types: Vec<String>,
    pub pkce_required: bool,
    pub client_auth: ClientAuth,
    /// The app's public keys, for `private_key_jwt`.
    pub jwks: Option<JwkSet>,
    /// Where the app is told that somebody was signed out everywhere.
    pub revocation_uri: Option<String>,
    pub revocation_format: SubjectFormat,
    pub created: Seconds,
    pub last_updated: Seconds,
    pub(crate) assignments: BTreeMap<u32, Assignment>,
    /// Assigned groups in the order of their priority.
    pub(crate) groups: Vec<AppGroup>,
}

/// A group that is assigned to an app.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AppGroup {
    pub group: u32,
    pub last_updated: Seconds,
}

/// How a person came to an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    User,
    Group(u32),
}

/// One person's assignment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Assignment {
    pub scope: Scope,
    pub created: Seconds,
    pub last_updated: Seconds,
}

/// One group.
#[derive(Debug)]
pub(crate) struct Group {
    pub name: String,
    pub description: String,
    pub built_in: bool,
    pub created: Seconds,
    pub last_updated: Seconds,
    pub membership_updated: Seconds,
    pub(crate) members: Members,
}

/// Who is in a group.
#[derive(Debug)]
pub(crate) enum Members {
    Everyone,
    Listed(BTreeSet<u32>),
}

/// What an app is made with when all three boxes are ticked.
const GRANT_TYPES: [&str; 3] = ["authorization_code", "refresh_token", "implicit"];

impl App {
    /// How the tile works: as it was set, or by the login URI alone.
    pub(crate) fn login_mode(&self) -> LoginMode {
        let by_uri =
            if self.initiate_login_uri.is_some() { LoginMode::Spec } else { LoginMode::Disabled };
        self.login_mode.unwrap_or(by_uri)
    }

    pub(crate) fn oidc(org: &mut Org, label: &str, at: Seconds) -> Self {
        let number = u32::try_from(org.apps.len()).unwrap_or_default();
        Self {
            label: label.to_owned(),
            client_id: org.ids.id(Kind::App, number).to_string(),
            client_secret: org.dice.token(64),
            active: true,
            implicit: false,
            redirect_uris: vec!["http://localhost:8080/users/auth/okta/callback".to_owned()],
            post_logout_uris: Vec::new(),
            initiate_login_uri: None,
            login_mode: None,
            grant_types: GRANT_TYPES.map(str::to_owned).to_vec(),
            pkce_required: false,
            client_auth: ClientAuth::default(),
            jwks: None,
            revocation_uri: None,
            revocation_format: SubjectFormat::default(),
            created: at,
            last_updated: at,
            assignments: BTreeMap::new(),
            groups: Vec::new(),
        }
    }
}

impl Group {
    /// The built-in group of everybody.
    pub(crate) fn everyone(at: Seconds) -> Self {
        Self {
            name: "Everyone".to_owned(),
            description: "All users in your organization".to_owned(),
            built_in: true,
            created: at,
            last_updated: at,
            membership_updated: at,
            members: Members::Everyone,
        }
    }
}

impl Org {
    /// Adds an app without any event: for building orgs.
    pub fn place_app(&mut self, label: &str, at: Seconds) -> u32 {
        let app = App::oidc(self, label, at);
        self.apps.push(app);
        u32::try_from(self.apps.len() - 1).unwrap_or_default()
    }

    /// Adds a group without any event: for building orgs.
    pub fn place_group(&mut self, name: &str, description: &str, at: Seconds) -> u32 {
        self.groups.push(Some(Group {
            name: name.to_owned(),
            description: description.to_owned(),
            built_in: false,
            created: at,
            last_updated: at,
            membership_updated: at,
            members: Members::Listed(BTreeSet::new()),
        }));
        u32::try_from(self.groups.len() - 1).unwrap_or_default()
    }

    /// Puts a person into a group without any event: for building orgs.
    pub fn place_member(&mut self, group: u32, slot: u32) {
        if let Some(Members::Listed(members)) = self.members_mut(group) {
            members.insert(slot);
        }
    }

    /// Assigns a person without any event: for building orgs.
    pub fn place_assignment(&mut self, app: u32, slot: u32, scope: Scope, at: Seconds) {
        if let Some(app) = self.apps.get_mut(index(app)) {
            app.assignments.insert(slot, Assignment { scope, created: at, last_updated: at });
        }
    }

    /// Assigns a group without any event: for building orgs.
    pub fn place_app_group(&mut self, app: u32, group: u32, at: Seconds) {
        if let Some(app) = self.apps.get_mut(index(app)) {
            app.groups.push(AppGroup { group, last_updated: at });
        }
    }

    /// Creates a group.
    pub fn create_group(
        &mut self,
        name: &str,
        description: &str,
        cause: &Cause,
        now: Timestamp,
    ) -> u32 {
        let group = self.place_group(name, description, seconds(now));
        let targets = vec![self.group_target(group)];
        self.write_log(Event::of(EventKind::GroupCreate, targets), cause, now);
        group
    }

    /// Renames a group.
    pub fn rename_group(
        &mut self,
        group: u32,
        name: &str,
        description: &str,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let known = self.own_group(group)?;
        name.clone_into(&mut known.name);
        description.clone_into(&mut known.description);
        known.last_updated = seconds(now);
        let targets = vec![self.group_target(group)];
        self.write_log(Event::of(EventKind::GroupUpdate, targets), cause, now);
        Ok(())
    }

    /// Deletes a group; whoever had an app only through it loses the app.
    pub fn delete_group(
        &mut self,
        group: u32,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<(), Refused> {
        self.own_group(group)?;
        let target = self.group_target(group);
        let members = self.listed_members(group);
        if let Some(place) = self.groups.get_mut(index(group)) {
            *place = None;
        }
        self.write_log(Event::of(EventKind::GroupDelete, vec![target]), cause, now);
        let apps: Vec<u32> = self.apps_of_group(group);
        for app in apps {
            if let Some(app) = self.apps.get_mut(index(app)) {
                app.groups.retain(|known| known.group != group);
            }
            for slot in &members {
                self.settle(app, *slot, cause, now);
            }
        }
        Ok(())
    }

    /// Puts a person into a group. Returns whether that was news.
    pub fn add_member(
        &mut self,
        group: u32,
        slot: u32,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        self.known_person(slot)?;
        self.own_group(group)?;
        let news = self.set_member(group, slot, true, now);
        if news {
            let targets = vec![self.user_target(slot), self.group_target(group)];
            self.write_log(Event::of(EventKind::GroupMemberAdd, targets), cause, now);
            for app in self.apps_of_group(group) {
                self.settle(app, slot, cause, now);
            }
        }
        Ok(news)
    }

    /// Takes a person out of a group. Returns whether that was news.
    pub fn remove_member(
        &mut self,
        group: u32,
        slot: u32,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<bool, Refused> {
        self.own_group(group)?;
        let news = self.set_member(group, slot, false, now);
        if news {
            let targets = vec![self.user_target(slot), self.group_target(group)];
            self.write_log(Event::of(EventKind::GroupMemberRemove, targets), cause, now);
            for app in self.apps_of_group(group) {
                self.settle(app, slot, cause, now);
            }
        }
        Ok(news)
    }

    /// Assigns a person to an app directly. A person who has it through a group gets it in their own right.
    pub fn assign(
        &mut self,
        app: u32,
        slot: u32,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<(), Refused> {
        if self.known_person(slot)?.status == Status::Deprovisioned {
            return Err(Refused::NotNow(
                "a deactivated user cannot be assigned to an app".to_owned(),
            ));
        }
        let before = self.assignment(app, slot).copied();
        let at = seconds(now);
        let created = before.map_or(at, |before| before.created);
        let after = Assignment { scope: Scope::User, created, last_updated: at };
        self.set_assignment(app, slot, Some(after), now);
        if before.is_none() {
            self.log_membership(EventKind::AppMemberAdd, app, slot, cause, now);
        }
        Ok(())
    }

    /// Takes away a direct assignment; a group may keep the person in the app.
    pub fn unassign(
        &mut self,
        app: u32,
        slot: u32,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<(), Refused> {
        match self.assignment(app, slot).map(|known| known.scope) {
            None => Err(Refused::Unknown("assignment", slot.to_string())),
            Some(Scope::Group(_)) => {
                Err(Refused::NotNow("the user is assigned by a group".to_owned()))
            }
            Some(Scope::User) => {
                self.drop_direct(app, slot, cause, now);
                Ok(())
            }
        }
    }

    /// Takes a person out of an app as an administrator would: the direct assignment and every assigned group.
    pub fn unassign_wholly(
        &mut self,
        app: u32,
        slot: u32,
        cause: &Cause,
        now: Timestamp,
    ) -> Result<(), Refused> {
        self.known_person(slot)?;
        let groups: Vec<u32> = self
            .app(app)
            .map_or_else(Vec::new, |app| app.groups.iter().map(|known| known.group).collect());
        for group in groups {
            if self.is_member(group, slot) {
                self.remove_member(group, slot, cause, now)?;
            }
        }
        if self.assignment(app, slot).is_some() {
            self.drop_direct(app, slot, cause, now);
        }
        Ok(())
    }

    /// Assigns a group to an app, and with it all its live members.
    pub fn assign_group(&mut self, app: u32, group: u32, cause: &Cause, now: Timestamp) {
        let at = seconds(now);
        let Some(known) = self.apps.get_mut(index(app)) else { return };
        if known.groups.iter().any(|known| known.group == group) {
            return;
        }
        known.groups.push(AppGroup { group, last_updated: at });
        let targets = vec![self.group_target(group), self.app_target(app)];
        self.write_log(Event::of(EventKind::AppGroupAdd, targets), cause, now);
        for slot in self.listed_members(group) {
            self.settle(app, slot, cause, now);
        }
    }

    /// Takes a group from an app, and with it everyone who had the app only through it.
    pub fn unassign_group(&mut self, app: u32, group: u32, cause: &Cause, now: Timestamp) -> bool {
        let Some(known) = self.apps.get_mut(index(app)) else { return false };
        let before = known.groups.len();
        known.groups.retain(|known| known.group != group);
        if known.groups.len() == before {
            return false;
        }
        let targets = vec![self.group_target(group), self.app_target(app)];
        self.write_log(Event::of(EventKind::AppGroupRemove, targets), cause, now);
        for slot in self.listed_members(group) {
            self.settle(app, slot, cause, now);
        }
        true
    }

    /// Makes one person's assignment what groups and status say, and logs the difference.
    pub(crate) fn settle(&mut self, app: u32, slot: u32, cause: &Cause, now: Timestamp) {
        let Some(known) = self.app(app) else { return };
        let before = known.assignments.get(&slot).copied();
        let gone = self.person(slot).is_none_or(|person| person.status == Status::Deprovisioned);
        let by_group = known
            .groups
            .iter()
            .map(|known| known.group)
            .find(|group| self.is_member(*group, slot))
            .map(Scope::Group);
        let direct = before.map(|before| before.scope).filter(|scope| *scope == Scope::User);
        let wanted = if gone { None } else { direct.or(by_group) };
        if before.map(|before| before.scope) == wanted {
            return;
        }
        let at = seconds(now);
        let created = before.map_or(at, |before| before.created);
        let after = wanted.map(|scope| Assignment { scope, created, last_updated: at });
        self.set_assignment(app, slot, after, now);
        match (before, after) {
            (None, Some(_)) => self.log_membership(EventKind::AppMemberAdd, app, slot, cause, now),
            (Some(_), None) => {
                self.log_membership(EventKind::AppMemberRemove, app, slot, cause, now);
            }
            _ => {}
        }
    }

    pub(crate) fn settle_all_apps(&mut self, slot: u32, cause: &Cause, now: Timestamp) {
        for app in 0..u32::try_from(self.apps.len()).unwrap_or_default() {
            self.settle(app, slot, cause, now);
        }
    }

    /// Logs a membership that existed while the user was staged. Source: recorded System Log event.
    pub(crate) fn announce_apps(&mut self, slot: u32, cause: &Cause, now: Timestamp) {
        for app in 0..u32::try_from(self.apps.len()).unwrap_or_default() {
            if self.assignment(app, slot).is_some() {
                self.log_membership(EventKind::AppMemberAdd, app, slot, cause, now);
            }
        }
    }

    pub(crate) fn leave_all_groups_silently(&mut self, slot: u32) {
        for group in self.groups.iter_mut().flatten() {
            if let Members::Listed(members) = &mut group.members {
                members.remove(&slot);
            }
        }
    }

    pub(crate) fn app(&self, app: u32) -> Option<&App> {
        self.apps.get(index(app))
    }

    pub(crate) fn assignment(&self, app: u32, slot: u32) -> Option<&Assignment> {
        self.app(app)?.assignments.get(&slot)
    }

    pub(crate) fn is_member(&self, group: u32, slot: u32) -> bool {
        self.group(group).is_some_and(|group| match &group.members {
            Members::Everyone => self.person(slot).is_some(),
            Members::Listed(members) => members.contains(&slot),
        })
    }

    pub(crate) fn apps_of_group(&self, group: u32) -> Vec<u32> {
        (0_u32..)
            .zip(&self.apps)
            .filter(|(_, app)| app.groups.iter().any(|known| known.group == group))
            .map(|(number, _)| number)
            .collect()
    }

    pub(crate) fn group_target(&self, group: u32) -> Target {
        Target {
            kind: "UserGroup",
            id: self.ids.id(Kind::Group, group).to_string(),
            // Okta writes this word here, whatever the group. Source: recorded System Log events.
            alternate: "unknown".to_owned(),
            display: self.group(group).map(|group| group.name.clone()).unwrap_or_default(),
        }
    }

    pub(crate) fn app_target(&self, app: u32) -> Target {
        let label = self.app(app).map(|app| app.label.clone()).unwrap_or_default();
        Target {
            kind: "AppInstance",
            id: self.ids.id(Kind::App, app).to_string(),
            alternate: label.clone(),
            display: label,
        }
    }

    fn drop_direct(&mut self, app: u32, slot: u32, cause: &Cause, now: Timestamp) {
        let groups = self.app(app).map_or_else(Vec::new, |app| app.groups.clone());
        let kept =
            groups.iter().find(|known| self.is_member(known.group, slot)).map(|known| known.group);
        let at = seconds(now);
        let before = self.assignment(app, slot).copied();
        let after = kept.map(|group| Assignment {
            scope: Scope::Group(group),
            created: before.map_or(at, |before| before.created),
            last_updated: at,
        });
        self.set_assignment(app, slot, after, now);
        if after.is_none() {
            self.log_membership(EventKind::AppMemberRemove, app, slot, cause, now);
        }
    }

    fn set_assignment(&mut self, app: u32, slot: u32, after: Option<Assignment>, now: Timestamp) {
        let until = self.stale_until(now);
        let Some(known) = self.apps.get_mut(index(app)) else { return };
        let before = match after {
            Some(after) => known.assignments.insert(slot, after),
            None => known.assignments.remove(&slot),
        };
        if let Some(until) = until {
            self.past.note_assignment(app, slot, before, until);
        }
    }

    fn set_member(&mut self, group: u32, slot: u32, wanted: bool, now: Timestamp) -> bool {
        let until = self.stale_until(now);
        let Some(known) = self.groups.get_mut(index(group)).and_then(Option::as_mut) else {
            return false;
        };
        let Members::Listed(members) = &mut known.members else { return false };
        let news = if wanted { members.insert(slot) } else { members.remove(&slot) };
        if news {
            known.membership_updated = seconds(now);
            if let Some(until) = until {
                self.past.note_member(group, slot, !wanted, until);
            }
        }
        news
    }

    /// A group whose members and name may be changed: any but the built-in ones.
    fn own_group(&mut self, group: u32) -> Result<&mut Group, Refused> {
        let known = self
            .groups
            .get_mut(index(group))
            .and_then(Option::as_mut)
            .ok_or_else(|| Refused::Unknown("group", group.to_string()))?;
        if known.built_in {
            return Err(Refused::NotNow("a built-in group cannot be changed".to_owned()));
        }
        Ok(known)
    }

    fn members_mut(&mut self, group: u32) -> Option<&mut Members> {
        Some(&mut self.groups.get_mut(index(group))?.as_mut()?.members)
    }

    fn listed_members(&self, group: u32) -> Vec<u32> {
        match self.group(group).map(|group| &group.members) {
            Some(Members::Listed(members)) => members.iter().copied().collect(),
            Some(Members::Everyone) => {
                let all = u32::try_from(self.people.len()).unwrap_or_default();
                (0..all).filter(|slot| self.person(*slot).is_some()).collect()
            }
            None => Vec::new(),
        }
    }

    fn log_membership(
        &mut self,
        kind: EventKind,
        app: u32,
        slot: u32,
        cause: &Cause,
        now: Timestamp,
    ) {
        // In Federation Broker Mode no assignment exists, so none is logged.
        if self.app(app).is_none_or(|app| app.implicit) {
            return;
        }
        let user = self.user_target(slot);
        let app_user = Target {
            kind: "AppUser",
            id: self.ids.id(Kind::AppUser, slot.wrapping_mul(8).wrapping_add(app)).to_string(),
            ..user.clone()
        };
        let targets = vec![app_user, self.app_target(app), user];
        self.write_log(Event::of(kind, targets), cause, now);
    }
}
