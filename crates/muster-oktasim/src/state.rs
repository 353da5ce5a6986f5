//! The org as Okta keeps it: people, apps, groups, hooks, tokens and the System Log, in memory.
//!
//! Nothing here reads a clock or draws randomness of its own: the time is an argument, ids come from the seed.

pub(crate) mod groups;
pub(crate) mod hooks;
pub(crate) mod keys;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod people;
pub(crate) mod sign_in;
pub(crate) mod stale;
pub(crate) mod tokens;
pub(crate) mod view;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dice::Dice;
use crate::faults::Faults;
use crate::ids::{Ids, Kind};
use crate::profile::Pool;
use crate::stamp::Seconds;
use groups::{App, Group};
use hooks::{Hook, Outbox};
use limits::Limits;
use log::{Actor, Cause, Log};
use people::Person;
use sign_in::SignIn;
use stale::Past;
use tokens::Token;

/// Everything one simulated org knows.
#[derive(Debug)]
pub struct Org {
    /// Scheme, host and port under which the org answers; links are built from it.
    pub base: String,
    /// What may be tuned while it runs.
    pub settings: Settings,
    /// Faults to come.
    pub faults: Faults,
    /// Rate limits and what was used of them.
    pub limits: Limits,
    /// What was asked of the org.
    pub stats: Stats,
    pub(crate) name: String,
    pub(crate) created: Seconds,
    pub(crate) ids: Ids,
    pub(crate) dice: Dice,
    pub(crate) pool: Pool,
    /// The slot of a person never changes; a deleted person leaves it empty.
    pub(crate) people: Vec<Option<Person>>,
    pub(crate) logins: HashMap<u64, u32>,
    pub(crate) apps: Vec<App>,
    pub(crate) groups: Vec<Option<Group>>,
    pub(crate) hooks: Vec<Option<Hook>>,
    pub(crate) tokens: Vec<Token>,
    pub(crate) log: Log,
    pub(crate) past: Past,
    pub(crate) outbox: Outbox,
    pub(crate) sign_in: SignIn,
    /// The administrator in whose name changes from outside the API are logged.
    pub(crate) admin: u32,
    /// How many people exist only so that the simulator works: the service account of a scaled company.
    pub(crate) aside: usize,
    /// People with a story, by what they show.
    pub(crate) planted: Vec<crate::org::Planted>,
    /// Values of linked objects: relation and person to the people it leads to.
    pub(crate) linked: BTreeMap<(String, u32), Vec<u32>>,
}

/// What may be tuned while the org runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long every answer is held back.
    pub latency_ms: u64,
    /// How long after a change reads still show the state before it. Real orgs showed about 3 s for group members.
    pub stale_seconds: u32,
    /// How long after it happened an event appears in the System Log.
    pub log_delay_seconds: u32,
    /// The largest page this org gives, whatever limit is asked for. Shorter pages than asked for are normal at Okta.
    pub page_cap: Option<usize>,
    /// Whether the org has the custom authorization server `default`, which is a product of its own.
    pub custom_server: bool,
    /// How event hooks are delivered.
    pub hooks: HookSettings,
}

/// How event hooks are delivered. Everything below happens at Okta too, at its own choice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HookSettings {
    /// How long an event waits before it is sent. Captures at real orgs showed 5 to 10 s.
    pub delay_ms: u64,
    /// The most events in one delivery.
    pub batch_max: usize,
    /// Send each of the next so many deliveries twice.
    pub duplicate_next: u32,
    /// Lose the next so many deliveries.
    pub drop_next: u32,
    /// Send waiting events in the wrong order, each in a delivery of its own.
    pub reverse: bool,
}

impl Default for HookSettings {
    fn default() -> Self {
        Self { delay_ms: 0, batch_max: 100, duplicate_next: 0, drop_next: 0, reverse: false }
    }
}

/// What was asked of the org.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Calls by method and path, with `{id}` in place of ids.
    pub calls: BTreeMap<String, u64>,
    /// Answers by status.
    pub answers: BTreeMap<u16, u64>,
    /// 429 answers, rate and concurrency together.
    pub limited: u64,
    /// Answers that a fault changed.
    pub faults: u64,
    /// Deliveries of event hooks that were handed out.
    pub deliveries: u64,
}

