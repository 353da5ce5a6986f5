//! Several programs that serve one PostgreSQL database, one of which is killed or frozen while it reads somebody again.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, channel};

use jiff::Timestamp;
use muster_core::person::Status;
use muster_core::rules::ManagerMode;
use muster_core::tenant::TenantSlug;
use muster_oktasim::{Action, Area, Right};
use muster_server::clock::Clock;
use muster_store::Db;
use muster_store::tenants::TenantDb;
use serde_json::{Map, Value, json};

use super::gate::Held;
use super::process::Event;
use super::snapshot;
use super::world::{Engine, Story, World};
use crate::support::{Client, HOOK, Program, one};

/// Programs that serve a connected company of which everybody is here.
struct Cluster {
    world: World,
    db: Db,
    tenant: TenantDb,
    secret: String,
    nodes: Vec<(Program, SocketAddr)>,
    deliveries: u32,
    /// The first two people: login and Okta id.
    people: Vec<(String, String)>,
}

impl Cluster {
    async fn of(nodes: usize) -> Option<Self> {
        let mut world = World::before(Story::First, Engine::Postgres).await?;
        // Nobody but the hook tells of anything.
        world.gate.org().set_right(Area::Logs, Right::None);
        world.home.set("MUSTER_LEASE_SECONDS", "1");
        world.home.set("MUSTER_LISTEN", "127.0.0.1:0");
        world.home.set("MUSTER_PUBLIC_URL", "https://learn.example");
        world.home.line("okta sync fernhill").done();
        let secret = world.home.line("okta hook-secret fernhill").done().out.trim().to_owned();
        let nodes = (0..nodes).map(|_| {
            let mut program = Program::start(world.home.command(&["serve", "--json"]));
            let told: Value = serde_json::from_str(&program.first_line()).expect("JSON");
            let address = told["listen"].as_str().expect("an address").parse();
            (program, address.expect("an address"))
        });
        let nodes = nodes.collect();
        let db = snapshot::open(&world.home).await;
        let slug = TenantSlug::parse("fernhill").expect("a subdomain");
        let tenant = db.tenant_by_slug(&slug).await.expect("a query").expect("a tenant");
        let tenant = db.tenant(tenant.id);
        let known = tenant.people_page(ManagerMode::Off, None, "", 2_000).await.expect("people");
        let linked = known.into_iter().filter(|person| person.status == Status::Active);
        let linked =
            linked.filter_map(|person| Some((person.email, person.okta_user_id?.to_string())));
        let people = linked.take(2).collect();
        Some(Self { world, db, tenant, secret, nodes, deliveries: 0, people })
    }

    /// Somebody gets another title in Okta, and Okta tells one of the programs.
    async fn rename(&mut self, person: usize, title: &str, node: usize) {
        let okta_id = self.people[person].1.clone();
        let profile = Map::from_iter([("title".to_owned(), json!(title))]);
        let update = Action::Update { who: okta_id.clone(), profile };
        self.world.gate.org().act(&update, Clock::Wall.now()).expect("done");
        self.world.gate.changed();
        self.deliveries += 1;
        let body = one(&format!("cluster-{}", self.deliveries), &okta_id);
        let headers = [("host", "fernhill.learn.example"), ("authorization", &*self.secret)];
        let mut client = Client::to(self.nodes[node].1).await;
        assert_eq!(client.call("POST", HOOK, &headers, &body).await.status, 204);
    }

    /// Waits until somebody has a title.
    async fn wait_for(&mut self, person: usize, title: &str) {
        let email = self.people[person].0.clone();
        while self.title(&email).await.as_deref() != Some(title) {
            for (program, _) in &mut self.nodes {
                assert!(program.is_running(), "it ended by itself");
            }
            tokio::task::yield_now().await;
        }
    }

    async fn title(&self, email: &str) -> Option<String> {
        let people =
            self.tenant.people_page(ManagerMode::Off, None, "", 2_000).await.expect("people");
        people.into_iter().find(|person| person.email == email)?.title
    }

    /// Changes of titles in the history, oldest first, since a moment.
    async fn titles_since(&self, since: Timestamp) -> Vec<String> {
        let entries = self.tenant.history(None, 200).await.expect("entries");
        let mut titles: Vec<String> = entries
            .iter()
            .filter(|entry| entry.at >= since)
            .filter_map(|entry| {
                let after: Value = serde_json::from_str(entry.after.as_ref()?.get()).ok()?;
                after["title"].as_str().map(str::to_owned)
            })
            .collect();
        titles.reverse();
        titles
    }

    /// Which program works in the person lane.
    async fn worker(&self) -> usize {
        #[derive(sqlx::FromRow)]
        struct OwnerRow {
            owner: String,
        }
        let sql = "SELECT owner FROM lanes WHERE lane = 'person' AND owner IS NOT NULL";
        let rows: Vec<OwnerRow> = self.db.fetch_all(sql, &[]).await.expect("rows");
        let [row] = &rows[..] else { panic!("nobody works") };
        let id = row.owner.rsplit(':').next().expect("a process");
        let at = self.nodes.iter().position(|(program, _)| program.id().to_string() == id);
        at.unwrap_or_else(|| panic!("{} is none of ours", row.owner))
    }

    /// Keeps back the next answer about somebody.
    fn hold(&self, person: usize) -> (Held, Receiver<Event>) {
        let (tell, told) = channel();
        (self.world.gate.hold_next(&format!("/users/{}", self.people[person].1), tell), told)
    }
}

async fn moved_on(nodes: usize, freeze: bool) {
    let Some(mut cluster) = Cluster::of(nodes).await else { return };
    let began = Clock::Wall.now();
    let (held, told) = cluster.hold(0);
    cluster.rename(0, "First", 0).await;
    let called = tokio::task::spawn_blocking(move || told.recv()).await.expect("no panic");
    assert_eq!(called, Ok(Event::Called));
    let at = cluster.worker().await;
    let (program, address) = cluster.nodes.remove(at);
    let frozen = if freeze {
        program.freeze();
        Some((program, address))
    } else {
        program.kill();
        None
    };
    // The lease runs out, and another one reads again.
    cluster.wait_for(0, "First").await;
    cluster.rename(0, "Second", 0).await;
    cluster.wait_for(0, "Second").await;
    let mut wanted = vec!["First", "Second"];
    if let Some((program, address)) = frozen {
        // It gets the answer that it waited for, of long ago, as if no time had passed.
        drop(held);
        program.thaw();
        for (program, _) in cluster.nodes.drain(..) {
            program.end_by("TERM", 0);
        }
        // Alone, it does what comes next, behind whatever it made of that answer.
        cluster.nodes.push((program, address));
        cluster.rename(1, "Third", 0).await;
        cluster.wait_for(1, "Third").await;
        cluster.rename(0, "Fourth", 0).await;
        cluster.wait_for(0, "Fourth").await;
        wanted.extend(["Third", "Fourth"]);
    }
    assert_eq!(cluster.titles_since(began).await, wanted, "each once, and nothing of long ago");
    for (program, _) in cluster.nodes.drain(..) {
        program.end_by("TERM", 0);
    }
    let (waiting, _) = cluster.tenant.events_waiting().await.expect("a count");
    assert_eq!(waiting, 0);
    cluster.db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_goes_on_when_the_first_is_killed() {
    moved_on(2, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_goes_on_when_another_is_killed() {
    moved_on(3, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_one_of_two_that_wakes_up_writes_nothing_of_long_ago() {
    moved_on(2, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_one_of_three_that_wakes_up_writes_nothing_of_long_ago() {
    moved_on(3, true).await;
}
