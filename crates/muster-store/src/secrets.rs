//! Secrets at rest: sealed with a key that is not in the database, bound to their tenant, field and Okta host.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use jiff::Timestamp;
use muster_core::id::TenantId;
use rand_chacha::rand_core::Rng;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::db::{Db, Tx};
use crate::error::StoreError;
use crate::history::Write;
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// Which secret of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretField {
    /// Of the OIDC app, for *Sign in with Okta* and *Connect*.
    ClientSecret,
    /// For Okta's management API.
    ApiToken,
    /// What Okta sends in `Authorization` with an event hook.
    HookSecret,
    /// The hook secret before the last rotation, while it still counts.
    HookSecretBefore,
}

impl SecretField {
    /// All fields.
    pub const ALL: [Self; 4] =
        [Self::ClientSecret, Self::ApiToken, Self::HookSecret, Self::HookSecretBefore];

    /// The word for it in the database and in the history.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecret => "client_secret",
            Self::ApiToken => "api_token",
            Self::HookSecret => "hook_secret",
            Self::HookSecretBefore => "hook_secret_before",
        }
    }
}

/// The keys that seal secrets: the first seals, all open. Shows nothing of them.
#[derive(Clone)]
pub struct MasterKeys(Vec<MasterKey>);

#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct MasterKey {
    #[zeroize(skip)]
    id: String,
    key: [u8; MasterKeys::BYTES],
}

impl MasterKeys {
    /// The length of a key before it is written as base64.
    pub const BYTES: usize = 32;

    /// Reads a master key file: one base64 key of 32 random bytes a line. Empty lines are skipped.
    ///
    /// # Errors
    ///
    /// [`StoreError::BadMasterKey`]; the message holds nothing of the file.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        let mut keys = Vec::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let bytes = BASE64
                .decode(line)
                .map(Zeroizing::new)
                .map_err(|_| StoreError::BadMasterKey("a line is not base64"))?;
            let key: [u8; Self::BYTES] = bytes
                .as_slice()
                .try_into()
                .map_err(|_| StoreError::BadMasterKey("a key has 32 bytes"))?;
            keys.push(MasterKey { id: key_id(&key), key });
        }
        if keys.is_empty() {
            return Err(StoreError::BadMasterKey("there is no key in it"));
        }
        Ok(Self(keys))
    }

    /// The text of a new master key file with one key from `random`, which must be the operating system's.
    pub fn new_file(random: &mut impl Rng) -> Zeroizing<String> {
        let mut key = Zeroizing::new([0_u8; Self::BYTES]);
        random.fill_bytes(key.as_mut());
        let mut text = Zeroizing::new(BASE64.encode(key.as_ref()));
        text.push('\n');
        text
    }

    /// The id of the key that seals.
    pub fn first_id(&self) -> &str {
        self.0.first().map_or("", |key| &key.id)
    }

    fn seal(
        &self,
        random: &mut impl Rng,
        bound_to: &[&str],
        secret: &[u8],
    ) -> Result<Sealed, Broken> {
        let key = self.0.first().ok_or(Broken)?;
        let mut nonce = [0_u8; NONCE_BYTES];
        random.fill_bytes(&mut nonce);
        let aad = aad(&key.id, bound_to);
        let ciphertext = key
            .cipher()?
            .encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: &aad })
            .map_err(|_| Broken)?;
        Ok(Sealed { key_id: key.id.clone(), nonce: nonce.to_vec(), ciphertext })
    }

    fn open(&self, sealed: &Sealed, bound_to: &[&str]) -> Result<Zeroizing<Vec<u8>>, Broken> {
        let key = self.0.iter().find(|key| key.id == sealed.key_id).ok_or(Broken)?;
        let nonce: [u8; NONCE_BYTES] = sealed.nonce.as_slice().try_into().map_err(|_| Broken)?;
        let aad = aad(&key.id, bound_to);
        key.cipher()?
            .decrypt(&XNonce::from(nonce), Payload { msg: &sealed.ciphertext, aad: &aad })
            .map(Zeroizing::new)
            .map_err(|_| Broken)
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKeys")
    }
}

impl MasterKey {
    fn cipher(&self) -> Result<XChaCha20Poly1305, Broken> {
        XChaCha20Poly1305::new_from_slice(&self.key).map_err(|_| Broken)
    }
}

