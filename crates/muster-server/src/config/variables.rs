//! The variables that configure Muster: one table, from which the help, the check and the reading come.

use std::fmt::Write as _;

/// One variable, as an environment variable or as a key of the configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variable {
    pub name: &'static str,
    /// In words; empty when there is none.
    pub default: &'static str,
    pub help: &'static str,
    /// Its value may hold a password and is never shown as it stands.
    pub secret: bool,
    /// Hardly anybody needs it.
    pub advanced: bool,
}

const fn plain(name: &'static str, default: &'static str, help: &'static str) -> Variable {
    Variable { name, default, help, secret: false, advanced: false }
}

const fn secret(name: &'static str, default: &'static str, help: &'static str) -> Variable {
    Variable { name, default, help, secret: true, advanced: false }
}

const fn advanced(name: &'static str, default: &'static str, help: &'static str) -> Variable {
    Variable { name, default, help, secret: false, advanced: true }
}

pub const DATABASE_URL: &str = "MUSTER_DATABASE_URL";
pub const LISTEN: &str = "MUSTER_LISTEN";
pub const PUBLIC_URL: &str = "MUSTER_PUBLIC_URL";
pub const MASTER_KEY_FILE: &str = "MUSTER_MASTER_KEY_FILE";
pub const OKTA_EXTRA_HOSTS: &str = "MUSTER_OKTA_EXTRA_HOSTS";
pub const SUPPORT_CONTACT: &str = "MUSTER_SUPPORT_CONTACT";
pub const LOG_POLL_SECONDS: &str = "MUSTER_LOG_POLL_SECONDS";
pub const OPS_LISTEN: &str = "MUSTER_OPS_LISTEN";
pub const TRUSTED_PROXIES: &str = "MUSTER_TRUSTED_PROXIES";
pub const SMTP_URL: &str = "MUSTER_SMTP_URL";
pub const MAIL_FROM: &str = "MUSTER_MAIL_FROM";
pub const OTLP_URL: &str = "MUSTER_OTLP_URL";
pub const LOG: &str = "MUSTER_LOG";
pub const LOG_FORMAT: &str = "MUSTER_LOG_FORMAT";
pub const LEASE_SECONDS: &str = "MUSTER_LEASE_SECONDS";

/// All variables, in the order in which they are shown.
pub const VARIABLES: [Variable; 15] = [
    secret(
        DATABASE_URL,
        "sqlite://muster-data/muster.db",
        "where everything is stored: sqlite://PATH or postgres://USER@HOST/NAME",
    ),
    plain(LISTEN, "127.0.0.1:8080", "address and port of the service"),
    plain(
        PUBLIC_URL,
        "http://localhost:8080",
        "scheme, base host and port as people type them; each tenant is a subdomain of it",
    ),
    plain(
        MASTER_KEY_FILE,
        "master.key beside the SQLite file, made at the first start",
        "base64 keys of 32 random bytes, one a line: the first seals secrets, all open them; must be named with PostgreSQL",
    ),
    plain(
        OKTA_EXTRA_HOSTS,
        "",
        "host:port list that may serve as an Okta API URL although it is loopback, private or plain http: for a simulator \
         only",
    ),
    plain(SUPPORT_CONTACT, "", "whom people should ask, shown on the setup page"),
    plain(
        LOG_POLL_SECONDS,
        "300",
        "how often Okta's System Log is read for events whose hook never came; 0 is never",
    ),
    plain(OPS_LISTEN, "", "address and port of /metrics for operators; never the public one"),
    plain(TRUSTED_PROXIES, "", "address ranges whose forwarded headers count, such as 10.0.0.0/8"),
    secret(
        SMTP_URL,
        "",
        "where mail leaves: smtp://USER:PASSWORD@HOST:PORT (STARTTLS, except to this very machine) or smtps://…; without it no \
         mail is sent",
    ),
    plain(MAIL_FROM, "", "the sender of mail; needed with MUSTER_SMTP_URL"),
    plain(OTLP_URL, "", "where traces go"),
    plain(
        LOG,
        "info for the service, warn for commands",
        "what is logged to stderr: a level, or a tracing filter such as muster=debug",
    ),
    plain(LOG_FORMAT, "text", "text or json"),
    advanced(
        LEASE_SECONDS,
        "15",
        "1 to 300: how long the work of a process that died stays reserved before another takes it over",
    ),
];

/// The variable of this name.
pub fn find(name: &str) -> Option<&'static Variable> {
    VARIABLES.iter().find(|variable| variable.name == name)
}

/// The variable that somebody who typed `name` most likely meant: at most two letters away.
pub fn meant_by(name: &str) -> Option<&'static Variable> {
    let upper = name.to_ascii_uppercase();
    VARIABLES
        .iter()
        .map(|variable| (distance(&upper, variable.name), variable))
        .min_by_key(|(far, _)| *far)
        .and_then(|(far, variable)| (far <= 2).then_some(variable))
}

/// The section of `--help` that explains all variables.
pub fn help() -> String {
    let mut out = String::from(
        "Environment (or the same names in the TOML file given by --config; the environment wins):\n",
    );
    for group in [false, true] {
        if group {
            out.push_str("\nAdvanced:\n");
        }
        for variable in VARIABLES.iter().filter(|variable| variable.advanced == group) {
            let _ = writeln!(out, "  {}", variable.name);
            let default = match variable.default {
                "" => String::new(),
                default => format!(" [default: {default}]"),
            };
            for line in wrap(&format!("{}{default}", variable.help), 70) {
                let _ = writeln!(out, "          {line}");
            }
        }
    }
    out.push_str(
        "\nExit codes:\n  0 done · 1 failed · 2 wrong usage or configuration · 3 done, but removals are held for approval\n  \
         4 Okta refused the credentials or rights · 5 the listing was incomplete: nothing was removed\n",
    );
    out
}

/// Breaks a text of plain words into lines of at most `width` characters, where a word fits.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    let mut filled = 0;
    for word in text.split_whitespace() {
        let length = console::measure_text_width(word);
        if filled > 0 && filled + 1 + length > width {
            lines.push(String::new());
            filled = 0;
        }
        if let Some(line) = lines.last_mut() {
            if filled > 0 {
                line.push(' ');
                filled += 1;
            }
            line.push_str(word);
            filled += length;
        }
    }
    lines
}

/// How many letters must be typed, dropped or replaced to get from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_told_from_a_stranger() {
        let meant = |name| meant_by(name).map(|variable| variable.name);
        assert_eq!(meant("MUSTER_LISTN"), Some(LISTEN));
        assert_eq!(meant("muster_listen"), Some(LISTEN));
        assert_eq!(meant("MUSTER_DATABSE_URL"), Some(DATABASE_URL));
        assert_eq!(meant("MUSTER_SERVICE_HOST"), None);
        assert_eq!(meant("MUSTER_TEST_POSTGRES_URL"), None);
    }

    #[test]
    fn the_help_fits_80_columns_and_names_every_variable() {
        let help = help();
        assert!(VARIABLES.iter().all(|variable| help.contains(variable.name)));
        let wide: Vec<_> = help.lines().filter(|line| line.chars().count() > 110).collect();
        assert!(wide.is_empty(), "{wide:?}");
    }
}
