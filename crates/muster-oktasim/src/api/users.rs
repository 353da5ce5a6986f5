//! `/api/v1/users`.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::Call;
use super::answer::Answer;
use super::listing::{Paging, array};
use super::render::{LISTED_USER_BYTES, Links, Omit, USER_BYTES};
use crate::ids::Kind;
use crate::state::Org;
use crate::state::people::{NewPerson, Status, Transition};

/// Source: Users API; `q` gives 10 and does not page.
const PAGING: Paging = Paging { default: 200, max: 200, strict: false, search: false };

impl Org {
    pub(crate) fn users(&mut self, call: &Call<'_>) -> Answer {
        let get = call.method == Method::GET;
        let post = call.method == Method::POST;
        match *call.parts.as_slice() {
            [_] if get => self.list_users(call),
            [_] if post => self.create_user(call),
            [_, who] => match self.user_slot(call, who) {
                Err(answer) => answer,
                Ok(slot) if get => self.show_user(call, slot),
                Ok(slot) if post => self.change_user(call, slot, false),
                Ok(slot) if call.method == Method::PUT => self.change_user(call, slot, true),
                Ok(slot) if call.method == Method::DELETE => self.remove_user(call, slot),
                Ok(_) => self.wrong_method(),
            },
            [_, who, "lifecycle", action] if post => match self.user_slot(call, who) {
                Err(answer) => answer,
                Ok(slot) => self.move_user(call, slot, action),
            },
            [_, who, "groups"] if get => match self.user_slot(call, who) {
                Err(answer) => answer,
                Ok(slot) => self.groups_of_user(call, slot),
            },
            [_, who, "linkedObjects", relation] if get => match self.user_slot(call, who) {
                Err(answer) => answer,
                Ok(slot) => self.linked_values(call, slot, relation),
            },
            [_] | [_, _, "lifecycle" | "linkedObjects", _] | [_, _, "groups"] => {
                self.wrong_method()
            }
            _ => self.no_such_path(),
        }
    }

