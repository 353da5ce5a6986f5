//! What real Okta sent, and what Okta's documentation shows, goes through the client.
//!
//! The samples are not part of this repository. Their folder is named by the environment variable
//! `MUSTER_OKTA_SAMPLES`: one JSON file each, with `response` (`status`, `headers`, `body`) and `request` for a
//! recording, or `body` for an example.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use muster_core::id::OktaUserId;
use muster_core::okta_user::OktaStatus;
use muster_okta::wire::{self, AppGroup, EventHook, Group, HookDelivery, LogEvent};
use muster_okta::{ErrorKind, ExtraHosts, LogFrom, NewEventHook, OktaAddress, OktaError, Reply};
use serde_json::Value;

use crate::script::{Scene, keep};

/// Samples of what is not this client's to read: requests, other people's APIs, and the sign-in, which has its own reader.
const NOT_READ_HERE: [&str; 16] = [
    "app-oidc-groups-claim-setting-INTERNAL-API",
    "doc-event-hook-create-with-filter",
    "doc-global-token-revocation-request",
    "doc-group-members",
    "doc-linked-object-values",
    "doc-linked-objects",
    "doc-log-event-change-details",
    "doc-oidc-keys",
    "doc-oidc-token-response",
    "doc-oidc-userinfo",
    "event-catalog",
    "event-hook-delete",
    "linked-object-definitions",
    "linked-object-values",
    "oauth-dpop-token",
    "user-activate-response",
];

struct Sample {
    name: String,
    content: Value,
}

impl Sample {
    fn body(&self) -> &Value {
        let response = &self.content["response"];
        if response.is_null() { &self.content["body"] } else { &response["body"] }
    }

    fn id(&self) -> &str {
        self.body()["id"].as_str().expect("an id")
    }

    fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self.body()).expect("JSON")
    }

    fn wire<T: serde::de::DeserializeOwned>(&self) -> T {
        wire::read(&self.bytes()).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The URL that was called, or one on some org for an example.
    fn url(&self) -> url::Url {
        let text =
            self.content["request"]["url"].as_str().unwrap_or("https://test.okta.com/api/v1/users");
        text.parse().expect("an URL")
    }

    /// The part of the path with this index: `/api/v1/apps/{3}/users`.
    fn part(&self, index: usize) -> String {
        let url = self.url();
        let part = url.path_segments().and_then(|mut parts| parts.nth(index));
        part.unwrap_or("0oaNone").to_owned()
    }

    /// An org that answers with this sample.
    fn scene(&self) -> Scene {
        let response = &self.content["response"];
        let status = response["status"].as_u64().unwrap_or_else(|| self.documented_status());
        let mut headers = Vec::new();
        for (name, lines) in response["headers"].as_object().into_iter().flatten() {
            let lines = lines.as_array().expect("header lines");
            headers.extend(
                lines.iter().map(|line| (name.clone(), line.as_str().expect("text").to_owned())),
            );
        }
        // Recorders put another name in the URL that was called, but not always in the links.
        let linked = headers
            .iter()
            .find(|(name, _)| name == "link")
            .and_then(|(_, line)| line.split('/').nth(2));
        let host =
            linked.map_or_else(|| self.url().host_str().expect("a host").to_owned(), str::to_owned);
        let reply = Reply {
            status: u16::try_from(status).expect("a status"),
            headers,
            body: Bytes::from(self.bytes()),
        };
        let address =
            OktaAddress::parse(&host, &ExtraHosts::default(), true).expect("good").address;
        Scene::with([Ok(reply)], |config| config.address = address)
    }

    /// `doc-error-403-E0000006`: an example has its status in its name only.
    fn documented_status(&self) -> u64 {
        let named = self
            .name
            .split('-')
            .find_map(|part| part.parse().ok().filter(|&status: &u64| status >= 400));
        match named {
            Some(status) => status,
            None if self.name.ends_with("invalid-client") => 401,
            None if self.name.ends_with("invalid-grant") => 400,
            None => 200,
        }
    }
}

