//! The simulator's own API under `/_sim/`: everything an Okta administrator or a tester does, as JSON.

use std::collections::BTreeMap;

use http::Method;
use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::admin::Action;
use crate::api::exchange::{Reply, Request};
use crate::faults::{Rain, Rule};
use crate::ids::Kind;
use crate::state::limits::{Family, Preset};
use crate::state::sign_in::{ClientAuth, LoginMode, SubjectFormat};
use crate::state::tokens::{Area, Right, TokenState};
use crate::state::{Org, Refused};

/// Changes to the rate limits; what is not given stays.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitChange {
    pub preset: Option<Preset>,
    pub overrides: Option<BTreeMap<Family, u32>>,
    pub window_seconds: Option<u32>,
    pub concurrent: Option<u32>,
}

/// Changes to the API token; what is not given stays.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenChange {
    pub state: Option<TokenState>,
    pub rights: BTreeMap<Area, Right>,
    /// Whom the token no longer sees; an empty list shows everybody again.
    pub hidden: Option<Vec<String>>,
}

/// Changes to the app under test; what is not given stays, and an empty text unsets an address.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppChange {
    pub label: Option<String>,
    pub client_id: Option<String>,
    pub active: Option<bool>,
    pub implicit: Option<bool>,
    pub redirect_uris: Option<Vec<String>>,
    pub post_logout_redirect_uris: Option<Vec<String>>,
    pub initiate_login_uri: Option<String>,
    /// How the tile on the dashboard works; never set, it follows from the login URI.
    pub idp_initiated_login: Option<LoginMode>,
    pub grant_types: Option<Vec<String>>,
    pub pkce_required: Option<bool>,
    pub token_endpoint_auth_method: Option<ClientAuth>,
    /// The app's public keys, for `private_key_jwt`.
    pub jwks: Option<JwkSet>,
    /// Where the app is told that somebody was signed out everywhere.
    pub global_token_revocation_uri: Option<String>,
    pub global_token_revocation_format: Option<SubjectFormat>,
}

impl Org {
    /// Answers a request under `/_sim/`.
    pub(crate) fn handle_admin(&mut self, request: &Request, path: &str, now: Timestamp) -> Reply {
        let answer = self.admin_answer(request, path, now);
        let (status, value) = match answer {
            Ok(value) => (200, value),
            Err((status, text)) => (status, json!({ "error": text })),
        };
        Reply {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: value.to_string().into(),
            delay_ms: 0,
            cut: None,
            verify: None,
        }
    }

    fn admin_answer(
        &mut self,
        request: &Request,
        path: &str,
        now: Timestamp,
    ) -> Result<Value, (u16, String)> {
        let body = &request.body;
        match (&request.method, path.trim_start_matches("/_sim/")) {
            (&Method::GET, "org") => Ok(self.introduction()),
            (&Method::POST, "act") => {
                let action: Action = read(body)?;
                let done = self.act(&action, now).map_err(refused)?;
                Ok(json!(done))
            }
            (&Method::GET, "stats") => {
                let mut stats = json!(self.stats);
                stats["people"] = json!(self.people_count());
                stats["assigned"] = json!(self.assigned_count());
                Ok(stats)
            }
            (&Method::DELETE, "stats") => {
                self.stats = crate::state::Stats::default();
                Ok(json!({}))
            }
            (&Method::GET, "planted") => Ok(json!(self.planted)),
            (&Method::GET, "hand-made") => Ok(json!(crate::org::hand_made(self))),
            (&Method::GET, "people") => Ok(self.people_summary()),
            (&Method::GET, "settings") => Ok(json!(self.settings)),
            (&Method::PUT, "settings") => {
                let mut merged = json!(self.settings);
                merge(&mut merged, &read::<Value>(body)?);
                self.settings = serde_json::from_value(merged).map_err(unreadable)?;
                Ok(json!(self.settings))
            }
            (&Method::PUT, "limits") => {
                self.change_limits(read(body)?);
                Ok(json!({}))
            }
            (&Method::PUT, "token") => {
                let change: TokenChange = read(body)?;
                self.set_token(change.state, &change.rights, change.hidden.as_deref())
                    .map_err(refused)?;
                Ok(json!({}))
            }
            (&Method::PUT, "app") => {
                self.change_app_settings(read(body)?);
                Ok(self.introduction())
            }
            (&Method::GET, "keys") => Ok(self.key_ids()),
            (&Method::PUT, "keys") => {
                self.change_keys(read(body)?);
                Ok(self.key_ids())
            }
            (&Method::GET, "faults") => Ok(json!(self.faults.rules())),
            (&Method::POST, "faults") => {
                self.faults.add(read::<Rule>(body)?);
                Ok(json!(self.faults.rules()))
            }
            (&Method::DELETE, "faults") => {
                self.faults.clear();
                Ok(json!([]))
            }
            (&Method::PUT, "rain") => {
                self.faults.rain(Some(read::<Rain>(body)?));
                Ok(json!({}))
            }
            (&Method::POST, step) if step.starts_with("morning/") => {
                let name = step.trim_start_matches("morning/");
                let line = crate::org::run_morning_step(self, name, now).map_err(refused)?;
                Ok(json!({ "line": line }))
            }
            _ => Err((404, "the simulator has no such path".to_owned())),
        }
    }

