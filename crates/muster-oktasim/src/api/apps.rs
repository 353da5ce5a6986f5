//! `/api/v1/apps`, their users and their groups.

use http::Method;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::Call;
use super::answer::Answer;
use super::filter::Filter;
use super::listing::{Paging, array};
use super::render::{APP_USER_BYTES, USER_BYTES};
use crate::ids::Kind;
use crate::stamp;
use crate::state::log::{Event, EventKind};
use crate::state::sign_in::{ClientAuth, LoginMode};
use crate::state::{Org, index};

const APPS: Paging = Paging { default: 200, max: 200, strict: false, search: false };
/// Source: operation `listApplicationUsers`.
const APP_USERS: Paging = Paging { default: 50, max: 500, strict: true, search: false };
/// The last part of every app's link on the dashboard.
pub(crate) const EMBED: &str = "aln177a159h7Zf52X0g8";
const APP_GROUPS: Paging = Paging { default: 20, max: 200, strict: false, search: false };

impl Org {
    pub(crate) fn apps_api(&mut self, call: &Call<'_>) -> Answer {
        let get = call.method == Method::GET;
        let Some(id) = call.parts.get(1).copied() else {
            return if get { self.list_apps(call) } else { self.wrong_method() };
        };
        let known = self.number(Kind::App, id).filter(|app| index(*app) < self.apps.len());
        let Some(app) = known else { return self.not_found(id, "AppInstance") };
        match (call.method, &call.parts[2..]) {
            (&Method::GET, []) => Answer::value(&self.app_json(app)),
            (&Method::POST | &Method::PUT, []) => self.change_app(call, app),
            (&Method::GET, ["users"]) => self.list_app_users(call, app),
            (&Method::POST, ["users"]) => self.assign_user(call, app, None),
            (&Method::GET, ["users", who]) => self.show_app_user(call, app, who),
            (&Method::POST | &Method::PUT, ["users", who]) => {
                self.assign_user(call, app, Some(who))
            }
            (&Method::DELETE, ["users", who]) => self.unassign_user(call, app, who),
            (&Method::GET, ["groups"]) => self.list_app_groups(call, app),
            (method, ["groups", group]) => self.one_app_group(call, method, app, group),
            (_, [] | ["users" | "groups"] | ["users", _]) => self.wrong_method(),
            _ => self.no_such_path(),
        }
    }

