//! Okta's API as a pure function: a request and a time in, a reply out.

pub(crate) mod answer;
pub(crate) mod apps;
pub(crate) mod event_hooks;
pub(crate) mod exchange;
pub(crate) mod filter;
pub(crate) mod groups;
pub(crate) mod listing;
pub(crate) mod logs;
pub(crate) mod meta;
pub(crate) mod oidc;
pub(crate) mod people_search;
pub(crate) mod render;
pub(crate) mod users;
pub(crate) mod well_known;

use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use crate::faults::Fault;
use crate::state::Org;
use crate::state::hooks::{Outcome, Verification};
use crate::state::limits::{Family, Verdict};
use crate::state::log::Cause;
use crate::state::tokens::{Access, Area, Right};
use crate::state::view::View;
use answer::Answer;
use exchange::{Cut, Reply, Request};

/// One call on its way through the org.
#[derive(Debug)]
pub(crate) struct Call<'r> {
    pub method: &'r Method,
    pub path: &'r str,
    /// The parts of the path, without `api` and `v1`.
    pub parts: Vec<&'r str>,
    pub query: Vec<(String, String)>,
    pub request: &'r Request,
    pub now: Timestamp,
    /// The number of the caller's token.
    pub token: usize,
    /// A fault that changes a listing.
    pub twist: Option<Fault>,
}

impl Call<'_> {
    /// A parameter of the query.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.request.body).ok()
    }
}

impl Org {
    /// Answers one request as Okta would. Reads no clock and draws nothing but from the org's own seed.
    pub fn handle(&mut self, request: &Request, now: Timestamp) -> Reply {
        self.past.forget(now);
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if path.starts_with("/_sim/") {
            return self.handle_admin(request, path, now);
        }
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        *self.stats.calls.entry(endpoint(&request.method, path)).or_default() += 1;
        let mut reply = self.answer(request, path, query, now);
        reply.delay_ms += self.settings.latency_ms;
        *self.stats.answers.entry(reply.status).or_default() += 1;
        self.stats.limited += u64::from(reply.status == 429);
        reply
    }

    fn answer(
        &mut self,
        request: &Request,
        path: &str,
        query: Vec<(String, String)>,
        now: Timestamp,
    ) -> Reply {
        let page = query
            .iter()
            .find(|(name, _)| name == "after")
            .map_or(1, |(_, cursor)| self.ids.page_of(cursor));
        let fault = self.faults.strike(request.method.as_str(), path, page);
        self.stats.faults += u64::from(fault.is_some());
        if path.contains("/.well-known/") || oidc::is_keys(path) {
            // What anyone may ask at any time counts against no limit.
            let answer = match fault {
                Some(Fault::Status(429)) => self.limited(),
                Some(Fault::Status(status)) => self.faulty(status, path),
                _ => self.well_known(&request.method, path),
            };
            return self.finish(answer, None, fault.as_ref(), now);
        }
        let family = family(path);
        let verdict = self.limits.count(family, request.in_flight, now);
        if !verdict.allowed {
            let answer = self.limited();
            return self.finish(answer, Some(verdict), None, now);
        }
        match fault {
            Some(Fault::Status(429)) => {
                let verdict = self.limits.refusal(family, now);
                let answer = self.limited();
                return self.finish(answer, Some(verdict), None, now);
            }
            Some(Fault::Status(status)) => {
                let answer = self.faulty(status, path);
                return self.finish(answer, Some(verdict), None, now);
            }
            Some(Fault::WrongCursor) if page > 1 => {
                let answer = self.bad_cursor(false);
                return self.finish(answer, Some(verdict), None, now);
            }
            _ => {}
        }
        if oidc::is_sign_in(path) {
            let visit = oidc::Visit::new(request, path, query, now);
            let answer = self.sign_in_side(&visit);
            return self.finish(answer, Some(verdict), fault.as_ref(), now);
        }
        let answer = match self.access(request.header("authorization"), now) {
            Access::Missing => self.error(403, "E0000005", "Invalid session", &[]),
            Access::Bad => self.error(401, "E0000011", "Invalid token provided", &[]),
            Access::Good(token) => {
                let parts: Vec<&str> =
                    path.trim_matches('/').split('/').filter(|part| !part.is_empty()).collect();
                match parts.split_at_checked(2) {
                    Some((["api", "v1"], parts)) => {
                        let call = Call {
                            method: &request.method,
                            path,
                            parts: parts.to_vec(),
                            query,
                            request,
                            now,
                            token,
                            twist: fault.clone(),
                        };
                        self.route(&call)
                    }
                    _ => self.no_such_path(),
                }
            }
        };
        self.finish(answer, Some(verdict), fault.as_ref(), now)
    }

