//! Event hooks: listed, made, edited, switched on and verified.

use http::Method;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::call::Call;
use crate::client::{OktaClient, part};
use crate::error::OktaError;
use crate::wire::EventHook;

/// An event hook as it is to be.
#[derive(Debug, Clone)]
pub struct NewEventHook {
    /// What admins call it: 1 to 255 characters.
    pub name: String,
    /// A note for admins, and for whoever looks later whether the hook is as it was made.
    pub description: Option<String>,
    /// Where it delivers. Okta takes https only.
    pub uri: String,
    /// The value of `Authorization` that Okta shows, sent as it stands.
    pub secret: SecretString,
    /// What it is sent for; at most 300.
    pub event_types: Vec<String>,
}

/// The header in which Okta shows the secret.
pub const SECRET_HEADER: &str = "Authorization";

impl NewEventHook {
    /// The body of the call, with this value in place of the secret. Source: management API, schema `EventHook`.
    pub fn body_with(&self, secret: &str) -> serde_json::Value {
        let mut body = json!({
            "name": self.name,
            "events": { "type": "EVENT_TYPE", "items": self.event_types },
            "channel": {
                "type": "HTTP",
                "version": "1.0.0",
                "config": {
                    "uri": self.uri,
                    "headers": [],
                    "authScheme": { "type": "HEADER", "key": SECRET_HEADER, "value": secret }
                }
            }
        });
        if let Some(description) = &self.description {
            body["description"] = description.as_str().into();
        }
        body
    }

    fn body(&self) -> Vec<u8> {
        self.body_with(self.secret.expose_secret()).to_string().into_bytes()
    }
}

impl OktaClient {
    /// Reads the event hooks; they come in one piece.
    pub async fn event_hooks(&self) -> Result<Vec<EventHook>, OktaError> {
        self.get(Call::get("reading the event hooks", "/api/v1/eventHooks".to_owned())).await
    }

    /// Makes an event hook. It is active and not yet verified. Sent once only: whoever gets no answer looks at the list
    /// before trying again.
    pub async fn create_event_hook(&self, new: &NewEventHook) -> Result<EventHook, OktaError> {
        let path = "/api/v1/eventHooks".to_owned();
        self.get(Call::change("making the event hook", Method::POST, path, Some(new.body()))).await
    }

    /// Replaces an event hook. Okta then takes it as not verified, whatever was changed.
    pub async fn replace_event_hook(
        &self,
        id: &str,
        new: &NewEventHook,
    ) -> Result<EventHook, OktaError> {
        const DOING: &str = "editing the event hook";
        let path = format!("/api/v1/eventHooks/{}", part(DOING, id)?);
        self.get(Call::change(DOING, Method::PUT, path, Some(new.body()))).await
    }

    /// Has Okta verify an event hook: it calls the URL at once, and waits three seconds for the answer.
    ///
    /// An URL that does not answer rightly gives [`ErrorKind::BadRequest`](crate::ErrorKind::BadRequest), with Okta's reason
    /// in the causes of its refusal.
    pub async fn verify_event_hook(&self, id: &str) -> Result<EventHook, OktaError> {
        self.switch_event_hook("having Okta verify the event hook", id, "verify").await
    }

    /// Switches an event hook on.
    pub async fn activate_event_hook(&self, id: &str) -> Result<EventHook, OktaError> {
        self.switch_event_hook("switching the event hook on", id, "activate").await
    }

    async fn switch_event_hook(
        &self,
        doing: &'static str,
        id: &str,
        action: &str,
    ) -> Result<EventHook, OktaError> {
        let path = format!("/api/v1/eventHooks/{}/lifecycle/{action}", part(doing, id)?);
        let call = Call::change(doing, Method::POST, path, None);
        // Verifying or switching on a second time changes nothing more.
        self.get(Call { repeatable: true, ..call }).await
    }
}
