//! How a tenant reaches its Okta: addresses and ids in plain, secrets sealed.

use jiff::Timestamp;
use muster_core::access::Entry;
use muster_core::id::IdSource;
use secrecy::SecretString;

use crate::app_groups;
use crate::db::Arg;
use crate::entry;
use crate::error::StoreError;
use crate::history::{By, Subject, Write, json_object};
use crate::hooks;
use crate::secrets::{self, SecretField};
use crate::tenants::TenantDb;
use crate::time::{from_micros, micros};

/// The settings of a tenant's connection, without secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OktaConnection {
    /// Scheme, host and port, normalised: `https://acme.okta.com`.
    pub api_url: Option<String>,
    pub client_id: Option<String>,
    pub app_id: Option<String>,
    /// The stable id of the Okta organisation, once seen.
    pub org_id: Option<String>,
    /// `None` while all is well, else the code of the problem that needs a person.
    pub attention: Option<String>,
    pub attention_at: Option<Timestamp>,
}

impl OktaConnection {
    /// The host (and port) that secrets are bound to.
    pub fn host(&self) -> Option<&str> {
        self.api_url.as_deref().map(host_of)
    }
}

/// How a tenant's app at Okta is called for signing in.
#[derive(Debug, Default)]
pub struct SignInApp {
    pub api_url: Option<String>,
    pub client_id: Option<String>,
    pub secret: Option<SecretString>,
}

/// What is to change; `None` leaves a value as it is.
#[derive(Debug, Default)]
pub struct ConnectionUpdate {
    /// Scheme, host and port, normalised by the caller.
    pub api_url: Option<String>,
    pub client_id: Option<String>,
    pub app_id: Option<String>,
    pub client_secret: Option<SecretString>,
    pub api_token: Option<SecretString>,
}

#[derive(sqlx::FromRow)]
struct ConnectionRow {
    api_url: Option<String>,
    client_id: Option<String>,
    app_id: Option<String>,
    org_id: Option<String>,
    attention: Option<String>,
    attention_at: Option<i64>,
}

impl From<ConnectionRow> for OktaConnection {
    fn from(row: ConnectionRow) -> Self {
        Self {
            api_url: row.api_url,
            client_id: row.client_id,
            app_id: row.app_id,
            org_id: row.org_id,
            attention: row.attention,
            attention_at: row.attention_at.and_then(from_micros),
        }
    }
}

const SELECT: &str =
    "SELECT api_url, client_id, app_id, org_id, attention, attention_at FROM okta_connections
                      WHERE tenant_id = $1";

impl TenantDb {
    /// What signing in needs of the connection, in one look: address, client id and the sealed client secret.
    ///
    /// # Errors
    ///
    /// [`StoreError::SealBroken`] when the secret was stored for another host than that of the address.
    pub async fn sign_in_app(&self) -> Result<SignInApp, StoreError> {
        #[derive(sqlx::FromRow)]
        struct AppRow {
            api_url: Option<String>,
            client_id: Option<String>,
            key_id: Option<String>,
            nonce: Option<Vec<u8>>,
            ciphertext: Option<Vec<u8>>,
        }
        let row: Option<AppRow> = self
            .db()
            .fetch_optional(
                "SELECT c.api_url, c.client_id, s.key_id, s.nonce, s.ciphertext FROM okta_connections c
                 LEFT JOIN secrets s ON s.tenant_id = c.tenant_id AND s.field = $2 WHERE c.tenant_id = $1",
                &[self.id().into(), SecretField::ClientSecret.as_str().into()],
            )
            .await?;
        let Some(row) = row else { return Ok(SignInApp::default()) };
        let host = row.api_url.as_deref().map(host_of).unwrap_or_default().to_owned();
        let sealed = secrets::Sealed::of(row.key_id, row.nonce, row.ciphertext);
        let open = |sealed| {
            secrets::opened(self.db(), self.id(), SecretField::ClientSecret, &host, &sealed)
        };
        let secret = sealed.map(open).transpose()?;
        Ok(SignInApp { api_url: row.api_url, client_id: row.client_id, secret })
    }