fn folder() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "the samples are not part of the repository")]
    std::env::var_os("MUSTER_OKTA_SAMPLES").map(PathBuf::from)
}

fn load(folder: &Path) -> BTreeMap<String, Sample> {
    let mut samples = BTreeMap::new();
    for entry in std::fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let content =
            serde_json::from_slice(&std::fs::read(&path).expect("a readable file")).expect("JSON");
        samples.insert(name.clone(), Sample { name, content });
    }
    samples
}

#[tokio::test]
async fn everything_that_okta_sent_is_read() {
    let Some(folder) = folder() else {
        eprintln!();
        eprintln!(
            "NOT TESTED: what real Okta sent. Set MUSTER_OKTA_SAMPLES to the folder of samples to test it."
        );
        eprintln!();
        return;
    };
    let samples = load(&folder);
    assert!(samples.len() > 50, "only {} samples in {}", samples.len(), folder.display());
    let mut read = 0;
    for sample in samples.values() {
        let name = sample.name.as_str();
        if NOT_READ_HERE.contains(&name)
            || name.starts_with("scim-")
            || name.starts_with("user-delete-")
        {
            continue;
        }
        check(sample).await;
        read += 1;
    }
    println!("{read} samples read");
    assert!(read > 50, "{read}");
}

async fn check(sample: &Sample) {
    let scene = sample.scene();
    let client = &scene.client;
    let name = sample.name.as_str();
    let told = |error: OktaError| -> ! { panic!("{name}: {error}") };
    match name {
        "user-list-limit10"
        | "user-list-page1"
        | "user-search-eq"
        | "doc-users-list"
        | "doc-users-list-fields"
        | "doc-users-search"
        | "oauth-dpop-api-call" => {
            let page = client.users_page(&keep(), None).await.unwrap_or_else(|error| told(error));
            let listed = sample.body().as_array().expect("a list").len();
            assert_eq!((page.users.len(), page.skipped_unreadable.len()), (listed, 0), "{name}");
            let links = sample.content["response"]["headers"]["link"].to_string();
            assert_eq!(page.next.is_some(), links.contains("next"), "{name}");
        }
        "group-members" => {
            let page = client
                .group_users_page(&sample.part(3), &keep(), None)
                .await
                .unwrap_or_else(|error| told(error));
            assert_eq!(page.users.len(), 1);
        }
        "group-members-stale-reads-sequence" => {
            for step in sample.content["sequence"].as_array().expect("steps") {
                if step["method"] == "GET" {
                    let body = serde_json::to_vec(&step["body"]).expect("JSON");
                    let people = muster_okta::people::users_page(&body, &keep()).expect(name);
                    assert_eq!(people.users.len(), step["body"].as_array().expect("a list").len());
                }
            }
        }
        "user-active" | "user-create-staged" | "user-deprovisioned" | "user-provisioned" => {
            let id = OktaUserId::parse(sample.id()).expect("an id");
            let read =
                client.user(&id, &keep()).await.unwrap_or_else(|error| told(error)).expect("there");
            let status = sample.body()["status"].as_str().expect("a status");
            assert_eq!(read.user.status.as_str(), status);
            assert!(!matches!(read.user.status, OktaStatus::Other(_)), "{name}");
            assert!(
                read.user.created.is_some() && read.user.attributes.text("email").is_some(),
                "{name}"
            );
        }
        "app-oidc-basic" | "app-oidc-groups-claim" | "app-oidc-servicewithjwks" => {
            let app = client.app(sample.id()).await.unwrap_or_else(|error| told(error));
            assert_eq!(
                (app.status.as_str(), app.sign_on_mode.as_deref()),
                ("ACTIVE", Some("OPENID_CONNECT"))
            );
            assert_eq!(app.client_id.as_deref(), Some(sample.id()));
            assert!(!app.implicit_assignment && !app.label.is_empty());
            assert_eq!(app.redirect_uris.is_empty(), name == "app-oidc-servicewithjwks", "{name}");
        }
        "app-list-page" => {
            let page = client.apps_page(None).await.unwrap_or_else(|error| told(error));
            assert!(page.items.len() == 2 && page.next.is_some());
        }
        "app-user-get" | "app-user-assign" | "doc-app-user-sso" | "doc-app-user-expand-user" => {
            let id = OktaUserId::parse(sample.id()).expect("an id");
            let assigned = client
                .app_user("0oa1", &id)
                .await
                .unwrap_or_else(|error| told(error))
                .expect("assigned");
            assert!(assigned.scope.is_some() && assigned.status.is_some(), "{name}");
            if name == "doc-app-user-expand-user" {
                let body = serde_json::to_vec(&[sample.body()]).expect("JSON");
                let people = muster_okta::people::app_users_page(&body, &keep()).expect(name);
                assert_eq!(people.users[0].user.id, id);
                assert_eq!(people.users[0].assignment_status, "PROVISIONED");
            }
        }
        "doc-app-user-list" => {
            let page = client
                .app_users_page("0oa1", &keep(), None)
                .await
                .unwrap_or_else(|error| told(error));
            assert_eq!(
                (page.users.len(), page.users[0].assignment_status.as_str()),
                (1, "PROVISIONED")
            );
        }
        // Listed without expand=user: nothing can be planned from that.
        "app-user-list-plain" => {
            let error =
                client.app_users_page(&sample.part(3), &keep(), None).await.expect_err(name);
            assert!(
                error.kind() == ErrorKind::Unreadable
                    && error.to_string().contains("_embedded.user"),
                "{error}"
            );
        }
        "group" => drop(sample.wire::<Group>()),
        "group-list-built-in" => {
            let page = client.groups_page(None).await.unwrap_or_else(|error| told(error));
            assert!(page.items.iter().all(|group| group.kind.as_deref() == Some("BUILT_IN")));
        }
        "groups-of-user" | "user-groups-of-user" => {
            let groups: Vec<Group> = sample.wire();
            assert!(
                groups.iter().all(|group| group
                    .profile
                    .as_ref()
                    .is_some_and(|profile| profile.name.is_some()))
            );
        }
        "app-group-list" | "doc-app-groups-list-expanded" => {
            let page = client
                .app_groups_page(&sample.part(3), None)
                .await
                .unwrap_or_else(|error| told(error));
            assert!(!page.items.is_empty());
        }
        "app-group-assign" => drop(sample.wire::<AppGroup>()),
        "doc-app-group-embedded" => {
            let group = sample
                .wire::<AppGroup>()
                .embedded
                .and_then(|embedded| embedded.group)
                .expect("embedded");
            assert_eq!(group.kind.as_deref(), Some("OKTA_GROUP"));
        }
        "event-hook-list" | "doc-event-hook-list" => {
            let hooks = client.event_hooks().await.unwrap_or_else(|error| told(error));
            assert!(hooks.iter().all(|hook| hook.verification_status.is_some()), "{name}");
        }
        _ if name.starts_with("event-hook-") || name == "doc-event-hook-with-filter" => {
            let hook: EventHook = sample.wire();
            let verified = hook.verification_status.as_deref() == Some("VERIFIED");
            assert_eq!(
                verified,
                matches!(name, "event-hook-verified" | "doc-event-hook-with-filter"),
                "{name}"
            );
            assert!(hook.events.is_some_and(|events| !events.items.is_empty()), "{name}");
            assert!(
                hook.channel
                    .and_then(|channel| channel.config)
                    .and_then(|config| config.uri)
                    .is_some()
            );
        }
        _ if name.contains("event-delivery-") => {
            let delivery: HookDelivery = sample.wire();
            assert!(delivery.event_id.is_some() && delivery.event_time.is_some(), "{name}");
            assert!(delivery.data.events.iter().all(|event| event.published.is_some()), "{name}");
            if !name.contains("session") {
                assert!(
                    delivery.data.events.iter().all(|event| event.targets("User").count() > 0),
                    "{name}"
                );
            }
        }
        _ if name.starts_with("log-event-") || name.starts_with("INFERRED-") => {
            let event: LogEvent = sample.wire();
            assert!(event.succeeded() && event.targets("User").count() == 1, "{name}");
        }
        "doc-log-events-list" => {
            let since = "2026-01-01T00:00:00Z".parse().expect("a time");
            let page = client
                .logs_poll(LogFrom::Since(since), &[], 1000)
                .await
                .unwrap_or_else(|error| told(error));
            assert_eq!(page.events.len(), 1);
        }
        "oidc-discovery-real" | "doc-oidc-discovery-org" | "doc-oidc-discovery-custom" => {
            let discovery = client.discovery().await.unwrap_or_else(|error| told(error));
            assert!(discovery.issuer.starts_with("https://"), "{discovery:?}");
            assert!(
                discovery.token_endpoint.is_some_and(|url| url.ends_with("/v1/token")),
                "{name}"
            );
        }
        // What we send when a hook is made has the shape of the example.
        "doc-event-hook-create" => {
            let example = sample.body();
            let config = &example["channel"]["config"];
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            let items = example["events"]["items"].as_array().expect("types");
            let ours = NewEventHook {
                name: text(&example["name"]),
                description: None,
                uri: text(&config["uri"]),
                secret: text(&config["authScheme"]["value"]).into(),
                event_types: items.iter().map(text).collect(),
            };
            let mut ours = ours.body_with(config["authScheme"]["value"].as_str().expect("text"));
            ours["channel"]["config"]["headers"] = config["headers"].clone();
            assert_eq!(ours, *example);
        }
        "user-schema-default" | "doc-user-schema" => {
            let schema = client.user_schema().await.unwrap_or_else(|error| told(error));
            let login = schema
                .attributes
                .iter()
                .find(|attribute| attribute.name == "login")
                .expect("a login");
            assert!(!login.custom && login.kind.as_deref() == Some("string"));
        }
        "user-types" | "doc-user-types" => {
            let types = client.user_types().await.unwrap_or_else(|error| told(error));
            assert_eq!(types.iter().filter(|kind| kind.default == Some(true)).count(), 1, "{name}");
        }
        "well-known-okta-organization" => {
            let organization = client.organization().await.unwrap_or_else(|error| told(error));
            assert_eq!(organization.pipeline.as_deref(), Some("idx"));
            assert!(organization.addresses.contains(client.address()));
        }
        _ => refused(sample, &scene).await,
    }
}

async fn refused(sample: &Sample, scene: &Scene) {
    let name = sample.name.as_str();
    let error = scene.client.app("0oa1").await.expect_err(name);
    let code = match sample.body()["errorCode"].as_str() {
        Some(code) => code,
        None => sample.body()["error"]
            .as_str()
            .unwrap_or_else(|| panic!("{name}: no test reads this sample")),
    };
    let kind = match (scene_status(sample), code) {
        (429, _) => {
            assert_eq!(error.kind(), ErrorKind::RateLimited, "{name}");
            return;
        }
        (401, "E0000015") | (403, _) => ErrorKind::Rights,
        (401, _) => ErrorKind::Credentials,
        (404, "E0000007") => ErrorKind::NotFound,
        (500, _) => ErrorKind::Unavailable,
        _ => ErrorKind::BadRequest,
    };
    assert_eq!((error.kind(), error.code()), (kind, Some(code)), "{name}");
}

fn scene_status(sample: &Sample) -> u64 {
    sample.content["response"]["status"].as_u64().unwrap_or_else(|| sample.documented_status())
}
