//! `/api/v1/groups` and their members.

use http::Method;
use serde_json::{Value, json};

use super::Call;
use super::answer::Answer;
use super::filter::Filter;
use super::listing::{Paging, array};
use super::render::{LISTED_USER_BYTES, Links};
use crate::ids::Kind;
use crate::stamp;
use crate::state::Org;

const GROUPS: Paging = Paging { default: 10_000, max: 10_000, strict: false, search: false };
const MEMBERS: Paging = Paging { default: 1000, max: 1000, strict: false, search: false };

impl Org {
    pub(crate) fn groups_api(&mut self, call: &Call<'_>) -> Answer {
        let Some(id) = call.parts.get(1).copied() else {
            return match *call.method {
                Method::GET => self.list_groups(call),
                Method::POST => self.new_group(call),
                _ => self.wrong_method(),
            };
        };
        let group = self.number(Kind::Group, id).filter(|group| self.group(*group).is_some());
        let Some(group) = group else { return self.not_found(id, "UserGroup") };
        match (call.method, &call.parts[2..]) {
            (&Method::GET, []) => Answer::value(&self.group_json(group, false)),
            (&Method::PUT, []) => self.change_group(call, group),
            (&Method::DELETE, []) => {
                let cause = self.cause(call);
                match self.delete_group(group, &cause, call.now) {
                    Ok(()) => Answer::nothing(),
                    Err(refusal) => self.refused(&refusal),
                }
            }
            (&Method::GET, ["users"]) => self.list_members(call, group),
            (&Method::PUT | &Method::DELETE, ["users", who]) => {
                self.set_membership(call, group, who)
            }
            (&Method::GET, ["apps"]) => {
                let apps = self.apps_of_group(group);
                let apps: Vec<Value> = apps.into_iter().map(|app| self.app_json(app)).collect();
                let own = format!("{}{}?limit=20", self.base, call.path);
                Answer { links: vec![("self", own)], ..Answer::value(&Value::Array(apps)) }
            }
            (_, [] | ["users" | "apps"] | ["users", _]) => self.wrong_method(),
            _ => self.no_such_path(),
        }
    }

