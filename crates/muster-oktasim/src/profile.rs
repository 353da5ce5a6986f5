//! Profiles, packed: a million people must fit in memory and be written out faster than anyone can read them.
//!
//! A profile is a run of entries, each an attribute and the JSON text of its value. Values that many people share
//! (departments, cities, languages) are kept once in the [`Pool`]; the others stand in the profile itself. Because the
//! values are stored as JSON text, writing a profile is copying.

use std::collections::HashMap;

use serde_json::Value;

/// A value in the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shared(u32);

/// An attribute's place in the pool's list of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute(u8);

/// Attribute names and shared values.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    names: Vec<Box<str>>,
    values: Vec<Box<[u8]>>,
    by_value: HashMap<Box<[u8]>, u32>,
}

/// Attributes that most people share with many others, so that their values are worth pooling.
const POOLED: [&str; 17] = [
    "firstName",
    "lastName",
    "mobilePhone",
    "secondEmail",
    "title",
    "department",
    "division",
    "organization",
    "costCenter",
    "city",
    "state",
    "countryCode",
    "locale",
    "preferredLanguage",
    "timezone",
    "userType",
    "startDate",
];

/// Attributes that Okta always shows, null when they are not set. Source: recordings of users, 2020 to 2026.
const ALWAYS_SHOWN: [&str; 6] =
    ["firstName", "lastName", "mobilePhone", "secondEmail", "login", "email"];

impl Pool {
    /// The attribute of this name, made if new. An org has at most 255 attributes here; more share the last place.
    pub fn attribute(&mut self, name: &str) -> Attribute {
        if let Some(found) = self.find(name) {
            return found;
        }
        if self.names.len() < 255 {
            self.names.push(name.into());
        }
        Attribute(u8::try_from(self.names.len() - 1).unwrap_or(u8::MAX))
    }

    /// The attribute of this name, if anyone ever had it.
    pub fn find(&self, name: &str) -> Option<Attribute> {
        let place = self.names.iter().position(|known| &**known == name)?;
        u8::try_from(place).ok().map(Attribute)
    }

    /// The name of an attribute.
    pub fn name(&self, attribute: Attribute) -> &str {
        self.names.get(usize::from(attribute.0)).map_or("", |name| name)
    }

    /// Keeps a value once for all who have it.
    pub fn share(&mut self, value: &Value) -> Shared {
        self.share_json(value.to_string().into_bytes())
    }

    /// Keeps a text once for all who have it.
    pub fn share_text(&mut self, text: &str) -> Shared {
        self.share(&Value::from(text))
    }

    fn share_json(&mut self, json: Vec<u8>) -> Shared {
        if let Some(&known) = self.by_value.get(json.as_slice()) {
            return Shared(known);
        }
        let place = u32::try_from(self.values.len()).unwrap_or(u32::MAX);
        let json: Box<[u8]> = json.into();
        self.values.push(json.clone());
        self.by_value.insert(json, place);
        Shared(place)
    }

    fn value(&self, shared: Shared) -> &[u8] {
        usize::try_from(shared.0)
            .ok()
            .and_then(|place| self.values.get(place))
            .map_or(b"null", |json| json)
    }
}

/// One person's attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile(Box<[u8]>);

/// Builds a profile entry by entry; each attribute at most once.
#[derive(Debug, Default)]
pub(crate) struct Builder(Vec<u8>);

const SHARED: u8 = 0;
const OWN: u8 = 1;

impl Builder {
    /// An attribute whose value is in the pool.
    pub(crate) fn shared(&mut self, attribute: Attribute, value: Shared) -> &mut Self {
        self.0.extend_from_slice(&[attribute.0, SHARED]);
        self.0.extend_from_slice(&value.0.to_le_bytes());
        self
    }

    /// An attribute whose value only this person has.
    pub(crate) fn own(&mut self, attribute: Attribute, value: &Value) -> &mut Self {
        let json = value.to_string();
        self.own_json(attribute, json.as_bytes())
    }

    /// As [`Self::own`], for plain text.
    pub(crate) fn text(&mut self, attribute: Attribute, text: &str) -> &mut Self {
        if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
            let length = u16::try_from(text.len() + 2).unwrap_or(u16::MAX);
            self.0.extend_from_slice(&[attribute.0, OWN]);
            self.0.extend_from_slice(&length.to_le_bytes());
            self.0.push(b'"');
            self.0.extend_from_slice(text.as_bytes());
            self.0.push(b'"');
            return self;
        }
        self.own(attribute, &Value::from(text))
    }

    fn own_json(&mut self, attribute: Attribute, json: &[u8]) -> &mut Self {
        // Okta's longest attribute is far shorter; what does not fit is left out.
        if let Ok(length) = u16::try_from(json.len()) {
            self.0.extend_from_slice(&[attribute.0, OWN]);
            self.0.extend_from_slice(&length.to_le_bytes());
            self.0.extend_from_slice(json);
        }
        self
    }

    /// The finished profile.
    pub(crate) fn build(self) -> Profile {
        Profile(self.0.into())
    }
}