/// Random nonces of this length never meet by chance, so none need to be counted.
const NONCE_BYTES: usize = 24;

/// Something sealed, as the database keeps it.
#[derive(Debug, sqlx::FromRow)]
pub(crate) struct Sealed {
    key_id: String,
    nonce: Vec<u8>,
    ciphertext: Vec<u8>,
}

impl Sealed {
    /// Something sealed, of the columns of a statement that may not have found it.
    pub(crate) fn of(
        key_id: Option<String>,
        nonce: Option<Vec<u8>>,
        ciphertext: Option<Vec<u8>>,
    ) -> Option<Self> {
        Some(Self { key_id: key_id?, nonce: nonce?, ciphertext: ciphertext? })
    }
}

/// It did not open. Why is not told apart.
#[derive(Debug)]
struct Broken;

/// Names a key without telling anything about it: the first 8 hex digits of a hash.
fn key_id(key: &[u8]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"muster master key id\0");
    hash.update(key);
    let hash = hash.finalize();
    let id = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    format!("{id:08x}")
}

/// What the cipher authenticates beside the secret. Each part is preceded by its length, so no two lists look the same.
fn aad(key_id: &str, bound_to: &[&str]) -> Vec<u8> {
    let mut out = b"muster secret\0".to_vec();
    for part in std::iter::once(&key_id).chain(bound_to) {
        out.extend_from_slice(&(part.len() as u64).to_be_bytes());
        out.extend_from_slice(part.as_bytes());
    }
    out
}

/// What every master key of a database seals once, to notice a wrong key before anything is written with it.
const CHECK: &[u8] = b"this is the master key of this database";

const KEYS_USED: &str = "SELECT key_id FROM secrets UNION SELECT substr(secret, 1, 8) AS key_id FROM second_factors ORDER BY key_id";

/// Makes sure that the keys are those of this database, and notes new ones.
pub(crate) async fn check_keys(tx: &mut Tx, db: &Db, now: Timestamp) -> Result<(), StoreError> {
    #[derive(sqlx::FromRow)]
    struct KeyRow {
        key_id: String,
    }
    let keys = db.keys();
    let known: Vec<Sealed> = tx
        .fetch_all(
            "SELECT key_id, nonce, ciphertext FROM master_keys ORDER BY created_at, key_id",
            &[],
        )
        .await?;
    let opens = |sealed: &Sealed| {
        keys.open(sealed, &["master_keys"]).is_ok_and(|text| text.as_slice() == CHECK)
    };
    if let Some(first) = known.first()
        && !known.iter().any(opens)
    {
        return Err(StoreError::WrongMasterKey { wanted: first.key_id.clone() });
    }
    let used: Vec<KeyRow> = tx.fetch_all(KEYS_USED, &[]).await?;
    if let Some(lost) = used.iter().find(|row| !keys.0.iter().any(|key| key.id == row.key_id)) {
        return Err(StoreError::WrongMasterKey { wanted: lost.key_id.clone() });
    }
    let first = keys.first_id();
    match known.iter().find(|sealed| sealed.key_id == first) {
        Some(sealed) if opens(sealed) => Ok(()),
        // Same id, another key: one in four billion, or a row that was tampered with.
        Some(sealed) => Err(StoreError::WrongMasterKey { wanted: sealed.key_id.clone() }),
        None => {
            let sealed = db
                .with_random(|random| keys.seal(random, &["master_keys"], CHECK))
                .map_err(|Broken| StoreError::BadMasterKey("it cannot seal"))?;
            tx.execute(
                "INSERT INTO master_keys (key_id, nonce, ciphertext, created_at) VALUES ($1, $2, $3, $4)",
                &[sealed.key_id.into(), sealed.nonce.into(), sealed.ciphertext.into(), micros(now).into()],
            )
            .await
            .map(drop)
        }
    }
}

/// What may be told about a stored secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    pub field: &'static str,
    /// The Okta host that the secret may be sent to.
    pub host: String,
    pub set_at: Timestamp,
    pub set_by: String,
}

