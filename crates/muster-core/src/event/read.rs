//! Reading events as Okta sends them, by hook and in the System Log, in the shapes of all years.
//!
//! Only the envelope must be right. Within it, what is missing, null, of another kind or unknown reads as nothing.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One event, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event<'a> {
    /// The id of the event itself; empty when it came without.
    pub uuid: Cow<'a, str>,
    /// `user.lifecycle.deactivate`.
    pub event_type: Cow<'a, str>,
    /// When it happened, by Okta's clock.
    pub published: Option<Timestamp>,
    /// What it happened to.
    pub targets: Vec<Target<'a>>,
}

/// Something that an event happened to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target<'a> {
    /// `00u…`, `00g…`, `0oa…`.
    pub id: Cow<'a, str>,
    /// `User`, `UserGroup`, `AppInstance`, `AppUser`, …
    pub kind: Cow<'a, str>,
}

/// What one call of a hook carries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivery<'a> {
    /// The id of the delivery; empty when it came without.
    pub id: Cow<'a, str>,
    /// The events that could be read.
    pub events: Vec<Event<'a>>,
    /// How many elements of the list were no events at all.
    pub broken: usize,
}

/// Why a body is not a delivery. Nothing of it is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It does not parse.
    #[error("it is not JSON")]
    Json,
    /// There is no `data.events` in it.
    #[error("it has no list of events")]
    NoEvents,
}

/// Reads the body of a delivery.
pub fn parse(body: &[u8]) -> Result<Delivery<'_>, Unreadable> {
    let envelope: Lenient<Envelope<'_>> =
        serde_json::from_slice(body).map_err(|_| Unreadable::Json)?;
    let envelope = envelope.0.ok_or(Unreadable::NoEvents)?;
    let list = envelope.events.ok_or(Unreadable::NoEvents)?;
    Ok(Delivery { id: envelope.id, events: list.events, broken: list.broken })
}

/// Reads a page of the System Log: a list of events.
pub fn events(body: &[u8]) -> Result<Vec<Event<'_>>, Unreadable> {
    let list: Lenient<List<'_>> = serde_json::from_slice(body).map_err(|_| Unreadable::Json)?;
    list.0.map(|list| list.events).ok_or(Unreadable::NoEvents)
}

/// A value that is passed over when it is of another kind than wanted.
struct Lenient<T>(Option<T>);

/// What can be read from a text, an object or a list, and is nothing when it is something else.
trait Part<'de>: Sized {
    fn text(_: Cow<'de, str>) -> Option<Self> {
        None
    }
    fn object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn list<A: SeqAccess<'de>>(mut seq: A) -> Result<Option<Self>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

impl<'de, T: Part<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything(std::marker::PhantomData)).map(Lenient)
    }
}

struct Anything<T>(std::marker::PhantomData<T>);

impl<'de, T: Part<'de>> Visitor<'de> for Anything<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(T::text(Cow::Borrowed(text)))
    }
    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::text(Cow::Owned(text.to_owned())))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::object(map)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        T::list(seq)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A text, borrowed from the body where it has no escapes in it.
struct Text<'a>(Cow<'a, str>);

impl<'de> Part<'de> for Text<'de> {
    fn text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self(text))
    }
}

/// Reads a text; anything else is an empty one.
fn text<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Cow<'de, str>, A::Error> {
    let value: Lenient<Text<'de>> = map.next_value()?;
    Ok(value.0.map(|text| text.0).unwrap_or_default())
}

/// The name of a field.
fn key<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Option<Cow<'de, str>>, A::Error> {
    let key: Option<Lenient<Text<'de>>> = map.next_key()?;
    Ok(key.map(|key| key.0.map(|text| text.0).unwrap_or_default()))
}

#[derive(Default)]
struct Envelope<'a> {
    id: Cow<'a, str>,
    events: Option<List<'a>>,
}

impl<'de> Part<'de> for Envelope<'de> {
    fn object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut envelope = Self::default();
        while let Some(key) = key(&mut map)? {
            match &*key {
                "eventId" => envelope.id = text(&mut map)?,
                "data" => {
                    let data: Lenient<Data<'de>> = map.next_value()?;
                    envelope.events = data.0.and_then(|data| data.0);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(envelope))
    }
}

struct Data<'a>(Option<List<'a>>);

impl<'de> Part<'de> for Data<'de> {
    fn object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut data = Self(None);
        while let Some(key) = key(&mut map)? {
            if key == "events" {
                data.0 = map.next_value::<Lenient<List<'de>>>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Some(data))
    }
}

#[derive(Default)]
struct List<'a> {
    events: Vec<Event<'a>>,
    broken: usize,
}

impl<'de> Part<'de> for List<'de> {
    fn list<A: SeqAccess<'de>>(mut seq: A) -> Result<Option<Self>, A::Error> {
        let mut list = Self::default();
        while let Some(event) = seq.next_element::<Lenient<Event<'de>>>()? {
            match event.0 {
                Some(event) => list.events.push(event),
                None => list.broken += 1,
            }
        }
        Ok(Some(list))
    }
}

impl<'de> Part<'de> for Event<'de> {
    fn object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut event = Self::default();
        while let Some(key) = key(&mut map)? {
            match &*key {
                "uuid" => event.uuid = text(&mut map)?,
                "eventType" => event.event_type = text(&mut map)?,
                "published" => event.published = text(&mut map)?.parse().ok(),
                "target" => {
                    let targets: Lenient<Targets<'de>> = map.next_value()?;
                    event.targets = targets.0.map(|targets| targets.0).unwrap_or_default();
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        // Without a type nobody can tell what it is.
        Ok((!event.event_type.is_empty()).then_some(event))
    }
}

struct Targets<'a>(Vec<Target<'a>>);

/// Targets that are kept of one event; real ones have at most a handful.
const TARGETS_MAX: usize = 100;

impl<'de> Part<'de> for Targets<'de> {
    fn list<A: SeqAccess<'de>>(mut seq: A) -> Result<Option<Self>, A::Error> {
        let mut targets = Vec::new();
        while let Some(target) = seq.next_element::<Lenient<Target<'de>>>()? {
            if targets.len() < TARGETS_MAX {
                targets.extend(target.0);
            }
        }
        Ok(Some(Self(targets)))
    }

    // One that is not in a list.
    fn object<A: MapAccess<'de>>(map: A) -> Result<Option<Self>, A::Error> {
        Ok(Target::object(map)?.map(|target| Self(vec![target])))
    }
}

impl<'de> Part<'de> for Target<'de> {
    fn object<A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        let mut target = Self::default();
        while let Some(key) = key(&mut map)? {
            match &*key {
                "id" => target.id = text(&mut map)?,
                "type" => target.kind = text(&mut map)?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Some(target))
    }
}

impl Event<'_> {
    /// The same, free of the body it was read from.
    pub fn into_owned(self) -> Event<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Event {
            uuid: own(self.uuid),
            event_type: own(self.event_type),
            published: self.published,
            targets: self
                .targets
                .into_iter()
                .map(|target| Target { id: own(target.id), kind: own(target.kind) })
                .collect(),
        }
    }
}
