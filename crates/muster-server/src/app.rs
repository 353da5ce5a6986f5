//! An opened installation: its database and what works on it.

mod clockwork;
mod serve;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use muster_core::id::IdSource;
use muster_okta::transport::{HttpConfig, HttpTransport, Transport};
use muster_store::db::Db;
use muster_store::jobs::Due;
use muster_store::secrets::MasterKeys;
use muster_store::{DatabaseUrl, StoreError};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::clock::{Clock, random_seed};
use crate::config::{Config, MasterKeyFile};
use crate::mail::Mailer;
use crate::signin::{SignIn, SignInConfig};
use crate::sync::{Engine, EngineConfig, OktaConnect, Pace};

pub use self::serve::{Listening, Service};

/// Why an installation cannot be opened. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read or made.
    #[error("the master key file {path}")]
    MasterKey {
        path: String,
        #[source]
        cause: io::Error,
    },
    /// A database is there, but the key that opens its secrets is not.
    #[error(
        "the database {database} exists, but its master key file {path} does not: put the file back, or name it with \
         MUSTER_MASTER_KEY_FILE"
    )]
    LostMasterKey { path: String, database: String },
    /// Somebody else listens there, or nobody may.
    #[error("cannot listen on {address} ({variable})")]
    Listen {
        address: std::net::SocketAddr,
        variable: &'static str,
        #[source]
        cause: io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Other(String),
}

/// The database, the clock and the source of ids of this process.
pub struct App {
    pub config: Config,
    pub clock: Clock,
    pub db: Db,
    pub ids: IdSource,
}

impl App {
    /// Opens the database that the configuration names, and makes what is missing at a first start.
    pub async fn open(config: Config, clock: Clock) -> Result<Self, OpenError> {
        let keys = master_keys(&config.master_key, &config.database_url)?;
        let db = Db::open(&config.database_url, keys, random_seed(), clock.now()).await?;
        Ok(Self { config, clock, db, ids: IdSource::seeded(random_seed()) })
    }

    /// What carries out runs, over HTTPS.
    pub fn engine(&self) -> Result<Engine, OpenError> {
        let config = EngineConfig {
            clock: self.clock.clone(),
            seed: random_seed(),
            connect: Arc::new(self.okta()?),
            owner: worker(),
            lease: self.config.lease,
            pace: if self.config.step_by_step { Pace::STEP_BY_STEP } else { Pace::BRISK },
        };
        Ok(Engine::new(self.db.clone(), config))
    }

    /// What makes clients of Okta, over HTTPS.
    pub fn okta(&self) -> Result<OktaConnect, OpenError> {
        let extra = self.config.okta_extra_hosts.clone();
        let http = HttpConfig { extra_hosts: extra.clone(), ..HttpConfig::default() };
        let transport = HttpTransport::new(http)
            .map_err(|error| OpenError::Other(format!("cannot make calls by HTTPS: {error}")))?;
        let seed = u64::from_le_bytes(std::array::from_fn(|at| random_seed()[at]));
        Ok(OktaConnect::new(self.clock.clone(), extra, Transport::Http(transport), seed))
    }

    /// What signs people in, over HTTPS.
    pub fn signin(&self, wake: mpsc::UnboundedSender<Due>) -> Result<SignIn, OpenError> {
        // Somebody waits before a page: a call that fails is tried twice and not for half a minute.
        let connect = self.okta()?.with_tries(2);
        Ok(SignIn::new(SignInConfig {
            clock: self.clock.clone(),
            public_url: self.config.public_url.clone(),
            extra_hosts: self.config.okta_extra_hosts.clone(),
            transport: connect.transport(),
            connect: Arc::new(connect),
            wake,
        }))
    }

    /// What sends mail; `None` when none is configured.
    pub fn mailer(&self) -> Result<Option<Mailer>, OpenError> {
        Mailer::of(&self.config).map_err(|error| OpenError::Other(error.to_string()))
    }

