//! What a run needs to know of an Okta user, free of wire shapes.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::OktaUserId;

/// The status of a user at Okta. Console labels differ: `DEPROVISIONED` is shown there as "Deactivated".
///
/// Source: Okta management API, schema `UserStatus`, version 2026.06.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OktaStatus {
    /// Made, not activated yet.
    Staged,
    /// Activated, but never signed in with a password of Okta; may stay so for ever.
    Provisioned,
    /// In use.
    Active,
    /// Is resetting the password.
    Recovery,
    /// Must set a new password.
    PasswordExpired,
    /// Typed wrong passwords.
    LockedOut,
    /// Blocked by an admin for now.
    Suspended,
    /// Deactivated.
    Deprovisioned,
    /// A status that this version does not know. It never takes access away and never gives it.
    Other(Box<str>),
}

impl OktaStatus {
    /// Reads Okta's spelling; anything unknown is kept as it came.
    pub fn parse(text: &str) -> Self {
        match text {
            "STAGED" => Self::Staged,
            "PROVISIONED" => Self::Provisioned,
            "ACTIVE" => Self::Active,
            "RECOVERY" => Self::Recovery,
            "PASSWORD_EXPIRED" => Self::PasswordExpired,
            "LOCKED_OUT" => Self::LockedOut,
            "SUSPENDED" => Self::Suspended,
            "DEPROVISIONED" => Self::Deprovisioned,
            other => Self::Other(other.chars().take(40).collect::<String>().into()),
        }
    }

    /// Okta's spelling.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Staged => "STAGED",
            Self::Provisioned => "PROVISIONED",
            Self::Active => "ACTIVE",
            Self::Recovery => "RECOVERY",
            Self::PasswordExpired => "PASSWORD_EXPIRED",
            Self::LockedOut => "LOCKED_OUT",
            Self::Suspended => "SUSPENDED",
            Self::Deprovisioned => "DEPROVISIONED",
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for OktaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The attributes of a profile that the rules name, raw. Absent, null and empty are all "not set" and are not kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<Box<str>, serde_json::Value>);

impl Attributes {
    /// Keeps one attribute, unless its value is null, an empty text or an empty list.
    pub fn insert(&mut self, name: &str, value: serde_json::Value) {
        let unset = match &value {
            serde_json::Value::Null => true,
            serde_json::Value::String(text) => text.trim().is_empty(),
            serde_json::Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if !unset {
            self.0.insert(name.into(), value);
        }
    }

    /// The raw value, if set.
    pub fn get(&self, name: &str) -> Option<&serde_json::Value> {
        self.0.get(name)
    }

    /// The value as text: texts as they are, numbers and booleans spelled out, the first entry of a list.
    pub fn text(&self, name: &str) -> Option<std::borrow::Cow<'_, str>> {
        fn text(value: &serde_json::Value) -> Option<std::borrow::Cow<'_, str>> {
            match value {
                serde_json::Value::String(text) => Some(text.as_str().into()),
                serde_json::Value::Number(number) => Some(number.to_string().into()),
                serde_json::Value::Bool(flag) => Some(flag.to_string().into()),
                serde_json::Value::Array(items) => items.first().and_then(text),
                serde_json::Value::Null | serde_json::Value::Object(_) => None,
            }
        }
        self.0.get(name).and_then(text)
    }

    /// All texts of the value: one, or each entry of a list.
    pub fn texts(&self, name: &str) -> Vec<std::borrow::Cow<'_, str>> {
        match self.0.get(name) {
            Some(serde_json::Value::Array(items)) => items
                .iter()
                .map(|item| match item {
                    serde_json::Value::String(text) => text.as_str().into(),
                    other => other.to_string().into(),
                })
                .collect(),
            _ => self.text(name).into_iter().collect(),
        }
    }

    /// All kept attributes in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &serde_json::Value)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }
}

/// One person as one read of Okta showed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OktaUser {
    /// Never changes.
    pub id: OktaUserId,
    /// Status of the user, not of the assignment.
    pub status: OktaStatus,
    /// When Okta made the user; of two users with one e-mail the older keeps it.
    pub created: Option<Timestamp>,
    /// The attributes that the rules name, and [`Self::ALWAYS_KEPT`].
    pub attributes: Attributes,
}

impl OktaUser {
    /// Attributes that are always kept, whatever the rules say: they identify people and resolve managers.
    pub const ALWAYS_KEPT: [&str; 6] =
        ["login", "email", "firstName", "lastName", "displayName", "employeeNumber"];

    /// 16 bytes that are equal only when status and kept attributes are.
    ///
    /// `raw` is the JSON of [`Self::attributes`], which callers have at hand because they store it.
    pub fn fingerprint(&self, raw: &str) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(self.status.as_str());
        hash.update([0]);
        hash.update(raw);
        let full = hash.finalize();
        let mut short = [0; 16];
        short.copy_from_slice(&full[..16]);
        short
    }
}
