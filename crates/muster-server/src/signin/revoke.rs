//! Universal Logout: Okta asks that somebody be signed out everywhere. It ends sessions and never takes access away.
//!
//! Source: Okta, "Universal Logout"; the draft "Global Token Revocation" of the OAuth working group.

use muster_core::claims::{RevocationExpected, judge_revocation};
use muster_core::id::OktaUserId;
use muster_core::person::Person;
use muster_store::StoreError;
use muster_store::people::PersonKey;
use muster_store::tenants::TenantDb;
use serde::Deserialize;

use super::{Reached, SignIn, SignInError, by_person};

/// The type of the token that Okta shows.
const TYP: &str = "global-token-revocation+jwt";
/// The path of the endpoint.
pub const PATH: &str = "/users/auth/okta/global-token-revocation";

/// Why nobody was signed out.
#[derive(Debug, thiserror::Error)]
pub enum RevocationError {
    /// The body is not one of the two that are documented.
    #[error("the request cannot be read")]
    Malformed,
    /// The token is not Okta's, or not for this.
    #[error("the token is not to be believed")]
    Refused(#[source] SignInError),
    /// There is no such person here.
    #[error("there is no such person")]
    Unknown,
    /// It could not be done now.
    #[error("it could not be done now")]
    Failed(#[source] SignInError),
}

#[derive(Deserialize)]
struct Body {
    sub_id: SubjectId,
}

#[derive(Deserialize)]
#[serde(tag = "format", rename_all = "snake_case")]
enum SubjectId {
    Email { email: String },
    IssSub { iss: String, sub: String },
}

impl From<StoreError> for RevocationError {
    fn from(error: StoreError) -> Self {
        Self::Failed(SignInError::Store(error))
    }
}

impl SignIn {
    /// Ends all sessions of the person whom Okta names; says how many there were.
    pub async fn revoke(
        &self,
        tenant: &TenantDb,
        slug: &str,
        token: &str,
        body: &[u8],
    ) -> Result<u64, RevocationError> {
        let reached = self.reach(tenant).await.map_err(RevocationError::Failed)?;
        let Reached { app, client, known } = reached;
        let claims = self.0.providers.verified(&known, &client, token, Some(TYP)).await;
        let claims = claims.map_err(|error| match error {
            SignInError::Token(_) => RevocationError::Refused(error),
            other => RevocationError::Failed(other),
        })?;
        let endpoint = format!("{}{PATH}", self.0.config.public_url.of_tenant(slug));
        let issuer = known.provider.issuer();
        let expected = RevocationExpected {
            issuer,
            client_id: &app.client_id,
            endpoint: &endpoint,
            now: self.now(),
        };
        judge_revocation(&claims, expected)
            .map_err(|bad| RevocationError::Refused(SignInError::Claims(bad)))?;
        let body: Body = serde_json::from_slice(body).map_err(|_| RevocationError::Malformed)?;
        let key = match body.sub_id {
            SubjectId::Email { email } => PersonKey::Email(email.trim().to_lowercase()),
            SubjectId::IssSub { iss, .. } if iss != issuer => return Err(RevocationError::Unknown),
            SubjectId::IssSub { sub, .. } => {
                PersonKey::Okta(OktaUserId::parse(&sub).map_err(|_| RevocationError::Unknown)?)
            }
        };
        // Whom Okta does not feed it cannot mean, whatever their address is.
        let found = tenant.find_person(&key).await?.filter(Person::is_managed);
        let person = found.ok_or(RevocationError::Unknown)?;
        let ended = tenant.end_sessions(person.id, None).await?;
        let count = ended.to_string();
        let said = [("sessions", Some(count.as_str()))];
        let (by, mut ids, now) = (by_person("okta"), Self::ids(), self.now());
        tenant.note_security(person.id, "signed_out_by_okta", &said, by, &mut ids, now).await?;
        Ok(ended)
    }
}
