//! A morning of Fernhill's Okta administrator: the changes that a demo shows, one by one.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Map, Value, json};

use crate::admin::Action;
use crate::faults::{Fault, Rule};
use crate::handle::OrgHandle;
use crate::state::{Org, Refused};

/// One step of the morning, by its stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MorningStep {
    pub name: &'static str,
}

/// The steps in their order. The last one breaks Okta: clear the faults to mend it.
const STEPS: [MorningStep; 8] = [
    MorningStep { name: "joiner" },
    MorningStep { name: "mover" },
    MorningStep { name: "leaver" },
    MorningStep { name: "marriage" },
    MorningStep { name: "new-manager" },
    MorningStep { name: "suspended" },
    MorningStep { name: "starter" },
    MorningStep { name: "failing-page" },
];

/// The steps of the morning in their order.
pub fn morning() -> &'static [MorningStep] {
    &STEPS
}

impl MorningStep {
    /// Does the step and says in one line what the administrator did.
    pub fn run(self, org: &OrgHandle, now: Timestamp) -> Result<String, Refused> {
        org.with(|org| run_morning_step(org, self.name, now))
    }
}

/// Does one step by its name.
pub fn run_morning_step(org: &mut Org, name: &str, now: Timestamp) -> Result<String, Refused> {
    match name {
        "joiner" => joiner(org, now),
        "mover" => {
            let profile = profile(&[
                ("department", "Marketing"),
                ("title", "Content Strategist"),
                ("city", "Paris"),
                ("countryCode", "FR"),
                ("timezone", "Europe/Paris"),
                ("preferredLanguage", "fr-FR"),
            ]);
            org.act(
                &Action::Update { who: "mona.mover@fernhill.example".to_owned(), profile },
                now,
            )?;
            Ok("Mona Mover moved from Customer Success to Marketing in Paris.".to_owned())
        }
        "leaver" => {
            org.act(&Action::Deactivate { who: "leo.leaver@fernhill.example".to_owned() }, now)?;
            Ok("Leo Leaver left: his Okta user was deactivated.".to_owned())
        }
        "marriage" => {
            let profile = profile(&[
                ("lastName", "Bridewell"),
                ("displayName", "Maria Bridewell"),
                ("email", "maria.bridewell@fernhill.example"),
                ("login", "maria.bridewell@fernhill.example"),
            ]);
            org.act(
                &Action::Update { who: "maria.maidwell@fernhill.example".to_owned(), profile },
                now,
            )?;
            Ok("Maria Maidwell married and is now Maria Bridewell, with a new e-mail and login."
                .to_owned())
        }
        "new-manager" => {
            let profile = profile(&[
                ("managerId", "wendy.manyreports@fernhill.example"),
                ("manager", "Wendy Manyreports"),
            ]);
            org.act(
                &Action::Update { who: "lina.linkwell@fernhill.example".to_owned(), profile },
                now,
            )?;
            Ok("Lina Linkwell reports to Wendy Manyreports from today.".to_owned())
        }
        "suspended" => {
            org.act(&Action::Suspend { who: "duncan.twice@fernhill.example".to_owned() }, now)?;
            Ok("Duncan Twice was suspended while a lost laptop is looked into.".to_owned())
        }
        "starter" => {
            org.act(&Action::Activate { who: "monday.starling@fernhill.example".to_owned() }, now)?;
            Ok("Monday Starling's Okta user was activated ahead of the first day.".to_owned())
        }
        "failing-page" => {
            org.faults.add(Rule::on_app_users().page(1).fault(Fault::ShortPage(100)));
            org.faults.add(Rule::on_app_users().page(2).fault(Fault::Status(500)));
            Ok("Okta has a bad moment: page 2 of the assigned people answers 500.".to_owned())
        }
        other => Err(Refused::Unknown("step", other.to_owned())),
    }
}

fn joiner(org: &mut Org, now: Timestamp) -> Result<String, Refused> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let start = today.checked_sub(1.days()).unwrap_or(today);
    let mut profile = profile(&[
        ("firstName", "Joy"),
        ("lastName", "Newcombe"),
        ("displayName", "Joy Newcombe"),
        ("login", "joy.newcombe@fernhill.example"),
        ("email", "joy.newcombe@fernhill.example"),
        ("title", "Software Engineer"),
        ("department", "Engineering"),
        ("city", "Berlin"),
        ("countryCode", "DE"),
        ("timezone", "Europe/Berlin"),
        ("preferredLanguage", "de"),
        ("userType", "Employee"),
        ("employeeNumber", "FH1240"),
        ("managerId", "wendy.manyreports@fernhill.example"),
    ]);
    profile.insert("startDate".to_owned(), json!(start.to_string()));
    let groups = vec!["app-learn-employees".to_owned(), "eng-all".to_owned()];
    let create = Action::Create { profile, groups, assign: false, activate: true, password: true };
    org.act(&create, now)?;
    Ok("Joy Newcombe joined Engineering in Berlin and was put into app-learn-employees.".to_owned())
}

fn profile(values: &[(&str, &str)]) -> Map<String, Value> {
    values.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}