impl TenantDb {
    /// Opens a stored secret, to be sent to `host` and nowhere else. `None` when none is stored.
    ///
    /// # Errors
    ///
    /// [`StoreError::SealBroken`] when it was stored for another host, moved from another row, or altered.
    pub async fn secret(
        &self,
        field: SecretField,
        host: &str,
    ) -> Result<Option<SecretString>, StoreError> {
        let sealed: Option<Sealed> = self
            .db()
            .fetch_optional(
                "SELECT key_id, nonce, ciphertext FROM secrets WHERE tenant_id = $1 AND field = $2",
                &[self.id().into(), field.as_str().into()],
            )
            .await?;
        sealed.map(|sealed| opened(self.db(), self.id(), field, host, &sealed)).transpose()
    }

    /// Which secrets are stored, without the secrets.
    pub async fn secrets(&self) -> Result<Vec<SecretInfo>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct InfoRow {
            field: String,
            host: String,
            set_at: i64,
            set_by: String,
        }
        let rows: Vec<InfoRow> = self
            .db()
            .fetch_all(
                "SELECT field, host, set_at, set_by FROM secrets WHERE tenant_id = $1 ORDER BY field",
                &[self.id().into()],
            )
            .await?;
        let info = |row: InfoRow| {
            let bad =
                |column| StoreError::BadRow { table: "secrets", column, id: row.field.clone() };
            let field =
                SecretField::ALL.iter().map(|field| field.as_str()).find(|name| *name == row.field);
            Ok(SecretInfo {
                field: field.ok_or_else(|| bad("field"))?,
                set_at: from_micros(row.set_at).ok_or_else(|| bad("set_at"))?,
                host: row.host,
                set_by: row.set_by,
            })
        };
        rows.into_iter().map(info).collect()
    }
}

