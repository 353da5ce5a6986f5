//! What pages say, in the languages that there are. Texts are in `messages/`, one file a language, in Fluent.
//!
//! English of the United States is whole; the others say what differs, and where they are silent it speaks.

use std::sync::Arc;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use fluent_langneg::{NegotiationStrategy, negotiate_languages, parse_accepted_languages};
use unic_langid::LanguageIdentifier;

type Bundle = FluentBundle<FluentResource>;

/// The languages and their texts, the whole one first.
const LANGUAGES: &[(&str, &str)] = &[
    ("en-US", include_str!("../../messages/en-US.ftl")),
    ("en-GB", include_str!("../../messages/en-GB.ftl")),
];

/// All languages, read once.
#[derive(Clone)]
pub(super) struct Languages(Arc<Vec<(LanguageIdentifier, Bundle)>>);

impl Languages {
    /// Reads the texts. They are part of the program, so that they can be read is held by a test.
    pub(super) fn read() -> Self {
        let read = |(tag, text): &(&str, &str)| {
            let language: LanguageIdentifier = tag.parse().ok()?;
            let resource = FluentResource::try_new((*text).to_owned())
                .unwrap_or_else(|(resource, _)| resource);
            let mut bundle = FluentBundle::new_concurrent(vec![language.clone()]);
            // Names of people stand in elements of their own, which keeps their direction apart.
            bundle.set_use_isolating(false);
            bundle.add_resource(resource).ok()?;
            Some((language, bundle))
        };
        Self(Arc::new(LANGUAGES.iter().filter_map(read).collect()))
    }

    /// The words for somebody: in their own language, else what their browser wants, else the company's, else the whole one.
    pub(super) fn choose(&self, wanted: &[Option<&str>], accept: Option<&str>) -> Words {
        let mut asked: Vec<LanguageIdentifier> = Vec::new();
        if let Some(own) = wanted.first().copied().flatten() {
            asked.extend(own.parse::<LanguageIdentifier>().ok());
        }
        asked.extend(parse_accepted_languages(accept.unwrap_or_default()).into_iter().take(10));
        asked.extend(wanted.iter().skip(1).flatten().filter_map(|tag| tag.parse().ok()));
        let there: Vec<LanguageIdentifier> = self.0.iter().map(|(tag, _)| tag.clone()).collect();
        let found = negotiate_languages(&asked, &there, there.first(), NegotiationStrategy::Lookup);
        let at = found.first().and_then(|tag| there.iter().position(|one| one == *tag));
        Words { all: self.clone(), at: at.unwrap_or(0) }
    }
}

/// The words of one language.
#[derive(Clone)]
pub(super) struct Words {
    all: Languages,
    at: usize,
}

impl Words {
    /// The language, for the page's `lang`.
    pub(super) fn tag(&self) -> String {
        self.all.0.get(self.at).map_or_else(|| "en-US".to_owned(), |(tag, _)| tag.to_string())
    }

    /// A text.
    pub(super) fn say(&self, key: &str) -> String {
        self.with(key, &[])
    }

    /// A text with values in it.
    pub(super) fn with(&self, key: &str, values: &[(&str, &str)]) -> String {
        let mut args = FluentArgs::new();
        for (name, value) in values {
            args.set(*name, *value);
        }
        for at in [self.at, 0] {
            let found = self.all.0.get(at).and_then(|(_, bundle)| {
                let pattern = bundle.get_message(key)?.value()?;
                let mut errors = Vec::new();
                Some(bundle.format_pattern(pattern, Some(&args), &mut errors).into_owned())
            });
            if let Some(text) = found {
                return text;
            }
        }
        key.to_owned()
    }

    #[cfg(test)]
    fn knows(&self, key: &str) -> bool {
        self.all.0.first().is_some_and(|(_, bundle)| bundle.has_message(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_whole_and_every_language_says_what_the_first_says() {
        let mut keys = Vec::new();
        for (tag, text) in LANGUAGES {
            let resource =
                FluentResource::try_new((*text).to_owned()).map_err(|(_, errors)| errors);
            let resource = resource.unwrap_or_else(|errors| panic!("{tag}: {errors:?}"));
            drop(resource);
            let key = |line: &str| {
                let (key, _) = line.split_once(" =")?;
                key.starts_with(char::is_alphabetic).then(|| key.to_owned())
            };
            let own: Vec<String> = text.lines().filter_map(key).collect();
            if keys.is_empty() {
                keys = own;
            } else {
                for key in own {
                    assert!(
                        keys.contains(&key),
                        "{tag} says {key}, which the first language does not"
                    );
                }
            }
        }
        assert_eq!(Languages::read().0.len(), LANGUAGES.len());
    }

    /// Pages name texts by `say("…")`, `with("…", …)` in templates and code.
    #[test]
    fn every_text_that_pages_name_is_there() {
        let words = Languages::read().choose(&[], None);
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut named = 0;
        for folder in ["templates", "src/web", "src/web/pages"] {
            for file in std::fs::read_dir(root.join(folder)).expect("a folder") {
                let path = file.expect("a file").path();
                if path.is_dir() || path.ends_with("words.rs") {
                    continue;
                }
                let text = std::fs::read_to_string(&path).expect("text");
                for start in [".say(\"", ".with(\"", ".with(\n                \"", "flash(\""] {
                    for rest in text.split(start).skip(1) {
                        let key = rest.split('"').next().unwrap_or_default();
                        assert!(words.knows(key), "{}: {key}", path.display());
                        named += 1;
                    }
                }
            }
        }
        assert!(named > 50, "{named}");
    }

    #[test]
    fn a_language_is_chosen_by_who_reads() {
        let all = Languages::read();
        for (own, accept, company, want) in [
            (None, None, None, "en-US"),
            (None, Some("en-GB,en;q=0.8"), None, "en-GB"),
            (None, Some("de,fr;q=0.9"), None, "en-US"),
            (None, Some("de"), Some("en-GB"), "en-GB"),
            (Some("en-GB"), Some("en-US"), None, "en-GB"),
            (Some("xx-not-one"), Some("*"), None, "en-US"),
            (None, Some(";;;=,,q=1"), None, "en-US"),
        ] {
            assert_eq!(
                all.choose(&[own, company], accept).tag(),
                want,
                "{own:?} {accept:?} {company:?}"
            );
        }
    }
}
