//! A company on a simulated Okta: its tenant, the real engine, and a clock that moves only when told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use muster_core::id::{IdSource, OktaUserId, PersonId, RunId};
use muster_core::person::{Email, Role, Status, StatusReason};
use muster_core::problem::{Problem, ProblemCode};
use muster_core::rules::Rules;
use muster_core::run::{RunCause, RunKind, RunState};
use muster_core::tenant::TenantSlug;
use muster_okta::address::ExtraHosts;
use muster_okta::transport::{HttpConfig, HttpTransport, Transport};
use muster_oktasim::org::{self, FIRST_OWNER, HandMade};
use muster_oktasim::{Action, Done, Org, OrgHandle, RunningSim, Sim, SimConfig};
use muster_server::clock::Clock;
use muster_server::sync::{Engine, EngineConfig, OktaConnect, Pace, RunError};
use muster_store::accounts::NewAccount;
use muster_store::connection::ConnectionUpdate;
use muster_store::history::By;
use muster_store::items::{Item, ItemState};
use muster_store::people::PersonKey;
use muster_store::people_view::PersonView;
use muster_store::runs::{NewRun, Run};
use muster_store::tenants::NewTenant;
use muster_store::{StoreError, TenantDb};
use serde_json::Value;

use super::invariants::Seen;
use super::{Ground, Line, Tables};

/// The Monday on which all stories begin, at ten in London.
pub(crate) const TODAY: Date = date(2026, 11, 23);
const TEN_O_CLOCK: &str = "2026-11-23T10:00:00Z";

/// Who acts in the stories.
pub(crate) const ANA: By<'static> = By { actor: "os:ana", cause: "cli", run: None, reason: None };

/// The rules of Fernhill Group.
pub(crate) const FERNHILL_RULES: &str = r#"
email_domains = ["fernhill.example", "northbeck.example"]
languages = ["en-GB", "en-US", "de", "fr", "pl", "ja"]

[[exclude]]
attribute = "userType"
is = "Contractor"
"#;

/// The rules of a company without oddities.
pub(crate) const PLAIN_RULES: &str = "email_domains = [\"fernhill.example\"]\n";

/// The first owner of a company that is not Fernhill. Okta does not know her.
pub(crate) const OLGA: &str = "olga.owner@fernhill.example";

/// One company, one engine.
pub(crate) struct Stand {
    pub(crate) okta: OrgHandle,
    pub(crate) line: Arc<Line>,
    pub(crate) clock: Clock,
    pub(crate) tenant: TenantDb,
    pub(crate) tables: Tables,
    pub(crate) engine: Engine,
    pub(crate) ids: IdSource,
    pub(crate) rules: Rules,
    seen: Seen,
}

/// What a stand begins with.
pub(crate) struct Company<'a> {
    org: Org,
    terms: Terms<'a>,
}

struct Terms<'a> {
    rules: &'a str,
    owner: &'a str,
    accounts: Vec<NewAccount>,
    /// People a page.
    page_size: u32,
}

impl<'a> Company<'a> {
    /// So many people, all of them assigned.
    pub(crate) fn of(people: u32) -> Self {
        let terms = Terms { rules: PLAIN_RULES, owner: OLGA, accounts: Vec::new(), page_size: 500 };
        Self { org: org::scaled(people, 7, TODAY), terms }
    }

    /// With so many people a page.
    pub(crate) fn paged(self, page_size: u32) -> Self {
        Self { terms: Terms { page_size, ..self.terms }, ..self }
    }

    /// With other rules.
    pub(crate) fn ruled(self, rules: &'a str) -> Self {
        Self { terms: Terms { rules, ..self.terms }, ..self }
    }

    /// Fernhill Group with the thirty accounts that it made by hand.
    pub(crate) fn fernhill() -> Self {
        let org = org::fernhill(7, TODAY);
        let accounts = org::hand_made(&org).iter().map(account).collect();
        let terms = Terms { rules: FERNHILL_RULES, owner: FIRST_OWNER, accounts, page_size: 500 };
        Self { org, terms }
    }
}

fn account(made: &HandMade) -> NewAccount {
    NewAccount {
        first_name: made.first.clone(),
        last_name: made.last.clone(),
        title: made.title.clone(),
        start_date: made.start_date.as_deref().map(|text| text.parse().expect("a date")),
        employee_number: made.employee_number.clone(),
        ..NewAccount::new(
            Email::parse(&made.email).expect("an address"),
            Role::parse(made.role).expect("a role"),
        )
    }
}

