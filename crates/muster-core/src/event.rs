//! What an event of Okta says: whom to read again, and nothing else.
//!
//! The same events come by hook and from the System Log. Their content is never used as data, so a late, doubled, forged or
//! previewed one costs a read and changes nothing.

mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

pub use self::read::{Delivery, Event, Target, Unreadable, events, parse};
use crate::id::OktaUserId;

/// A type of event that Muster understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventType {
    /// Okta's name for it.
    pub name: &'static str,
    /// Whether a hook may be subscribed to it; the others are in the System Log only.
    pub hook: bool,
    /// Whether it is one of the eight that the setup page asks for.
    pub eight: bool,
    about: About,
}

/// What the events of a type are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// A user.
    Person,
    /// A user's assignment to an app.
    Assignment,
    /// A user's place in a group.
    Membership,
    /// A group.
    Group,
    /// A group's assignment to an app.
    GroupAssignment,
    /// An app.
    App,
}

const fn eight(name: &'static str, about: About) -> EventType {
    EventType { name, hook: true, eight: true, about }
}

const fn hook(name: &'static str, about: About) -> EventType {
    EventType { name, hook: true, eight: false, about }
}

const fn log(name: &'static str, about: About) -> EventType {
    EventType { name, hook: false, eight: false, about }
}

/// Every type that Muster understands; all others are counted and ignored.
///
/// Source: Okta's list of event types, release 2026.08.1, with its mark of which a hook may be subscribed to.
pub const TYPES: &[EventType] = &[
    eight("application.user_membership.add", About::Assignment),
    eight("application.user_membership.remove", About::Assignment),
    eight("group.user_membership.add", About::Membership),
    eight("group.user_membership.remove", About::Membership),
    eight("user.account.update_profile", About::Person),
    eight("user.lifecycle.deactivate", About::Person),
    eight("user.lifecycle.reactivate", About::Person),
    eight("user.lifecycle.delete.initiated", About::Person),
    // An admin who brings somebody back causes `activate`, never `reactivate`.
    hook("user.lifecycle.activate", About::Person),
    hook("user.lifecycle.create", About::Person),
    hook("user.lifecycle.suspend", About::Person),
    hook("user.lifecycle.unsuspend", About::Person),
    hook("user.account.lock", About::Person),
    hook("user.account.unlock", About::Person),
    hook("user.account.unlock_by_admin", About::Person),
    hook("application.user_membership.update", About::Assignment),
    hook("group.profile.update", About::Group),
    hook("group.lifecycle.delete", About::Group),
    hook("group.application_assignment.add", About::GroupAssignment),
    hook("group.application_assignment.remove", About::GroupAssignment),
    hook("group.application_assignment.update", About::GroupAssignment),
    hook("application.lifecycle.create", About::App),
    hook("application.lifecycle.update", About::App),
    hook("application.lifecycle.activate", About::App),
    hook("application.lifecycle.deactivate", About::App),
    hook("application.lifecycle.delete", About::App),
    log("application.user_membership.change_username", About::Assignment),
    log("application.user_membership.restore", About::Assignment),
    log("application.user_membership.revoke", About::Assignment),
    log("user.account.update_primary_email", About::Person),
    log("user.account.update_user_type", About::Person),
    log("user.lifecycle.delete.completed", About::Person),
];

/// Types that Okta may add to these families mean the same as their siblings.
const FAMILIES: [(&str, About); 3] = [
    ("user.account.unlock", About::Person),
    ("group.application_assignment.", About::GroupAssignment),
    ("application.lifecycle.", About::App),
];

fn about(name: &str) -> Option<About> {
    let known = TYPES.iter().find(|known| known.name == name).map(|known| known.about);
    known.or_else(|| {
        FAMILIES.iter().find(|(start, _)| name.starts_with(start)).map(|(_, about)| *about)
    })
}

/// Whether Muster understands events of this type.
pub fn is_understood(name: &str) -> bool {
    about(name).is_some()
}

