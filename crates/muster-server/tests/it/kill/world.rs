//! A company that is large enough for several pages and steps, and the changes in its Okta that a run must carry out.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use muster_oktasim::{Action, Org, OrgHandle, Request, org};
use muster_server::clock::Clock;
use serde_json::{Map, Value, json};

use super::gate::Gate;
use crate::support::{Home, connect_to};

/// Three steps of people, four pages of people.
const PEOPLE: u32 = 1_060;
const PAGE: usize = 300;

/// Which database an installation is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

/// The run that is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    /// The first one: accounts are made and linked.
    First,
    /// Everything that may change, removals among it.
    Update,
    /// More people are missing than may be removed at once.
    Hold,
    /// The removals held by the run before are approved.
    Approval,
}

/// An installation right before the run of a story, and the Okta it is connected to.
pub(super) struct World {
    pub(super) gate: Gate,
    /// Only ever copied.
    pub(super) home: Home,
    /// The command that runs the story.
    pub(super) command: Vec<String>,
    /// The exit code of that command when nobody disturbs it.
    pub(super) code: i32,
}

impl World {
    /// Makes it; `None`, and a loud line, when there is no PostgreSQL to test on.
    pub(super) async fn before(story: Story, engine: Engine) -> Option<Self> {
        let mut home = match engine {
            Engine::Sqlite => Home::sqlite(),
            Engine::Postgres => Home::postgres().await?,
        };
        let now = Clock::Wall.now();
        let gate = Gate::open(company(now)).await;
        connect_to(&mut home, gate.base(), gate.org());
        let admin = Admin { org: gate.org().clone(), now, people: people(gate.org()) };
        let command = |line: &str| line.split(' ').map(str::to_owned).collect();
        let mut world = Self { home, command: command("okta sync fernhill --json"), code: 0, gate };
        world.accounts(&admin);
        admin.oddities();
        if story == Story::First {
            return Some(world);
        }
        world.home.line("okta sync fernhill").done();
        if story == Story::Update {
            world.home.file("rules.toml", "email_domains = [\"fernhill.example\"]\nlanguages = [\"en-GB\", \"de\"]\nguard = { people = 400, percent = 10 }\n");
            world.home.line("okta rules fernhill rules.toml").done();
            admin.changes();
            world.gate.changed();
            return Some(world);
        }
        admin.too_many_leave();
        world.gate.changed();
        world.code = 3;
        if story == Story::Approval {
            let held = world.home.line("okta sync fernhill --json").exits(3).json();
            let run = held["id"].as_str().expect("an id");
            world.command = command(&format!("okta sync fernhill --approve {run} --json"));
            world.code = 0;
            admin.some_come_back();
            world.gate.changed();
        }
        Some(world)
    }

    /// Words of the command.
    pub(super) fn words(&self) -> Vec<&str> {
        self.command.iter().map(String::as_str).collect()
    }

    /// The run that an approval is about.
    pub(super) fn held_run(&self) -> String {
        self.command.iter().find(|word| word.starts_with("run_")).expect("an approval").clone()
    }

    /// Accounts that were there before Okta: some of them are the same people.
    fn accounts(&self, admin: &Admin) {
        let linked =
            (100..140).map(|number| format!("{},Known,Before{number}\n", admin.who(number)));
        let others =
            (0..5).map(|number| format!("guest{number}@elsewhere.example,Guest,Number{number}\n"));
        let rows: String = linked.chain(others).collect();
        self.home.file("people.csv", &format!("email,first_name,last_name\n{rows}"));
        self.home.line("people import fernhill people.csv").done();
    }
}

fn company(now: Timestamp) -> Org {
    let mut org = org::scaled(PEOPLE, 7, now.to_zoned(TimeZone::UTC).date());
    org.settings.page_cap = Some(PAGE);
    org
}

