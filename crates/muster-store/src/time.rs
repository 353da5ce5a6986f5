//! Times as the database keeps them: microseconds since 1970, days for dates. Integers sort the same on both engines.

use jiff::Timestamp;
use jiff::civil::Date;

const EPOCH: Date = Date::constant(1970, 1, 1);

/// A moment as microseconds since 1970-01-01 UTC.
pub fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The moment of so many microseconds; `None` outside what a [`Timestamp`] holds.
pub fn from_micros(micros: i64) -> Option<Timestamp> {
    Timestamp::from_microsecond(micros).ok()
}

/// A date as days since 1970-01-01.
pub fn days(date: Date) -> i64 {
    i64::from(date.since(EPOCH).map_or(0, |span| span.get_days()))
}

/// The date of so many days since 1970-01-01.
pub fn from_days(days: i64) -> Option<Date> {
    EPOCH.checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}
