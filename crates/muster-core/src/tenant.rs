//! The short name of a tenant: its subdomain.

use std::fmt;

/// The subdomain of a tenant: one DNS label of 1 to 40 characters from `a-z`, `0-9` and inner hyphens.
///
/// Whoever holds one need not check it again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantSlug(Box<str>);

/// Subdomains that are ours, now or later.
pub const RESERVED: [&str; 6] = ["www", "api", "admin", "app", "mail", "static"];

/// Why a text cannot be a subdomain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadSlug {
    /// Too short or too long.
    #[error("a subdomain has 1 to 40 characters; this one has {0}")]
    Length(usize),
    /// A character that is not allowed.
    #[error("a subdomain may contain only a-z, 0-9 and hyphens, not {0:?}")]
    Character(char),
    /// A hyphen at either end.
    #[error("a subdomain may not start or end with a hyphen")]
    EdgeHyphen,
    /// Two hyphens in third and fourth place announce an encoded name (RFC 5891 4.2.3.1).
    #[error("a subdomain may not have hyphens in third and fourth place")]
    Encoded,
    /// One of [`RESERVED`].
    #[error("the subdomain {0:?} is reserved")]
    Reserved(String),
}

impl TenantSlug {
    /// Takes a text that can be a subdomain. Capitals are not folded: what is stored is what was typed.
    pub fn parse(text: &str) -> Result<Self, BadSlug> {
        let allowed = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-');
        if let Some(bad) = text.chars().find(|&c| !allowed(c)) {
            return Err(BadSlug::Character(bad));
        }
        // Only ASCII is left here, so bytes and characters agree.
        if !(1..=40).contains(&text.len()) {
            return Err(BadSlug::Length(text.len()));
        }
        if text.starts_with('-') || text.ends_with('-') {
            return Err(BadSlug::EdgeHyphen);
        }
        if text.get(2..4) == Some("--") {
            return Err(BadSlug::Encoded);
        }
        if RESERVED.contains(&text) {
            return Err(BadSlug::Reserved(text.to_owned()));
        }
        Ok(Self(text.into()))
    }

    /// The subdomain.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains() {
        for good in ["a", "acme", "acme-eu", "4you", &"a".repeat(40)] {
            assert_eq!(TenantSlug::parse(good).map(|slug| slug.to_string()), Ok(good.to_owned()));
        }
        let cases = [
            ("", BadSlug::Length(0)),
            (&*"a".repeat(41), BadSlug::Length(41)),
            ("Acme", BadSlug::Character('A')),
            ("acme.eu", BadSlug::Character('.')),
            ("acme_eu", BadSlug::Character('_')),
            ("büro", BadSlug::Character('ü')),
            ("-acme", BadSlug::EdgeHyphen),
            ("acme-", BadSlug::EdgeHyphen),
            ("xn--acme", BadSlug::Encoded),
            ("www", BadSlug::Reserved("www".to_owned())),
        ];
        for (text, want) in cases {
            assert_eq!(TenantSlug::parse(text), Err(want), "{text:?}");
        }
    }
}