/// What a tenant cares about.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interest {
    /// The app whose people are synced; `None` before Okta is connected.
    pub app_id: Option<String>,
    /// The groups assigned to that app; `None` while nobody read them.
    pub app_groups: Option<BTreeSet<String>>,
}

/// What to read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// One person.
    Person(OktaUserId),
    /// The people of a group, and whether the group is still assigned.
    Group(String),
    /// The app, and with it everybody.
    App,
    /// Nothing.
    Ignore(Why),
}

crate::person::words! {
    /// Why an event leads to nothing.
    Why {
        Unknown = "unknown_type", NotConnected = "not_connected", OtherApp = "other_app", OtherGroup = "other_group",
        Nobody = "nobody_named",
    }
}

impl Event<'_> {
    /// What the event asks for, whatever became of what it tells of: a failed attempt costs one read.
    pub fn hint(&self, interest: &Interest) -> Hint {
        let Some(about) = about(&self.event_type) else { return Hint::Ignore(Why::Unknown) };
        let Some(ours) = interest.app_id.as_deref() else {
            return Hint::Ignore(Why::NotConnected);
        };
        let other_app = || self.target("AppInstance").is_some_and(|id| id != ours);
        // A group counts as foreign only once the groups of the app were read.
        let foreign = |id: &str| interest.app_groups.as_ref().is_some_and(|all| !all.contains(id));
        match about {
            About::Assignment | About::App | About::GroupAssignment if other_app() => {
                Hint::Ignore(Why::OtherApp)
            }
            About::Membership | About::Group if self.target("UserGroup").is_some_and(foreign) => {
                Hint::Ignore(Why::OtherGroup)
            }
            About::Person | About::Assignment | About::Membership => self.person(),
            About::Group => self.group().unwrap_or(Hint::Ignore(Why::Nobody)),
            About::GroupAssignment => self.group().unwrap_or(Hint::App),
            About::App => Hint::App,
        }
    }

    /// The id of the first target of a kind. Their order means nothing (Okta management API, `LogEvent.target`).
    fn target(&self, kind: &str) -> Option<&str> {
        let found = self.targets.iter().find(|target| target.kind == kind && !target.id.is_empty());
        found.map(|target| &*target.id)
    }

    fn person(&self) -> Hint {
        let mut users = self.targets.iter().filter(|target| target.kind == "User");
        match users.find_map(|user| OktaUserId::parse(&user.id).ok()) {
            Some(id) => Hint::Person(id),
            None => Hint::Ignore(Why::Nobody),
        }
    }

    fn group(&self) -> Option<Hint> {
        let id = self.target("UserGroup")?;
        // Group ids have the form of all ids of Okta; anything else could change the path of a request.
        OktaUserId::parse(id).ok().map(|id| Hint::Group(id.as_str().to_owned()))
    }

    /// By what the event is told from all others: its `uuid`, the same by hook and in the log.
    ///
    /// One that came without is named after what it says, so that its copies are still known as such.
    pub fn key(&self) -> String {
        let fits = |c: char| c.is_ascii_graphic();
        if !self.uuid.is_empty() && self.uuid.len() <= UUID_MAX && self.uuid.chars().all(fits) {
            return self.uuid.clone().into_owned();
        }
        let mut hash = Sha256::new();
        let published = self.published.map_or(0, Timestamp::as_microsecond).to_be_bytes();
        let told = [self.uuid.as_bytes(), self.event_type.as_bytes(), &published];
        let named = self.targets.iter().flat_map(|t| [t.kind.as_bytes(), t.id.as_bytes()]);
        for part in told.into_iter().chain(named) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        hash.iter().take(16).fold(String::from("odd-"), |text, byte| format!("{text}{byte:02x}"))
    }
}

/// Bytes of the longest `uuid` that is taken as it is; Okta's have 36.
const UUID_MAX: usize = 64;
