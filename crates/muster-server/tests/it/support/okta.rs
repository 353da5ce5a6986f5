//! A simulated Okta, and an installation connected to it.

use muster_oktasim::{OrgHandle, RunningSim, Sim, SimConfig};

use super::Home;

/// A simulated Okta org, served on loopback until it is dropped.
pub(crate) struct Okta(RunningSim);

impl Okta {
    /// An org of so many people; 0 is the company Fernhill.
    pub(crate) async fn of(people: u32) -> Self {
        let config = SimConfig { people, seed: 1, ..SimConfig::default() };
        Self(Sim::start(config).await.expect("a simulator"))
    }

    /// The company Fernhill.
    pub(crate) async fn fernhill() -> Self {
        Self::of(0).await
    }
}

impl std::ops::Deref for Okta {
    type Target = RunningSim;
    fn deref(&self) -> &RunningSim {
        &self.0
    }
}

/// Makes the tenant `fernhill` in `home` and connects it to `okta`, all by commands.
pub(crate) fn connect(home: &mut Home, okta: &Okta) {
    connect_to(home, okta.base(), okta.org());
}

/// As [`connect`], to an org that is served at `base`.
pub(crate) fn connect_to(home: &mut Home, base: &str, org: &OrgHandle) {
    let host = base.trim_start_matches("http://").trim_end_matches('/').to_owned();
    home.set("MUSTER_OKTA_EXTRA_HOSTS", &host);
    home.file("client-secret", &org.client_secret());
    home.file("api-token", &org.api_token());
    let owner = "olga.owner@fernhill.example";
    home.muster(&["tenant", "create", "fernhill", "--name", "Fernhill Group", "--owner", owner])
        .done();
    home.line("okta enable fernhill").done();
    let client = org.client_id();
    let set = format!(
        "okta set fernhill --api-url {base} --client-id {client} --client-secret client-secret --api-token api-token"
    );
    home.line(&set).done();
}
