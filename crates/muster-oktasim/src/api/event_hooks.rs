//! `/api/v1/eventHooks`.

use http::Method;
use serde_json::{Value, json};

use super::Call;
use super::answer::Answer;
use crate::ids::Kind;
use crate::stamp;
use crate::state::Org;
use crate::state::hooks::Hook;

/// Source: Okta's concept page on event hooks.
const HOOKS_MAX: usize = 25;
const EVENTS_MAX: usize = 300;

/// Event types that exist but that no hook may carry. Source: Okta's catalog of event types, release 2026.08.1.
const INELIGIBLE: [&str; 12] = [
    "application.user_membership.change_username",
    "application.user_membership.restore",
    "application.user_membership.revoke",
    "application.user_membership.approve",
    "application.user_membership.provision",
    "application.user_membership.deprovision",
    "user.account.update_primary_email",
    "user.account.update_secondary_email",
    "user.account.update_user_type",
    "user.lifecycle.delete.completed",
    "user.realm.update",
    "group.lifecycle.update",
];

impl Org {
    pub(crate) fn event_hooks(&mut self, call: &Call<'_>) -> Answer {
        let Some(id) = call.parts.get(1).copied() else {
            return match *call.method {
                Method::GET => self.list_hooks(),
                Method::POST => self.create_hook(call),
                _ => self.wrong_method(),
            };
        };
        let number = self.number(Kind::Hook, id).filter(|number| self.hook(*number).is_some());
        let Some(number) = number else { return self.not_found(id, "Webhook") };
        match (call.method, &call.parts[2..]) {
            (&Method::GET, []) => self.show_hook(number),
            (&Method::PUT, []) => self.replace_hook(call, number),
            (&Method::DELETE, []) => self.delete_hook(number),
            (&Method::POST, ["lifecycle", "verify"]) => {
                let verify = self.begin_verification(number).map(Box::new);
                Answer { verify, ..Answer::nothing() }
            }
            (&Method::POST, ["lifecycle", "activate"]) => self.switch_hook(call, number, true),
            (&Method::POST, ["lifecycle", "deactivate"]) => self.switch_hook(call, number, false),
            (_, [] | ["lifecycle", _]) => self.wrong_method(),
            _ => self.no_such_path(),
        }
    }

    /// A plain array: this listing does not page.
    fn list_hooks(&mut self) -> Answer {
        let hooks: Vec<Value> = (0_u32..)
            .zip(&self.hooks)
            .filter(|(_, hook)| hook.is_some())
            .map(|(number, _)| self.hook_json(number))
            .collect();
        Answer::value(&Value::Array(hooks))
    }

    pub(crate) fn show_hook(&mut self, number: u32) -> Answer {
        Answer::value(&self.hook_json(number))
    }

    fn create_hook(&mut self, call: &Call<'_>) -> Answer {
        let live = self.hooks.iter().flatten().filter(|hook| hook.active && hook.verified).count();
        if live >= HOOKS_MAX {
            return self.invalid("eventHook", "Maximum number of event hooks reached");
        }
        let hook = match self.read_hook(call) {
            Ok(hook) => hook,
            Err(answer) => return answer,
        };
        self.hooks.push(Some(hook));
        let number = u32::try_from(self.hooks.len() - 1).unwrap_or_default();
        self.show_hook(number)
    }

    /// Replacing a hook drops its verification. Source: recording of a PUT.
    fn replace_hook(&mut self, call: &Call<'_>, number: u32) -> Answer {
        let new = match self.read_hook(call) {
            Ok(hook) => hook,
            Err(answer) => return answer,
        };
        if let Some(hook) = self.hook_mut(number) {
            let kept_auth = new.auth.clone().or_else(|| hook.auth.clone());
            let (created, created_by) = (hook.created, hook.created_by.clone());
            *hook = Hook { auth: kept_auth, created, created_by, active: hook.active, ..new };
        }
        self.show_hook(number)
    }

    fn delete_hook(&mut self, number: u32) -> Answer {
        if self.hook(number).is_some_and(|hook| hook.active) {
            let cause = "The event hook must be deactivated before deletion.";
            return self.error(403, "E0000056", "Delete event hook forbidden.", &[cause]);
        }
        if let Some(place) = self.hooks.get_mut(crate::state::index(number)) {
            *place = None;
        }
        Answer::nothing()
    }

