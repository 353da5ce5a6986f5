//! A person of the directory, as Muster holds them.

use jiff::{Timestamp, civil::Date};

use crate::field::FieldSet;
use crate::id::{OktaUserId, PersonId};
use crate::name::Name;
use crate::okta_user::OktaStatus;

/// An e-mail address that has the form of one: trimmed, at most 254 characters, compared without case.
///
/// Plus-tags are kept: they are part of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    shown: String,
    key: String,
}

/// Why a text is not an e-mail address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an e-mail address")]
pub struct BadEmail(pub String);

impl Email {
    /// Takes an address as people write it.
    pub fn parse(text: &str) -> Result<Self, BadEmail> {
        let shown = text.trim();
        let options = email_address::Options::default()
            .with_required_tld()
            .without_domain_literal()
            .without_display_text();
        // RFC 5321 4.5.3.1.3: a path has at most 256 characters, angle brackets included.
        if shown.len() > 254
            || email_address::EmailAddress::parse_with_options(shown, options).is_err()
        {
            return Err(BadEmail(shown.chars().take(80).collect()));
        }
        Ok(Self { shown: shown.to_owned(), key: shown.to_lowercase() })
    }

    /// The address as it was written.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The address for comparing: lower case.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The domain, lower case.
    pub fn domain(&self) -> &str {
        self.key.rsplit_once('@').map_or("", |(_, domain)| domain)
    }
}

/// Declares an enum whose values each have one word, in JSON and in the database.
#[macro_export]
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* #[doc = concat!("`", $text, "`")] $variant),* }

        impl $name {
            /// All values, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word for it in JSON and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// Reads the word; `None` for any other.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl ::serde::Serialize for $name {
            fn serialize<S: ::serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}
pub use words;

words! {
    /// What a person may do. Okta sync never sets one.
    Role { Owner = "owner", Admin = "admin", Hr = "hr", Learner = "learner" }
}

words! {
    /// Whether a person may enter.
    Status { Active = "active", NotYet = "not_yet", Deactivated = "deactivated" }
}

words! {
    /// Why a person has the status they have.
    StatusReason {
        Assigned = "assigned",
        Staged = "staged",
        BeforeStartDate = "before_start_date",
        Unassigned = "unassigned",
        Suspended = "suspended",
        DeactivatedInOkta = "deactivated_in_okta",
        DeletedInOkta = "deleted_in_okta",
        Filtered = "filtered",
        ByHand = "by_hand",
        Unmanaged = "unmanaged",
    }
}

/// What Okta may feed of a person, and the access that follows from it. A plan compares two of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Set once Okta feeds this person. Someone without it is *unmanaged*: sync never touches them.
    pub okta_user_id: Option<OktaUserId>,
    /// Their status at Okta, as last seen.
    pub okta_status: Option<OktaStatus>,
    /// When Okta made them.
    pub okta_created: Option<Timestamp>,
    /// Whether they may enter.
    pub status: Status,
    /// Why they may or may not.
    pub reason: StatusReason,
    /// The address they are reached under; no two people of a tenant share one.
    pub email: Email,
    /// Given name.
    pub first_name: String,
    /// Family name; empty for whoever has one name.
    pub last_name: String,
    /// Job title.
    pub title: Option<String>,
    /// Canonical language tag, one of the tenant's.
    pub language: Option<String>,
    /// Place of work.
    pub location: Option<Name>,
    /// Primary team.
    pub team: Option<Name>,
    /// An https address.
    pub photo_url: Option<String>,
    /// First day of work.
    pub start_date: Option<Date>,
    /// The login at Okta. Often the e-mail, and compared only where it is not.
    pub login: Option<String>,
    /// Number at the employer, as text: it may have leading zeros.
    pub employee_number: Option<String>,
    /// The name as Okta shows it.
    pub display_name: Option<String>,
    /// What Okta says of the manager, unresolved, as it came.
    pub manager_raw: Option<String>,
    /// Fields whose present value came from Okta: only these are cleared when Okta clears them.
    pub from_okta: FieldSet,
}

/// A person as the directory holds them now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Ours; never changes.
    pub id: PersonId,
    /// Grows with each change to this person.
    pub version: i64,
    /// What they may do. Sync never sets it.
    pub role: Role,
    /// A protected account: sync never takes its access away.
    pub break_glass: bool,
    /// Fields an admin pinned by hand: sync leaves them alone.
    pub pinned: FieldSet,
    /// When the person lost access, if they are deactivated.
    pub deactivated_at: Option<Timestamp>,
    /// What Okta may feed.
    pub profile: Profile,
}

impl Person {
    /// Whether Okta feeds this person.
    pub fn is_managed(&self) -> bool {
        self.profile.okta_user_id.is_some()
    }

    /// First and last name, or the address for someone who has neither.
    pub fn display(&self) -> String {
        let name = format!("{} {}", self.profile.first_name, self.profile.last_name);
        let name = name.trim();
        if name.is_empty() { self.profile.email.shown().to_owned() } else { name.to_owned() }
    }
}
