//! *Connect to Okta*: what the round trip of an admin proves, and whom it would link.

use muster_core::id::PersonId;
use muster_core::person::Person;
use muster_okta::KeepAttributes;
use muster_okta::wire::App;
use muster_store::StoreError;
use muster_store::entry::OktaProof;
use muster_store::people::PersonKey;
use muster_store::tenants::TenantDb;
use serde_json::json;
use tokio::time::timeout;

use super::enter::WAIT_MAX;
use super::flow::{Proven, Purpose};
use super::{SignIn, SignInError, by_person};

/// One thing that was looked at. What is wrong is said in words of [`ProofLine::key`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofLine {
    /// `round-trip`, `token`, `app`, `redirects`, `people`, `assignment`.
    pub key: &'static str,
    pub is_good: bool,
    /// What was found, or what Okta said.
    pub detail: String,
}

/// What a round trip proved.
#[derive(Debug)]
pub struct Proof {
    pub lines: Vec<ProofLine>,
    /// Whether all is well, so that the tenant is connected from now on.
    pub is_connected: bool,
}

impl SignIn {
    /// Looks at all that signing in alone does not show, and notes what the round trip proved for the one who made it.
    pub async fn note_proof(
        &self,
        tenant: &TenantDb,
        slug: &str,
        acting: PersonId,
        proven: &Proven,
    ) -> Result<Proof, SignInError> {
        if !tenant.use_state(&proven.state_hash, self.now()).await? {
            return Err(SignInError::Replayed);
        }
        let who = proven.identity.name.clone().or_else(|| proven.identity.login.clone());
        let who = who.unwrap_or_else(|| proven.identity.user.to_string());
        let mut lines = vec![ProofLine { key: "round-trip", is_good: true, detail: who }];
        let mark = tenant.connection_mark().await?;
        match timeout(WAIT_MAX, self.api_lines(tenant, slug, proven)).await {
            Ok(found) => lines.extend(found),
            Err(_) => lines.push(ProofLine {
                key: "token",
                is_good: false,
                detail: "Okta did not answer in time".to_owned(),
            }),
        }
        let is_connected = lines.iter().all(|line| line.is_good);
        let said = json!({
            "name": proven.identity.name, "email": proven.identity.email, "login": proven.identity.login,
            "issuer": proven.issuer,
            "lines": lines.iter().map(|line| json!([line.key, line.is_good, line.detail])).collect::<Vec<_>>(),
        });
        let now = self.now();
        let okta_user_id = proven.identity.user.clone();
        let proof = OktaProof { okta_user_id, said: said.to_string(), at: now };
        let actor = acting.to_string();
        let (by, mut ids) = (by_person(&actor), Self::ids());
        let issuer = is_connected.then_some((proven.issuer.as_str(), mark.as_str()));
        let is_connected = tenant.put_proof(acting, &proof, issuer, by, &mut ids, now).await?;
        Ok(Proof { lines, is_connected })
    }

    /// What the API token shows: that it works, reads the app, reads people, and that whoever signed in is assigned.
    async fn api_lines(&self, tenant: &TenantDb, slug: &str, proven: &Proven) -> Vec<ProofLine> {
        let line = |key, found: Result<String, String>| ProofLine {
            key,
            is_good: found.is_ok(),
            detail: found.unwrap_or_else(|why| why),
        };
        let connected = match self.0.config.connect.connect(tenant).await {
            Ok(connected) => connected,
            Err(error) => return vec![line("token", Err(error.to_string()))],
        };
        let (client, app_id) = (&connected.client, &connected.app_id);
        let user = &proven.identity.user;
        let keep = KeepAttributes::new(Vec::<String>::new());
        // Four short calls, side by side: somebody waits.
        let (me, app, person, assigned) = tokio::join!(
            client.me(),
            client.app(app_id),
            client.user(user, &keep),
            client.app_user(app_id, user)
        );
        let me = me.map(|me| me.profile.login.or(me.profile.email).unwrap_or(me.id));
        let redirects = match &app {
            Ok(app) => self.redirects(slug, app),
            Err(error) => Err(error.to_string()),
        };
        let app = match app {
            Ok(app) if app.status == "ACTIVE" => Ok(app.label),
            Ok(app) => Err(format!("{} is not active", app.label)),
            Err(error) => Err(error.to_string()),
        };
        let person = match person {
            Ok(Some(listed)) => Ok(listed.user.id.to_string()),
            Ok(None) => Err(format!("{user} cannot be read with this API token")),
            Err(error) => Err(error.to_string()),
        };
        let assigned = match assigned {
            Ok(Some(assigned)) => Ok(assigned.id),
            Ok(None) => Err(format!("{user} is not assigned to the app")),
            Err(error) => Err(error.to_string()),
        };
        vec![
            line("token", me.map_err(|error| error.to_string())),
            line("app", app),
            line("redirects", redirects),
            line("people", person),
            line("assignment", assigned),
        ]
    }

    /// Whether both addresses that Okta sends browsers back to are registered at the app.
    fn redirects(&self, slug: &str, app: &App) -> Result<String, String> {
        let wanted = [Purpose::Connect, Purpose::SignIn].map(|to| self.redirect_uri(slug, to));
        let missing: Vec<&str> = wanted
            .iter()
            .filter(|uri| !app.redirect_uris.contains(uri))
            .map(String::as_str)
            .collect();
        if missing.is_empty() { Ok(wanted.join(" ")) } else { Err(missing.join(" ")) }
    }

    /// The account that the Okta user of a proof belongs to, if any does.
    pub async fn holder_of(
        &self,
        tenant: &TenantDb,
        proof: &OktaProof,
    ) -> Result<Option<Person>, StoreError> {
        tenant.find_person(&PersonKey::Okta(proof.okta_user_id.clone())).await
    }

    /// Links the account of `acting` to the Okta user who was shown to them, after they said so. Another tab may have been at Okta since:
    /// `shown` is the user of the page that was confirmed.
    pub async fn link(
        &self,
        tenant: &TenantDb,
        acting: PersonId,
        shown: &str,
    ) -> Result<(), StoreError> {
        let proof = tenant.proof(acting).await?;
        let Some(proof) = proof.filter(|proof| proof.okta_user_id.as_str() == shown) else {
            return Err(StoreError::Conflict("press Connect to Okta first".into()));
        };
        let actor = acting.to_string();
        let (by, mut ids, now) = (by_person(&actor), Self::ids(), self.now());
        tenant.link_by_proof(acting, &proof.okta_user_id, by, &mut ids, now).await?;
        // The job is there already; this only wakes whoever does it.
        self.wake(tenant);
        Ok(())
    }
}
