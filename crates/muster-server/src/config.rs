//! The configuration: environment variables, or the same names in a TOML file. The only place that reads the environment.

pub mod parse;
pub mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use muster_okta::address::ExtraHosts;
use muster_store::DatabaseUrl;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use self::parse::IpRange;
pub use self::parse::{PublicUrl, SmtpTls, SmtpUrl};
use self::variables as var;

/// The folder for files that nobody keeps.
pub fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}

/// What this installation was told, all of it checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub database_url: DatabaseUrl,
    pub listen: SocketAddr,
    pub public_url: PublicUrl,
    pub master_key: MasterKeyFile,
    pub okta_extra_hosts: ExtraHosts,
    pub support_contact: Option<String>,
    /// `None`: the System Log is never read.
    pub log_poll: Option<Duration>,
    pub ops_listen: Option<SocketAddr>,
    pub trusted_proxies: Vec<IpRange>,
    /// Where mail leaves; `None`: none is sent.
    pub smtp_url: Option<SmtpUrl>,
    pub mail_from: Option<String>,
    pub otlp_url: Option<SecretString>,
    pub log: Logging,
    /// How long a lane stays taken after its worker was last heard of.
    pub lease: Duration,
    /// Each step of a run in a transaction of its own: for tests that stop the program between two of them.
    pub step_by_step: bool,
    /// Who works here: the operating system's name of the user.
    pub user: String,
    /// The zone in which times are shown to people.
    pub zone: TimeZone,
    /// Where each value came from.
    pub origins: BTreeMap<&'static str, Origin>,
    /// What looks odd but keeps nothing from working.
    pub warnings: Vec<String>,
}

/// What is logged, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logging {
    /// `None`: whatever suits what is done.
    pub filter: Option<String>,
    pub json: bool,
}

/// Where the master key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterKeyFile {
    /// Somebody named the file: it must be there.
    Named(PathBuf),
    /// Beside the SQLite file; made at the first start.
    Beside(PathBuf),
    /// A database in memory keeps no secret for later.
    Fleeting,
}

impl MasterKeyFile {
    /// The file, unless there is none.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Named(path) | Self::Beside(path) => Some(path),
            Self::Fleeting => None,
        }
    }
}

/// Where a value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Default,
    Environment,
    /// A line of the configuration file.
    File(usize),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Environment => f.write_str("environment"),
            Self::File(line) => write!(f, "line {line}"),
        }
    }
}

/// One thing that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The variable, if it is one variable's.
    pub key: Option<String>,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{key}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

/// What the process was started with, as far as Muster looks at it.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, SecretString>,
    user: Option<String>,
    zone: Option<TimeZone>,
    not_text: Vec<String>,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let mut env = Self { zone: Some(TimeZone::system()), ..Self::default() };
        let mut user = [None, None];
        for (name, value) in std::env::vars_os() {
            let Some(name) = name.to_str() else { continue };
            let Some(value) = value.to_str() else {
                if name.starts_with("MUSTER_") {
                    env.not_text.push(name.to_owned());
                }
                continue;
            };
            match name {
                "USER" => user[0] = user_name(value),
                "LOGNAME" => user[1] = user_name(value),
                _ if name.starts_with("MUSTER_") => {
                    env.variables.insert(name.to_owned(), SecretString::from(value));
                }
                _ => {}
            }
        }
        env.user = user.into_iter().flatten().next().or_else(user_id);
        env
    }

    /// Where a test wants this process to stand still (see `cli::hold`). A release has no such thing.
    #[cfg(debug_assertions)]
    pub fn hold_at_commit(&self) -> Option<&str> {
        self.variables.get("MUSTER_TEST_HOLD_AT_COMMIT").map(ExposeSecret::expose_secret)
    }

    /// Whether a test means to stop this process between two steps.
    fn is_stopped_by_tests(&self) -> bool {
        #[cfg(debug_assertions)]
        let stopped = self.hold_at_commit().is_some();
        #[cfg(not(debug_assertions))]
        let stopped = false;
        stopped
    }

    /// An environment for tests and the demo.
    pub fn of<'a>(variables: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let secret = |(name, value): (&str, &str)| (name.to_owned(), SecretString::from(value));
        Self { variables: variables.into_iter().map(secret).collect(), ..Self::default() }
    }
}

