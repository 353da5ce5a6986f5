//! What commands read: secrets and texts from a file or from standard input (`-`), never from an argument.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::PathBuf;

use muster_okta::oidc::assertion;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use super::exit::CliError;

/// A secret longer than this is none: Okta's have a few dozen characters.
const SECRET_BYTES_MAX: u64 = 8 * 1024;

/// A text longer than this is refused: rules are a page, and an import of a hundred thousand people has about 10 MB.
const TEXT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A file or standard input.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Source {
    Stdin,
    File(PathBuf),
}

/// Never shows the path: somebody may have put a secret in its place.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Stdin => "-",
            Self::File(_) => "FILE",
        })
    }
}

impl From<&OsStr> for Source {
    fn from(text: &OsStr) -> Self {
        if text == "-" { Self::Stdin } else { Self::File(text.into()) }
    }
}

impl From<std::ffi::OsString> for Source {
    fn from(text: std::ffi::OsString) -> Self {
        Self::from(text.as_os_str())
    }
}

impl Source {
    fn read(&self, bytes_max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(Vec::new());
        match self {
            Self::Stdin => io::stdin().lock().take(bytes_max + 1).read_to_end(&mut bytes)?,
            Self::File(path) => {
                std::fs::File::open(path)?.take(bytes_max + 1).read_to_end(&mut bytes)?
            }
        };
        if bytes.len() as u64 > bytes_max {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large"));
        }
        Ok(bytes)
    }

    fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// Reads an API token. The word `SSWS`, which people copy along with it, is taken away; says whether it was there.
pub(super) fn token(option: &str, source: &Source) -> Result<(SecretString, bool), CliError> {
    let text = secret_text(option, source)?;
    match text.trim().strip_prefix("SSWS ") {
        Some(bare) => Ok((checked(option, bare)?, true)),
        None => Ok((checked(option, &text)?, false)),
    }
}

fn secret_text(option: &str, source: &Source) -> Result<Zeroizing<String>, CliError> {
    let wrong = |what: String| CliError::Usage(format!("{option}: {what}"));
    let bytes = source.read(SECRET_BYTES_MAX).map_err(|error| {
        let kind = error.kind();
        wrong(match (source, kind) {
            (Source::File(_), io::ErrorKind::NotFound) => {
                "there is no such file. A secret is read from a file, or from standard input with -, and never given on \
                 the command line, where others can see it"
                    .to_owned()
            }
            (_, io::ErrorKind::FileTooLarge) => "this is too long for a secret".to_owned(),
            (Source::File(_), _) => format!("the file cannot be read: {kind}"),
            (Source::Stdin, _) => format!("standard input cannot be read: {kind}"),
        })
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| wrong("this is not text".to_owned()))?;
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        let what = if *source == Source::Stdin { "standard input" } else { "the file" };
        return Err(wrong(format!("{what} is empty")));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Reads what an app shows that it is the app: a client secret, or a private key, which has many lines.
pub(super) fn client_secret(option: &str, source: &Source) -> Result<SecretString, CliError> {
    let text = SecretString::from(secret_text(option, source)?.as_str());
    if !assertion::is_key(&text) {
        return checked(option, text.expose_secret());
    }
    assertion::check(&text)
        .map_err(|why| CliError::Usage(format!("{option}: the key cannot be used: {why}")))?;
    Ok(text)
}

fn checked(option: &str, text: &str) -> Result<SecretString, CliError> {
    let text = text.trim();
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(CliError::Usage(format!(
            "{option}: there is more than one word or line in it; only the secret itself may be there"
        )));
    }
    Ok(SecretString::from(text))
}

/// Reads a text from a file or standard input.
pub(super) fn text(source: &Source) -> Result<String, CliError> {
    let name = source.name();
    let bytes = source
        .read(TEXT_BYTES_MAX)
        .map_err(|error| CliError::Usage(format!("{name} cannot be read: {error}")))?;
    String::from_utf8(bytes.to_vec()).map_err(|bad| {
        let good = bad.utf8_error().valid_up_to();
        let line = bytes[..good].split(|byte| *byte == b'\n').count();
        CliError::Usage(format!(
            "{name}, line {line}: this is not UTF-8; save the file as UTF-8 and try again"
        ))
    })
}

/// At most one of several options may read standard input.
pub(super) fn one_stdin(options: &[(&str, Option<&Source>)]) -> Result<(), CliError> {
    let from_stdin: Vec<&str> = options
        .iter()
        .filter(|(_, source)| *source == Some(&Source::Stdin))
        .map(|(option, _)| *option)
        .collect();
    match from_stdin[..] {
        [] | [_] => Ok(()),
        _ => Err(CliError::Usage(format!(
            "standard input (-) can give one value only, not {}: put the others into files",
            from_stdin.join(" and ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn file(text: &[u8]) -> (tempfile::TempDir, Source) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("s3cret-name");
        std::fs::write(&path, text).expect("written");
        (folder, Source::File(path))
    }

    #[test]
    fn a_secret_is_trimmed_and_never_repeated() {
        for good in [&b"s3cret"[..], b"  s3cret\r\n\n", b"\xef\xbb\xbfs3cret\n"] {
            let (_folder, source) = file(good);
            let read = client_secret("--api-token", &source).expect("a secret");
            assert_eq!(read.expose_secret(), "s3cret");
        }
        for bad in
            [&b""[..], b" \n", b"s3cret s3cret", b"s3cret\ns3cret", b"s3cret\xff", &[b's'; 9_000]]
        {
            let (_folder, source) = file(bad);
            let error = client_secret("--api-token", &source).expect_err("refused").to_string();
            assert!(error.starts_with("--api-token: ") && !error.contains("s3cret"), "{error}");
        }
        let pasted = Source::from(OsStr::new("00s3cret-given-as-an-argument"));
        let error = client_secret("--api-token", &pasted).expect_err("refused").to_string();
        assert!(error.contains("read from a file") && !error.contains("s3cret"), "{error}");
        assert_eq!(format!("{pasted:?}"), "FILE");
    }

    #[test]
    fn a_token_may_bring_its_scheme() {
        let (_folder, source) = file(b"SSWS 00abc\n");
        let (bare, removed) = token("--api-token", &source).expect("a token");
        assert!(removed && bare.expose_secret() == "00abc");
        let (_folder, source) = file(b"SSWS 00abc 00def\n");
        assert!(token("--api-token", &source).is_err());
    }

    #[test]
    fn standard_input_gives_one_value() {
        let (stdin, file) = (Source::Stdin, Source::File("x".into()));
        assert!(one_stdin(&[("--a", Some(&stdin)), ("--b", Some(&file)), ("--c", None)]).is_ok());
        let error = one_stdin(&[("--a", Some(&stdin)), ("--b", Some(&stdin))])
            .expect_err("refused")
            .to_string();
        assert!(error.contains("--a and --b"), "{error}");
    }
}
