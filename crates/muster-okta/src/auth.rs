//! How a call proves who makes it.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// What a client authenticates with.
#[derive(Clone)]
pub enum Credentials {
    /// An API token of Okta, which has the rights of the admin who made it.
    Ssws(SecretString),
}

impl Credentials {
    /// An API token as somebody pasted it: blanks and newlines around it, and a pasted `SSWS `, are taken away.
    pub fn ssws(token: &SecretString) -> Self {
        let bare = token.expose_secret().trim();
        let bare = bare.strip_prefix("SSWS ").unwrap_or(bare).trim();
        Self::Ssws(SecretString::from(bare.to_owned()))
    }

    /// The value of the header `Authorization`; `None` when the token has characters that no header can carry.
    pub(crate) fn header(&self) -> Option<String> {
        let Self::Ssws(token) = self;
        let token = token.expose_secret();
        let sane =
            !token.is_empty() && token.len() <= 500 && token.bytes().all(|b| b.is_ascii_graphic());
        sane.then(|| format!("SSWS {token}"))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ssws(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_token_is_tidied_and_a_broken_one_never_sent() {
        for (pasted, header) in [
            ("00abc_DEF-1", Some("SSWS 00abc_DEF-1")),
            ("  00abc\n", Some("SSWS 00abc")),
            ("SSWS 00abc\r\n", Some("SSWS 00abc")),
            ("", None),
            ("   ", None),
            ("00abc\r\nx-evil: 1", None),
            ("00abc 00def", None),
            ("00abcé", None),
        ] {
            let credentials = Credentials::ssws(&SecretString::from(pasted.to_owned()));
            assert_eq!(credentials.header().as_deref(), header, "{pasted:?}");
            assert!(!format!("{credentials:?}").contains("abc"));
        }
    }
}