impl Stand {
    /// A connected tenant before its first run.
    pub(crate) async fn open(ground: &Ground, company: Company<'_>) -> Self {
        let Company { mut org, terms } = company;
        "https://fernhill.okta.com".clone_into(&mut org.base);
        let okta = OrgHandle::new(org);
        Self::over(ground, okta, terms, |line| Transport::InProcess(line)).await
    }

    /// The same with the org served over HTTP on loopback, for as long as the second value lives.
    pub(crate) async fn over_http(ground: &Ground, company: Company<'_>) -> (Self, RunningSim) {
        let Company { org, terms } = company;
        let sim = Sim::serve(org, &SimConfig::default()).await.expect("served");
        let extra_hosts = ExtraHosts::parse(&sim.address().to_string()).expect("a host");
        let http = HttpConfig { extra_hosts, proxy: None };
        let transport = Transport::Http(HttpTransport::new(http).expect("a client"));
        let stand = Self::over(ground, sim.org().clone(), terms, |_| transport).await;
        (stand, sim)
    }

    async fn over(
        ground: &Ground,
        okta: OrgHandle,
        terms: Terms<'_>,
        transport: impl FnOnce(Arc<Line>) -> Transport,
    ) -> Self {
        let Terms { rules, owner, accounts, page_size } = terms;
        let clock = Clock::manual(TEN_O_CLOCK.parse().expect("a time"));
        let line = Arc::new(Line::new(okta.clone(), clock.clone()));
        let transport = transport(Arc::clone(&line));
        let number = ground.next_number();
        let mut ids = IdSource::seeded([number; 32]);
        let now = clock.now();
        let new = NewTenant {
            owner_link: None,
            slug: TenantSlug::parse(&format!("company{number}")).expect("a subdomain"),
            name: "Fernhill Group".to_owned(),
            owner: Email::parse(owner).expect("an address"),
            rules: rules.to_owned(),
        };
        let tenant = ground.db.create_tenant(&new, ANA, &mut ids, now).await.expect("a tenant");
        let tenant = ground.db.tenant(tenant.id);
        tenant.set_okta_enabled(true, ANA, &mut ids, now).await.expect("on");
        tenant.add_people(&accounts, ANA, &mut ids, now).await.expect("added");
        let base = okta.base();
        let update = ConnectionUpdate {
            api_url: Some(base.clone()),
            client_id: Some(okta.client_id()),
            app_id: Some(okta.app_id()),
            client_secret: Some(okta.client_secret().into()),
            api_token: Some(okta.api_token().into()),
        };
        tenant.set_connection(update, ANA, &mut ids, now).await.expect("connected");
        let host = base.trim_start_matches("http://");
        let extra = if host == base { "" } else { host };
        let extra = ExtraHosts::parse(extra).expect("a host");
        let connect =
            OktaConnect::new(clock.clone(), extra, transport, 11).with_page_size(page_size);
        let config = EngineConfig {
            clock: clock.clone(),
            seed: [number ^ 0x80; 32],
            connect: Arc::new(connect),
            owner: "test".to_owned(),
            // So short that the heartbeat, which moves the clock too, hardly moves it.
            lease: Duration::from_millis(30),
            pace: Pace::STEP_BY_STEP,
        };
        let engine = Engine::new(ground.db.clone(), config);
        let rules = Rules::parse(rules).expect("rules");
        let (tables, seen) = (ground.tables(), Seen::default());
        let mut stand = Self { okta, line, clock, tenant, tables, engine, ids, rules, seen };
        stand.check().await;
        stand
    }

    /// Fernhill before its first run.
    pub(crate) async fn fernhill(ground: &Ground) -> Self {
        Self::open(ground, Company::fernhill()).await
    }

    /// Fernhill after its first run.
    pub(crate) async fn synced_fernhill(ground: &Ground) -> Self {
        let mut stand = Self::fernhill(ground).await;
        stand.sync().await;
        stand
    }

    /// A company of so many people, all assigned and already synced.
    pub(crate) async fn synced(ground: &Ground, people: u32) -> Self {
        Self::synced_company(ground, Company::of(people)).await
    }