    fn list_users(&mut self, call: &Call<'_>) -> Answer {
        if call.param("search").is_some() {
            return self.search_users(call);
        }
        if call.param("filter").is_some() {
            return self.filter_users(call);
        }
        if let Some(start) = call.param("q") {
            return self.find_users(call, start);
        }
        let page = match self.page(call, PAGING) {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        let view = self.view(call);
        // The plain list leaves deactivated users out; search and filter do not.
        let chosen = page.choose(|from| {
            view.people(from).filter(|(_, person)| person.status != Status::Deprovisioned)
        });
        let omit = omit(call);
        let body = array(&chosen.items, LISTED_USER_BYTES, |out, slot, person| {
            view.write_user(out, slot, person, Links::SelfOnly, omit);
        });
        let links = self.link(call, &page, &chosen);
        Answer { links, ..Answer::json(200, project(call, body)) }
    }

    /// The slot that an id, a login, the part of a login before its `@`, or `me` means.
    fn user_slot(&mut self, call: &Call<'_>, who: &str) -> Result<u32, Answer> {
        let decoded: String =
            url::form_urlencoded::parse(format!("x={}", who.replace('+', "%2B")).as_bytes())
                .next()
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default();
        let view = self.view(call);
        let found = if who == "me" {
            self.tokens.get(call.token).map(|token| token.owner)
        } else {
            self.number(Kind::User, &decoded)
                .or_else(|| self.slot_of_login(&decoded))
                .or_else(|| self.slot_of_short_login(&decoded))
        };
        match found.filter(|slot| view.person(*slot).is_some() || who == "me") {
            Some(slot) => Ok(slot),
            None => Err(self.not_found(&decoded, "User")),
        }
    }

    fn slot_of_short_login(&self, short: &str) -> Option<u32> {
        if short.contains('@') || (short.len() == 20 && short.starts_with("00u")) {
            return None;
        }
        let start = format!("{}@", short.to_lowercase());
        let mut found = self.people.iter().zip(0_u32..).filter(|(person, _)| {
            person.as_ref().is_some_and(|person| {
                person.profile.text(&self.pool, "login").to_lowercase().starts_with(&start)
            })
        });
        let first = found.next().map(|(_, slot)| slot);
        if found.next().is_some() { None } else { first }
    }

    fn show_user(&mut self, call: &Call<'_>, slot: u32) -> Answer {
        let view = self.view(call);
        let person = view.person(slot).or_else(|| self.person(slot));
        let Some(person) = person else { return self.not_found("me", "User") };
        let mut body = Vec::with_capacity(USER_BYTES);
        view.write_user(&mut body, slot, person, Links::Full, omit(call));
        // The tag follows the profile, not the status. Source: two pairs of recordings.
        let tag =
            person.profile.entries(&self.pool).fold(u64::from(person.created), |tag, (_, json)| {
                json.iter()
                    .fold(tag, |tag, byte| tag.wrapping_mul(31).wrapping_add(u64::from(*byte)))
            });
        let etag = Some(format!("W/\"{tag:016x}\""));
        Answer { etag, ..Answer::json(200, project(call, body)) }
    }

    fn create_user(&mut self, call: &Call<'_>) -> Answer {
        let Some(body) = call.json() else { return self.bad_body() };
        let Some(profile) = body["profile"].as_object() else {
            return self.invalid("profile", "profile: The field cannot be left blank");
        };
        if let Some(field) = ["firstName", "lastName", "login", "email"]
            .iter()
            .find(|field| profile.get(**field).is_none())
        {
            return self.invalid(field, &format!("{field}: The field cannot be left blank"));
        }
        let groups: Vec<u32> = body["groupIds"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|id| self.number(Kind::Group, id.as_str()?))
            .collect();
        let new = NewPerson {
            profile: entries(profile),
            activate: call.param("activate") != Some("false"),
            has_password: body["credentials"]["password"].is_object(),
        };
        let cause = self.cause(call);
        match self.create_person(&new, &cause, call.now) {
            Ok(slot) => {
                for group in groups {
                    // A group that vanished meanwhile does not undo the user.
                    let _ = self.add_member(group, slot, &cause, call.now);
                }
                self.show_fresh(slot)
            }
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn change_user(&mut self, call: &Call<'_>, slot: u32, whole: bool) -> Answer {
        let Some(body) = call.json() else { return self.bad_body() };
        let mut changes: BTreeMap<String, Value> = BTreeMap::new();
        if let Some(profile) = body["profile"].as_object() {
            if whole && let Some(person) = self.person(slot) {
                let known = person.profile.entries(&self.pool);
                let names = known.map(|(attribute, _)| self.pool.name(attribute).to_owned());
                changes.extend(names.map(|name| (name, Value::Null)));
            }
            changes.extend(entries(profile));
        }
        for field in ["login", "email"] {
            if changes.get(field).is_some_and(Value::is_null) {
                return self.invalid(field, &format!("{field}: The field cannot be left blank"));
            }
        }
        let changes: Vec<(String, Value)> = changes.into_iter().collect();
        let cause = self.cause(call);
        match self.update_person(slot, &changes, &cause, call.now) {
            Ok(_) => self.show_fresh(slot),
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn remove_user(&mut self, call: &Call<'_>, slot: u32) -> Answer {
        let cause = self.cause(call);
        match self.delete_person(slot, &cause, call.now) {
            Ok(_) => Answer::nothing(),
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn move_user(&mut self, call: &Call<'_>, slot: u32, action: &str) -> Answer {
        let transition = match action {
            "activate" => Transition::Activate,
            "deactivate" => Transition::Deactivate,
            "suspend" => Transition::Suspend,
            "unsuspend" => Transition::Unsuspend,
            "reactivate" => Transition::Reactivate,
            "unlock" => Transition::Unlock,
            "expire_password" => Transition::ExpirePassword,
            "reset_password" => Transition::ResetPassword,
            _ => return self.no_such_path(),
        };
        let possible =
            self.person(slot).is_some_and(|person| transition.leads_to(person).is_some());
        if !possible {
            return match transition {
                Transition::Suspend => {
                    self.invalid("status", "Cannot suspend a user that is not active")
                }
                Transition::Unsuspend => {
                    self.invalid("status", "Cannot unsuspend a user that is not suspended")
                }
                Transition::Activate => {
                    let text = "Activation failed because the user is already active";
                    self.error(403, "E0000016", text, &[])
                }
                _ => {
                    let text = "This operation is not allowed in the user's current status.";
                    self.error(403, "E0000038", text, &[])
                }
            };
        }
        let cause = self.cause(call);
        if let Err(refusal) = self.transition(slot, transition, &cause, call.now) {
            return self.refused(&refusal);
        }
        let mailed = call.param("sendEmail") != Some("false");
        match transition {
            Transition::Activate | Transition::Reactivate if !mailed => {
                let token = self.dice.token(20);
                Answer::value(&json!({
                    "activationUrl": format!("{}/tokens/{token}/verify", self.base),
                    "activationToken": token
                }))
            }
            Transition::ResetPassword if !mailed => {
                let token = self.dice.token(20);
                Answer::value(
                    &json!({ "resetPasswordUrl": format!("{}/reset_password/{token}", self.base) }),
                )
            }
            Transition::ExpirePassword => self.show_fresh(slot),
            _ => Answer::value(&json!({})),
        }
    }

    fn groups_of_user(&mut self, call: &Call<'_>, slot: u32) -> Answer {
        let paging = Paging { default: 200, max: 200, strict: false, search: false };
        let page = match self.page(call, paging) {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        let view = self.view(call);
        let count = u32::try_from(self.groups.len()).unwrap_or_default();
        let chosen = page.choose(|from| {
            (from..count)
                .filter(|group| self.group(*group).is_some() && view.is_member(*group, slot))
                .map(|group| (group, ()))
        });
        let body = array(&chosen.items, 900, |out, group, ()| {
            out.extend_from_slice(self.group_json(group, false).to_string().as_bytes());
        });
        Answer { links: self.link(call, &page, &chosen), ..Answer::json(200, body) }
    }

    fn linked_values(&mut self, call: &Call<'_>, slot: u32, relation: &str) -> Answer {
        if !super::meta::RELATIONS.contains(&relation) {
            return self.not_found(relation, "LinkedObject");
        }
        let links: Vec<Value> = self
            .linked
            .get(&(relation.to_owned(), slot))
            .into_iter()
            .flatten()
            .map(|other| {
                let id = self.ids.id(Kind::User, *other);
                json!({ "_links": { "self": { "href": format!("{}/api/v1/users/{id}", self.base) } } })
            })
            .collect();
        let own = format!("{}{}?limit=1000", self.base, call.path);
        Answer { links: vec![("self", own)], ..Answer::value(&Value::Array(links)) }
    }

    /// A user as a write answers: the new state, never a stale one.
    fn show_fresh(&mut self, slot: u32) -> Answer {
        let view = crate::state::view::View { org: self, now: jiff::Timestamp::MAX, hidden: None };
        let Some(person) = self.person(slot) else { return Answer::nothing() };
        let mut body = Vec::with_capacity(USER_BYTES);
        view.write_user(&mut body, slot, person, Links::Full, Omit::default());
        Answer::json(200, body)
    }
}

fn entries(profile: &Map<String, Value>) -> Vec<(String, Value)> {
    profile.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// What the content type of the request asks to leave out.
pub(super) fn omit(call: &Call<'_>) -> Omit {
    let wanted = call.request.header("content-type").unwrap_or_default();
    Omit { credentials: wanted.contains("omitCredentials") }
}

/// Applies `fields=id,status,profile:(firstName,city)`. Rarely used, so it may cost a second pass.
pub(super) fn project(call: &Call<'_>, body: Vec<u8>) -> Vec<u8> {
    let Some(fields) = call.param("fields") else { return body };
    let Ok(mut value) = serde_json::from_slice::<Value>(&body) else { return body };
    let (outer, inner) = match fields.split_once("profile:(") {
        Some((before, rest)) => {
            let (inner, after) = rest.split_once(')').unwrap_or((rest, ""));
            (format!("{before},profile,{after}"), Some(inner))
        }
        None => (fields.to_owned(), None),
    };
    let outer: Vec<&str> =
        outer.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let keep = |user: &mut Value| {
        let Some(user) = user.as_object_mut() else { return };
        user.retain(|name, _| outer.contains(&name.as_str()));
        if let (Some(inner), Some(profile)) =
            (inner, user.get_mut("profile").and_then(Value::as_object_mut))
        {
            let inner: Vec<&str> = inner.split(',').map(str::trim).collect();
            profile.retain(|name, _| inner.contains(&name.as_str()));
        }
    };
    match &mut value {
        Value::Array(users) => users.iter_mut().for_each(keep),
        user => keep(user),
    }
    value.to_string().into_bytes()
}
