//! One newtype per kind of id, so that a team can never be passed where a person is meant.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// Why a text is not one of our ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// The text does not begin with the prefix of the kind of id that is wanted.
    #[error("{text:?} is not an id that begins with {prefix:?}")]
    Prefix {
        /// What was given.
        text: String,
        /// What it should begin with.
        prefix: &'static str,
    },
    /// What follows the prefix is not a UUID.
    #[error("{0:?} is not a complete id")]
    Uuid(String),
    /// Not the form of an Okta user id.
    #[error("{0:?} is not an Okta user id")]
    OktaUserId(String),
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// What this kind of id begins with in text.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps a UUID, as read from the database or drawn from an [`IdSource`].
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID, as the database keeps it.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                parse_uuid(text, $prefix).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(/// A tenant: one company, one subdomain.
    TenantId, "ten_");
id!(/// A person of one tenant, whether Okta knows them or not.
    PersonId, "per_");
id!(/// A team of one tenant.
    TeamId, "tea_");
id!(/// A location of one tenant.
    LocationId, "loc_");
id!(/// One run of the loop: a full one, one for a person, or a preview.
    RunId, "run_");
id!(/// One entry of the history.
    ChangeId, "chg_");
id!(/// One session of a person in one browser.
    SessionId, "ses_");
id!(/// One piece of work that waits, is under way, or was given up.
    JobId, "job_");

fn parse_uuid(text: &str, prefix: &'static str) -> Result<Uuid, BadId> {
    let rest =
        text.strip_prefix(prefix).ok_or_else(|| BadId::Prefix { text: text.to_owned(), prefix })?;
    Uuid::try_parse(rest).map_err(|_| BadId::Uuid(text.to_owned()))
}

/// The id by which Okta knows a user (`00u…`): the one thing about a person that never changes.
///
/// 1 to 64 letters, digits, `_` and `-`. Okta documents ids as opaque, so nothing more is assumed;
/// the limit on characters keeps an id from ever changing the path of a request.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OktaUserId(Box<str>);

impl OktaUserId {
    /// Takes a text that has the form of an Okta id.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(BadId::OktaUserId(text.chars().take(80).collect()))
        }
    }

    /// The id as Okta writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OktaUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OktaUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for OktaUserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Where new ids come from: UUIDs of version 7, ever growing within one source.
///
/// The time is an argument and the randomness is seeded, so a simulation draws the same ids again.
/// Growing ids keep the inserts of a large run at the end of each index.
#[derive(Debug, Clone)]
pub struct IdSource {
    random: ChaCha8Rng,
    last: u128,
}

impl IdSource {
    /// A source whose draws depend on `seed` and on the times it is given.
    pub fn seeded(seed: [u8; 32]) -> Self {
        Self { random: ChaCha8Rng::from_seed(seed), last: 0 }
    }

    /// Draws the next id. Ids of one source never repeat and always grow.
    pub fn draw(&mut self, now: Timestamp) -> Uuid {
        let mut bytes = [0_u8; 10];
        self.random.fill_bytes(&mut bytes);
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let fresh = uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid().as_u128();
        // Within one millisecond (or when the clock steps back) the next id is the last one plus a small
        // random step in the low 62 bits, which leaves version and variant alone.
        let step = u128::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])) + 1;
        self.last = if fresh >> 80 > self.last >> 80 { fresh } else { self.last + step };
        Uuid::from_u128(self.last)
    }

    /// Draws an id of kind `T`.
    pub fn next<T: From<Fresh>>(&mut self, now: Timestamp) -> T {
        T::from(Fresh(self.draw(now)))
    }
}

/// A UUID that was just drawn, on its way to becoming an id of some kind.
#[derive(Debug)]
pub struct Fresh(Uuid);

macro_rules! fresh { ($($name:ident),*) => { $(
    impl From<Fresh> for $name { fn from(fresh: Fresh) -> Self { Self(fresh.0) } }
)* }; }
fresh!(TenantId, PersonId, TeamId, LocationId, RunId, ChangeId, JobId, SessionId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_when_the_clock_stands_still_or_steps_back() {
        let mut source = IdSource::seeded([7; 32]);
        let times = [1_000, 1_000, 1_000, 900, 2_000, 2_000, 1_999];
        let ids: Vec<_> = times
            .iter()
            .map(|&ms| source.draw(Timestamp::from_millisecond(ms).expect("in range")))
            .collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }

    #[test]
    fn an_id_keeps_its_kind_in_text() {
        let id = PersonId::new(Uuid::from_u128(5));
        assert_eq!(id.to_string().parse::<PersonId>(), Ok(id));
        assert!(id.to_string().parse::<TeamId>().is_err());
        assert!("per_".parse::<PersonId>().is_err());
    }

    #[test]
    fn an_okta_id_cannot_leave_its_path_segment() {
        for bad in ["", "00u/../me", "00u?x", "00u 1", &"a".repeat(65)] {
            assert!(OktaUserId::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            OktaUserId::parse("00ub0oNGTSWTBKOLGLNR").map(|id| id.to_string()),
            Ok("00ub0oNGTSWTBKOLGLNR".into())
        );
    }
}