    fn switch_hook(&mut self, call: &Call<'_>, number: u32, active: bool) -> Answer {
        if let Some(hook) = self.hook_mut(number) {
            hook.active = active;
            hook.last_updated = stamp::seconds(call.now);
        }
        self.show_hook(number)
    }

    fn read_hook(&mut self, call: &Call<'_>) -> Result<Hook, Answer> {
        let Some(body) = call.json() else { return Err(self.bad_body()) };
        let name = body["name"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() || name.chars().count() > 255 {
            return Err(self.invalid("name", "name: must be between 1 and 255 characters"));
        }
        let config = &body["channel"]["config"];
        let uri = config["uri"].as_str().unwrap_or_default().to_owned();
        // Okta wants https; a simulator must also reach a server on the same machine.
        let loopback = url::Url::parse(&uri).ok().is_some_and(|url| {
            let host = url.host_str().unwrap_or_default();
            host == "127.0.0.1" || host == "localhost" || host.ends_with(".localhost")
        });
        if !uri.starts_with("https://") && !loopback {
            return Err(self.invalid("uri", "uri: must be an https URL"));
        }
        let items = body["events"]["items"].as_array().cloned().unwrap_or_default();
        let events: Vec<String> =
            items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
        let known =
            events.iter().all(|event| event.contains('.') && !INELIGIBLE.contains(&event.as_str()));
        if events.is_empty() || events.len() > EVENTS_MAX || !known {
            return Err(
                self.invalid("events", "events: not all event types are valid for event hooks")
            );
        }
        let auth = config["authScheme"]["key"].as_str().zip(config["authScheme"]["value"].as_str());
        let headers = config["headers"].as_array().cloned().unwrap_or_default();
        let at = stamp::seconds(call.now);
        let owner = self.tokens.get(call.token).map_or(self.admin, |token| token.owner);
        Ok(Hook {
            name,
            description: body["description"].as_str().map(str::to_owned),
            uri,
            headers: headers
                .iter()
                .filter_map(|pair| {
                    Some((pair["key"].as_str()?.to_owned(), pair["value"].as_str()?.to_owned()))
                })
                .collect(),
            auth: auth.map(|(key, value)| (key.to_owned(), value.to_owned())),
            events,
            filter: Some(body["events"]["filter"].clone()).filter(|filter| !filter.is_null()),
            active: true,
            verified: false,
            created: at,
            created_by: self.ids.id(Kind::User, owner).to_string(),
            last_updated: at,
        })
    }

    /// A hook. The value of its secret is never shown. Source: recordings of hooks in every state.
    fn hook_json(&self, number: u32) -> Value {
        let Some(hook) = self.hook(number) else { return Value::Null };
        let id = self.ids.id(Kind::Hook, number);
        let url = format!("{}/api/v1/eventHooks/{id}", self.base);
        let post = |action: &str| json!({ "href": format!("{url}/lifecycle/{action}"), "hints": { "allow": ["POST"] } });
        let links = if hook.active {
            json!({ "self": { "href": &url }, "verify": post("verify"), "deactivate": post("deactivate") })
        } else {
            json!({
                "self": { "href": &url },
                "activate": post("activate"),
                "delete": { "href": &url, "hints": { "allow": ["DELETE"] } }
            })
        };
        let headers: Vec<Value> =
            hook.headers.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect();
        let mut config = json!({ "uri": hook.uri, "headers": headers, "method": "POST" });
        if let (Some((key, _)), Some(map)) = (&hook.auth, config.as_object_mut()) {
            map.insert("authScheme".to_owned(), json!({ "type": "HEADER", "key": key }));
        }
        json!({
            "id": id.as_str(),
            "status": if hook.active { "ACTIVE" } else { "INACTIVE" },
            "verificationStatus": if hook.verified { "VERIFIED" } else { "UNVERIFIED" },
            "name": hook.name,
            "description": hook.description,
            "created": stamp::text(hook.created),
            "createdBy": hook.created_by,
            "lastUpdated": stamp::text(hook.last_updated),
            "events": { "type": "EVENT_TYPE", "items": hook.events, "filter": hook.filter },
            "channel": { "type": "HTTP", "version": "1.0.0", "config": config },
            "_links": links
        })
    }
}