/// Sealed texts that are not in the table of secrets: `key id . base64 of nonce and ciphertext`.
impl TenantDb {
    /// Seals something for one purpose of this tenant, bound to what it is of. The text is fit for a cookie.
    pub fn seal(&self, purpose: &str, of: &str, plain: &[u8]) -> Result<String, StoreError> {
        let tenant = self.id().to_string();
        let db = self.db();
        let sealed = db
            .with_random(|random| db.keys().seal(random, &[&tenant, purpose, of], plain))
            .map_err(|Broken| StoreError::BadMasterKey("it cannot seal"))?;
        let bytes = [sealed.nonce, sealed.ciphertext].concat();
        Ok(format!("{}.{}", sealed.key_id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Opens what [`TenantDb::seal`] sealed for the same purpose and thing; `None` for anything else.
    pub fn unseal(&self, purpose: &str, of: &str, sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let tenant = self.id().to_string();
        let (key_id, rest) = sealed.split_once('.')?;
        let bytes = URL_SAFE_NO_PAD.decode(rest).ok()?;
        let (nonce, ciphertext) = bytes.split_at_checked(NONCE_BYTES)?;
        let (nonce, ciphertext) = (nonce.to_vec(), ciphertext.to_vec());
        let sealed = Sealed { key_id: key_id.to_owned(), nonce, ciphertext };
        self.db().keys().open(&sealed, &[&tenant, purpose, of]).ok()
    }
}

pub(crate) fn opened(
    db: &Db,
    tenant: TenantId,
    field: SecretField,
    host: &str,
    sealed: &Sealed,
) -> Result<SecretString, StoreError> {
    let broken = || StoreError::SealBroken { field: field.as_str(), host: host.to_owned() };
    let tenant = tenant.to_string();
    let secret =
        db.keys().open(sealed, &[&tenant, field.as_str(), host]).map_err(|Broken| broken())?;
    let text = std::str::from_utf8(&secret).map_err(|_| broken())?;
    Ok(SecretString::from(text))
}

/// Opens a secret of ours inside a change, so that it cannot change under the writer.
pub(crate) async fn own(
    write: &mut Write,
    db: &Db,
    field: SecretField,
) -> Result<Option<SecretString>, StoreError> {
    let tenant = write.tenant();
    let sealed: Option<Sealed> = write
        .tx()
        .fetch_optional(
            "SELECT key_id, nonce, ciphertext FROM secrets WHERE tenant_id = $1 AND field = $2",
            &[tenant.into(), field.as_str().into()],
        )
        .await?;
    sealed.map(|sealed| opened(db, tenant, field, "", &sealed)).transpose()
}

/// Forgets a secret. The caller writes the history entry.
pub(crate) async fn forget(write: &mut Write, field: SecretField) -> Result<(), StoreError> {
    let tenant = write.tenant();
    let sql = "DELETE FROM secrets WHERE tenant_id = $1 AND field = $2";
    write.tx().execute(sql, &[tenant.into(), field.as_str().into()]).await.map(drop)
}

/// Seals and stores a secret, in place of the one before. The caller writes the history entry.
pub(crate) async fn put(
    write: &mut Write,
    db: &Db,
    field: SecretField,
    host: &str,
    secret: &SecretString,
    set_by: &str,
) -> Result<(), StoreError> {
    let tenant: TenantId = write.tenant();
    let (bound_tenant, now) = (tenant.to_string(), write.now());
    let bound_to = [bound_tenant.as_str(), field.as_str(), host];
    let sealed = db
        .with_random(|random| db.keys().seal(random, &bound_to, secret.expose_secret().as_bytes()))
        .map_err(|Broken| StoreError::BadMasterKey("it cannot seal"))?;
    write
        .tx()
        .execute(
            "INSERT INTO secrets (tenant_id, field, host, key_id, nonce, ciphertext, set_at, set_by)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (tenant_id, field) DO UPDATE SET host = excluded.host, key_id = excluded.key_id,
                 nonce = excluded.nonce, ciphertext = excluded.ciphertext, set_at = excluded.set_at,
                 set_by = excluded.set_by",
            &[
                tenant.into(),
                field.as_str().into(),
                host.into(),
                sealed.key_id.into(),
                sealed.nonce.into(),
                sealed.ciphertext.into(),
                micros(now).into(),
                set_by.into(),
            ],
        )
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn keys(text: &[&str]) -> MasterKeys {
        MasterKeys::parse(&text.join("\n")).expect("keys")
    }

    fn file(seed: u8) -> Zeroizing<String> {
        MasterKeys::new_file(&mut ChaCha20Rng::from_seed([seed; 32]))
    }

    #[test]
    fn a_sealed_secret_opens_only_where_it_belongs() {
        let keys = keys(&[&file(1)]);
        let mut random = ChaCha20Rng::from_seed([9; 32]);
        let sealed = keys
            .seal(&mut random, &["ten_1", "api_token", "acme.okta.com"], b"s3cret")
            .expect("sealed");
        let open = |bound: &[&str]| keys.open(&sealed, bound).ok().map(|text| text.to_vec());
        assert_eq!(open(&["ten_1", "api_token", "acme.okta.com"]), Some(b"s3cret".to_vec()));
        for moved in [
            &["ten_2", "api_token", "acme.okta.com"],
            &["ten_1", "client_secret", "acme.okta.com"],
            &["ten_1", "api_token", "evil.okta.com"],
            // The same letters, cut elsewhere.
            &["ten_1a", "pi_token", "acme.okta.com"],
        ] {
            assert_eq!(open(moved), None, "{moved:?}");
        }
        assert!(!String::from_utf8_lossy(&sealed.ciphertext).contains("s3cret"));
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let mut random = ChaCha20Rng::from_seed([9; 32]);
        let old = keys(&[&file(1)]).seal(&mut random, &["a"], b"x").expect("sealed");
        let both = keys(&[&file(2), &file(1)]);
        assert!(both.open(&old, &["a"]).is_ok());
        let new = both.seal(&mut random, &["a"], b"x").expect("sealed");
        assert!(keys(&[&file(1)]).open(&new, &["a"]).is_err());
        assert_ne!(new.key_id, old.key_id);
        assert_ne!(new.nonce, old.nonce);
    }

    #[test]
    fn a_key_file_is_read_strictly_and_shown_never() {
        let short = BASE64.encode([1; 31]);
        for bad in ["", " \n", "not base64!", short.as_str()] {
            let error = MasterKeys::parse(bad).map(drop).expect_err(bad).to_string();
            assert!(bad.trim().is_empty() || !error.contains(bad.trim()), "{error}");
        }
        assert_eq!(format!("{:?}", keys(&[&file(1)])), "MasterKeys");
    }
}
