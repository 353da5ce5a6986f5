//! The web of the service in this process, on a port of its own, and tenants at its door.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use muster_core::id::IdSource;
use muster_core::person::Email;
use muster_core::tenant::TenantSlug;
use muster_okta::address::ExtraHosts;
use muster_okta::reply::Reply;
use muster_okta::request::Request;
use muster_okta::transport::{Exchange, Transport, TransportError};
use muster_server::clock::Clock;
use muster_server::config::parse::PublicUrl;
use muster_server::signin::{SignIn, SignInConfig};
use muster_server::sync::OktaConnect;
use muster_server::telemetry::metrics::{Metrics, Pulse};
use muster_server::web::{self, Web, WebConfig};
use muster_store::connection::ConnectionUpdate;
use muster_store::jobs::Due;
use muster_store::tenants::NewTenant;
use muster_store::{Db, TenantDb};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{ANA, Answer, Client};

pub(crate) const APP: &str = "0oaMuster";
pub(crate) const SECRET: &str = "s3cret-of-the-hook";
pub(crate) const HOOK: &str = "/webhooks/okta";

/// An Okta that is not there: the door needs none.
struct Nowhere;

impl Exchange for Nowhere {
    fn exchange(&self, _: Request) -> BoxFuture<'_, Result<Reply, TransportError>> {
        Box::pin(async { Err(TransportError::Timeout) })
    }
}

fn nowhere(clock: &Clock) -> OktaConnect {
    let transport = Transport::InProcess(Arc::new(Nowhere));
    OktaConnect::new(clock.clone(), ExtraHosts::default(), transport, 1)
}

/// A web that answers until it is dropped.
pub(crate) struct Served {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) address: SocketAddr,
    pub(crate) operators: SocketAddr,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) stop: watch::Sender<bool>,
    /// What the door tells the loop of work.
    pub(crate) wakes: mpsc::UnboundedReceiver<Due>,
    ids: IdSource,
    _tasks: JoinSet<()>,
}

impl Served {
    /// Serves a database by a clock that stands still.
    pub(crate) async fn standing_still(db: &Db) -> Self {
        Self::by(db, Clock::manual("2026-11-23T10:00:00Z".parse().expect("a time"))).await
    }

    pub(crate) async fn by(db: &Db, clock: Clock) -> Self {
        let (wake, wakes) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let pulse = Arc::new(Pulse::default());
        let public_url = PublicUrl::parse("https://learn.example").expect("an address");
        let config = WebConfig {
            trusted_proxies: Vec::new(),
            clock: clock.clone(),
            seed: [9; 32],
            metrics: Arc::new(Metrics::default()),
            pulse: Arc::clone(&pulse),
            signin: SignIn::new(SignInConfig {
                clock: clock.clone(),
                public_url: public_url.clone(),
                extra_hosts: ExtraHosts::default(),
                transport: Transport::InProcess(Arc::new(Nowhere)),
                connect: Arc::new(nowhere(&clock)),
                wake: wake.clone(),
            }),
            support_contact: None,
            public_url,
            wake,
            stop: stopped.clone(),
        };
        let (web, groups) = Web::new(db.clone(), config);
        let mut tasks = JoinSet::new();
        tasks.spawn(groups.run());
        let mut served = Vec::new();
        for router in [web.public(), web.operators()] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            served.push(listener.local_addr().expect("an address"));
            tasks.spawn(web::serve(listener, router, clock.clone(), stopped.clone()));
        }
        let (db, ids) = (db.clone(), IdSource::seeded([8; 32]));
        let [address, operators] = served[..] else { panic!("two routers") };
        Self { db, clock, address, operators, pulse, stop, wakes, ids, _tasks: tasks }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A connected tenant with the hook secret [`SECRET`].
    pub(crate) async fn tenant(&mut self, slug: &str) -> TenantDb {
        let tenant = made(&self.db, slug, &mut self.ids, self.clock.now()).await;
        self.rotate(&tenant, SECRET, None).await;
        tenant
    }

    pub(crate) async fn rotate(&mut self, tenant: &TenantDb, new: &str, keep: Option<Timestamp>) {
        let (new, now) = (SecretString::from(new), self.clock.now());
        tenant.rotate_hook_secret(&new, keep, ANA, &mut self.ids, now).await.expect("rotated");
    }

    pub(crate) async fn switch(&mut self, tenant: &TenantDb, on: bool) {
        let now = self.clock.now();
        tenant.set_okta_enabled(on, ANA, &mut self.ids, now).await.expect("switched");
    }

    /// Waits until everything that was answered is sorted into events and work.
    pub(crate) async fn settled(&self) {
        while self.db.inbox_waits().await.expect("a query") {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::to(self.address).await
    }

    /// Delivers a body to a tenant, on a connection of its own.
    pub(crate) async fn deliver(&self, slug: &str, secret: &str, body: &[u8]) -> Answer {
        deliver(&mut self.client().await, slug, secret, body).await
    }
}

/// A tenant that is connected and has no hook secret yet.
pub(crate) async fn made(db: &Db, slug: &str, ids: &mut IdSource, now: Timestamp) -> TenantDb {
    let new = NewTenant {
        owner_link: None,
        slug: TenantSlug::parse(slug).expect("a subdomain"),
        name: slug.to_owned(),
        owner: Email::parse("olga@acme.example").expect("an address"),
        rules: String::new(),
    };
    let tenant = db.create_tenant(&new, ANA, ids, now).await.expect("a tenant");
    let tenant = db.tenant(tenant.id);
    tenant.set_okta_enabled(true, ANA, ids, now).await.expect("on");
    let app = ConnectionUpdate { app_id: Some(APP.into()), ..ConnectionUpdate::default() };
    tenant.set_connection(app, ANA, ids, now).await.expect("connected");
    tenant
}

/// Delivers a body to a tenant.
pub(crate) async fn deliver(client: &mut Client, slug: &str, secret: &str, body: &[u8]) -> Answer {
    let host = format!("{slug}.learn.example");
    client.call("POST", HOOK, &[("host", &host), ("authorization", secret)], body).await
}

/// A delivery with one event for each of these users.
pub(crate) fn delivery(id: &str, users: impl IntoIterator<Item = String>) -> Vec<u8> {
    let event = |(n, user): (usize, String)| {
        json!({"uuid": format!("{id}-{n}"), "published": "2026-11-23T09:59:59.000Z", "eventType": "user.lifecycle.deactivate",
               "version": "0", "severity": "INFO", "displayMessage": "Deactivate Okta User",
               "actor": {"id": "00uAdmin", "type": "User", "alternateId": "admin@acme.example"},
               "client": {"userAgent": {"rawUserAgent": "x"}, "zone": "null", "ipChain": []},
               "outcome": {"result": "SUCCESS", "reason": null},
               "target": [{"id": user, "type": "User", "alternateId": "a@acme.example", "displayName": "A"}],
               "transaction": {"type": "WEB", "id": "t", "detail": {}}, "debugContext": {"debugData": {}}})
    };
    let events: Vec<Value> = users.into_iter().enumerate().map(event).collect();
    let envelope = json!({"eventType": "com.okta.event_hook", "eventTypeVersion": "1.0", "cloudEventsVersion": "0.1",
                          "source": "https://acme.okta.com/api/v1/eventHooks/who1", "eventId": id,
                          "data": {"events": events}, "eventTime": "2026-11-23T10:00:00.000Z", "contentType": "application/json"});
    serde_json::to_vec(&envelope).expect("json")
}

/// A delivery with one event for one user.
pub(crate) fn one(id: &str, user: &str) -> Vec<u8> {
    delivery(id, [user.to_owned()])
}
