//! Companies of any size with Fernhill's ratios, for load.

use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::Value;

use super::chart::{Chart, Seat};
use super::fernhill::moment;
use super::names::{ascii, names_for};
use crate::profile::{Attribute, Builder, Pool, Profile, Shared};
use crate::stamp::{Seconds, seconds};
use crate::state::Org;
use crate::state::groups::Scope;
use crate::state::people::{Person, Provider, Status};

/// How many people report to one person.
const SPAN: u32 = 6;

/// Builds a company of so many people, all assigned to the app by one group, and one service account beside them that
/// owns the API token. The person with number `i` reports to the one with number `(i - 1) / 6`.
pub fn scaled(people: u32, seed: u64, today: Date) -> Org {
    let begun = moment(today.checked_sub(3000.days()).unwrap_or(today));
    let mut org = Org::empty("fernhill", seed, begun);
    "scaled".clone_into(&mut org.name);
    let at = org.created;
    let group = org.place_group("app-learn-employees", "Everyone who learns", at);
    org.place_app_group(0, group, at);
    let maker = Maker::new(&mut org.pool, seed, today);
    org.people.reserve_exact(usize::try_from(people).unwrap_or_default() + 1);
    org.logins.reserve(usize::try_from(people).unwrap_or_default() + 1);
    for number in 0..people {
        let person = maker.person(number);
        let slot = org.place(person);
        org.place_member(group, slot);
        org.place_assignment(0, slot, Scope::Group(group), at);
    }
    let service = service_account(&mut org, at);
    let owner = org.place(service);
    org.admin = owner;
    org.aside = 1;
    if let Some(token) = org.tokens.first_mut() {
        token.owner = owner;
    }
    org
}

/// Everything that many people share, looked up once.
#[derive(Debug)]
struct Maker {
    seats: Vec<SharedSeat>,
    first: Attribute,
    last: Attribute,
    mobile: Attribute,
    second_email: Attribute,
    login: Attribute,
    email: Attribute,
    display: Attribute,
    number: Attribute,
    manager: Attribute,
    start: Attribute,
    nothing: Shared,
    starts: Vec<Shared>,
    shift: u32,
    created: Seconds,
}

/// One seat of the chart with its shared values, and the names that fit it.
#[derive(Debug)]
struct SharedSeat {
    fields: Vec<(Attribute, Shared)>,
    names: Vec<(Shared, &'static str)>,
    surnames: Vec<(Shared, &'static str)>,
}

impl Maker {
    fn new(pool: &mut Pool, seed: u64, today: Date) -> Self {
        let seats = Chart::new()
            .seats
            .iter()
            .filter(|seat| seat.title != "Service account")
            .map(|seat| shared(pool, seat))
            .collect();
        let starts = (1..400)
            .map(|week: i32| today.checked_sub((week * 7).days()).unwrap_or(today))
            .map(|date| pool.share_text(&date.to_string()))
            .collect();
        Self {
            seats,
            first: pool.attribute("firstName"),
            last: pool.attribute("lastName"),
            mobile: pool.attribute("mobilePhone"),
            second_email: pool.attribute("secondEmail"),
            login: pool.attribute("login"),
            email: pool.attribute("email"),
            display: pool.attribute("displayName"),
            number: pool.attribute("employeeNumber"),
            manager: pool.attribute("managerId"),
            start: pool.attribute("startDate"),
            nothing: pool.share(&Value::Null),
            starts,
            shift: u32::try_from(seed % 97).unwrap_or_default(),
            created: seconds(moment(today.checked_sub(900.days()).unwrap_or(today))),
        }
    }

    fn person(&self, number: u32) -> Person {
        let seat = self.seat(number);
        let (first, last) = self.names(number);
        let email = self.email(number);
        let mut profile = Builder::default();
        profile.shared(self.first, first.0).shared(self.last, last.0);
        profile.shared(self.mobile, self.nothing).shared(self.second_email, self.nothing);
        profile.text(self.login, &email).text(self.email, &email);
        profile.text(self.display, &format!("{} {}", first.1, last.1));
        for (attribute, value) in &seat.fields {
            profile.shared(*attribute, *value);
        }
        profile.text(self.number, &format!("SC{number:07}"));
        if number > 0 {
            profile.text(self.manager, &self.email((number - 1) / SPAN));
        }
        profile.shared(self.start, self.starts[place(number, self.starts.len())]);
        let (status, has_password) = match number % 240 {
            31 | 91 | 151 => (Status::Provisioned, false),
            41 | 101 | 161 | 221 => (Status::Staged, false),
            51 | 171 => (Status::LockedOut, true),
            61 | 121 | 181 => (Status::PasswordExpired, true),
            71 | 191 => (Status::Suspended, true),
            _ => (Status::Active, true),
        };
        Person {
            profile: profile.build(),
            status,
            before_suspension: Status::Active,
            provider: Provider::Okta,
            has_password,
            created: self.created + number % 86_400,
            activated: if status == Status::Staged { 0 } else { self.created },
            status_changed: self.created,
            last_login: 0,
            last_updated: self.created,
            password_changed: if has_password { self.created } else { 0 },
        }
    }

    fn seat(&self, number: u32) -> &SharedSeat {
        &self.seats[place(number, self.seats.len())]
    }

    fn names(&self, number: u32) -> ((Shared, &'static str), (Shared, &'static str)) {
        let seat = self.seat(number);
        let turn = number.wrapping_add(self.shift);
        let first = seat.names[place(turn.wrapping_mul(7), seat.names.len())];
        let last = seat.surnames[place(turn / 11, seat.surnames.len())];
        (first, last)
    }

    fn email(&self, number: u32) -> String {
        let (first, last) = self.names(number);
        format!("{}.{}.{number}@fernhill.example", ascii(first.1), ascii(last.1))
    }
}

fn shared(pool: &mut Pool, seat: &Seat) -> SharedSeat {
    let names = names_for(seat.place.language);
    let mut fields = Vec::new();
    for (name, value) in [
        ("title", seat.title),
        ("department", seat.department),
        ("organization", "Fernhill"),
        ("city", seat.place.city),
        ("countryCode", seat.place.country),
        ("timezone", seat.place.zone),
        ("preferredLanguage", seat.place.language),
        ("userType", "Employee"),
    ] {
        if !value.is_empty() {
            fields.push((pool.attribute(name), pool.share_text(value)));
        }
    }
    SharedSeat {
        fields,
        names: names.first.iter().map(|name| (pool.share_text(name), *name)).collect(),
        surnames: names.last.iter().map(|name| (pool.share_text(name), *name)).collect(),
    }
}

fn service_account(org: &mut Org, at: Seconds) -> Person {
    let values = [
        ("firstName", "Learning"),
        ("lastName", "Service"),
        ("login", "svc-learn@fernhill.example"),
        ("email", "svc-learn@fernhill.example"),
    ];
    let profile =
        Profile::from_values(&mut org.pool, values.map(|(name, value)| (name, Value::from(value))));
    Person {
        profile,
        status: Status::Active,
        before_suspension: Status::Active,
        provider: Provider::Okta,
        has_password: true,
        created: at,
        activated: at,
        status_changed: at,
        last_login: 0,
        last_updated: at,
        password_changed: at,
    }
}

fn place(number: u32, length: usize) -> usize {
    usize::try_from(number).unwrap_or_default() % length.max(1)
}
