//! Reading people out of Okta's replies: fast, and keeping only what is asked for.
//!
//! A page of 500 people is some MB, of which a run needs a tenth. So nothing is built for the rest: one pass over the
//! bytes, unknown and unwanted parts skipped. Only when that pass stumbles, each person is read on their own, so that
//! one broken person does not cost the others.

use std::fmt;

use jiff::Timestamp;
use muster_core::id::OktaUserId;
use muster_core::okta_user::{Attributes, OktaStatus, OktaUser};
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use crate::keep::KeepAttributes;

/// One person as a listing, or a read by id, showed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedUser {
    /// The person.
    pub user: OktaUser,
    /// The state of the assignment (`ACTIVE`, `DEPROVISIONED`, …), which is not the state of the person: whoever is
    /// listed is assigned. Empty when the person was not read through the app.
    pub assignment_status: String,
    /// `user.attributes` as JSON, names sorted: the same attributes give the same text.
    pub raw: String,
}

/// Somebody whom a page names and whose record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedUser {
    /// Who it is.
    pub id: OktaUserId,
    /// What is wrong with the record, without any of its content.
    pub why: String,
}

/// The people of one page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct People {
    /// Those who could be read, in the order of the page.
    pub users: Vec<ListedUser>,
    /// Those who could not.
    pub skipped: Vec<SkippedUser>,
}

/// Why people cannot be read out of a body. Says nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadPeople(String);

/// Reads a page of an app's people, listed with `expand=user`.
///
/// Fails when the body is not such a page, when nobody on it comes with `_embedded.user` (Okta did not do what was asked
/// then), or when a record that cannot be read does not even tell whose it is.
pub fn app_users_page(body: &[u8], keep: &KeepAttributes) -> Result<People, BadPeople> {
    page(body, keep, |keep| EntrySeed { keep, of_app: true })
}

/// Reads a page of users: of the org, or of a group.
pub fn users_page(body: &[u8], keep: &KeepAttributes) -> Result<People, BadPeople> {
    page(body, keep, |keep| EntrySeed { keep, of_app: false })
}

/// Reads one user, as `GET /api/v1/users/{id}` gives them.
pub fn user(body: &[u8], keep: &KeepAttributes) -> Result<ListedUser, BadPeople> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let entry = EntrySeed { keep, of_app: false }.deserialize(&mut json).map_err(|e| shape(&e))?;
    json.end().map_err(|error| shape(&error))?;
    entry.listed(false).map_err(|problem| BadPeople(problem.as_str().to_owned()))
}

fn page<'k>(
    body: &[u8],
    keep: &'k KeepAttributes,
    seed: impl Fn(&'k KeepAttributes) -> EntrySeed<'k>,
) -> Result<People, BadPeople> {
    // Checked once for the whole page, so that the reader need not check each text.
    let body = std::str::from_utf8(body).map_err(|_| BadPeople("it is not UTF-8".to_owned()))?;
    let mut json = serde_json::Deserializer::from_str(body);
    if let Ok(users) = PageSeed(seed(keep)).deserialize(&mut json)
        && json.end().is_ok()
    {
        return Ok(People { users, skipped: Vec::new() });
    }
    one_by_one(body, &seed(keep))
}

/// The slow way: finds where each person begins and ends, then reads each on their own.
fn one_by_one(body: &str, seed: &EntrySeed<'_>) -> Result<People, BadPeople> {
    let parts: Vec<&RawValue> = serde_json::from_str(body).map_err(|error| shape(&error))?;
    let mut people = People::default();
    let mut without_user = 0;
    for part in &parts {
        let entry = seed.deserialize(&mut serde_json::Deserializer::from_str(part.get()));
        let why = match entry.map(|entry| entry.listed(seed.of_app)) {
            Ok(Ok(listed)) => {
                people.users.push(listed);
                continue;
            }
            Ok(Err(problem)) => {
                without_user += usize::from(problem == Incomplete::User);
                problem.as_str().to_owned()
            }
            Err(error) => shape(&error).0,
        };
        let Some(id) = id_of(part.get()) else {
            return Err(BadPeople(format!(
                "the record of a person without an id cannot be read: {why}"
            )));
        };
        people.skipped.push(SkippedUser { id, why });
    }
    if without_user > 0 && without_user == parts.len() {
        return Err(BadPeople(Incomplete::User.as_str().to_owned()));
    }
    Ok(people)
}

