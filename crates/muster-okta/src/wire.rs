//! What Okta sends, apart from people: small typed reads that keep what Muster uses and skip the rest.

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::address::OktaAddress;

/// Why a body is not what was asked for. Says nothing of its content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadBody(String);

/// Reads a body as `T`.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadBody> {
    serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "it has another shape than Okta's",
            serde_json::error::Category::Eof => "it ends too early",
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => {
                "it is not JSON"
            }
        };
        BadBody(format!("{what} (line {}, column {})", error.line(), error.column()))
    })
}

/// An app integration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "AppWire")]
pub struct App {
    /// `0oa…`
    pub id: String,
    /// `oidc_client` for a custom OIDC app.
    pub name: Option<String>,
    /// What admins call it.
    pub label: String,
    /// `ACTIVE`, `INACTIVE`, `DELETED`.
    pub status: String,
    /// The client id, if the app is an OIDC one that shows it. Usually equal to the app's id, but not always.
    pub client_id: Option<String>,
    /// Federation Broker Mode: everybody may sign in, and there are no assignments.
    pub implicit_assignment: bool,
    /// Where sign-in may come back to.
    pub redirect_uris: Vec<String>,
    /// `OPENID_CONNECT`, `SAML_2_0`, …
    pub sign_on_mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppWire {
    id: String,
    name: Option<String>,
    label: Option<String>,
    status: Option<String>,
    sign_on_mode: Option<String>,
    credentials: Option<AppCredentials>,
    settings: Option<AppSettings>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppCredentials {
    oauth_client: Option<AppClient>,
}

#[derive(Deserialize)]
struct AppClient {
    client_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppSettings {
    implicit_assignment: Option<bool>,
    oauth_client: Option<AppOauthSettings>,
}

#[derive(Deserialize)]
struct AppOauthSettings {
    redirect_uris: Option<Vec<String>>,
}

impl From<AppWire> for App {
    fn from(wire: AppWire) -> Self {
        let settings = wire.settings.unwrap_or_default();
        Self {
            id: wire.id,
            name: wire.name,
            label: wire.label.unwrap_or_default(),
            status: wire.status.unwrap_or_default(),
            client_id: wire
                .credentials
                .and_then(|held| held.oauth_client)
                .and_then(|held| held.client_id),
            implicit_assignment: settings.implicit_assignment.unwrap_or(false),
            redirect_uris: settings
                .oauth_client
                .and_then(|held| held.redirect_uris)
                .unwrap_or_default(),
            sign_on_mode: wire.sign_on_mode,
        }
    }
}

/// The assignment of one person to an app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppUser {
    /// The Okta user's id.
    pub id: String,
    /// `USER` when assigned directly, `GROUP` through a group.
    pub scope: Option<String>,
    /// The state of the assignment, not of the person.
    pub status: Option<String>,
}

/// A group that an app is assigned to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AppGroup {
    /// `00g…`
    pub id: String,
    /// Smaller comes first.
    pub priority: Option<i64>,
    /// The group itself, when it was asked for with `expand=group`.
    #[serde(rename = "_embedded")]
    pub embedded: Option<EmbeddedGroup>,
}

/// What [`AppGroup`] embeds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EmbeddedGroup {
    /// The group.
    pub group: Option<Group>,
}

/// A group of people.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Group {
    /// `00g…`
    pub id: String,
    /// `OKTA_GROUP`, `APP_GROUP`, `BUILT_IN`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Name and description.
    pub profile: Option<GroupProfile>,
}

/// What a group calls itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GroupProfile {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
}

/// What an org tells about itself to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "OrganizationWire")]
pub struct Organization {
    /// `00o…`: stays the same when the domain changes.
    pub id: String,
    /// `idx` for Identity Engine, `v1` for Classic.
    pub pipeline: Option<String>,
    /// The addresses that the org gives as its own.
    pub addresses: Vec<OktaAddress>,
}

#[derive(Deserialize)]
struct OrganizationWire {
    id: String,
    pipeline: Option<String>,
    #[serde(rename = "_links")]
    links: Option<OrganizationLinks>,
}

#[derive(Default, Deserialize)]
struct OrganizationLinks {
    organization: Option<Href>,
    alternate: Option<Href>,
}

#[derive(Deserialize)]
struct Href {
    href: Option<String>,
}

impl From<OrganizationWire> for Organization {
    fn from(wire: OrganizationWire) -> Self {
        let links = wire.links.unwrap_or_default();
        let hrefs = [links.organization, links.alternate]
            .into_iter()
            .flatten()
            .filter_map(|link| link.href);
        let addresses =
            hrefs.filter_map(|href| OktaAddress::of_url(&url::Url::parse(&href).ok()?)).collect();
        Self { id: wire.id, pipeline: wire.pipeline, addresses }
    }
}

/// What an authorization server says of itself. Source: OpenID Connect Discovery 1.0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Discovery {
    /// Who signs: the address under which the org answers, with its scheme.
    pub issuer: String,
    /// Where codes are exchanged.
    pub token_endpoint: Option<String>,
}

/// The admin behind an API token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Me {
    /// `00u…`
    pub id: String,
    /// Okta's status of that admin.
    pub status: Option<String>,
    /// Who it is.
    pub profile: MeProfile,
}

/// What is shown of the admin behind a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeProfile {
    /// The user name, which is shown as the owner of the token.
    pub login: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
}

/// The attributes that people of the default type have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "SchemaWire")]
pub struct UserSchema {
    /// Okta's own attributes, then the org's, each in the order of their names.
    pub attributes: Vec<SchemaAttribute>,
}