impl Profile {
    /// Builds a profile from names and values, in this order; nulls are dropped unless Okta shows them.
    pub fn from_values<'a>(
        pool: &mut Pool,
        values: impl IntoIterator<Item = (&'a str, Value)>,
    ) -> Self {
        let mut values: Vec<(String, Value)> =
            values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for name in ALWAYS_SHOWN {
            if !values.iter().any(|(known, _)| known == name) {
                values.push((name.to_owned(), Value::Null));
            }
        }
        let mut builder = Builder::default();
        for (name, value) in values {
            if value.is_null() && !ALWAYS_SHOWN.contains(&name.as_str()) {
                continue;
            }
            let attribute = pool.attribute(&name);
            if POOLED.contains(&name.as_str()) {
                let shared = pool.share(&value);
                builder.shared(attribute, shared);
            } else {
                builder.own(attribute, &value);
            }
        }
        builder.build()
    }

    /// The same profile with some values changed; null unsets.
    pub fn with(&self, pool: &mut Pool, changes: &[(String, Value)]) -> Self {
        let mut values: Vec<(String, Value)> = self
            .entries(pool)
            .map(|(attribute, json)| (pool.name(attribute).to_owned(), parse(json)))
            .collect();
        for (name, value) in changes {
            match values.iter_mut().find(|(known, _)| known == name) {
                Some(entry) => entry.1 = value.clone(),
                None => values.push((name.clone(), value.clone())),
            }
        }
        Self::from_values(pool, values.iter().map(|(name, value)| (name.as_str(), value.clone())))
    }

    /// All entries: attribute and JSON text.
    pub fn entries<'a>(&'a self, pool: &'a Pool) -> impl Iterator<Item = (Attribute, &'a [u8])> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (&[attribute, tag], after) = rest.split_first_chunk()?;
            if tag == SHARED {
                let (place, after) = after.split_first_chunk::<4>()?;
                rest = after;
                Some((Attribute(attribute), pool.value(Shared(u32::from_le_bytes(*place)))))
            } else {
                let (length, after) = after.split_first_chunk::<2>()?;
                let (json, after) =
                    after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
                rest = after;
                Some((Attribute(attribute), json))
            }
        })
    }

    /// The JSON text of one attribute.
    pub fn json<'a>(&'a self, pool: &'a Pool, name: &str) -> Option<&'a [u8]> {
        let wanted = pool.find(name)?;
        self.entries(pool).find(|(attribute, _)| *attribute == wanted).map(|(_, json)| json)
    }

    /// The value of one attribute; null when it is not set.
    pub fn get(&self, pool: &Pool, name: &str) -> Value {
        self.json(pool, name).map_or(Value::Null, parse)
    }

    /// The value of one attribute as text; empty when it is not set or not a text.
    pub fn text(&self, pool: &Pool, name: &str) -> String {
        match self.get(pool, name) {
            Value::String(text) => text,
            _ => String::new(),
        }
    }

    /// First and last name, as the System Log shows a person.
    pub fn full_name(&self, pool: &Pool) -> String {
        let first = self.text(pool, "firstName");
        let last = self.text(pool, "lastName");
        format!("{first} {last}").trim().to_owned()
    }

    /// Bytes this profile takes.
    pub fn size(&self) -> usize {
        self.0.len()
    }
}

fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_keeps_every_kind_of_value() {
        let mut pool = Pool::default();
        let profile = Profile::from_values(
            &mut pool,
            [
                ("login", json!("a\"b")),
                ("level", json!(3)),
                ("skills", json!(["x"])),
                ("gone", json!(null)),
            ],
        );
        assert_eq!(profile.get(&pool, "login"), json!("a\"b"));
        assert_eq!(profile.get(&pool, "level"), json!(3));
        assert_eq!(profile.get(&pool, "skills"), json!(["x"]));
        assert_eq!(profile.json(&pool, "gone"), None);
        assert_eq!(profile.json(&pool, "mobilePhone"), Some(b"null".as_slice()));
    }

    #[test]
    fn a_change_replaces_adds_and_unsets() {
        let mut pool = Pool::default();
        let before =
            Profile::from_values(&mut pool, [("city", json!("Osaka")), ("title", json!("Lead"))]);
        let changes = [
            ("city".to_owned(), json!(null)),
            ("title".to_owned(), json!("Head")),
            ("shoe".to_owned(), json!(43)),
        ];
        let after = before.with(&mut pool, &changes);
        assert_eq!(after.json(&pool, "city"), None);
        assert_eq!(after.text(&pool, "title"), "Head");
        assert_eq!(after.get(&pool, "shoe"), json!(43));
    }
}
