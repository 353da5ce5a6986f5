//! A shared org: the door for tests, demos and measurements that need no HTTP.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use crate::admin::{Action, Done};
use crate::admin_api::{AppChange, LimitChange};
use crate::api::exchange::{Reply, Request};
use crate::faults::Faults;
use crate::state::hooks::{Delivery, Outcome, Verification};
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
