//! Forms and queries, read strictly: each name once, UTF-8 only, and not too much of it.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use percent_encoding::percent_decode;

/// The largest form: the longest field is a password.
const FORM_MAX: usize = 16 * 1024;
/// Fields of the largest form.
const FIELDS_MAX: usize = 50;

/// Why fields cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadFields {
    TooLarge,
    /// Not what forms send.
    Type,
    /// Not UTF-8, broken escapes, or too many.
    Malformed,
    /// One name twice: two parts of a program might take different ones.
    Repeated,
}

/// Names with their values.
#[derive(Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a query or a form's body.
    pub(super) fn parse(text: &[u8]) -> Result<Self, BadFields> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(at);
            let (name, value) = (decoded(name)?, decoded(value.get(1..).unwrap_or_default())?);
            if fields.len() >= FIELDS_MAX {
                return Err(BadFields::Malformed);
            }
            if fields.iter().any(|(known, _)| *known == name) {
                return Err(BadFields::Repeated);
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// Reads the body of a form.
    pub(super) async fn of_form(headers: &HeaderMap, body: Body) -> Result<Self, BadFields> {
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(BadFields::Type);
        }
        Self::parse(&whole(body, FORM_MAX).await?)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value, or an empty one.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }
}

/// A body of at most so many bytes.
pub(super) async fn whole(body: Body, bytes_max: usize) -> Result<Bytes, BadFields> {
    match Limited::new(body, bytes_max).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BadFields::TooLarge),
        Err(_) => Err(BadFields::Malformed),
    }
}

fn decoded(text: &[u8]) -> Result<String, BadFields> {
    let spaced: Vec<u8> =
        text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let plain = percent_decode(&spaced).decode_utf8().map_err(|_| BadFields::Malformed)?;
    if plain.contains('\0') {
        return Err(BadFields::Malformed);
    }
    Ok(plain.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_are_read_strictly() {
        let read = |text: &str| {
            Fields::parse(text.as_bytes())
                .map(|fields| fields.0.iter().map(|(n, v)| format!("{n}={v};")).collect::<String>())
        };
        for (text, want) in [
            ("", Ok("")),
            ("a=1&b=2", Ok("a=1;b=2;")),
            ("a=1&&b", Ok("a=1;b=;")),
            ("a=%C3%A9+x%2B", Ok("a=é x+;")),
            ("a==", Ok("a==;")),
            ("a=1&a=1", Err(BadFields::Repeated)),
            ("a=1&%61=2", Err(BadFields::Repeated)),
            ("a=%FF", Err(BadFields::Malformed)),
            ("a=%C3", Err(BadFields::Malformed)),
            ("a=%00", Err(BadFields::Malformed)),
        ] {
            assert_eq!(read(text), want.map(str::to_owned), "{text}");
        }
        let many: String = (0..51).map(|n| format!("a{n}=&")).collect();
        assert_eq!(read(&many), Err(BadFields::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Fields::parse(&bytes);
        }
    }
}