    /// This company, already synced.
    pub(crate) async fn synced_company(ground: &Ground, company: Company<'_>) -> Self {
        let mut stand = Self::open(ground, company).await;
        let run = stand.sync().await;
        assert_eq!(run.state, RunState::Done, "{run:?}");
        stand
    }

    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets days pass.
    pub(crate) fn wait_days(&self, days: u64) {
        self.clock.advance(Duration::from_hours(24 * days));
    }

    /// Does what an Okta administrator does.
    pub(crate) fn act(&self, action: &Action) -> Done {
        self.okta.act(action, self.now()).unwrap_or_else(|refused| panic!("{action:?}: {refused}"))
    }

    /// Changes attributes of a person in Okta; null unsets.
    pub(crate) fn update(&self, who: &str, profile: Value) {
        let Value::Object(profile) = profile else { panic!("an object, not {profile}") };
        self.act(&Action::Update { who: who.to_owned(), profile });
    }

    /// Asks for a run without working on it.
    pub(crate) async fn ask(
        &self,
        kind: RunKind,
        approves: Option<RunId>,
    ) -> Result<RunId, StoreError> {
        let cause = if approves.is_some() { RunCause::Approval } else { RunCause::Button };
        let id = self.engine.id(self.now());
        let new = NewRun { id, kind, cause, actor: "os:ana".to_owned(), approves };
        Ok(self.engine.request(&self.tenant, &new).await?.run)
    }

    /// A full run an hour later, from its request to its end.
    pub(crate) async fn sync(&mut self) -> Run {
        self.try_sync().await.expect("a run")
    }

    /// As [`Self::sync`], for a run that may be impossible.
    pub(crate) async fn try_sync(&mut self) -> Result<Run, RunError> {
        self.run(RunKind::Full).await
    }

    /// A preview an hour later.
    pub(crate) async fn preview(&mut self) -> Run {
        self.run(RunKind::Preview).await.expect("a preview")
    }

    async fn run(&mut self, kind: RunKind) -> Result<Run, RunError> {
        self.clock.advance(Duration::from_hours(1));
        let id = self.ask(kind, None).await?;
        let run = Box::pin(self.engine.drive(&self.tenant, id)).await?;
        self.check_run(&run).await;
        Ok(run)
    }

    /// Carries out the removals that a run holds, an hour later.
    pub(crate) async fn approve(&mut self, held: RunId) -> Result<Run, StoreError> {
        self.clock.advance(Duration::from_hours(1));
        let id = self.ask(RunKind::Full, Some(held)).await?;
        let run = Box::pin(self.engine.drive(&self.tenant, id)).await.expect("a run");
        self.check_run(&run).await;
        Ok(run)
    }

    /// Drops the removals that a run holds.
    pub(crate) async fn discard(&mut self, held: RunId) -> Result<(), StoreError> {
        let change = self.engine.id(self.now());
        let done = self.tenant.discard_run(held, "os:ana", None, change, self.now()).await;
        self.check().await;
        done
    }

    /// Looks that nothing is broken that must hold at all times.
    pub(crate) async fn check(&mut self) {
        let mut seen = std::mem::take(&mut self.seen);
        seen.check(self).await;
        self.seen = seen;
    }

    async fn check_run(&mut self, run: &Run) {
        super::invariants::check_run(run);
        self.check().await;
    }

    /// Gives somebody another role, as no run may.
    pub(crate) async fn set_role(&mut self, email: &str, role: Role) {
        let tenant = self.tenant.tenant().await.expect("a tenant").slug;
        let sql = format!(
            "UPDATE people SET role = '{role}' WHERE email_key = '{email}' AND tenant_id = (SELECT id FROM tenants WHERE \
             slug = '{}')",
            tenant.as_str()
        );
        assert_eq!(self.tables.execute(&sql).await, 1, "{email}");
        self.seen.forget_roles();
        self.check().await;
    }

    /// Everybody, by e-mail.
    pub(crate) async fn people(&self) -> Vec<PersonView> {
        self.tenant.people_page(self.rules.manager, None, "", 100_000).await.expect("people")
    }

    /// People who are not deactivated, by Okta id: whoever is in here may sign in, or will.
    pub(crate) async fn with_access(&self) -> Vec<OktaUserId> {
        let people = self.people().await.into_iter();
        people
            .filter(|person| person.status != Status::Deactivated)
            .filter_map(|person| person.okta_user_id)
            .collect()
    }

