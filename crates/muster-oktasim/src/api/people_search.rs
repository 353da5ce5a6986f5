//! `search`, `filter` and `q` of the user listing. Unlike the plain list, the first two show deactivated users.

use serde_json::Value;

use super::Call;
use super::answer::Answer;
use super::filter::{BadFilter, Filter, Op};
use super::listing::{Paging, array};
use super::render::{LISTED_USER_BYTES, Links};
use super::users::{omit, project};
use crate::ids::Kind;
use crate::stamp;
use crate::state::Org;
use crate::state::people::{Person, Status};

impl Org {
    pub(crate) fn search_users(&mut self, call: &Call<'_>) -> Answer {
        let Ok(filter) = Filter::parse(call.param("search").unwrap_or_default()) else {
            return self.bad_search();
        };
        if filter.check(&searchable).is_err() {
            return self.bad_search();
        }
        match call.param("sortBy") {
            Some(attribute) => self.sorted_users(call, &filter, attribute),
            None => self.matching_users(call, &filter, true),
        }
    }

    pub(crate) fn filter_users(&mut self, call: &Call<'_>) -> Answer {
        let Ok(filter) = Filter::parse(call.param("filter").unwrap_or_default()) else {
            return self.bad_search();
        };
        if filter.check(&filterable).is_err() {
            return self.bad_search();
        }
        self.matching_users(call, &filter, false)
    }

    /// `q`: names and e-mails that begin so; ten at most, no paging, no deactivated users.
    pub(crate) fn find_users(&mut self, call: &Call<'_>, start: &str) -> Answer {
        let start = start.to_lowercase();
        let limit = call.param("limit").and_then(|limit| limit.parse().ok()).unwrap_or(10);
        let view = self.view(call);
        let found: Vec<(u32, &Person)> = view
            .people(0)
            .filter(|(_, person)| person.status != Status::Deprovisioned)
            .filter(|(_, person)| {
                ["firstName", "lastName", "email"].iter().any(|name| {
                    person.profile.text(&self.pool, name).to_lowercase().starts_with(&start)
                })
            })
            .take(limit)
            .collect();
        let body = array(&found, LISTED_USER_BYTES, |out, slot, person| {
            view.write_user(out, slot, person, Links::SelfOnly, omit(call));
        });
        Answer::json(200, body)
    }

    fn matching_users(&mut self, call: &Call<'_>, filter: &Filter, search: bool) -> Answer {
        let page = match self.page(call, Paging { default: 200, max: 200, strict: false, search }) {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        let view = self.view(call);
        let chosen = page.choose(|from| {
            view.people(from).filter(|(slot, person)| {
                filter.matches(&|name| vec![self.search_value(*slot, person, name)])
            })
        });
        let body = array(&chosen.items, LISTED_USER_BYTES, |out, slot, person| {
            view.write_user(out, slot, person, Links::SelfOnly, omit(call));
        });
        let links = self.link(call, &page, &chosen);
        Answer { links, ..Answer::json(200, project(call, body)) }
    }

    /// Sorted results page by their place in the sorted order; equal values are ordered by id.
    fn sorted_users(&mut self, call: &Call<'_>, filter: &Filter, attribute: &str) -> Answer {
        let page =
            match self.page(call, Paging { default: 200, max: 200, strict: false, search: true }) {
                Ok(page) => page,
                Err(answer) => return answer,
            };
        let view = self.view(call);
        let mut found: Vec<(String, String, u32, &Person)> = view
            .people(0)
            .filter(|(slot, person)| {
                filter.matches(&|name| vec![self.search_value(*slot, person, name)])
            })
            .map(|(slot, person)| {
                let value = match self.search_value(slot, person, attribute) {
                    Value::String(text) => text.to_lowercase(),
                    other => other.to_string(),
                };
                (value, self.ids.id(Kind::User, slot).to_string(), slot, person)
            })
            .collect();
        found.sort_by(|left, right| (&left.0, &left.1).cmp(&(&right.0, &right.1)));
        if call.param("sortOrder").is_some_and(|order| order.starts_with("desc")) {
            found.reverse();
        }
        let chosen = page.choose(|from| {
            let skip = usize::try_from(from).unwrap_or(usize::MAX);
            (0_u32..).zip(&found).skip(skip)
        });
        let body = array(&chosen.items, LISTED_USER_BYTES, |out, _, (_, _, slot, person)| {
            view.write_user(out, *slot, person, Links::SelfOnly, omit(call));
        });
        let links = self.link(call, &page, &chosen);
        Answer { links, ..Answer::json(200, project(call, body)) }
    }

    fn bad_search(&mut self) -> Answer {
        self.error(400, "E0000031", "Invalid search criteria.", &[])
    }

    fn search_value(&self, slot: u32, person: &Person, name: &str) -> Value {
        let time = |at| if at == 0 { Value::Null } else { Value::String(stamp::text(at)) };
        match name {
            "id" => Value::String(self.ids.id(Kind::User, slot).to_string()),
            "status" => person.status.as_str().into(),
            "created" => time(person.created),
            "activated" => time(person.activated),
            "statusChanged" => time(person.status_changed),
            "lastUpdated" => time(person.last_updated),
            "type.id" => Value::String(self.ids.id(Kind::Type, 0).to_string()),
            other => {
                let attribute = other.strip_prefix("profile.").unwrap_or(other);
                person.profile.get(&self.pool, attribute)
            }
        }
    }
}

const TOP: [&str; 7] =
    ["id", "status", "created", "activated", "statusChanged", "lastUpdated", "type.id"];

/// `search` knows every profile attribute; no `ne`, and `co` for four of them only.
fn searchable(attribute: &str, op: Op) -> Result<(), BadFilter> {
    if !TOP.contains(&attribute) && !attribute.starts_with("profile.") {
        return Err(BadFilter::Attribute(attribute.to_owned()));
    }
    let contains = ["profile.firstName", "profile.lastName", "profile.email", "profile.login"];
    match op {
        Op::Ne | Op::EndsWith => Err(BadFilter::Operator(attribute.to_owned())),
        Op::Contains if !contains.contains(&attribute) => {
            Err(BadFilter::Operator(attribute.to_owned()))
        }
        _ => Ok(()),
    }
}

/// `filter` knows few attributes, and only `eq` but for `lastUpdated`.
fn filterable(attribute: &str, op: Op) -> Result<(), BadFilter> {
    match (attribute, op) {
        ("lastUpdated", Op::Eq | Op::Gt | Op::Ge | Op::Lt | Op::Le)
        | (
            "status" | "id" | "profile.login" | "profile.email" | "profile.firstName"
            | "profile.lastName",
            Op::Eq,
        ) => Ok(()),
        (other, _) => Err(BadFilter::Attribute(other.to_owned())),
    }
}