    fn route(&mut self, call: &Call<'_>) -> Answer {
        let area = match call.parts.first().copied() {
            Some("users") => Area::Users,
            Some("groups") => Area::Groups,
            Some("apps") => Area::Apps,
            Some("logs") => Area::Logs,
            Some("eventHooks") => Area::EventHooks,
            Some("meta") => Area::Schemas,
            _ => return self.no_such_path(),
        };
        let needed = if call.method == Method::GET { Right::Read } else { Right::Manage };
        let token = &self.tokens[call.token];
        let no_role = token.state == crate::state::tokens::TokenState::NoRole;
        let right = token.right(area);
        if no_role && call.method == Method::GET && lists(&call.parts) {
            return Answer::json(200, b"[]".to_vec());
        }
        // Anyone may ask who they are.
        let about_me = call.parts == ["users", "me"];
        if (no_role || right < needed) && !about_me {
            let text = "You do not have permission to perform the requested action";
            return self.error(403, "E0000006", text, &[]);
        }
        match area {
            Area::Users => self.users(call),
            Area::Groups => self.groups_api(call),
            Area::Apps => self.apps_api(call),
            Area::Logs => self.logs(call),
            Area::EventHooks => self.event_hooks(call),
            Area::Schemas => self.meta(call),
        }
    }

    /// Hands over the answer to a verification; the reply goes to whoever asked for it.
    pub fn verified(
        &mut self,
        verification: &Verification,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Reply {
        let answer = match self.judge_verification(verification, outcome, now) {
            Ok(hook) => self.show_hook(hook),
            Err(cause) => {
                self.error(400, "E0000001", "Api validation failed: eventHook", &[&cause])
            }
        };
        let verdict = self.limits.count(Family::Other, 1, now);
        self.finish(answer, Some(verdict), None, now)
    }

    /// What the caller sees.
    pub(crate) fn view(&self, call: &Call<'_>) -> View<'_> {
        let hidden = self.tokens.get(call.token).map(|token| &token.hidden);
        View { org: self, now: call.now, hidden: hidden.filter(|hidden| !hidden.is_empty()) }
    }

    /// The cause of a change made by this call.
    pub(crate) fn cause(&mut self, call: &Call<'_>) -> Cause {
        let owner = self.tokens.get(call.token).map_or(self.admin, |token| token.owner);
        Cause {
            actor: self.actor(owner),
            uri: call.path.to_owned(),
            transaction: self.dice.token(27),
            job: false,
            agent: "muster-oktasim",
        }
    }

    fn faulty(&mut self, status: u16, path: &str) -> Answer {
        match status {
            401 => self.error(401, "E0000011", "Invalid token provided", &[]),
            403 => {
                let text = "You do not have permission to perform the requested action";
                self.error(403, "E0000006", text, &[])
            }
            404 => self.error(404, "E0000007", &format!("Not found: {path}"), &[]),
            500 => self.error(500, "E0000009", "Internal Server Error", &[]),
            503 => {
                let text = "The service is in read only mode.";
                self.error(503, "E0000010", text, &[])
            }
            other => self.error(other, "E0000009", "Internal Server Error", &[]),
        }
    }

    fn finish(
        &mut self,
        answer: Answer,
        verdict: Option<Verdict>,
        fault: Option<&Fault>,
        now: Timestamp,
    ) -> Reply {
        let request_id = self.dice.hex32();
        let mut reply = answer.into_reply(verdict, request_id, now);
        match fault {
            Some(Fault::Slow(millis)) => reply.delay_ms += millis,
            Some(Fault::Cut(bytes)) => reply.cut = Some(Cut::After(*bytes)),
            Some(Fault::Drop) => reply.cut = Some(Cut::Drop),
            Some(Fault::Html) => reply.show_html(),
            _ => {}
        }
        reply
    }
}

/// The family whose bucket a path counts against.
fn family(path: &str) -> Family {
    let mut parts = path.trim_matches('/').split('/').skip(2);
    match (parts.next(), parts.next()) {
        _ if path.starts_with("/oauth2/") => Family::OAuth,
        (Some("users"), None) => Family::Users,
        (Some("users"), Some(_)) => Family::User,
        (Some("groups"), None) => Family::Groups,
        (Some("groups"), Some(_)) => Family::Group,
        (Some("apps"), None) => Family::Apps,
        (Some("apps"), Some(_)) => Family::App,
        (Some("logs"), _) => Family::Logs,
        _ => Family::Other,
    }
}

/// Whether a path is a listing of users, groups or apps: those are empty, not refused, without a role.
fn lists(parts: &[&str]) -> bool {
    matches!(
        parts,
        ["users" | "groups" | "apps"]
            | ["users" | "groups" | "apps", _, "users" | "groups" | "apps"]
    )
}

/// Method and path with `{id}` in place of ids and logins, as the statistics count it.
fn endpoint(method: &Method, path: &str) -> String {
    let mut text = format!("{method} ");
    for part in path.trim_matches('/').split('/') {
        let digits = part.len() >= 18 && part.bytes().any(|byte| byte.is_ascii_digit());
        let shown = if digits || part.contains('@') || part.contains('%') { "{id}" } else { part };
        text.push('/');
        text.push_str(shown);
    }
    text
}
