//! Times in the forms that Okta writes.

use jiff::Timestamp;

/// Seconds since 1970, in 32 bits because a million people hold six of them each. 0 means "never".
pub(crate) type Seconds = u32;

/// The whole seconds of a moment; before 1970 counts as "never".
pub(crate) fn seconds(at: Timestamp) -> Seconds {
    u32::try_from(at.as_second()).unwrap_or_default()
}

/// The moment of these seconds.
pub(crate) fn moment(at: Seconds) -> Timestamp {
    Timestamp::from_second(i64::from(at)).unwrap_or_default()
}

/// Writes `"2026-03-02T10:45:01.000Z"` with its quotes, or `null` for "never".
pub(crate) fn write_json(out: &mut Vec<u8>, at: Seconds) {
    if at == 0 {
        out.extend_from_slice(b"null");
        return;
    }
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    let (days, rest) = (at / 86_400, at % 86_400);
    let (year, month, day) = civil(days);
    four(&mut text[1..5], year);
    two(&mut text[6..8], month);
    two(&mut text[9..11], day);
    two(&mut text[12..14], rest / 3600);
    two(&mut text[15..17], rest / 60 % 60);
    two(&mut text[18..20], rest % 60);
    out.extend_from_slice(&text);
}

/// `2026-03-02T10:45:01.123Z`: the form of log events.
pub(crate) fn millis(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `2026-03-02T10:45:01.000Z`.
pub(crate) fn text(at: Seconds) -> String {
    millis(moment(at))
}

/// `Mon, 02 Mar 2026 10:45:01 GMT`: the form of the `Date` header.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Year, month and day of a day since 1970, after the well-known algorithm on years that begin in March.
fn civil(days: u32) -> (u32, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    (year_of_era + era * 400 + u32::from(month <= 2), month, day)
}

fn digit(value: u32) -> u8 {
    b'0' + u8::try_from(value % 10).unwrap_or_default()
}

fn two(out: &mut [u8], value: u32) {
    out[0] = digit(value / 10);
    out[1] = digit(value);
}

fn four(out: &mut [u8], value: u32) {
    two(&mut out[..2], value / 100);
    two(&mut out[2..], value % 100);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_quick_writer_agrees_with_the_library(at in 1..u32::MAX) {
            let mut quick = Vec::new();
            write_json(&mut quick, at);
            prop_assert_eq!(String::from_utf8(quick).unwrap(), format!("\"{}\"", text(at)));
        }
    }

    #[test]
    fn dates_are_written_as_headers_want_them() {
        assert_eq!(http_date(moment(1_772_448_301)), "Mon, 02 Mar 2026 10:45:01 GMT");
        let mut never = Vec::new();
        write_json(&mut never, 0);
        assert_eq!(never, b"null");
    }
}
