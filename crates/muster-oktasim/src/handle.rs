//! A shared org: the door for tests, demos and measurements that need no HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::admin::{Action, Done};
use crate::admin_api::{AppChange, LimitChange};
use crate::api::exchange::{Reply, Request};
use crate::faults::Faults;
use crate::state::hooks::{Delivery, Outcome, Verification};
use crate::state::keys::KeyChange;
use crate::state::sign_in::Revocation;
use crate::state::tokens::{Area, Right, TokenState};
use crate::state::{Org, Refused, Settings, Stats};

/// An org that several tasks share. Cheap to clone; every method holds the org only while it computes.
#[derive(Debug, Clone)]
pub struct OrgHandle(Arc<Mutex<Org>>);

impl OrgHandle {
    /// Takes an org into shared use.
    pub fn new(org: Org) -> Self {
        Self(Arc::new(Mutex::new(org)))
    }

    /// Runs something on the org while nobody else uses it.
    pub fn with<R>(&self, run: impl FnOnce(&mut Org) -> R) -> R {
        // An org is left whole between any two statements that can panic, so a poisoned lock is no reason to stop.
        run(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Answers one request.
    pub fn handle(&self, request: &Request, now: Timestamp) -> Reply {
        self.with(|org| org.handle(request, now))
    }

    /// Does what an administrator does in Okta's console.
    pub fn act(&self, action: &Action, now: Timestamp) -> Result<Done, Refused> {
        self.with(|org| org.act(action, now))
    }

    /// Scripts or clears faults.
    pub fn faults<R>(&self, change: impl FnOnce(&mut Faults) -> R) -> R {
        self.with(|org| change(&mut org.faults))
    }

    /// Tunes the org.
    pub fn settings<R>(&self, change: impl FnOnce(&mut Settings) -> R) -> R {
        self.with(|org| change(&mut org.settings))
    }

    /// Changes the rate limits.
    pub fn limits(&self, change: LimitChange) {
        self.with(|org| org.change_limits(change));
    }

    /// Makes the API token work, or not.
    pub fn set_token_state(&self, state: TokenState) {
        // Without names nothing can be unknown.
        let _ =
            self.with(|org| org.set_token(Some(state), &std::collections::BTreeMap::new(), None));
    }

    /// Gives the API token another right in one area.
    pub fn set_right(&self, area: Area, right: Right) {
        let rights = std::collections::BTreeMap::from([(area, right)]);
        let _ = self.with(|org| org.set_token(None, &rights, None));
    }

    /// Hides people from the API token, in lists and by id. An empty list shows everybody again.
    pub fn hide(&self, people: &[String]) -> Result<(), Refused> {
        self.with(|org| org.set_token(None, &std::collections::BTreeMap::new(), Some(people)))
    }

    /// Changes the app under test.
    pub fn change_app(&self, change: AppChange) {
        self.with(|org| org.change_app_settings(change));
    }

    /// Takes the hook deliveries that are due.
    pub fn take_deliveries(&self, now: Timestamp) -> Vec<Delivery> {
        self.with(|org| org.take_deliveries(now))
    }

    /// Says how a delivery ended.
    pub fn delivered(&self, delivery: Delivery, outcome: &Outcome, now: Timestamp) {
        self.with(|org| org.delivered(delivery, outcome, now));
    }

    /// Hands over a hook's answer to its verification.
    pub fn verified(
        &self,
        verification: &Verification,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Reply {
        self.with(|org| org.verified(verification, outcome, now))
    }

    /// Takes the global token revocations that are due.
    pub fn take_revocations(&self, now: Timestamp) -> Vec<Revocation> {
        self.with(|org| org.take_revocations(now))
    }

    /// Says how a revocation ended.
    pub fn revoked(&self, revocation: &Revocation, outcome: &Outcome, now: Timestamp) {
        self.with(|org| org.revoked(revocation, outcome, now));
    }

    /// The next key that signs tokens becomes the current one; the one before it is shown until the rotation after.
    pub fn rotate_keys(&self) {
        self.change_keys(KeyChange { rotate: true, forget_old: false });
    }

    /// Changes which keys sign tokens and are shown.
    pub fn change_keys(&self, change: KeyChange) {
        self.with(|org| org.change_keys(change));
    }

    /// Does what a browser without any session does at an address of `authorize`, as this person: the `Location` it is sent to
    /// in the end, with a code or with an error. The address may be whole or begin at its path.
    pub fn sign_in(
        &self,
        who: &str,
        authorize_target: &str,
        now: Timestamp,
    ) -> Result<String, Refused> {
        let base = self.base();
        let target = authorize_target.strip_prefix(&base).unwrap_or(authorize_target);
        let first = self.handle(&Request::get(target), now);
        if let Some(location) = first.header("location") {
            return Ok(location.to_owned());
        }
        if first.status != 200 {
            return Err(Refused::NotNow(format!("Okta shows a page with status {}", first.status)));
        }
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("who", &self.person_id(who)?).append_pair("fromURI", target);
        let mut request = Request::new(http::Method::POST, "/login")
            .with("content-type", "application/x-www-form-urlencoded");
        request.body = form.finish().into();
        let reply = self.handle(&request, now);
        reply.header("location").map(str::to_owned).ok_or_else(|| {
            Refused::NotNow(format!("Okta shows a page with status {}", reply.status))
        })
    }

    /// What was asked of the org since the start or the last clearing.
    pub fn stats(&self) -> Stats {
        self.with(|org| org.stats.clone())
    }

    /// Starts counting anew.
    pub fn clear_stats(&self) {
        self.with(|org| org.stats = Stats::default());
    }

    /// Scheme, host and port of the org.
    pub fn base(&self) -> String {
        self.with(|org| org.base.clone())
    }

    /// The id of the app under test.
    pub fn app_id(&self) -> String {
        self.with(|org| org.app_id())
    }

    /// The client id of the app under test.
    pub fn client_id(&self) -> String {
        self.with(|org| org.client_id())
    }

    /// The client secret of the app under test.
    pub fn client_secret(&self) -> String {
        self.with(|org| org.client_secret())
    }

    /// The API token.
    pub fn api_token(&self) -> String {
        self.with(|org| org.api_token())
    }

    /// The Okta id of a person, by Okta id, login or e-mail.
    pub fn person_id(&self, who: &str) -> Result<String, Refused> {
        self.with(|org| org.person_id(who))
    }
}
