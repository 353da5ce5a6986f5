//! The pages of a company: a stand with its web on loopback, and somebody who does what events and sign-ins ask for.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use muster_core::person::{Email, Role};
use muster_okta::address::ExtraHosts;
use muster_okta::transport::{Exchange, Transport};
use muster_server::clock::Clock;
use muster_server::config::parse::PublicUrl;
use muster_server::signin::{SignIn, SignInConfig, Token};
use muster_server::sync::{Engine, EngineConfig, OktaConnect, Pace};
use muster_server::telemetry::metrics::{Metrics, Pulse};
use muster_server::web::{self, Web, WebConfig};
use muster_store::accounts::NewAccount;
use muster_store::people::PersonKey;
use muster_store::tenants::Tenant;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{ANA, Browser, Company, Ground, Page, Stand};

pub(crate) const PUBLIC: &str = "https://learn.example";

/// A company with its pages. They go away with it.
pub(crate) struct Site {
    pub(crate) stand: Stand,
    pub(crate) tenant: Tenant,
    pub(crate) address: SocketAddr,
    _stop: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Site {
    pub(crate) async fn open(ground: &Ground, company: Company<'_>) -> Self {
        let stand = Stand::open(ground, company).await;
        let line: Arc<dyn Exchange> = stand.line.clone();
        Self::over(ground, stand, line).await
    }

    /// With something else than the simulator at the other end of the line for signing in.
    pub(crate) async fn over(ground: &Ground, stand: Stand, line: Arc<dyn Exchange>) -> Self {
        let clock = stand.clock.clone();
        let connect = |line: Arc<dyn Exchange>| {
            let transport = Transport::InProcess(line);
            OktaConnect::new(clock.clone(), ExtraHosts::default(), transport, 12).with_tries(1)
        };
        let (wake, mut wakes) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let public_url = PublicUrl::parse(PUBLIC).expect("an address");
        let signin = SignIn::new(SignInConfig {
            clock: clock.clone(),
            public_url: public_url.clone(),
            extra_hosts: ExtraHosts::default(),
            transport: Transport::InProcess(line),
            connect: Arc::new(connect(stand.line.clone())),
            wake: wake.clone(),
        });
        let config = WebConfig {
            public_url,
            trusted_proxies: Vec::new(),
            clock: clock.clone(),
            seed: [9; 32],
            metrics: Arc::new(Metrics::default()),
            pulse: Arc::new(Pulse::default()),
            wake,
            stop: stopped.clone(),
            signin,
            support_contact: Some("help@vendor.example".to_owned()),
        };
        let (web, groups) = Web::new(ground.db.clone(), config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let engine = Engine::new(
            ground.db.clone(),
            EngineConfig {
                clock: clock.clone(),
                seed: [10; 32],
                connect: Arc::new(connect(stand.line.clone())),
                owner: "web".to_owned(),
                lease: Duration::from_mins(1),
                pace: Pace::BRISK,
            },
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(groups.run());
        tasks.spawn(web::serve(listener, web.public(), clock.clone(), stopped));
        let db = ground.db.clone();
        tasks.spawn(async move {
            while let Some(due) = wakes.recv().await {
                engine.person_turn(&db.tenant(due.tenant)).await.expect("a turn");
            }
        });
        let tenant = stand.tenant.tenant().await.expect("a tenant");
        Self { stand, tenant, address, _stop: stop, _tasks: tasks }
    }

    pub(crate) fn host(&self) -> String {
        format!("{}.learn.example", self.tenant.slug)
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.host())
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.stand.clock
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.address, &self.host())
    }

    /// Enters the addresses of this site at the app in Okta.
    pub(crate) fn register(&self) {
        let at = |path: &str| format!("{}{path}", self.url());
        self.stand.okta.change_app(muster_oktasim::AppChange {
            redirect_uris: Some(vec![
                at("/en-US/okta/auth_callback"),
                at("/users/auth/okta/callback"),
            ]),
            post_logout_redirect_uris: Some(vec![at("/signed-out")]),
            initiate_login_uri: Some(at("/users/auth/okta")),
            idp_initiated_login: Some(muster_oktasim::LoginMode::Spec),
            global_token_revocation_uri: Some(at("/users/auth/okta/global-token-revocation")),
            ..muster_oktasim::AppChange::default()
        });
    }

    /// Goes from an address that leads to Okta, through Okta as `who`, back to the site; gives the address there that Okta sends to.
    pub(crate) fn through_okta(&self, who: &str, to: &str) -> String {
        let back = self.stand.okta.sign_in(who, to, self.clock().now());
        let back = back.unwrap_or_else(|refused| panic!("{who}: {refused:?}"));
        back.strip_prefix(&self.url()).unwrap_or_else(|| panic!("{back}")).to_owned()
    }

    /// Signs somebody in with Okta, and shows what they are shown.
    pub(crate) async fn sign_in(&self, browser: &mut Browser, who: &str) -> Page {
        let away = browser.get("/users/auth/okta").await;
        let back = self.through_okta(who, away.leads());
        browser.get(&back).await
    }

    /// An account of a role, whose password is [`password_of`] its address, signed in.
    pub(crate) async fn with_password(&mut self, email: &str, role: Role) -> Browser {
        let now = self.clock().now();
        if self.stand.account(email).await.is_none() {
            let new = NewAccount::new(Email::parse(email).expect("an address"), role);
            let ids = &mut self.stand.ids;
            self.stand.tenant.add_people(&[new], ANA, ids, now).await.expect("added");
        }
        let token = self.link(email).await;
        let mut browser = self.browser();
        browser.get(&format!("/welcome/{}", token.text())).await;
        browser.get("/welcome").await;
        let password = password_of(email);
        let set = browser.post("/welcome", &[("password", &password), ("again", &password)]).await;
        assert_eq!(set.leads(), "/sign-in", "{}", set.body);
        browser.get("/sign-in").await;
        let page = browser.post("/sign-in", &[("email", email), ("password", &password)]).await;
        assert_eq!(page.leads(), "/", "{}", page.body);
        browser
    }

    /// A link for setting a password.
    pub(crate) async fn link(&mut self, email: &str) -> Token {
        let (token, now) = (Token::new(), self.clock().now());
        let ends = now + Duration::from_hours(24);
        let key = PersonKey::Email(email.to_lowercase());
        let (hash, ids) = (token.hash("link"), &mut self.stand.ids);
        let made = self.stand.tenant.make_password_link(&key, &hash, ends, ANA, ids, now).await;
        made.expect("a link");
        token
    }
}

/// A password that is good enough and different for each account.
pub(crate) fn password_of(email: &str) -> String {
    let turned: String =
        email.chars().rev().map(|c| if c.is_alphanumeric() { c } else { ' ' }).collect();
    format!("only i know {turned}")
}
