//! What disturbs a run: faults on the way, a token that lost rights, an org in an odd state.

use std::collections::BTreeMap;

use jiff::Timestamp;
use muster_oktasim::{
    AppChange, Area, Family, Fault, LimitChange, Preset, Rain, Request, Right, Rule, TokenState,
};

use super::company::Company;
use super::dice::Dice;

/// How Okta is while one run lasts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Weather {
    /// In words; empty when nothing disturbs.
    pub(crate) said: Vec<String>,
    /// Seconds for which reads show what was before.
    pub(crate) stale: u32,
    /// People are hidden from the token.
    pub(crate) hidden: bool,
    pub(crate) log_readable: bool,
}

impl Weather {
    pub(crate) fn is_clean(&self) -> bool {
        self.said.is_empty()
    }
}

/// Sets the org to fair weather.
pub(crate) fn fair(company: &Company, log_readable: bool, now: Timestamp) -> Weather {
    let org = &company.org;
    org.faults(muster_oktasim::Faults::clear);
    org.set_token_state(TokenState::Ok);
    for area in [Area::Users, Area::Apps] {
        org.set_right(area, Right::Manage);
    }
    org.set_right(Area::Logs, if log_readable { Right::Read } else { Right::None });
    org.hide(&[]).expect("nobody to be unknown");
    org.change_app(AppChange { active: Some(true), implicit: Some(false), ..AppChange::default() });
    org.settings(|settings| {
        settings.stale_seconds = 0;
        settings.log_delay_seconds = 0;
    });
    // Okta ends a token that nobody used for thirty days; somebody else uses this one too.
    org.handle(&Request::get("/api/v1/users/me").ssws(&org.api_token()), now);
    Weather { log_readable, ..Weather::default() }
}

/// Narrow rate limits or wide ones. A run only takes longer under narrow ones.
pub(crate) fn limits(company: &Company, dice: &mut Dice) {
    let mut overrides = BTreeMap::new();
    if dice.chance(15) {
        for family in [Family::User, Family::App, Family::Logs] {
            overrides.insert(family, u32::try_from(dice.within(4, 20)).expect("it fits"));
        }
    }
    company.org.limits(LimitChange {
        preset: Some(Preset::None),
        overrides: Some(overrides),
        ..LimitChange::default()
    });
}

/// Lets something disturb the next run.
pub(crate) fn foul(company: &Company, weather: &mut Weather, dice: &mut Dice) {
    for _ in 0..dice.within(1, 2) {
        let said = one(company, weather, dice);
        weather.said.push(said);
    }
}

fn one(company: &Company, weather: &mut Weather, dice: &mut Dice) -> String {
    let org = &company.org;
    match dice.below(12) {
        0 | 1 => {
            let per_mille = u32::try_from(dice.within(30, 400)).expect("it fits");
            org.faults(|faults| {
                faults.rain(Some(Rain { seed: dice.next(), per_mille, kinds: Vec::new() }));
            });
            format!("rain of {per_mille}")
        }
        2..=5 => {
            let rule = listing_rule(company, dice);
            let said = format!("{:?} on page {:?}", rule.fault, rule.page);
            org.faults(|faults| faults.add(rule));
            said
        }
        6 => {
            let path = dice.pick(&["/api/v1/users/", "/api/v1/logs", "/api/v1/apps/"]);
            let fault = dice.pick(&[
                Fault::Status(500),
                Fault::Status(503),
                Fault::Status(403),
                Fault::Status(404),
                Fault::Html,
                Fault::Cut(40),
            ]);
            weather.log_readable &=
                path != "/api/v1/logs" || !matches!(fault, Fault::Status(403 | 404));
            let said = format!("{fault:?} on {path}");
            let rule = Rule::on(path)
                .times(u32::try_from(dice.within(1, 8)).expect("it fits"))
                .fault(fault);
            org.faults(|faults| faults.add(rule));
            said
        }
        7 => {
            let state = dice.pick(&[TokenState::Revoked, TokenState::NoRole]);
            org.set_token_state(state);
            format!("token {state:?}")
        }
        8 => {
            let area = dice.pick(&[Area::Users, Area::Apps, Area::Logs]);
            org.set_right(area, Right::None);
            weather.log_readable &= area != Area::Logs;
            format!("no right to {area:?}")
        }
        9 => {
            let part = dice.pick(&[5, 30, 100]);
            let hidden: Vec<String> =
                company.who(|_| true).into_iter().filter(|_| dice.chance(part)).collect();
            org.hide(&hidden).expect("all of them exist");
            weather.hidden |= !hidden.is_empty();
            format!("{} people hidden", hidden.len())
        }
        10 => {
            let broker = dice.chance(50);
            org.change_app(AppChange {
                implicit: Some(broker),
                active: Some(broker),
                ..AppChange::default()
            });
            if broker { "broker mode".to_owned() } else { "app inactive".to_owned() }
        }
        _ => {
            let delay = u32::try_from(dice.within(1, 90)).expect("it fits");
            org.settings(|settings| settings.log_delay_seconds = delay);
            format!("log {delay} s late")
        }
    }
}

fn listing_rule(company: &Company, dice: &mut Dice) -> Rule {
    let people =
        company.who(|user| user.assigned).into_iter().filter(|_| dice.chance(20)).collect();
    let fault = dice.pick(&[
        Fault::Status(500),
        Fault::Status(503),
        Fault::Status(429),
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Cut(200),
        Fault::Drop,
        Fault::WrongCursor,
        Fault::WrongCursor,
        Fault::RepeatedPage,
        Fault::ShortPage(2),
        Fault::EmptyList,
        Fault::EmptyList,
        Fault::EndsEarly,
        Fault::EndsEarly,
        Fault::Shrunken { first: 3, people: Vec::new() },
        Fault::Shrunken { first: 0, people },
        Fault::DuplicatePerson,
        Fault::Html,
    ]);
    let mut rule = Rule::on_app_users().fault(fault);
    if dice.chance(60) {
        rule = rule.page(u16::try_from(dice.within(1, 4)).expect("it fits"));
    }
    if dice.chance(70) {
        rule = rule.times(u32::try_from(dice.within(1, 6)).expect("it fits"));
    }
    rule
}
