//! Names of teams and locations: compared loosely, shown as first written.

use unicode_normalization::UnicodeNormalization;

/// A name together with the key by which two spellings count as one.
///
/// The key is the name trimmed, with inner white space collapsed, composed (NFKC) and lower-cased: `Sales`, `sales `
/// and `SALES` are one team. At most 255 characters are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    shown: String,
    key: String,
}

impl Name {
    /// The longest name kept, in characters. A database column of 255 is what other systems expect.
    pub const CHARACTERS_MAX: usize = 255;

    /// Takes a name as it came; `None` when nothing is left of it after trimming.
    pub fn parse(text: &str) -> Option<Self> {
        let shown = collapse(text);
        if shown.is_empty() {
            return None;
        }
        let key = key_of(&shown);
        Some(Self { shown, key })
    }

    /// The spelling to show.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The key to compare by.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Lower-cases and composes a text for comparing, after collapsing its white space.
pub fn key_of(text: &str) -> String {
    collapse(text).nfkc().flat_map(char::to_lowercase).collect()
}

fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    if out.chars().count() > Name::CHARACTERS_MAX {
        out = out.chars().take(Name::CHARACTERS_MAX).collect::<String>().trim_end().to_owned();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name() {
        for text in ["Sales", "sales ", " SALES", "Ｓales"] {
            assert_eq!(
                Name::parse(text).map(|name| name.key),
                Some("sales".to_owned()),
                "{text:?}"
            );
        }
        assert_eq!(
            Name::parse("People  &\tCulture").map(|n| n.shown),
            Some("People & Culture".to_owned())
        );
        assert_eq!(Name::parse(" \t "), None);
    }
}
