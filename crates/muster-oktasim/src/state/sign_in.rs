//! Who is signed in at Okta, and what was granted to apps.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::hooks::{HookCall, Outcome};
use super::keys::{Ring, Server};
use super::log::{Cause, Event, EventKind};
use super::people::Status;
use super::{Org, index};
use crate::stamp::seconds;

/// How long a code may be redeemed. Source: Okta's API description, operation `authorize`.
const CODE_SECONDS: i64 = 60;
/// How long tokens of the org server last.
pub(crate) const TOKEN_SECONDS: i64 = 3600;

/// Everything about signing in that changes.
#[derive(Debug, Default)]
pub(crate) struct SignIn {
    pub ring: Ring,
    /// Okta's own sessions, by the value of their cookie.
    sessions: BTreeMap<String, Session>,
    codes: BTreeMap<String, Code>,
    access_tokens: BTreeMap<String, (Grant, Timestamp)>,
    revocations: VecDeque<(u32, u32)>,
}

/// Somebody is signed in at Okta.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    pub slot: u32,
    pub since: Timestamp,
}

/// What a person allowed an app.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub server: Server,
    pub app: u32,
    pub slot: u32,
    pub scopes: Vec<String>,
    pub nonce: Option<String>,
    pub signed_in: Timestamp,
}

/// A response code before it is redeemed.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub grant: Grant,
    pub redirect_uri: String,
    /// PKCE, S256.
    pub challenge: Option<String>,
    until: Timestamp,
}

/// How a dashboard tile starts a sign-in. Source: Okta's API description, `idp_initiated_login`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LoginMode {
    /// No tile.
    Disabled,
    /// The tile leads to the app, which starts an ordinary sign-in.
    Spec,
    /// The tile posts an ID token that nobody asked for to the app.
    Okta,
}

impl LoginMode {
    /// Okta's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "DISABLED",
            Self::Spec => "SPEC",
            Self::Okta => "OKTA",
        }
    }
}

/// How an app proves to the token endpoint who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    /// Not at all; PKCE is then required.
    None,
}

impl ClientAuth {
    /// Okta's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }
}

/// How a revocation names the person. Source: Okta's guide on Universal Logout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectFormat {
    #[default]
    IssSub,
    Email,
}

/// A global token revocation on its way. Make the call, then say how it ended with [`Org::revoked`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    pub call: HookCall,
    pub(crate) app: u32,
    pub(crate) slot: u32,
}

impl Status {
    /// Whether somebody with this status can sign in. An expired password is changed on the way.
    pub fn may_sign_in(self) -> bool {
        matches!(self, Self::Active | Self::PasswordExpired)
    }
}

impl Org {
    /// Signs a person in at Okta and gives the value of the session cookie; nothing when the status forbids it.
    pub(crate) fn begin_session(
        &mut self,
        slot: u32,
        app: Option<u32>,
        now: Timestamp,
    ) -> Option<String> {
        let cause = self.own_doing(slot, "/idp/idx/identify");
        let status = self.person(slot)?.status;
        let targets = app.map(|app| self.app_target(app)).into_iter().collect();
        let mut event = Event::of(EventKind::SessionStart, targets);
        if !status.may_sign_in() {
            let locked = status == Status::LockedOut;
            event.failure =
                Some(if locked { "LOCKED_OUT" } else { "VERIFICATION_ERROR" }.to_owned());
            self.write_log(event, &cause, now);
            return None;
        }
        self.write_log(event, &cause, now);
        if let Some(person) = self.person_mut(slot) {
            person.last_login = seconds(now);
        }
        let cookie = self.dice.token(43);
        self.sign_in.sessions.insert(cookie.clone(), Session { slot, since: now });
        Some(cookie)
    }

    /// The session of a cookie, if the person may still be signed in.
    pub(crate) fn session(&self, cookie: &str) -> Option<Session> {
        let session = *self.sign_in.sessions.get(cookie)?;
        self.person(session.slot)?.status.may_sign_in().then_some(session)
    }

    /// Signs out at Okta.
    pub(crate) fn end_session(&mut self, cookie: &str, uri: &str, now: Timestamp) {
        let Some(session) = self.sign_in.sessions.remove(cookie) else { return };
        let cause = self.own_doing(session.slot, uri);
        self.write_log(Event::of(EventKind::SessionEnd, Vec::new()), &cause, now);
    }

    /// Gives out a code and logs that the person went to the app.
    pub(crate) fn issue_code(
        &mut self,
        grant: Grant,
        redirect_uri: &str,
        challenge: Option<&str>,
        now: Timestamp,
    ) -> String {
        self.log_sso(grant.slot, grant.app, "/oauth2/v1/authorize", now);
        self.sign_in.codes.retain(|_, code| code.until >= now);
        let value = self.dice.token(43);
        let code = Code {
            grant,
            redirect_uri: redirect_uri.to_owned(),
            challenge: challenge.map(str::to_owned),
            until: later(now, CODE_SECONDS),
        };
        self.sign_in.codes.insert(value.clone(), code);
        value
    }

    /// Takes a code back from the app that it was given to; a code works once, and not when it is too old.
    pub(crate) fn redeem(
        &mut self,
        value: &str,
        server: Server,
        app: u32,
        now: Timestamp,
    ) -> Option<Code> {
        let known = self.sign_in.codes.get(value)?;
        if known.grant.app != app || known.grant.server != server {
            return None;
        }
        self.sign_in.codes.remove(value).filter(|code| code.until >= now)
    }