    fn list_groups(&mut self, call: &Call<'_>) -> Answer {
        let expression = call.param("search").or_else(|| call.param("filter"));
        let filter = match expression.map(Filter::parse) {
            None => None,
            Some(Ok(filter)) => Some(filter),
            Some(Err(_)) => return self.error(400, "E0000031", "Invalid search criteria.", &[]),
        };
        let page = match self.page(call, GROUPS) {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        let start = call.param("q").unwrap_or_default().to_lowercase();
        let stats = call.param("expand") == Some("stats");
        let all: Vec<(u32, Value)> = (0_u32..)
            .zip(&self.groups)
            .filter_map(|(number, group)| Some((number, group.as_ref()?)))
            .filter(|(_, group)| group.name.to_lowercase().starts_with(&start))
            .map(|(number, _)| (number, self.group_json(number, stats)))
            .filter(|(_, group)| {
                filter.as_ref().is_none_or(|filter| {
                    filter.matches(&|name| {
                        let path = format!("/{}", name.replace('.', "/"));
                        vec![group.pointer(&path).cloned().unwrap_or_default()]
                    })
                })
            })
            .collect();
        let chosen = page.choose(|from| {
            all.iter()
                .filter(move |(number, _)| *number >= from)
                .map(|(number, group)| (*number, group))
        });
        let body = array(&chosen.items, 900, |out, _, group| {
            out.extend_from_slice(group.to_string().as_bytes());
        });
        Answer { links: self.link(call, &page, &chosen), ..Answer::json(200, body) }
    }

    /// Deactivated people stay members and are listed with their status.
    fn list_members(&mut self, call: &Call<'_>, group: u32) -> Answer {
        let page = match self.page(call, MEMBERS) {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        let view = self.view(call);
        let chosen = page.choose(|from| {
            view.members(group, from).filter_map(move |slot| Some((slot, view.person(slot)?)))
        });
        let body = array(&chosen.items, LISTED_USER_BYTES, |out, slot, person| {
            view.write_user(out, slot, person, Links::SelfOnly, super::users::omit(call));
        });
        Answer { links: self.link(call, &page, &chosen), ..Answer::json(200, body) }
    }

    fn set_membership(&mut self, call: &Call<'_>, group: u32, who: &str) -> Answer {
        let slot = self.number(Kind::User, who).filter(|slot| self.person(*slot).is_some());
        let Some(slot) = slot else { return self.not_found(who, "User") };
        let cause = self.cause(call);
        let done = if call.method == Method::PUT {
            self.add_member(group, slot, &cause, call.now)
        } else {
            self.remove_member(group, slot, &cause, call.now)
        };
        match done {
            Ok(_) => Answer::nothing(),
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn new_group(&mut self, call: &Call<'_>) -> Answer {
        let Some(body) = call.json() else { return self.bad_body() };
        let Some(name) = body["profile"]["name"].as_str() else {
            return self.invalid("name", "name: The field cannot be left blank");
        };
        let taken = self.find_group(name).is_ok();
        if taken {
            let text = "name: An object with this field already exists in the current organization";
            return self.invalid("name", text);
        }
        let description = body["profile"]["description"].as_str().unwrap_or_default();
        let cause = self.cause(call);
        let group = self.create_group(name, description, &cause, call.now);
        Answer::value(&self.group_json(group, false))
    }

    fn change_group(&mut self, call: &Call<'_>, group: u32) -> Answer {
        let Some(body) = call.json() else { return self.bad_body() };
        let Some(name) = body["profile"]["name"].as_str() else {
            return self.invalid("name", "name: The field cannot be left blank");
        };
        let description = body["profile"]["description"].as_str().unwrap_or_default();
        let cause = self.cause(call);
        match self.rename_group(group, name, description, &cause, call.now) {
            Ok(()) => Answer::value(&self.group_json(group, false)),
            Err(refusal) => self.refused(&refusal),
        }
    }

    /// A group. Source: recordings of built-in and Okta groups.
    pub(crate) fn group_json(&self, number: u32, stats: bool) -> Value {
        let Some(group) = self.group(number) else { return Value::Null };
        let (base, id) = (&self.base, self.ids.id(Kind::Group, number));
        let logo = |size: &str| {
            json!({
                "name": size,
                "href": format!("{base}/assets/img/logos/groups/odyssey/okta-{size}.png"),
                "type": "image/png"
            })
        };
        let mut value = json!({
            "id": id.as_str(),
            "created": stamp::text(group.created),
            "lastUpdated": stamp::text(group.last_updated),
            "lastMembershipUpdated": stamp::text(group.membership_updated),
            "objectClass": ["okta:user_group"],
            "type": if group.built_in { "BUILT_IN" } else { "OKTA_GROUP" },
            "profile": { "name": group.name, "description": group.description },
            "_links": {
                "logo": [logo("medium"), logo("large")],
                "users": { "href": format!("{base}/api/v1/groups/{id}/users") },
                "apps": { "href": format!("{base}/api/v1/groups/{id}/apps") }
            }
        });
        if stats && let Some(map) = value.as_object_mut() {
            let people = self.people.iter().zip(0_u32..);
            let members = people.filter(|(_, slot)| self.is_member(number, *slot)).count();
            let stats = json!({
                "usersCount": members, "appsCount": self.apps_of_group(number).len(),
                "groupPushMappingsCount": 0, "hasAdminPrivilege": false,
                "_links": { "self": { "href": format!("{base}/api/v1/groups/{id}/stats") } }
            });
            map.insert("_embedded".to_owned(), json!({ "stats": stats }));
        }
        value
    }
}
