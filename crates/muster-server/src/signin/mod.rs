//! Signing in: by Okta as a relying party, or with a password; and the sessions that begin by it.
//!
//! Nothing here knows of HTTP. What may be waited for is Okta, for ten seconds at most.

mod connect;
mod enter;
mod error;
mod flow;
mod password;
mod providers;
mod revoke;
mod second;
mod token;

use std::sync::Arc;

use muster_core::id::IdSource;
use muster_okta::address::{ExtraHosts, OktaAddress};
use muster_okta::oidc::OidcClient;
use muster_okta::transport::Transport;
use muster_store::history::By;
use muster_store::jobs::Due;
use muster_store::tenants::TenantDb;
use secrecy::SecretString;
use tokio::sync::mpsc;

use self::password::{Addresses, Hasher};
use self::providers::{Known, Providers};
use crate::clock::{Clock, random_seed};
use crate::config::parse::PublicUrl;
use crate::connect::Connect;

pub use self::connect::{Proof, ProofLine};
pub use self::enter::{Entered, Visitor};
pub use self::error::SignInError;
pub use self::flow::{AWAY_MAX, Begun, CallbackQuery, Flow, Proven, Purpose, cookie_of};
pub use self::password::{Checked, HalfIn, NewPassword, PasswordError, Places};
pub use self::revoke::{PATH as REVOCATION_PATH, RevocationError};
pub use self::second::{BegunFactor, SecondError};
pub use self::token::{Token, hashed};

/// What signing in works with.
pub struct SignInConfig {
    pub clock: Clock,
    pub public_url: PublicUrl,
    pub extra_hosts: ExtraHosts,
    /// The way to Okta.
    pub transport: Transport,
    /// For the one live read of somebody who is not here yet.
    pub connect: Arc<dyn Connect>,
    /// Whom to tell that a person is to be read.
    pub wake: mpsc::UnboundedSender<Due>,
}

/// Signs people in. Cloning it is cheap.
#[derive(Clone)]
pub struct SignIn(Arc<Shared>);

struct Shared {
    config: SignInConfig,
    providers: Providers,
    hasher: Hasher,
    places: Places,
    addresses: Addresses,
    /// Who brought codes that Okta did not take: each costs the organisation one of the calls that it may make.
    wrong_codes: Places,
}

/// How a tenant's app at Okta is called.
struct AppAtOkta {
    address: OktaAddress,
    client_id: String,
    secret: SecretString,
}

/// A tenant's authorization server, and how it is spoken with.
struct Reached {
    app: AppAtOkta,
    client: OidcClient,
    known: Arc<Known>,
}

impl SignIn {
    pub fn new(config: SignInConfig) -> Self {
        let providers = Providers::new(config.clock.clone());
        let (places, wrong_codes) = (Places::default(), Places::default());
        let (hasher, addresses) = (Hasher::new(), Addresses::new());
        Self(Arc::new(Shared { config, providers, hasher, places, addresses, wrong_codes }))
    }

    fn now(&self) -> jiff::Timestamp {
        self.0.config.clock.now()
    }

    fn ids() -> IdSource {
        IdSource::seeded(random_seed())
    }

    async fn app(&self, tenant: &TenantDb) -> Result<AppAtOkta, SignInError> {
        let app = tenant.sign_in_app().await?;
        let url = app.api_url.ok_or(SignInError::NotSetUp("the API URL"))?;
        let client_id = app.client_id.ok_or(SignInError::NotSetUp("the client id"))?;
        let address = OktaAddress::parse(&url, &self.0.config.extra_hosts, true)
            .map_err(|refused| SignInError::Address(refused.to_string()))?
            .address;
        let secret = app.secret.ok_or(SignInError::NotSetUp("the client secret"))?;
        Ok(AppAtOkta { address, client_id, secret })
    }

    /// The authorization server of a tenant, discovered if it is not known.
    async fn reach(&self, tenant: &TenantDb) -> Result<Reached, SignInError> {
        let app = self.app(tenant).await?;
        let client = OidcClient::new(app.address.clone(), self.0.config.transport.clone());
        let address = app.address.to_string();
        let known = self.0.providers.get(tenant.id(), &client, &address, &app.client_id).await;
        Ok(Reached { known: known.map_err(SignInError::Oidc)?, app, client })
    }
}

/// A change that a person makes in the web.
pub fn by_person(actor: &str) -> By<'_> {
    By { actor, cause: "web", run: None, reason: None }
}