/// The id of a record of which nothing else need be in order.
fn id_of(record: &str) -> Option<OktaUserId> {
    let mut found = None;
    let mut json = serde_json::Deserializer::from_str(record);
    // Stopping after the id is an error to the JSON reader, and so is what may be broken behind it: neither matters.
    let _ = json.deserialize_map(IdVisitor(&mut found));
    found
}

struct IdVisitor<'a>(&'a mut Option<OktaUserId>);

impl<'de> Visitor<'de> for IdVisitor<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a person")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(KeySeed)? {
            if key == Key::Id {
                *self.0 = map.next_value_seed(TextSeed(|text| OktaUserId::parse(text).ok()))?;
                return Ok(());
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// The class and place of an error of the JSON reader, without the content it quotes.
fn shape(error: &serde_json::Error) -> BadPeople {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a part has another type than Okta's",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Io | serde_json::error::Category::Syntax => "it is not JSON",
    };
    BadPeople(format!("{what} (line {}, column {})", error.line(), error.column()))
}

/// What a record lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incomplete {
    User,
    Id,
    OtherId,
    Status,
    Profile,
}

impl Incomplete {
    const fn as_str(self) -> &'static str {
        match self {
            Self::User => "a person is listed without the user itself (_embedded.user)",
            Self::Id => "a person has no id",
            Self::OtherId => "an assignment embeds another user",
            Self::Status => "a person has no status",
            Self::Profile => "a person has no profile",
        }
    }
}

/// One record, of an app's person or of a user, with what was found in it.
#[derive(Default)]
struct Entry {
    id: Option<OktaUserId>,
    status: Option<Box<str>>,
    created: Option<Timestamp>,
    profile: Option<Attributes>,
    embedded: Option<Box<Entry>>,
}

impl Entry {
    fn listed(self, of_app: bool) -> Result<ListedUser, Incomplete> {
        let (user, assignment_status) = if of_app {
            let user = *self.embedded.ok_or(Incomplete::User)?;
            if self.id != user.id {
                return Err(if self.id.is_none() { Incomplete::Id } else { Incomplete::OtherId });
            }
            (user, self.status.unwrap_or_default().into())
        } else {
            (self, String::new())
        };
        let attributes = user.profile.ok_or(Incomplete::Profile)?;
        // Texts, numbers and lists of them always can be written as JSON.
        let raw = serde_json::to_string(&attributes).unwrap_or_default();
        let status = user.status.ok_or(Incomplete::Status)?;
        Ok(ListedUser {
            user: OktaUser {
                id: user.id.ok_or(Incomplete::Id)?,
                status: OktaStatus::parse(&status),
                created: user.created,
                attributes,
            },
            assignment_status,
            raw,
        })
    }
}

struct PageSeed<'k>(EntrySeed<'k>);

impl<'de> DeserializeSeed<'de> for PageSeed<'_> {
    type Value = Vec<ListedUser>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for PageSeed<'_> {
    type Value = Vec<ListedUser>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of people")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut users = Vec::new();
        while let Some(entry) = seq.next_element_seed(self.0)? {
            users.push(
                entry
                    .listed(self.0.of_app)
                    .map_err(|problem| A::Error::custom(problem.as_str()))?,
            );
        }
        Ok(users)
    }
}

/// Reads one record. Of an app's person: id, status and the embedded user; of a user: id, status, created, profile.
#[derive(Clone, Copy)]
struct EntrySeed<'k> {
    keep: &'k KeepAttributes,
    of_app: bool,
}

