//! What happens in the company: people come, change, leave and come back, and administrators make mistakes.

use muster_oktasim::Action;
use serde_json::{Map, Value, json};

use super::company::{Company, User};
use super::dice::Dice;

/// People who ever existed, at most.
const EVER_MAX: usize = 45;
/// People who exist and are not deactivated, at most.
const LIVE_MAX: usize = 30;
/// The group that is assigned to the app.
pub(crate) const GROUP: &str = "Learners";

const FIRST: [&str; 7] = ["Ana", "Bo", "Cy", "Dana", "Émile", "Fay", "Gus"];
const LAST: [&str; 6] = ["Ito", "Jones", "King", "Lund", "Meyer-Öz", "Novak"];
const TITLES: [&str; 5] = ["Engineer", "Lead", " Buyer ", "Nurse", "Head of \u{1F98A}"];
const CITIES: [&str; 5] = ["London", "london ", "Köln", "Oslo", " "];
const DEPARTMENTS: [&str; 7] =
    ["Sales", "SALES ", "sales", "People  Ops", "R&D", "Board", "Night Shift"];
const LANGUAGES: [&str; 8] = ["en_GB", "en-gb", "EN", "de", "de_AT", "fr-CA", "zz9", "pt"];
const KINDS: [&str; 4] = ["Employee", "Employee", "Contractor", "Subcontractor"];
const PICTURES: [&str; 3] = ["https://img.example/a.png", "http://img.example/b.png", "none"];

/// Lets one thing happen; says in words what.
pub(crate) fn happen(company: &mut Company, dice: &mut Dice) -> String {
    let before = company.number;
    let (what, who) = match dice.below(40) {
        0..=6 => ("hire", hire(company, dice)),
        7 | 8 => ("come back under a new id", returner(company, dice)),
        9..=12 => ("profile", profile(company, dice)),
        13..=16 => ("manager", manager(company, dice)),
        17 | 18 => ("e-mail", email(company, dice)),
        19 => ("swap e-mails", swap(company, dice)),
        20 => ("take another's e-mail", double(company, dice)),
        21..=23 => (
            "unassign",
            each(company, dice, |user| user.assigned, |who| Action::Unassign { who, app: None }),
        ),
        24..=26 => (
            "assign",
            each(
                company,
                dice,
                |user| !user.assigned && user.is_live(),
                |who| Action::Assign { who, app: None },
            ),
        ),
        27 | 28 => (
            "suspend",
            each(company, dice, |user| user.status == "ACTIVE", |who| Action::Suspend { who }),
        ),
        29 | 30 => (
            "unsuspend",
            each(company, dice, |user| user.status == "SUSPENDED", |who| Action::Unsuspend { who }),
        ),
        31 | 32 => {
            ("deactivate", each(company, dice, User::is_live, |who| Action::Deactivate { who }))
        }
        33 | 34 => {
            let who = each(
                company,
                dice,
                |user| !user.is_live() || user.status == "STAGED",
                |who| Action::Activate { who },
            );
            if let Some(who) = who.clone().filter(|_| dice.chance(70)) {
                company.act(&Action::Assign { who, app: None });
            }
            ("activate", who)
        }
        35 => ("delete", each(company, dice, dice_free, |who| Action::Delete { who })),
        36 => (
            "lock out",
            each(company, dice, |user| user.status == "ACTIVE", |who| Action::Lock { who }),
        ),
        37 => (
            "expire",
            each(
                company,
                dice,
                |user| user.status == "ACTIVE",
                |who| Action::ExpirePassword { who },
            ),
        ),
        38 => ("login", login(company, dice)),
        _ => ("mistake", mistake(company, dice)),
    };
    let new = if company.number > before { " (new)" } else { "" };
    format!("{what}: {}{new}", who.unwrap_or_else(|| "nobody".to_owned()))
}

fn dice_free(user: &User) -> bool {
    user.is_live() || user.text("title").is_none_or(|title| title != "Lead")
}

/// Something that goes wrong on a large scale, or is put right again.
fn mistake(company: &mut Company, dice: &mut Dice) -> Option<String> {
    let group = GROUP.to_owned();
    match dice.below(6) {
        0 => {
            company.act(&Action::UnassignGroup { group, app: None }).then(|| "the group".to_owned())
        }
        1 => company
            .act(&Action::AssignGroup { group, app: None })
            .then(|| "the group again".to_owned()),
        2 => many(company, dice, |user| user.assigned, |who| Action::Unassign { who, app: None }),
        3 => many(company, dice, |user| user.status == "ACTIVE", |who| Action::Suspend { who }),
        4 => many(
            company,
            dice,
            |user| !user.assigned && user.is_live(),
            |who| Action::Assign { who, app: None },
        ),
        _ => many(company, dice, |_| true, |who| Action::Delete { who }),
    }
}