/// Logins of everybody, and whether they are active; in an order that stays.
fn people(org: &OrgHandle) -> Vec<(String, bool)> {
    let listed = org.handle(&Request::get("/_sim/people"), Clock::Wall.now()).json();
    let text = |person: &Value, name: &str| person[name].as_str().unwrap_or_default().to_owned();
    let listed = listed.as_array().expect("people");
    listed
        .iter()
        .map(|person| (text(person, "login"), text(person, "status") == "ACTIVE"))
        .collect()
}

/// Okta's administrator.
struct Admin {
    org: OrgHandle,
    now: Timestamp,
    people: Vec<(String, bool)>,
}

impl Admin {
    fn who(&self, number: usize) -> String {
        self.people[number].0.clone()
    }

    /// People with these numbers who were active at first.
    fn active(&self, numbers: std::ops::Range<usize>) -> Vec<String> {
        self.people[numbers]
            .iter()
            .filter(|(_, active)| *active)
            .map(|(login, _)| login.clone())
            .collect()
    }

    fn act(&self, action: &Action) {
        self.org.act(action, self.now).unwrap_or_else(|refused| panic!("{action:?}: {refused}"));
    }

    fn set(&self, number: usize, name: &str, value: impl Into<Value>) {
        let profile = Map::from_iter([(name.to_owned(), value.into())]);
        self.act(&Action::Update { who: self.who(number), profile });
    }

    /// What is odd in every company.
    fn oddities(&self) {
        self.set(10, "email", self.who(11));
        self.set(12, "email", Value::Null);
        self.set(13, "managerId", "nobody@fernhill.example");
        self.set(14, "managerId", "Somebody Unknown");
        self.set(15, "managerId", self.who(15));
        self.set(16, "managerId", "SC0000003");
        self.set(17, "startDate", "soon");
        self.set(20, "managerId", self.who(21));
        self.set(21, "managerId", self.who(20));
    }

    /// One of everything that may change between two runs.
    fn changes(&self) {
        self.act(&Action::SwapEmails { one: self.who(30), other: self.who(31) });
        let (first, second, third) = (self.who(32), self.who(33), self.who(34));
        self.set(32, "email", second);
        self.set(33, "email", third);
        self.set(34, "email", first);
        self.set(36, "email", "moved.away@fernhill.example");
        self.set(35, "email", self.who(36));
        self.set(37, "email", "olga.owner@fernhill.example");
        for number in 200..260 {
            self.set(number, "managerId", self.who(5));
        }
        for number in 850..1_050 {
            self.set(number, "title", "Everything");
        }
        self.act(&Action::RenameDepartment {
            from: "Engineering".to_owned(),
            to: "Product Engineering".to_owned(),
        });
        self.act(&Action::Unsuspend { who: self.who(71) });
        for who in self.active(300..410) {
            self.act(&Action::Suspend { who });
        }
        for who in self.active(410..460) {
            self.act(&Action::Deactivate { who });
        }
        for who in self.active(460..500) {
            self.act(&Action::Unassign { who, app: None });
        }
        for who in self.active(500..535) {
            self.act(&Action::Delete { who });
        }
        for number in 0..25 {
            let email = format!("new.comer{number}@fernhill.example");
            let profile = [
                ("firstName", json!("New")),
                ("lastName", json!(format!("Comer{number}"))),
                ("login", json!(email)),
                ("email", json!(email)),
                ("department", json!("Launch")),
                ("managerId", json!(self.who(6))),
            ];
            let profile =
                profile.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            self.act(&Action::Create {
                profile,
                groups: Vec::new(),
                assign: true,
                activate: true,
                password: true,
            });
        }
    }

    fn too_many_leave(&self) {
        for who in self.active(600..840) {
            self.act(&Action::Unassign { who, app: None });
        }
        for who in self.active(840..850) {
            self.act(&Action::Suspend { who });
        }
        self.set(30, "title", "Everything");
    }

    fn some_come_back(&self) {
        for who in self.active(600..604) {
            self.act(&Action::Assign { who, app: None });
        }
        for who in self.active(604..608) {
            self.act(&Action::Delete { who });
        }
    }
}