    /// What a program needs to know to use this org.
    pub fn introduction(&self) -> Value {
        json!({
            "base": self.base,
            "app_id": self.app_id(),
            "client_id": self.client_id(),
            "client_secret": self.client_secret(),
            "api_token": self.api_token(),
            "people": self.people_count()
        })
    }

    /// Changes the rate limits and forgets what was used of them.
    pub fn change_limits(&mut self, change: LimitChange) {
        if let Some(preset) = change.preset {
            self.limits.preset = preset;
        }
        if let Some(overrides) = change.overrides {
            self.limits.overrides = overrides;
        }
        if let Some(window) = change.window_seconds {
            self.limits.window_seconds = window;
        }
        if change.concurrent.is_some() {
            self.limits.concurrent = change.concurrent;
        }
        self.limits.refill();
    }

    /// Changes the app under test, without any event.
    pub fn change_app_settings(&mut self, change: AppChange) {
        let Some(app) = self.apps.first_mut() else { return };
        if let Some(label) = change.label {
            app.label = label;
        }
        if let Some(client_id) = change.client_id {
            app.client_id = client_id;
        }
        if let Some(active) = change.active {
            app.active = active;
        }
        if let Some(implicit) = change.implicit {
            app.implicit = implicit;
        }
        if let Some(uris) = change.redirect_uris {
            app.redirect_uris = uris;
        }
        if let Some(uris) = change.post_logout_redirect_uris {
            app.post_logout_uris = uris;
        }
        if let Some(uri) = change.initiate_login_uri {
            app.initiate_login_uri = Some(uri).filter(|uri| !uri.is_empty());
        }
        if change.idp_initiated_login.is_some() {
            app.login_mode = change.idp_initiated_login;
        }
        if let Some(grants) = change.grant_types {
            app.grant_types = grants;
        }
        if let Some(required) = change.pkce_required {
            app.pkce_required = required;
        }
        if let Some(way) = change.token_endpoint_auth_method {
            app.client_auth = way;
        }
        if change.jwks.is_some() {
            app.jwks = change.jwks;
        }
        if let Some(uri) = change.global_token_revocation_uri {
            app.revocation_uri = Some(uri).filter(|uri| !uri.is_empty());
        }
        if let Some(format) = change.global_token_revocation_format {
            app.revocation_format = format;
        }
    }

    fn people_summary(&self) -> Value {
        let people: Vec<Value> = (0_u32..)
            .zip(&self.people)
            .filter_map(|(slot, person)| Some((slot, person.as_ref()?)))
            .take(2000)
            .map(|(slot, person)| {
                json!({
                    "id": self.ids.id(Kind::User, slot).as_str(),
                    "login": person.profile.get(&self.pool, "login"),
                    "email": person.profile.get(&self.pool, "email"),
                    "name": person.profile.full_name(&self.pool),
                    "status": person.status.as_str(),
                    "assigned": self.assignment(0, slot).is_some()
                })
            })
            .collect();
        Value::Array(people)
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, (u16, String)> {
    serde_json::from_slice(body).map_err(unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function on errors")]
fn unreadable(error: serde_json::Error) -> (u16, String) {
    (400, error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function on errors")]
fn refused(refusal: Refused) -> (u16, String) {
    (409, refusal.to_string())
}

fn merge(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}