fn many(
    company: &mut Company,
    dice: &mut Dice,
    test: impl Fn(&User) -> bool,
    action: impl Fn(String) -> Action,
) -> Option<String> {
    let all = company.who(test);
    let part = dice.pick(&[30, 60, 100]);
    let some: Vec<String> = all.into_iter().filter(|_| dice.chance(part)).collect();
    for who in &some {
        company.act(&action(who.clone()));
    }
    Some(format!("{} people", some.len()))
}

fn each(
    company: &mut Company,
    dice: &mut Dice,
    test: impl Fn(&User) -> bool,
    action: impl Fn(String) -> Action,
) -> Option<String> {
    let all = company.who(test);
    let who = dice.any(&all)?;
    company.act(&action(who.clone())).then_some(who)
}

fn room(company: &Company) -> bool {
    company.number < EVER_MAX && company.who(User::is_live).len() < LIVE_MAX
}

/// A new person; half of them get the app through the group.
pub(crate) fn hire(company: &mut Company, dice: &mut Dice) -> Option<String> {
    if !room(company) {
        return None;
    }
    let (first, last) = (dice.pick(&FIRST), dice.pick(&LAST));
    let n = company.number + 1;
    let domain = if dice.chance(85) { "acme.example" } else { "partner.example" };
    let email = format!("{}.{n}@{domain}", if dice.chance(80) { "p" } else { "P" });
    add(company, dice, first, last, &email)
}

/// Somebody with the e-mail of somebody who is out, mostly under the same name.
fn returner(company: &mut Company, dice: &mut Dice) -> Option<String> {
    let gone = company.who(|user| !user.assigned || user.status == "SUSPENDED");
    let old = company.now.get(&dice.any(&gone)?)?.clone();
    if !room(company) {
        return None;
    }
    let email = old.text("email").filter(|email| email.contains('@'))?;
    if dice.chance(40) {
        company.act(&Action::Delete { who: old.id.clone() });
    } else if dice.chance(50) {
        company.act(&Action::Deactivate { who: old.id.clone() });
    }
    let same = dice.chance(75);
    let first = old.text("firstName").filter(|_| same).unwrap_or("Nils");
    let last = old.text("lastName").filter(|_| same).unwrap_or("Olsen");
    add(company, dice, first, last, email)
}

fn add(
    company: &mut Company,
    dice: &mut Dice,
    first: &str,
    last: &str,
    email: &str,
) -> Option<String> {
    company.number += 1;
    let n = company.number;
    let mut profile = Map::new();
    let mut set = |name: &str, value: &str| profile.insert(name.to_owned(), Value::from(value));
    let own = format!("login-{n}@acme.example");
    // People who have the e-mail as their login may take the login of nobody else.
    let login = if dice.chance(50) && email.ends_with(&format!(".{n}@acme.example")) {
        email
    } else {
        &own
    };
    set("login", login);
    set("email", email);
    set("firstName", first);
    set("lastName", last);
    set("title", dice.pick(&TITLES));
    set("city", dice.pick(&CITIES));
    set("department", dice.pick(&DEPARTMENTS));
    set("userType", dice.pick(&KINDS));
    if dice.chance(60) {
        set("employeeNumber", &format!("E{:03}", if dice.chance(95) { n } else { 1 }));
    }
    if dice.chance(50) {
        set("preferredLanguage", dice.pick(&LANGUAGES));
    }
    if dice.chance(30) {
        set("locale", dice.pick(&LANGUAGES));
    }
    if dice.chance(30) {
        set("picture", dice.pick(&PICTURES));
    }
    if dice.chance(30) {
        let start = start_date(dice);
        set("startDate", &start);
    }
    if dice.chance(60)
        && let Some((name, value)) = manager_value(company, dice)
    {
        set(name, &value);
    }
    let in_group = dice.chance(50);
    let groups = if in_group { vec![GROUP.to_owned()] } else { Vec::new() };
    let assign = !in_group && dice.chance(90);
    let action = Action::Create {
        profile,
        groups,
        assign,
        activate: dice.chance(85),
        password: dice.chance(80),
    };
    let known = company.now.clone();
    company.act(&action).then(|| {
        company.now.keys().find(|id| !known.contains_key(*id)).cloned().unwrap_or_default()
    })
}

fn start_date(dice: &mut Dice) -> String {
    match dice.below(8) {
        0 => "31/02/2026".to_owned(),
        1 => "2026-02-31".to_owned(),
        2 => "2026-05-01T00:00:00.000Z".to_owned(),
        _ => format!("2026-{:02}-{:02}", dice.within(2, 6), dice.within(1, 28)),
    }
}