    /// The person of an Okta user, named by login, e-mail or Okta id.
    pub(crate) async fn of_okta(&self, who: &str) -> Option<PersonView> {
        let id = self.okta_id(who);
        self.view(&PersonKey::Okta(OktaUserId::parse(&id).expect("an Okta id"))).await
    }

    /// As [`Self::of_okta`], for somebody who must be here.
    pub(crate) async fn here(&self, who: &str) -> PersonView {
        self.of_okta(who).await.unwrap_or_else(|| panic!("{who} is not here"))
    }

    /// The account with this e-mail.
    pub(crate) async fn account(&self, email: &str) -> Option<PersonView> {
        self.view(&PersonKey::Email(email.to_lowercase())).await
    }

    /// The account with this id.
    pub(crate) async fn by_id(&self, id: PersonId) -> PersonView {
        self.view(&PersonKey::Id(id)).await.unwrap_or_else(|| panic!("{id} is gone"))
    }

    async fn view(&self, key: &PersonKey) -> Option<PersonView> {
        self.tenant.person_view(self.rules.manager, key).await.expect("a look")
    }

    /// The Okta id of somebody, by login, e-mail or Okta id.
    pub(crate) fn okta_id(&self, who: &str) -> String {
        match self.okta.person_id(who) {
            Ok(id) => id,
            // Whoever was deleted is known by their old id alone.
            Err(_) if who.starts_with("00u") => who.to_owned(),
            Err(refused) => panic!("{who}: {refused}"),
        }
    }

    /// Replaces the rules of the tenant.
    pub(crate) async fn set_rules(&mut self, text: &str) {
        self.rules = Rules::parse(text).expect("rules");
        let now = self.now();
        self.tenant.replace_rules(text, ANA, &mut self.ids, now).await.expect("replaced");
    }

    /// What a run noted about single people.
    pub(crate) async fn items(&self, run: RunId) -> Vec<Item> {
        self.tenant.items(run, None, 100_000).await.expect("items")
    }

    /// The Okta ids of a run's removals in one state.
    pub(crate) async fn removals(&self, run: RunId, state: ItemState) -> Vec<OktaUserId> {
        let items = self.items(run).await.into_iter();
        items.filter(|item| item.state == state).map(|item| item.okta_user_id).collect()
    }

    /// The kinds of what happened to a person, oldest first.
    pub(crate) async fn story_of(&self, person: PersonId) -> Vec<String> {
        let entries = self.tenant.timeline(person, None, 10_000).await.expect("a timeline");
        entries.into_iter().rev().map(|entry| entry.kind).collect()
    }

    /// All Okta users as a call shows them, deactivated people included, by login.
    pub(crate) fn okta_users(&self) -> BTreeMap<String, Value> {
        let users = self.listing("/api/v1/users?search=id%20pr&limit=200").into_iter();
        users.map(|user| (text(&user["profile"]["login"]), user)).collect()
    }

    /// The logins of the people assigned to the app, in the order of the listing.
    pub(crate) fn assigned(&self) -> Vec<String> {
        let app = self.okta.app_id();
        let users = self.listing(&format!("/api/v1/apps/{app}/users?expand=user&limit=500"));
        users.iter().map(|user| text(&user["_embedded"]["user"]["profile"]["login"])).collect()
    }

    /// Every item of a listing of the org.
    fn listing(&self, target: &str) -> Vec<Value> {
        let mut items = Vec::new();
        let mut target = target.to_owned();
        loop {
            let request =
                muster_oktasim::Request::get(target.as_str()).ssws(&self.okta.api_token());
            let reply = self.okta.handle(&request, self.now());
            let Value::Array(page) = reply.json() else { panic!("no page: {}", reply.status) };
            items.extend(page);
            let Some(next) = reply.next() else { return items };
            next.strip_prefix(&self.okta.base())
                .expect("a link of this org")
                .clone_into(&mut target);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The problem with this code, if the run has it.
pub(crate) fn problem(run: &Run, code: ProblemCode) -> Option<&Problem> {
    run.problems.iter().find(|problem| problem.code == code)
}

/// Status and reason of a person.
pub(crate) fn standing(person: &PersonView) -> (Status, StatusReason) {
    (person.status, person.status_reason)
}