impl<'de> DeserializeSeed<'de> for EntrySeed<'_> {
    type Value = Entry;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EntrySeed<'_> {
    type Value = Entry;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a person")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut entry = Entry::default();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            match key {
                Key::Id => {
                    entry.id =
                        map.next_value_seed(TextSeed(|text| OktaUserId::parse(text).ok()))?;
                }
                Key::Status => {
                    entry.status = map.next_value_seed(TextSeed(|text| Some(Box::from(text))))?;
                }
                Key::Created if !self.of_app => {
                    entry.created = map.next_value_seed(TextSeed(|text| text.parse().ok()))?;
                }
                Key::Profile if !self.of_app => {
                    entry.profile = map.next_value_seed(ProfileSeed(self.keep))?;
                }
                Key::Embedded if self.of_app => {
                    entry.embedded = map.next_value_seed(EmbeddedSeed(self.keep))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(entry)
    }
}

/// `_embedded`: only its `user`.
struct EmbeddedSeed<'k>(&'k KeepAttributes);

impl<'de> DeserializeSeed<'de> for EmbeddedSeed<'_> {
    type Value = Option<Box<Entry>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EmbeddedSeed<'_> {
    type Value = Option<Box<Entry>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what a person embeds")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut user = None;
        while let Some(key) = map.next_key_seed(KeySeed)? {
            if key == Key::User {
                user = map.next_value_seed(UserSeed(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(user)
    }
}

/// The embedded user, or null.
struct UserSeed<'k>(&'k KeepAttributes);

impl<'de> DeserializeSeed<'de> for UserSeed<'_> {
    type Value = Option<Box<Entry>>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for UserSeed<'_> {
    type Value = Option<Box<Entry>>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a user")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        EntrySeed { keep: self.0, of_app: false }.visit_map(map).map(|entry| Some(Box::new(entry)))
    }
}

struct ProfileSeed<'k>(&'k KeepAttributes);

impl<'de> DeserializeSeed<'de> for ProfileSeed<'_> {
    type Value = Option<Attributes>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ProfileSeed<'_> {
    type Value = Option<Attributes>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a profile")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut attributes = Attributes::default();
        while let Some(name) = map.next_key_seed(NameSeed(self.0))? {
            match name {
                Some(name) => attributes.insert(name, map.next_value::<serde_json::Value>()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Some(attributes))
    }
}

/// The name of an attribute, if it is one to keep.
struct NameSeed<'k>(&'k KeepAttributes);

impl<'de, 'k> DeserializeSeed<'de> for NameSeed<'k> {
    type Value = Option<&'k str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'k> Visitor<'_> for NameSeed<'k> {
    type Value = Option<&'k str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an attribute")
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.get(name))
    }
}

#[derive(PartialEq, Eq)]
enum Key {
    Id,
    Status,
    Created,
    Profile,
    Embedded,
    User,
    Other,
}

struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Key;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Key, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for KeySeed {
    type Value = Key;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }
    fn visit_str<E>(self, name: &str) -> Result<Key, E> {
        Ok(match name {
            "id" => Key::Id,
            "status" => Key::Status,
            "created" => Key::Created,
            "profile" => Key::Profile,
            "_embedded" => Key::Embedded,
            "user" => Key::User,
            _ => Key::Other,
        })
    }
}

/// Reads a text, or null, without keeping it.
struct TextSeed<T>(fn(&str) -> Option<T>);

impl<'de, T> DeserializeSeed<'de> for TextSeed<T> {
    type Value = Option<T>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T> Visitor<'_> for TextSeed<T> {
    type Value = Option<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }
    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }
    fn visit_str<E>(self, text: &str) -> Result<Option<T>, E> {
        Ok((self.0)(text))
    }
}

#[cfg(test)]
#[path = "people_tests.rs"]
mod tests;
