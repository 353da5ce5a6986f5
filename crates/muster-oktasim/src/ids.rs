//! Ids and paging cursors in Okta's look, made and read without a table.
//!
//! An id is a prefix, eleven base-62 digits of a scrambled number, and the tail all ids of one org share. Scrambling
//! is reversible, so an id leads straight to its slot and a million people need no index.

/// How many bytes an id has.
pub(crate) const LENGTH: usize = 20;

/// An id as text on the stack.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id([u8; LENGTH]);

impl Id {
    /// The id as text.
    pub(crate) fn as_str(&self) -> &str {
        // Only ASCII is ever written into an id.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The id as bytes, for writing straight into a body.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kinds of thing that carry an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    User,
    App,
    AppUser,
    Group,
    Hook,
    Org,
    Type,
    Schema,
}

impl Kind {
    fn prefix(self) -> [u8; 3] {
        *match self {
            Self::User => b"00u",
            Self::App => b"0oa",
            Self::AppUser => b"0ua",
            Self::Group => b"00g",
            Self::Hook => b"who",
            Self::Org => b"00o",
            Self::Type => b"oty",
            Self::Schema => b"osc",
        }
    }
}

/// Makes and reads the ids of one org.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    seed: u64,
    tail: [u8; 6],
}

impl Ids {
    /// Orgs with different seeds have different ids.
    pub(crate) fn new(seed: u64) -> Self {
        let digits = base62(scramble(seed ^ 0x5EED));
        Self { seed, tail: [digits[8], digits[9], digits[10], b'1', b'd', b'7'] }
    }

    /// The id of the thing of this kind with this number.
    pub(crate) fn id(self, kind: Kind, number: u32) -> Id {
        let mut text = [0; LENGTH];
        text[..3].copy_from_slice(&kind.prefix());
        text[3..14].copy_from_slice(&base62(scramble(u64::from(number) ^ self.salt(kind))));
        text[14..].copy_from_slice(&self.tail);
        Id(text)
    }

    /// The number in an id of this kind, or nothing when the text is not such an id of this org.
    pub(crate) fn number(self, kind: Kind, text: &str) -> Option<u32> {
        let bytes = text.as_bytes();
        if bytes.len() != LENGTH || bytes[..3] != kind.prefix() || bytes[14..] != self.tail {
            return None;
        }
        u32::try_from(unscramble(from_base62(&bytes[3..14])?) ^ self.salt(kind)).ok()
    }

    /// An opaque cursor that only the same listing of this org accepts again.
    pub(crate) fn cursor(self, listing: u16, place: Place) -> String {
        let packed = u64::from(place.after)
            | u64::from(place.page) << 32
            | u64::from(check(listing, place, self.seed)) << 48;
        let digits = base62(scramble(packed ^ self.seed.rotate_left(17)));
        let mut text = String::from("200u");
        text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
        text
    }

    /// Reads a cursor back; nothing when it is not one of this listing.
    pub(crate) fn place(self, listing: u16, text: &str) -> Option<Place> {
        let digits = text.strip_prefix("200u")?.as_bytes();
        if digits.len() != 11 {
            return None;
        }
        let packed = unscramble(from_base62(digits)?) ^ self.seed.rotate_left(17);
        let place =
            Place { after: low32(packed), page: u16::try_from(packed >> 32 & 0xFFFF).ok()? };
        let expected = u64::from(check(listing, place, self.seed));
        (packed >> 48 == expected).then_some(place)
    }

    /// The page that a cursor leads to, whatever its listing; 2 for text that is no cursor.
    pub(crate) fn page_of(self, text: &str) -> u16 {
        let digits = text.strip_prefix("200u").map(str::as_bytes).and_then(from_base62);
        let packed = digits.map(|digits| unscramble(digits) ^ self.seed.rotate_left(17));
        packed.and_then(|packed| u16::try_from(packed >> 32 & 0xFFFF).ok()).unwrap_or(2)
    }

    fn salt(self, kind: Kind) -> u64 {
        // The upper half must be the same for all numbers of a kind, so that a made-up id does not decode.
        let [first, second, third] = kind.prefix();
        scramble(self.seed ^ u64::from(u32::from_be_bytes([1, first, second, third])))
    }
}

/// Where a listing goes on: after which number, and which page (counted from 1) comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub after: u32,
    pub page: u16,
}

fn check(listing: u16, place: Place, seed: u64) -> u16 {
    let mixed = scramble(
        u64::from(place.after) ^ u64::from(listing) << 40 ^ u64::from(place.page) << 56 ^ seed,
    );
    u16::try_from(mixed & 0xFFFF).unwrap_or_default()
}

fn low32(value: u64) -> u32 {
    u32::try_from(value & 0xFFFF_FFFF).unwrap_or_default()
}

const FORWARD: u64 = 0x9E37_79B9_7F4A_7C15;
const BACKWARD: u64 = inverse(FORWARD);

/// A reversible mix of 64 bits.
pub(crate) fn scramble(value: u64) -> u64 {
    let mut mixed = value.wrapping_mul(FORWARD);
    mixed ^= mixed >> 32;
    mixed = mixed.wrapping_mul(FORWARD);
    mixed ^ mixed >> 32
}

fn unscramble(mixed: u64) -> u64 {
    let mut value = mixed ^ mixed >> 32;
    value = value.wrapping_mul(BACKWARD);
    value ^= value >> 32;
    value.wrapping_mul(BACKWARD)
}

/// The inverse of an odd number modulo 2^64, by Newton's method.
const fn inverse(odd: u64) -> u64 {
    let mut result = odd;
    let mut step = 0;
    while step < 6 {
        result = result.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(result)));
        step += 1;
    }
    result
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Eleven base-62 digits, which hold any 64-bit number.
pub(crate) fn base62(mut value: u64) -> [u8; 11] {
    let mut text = [0; 11];
    for digit in text.iter_mut().rev() {
        *digit = DIGITS[usize::try_from(value % 62).unwrap_or_default()];
        value /= 62;
    }
    text
}

fn from_base62(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return None,
        };
        value.checked_mul(62)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_looks_like_oktas() {
        let id = Ids::new(1).id(Kind::User, 7);
        assert_eq!(id.as_str().len(), 20);
        assert!(id.as_str().starts_with("00u"));
    }

    proptest! {
        #[test]
        fn an_id_leads_back_to_its_number(seed: u64, number: u32) {
            let ids = Ids::new(seed);
            let id = ids.id(Kind::Group, number);
            prop_assert_eq!(ids.number(Kind::Group, id.as_str()), Some(number));
            prop_assert_eq!(ids.number(Kind::User, id.as_str()), None);
        }

        #[test]
        fn a_cursor_fits_one_listing_only(seed: u64, after: u32, page: u16, listing in 0..500_u16) {
            let ids = Ids::new(seed);
            let place = Place { after, page };
            let text = ids.cursor(listing, place);
            prop_assert_eq!(ids.place(listing, &text), Some(place));
            // Two listings agree on a cursor once in 65,536 times, which this range never meets twice in a row.
            let foreign = (1..4).filter(|step| ids.place(listing + step, &text).is_some()).count();
            prop_assert!(foreign < 3);
        }

        #[test]
        fn made_up_text_is_no_cursor(text in "[0-9a-zA-Z]{1,16}") {
            prop_assert_eq!(Ids::new(3).place(1, &text), None);
        }
    }
}
