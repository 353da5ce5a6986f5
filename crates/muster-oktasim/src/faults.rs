//! Faults on demand: scripted rules, and a seeded rain of them.

use serde::{Deserialize, Serialize};

use crate::dice::Dice;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// An error answer: 401, 403, 404, 429, 500 or 503 in Okta's words, anything else as it is.
    Status(u16),
    /// The right answer, late by so many milliseconds.
    Slow(u64),
    /// The body ends after so many bytes and the connection with it.
    Cut(usize),
    /// The connection ends without an answer.
    Drop,
    /// A request with `after=` is told that its cursor is invalid.
    WrongCursor,
    /// The page before is served once more, with the same `next` link.
    RepeatedPage,
    /// At most so many items, and a `next` link to the rest.
    ShortPage(usize),
    /// `200 []` and no `next` link.
    EmptyList,
    /// The listing ends after this page although there is more: no `next` link.
    EndsEarly,
    /// The listing lacks the first `first` people and those named (Okta ids or logins).
    Shrunken {
        #[serde(default)]
        first: usize,
        #[serde(default)]
        people: Vec<String>,
    },
    /// The last person of the page before appears again as the first of this one.
    DuplicatePerson,
    /// 200 with an HTML page, as proxies and sign-in pages answer.
    Html,
}

/// When a fault strikes. A rule without conditions strikes at every call under `/api/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Only calls of this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls whose path begins so.
    #[serde(default = "api")]
    pub path: String,
    /// Only calls whose path ends so.
    #[serde(default)]
    pub path_end: Option<String>,
    /// From the n-th matching call on, counted from 1 since the rule was added.
    #[serde(default)]
    pub nth: Option<u32>,
    /// Only this page of a listing, counted from 1.
    #[serde(default)]
    pub page: Option<u16>,
    /// So many times; for ever when not given.
    #[serde(default)]
    pub times: Option<u32>,
    pub fault: Fault,
    #[serde(skip)]
    seen: u32,
}

fn api() -> String {
    "/api/".to_owned()
}

impl Rule {
    /// A rule for all calls whose path begins so. The fault is a 500 until another is named.
    pub fn on(path: &str) -> Self {
        Self {
            method: None,
            path: path.to_owned(),
            path_end: None,
            nth: None,
            page: None,
            times: None,
            fault: Fault::Status(500),
            seen: 0,
        }
    }

    /// A rule for the listing of an app's users, whatever the app.
    pub fn on_app_users() -> Self {
        Self::on("/api/v1/apps/").path_end("/users").method("GET")
    }

    /// Only paths that end so.
    #[must_use]
    pub fn path_end(self, end: &str) -> Self {
        Self { path_end: Some(end.to_owned()), ..self }
    }

    /// Only this method.
    #[must_use]
    pub fn method(self, method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..self }
    }

    /// From the n-th matching call on, counted from 1.
    #[must_use]
    pub fn nth(self, nth: u32) -> Self {
        Self { nth: Some(nth), ..self }
    }

    /// Only this page, counted from 1.
    #[must_use]
    pub fn page(self, page: u16) -> Self {
        Self { page: Some(page), ..self }
    }

    /// So many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }

    /// What goes wrong.
    #[must_use]
    pub fn fault(self, fault: Fault) -> Self {
        Self { fault, ..self }
    }
}

/// A rain of faults: each call under `/api/` fails with a probability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rain {
    pub seed: u64,
    /// How many of a thousand calls fail.
    pub per_mille: u32,
    /// What may happen; everything passing when empty.
    #[serde(default)]
    pub kinds: Vec<Fault>,
}

/// All faults to come.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
    rain: Option<(Rain, Dice)>,
}