fn update(company: &mut Company, who: String, name: &str, value: Value) -> Option<String> {
    let profile = Map::from_iter([(name.to_owned(), value.clone())]);
    let told = format!("{who} {name} = {value}");
    company.act(&Action::Update { who, profile }).then_some(told)
}

fn somebody(company: &Company, dice: &mut Dice) -> Option<String> {
    let assigned = company.who(|user| user.assigned);
    let all = company.who(|_| true);
    if dice.chance(85) { dice.any(&assigned) } else { dice.any(&all) }
}

fn profile(company: &mut Company, dice: &mut Dice) -> Option<String> {
    let who = somebody(company, dice)?;
    let empty = dice.chance(20);
    let (name, value) = match dice.below(11) {
        0 | 1 => ("title", json!(dice.pick(&TITLES))),
        2 | 3 => ("department", json!(dice.pick(&DEPARTMENTS))),
        4 => ("city", json!(dice.pick(&CITIES))),
        5 => ("preferredLanguage", json!(dice.pick(&LANGUAGES))),
        6 => ("firstName", json!(dice.pick(&FIRST))),
        7 => ("lastName", json!(dice.pick(&LAST))),
        8 => ("userType", json!(dice.pick(&KINDS))),
        9 => ("startDate", json!(start_date(dice))),
        _ => ("picture", json!(dice.pick(&PICTURES))),
    };
    if name == "title" && dice.chance(5) {
        return update(company, who, name, json!("long ".repeat(70)));
    }
    update(company, who, name, if empty { Value::Null } else { value })
}

fn manager(company: &mut Company, dice: &mut Dice) -> Option<String> {
    let who = somebody(company, dice)?;
    if dice.chance(15) {
        let name = dice.pick(&["managerId", "manager"]);
        return update(company, who, name, Value::Null);
    }
    if dice.chance(10) {
        return update(company, who.clone(), "managerId", json!(who));
    }
    let (name, value) = manager_value(company, dice)?;
    update(company, who, name, json!(value))
}

/// A manager as somebody might write it: by id, e-mail, login, number or name, or as nobody we know.
fn manager_value(company: &Company, dice: &mut Dice) -> Option<(&'static str, String)> {
    let all = company.who(|_| true);
    let of = company.now.get(&dice.any(&all)?)?;
    let text = |name: &str| of.text(name).map(str::to_owned);
    let (name, value) = match dice.below(10) {
        0..=2 => ("managerId", Some(of.id.clone())),
        3 | 4 => ("managerId", text("email").map(|email| email.to_uppercase())),
        5 => ("managerId", text("login")),
        6 => ("managerId", text("employeeNumber").map(|number| format!(" {number} "))),
        7 => ("manager", Some(format!("{} {}", text("firstName")?, text("lastName")?))),
        // Somebody who may be hired one day.
        8 => ("managerId", Some(format!("p.{}@acme.example", company.number + 1))),
        _ => ("manager", Some("nobody-here@acme.example".to_owned())),
    };
    Some((name, value?))
}

fn email(company: &mut Company, dice: &mut Dice) -> Option<String> {
    let who = somebody(company, dice)?;
    let value = match dice.below(10) {
        0 => Value::Null,
        1 => json!("not an address"),
        2 => json!(company.now[&who].text("email")?.to_uppercase()),
        _ => json!(format!("new.{}@acme.example", dice.below(12))),
    };
    update(company, who, "email", value)
}

fn swap(company: &mut Company, dice: &mut Dice) -> Option<String> {
    let all = company.who(|user| user.assigned && user.text("email").is_some());
    let (one, other) = (dice.any(&all)?, dice.any(&all)?);
    let mail = |who: &String| json!(company.now[who].text("email"));
    let (first, second) = (mail(&one), mail(&other));
    update(company, one.clone(), "email", second)?;
    update(company, other.clone(), "email", first)?;
    // Sometimes a third one moves along.
    if dice.chance(30) {
        let third = dice.any(&all)?;
        let (left, right) =
            (json!(company.now[&other].text("email")), json!(company.now[&third].text("email")));
        update(company, other.clone(), "email", right)?;
        update(company, third, "email", left)?;
    }
    Some(format!("{one} and {other}"))
}

fn double(company: &mut Company, dice: &mut Dice) -> Option<String> {
    let who = somebody(company, dice)?;
    let other = somebody(company, dice)?;
    let email = company.now[&other].text("email")?.to_owned();
    update(company, who, "email", json!(email))
}

fn login(company: &mut Company, dice: &mut Dice) -> Option<String> {
    let who = somebody(company, dice)?;
    company.number += 1;
    let login = format!("login-{}@acme.example", company.number);
    update(company, who, "login", json!(login))
}