    /// Who is behind the commands of this process, as the history names them.
    pub fn actor(&self) -> String {
        format!("os:{}", self.config.user)
    }
}

/// Host and process, for people who look who holds a lane.
fn worker() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "localhost" } else { host.trim() };
    format!("{host}:{}", std::process::id())
}

fn master_keys(file: &MasterKeyFile, database: &DatabaseUrl) -> Result<MasterKeys, OpenError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |cause| OpenError::MasterKey { path, cause }
    };
    let text = match file {
        MasterKeyFile::Fleeting => new_key(),
        MasterKeyFile::Named(path) => read_key(path).map_err(failed(path))?,
        MasterKeyFile::Beside(path) => match read_key(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let used = |path: &Path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
                if database.path().is_some_and(used) {
                    let path = path.display().to_string();
                    return Err(OpenError::LostMasterKey { path, database: database.to_string() });
                }
                make_key(path).map_err(failed(path))?;
                read_key(path).map_err(failed(path))?
            }
            read => read.map_err(failed(path))?,
        },
    };
    MasterKeys::parse(&text).map_err(OpenError::Store)
}

fn new_key() -> Zeroizing<String> {
    MasterKeys::new_file(&mut ChaCha20Rng::from_seed(random_seed()))
}

fn read_key(path: &Path) -> io::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path)?.permissions().mode();
        if mode & 0o007 != 0 {
            tracing::warn!(file = %path.display(), "everybody on this machine can read the master key: chmod 600 it");
        }
    }
    Ok(text)
}

/// Makes the key file, whole or not at all: another process may be starting too, and both must read the same key.
fn make_key(path: &Path) -> io::Result<()> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    if !folder.exists() {
        builder.create(folder)?;
    }
    let part = unfinished(path);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&part).and_then(|mut file| {
        file.write_all(new_key().as_bytes())?;
        file.sync_all()
    });
    let done = match written.and_then(|()| std::fs::hard_link(&part, path)) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.exists() => Ok(()),
        other => other,
    };
    // Whatever became of it, the unfinished file is of no more use.
    let _ = std::fs::remove_file(&part);
    done
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(folder: &Path) -> Result<MasterKeys, OpenError> {
        let key = MasterKeyFile::Beside(folder.join("data/master.key"));
        master_keys(&key, &DatabaseUrl::file(folder.join("data/muster.db")))
    }

    #[test]
    fn the_key_is_made_once_for_this_user_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = opened(folder.path()).expect("made").first_id().to_owned();
        assert_eq!(opened(folder.path()).expect("read").first_id(), first);
        let files: Vec<_> =
            std::fs::read_dir(folder.path().join("data")).expect("listed").collect();
        assert_eq!(files.len(), 1, "nothing unfinished is left behind");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: PathBuf| {
                std::fs::metadata(path).expect("there").permissions().mode() & 0o777
            };
            assert_eq!(mode(folder.path().join("data/master.key")), 0o600);
            assert_eq!(mode(folder.path().join("data")), 0o700);
        }
    }

    #[test]
    fn a_database_without_its_key_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("data")).expect("made");
        std::fs::write(folder.path().join("data/muster.db"), "something").expect("written");
        let error = opened(folder.path()).expect_err("refused").to_string();
        assert!(error.contains("put the file back"), "{error}");
        assert!(!folder.path().join("data/master.key").exists());
    }

    #[test]
    fn a_named_key_must_be_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let named = MasterKeyFile::Named(folder.path().join("k"));
        let database = DatabaseUrl::file(folder.path().join("m.db"));
        assert!(matches!(master_keys(&named, &database), Err(OpenError::MasterKey { .. })));
        std::fs::write(folder.path().join("k"), "not a key").expect("written");
        assert!(matches!(
            master_keys(&named, &database),
            Err(OpenError::Store(StoreError::BadMasterKey(_)))
        ));
    }
}