fn user_name(text: &str) -> Option<String> {
    let name: String = text.trim().chars().filter(|c| !c.is_control()).take(64).collect();
    (!name.is_empty()).then_some(name)
}

/// The number of the user that runs this process, where the system tells it by a file.
fn user_id() -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata("/proc/self").ok().map(|own| own.uid().to_string())
    }
    #[cfg(not(unix))]
    None
}

/// The values as given, before anything is made of them.
#[derive(Default)]
struct Values {
    given: BTreeMap<&'static str, (SecretString, Origin)>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Config {
    /// Reads the configuration of this process.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, at once. No secret is in it.
    pub fn read(file: Option<&Path>, env: &Environment) -> Result<Self, Vec<Problem>> {
        let mut values = Values::default();
        if let Some(file) = file {
            values.read_file(file);
        }
        values.read_environment(env);
        values.into_config(env)
    }

    /// What is in force, with secrets left out, and where each value came from.
    pub fn in_force(&self) -> Vec<(&'static str, String, Origin)> {
        let none = || "(none)".to_owned();
        let shown = |name: &str| match name {
            var::DATABASE_URL => self.database_url.to_string(),
            var::LISTEN => self.listen.to_string(),
            var::PUBLIC_URL => self.public_url.to_string(),
            var::MASTER_KEY_FILE => {
                self.master_key.path().map_or_else(none, |path| path.display().to_string())
            }
            var::OKTA_EXTRA_HOSTS if self.okta_extra_hosts.is_empty() => none(),
            var::OKTA_EXTRA_HOSTS => self.okta_extra_hosts.to_string(),
            var::SUPPORT_CONTACT => self.support_contact.clone().unwrap_or_else(none),
            var::LOG_POLL_SECONDS => self.log_poll.map_or(0, |every| every.as_secs()).to_string(),
            var::OPS_LISTEN => self.ops_listen.map_or_else(none, |at| at.to_string()),
            var::TRUSTED_PROXIES if self.trusted_proxies.is_empty() => none(),
            var::TRUSTED_PROXIES => {
                self.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            }
            var::SMTP_URL => self.smtp_url.as_ref().map_or_else(none, ToString::to_string),
            var::MAIL_FROM => self.mail_from.clone().unwrap_or_else(none),
            var::OTLP_URL => self
                .otlp_url
                .as_ref()
                .map_or_else(none, |url| without_password(url.expose_secret())),
            var::LOG => {
                self.log.filter.clone().unwrap_or_else(|| "info (commands: warn)".to_owned())
            }
            var::LOG_FORMAT => (if self.log.json { "json" } else { "text" }).to_owned(),
            var::LEASE_SECONDS => self.lease.as_secs().to_string(),
            _ => none(),
        };
        let origin = |name: &str| self.origins.get(name).copied().unwrap_or(Origin::Default);
        var::VARIABLES.iter().map(|of| (of.name, shown(of.name), origin(of.name))).collect()
    }
}

impl Values {
    fn problem(&mut self, key: Option<&str>, message: impl Into<String>) {
        self.problems.push(Problem { key: key.map(str::to_owned), message: message.into() });
    }