    /// Makes an access token: opaque, as those of the org server are for everybody but Okta.
    pub(crate) fn issue_access_token(&mut self, grant: Grant, now: Timestamp) -> String {
        self.sign_in.access_tokens.retain(|_, (_, until)| *until > now);
        let value = self.dice.token(86);
        self.sign_in.access_tokens.insert(value.clone(), (grant, later(now, TOKEN_SECONDS)));
        value
    }

    /// What an access token allows, if it is good.
    pub(crate) fn granted(&self, token: &str, server: Server, now: Timestamp) -> Option<&Grant> {
        let (grant, until) = self.sign_in.access_tokens.get(token)?;
        let live = self.person(grant.slot)?.status.may_sign_in();
        (live && *until > now && grant.server == server).then_some(grant)
    }

    /// Whether a person may use an app: assigned, or the app is open to everyone.
    pub(crate) fn may_use(&self, app: u32, slot: u32) -> bool {
        self.app(app).is_some_and(|known| known.implicit) || self.assignment(app, slot).is_some()
    }

    pub(crate) fn log_sso(&mut self, slot: u32, app: u32, uri: &str, now: Timestamp) {
        let cause = self.own_doing(slot, uri);
        let event = Event::of(EventKind::Sso, vec![self.app_target(app)]);
        self.write_log(event, &cause, now);
    }

    /// Signs a person out everywhere: ends the sessions and tokens here, and tells the apps that want to be told.
    pub(crate) fn sign_out_everywhere(&mut self, slot: u32, cause: &Cause, now: Timestamp) {
        self.forget_sign_ins(slot);
        let targets = vec![self.user_target(slot)];
        self.write_log(Event::of(EventKind::SessionClear, targets), cause, now);
        for app in 0..u32::try_from(self.apps.len()).unwrap_or_default() {
            if self.apps[index(app)].revocation_uri.is_some() {
                self.sign_in.revocations.push_back((app, slot));
            }
        }
    }

    /// Ends what a person has here: sessions, codes and access tokens.
    pub(crate) fn forget_sign_ins(&mut self, slot: u32) {
        self.sign_in.sessions.retain(|_, session| session.slot != slot);
        self.sign_in.access_tokens.retain(|_, (grant, _)| grant.slot != slot);
        self.sign_in.codes.retain(|_, code| code.grant.slot != slot);
    }

    /// Takes the global token revocations that are due.
    ///
    /// Source: Okta's guide on Universal Logout and the example request of its API description.
    pub fn take_revocations(&mut self, now: Timestamp) -> Vec<Revocation> {
        let due: Vec<(u32, u32)> = self.sign_in.revocations.drain(..).collect();
        due.into_iter().filter_map(|(app, slot)| self.revocation(app, slot, now)).collect()
    }

    /// Says how a revocation ended; it is not tried again.
    pub fn revoked(&mut self, revocation: &Revocation, outcome: &Outcome, now: Timestamp) {
        let targets = vec![self.user_target(revocation.slot), self.app_target(revocation.app)];
        let mut event = Event::of(EventKind::UniversalLogout, targets);
        event.failure = match outcome {
            Outcome::Answered(200..=299, _) => None,
            Outcome::Answered(status, _) => Some(format!("HTTP status {status}")),
            Outcome::TimedOut => Some("The endpoint timed out".to_owned()),
            Outcome::Unreachable => Some("The endpoint could not be reached".to_owned()),
        };
        let cause = Cause {
            actor: self.system_actor(),
            uri: String::new(),
            transaction: self.dice.token(27),
            job: true,
            agent: "",
        };
        self.write_log(event, &cause, now);
    }

    fn revocation(&mut self, app: u32, slot: u32, now: Timestamp) -> Option<Revocation> {
        let jti = self.dice.uuid();
        let known = self.app(app)?;
        let uri = known.revocation_uri.clone()?;
        let person = self.person(slot)?;
        let id = self.ids.id(crate::ids::Kind::User, slot);
        let issuer = self.issuer(Server::Org);
        let subject = match known.revocation_format {
            SubjectFormat::IssSub => {
                serde_json::json!({ "format": "iss_sub", "iss": issuer, "sub": id.as_str() })
            }
            SubjectFormat::Email => {
                let email = person.profile.get(&self.pool, "email");
                serde_json::json!({ "format": "email", "email": email })
            }
        };
        let at = now.as_second();
        let claims = serde_json::json!({
            "jti": jti, "iss": issuer, "sub": known.client_id, "aud": uri,
            "iat": at, "exp": at + 300, "nbf": at - 300
        });
        let token = self.sign(Server::Org, Some("global-token-revocation+jwt"), &claims);
        let headers = vec![
            ("accept".to_owned(), "application/json".to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
            ("authorization".to_owned(), format!("Bearer {token}")),
        ];
        let body = serde_json::json!({ "sub_id": subject }).to_string().into_bytes();
        Some(Revocation { call: HookCall { uri, headers, body }, app, slot })
    }

    /// The cause of what a person does in a browser.
    pub(crate) fn own_doing(&mut self, slot: u32, uri: &str) -> Cause {
        let cause = self.console(uri);
        Cause { actor: self.actor(slot), ..cause }
    }
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}
