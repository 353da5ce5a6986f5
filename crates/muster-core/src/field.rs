//! The fields of a person that Okta may feed, as a closed set.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A field of a person. The order is the order in which changes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Given name. Never emptied by Okta.
    FirstName,
    /// Family name. Never emptied by Okta; some people have none.
    LastName,
    /// Primary e-mail. Never emptied by Okta.
    Email,
    /// Job title.
    Title,
    /// Language tag, such as `en-GB`.
    Language,
    /// Place of work, by name.
    Location,
    /// Primary team, by name.
    Team,
    /// Address of the picture.
    PhotoUrl,
    /// First day of work.
    StartDate,
    /// The resolved manager.
    Manager,
    /// Whether the person may enter.
    Status,
    /// The Okta user this person is.
    OktaUserId,
    /// Their status at Okta.
    OktaStatus,
    /// Their login at Okta.
    Login,
    /// Their number at the employer.
    EmployeeNumber,
    /// Their name as Okta shows it.
    DisplayName,
    /// What Okta says of the manager, unresolved.
    ManagerRaw,
}

impl Field {
    /// All fields, in the order in which they are shown.
    pub const ALL: [Self; 17] = [
        Self::FirstName,
        Self::LastName,
        Self::Email,
        Self::Title,
        Self::Language,
        Self::Location,
        Self::Team,
        Self::PhotoUrl,
        Self::StartDate,
        Self::Manager,
        Self::Status,
        Self::OktaUserId,
        Self::OktaStatus,
        Self::Login,
        Self::EmployeeNumber,
        Self::DisplayName,
        Self::ManagerRaw,
    ];

    /// The name of the field in JSON and in the history.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::Email => "email",
            Self::Title => "title",
            Self::Language => "language",
            Self::Location => "location",
            Self::Team => "team",
            Self::PhotoUrl => "photo_url",
            Self::StartDate => "start_date",
            Self::Manager => "manager",
            Self::Status => "status",
            Self::OktaUserId => "okta_user_id",
            Self::OktaStatus => "okta_status",
            Self::Login => "login",
            Self::EmployeeNumber => "employee_number",
            Self::DisplayName => "display_name",
            Self::ManagerRaw => "manager_raw",
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of fields, kept as bits: which values came from Okta, say, or which are pinned by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet(u32);

impl FieldSet {
    /// The set with these bits, as read from the database. Unknown bits are dropped.
    pub fn from_bits(bits: i64) -> Self {
        let known = Field::ALL.iter().fold(0, |all, field| all | field.bit());
        Self(u32::try_from(bits).unwrap_or(0) & known)
    }

    /// The bits, for the database.
    pub fn bits(self) -> i64 {
        i64::from(self.0)
    }

    /// Whether `field` is in the set.
    pub fn has(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// The set with `field` in it (`true`) or not (`false`).
    #[must_use]
    pub fn with(self, field: Field, included: bool) -> Self {
        if included { Self(self.0 | field.bit()) } else { Self(self.0 & !field.bit()) }
    }
}

/// One field's value before and after, both as text; `None` is an unset value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Which field.
    pub field: Field,
    /// Its value before.
    pub before: Option<String>,
    /// Its value after.
    pub after: Option<String>,
}