    fn read_file(&mut self, file: &Path) {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                self.problem(
                    None,
                    format!("the configuration file {} cannot be read: {error}", file.display()),
                );
                return;
            }
        };
        let line_at = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
        let (table, errors) = toml::de::DeTable::parse_recoverable(&text);
        for error in &errors {
            let line = error
                .span()
                .map_or(String::new(), |span| format!(", line {}", line_at(span.start)));
            // Only the first line of the message: the others may quote the file, and so a password.
            let what = error.message().lines().next().unwrap_or("not TOML").to_owned();
            self.problem(None, format!("{}{line}: {what}", file.display()));
        }
        for (key, value) in table.get_ref() {
            let line = line_at(key.span().start);
            let name: &str = key.get_ref();
            let Some(variable) = var::find(name) else {
                let hint =
                    var::meant_by(name).map(|meant| format!("; did you mean {}?", meant.name));
                let hint = hint.unwrap_or_default();
                self.problem(
                    Some(name),
                    format!("there is no such setting ({}, line {line}){hint}", file.display()),
                );
                continue;
            };
            match plain_text(value.get_ref()) {
                Some(text) => drop(self.given.insert(variable.name, (text, Origin::File(line)))),
                None => self.problem(
                    Some(name),
                    format!("line {line}: a text, a number or a list of texts is wanted here"),
                ),
            }
        }
    }

    fn read_environment(&mut self, env: &Environment) {
        for name in &env.not_text {
            self.problem(Some(name), "the value in the environment is not valid UTF-8");
        }
        for (name, value) in &env.variables {
            if let Some(variable) = var::find(name) {
                self.given.insert(variable.name, (value.clone(), Origin::Environment));
            } else if let Some(meant) = var::meant_by(name) {
                self.problem(
                    Some(name),
                    format!("there is no such setting; did you mean {}?", meant.name),
                );
            } else if !name.starts_with("MUSTER_TEST_") && name != "MUSTER_OKTA_SAMPLES" {
                // Others name things MUSTER_… too: a cluster that runs a service called muster, for one.
                self.warnings.push(format!(
                    "{name} in the environment is not a setting of muster and is ignored"
                ));
            }
        }
    }

    /// The value of a variable through `parse`; `None` when it is not given, empty or wrong (which is noted).
    fn take<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let (text, origin) = self.given.get(name)?;
        let (text, origin) = (text.expose_secret().trim().to_owned(), *origin);
        if text.is_empty() {
            return None;
        }
        match parse(&text) {
            Ok(value) => Some(value),
            Err(why) => {
                let place = match origin {
                    Origin::File(line) => format!(" (line {line})"),
                    Origin::Default | Origin::Environment => String::new(),
                };
                self.problem(Some(name), format!("{why}{place}"));
                None
            }
        }
    }

    fn into_config(mut self, env: &Environment) -> Result<Config, Vec<Problem>> {
        let wrong_database = self.problems.len();
        let database_url = self
            .take(var::DATABASE_URL, |text| text.parse::<DatabaseUrl>().map_err(|e| e.to_string()));
        let wrong_database = self.problems.len() > wrong_database;
        let database_url =
            database_url.unwrap_or_else(|| DatabaseUrl::file("muster-data/muster.db"));
        let listen = self
            .take(var::LISTEN, parse::listen)
            .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let public_url = self.take(var::PUBLIC_URL, PublicUrl::parse);
        let named = self.take(var::MASTER_KEY_FILE, |text| Ok(PathBuf::from(text)));
        let master_key = match (named, database_url.path()) {
            (Some(named), _) => MasterKeyFile::Named(named),
            (None, Some(database)) => MasterKeyFile::Beside(database.with_file_name("master.key")),
            (None, None) if database_url.is_postgres() && !wrong_database => {
                self.problem(
                    Some(var::MASTER_KEY_FILE),
                    "must name a file when the database is PostgreSQL: one base64 key of 32 random bytes a line \
                     (make one with: head -c 32 /dev/urandom | base64 > master.key)",
                );
                MasterKeyFile::Fleeting
            }
            (None, None) => MasterKeyFile::Fleeting,
        };
        if let MasterKeyFile::Named(path) = &master_key
            && let Err(error) = std::fs::File::open(path)
        {
            let message = format!("the master key file {} cannot be read: {error}", path.display());
            self.problem(Some(var::MASTER_KEY_FILE), message);
        }
        let okta_extra_hosts = self
            .take(var::OKTA_EXTRA_HOSTS, |text| ExtraHosts::parse(text).map_err(|e| e.to_string()));
        let support_contact = self.take(var::SUPPORT_CONTACT, |text| parse::line(text, 200));
        let day = 86_400;
        let log_poll =
            self.take(var::LOG_POLL_SECONDS, |text| parse::number(text, 0, day)).unwrap_or(300);
        let ops_listen = self.take(var::OPS_LISTEN, parse::listen);
        if let Some(ops) = ops_listen
            // Port 0 takes whatever is free.
            && ops.port() == listen.port()
            && ops.port() != 0
            && (ops.ip() == listen.ip()
                || ops.ip().is_unspecified()
                || listen.ip().is_unspecified())
        {
            self.problem(
                Some(var::OPS_LISTEN),
                format!("{ops} is where the public listens ({})", var::LISTEN),
            );
        }
        let trusted_proxies = self.take(var::TRUSTED_PROXIES, parse::ranges).unwrap_or_default();
        let smtp_url = self.take(var::SMTP_URL, SmtpUrl::parse);
        let mail_from = self.take(var::MAIL_FROM, parse::mail_from);
        if smtp_url.is_some()
            && mail_from.is_none()
            && !self.problems.iter().any(|p| p.key.as_deref() == Some(var::MAIL_FROM))
        {
            self.problem(Some(var::MAIL_FROM), format!("must be set when {} is", var::SMTP_URL));
        }
        let otlp_url =
            self.take(var::OTLP_URL, |text| parse::service(text, &["https://", "http://"]));
        let filter = self.take(var::LOG, parse::filter);
        let json = self.take(var::LOG_FORMAT, |text| match text {
            "json" => Ok(true),
            "text" => Ok(false),
            other => Err(format!("{other:?} is neither text nor json")),
        });
        let lease = self.take(var::LEASE_SECONDS, |text| parse::number(text, 1, 300)).unwrap_or(15);
        let public_url =
            match public_url.map_or_else(|| PublicUrl::parse("http://localhost:8080"), Ok) {
                Ok(url) if self.problems.is_empty() => url,
                _ => return Err(self.problems),
            };
        Ok(Config {
            database_url,
            listen,
            public_url,
            master_key,
            okta_extra_hosts: okta_extra_hosts.unwrap_or_default(),
            support_contact,
            log_poll: (log_poll > 0).then(|| Duration::from_secs(log_poll)),
            ops_listen,
            trusted_proxies,
            smtp_url,
            mail_from,
            otlp_url,
            log: Logging { filter, json: json.unwrap_or(false) },
            lease: Duration::from_secs(lease),
            step_by_step: env.is_stopped_by_tests(),
            user: env.user.clone().unwrap_or_else(|| "unknown".to_owned()),
            zone: env.zone.clone().unwrap_or(TimeZone::UTC),
            origins: self
                .given
                .iter()
                .filter(|(_, (text, _))| !text.expose_secret().trim().is_empty())
                .map(|(name, (_, origin))| (*name, *origin))
                .collect(),
            warnings: self.warnings,
        })
    }
}

/// A scalar as the text that the environment would hold; lists joined with commas.
fn plain_text(value: &toml::de::DeValue<'_>) -> Option<SecretString> {
    use toml::de::DeValue;
    match value {
        DeValue::String(text) => Some(SecretString::from(text.to_string())),
        DeValue::Integer(number) => Some(SecretString::from(number.as_str())),
        DeValue::Array(items) => {
            let texts: Option<Vec<&str>> =
                items.iter().map(|item| item.get_ref().as_str()).collect();
            texts.map(|texts| SecretString::from(texts.join(",")))
        }
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// An address without the secrets that may be in it: its password and its parameters.
fn without_password(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return "(set)".to_owned() };
    if url.password().is_some() {
        // Fails only for addresses that cannot have a password.
        let _ = url.set_password(Some("***"));
    }
    if url.query().is_some() {
        url.set_query(Some("***"));
    }
    url.to_string()
}

#[cfg(test)]
mod tests;