    fn list_apps(&mut self, call: &Call<'_>) -> Answer {
        let filter = match call.param("filter").map(Filter::parse) {
            None => None,
            Some(Ok(filter)) => Some(filter),
            Some(Err(_)) => return self.error(400, "E0000031", "Invalid search criteria.", &[]),
        };
        let page = match self.page(call, APPS) {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        let start = call.param("q").unwrap_or_default().to_lowercase();
        let all: Vec<(u32, Value)> = (0_u32..)
            .zip(&self.apps)
            .filter(|(_, app)| app.label.to_lowercase().starts_with(&start))
            .map(|(number, _)| (number, self.app_json(number)))
            .filter(|(_, app)| {
                filter.as_ref().is_none_or(|filter| {
                    filter.matches(&|name| {
                        let path = format!("/{}", name.replace('.', "/"));
                        vec![app.pointer(&path).cloned().unwrap_or_default()]
                    })
                })
            })
            .collect();
        let chosen = page.choose(|from| {
            all.iter()
                .filter(move |(number, _)| *number >= from)
                .map(|(number, app)| (*number, app))
        });
        let body = array(&chosen.items, 3000, |out, _, app| {
            out.extend_from_slice(app.to_string().as_bytes());
        });
        Answer { links: self.link(call, &page, &chosen), ..Answer::json(200, body) }
    }

    fn list_app_users(&mut self, call: &Call<'_>, app: u32) -> Answer {
        let page = match self.page(call, APP_USERS) {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        let expand = call.param("expand") == Some("user");
        let start = call.param("q").map(str::to_lowercase);
        let view = self.view(call);
        let chosen = page.choose(|from| {
            view.assigned(app, from).filter(|(slot, _)| {
                let Some(person) = view.person(*slot) else { return false };
                // For OIDC apps `q` matches the user name and the e-mail only.
                start.as_deref().is_none_or(|start| {
                    ["login", "email"].iter().any(|name| {
                        person.profile.text(&self.pool, name).to_lowercase().starts_with(start)
                    })
                })
            })
        });
        let each = APP_USER_BYTES + if expand { USER_BYTES } else { 0 };
        let body = array(&chosen.items, each, |out, slot, assignment| {
            view.write_app_user(out, app, slot, assignment, expand);
        });
        Answer { links: self.link(call, &page, &chosen), ..Answer::json(200, body) }
    }

    fn show_app_user(&mut self, call: &Call<'_>, app: u32, who: &str) -> Answer {
        let view = self.view(call);
        let slot = self.number(Kind::User, who).filter(|slot| view.person(*slot).is_some());
        let found = slot.and_then(|slot| Some((slot, view.assignment(app, slot)?)));
        let Some((slot, assignment)) = found else { return self.not_found(who, "AppUser") };
        let expand = call.param("expand") == Some("user");
        let mut body = Vec::with_capacity(APP_USER_BYTES + USER_BYTES);
        view.write_app_user(&mut body, app, slot, assignment, expand);
        Answer::json(200, body)
    }

    fn assign_user(&mut self, call: &Call<'_>, app: u32, who: Option<&str>) -> Answer {
        let body = call.json().unwrap_or_default();
        let Some(who) = who.or_else(|| body["id"].as_str()) else { return self.bad_body() };
        let slot = self.number(Kind::User, who).filter(|slot| self.person(*slot).is_some());
        let Some(slot) = slot else { return self.not_found(who, "User") };
        let cause = self.cause(call);
        if let Err(refusal) = self.assign(app, slot, &cause, call.now) {
            return self.refused(&refusal);
        }
        let view = crate::state::view::View { org: self, now: jiff::Timestamp::MAX, hidden: None };
        let mut body = Vec::with_capacity(APP_USER_BYTES);
        if let Some(assignment) = self.assignment(app, slot) {
            view.write_app_user(&mut body, app, slot, assignment, false);
        }
        Answer::json(200, body)
    }

    fn unassign_user(&mut self, call: &Call<'_>, app: u32, who: &str) -> Answer {
        let slot = self.number(Kind::User, who);
        let Some(slot) = slot.filter(|slot| self.assignment(app, *slot).is_some()) else {
            return self.not_found(who, "AppUser");
        };
        let cause = self.cause(call);
        match self.unassign(app, slot, &cause, call.now) {
            Ok(()) => Answer::nothing(),
            Err(refusal) => self.refused(&refusal),
        }
    }

    fn list_app_groups(&mut self, call: &Call<'_>, app: u32) -> Answer {
        let page = match self.page(call, APP_GROUPS) {
            Ok(page) => page,
            Err(answer) => return answer,
        };
        let expand = call.param("expand") == Some("group");
        let groups: Vec<u32> = self
            .app(app)
            .map_or_else(Vec::new, |app| app.groups.iter().map(|group| group.group).collect());
        let chosen =
            page.choose(|from| (0_u32..).zip(&groups).filter(move |(place, _)| *place >= from));
        let body = array(&chosen.items, 600, |out, place, group| {
            let value = self.app_group_json(app, **group, place, expand);
            out.extend_from_slice(value.to_string().as_bytes());
        });
        Answer { links: self.link(call, &page, &chosen), ..Answer::json(200, body) }
    }

    fn one_app_group(&mut self, call: &Call<'_>, method: &Method, app: u32, id: &str) -> Answer {
        let group = self.number(Kind::Group, id).filter(|group| self.group(*group).is_some());
        let Some(group) = group else { return self.not_found(id, "Group") };
        let place = |org: &Self| {
            let groups = &org.app(app)?.groups;
            let place = groups.iter().position(|known| known.group == group)?;
            u32::try_from(place).ok()
        };
        match *method {
            Method::PUT => {
                let cause = self.cause(call);
                self.assign_group(app, group, &cause, call.now);
                let place = place(self).unwrap_or_default();
                Answer::value(&self.app_group_json(app, group, place, false))
            }
            Method::GET => match place(self) {
                Some(place) => {
                    let expand = call.param("expand") == Some("group");
                    Answer::value(&self.app_group_json(app, group, place, expand))
                }
                None => self.not_found(id, "AppGroup"),
            },
            Method::DELETE => {
                let cause = self.cause(call);
                if self.unassign_group(app, group, &cause, call.now) {
                    Answer::nothing()
                } else {
                    self.not_found(id, "AppGroup")
                }
            }
            _ => self.wrong_method(),
        }
    }

    /// Takes over what a client may change: label, URIs, how signing in works, Federation Broker Mode.
    fn change_app(&mut self, call: &Call<'_>, app: u32) -> Answer {
        let Some(body) = call.json() else { return self.bad_body() };
        let settings = &body["settings"];
        let list = |value: &Value| -> Option<Vec<String>> {
            let items = value.as_array()?.iter();
            Some(items.filter_map(|item| item.as_str().map(str::to_owned)).collect())
        };
        if let Some(known) = self.apps.get_mut(index(app)) {
            if let Some(label) = body["label"].as_str() {
                label.clone_into(&mut known.label);
            }
            if let Some(uris) = list(&settings["oauthClient"]["redirect_uris"]) {
                known.redirect_uris = uris;
            }
            if let Some(uris) = list(&settings["oauthClient"]["post_logout_redirect_uris"]) {
                known.post_logout_uris = uris;
            }
            if let Some(uri) = settings["oauthClient"]["initiate_login_uri"].as_str() {
                known.initiate_login_uri = Some(uri.to_owned());
            }
            let oauth = &settings["oauthClient"];
            if let Some(grants) = list(&oauth["grant_types"]) {
                known.grant_types = grants;
            }
            let mode = &oauth["idp_initiated_login"]["mode"];
            if let Ok(mode) = LoginMode::deserialize(mode) {
                known.login_mode = Some(mode);
            }
            let credentials = &body["credentials"]["oauthClient"];
            if let Some(required) = credentials["pkce_required"].as_bool() {
                known.pkce_required = required;
            }
            if let Ok(way) = ClientAuth::deserialize(&credentials["token_endpoint_auth_method"]) {
                known.client_auth = way;
            }
            if let Some(implicit) = settings["implicitAssignment"].as_bool() {
                known.implicit = implicit;
            }
            known.last_updated = stamp::seconds(call.now);
        }
        let cause = self.cause(call);
        let event = Event::of(EventKind::AppUpdate, vec![self.app_target(app)]);
        self.write_log(event, &cause, call.now);
        Answer::value(&self.app_json(app))
    }

    fn app_group_json(&self, app: u32, group: u32, priority: u32, expand: bool) -> Value {
        let (base, app_id, id) =
            (&self.base, self.ids.id(Kind::App, app), self.ids.id(Kind::Group, group));
        let updated = self
            .app(app)
            .and_then(|app| app.groups.iter().find(|known| known.group == group))
            .map_or(0, |known| known.last_updated);
        let mut value = json!({
            "id": id.as_str(),
            "lastUpdated": stamp::text(updated),
            "priority": priority,
            "profile": {},
            "_links": {
                "app": { "href": format!("{base}/api/v1/apps/{app_id}") },
                "self": { "href": format!("{base}/api/v1/apps/{app_id}/groups/{id}") },
                "group": { "href": format!("{base}/api/v1/groups/{id}") }
            }
        });
        if expand && let Some(map) = value.as_object_mut() {
            map.insert("_embedded".to_owned(), json!({ "group": self.group_json(group, false) }));
        }
        value
    }

    /// The app as `GET /api/v1/apps/{id}` shows it. Source: recordings of OIDC apps, 2026.
    pub(crate) fn app_json(&self, number: u32) -> Value {
        let Some(app) = self.app(number) else { return Value::Null };
        let (base, id) = (&self.base, self.ids.id(Kind::App, number));
        let url = format!("{base}/api/v1/apps/{id}");
        let implicit = app.grant_types.iter().any(|grant| grant == "implicit");
        let response_types: &[&str] =
            if implicit { &["token", "id_token", "code"] } else { &["code"] };
        let revocations = if app.revocation_uri.is_some() { "ENABLED" } else { "DISABLED" };
        let mut value = json!({
            "id": id.as_str(),
            "orn": format!("orn:okta:idp:{}:apps:oidc_client:{id}", self.ids.id(Kind::Org, 0)),
            "name": "oidc_client",
            "label": app.label,
            "status": if app.active { "ACTIVE" } else { "INACTIVE" },
            "lastUpdated": stamp::text(app.last_updated),
            "created": stamp::text(app.created),
            "accessibility": { "selfService": false, "errorRedirectUrl": null, "loginRedirectUrl": null },
            "visibility": {
                "autoLaunch": false,
                "autoSubmitToolbar": false,
                "hide": { "iOS": false, "web": false },
                "appLinks": { "oidc_client_link": true }
            },
            "features": [],
            "signOnMode": "OPENID_CONNECT",
            "credentials": {
                "userNameTemplate": { "template": "${source.login}", "type": "BUILT_IN" },
                "signing": { "kid": format!("{}{}", id, &id.as_str()[..12]) },
                "oauthClient": {
                    "autoKeyRotation": true,
                    "client_id": app.client_id,
                    "token_endpoint_auth_method": app.client_auth.as_str(),
                    "pkce_required": app.pkce_required
                }
            },
            "universalLogout": {
                "status": revocations, "supportType": "FULL", "identityStack": "NOT_SHARED",
                "protocol": "GLOBAL_TOKEN_REVOCATION"
            },
            "settings": {
                "notifications": {
                    "vpn": { "network": { "connection": "DISABLED" }, "message": null, "helpUrl": null }
                },
                "implicitAssignment": app.implicit,
                "emOptInStatus": "NONE",
                "notes": { "admin": null, "enduser": null },
                "oauthClient": {
                    "client_uri": null,
                    "logo_uri": null,
                    "redirect_uris": app.redirect_uris,
                    "post_logout_redirect_uris": app.post_logout_uris,
                    "initiate_login_uri": app.initiate_login_uri,
                    "response_types": response_types,
                    "grant_types": app.grant_types,
                    "application_type": "web",
                    "consent_method": "TRUSTED",
                    "issuer_mode": "ORG_URL",
                    "idp_initiated_login": { "mode": app.login_mode().as_str(), "default_scope": [] },
                    "wildcard_redirect": "DISABLED",
                    "dpop_bound_access_tokens": false,
                    "network": { "connection": "ANYWHERE" },
                    "participate_slo": false,
                    "frontchannel_logout_session_required": false
                }
            },
            "_links": {
                "self": { "href": url.clone() },
                "appLinks": [{
                    "name": "oidc_client_link",
                    "href": format!("{base}/home/oidc_client/{id}/{EMBED}"),
                    "type": "text/html"
                }],
                "groups": { "href": format!("{url}/groups") },
                "users": { "href": format!("{url}/users") },
                "deactivate": { "href": format!("{url}/lifecycle/deactivate") }
            }
        });
        if let Some(jwks) = &app.jwks {
            value["settings"]["oauthClient"]["jwks"] = json!(jwks);
        }
        value
    }
}