    /// The connection as it is set; all empty before anybody set it.
    pub async fn connection(&self) -> Result<OktaConnection, StoreError> {
        let row: Option<ConnectionRow> =
            self.db().fetch_optional(SELECT, &[self.id().into()]).await?;
        Ok(row.map(OktaConnection::from).unwrap_or_default())
    }

    /// Changes the connection and its secrets together, or nothing. Whatever needed a person's attention is taken as seen
    /// to.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] when another host is named without giving again each secret that is stored: a secret is
    /// never sent to a host it was not entered for. Also when a secret is given before any address is.
    pub async fn set_connection(
        &self,
        update: ConnectionUpdate,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<OktaConnection, StoreError> {
        let mut write = self.write(now).await?;
        let present = load(&mut write).await?;
        let api_url = update.api_url.clone().or_else(|| present.api_url.clone());
        let given = [
            (SecretField::ClientSecret, "--client-secret", update.client_secret.as_ref()),
            (SecretField::ApiToken, "--api-token", update.api_token.as_ref()),
        ];
        if api_url.is_none() && given.iter().any(|(_, _, secret)| secret.is_some()) {
            return Err(StoreError::Conflict(
                "give --api-url first: a secret is bound to the host of Okta".into(),
            ));
        }
        if let (Some(old), Some(new)) = (&present.api_url, &api_url)
            && old != new
        {
            refuse_to_carry_secrets(&mut write, old, new, &given).await?;
        }
        let mut changed = Vec::new();
        let mut next = present.clone();
        for (name, slot, value) in [
            ("api_url", &mut next.api_url, &update.api_url),
            ("client_id", &mut next.client_id, &update.client_id),
            ("app_id", &mut next.app_id, &update.app_id),
        ] {
            if value.is_some() && slot != value {
                changed.push((name, slot.clone(), value.clone()));
                slot.clone_from(value);
            }
        }
        next.attention = None;
        next.attention_at = None;
        store(&mut write, &next).await?;
        if changed.iter().any(|(name, ..)| matches!(*name, "api_url" | "app_id")) {
            app_groups::forget(&mut write).await?;
        }
        if !changed.is_empty() {
            let before = json_object(changed.iter().map(|(name, old, _)| (*name, old.as_deref())));
            let after = json_object(changed.iter().map(|(name, _, new)| (*name, new.as_deref())));
            write.record_by(
                ids.next(now),
                by,
                Subject::Settings,
                "settings",
                Some(before),
                Some(after),
            );
        }
        let another = changed.iter().any(|(name, ..)| matches!(*name, "api_url" | "client_id"));
        if another || update.client_secret.is_some() {
            // What was proved was another connection.
            let sql = "UPDATE okta_connections SET connected_at = NULL, connected_by = NULL, issuer = NULL
                       WHERE tenant_id = $1";
            write.tx().execute(sql, &[self.id().into()]).await?;
            let sql = "DELETE FROM okta_proofs WHERE tenant_id = $1";
            write.tx().execute(sql, &[self.id().into()]).await?;
            // Nobody must be kept out by a connection that nobody has tried.
            entry::turn(&mut write, Entry::Any, by, ids).await?;
        }
        let host = api_url.as_deref().map(host_of).unwrap_or_default();
        for (field, _, secret) in given {
            if let Some(secret) = secret {
                secrets::put(&mut write, self.db(), field, host, secret, by.actor).await?;
                let after = json_object([("field", Some(field.as_str())), ("host", Some(host))]);
                write.record_by(
                    ids.next(now),
                    by,
                    Subject::Credential,
                    "credential",
                    None,
                    Some(after),
                );
            }
        }
        write.commit().await?;
        Ok(next)
    }

    /// Stores a secret that is ours and is sent to nobody: what Okta must show with an event hook.
    pub async fn set_own_secret(
        &self,
        field: SecretField,
        secret: &SecretString,
        by: By<'_>,
        ids: &mut IdSource,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut write = self.write(now).await?;
        secrets::put(&mut write, self.db(), field, "", secret, by.actor).await?;
        hooks::bump(&mut write).await?;
        let after = json_object([("field", Some(field.as_str()))]);
        write.record_by(ids.next(now), by, Subject::Credential, "credential", None, Some(after));
        write.commit().await
    }
}

async fn refuse_to_carry_secrets(
    write: &mut Write,
    old: &str,
    new: &str,
    given: &[(SecretField, &str, Option<&SecretString>)],
) -> Result<(), StoreError> {
    #[derive(sqlx::FromRow)]
    struct FieldRow {
        field: String,
    }
    let tenant = write.tenant();
    let stored: Vec<FieldRow> = write
        .tx()
        .fetch_all("SELECT field FROM secrets WHERE tenant_id = $1", &[tenant.into()])
        .await?;
    let missing: Vec<&str> = given
        .iter()
        .filter(|(field, _, secret)| {
            secret.is_none() && stored.iter().any(|row| row.field == field.as_str())
        })
        .map(|(_, option, _)| *option)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(StoreError::Conflict(format!(
        "{new} is another host than {old}: give {} again too, because what is stored may be sent to {} only; nothing was \
         changed",
        missing.join(" and "),
        host_of(old)
    )))
}

/// The connection, inside a change.
pub async fn load(write: &mut Write) -> Result<OktaConnection, StoreError> {
    let tenant = write.tenant();
    let row: Option<ConnectionRow> = write.tx().fetch_optional(SELECT, &[tenant.into()]).await?;
    Ok(row.map(OktaConnection::from).unwrap_or_default())
}

/// Notes that the connection needs a person (the code of a problem), or that all is well again.
pub async fn set_attention(write: &mut Write, code: Option<&str>) -> Result<(), StoreError> {
    let present = load(write).await?;
    if present.attention.as_deref() == code {
        return Ok(());
    }
    let attention_at = code.map(|_| write.now());
    store(write, &OktaConnection { attention: code.map(str::to_owned), attention_at, ..present })
        .await
}

/// Notes that what needed a person is over, if it was this.
pub async fn end_attention(write: &mut Write, code: &str) -> Result<(), StoreError> {
    if load(write).await?.attention.as_deref() == Some(code) {
        set_attention(write, None).await?;
    }
    Ok(())
}

/// Notes the stable id of the Okta organisation.
pub async fn set_org_id(write: &mut Write, org_id: &str) -> Result<(), StoreError> {
    let present = load(write).await?;
    store(write, &OktaConnection { org_id: Some(org_id.to_owned()), ..present }).await
}

async fn store(write: &mut Write, connection: &OktaConnection) -> Result<(), StoreError> {
    let (tenant, now) = (write.tenant(), write.now());
    write
        .tx()
        .execute(
            "INSERT INTO okta_connections (tenant_id, api_url, client_id, app_id, org_id, attention, attention_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (tenant_id) DO UPDATE SET api_url = excluded.api_url, client_id = excluded.client_id,
                 app_id = excluded.app_id, org_id = excluded.org_id, attention = excluded.attention,
                 attention_at = excluded.attention_at, updated_at = excluded.updated_at",
            &[
                tenant.into(),
                connection.api_url.as_deref().into(),
                connection.client_id.as_deref().into(),
                connection.app_id.as_deref().into(),
                connection.org_id.as_deref().into(),
                connection.attention.as_deref().into(),
                Arg::Int(connection.attention_at.map(micros)),
                micros(now).into(),
            ],
        )
        .await
        .map(drop)
}

/// What follows the scheme, up to the path.
fn host_of(api_url: &str) -> &str {
    let rest = api_url.split_once("://").map_or(api_url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}
