//! Random tokens, and what is kept of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use muster_store::sessions::TokenHash;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::clock::random_seed;

/// 256 random bits, as text: what a cookie or a link holds. It is shown by nothing but [`Token::text`].
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Draws one.
    pub fn new() -> Self {
        Self(URL_SAFE_NO_PAD.encode(random_seed()))
    }

    /// Reads one that came back; `None` for whatever cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let good = text.len() == 43
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        good.then(|| Self(text.to_owned()))
    }

    pub fn text(&self) -> &str {
        &self.0
    }

    /// What is kept of it for one use. Hashes for different uses have nothing in common.
    pub fn hash(&self, usage: &str) -> TokenHash {
        hashed(usage, &self.0)
    }

    /// Another text that only who has this one can know: for forms.
    pub fn derived(&self, usage: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.hash(usage))
    }

    /// Whether a form shows what was derived for it. Takes the same time whatever it shows.
    pub fn derives(&self, usage: &str, shown: &str) -> bool {
        self.derived(usage).as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

impl Default for Token {
    fn default() -> Self {
        Self::new()
    }
}

/// SHA-256 of a text, apart for each use. Only for what is too long to be guessed.
pub fn hashed(usage: &str, text: &str) -> TokenHash {
    let mut hash = Sha256::new();
    hash.update(b"muster ");
    hash.update(usage.as_bytes());
    hash.update(b"\0");
    hash.update(text.as_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_random_and_hidden() {
        let (one, other) = (Token::new(), Token::new());
        assert_ne!(one, other);
        assert_eq!(Token::parse(one.text()), Some(one.clone()));
        assert_eq!(format!("{one:?}"), "Token(…)");
        for bad in ["", "short", &"a".repeat(44), &"é".repeat(43), &format!("{}=", "a".repeat(42))]
        {
            assert_eq!(Token::parse(bad), None, "{bad}");
        }
        assert_ne!(one.hash("session"), one.hash("link"));
        assert!(one.derives("form", &one.derived("form")));
        assert!(!one.derives("form", &one.derived("other")));
        assert!(!one.derives("form", &other.derived("form")));
        assert!(!one.derives("form", ""));
    }
}
