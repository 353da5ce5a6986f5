//! The rules of the simulated tenant: drawn, written as TOML for Muster, and read by the model as they are here.

use super::dice::Dice;

/// How Okta's managers count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Managers {
    Individual,
    Team,
    Off,
}

/// One row that keeps people out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exclusion {
    pub(crate) attribute: &'static str,
    /// `is`, `is_not` or `contains`.
    pub(crate) test: &'static str,
    pub(crate) value: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) domains: Vec<&'static str>,
    pub(crate) languages: Vec<&'static str>,
    pub(crate) zone: &'static str,
    pub(crate) managers: Managers,
    pub(crate) by_name: bool,
    pub(crate) wait_for_start: bool,
    pub(crate) guard_people: u64,
    pub(crate) guard_percent: u64,
    pub(crate) clear: bool,
    pub(crate) reactivate: bool,
    pub(crate) okta_wins: bool,
    pub(crate) review_returners: bool,
    pub(crate) exclude: Vec<Exclusion>,
}

const LANGUAGES: [&[&str]; 4] = [&["en-GB", "de"], &["de", "en-GB", "fr"], &["en-GB"], &["en"]];
const EXCLUSIONS: [Exclusion; 3] = [
    Exclusion { attribute: "userType", test: "is", value: "Contractor" },
    Exclusion { attribute: "userType", test: "contains", value: "tract" },
    Exclusion { attribute: "department", test: "is", value: "Board" },
];

impl Policy {
    pub(crate) fn first(dice: &mut Dice) -> Self {
        let mut policy = Self {
            domains: vec!["acme.example"],
            languages: LANGUAGES[0].to_vec(),
            zone: "UTC",
            managers: Managers::Individual,
            by_name: false,
            wait_for_start: false,
            guard_people: 5,
            guard_percent: 10,
            clear: true,
            reactivate: true,
            okta_wins: false,
            review_returners: false,
            exclude: Vec::new(),
        };
        for _ in 0..dice.below(5) {
            policy.change(dice);
        }
        policy
    }

    /// Changes one thing.
    pub(crate) fn change(&mut self, dice: &mut Dice) {
        match dice.below(13) {
            0 => self.domains = if dice.chance(30) { vec![] } else { vec!["acme.example"] },
            1 => self.languages = dice.pick(&LANGUAGES).to_vec(),
            2 => self.zone = dice.pick(&["UTC", "Pacific/Auckland", "America/Los_Angeles"]),
            3 | 4 => {
                self.managers = dice.pick(&[
                    Managers::Individual,
                    Managers::Individual,
                    Managers::Team,
                    Managers::Off,
                ]);
            }
            5 => self.by_name = !self.by_name,
            6 => self.wait_for_start = !self.wait_for_start,
            7 => self.guard_people = dice.within(0, 9) as u64,
            8 => self.guard_percent = dice.pick(&[1, 10, 50, 100]),
            9 => self.clear = !self.clear,
            10 => self.reactivate = !self.reactivate,
            11 => {
                self.okta_wins = dice.chance(40);
                self.review_returners = dice.chance(30);
            }
            _ => {
                self.exclude = match dice.below(5) {
                    0 | 1 => Vec::new(),
                    2 => {
                        vec![Exclusion { attribute: "userType", test: "is_not", value: "Employee" }]
                    }
                    _ => vec![dice.pick(&EXCLUSIONS)],
                };
            }
        }
    }

    pub(crate) fn toml(&self) -> String {
        let list = |names: &[&str]| {
            names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
        };
        let managers = match self.managers {
            Managers::Individual => "individual",
            Managers::Team => "team",
            Managers::Off => "off",
        };
        let mut text = format!(
            "email_domains = [{}]\nlanguages = [{}]\ntime_zone = {:?}\nmanager = \"{managers}\"\nmanager_by_name = {}\n\
             invite = \"{}\"\nguard = {{ people = {}, percent = {} }}\nclear_empty = {}\nreactivate = {}\nokta_wins = {}\n\
             returners = \"{}\"\n",
            list(&self.domains),
            list(&self.languages),
            self.zone,
            self.by_name,
            if self.wait_for_start { "on_start_date" } else { "now" },
            self.guard_people,
            self.guard_percent,
            self.clear,
            self.reactivate,
            self.okta_wins,
            if self.review_returners { "review" } else { "automatic" },
        );
        for Exclusion { attribute, test, value } in &self.exclude {
            text.push_str(&format!("[[exclude]]\nattribute = {attribute:?}\n{test} = {value:?}\n"));
        }
        text
    }
}