/// One attribute of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaAttribute {
    /// The name in a profile.
    pub name: String,
    /// What admins see.
    pub title: Option<String>,
    /// `string`, `boolean`, `number`, `integer`, `array`.
    pub kind: Option<String>,
    /// Whether the org added it.
    pub custom: bool,
}

#[derive(Deserialize)]
struct SchemaWire {
    definitions: Option<Definitions>,
}

#[derive(Default, Deserialize)]
struct Definitions {
    base: Option<Definition>,
    custom: Option<Definition>,
}

#[derive(Default, Deserialize)]
struct Definition {
    properties: Option<std::collections::BTreeMap<String, Property>>,
}

#[derive(Deserialize)]
struct Property {
    title: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl From<SchemaWire> for UserSchema {
    fn from(wire: SchemaWire) -> Self {
        let definitions = wire.definitions.unwrap_or_default();
        let mut attributes = Vec::new();
        for (definition, custom) in [(definitions.base, false), (definitions.custom, true)] {
            let properties = definition.unwrap_or_default().properties.unwrap_or_default();
            attributes.extend(properties.into_iter().map(|(name, property)| SchemaAttribute {
                name,
                title: property.title,
                kind: property.kind,
                custom,
            }));
        }
        Self { attributes }
    }
}

/// A type of people; an org has at most ten, each with a schema of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserType {
    /// `oty…`
    pub id: String,
    /// Its name in the API.
    pub name: Option<String>,
    /// What admins see.
    pub display_name: Option<String>,
    /// Whether it is the default one.
    pub default: Option<bool>,
}

/// One entry of the System Log, or one event of a delivery: the same shape but for parts that Muster does not read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LogEvent {
    /// The id of the event itself, equal in log and delivery.
    pub uuid: Option<String>,
    /// When it happened.
    pub published: Option<Timestamp>,
    /// `user.lifecycle.deactivate`, …
    pub event_type: String,
    /// Who or what did it.
    pub actor: Option<Target>,
    /// What it was done to, in no order that means anything: look for the type.
    pub target: Option<Vec<Target>>,
    /// How it went.
    pub outcome: Option<Outcome>,
}

impl LogEvent {
    /// The ids of the targets of one type: `User`, `UserGroup`, `AppInstance`.
    pub fn targets<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        let targets = self.target.as_deref().unwrap_or_default();
        targets
            .iter()
            .filter(move |target| target.kind.as_deref() == Some(kind))
            .filter_map(|t| t.id.as_deref())
    }

    /// Whether it went through; an event that says nothing of its outcome did.
    pub fn succeeded(&self) -> bool {
        let result = self.outcome.as_ref().and_then(|outcome| outcome.result.as_deref());
        matches!(result, None | Some("SUCCESS"))
    }
}

/// Who did something, or what it was done to.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Target {
    /// Okta's id.
    pub id: Option<String>,
    /// `User`, `UserGroup`, `AppInstance`, `AppUser`, `SystemPrincipal`, …
    #[serde(rename = "type")]
    pub kind: Option<String>,
}

/// How something went.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Outcome {
    /// `SUCCESS`, `FAILURE`, `SKIPPED`, …
    pub result: Option<String>,
    /// Why, in Okta's words.
    pub reason: Option<String>,
}

/// What Okta sends to an event hook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookDelivery {
    /// The id of this delivery.
    pub event_id: Option<String>,
    /// When it was made.
    pub event_time: Option<Timestamp>,
    /// The org's host and the hook's id, as an URL.
    pub source: Option<String>,
    /// The events.
    pub data: HookData,
}

/// What a delivery carries.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HookData {
    /// One or more events, in no promised order.
    pub events: Vec<LogEvent>,
}

/// An event hook as Okta keeps it. The secret is never sent back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventHook {
    /// `who…`
    pub id: String,
    /// What admins call it.
    pub name: Option<String>,
    /// A note for admins.
    pub description: Option<String>,
    /// `ACTIVE` or `INACTIVE`.
    pub status: Option<String>,
    /// `VERIFIED` or `UNVERIFIED`; falls back to the latter whenever the hook is edited.
    pub verification_status: Option<String>,
    /// What it is sent for.
    pub events: Option<HookEvents>,
    /// Where it is sent.
    pub channel: Option<HookChannel>,
}

impl EventHook {
    /// The URL that is called.
    pub fn uri(&self) -> Option<&str> {
        self.channel.as_ref()?.config.as_ref()?.uri.as_deref()
    }

    /// The name of the header that carries the secret.
    pub fn secret_header(&self) -> Option<&str> {
        let scheme = self.channel.as_ref()?.config.as_ref()?.auth_scheme.as_ref()?;
        scheme.key.as_deref()
    }

    /// What it is sent for.
    pub fn event_types(&self) -> &[String] {
        self.events.as_ref().map_or(&[], |events| &events.items)
    }

    /// Whether it is switched on.
    pub fn is_active(&self) -> bool {
        self.status.as_deref() == Some("ACTIVE")
    }

    /// Whether Okta made sure of the URL. Events flow only to hooks that are active and verified.
    pub fn is_verified(&self) -> bool {
        self.verification_status.as_deref() == Some("VERIFIED")
    }
}

/// The event types of a hook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HookEvents {
    /// `user.lifecycle.create`, …
    #[serde(default)]
    pub items: Vec<String>,
}

/// Where a hook delivers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HookChannel {
    /// The target.
    pub config: Option<HookConfig>,
}

/// The target of a hook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HookConfig {
    /// The URL that is called.
    pub uri: Option<String>,
    /// How it shows that it is Okta.
    pub auth_scheme: Option<HookAuth>,
}

/// How a hook shows that it comes from Okta: by a header. Its value is never sent back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HookAuth {
    /// The name of the header.
    pub key: Option<String>,
}