/// Why a change could not be made, as the admin API says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no {0} is called {1:?}")]
    Unknown(&'static str, String),
    #[error("{0}")]
    NotNow(String),
    #[error("another person already has the login {0:?}")]
    LoginTaken(String),
    #[error("{0} is missing")]
    Missing(&'static str),
}

impl Org {
    /// An empty org with one administrator, one OIDC app, the group Everyone and one API token of that administrator.
    pub fn empty(name: &str, seed: u64, at: Timestamp) -> Self {
        let mut dice = Dice::new(seed);
        let ids = Ids::new(dice.next());
        let created = crate::stamp::seconds(at);
        let mut org = Self {
            base: format!("https://{name}.okta.example"),
            settings: Settings::default(),
            faults: Faults::default(),
            limits: Limits::default(),
            stats: Stats::default(),
            name: name.to_owned(),
            created,
            ids,
            dice,
            pool: Pool::default(),
            people: Vec::new(),
            logins: HashMap::new(),
            apps: Vec::new(),
            groups: Vec::new(),
            hooks: Vec::new(),
            tokens: Vec::new(),
            log: Log::default(),
            past: Past::default(),
            outbox: Outbox::default(),
            sign_in: SignIn::default(),
            admin: 0,
            aside: 0,
            planted: Vec::new(),
            linked: BTreeMap::new(),
        };
        org.groups.push(Some(Group::everyone(created)));
        let app = App::oidc(&mut org, "Learning", created);
        org.apps.push(app);
        let token = Token::fresh(&mut org.dice, 0);
        org.tokens.push(token);
        org
    }

    /// The id of the app under test.
    pub fn app_id(&self) -> String {
        self.ids.id(Kind::App, 0).to_string()
    }

    /// The client id of that app: its own id, unless it was set.
    pub fn client_id(&self) -> String {
        self.apps.first().map_or_else(String::new, |app| app.client_id.clone())
    }

    /// The client secret of that app.
    pub fn client_secret(&self) -> String {
        self.apps.first().map_or_else(String::new, |app| app.client_secret.clone())
    }

    /// The first API token.
    pub fn api_token(&self) -> String {
        self.tokens.first().map_or_else(String::new, |token| token.value.clone())
    }

    /// How many people exist, in whatever status, without a scaled company's service account.
    pub fn people_count(&self) -> usize {
        self.people.iter().flatten().count().saturating_sub(self.aside)
    }

    /// How many people are assigned to the app under test.
    pub fn assigned_count(&self) -> usize {
        self.apps.first().map_or(0, |app| app.assignments.len())
    }

    /// The people that a demo can point at, by what they show.
    pub fn planted(&self) -> &[crate::org::Planted] {
        &self.planted
    }

    /// A cause for changes that an administrator makes in the console.
    pub fn console(&mut self, uri: &str) -> Cause {
        Cause {
            actor: self.actor(self.admin),
            uri: uri.to_owned(),
            transaction: self.dice.token(27),
            job: false,
            agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        }
    }

    /// A person as the System Log shows who acts.
    pub(crate) fn actor(&self, slot: u32) -> Arc<Actor> {
        let person = self.person(slot);
        Arc::new(Actor {
            id: self.ids.id(Kind::User, slot).to_string(),
            kind: "User",
            alternate: person
                .map(|person| person.profile.text(&self.pool, "login"))
                .unwrap_or_default(),
            display: person.map(|person| person.profile.full_name(&self.pool)).unwrap_or_default(),
        })
    }

    /// Okta itself, as the System Log shows it.
    pub(crate) fn system_actor(&self) -> Arc<Actor> {
        Arc::new(Actor {
            id: format!("spr{}", &self.ids.id(Kind::Org, 1).as_str()[3..]),
            kind: "SystemPrincipal",
            alternate: "system@okta.com".to_owned(),
            display: "Okta System".to_owned(),
        })
    }

    /// The person in this slot as it is now.
    pub(crate) fn person(&self, slot: u32) -> Option<&Person> {
        self.people.get(index(slot))?.as_ref()
    }

    pub(crate) fn person_mut(&mut self, slot: u32) -> Option<&mut Person> {
        self.people.get_mut(index(slot))?.as_mut()
    }

    /// The slot of a person, by Okta id, login or e-mail.
    pub fn find_person(&self, who: &str) -> Result<u32, Refused> {
        let by_id = self.ids.number(Kind::User, who).filter(|slot| self.person(*slot).is_some());
        by_id
            .or_else(|| self.slot_of_login(who))
            .or_else(|| self.slot_of_email(who))
            .ok_or_else(|| Refused::Unknown("person", who.to_owned()))
    }

    /// The Okta id of a person, by Okta id, login or e-mail.
    pub fn person_id(&self, who: &str) -> Result<String, Refused> {
        Ok(self.ids.id(Kind::User, self.find_person(who)?).to_string())
    }

    /// The slot of the person with this login; logins are compared without regard to case.
    pub(crate) fn slot_of_login(&self, login: &str) -> Option<u32> {
        self.logins.get(&login_key(login)).copied()
    }

    fn slot_of_email(&self, email: &str) -> Option<u32> {
        let wanted = email.to_lowercase();
        let found = self.people.iter().position(|person| {
            person.as_ref().is_some_and(|person| {
                person.profile.text(&self.pool, "email").to_lowercase() == wanted
            })
        })?;
        u32::try_from(found).ok()
    }

    /// The slot of a group, by id or by name without regard to case.
    pub(crate) fn find_group(&self, group: &str) -> Result<u32, Refused> {
        let wanted = group.to_lowercase();
        let by_id = self.ids.number(Kind::Group, group).filter(|slot| self.group(*slot).is_some());
        by_id
            .or_else(|| {
                let place = self.groups.iter().position(|known| {
                    known.as_ref().is_some_and(|known| known.name.to_lowercase() == wanted)
                })?;
                u32::try_from(place).ok()
            })
            .ok_or_else(|| Refused::Unknown("group", group.to_owned()))
    }

    pub(crate) fn group(&self, slot: u32) -> Option<&Group> {
        self.groups.get(index(slot))?.as_ref()
    }

    /// The number of an app, by id, client id or label; the app under test when none is named.
    pub(crate) fn find_app(&self, app: Option<&str>) -> Result<u32, Refused> {
        let Some(wanted) = app else { return Ok(0) };
        let by_id =
            self.ids.number(Kind::App, wanted).filter(|slot| index(*slot) < self.apps.len());
        by_id
            .or_else(|| {
                let place = self
                    .apps
                    .iter()
                    .position(|known| known.client_id == wanted || known.label == wanted)?;
                u32::try_from(place).ok()
            })
            .ok_or_else(|| Refused::Unknown("app", wanted.to_owned()))
    }
}

/// A slot as an index.
pub(crate) fn index(slot: u32) -> usize {
    usize::try_from(slot).unwrap_or(usize::MAX)
}

/// The key under which a login is found: a hash of its lower-case form.
pub(crate) fn login_key(login: &str) -> u64 {
    login.chars().flat_map(char::to_lowercase).fold(0xcbf2_9ce4_8422_2325, |hash: u64, letter| {
        (hash ^ u64::from(u32::from(letter))).wrapping_mul(0x0100_0000_01b3)
    })
}
