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
        let key = folded(shown.clone());
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
    folded(collapse(text))
}

/// ASCII is its own composition, so the usual text needs no tables.
fn folded(mut text: String) -> String {
    if text.is_ascii() {
        text.make_ascii_lowercase();
        return text;
    }
    let lower = text.nfkc().flat_map(char::to_lowercase).collect::<String>();
    // A lone accent (U+00A8, say) becomes a space that carries it.
    collapse(&lower)
}

fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    if out.len() > Name::CHARACTERS_MAX
        && let Some((end, _)) = out.char_indices().nth(Name::CHARACTERS_MAX)
    {
        out.truncate(end);
        out.truncate(out.trim_end().len());
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

    #[test]
    fn long_names_are_cut_between_characters() {
        let long = "ü".repeat(300);
        assert_eq!(Name::parse(&long).map(|name| name.shown.chars().count()), Some(255));
        let at_a_space = format!("{} {}", "a".repeat(254), "b".repeat(9));
        assert_eq!(Name::parse(&at_a_space).map(|name| name.shown.len()), Some(254));
    }

    #[test]
    fn the_short_way_for_ascii_gives_what_the_tables_give() {
        for text in [
            "Sales",
            "  A  B ",
            "R&D / Ops",
            "\u{b}x",
            "İstanbul",
            "\u{a8}x",
            "ﬁnance",
            "STRASSE",
            "\u{2003}a\u{2003}b",
        ] {
            let slow: String = collapse(text).nfkc().flat_map(char::to_lowercase).collect();
            assert_eq!(key_of(text), collapse(&slow), "{text:?}");
            assert_eq!(key_of(&key_of(text)), key_of(text), "{text:?}");
        }
    }
}