impl Faults {
    /// Adds a rule. Of several that match one call the first added strikes.
    pub fn add(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Lets faults rain, or ends the rain.
    pub fn rain(&mut self, rain: Option<Rain>) {
        self.rain = rain.map(|rain| {
            let dice = Dice::new(rain.seed);
            (rain, dice)
        });
    }

    /// Each call fails with `per_mille` thousandths, in every way that a patient client survives.
    pub fn seeded(&mut self, seed: u64, per_mille: u32) {
        self.rain(Some(Rain { seed, per_mille, kinds: Vec::new() }));
    }

    /// Ends all faults.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The rules that may still strike.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What strikes this call, if anything. Counts the call against every rule that matches it.
    pub fn strike(&mut self, method: &str, path: &str, page: u16) -> Option<Fault> {
        let mut struck = None;
        for rule in &mut self.rules {
            let matches = rule.method.as_deref().is_none_or(|wanted| wanted == method)
                && path.starts_with(&rule.path)
                && rule.path_end.as_deref().is_none_or(|end| path.ends_with(end))
                && rule.page.is_none_or(|wanted| wanted == page);
            if !matches {
                continue;
            }
            rule.seen += 1;
            let due = rule.nth.is_none_or(|nth| rule.seen >= nth);
            let spent = rule.times == Some(0);
            if due && !spent && struck.is_none() {
                rule.times = rule.times.map(|times| times - 1);
                struck = Some(rule.fault.clone());
            }
        }
        self.rules.retain(|rule| rule.times != Some(0));
        struck.or_else(|| self.drop_of_rain(path))
    }

    fn drop_of_rain(&mut self, path: &str) -> Option<Fault> {
        let (rain, dice) = self.rain.as_mut()?;
        if !path.starts_with("/api/") || !dice.chance(rain.per_mille) {
            return None;
        }
        if rain.kinds.is_empty() {
            let passing = passing();
            return passing.get(dice.below(passing.len())).cloned();
        }
        rain.kinds.get(dice.below(rain.kinds.len())).cloned()
    }
}

/// Faults that a patient client survives without a wrong result.
pub fn passing() -> Vec<Fault> {
    vec![
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(429),
        Fault::Slow(20),
        Fault::Cut(1000),
        Fault::Drop,
        Fault::WrongCursor,
        Fault::RepeatedPage,
        Fault::ShortPage(7),
        Fault::DuplicatePerson,
        Fault::Html,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_strikes_when_its_conditions_hold() {
        let hits = |rule: Rule, calls: &[(&str, &str, u16)]| -> Vec<bool> {
            let mut faults = Faults::default();
            faults.add(rule);
            calls
                .iter()
                .map(|(method, path, page)| faults.strike(method, path, *page).is_some())
                .collect()
        };
        let users = ("GET", "/api/v1/apps/0oa1/users", 1);
        let page_two = ("GET", "/api/v1/apps/0oa1/users", 2);
        let logs = ("GET", "/api/v1/logs", 1);
        #[rustfmt::skip]
        let cases = [
            ("every call", Rule::on("/api/"), vec![users, logs], vec![true, true]),
            ("by path", Rule::on_app_users(), vec![logs, users], vec![false, true]),
            ("by page", Rule::on_app_users().page(2), vec![users, page_two], vec![false, true]),
            ("from the second on", Rule::on("/api/").nth(2), vec![users, users, logs], vec![false, true, true]),
            ("once", Rule::on("/api/").times(1), vec![users, users], vec![true, false]),
            ("the second only", Rule::on("/api/").nth(2).times(1), vec![users, users, users], vec![false, true, false]),
            ("by method", Rule::on("/api/").method("POST"), vec![users], vec![false]),
        ];
        for (name, rule, calls, expected) in cases {
            assert_eq!(hits(rule, &calls), expected, "case: {name}");
        }
    }

    #[test]
    fn rain_is_repeatable_and_about_as_dense_as_asked() {
        let drops = |seed| -> Vec<bool> {
            let mut faults = Faults::default();
            faults.seeded(seed, 200);
            (0..1000).map(|_| faults.strike("GET", "/api/v1/users", 1).is_some()).collect()
        };
        assert_eq!(drops(5), drops(5));
        assert_ne!(drops(5), drops(6));
        let wet = drops(5).into_iter().filter(|wet| *wet).count();
        assert!((150..250).contains(&wet), "{wet} of 1000");
    }
}
