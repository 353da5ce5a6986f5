//! The calls that Muster makes to Okta, each typed.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use muster_core::id::OktaUserId;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

pub use crate::address::OktaAddress;
use crate::auth::Credentials;
pub use crate::call::SharedBudget;
use crate::call::{Call, Caller, Proof, Served, TRIES_MAX};
use crate::error::{ErrorKind, OktaError, Verdict};
pub use crate::keep::KeepAttributes;
use crate::oidc::basic;
pub use crate::page::PageLink;
use crate::page::{Next, next};
use crate::people::{self, People};
pub use crate::people::{ListedUser, SkippedUser};
use crate::request::encoded;
pub use crate::transport::{Exchange, HttpTransport, Transport, TransportError};
use crate::wire::{
    self, App, AppGroup, AppUser, Discovery, Group, LogEvent, Me, Organization, UserSchema,
    UserType,
};

/// Most people that Okta puts on a page of an app. Source: management API, `listApplicationUsers`.
pub const APP_USERS_PAGE_MAX: u32 = 500;
/// Most users on a page of the org. Source: management API, `listUsers`.
pub const USERS_PAGE_MAX: u32 = 200;
/// Log pages read for one question. The question names one person, so one page is the rule.
const LOG_PAGES_MAX: u32 = 10;

/// The time, and waiting: the server gives its clock, a test one that it moves itself.
pub trait Timer: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
    /// Returns once that moment has come.
    fn wait_until(&self, at: Timestamp) -> BoxFuture<'_, ()>;
}

/// What a client needs.
pub struct ClientConfig {
    /// The org.
    pub address: OktaAddress,
    /// Its API token (SSWS), as it was pasted.
    pub token: SecretString,
    /// How much of each rate limit may be used, in percent (1 to 100): the rest is for the org's other integrations.
    pub share_percent: u8,
    /// The way there.
    pub transport: Transport,
    /// The time.
    pub timer: Arc<dyn Timer>,
    /// Where the jitter of pauses begins.
    pub seed: u64,
    /// People a page; at most [`APP_USERS_PAGE_MAX`].
    pub page_size: u32,
    /// How often a call is sent when it meets faults that may pass (1 to 4): with 4 the pauses between are 26 s at most,
    /// with 2 they are 2 s. Somebody who sits before a page waits less than a run at night.
    pub tries_max: u32,
}

impl ClientConfig {
    /// A half of the limits, and the largest pages.
    pub fn new(
        address: OktaAddress,
        token: SecretString,
        transport: Transport,
        timer: Arc<dyn Timer>,
        seed: u64,
    ) -> Self {
        Self {
            address,
            token,
            share_percent: 50,
            transport,
            timer,
            seed,
            page_size: APP_USERS_PAGE_MAX,
            tries_max: TRIES_MAX,
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig").field("address", &self.address).finish_non_exhaustive()
    }
}

/// A client for one org. Clones share its rate budget and its counts.
#[derive(Clone)]
pub struct OktaClient {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) caller: Caller,
    page_size: u32,
    /// Further addresses that the org gives as its own; asked for when a link first leads to another host.
    aliases: OnceCell<Vec<OktaAddress>>,
}

impl fmt::Debug for OktaClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OktaClient")
            .field("address", &self.inner.caller.address)
            .finish_non_exhaustive()
    }
}

/// One page of an app's people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsersPage {
    /// Those who could be read. All of them are assigned. Somebody may come on two pages.
    pub users: Vec<ListedUser>,
    /// Those who are named and cannot be read: assigned, and nothing more is known.
    pub skipped_unreadable: Vec<SkippedUser>,
    /// The next page; `None` after the last.
    pub next: Option<PageLink>,
    /// When the page was asked for: what it shows is not older.
    pub requested_at: Timestamp,
}

/// One page of a listing other than of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// The next page; `None` after the last, except for a System Log without an end, which always has a next.
    pub next: Option<PageLink>,
}

impl OktaClient {
    /// A client that has not called yet. It never fails here: a token that cannot be one is told by the first call.
    pub fn new(config: ClientConfig) -> Self {
        let budget = SharedBudget::new(config.share_percent);
        Self::sharing(config, budget)
    }

    /// The same, within a budget that others use, too; `share_percent` of `config` does not count.
    pub fn sharing(config: ClientConfig, budget: SharedBudget) -> Self {
        let caller = Caller::new(
            config.address,
            Credentials::ssws(&config.token),
            config.transport,
            config.timer,
            config.tries_max.clamp(1, TRIES_MAX),
            budget,
            ChaCha8Rng::seed_from_u64(config.seed),
        );
        let page_size = config.page_size.clamp(1, APP_USERS_PAGE_MAX);
        Self { inner: Arc::new(Inner { caller, page_size, aliases: OnceCell::new() }) }
    }

    /// From now on leaves a part of the budget to others who share it: for work that can wait.
    pub fn be_patient(&self) {
        self.inner.caller.be_patient();
    }

    /// The org that is called.
    pub fn address(&self) -> &OktaAddress {
        &self.inner.caller.address
    }

    /// Calls sent so far, further tries included.
    pub fn calls(&self) -> u64 {
        self.inner.caller.calls()
    }

    /// `(our calls, calls allowed)` in the fullest window so far; `None` before Okta told a limit.
    pub fn limit_share(&self) -> Option<(u64, u64)> {
        self.inner.caller.share()
    }

    /// Reads an app.
    pub async fn app(&self, id: &str) -> Result<App, OktaError> {
        const DOING: &str = "reading the app";
        let path = format!("/api/v1/apps/{}", part(DOING, id)?);
        self.get(Call::get(DOING, path)).await
    }

    /// Reads one page of the people assigned to an app, each with their profile: the first, or the one at `after`.
    ///
    /// Of each profile only `keep` is kept. A cursor that Okta refuses gives [`ErrorKind::BadCursor`].
    pub async fn app_users_page(
        &self,
        app_id: &str,
        keep: &KeepAttributes,
        after: Option<&PageLink>,
    ) -> Result<UsersPage, OktaError> {
        const DOING: &str = "reading a page of the app's people";
        let path = format!("/api/v1/apps/{}/users", part(DOING, app_id)?);
        let first = || format!("{path}?expand=user&limit={}", self.inner.page_size);
        self.people_page(DOING, &path, first, after, |body| people::app_users_page(body, keep))
            .await
    }

    /// Reads one page of the org's users. The plain list leaves out those who are deactivated.
    pub async fn users_page(
        &self,
        keep: &KeepAttributes,
        after: Option<&PageLink>,
    ) -> Result<UsersPage, OktaError> {
        const DOING: &str = "reading a page of the org's users";
        let path = "/api/v1/users";
        let first = || format!("{path}?limit={}", self.inner.page_size.min(USERS_PAGE_MAX));
        self.people_page(DOING, path, first, after, |body| people::users_page(body, keep)).await
    }

    /// Reads one page of a group's members, those who are deactivated included.
    pub async fn group_users_page(
        &self,
        group_id: &str,
        keep: &KeepAttributes,
        after: Option<&PageLink>,
    ) -> Result<UsersPage, OktaError> {
        const DOING: &str = "reading a page of a group's members";
        let path = format!("/api/v1/groups/{}/users", part(DOING, group_id)?);
        let first = || format!("{path}?limit={}", self.inner.page_size.min(USERS_PAGE_MAX));
        self.people_page(DOING, &path, first, after, |body| people::users_page(body, keep)).await
    }

    /// Reads one user by id. `None` when Okta answers 404 `E0000007`: deleted, or hidden from this token.
    pub async fn user(
        &self,
        id: &OktaUserId,
        keep: &KeepAttributes,
    ) -> Result<Option<ListedUser>, OktaError> {
        const DOING: &str = "reading a person";
        let call = Call::get(DOING, format!("/api/v1/users/{id}"));
        let read = self.inner.caller.call(call, |served| {
            let listed =
                people::user(&served.reply.body, keep).map_err(|error| error.to_string())?;
            if listed.user.id == *id {
                Ok(listed)
            } else {
                Err("it is about another person".to_owned())
            }
        });
        absent(read.await)
    }

    /// Reads one assignment. `None` when Okta answers 404 `E0000007` for the person; the app itself missing is an error.
    pub async fn app_user(
        &self,
        app_id: &str,
        id: &OktaUserId,
    ) -> Result<Option<AppUser>, OktaError> {
        const DOING: &str = "reading an assignment";
        let call = Call::get(DOING, format!("/api/v1/apps/{}/users/{id}", part(DOING, app_id)?));
        let read = self.inner.caller.call(call, |served| {
            let assigned: AppUser = parsed(served)?;
            if assigned.id == id.as_str() {
                Ok(assigned)
            } else {
                Err("it is about another person".to_owned())
            }
        });
        let read = read.await;
        if let Err(OktaError::Answered { answer, .. }) = &read {
            let summary = answer.refusal.as_ref().map_or("", |refusal| refusal.summary.as_str());
            // The same code says that the app is gone, and then it proves nothing about the person.
            if summary.contains(app_id) && !summary.contains(id.as_str()) {
                return read.map(Some);
            }
        }
        absent(read)
    }

    /// Whether the System Log since then knows of a deletion of this user.
    pub async fn logged_deletion(
        &self,
        id: &OktaUserId,
        since: Timestamp,
    ) -> Result<bool, OktaError> {
        const DOING: &str = "looking for a deletion in the System Log";
        // A deactivation proves nothing: whoever was brought back since has one in the log, too.
        const DELETIONS: [&str; 2] =
            ["user.lifecycle.delete.initiated", "user.lifecycle.delete.completed"];
        let types = DELETIONS.map(|kind| format!("eventType eq \"{kind}\"")).join(" or ");
        let filter = format!("target.id eq \"{id}\" and ({types})");
        // Bounded at both ends, so that the listing ends by itself.
        let mut path = format!(
            "/api/v1/logs?since={}&until={}&filter={}&limit=100",
            encoded(&log_time(since)),
            encoded(&log_time(self.inner.caller.timer.now())),
            encoded(&filter)
        );
        for _ in 0..LOG_PAGES_MAX {
            let page: Page<LogEvent> = self.page(DOING, std::mem::take(&mut path)).await?;
            let about = |event: &LogEvent| {
                event.succeeded()
                    && DELETIONS.contains(&event.event_type.as_str())
                    && event.targets("User").any(|target| target == id.as_str())
            };
            if page.items.iter().any(about) {
                return Ok(true);
            }
            match page.next {
                Some(link) if !page.items.is_empty() => link.as_str().clone_into(&mut path),
                _ => break,
            }
        }
        Ok(false)
    }

    /// Asks, without the token, what the address says it is: an answer proves that it is an Okta org.
    pub async fn organization(&self) -> Result<Organization, OktaError> {
        let doing = "asking the address whether it is an Okta org";
        let path = "/.well-known/okta-organization".to_owned();
        self.get(Call { proof: Proof::None, ..Call::get(doing, path) }).await
    }

    /// Asks, without the token, what the org's authorization server says of itself.
    pub async fn discovery(&self) -> Result<Discovery, OktaError> {
        let doing = "reading what the org says of signing in";
        let path = "/.well-known/openid-configuration".to_owned();
        self.get(Call { proof: Proof::None, ..Call::get(doing, path) }).await
    }

    /// Whether a client id and secret belong together.
    ///
    /// Asks the token endpoint to exchange a code that nobody was given: Okta judges the client first (`invalid_client`), and
    /// only then the code (`invalid_grant`). Source: RFC 6749 5.2. Nobody is signed in by it.
    pub async fn client_accepted(
        &self,
        client_id: &str,
        secret: &SecretString,
        redirect_uri: &str,
    ) -> Result<bool, OktaError> {
        const DOING: &str = "showing the client id and secret";
        let header = SecretString::from(basic(client_id, secret));
        let body = format!(
            "grant_type=authorization_code&code=muster-check-no-code&redirect_uri={}&code_verifier={}",
            encoded(redirect_uri),
            "muster-check-".repeat(4)
        );
        let call = Call {
            method: http::Method::POST,
            body: Some(("application/x-www-form-urlencoded", body.into())),
            proof: Proof::Header(header),
            ..Call::get(DOING, "/oauth2/v1/token".to_owned())
        };
        // Nobody was given the code, so nobody gets a token for it.
        let answered = self
            .inner
            .caller
            .call(call, |_| Err::<(), _>("a code that does not exist was accepted".to_owned()))
            .await;
        match answered {
            Ok(()) => Ok(true),
            Err(error) => match error.code() {
                Some("invalid_grant") => Ok(true),
                Some("invalid_client") => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Reads the admin whose rights the token has.
    pub async fn me(&self) -> Result<Me, OktaError> {
        self.get(Call::get("reading the owner of the API token", "/api/v1/users/me".to_owned()))
            .await
    }

    /// Reads the attributes that people of the default type have.
    pub async fn user_schema(&self) -> Result<UserSchema, OktaError> {
        let path = "/api/v1/meta/schemas/user/default".to_owned();
        self.get(Call::get("reading the attributes of people", path)).await
    }

    /// Reads the types of people; there are at most ten.
    pub async fn user_types(&self) -> Result<Vec<UserType>, OktaError> {
        self.get(Call::get("reading the types of people", "/api/v1/meta/types/user".to_owned()))
            .await
    }

    /// Reads one page of the org's apps.
    pub async fn apps_page(&self, after: Option<&PageLink>) -> Result<Page<App>, OktaError> {
        self.page("reading a page of the apps", at(after, "/api/v1/apps?limit=200")).await
    }

    /// Reads one page of the org's groups.
    pub async fn groups_page(&self, after: Option<&PageLink>) -> Result<Page<Group>, OktaError> {
        self.page("reading a page of the groups", at(after, "/api/v1/groups?limit=200")).await
    }

    /// Reads one page of the groups that an app is assigned to.
    pub async fn app_groups_page(
        &self,
        app_id: &str,
        after: Option<&PageLink>,
    ) -> Result<Page<AppGroup>, OktaError> {
        const DOING: &str = "reading a page of the app's groups";
        let first = format!("/api/v1/apps/{}/groups?expand=group&limit=200", part(DOING, app_id)?);
        self.page(DOING, at(after, &first)).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, call: Call) -> Result<T, OktaError> {
        self.inner.caller.call(call, parsed).await
    }

    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        path: String,
    ) -> Result<Page<T>, OktaError> {
        let read = self.inner.caller.call(Call::get(doing, path), |served| {
            let items: Vec<T> = parsed(served)?;
            Ok((items, self.next(served)?))
        });
        let (items, next) = read.await?;
        Ok(Page { items, next: self.pinned(doing, next).await? })
    }

    async fn people_page(
        &self,
        doing: &'static str,
        path: &str,
        first: impl FnOnce() -> String,
        after: Option<&PageLink>,
        read: impl Fn(&[u8]) -> Result<People, people::BadPeople> + Send + Sync,
    ) -> Result<UsersPage, OktaError> {
        let path_and_query = match after {
            None => first(),
            Some(link) if link.path() == path => link.as_str().to_owned(),
            Some(_) => return Err(OktaError::OtherListing { doing }),
        };
        let read = self.inner.caller.call(Call::get(doing, path_and_query), |served| {
            let people = read(&served.reply.body).map_err(|error| error.to_string())?;
            let next = self.next(served)?;
            if let Next::At(link) | Next::Elsewhere(_, link) = &next
                && link.path() != path
            {
                return Err("its next page belongs to another listing".to_owned());
            }
            Ok((people, next, served.requested_at))
        });
        let (people, next, requested_at) = read.await?;
        let next = self.pinned(doing, next).await?;
        Ok(UsersPage {
            users: people.users,
            skipped_unreadable: people.skipped,
            next,
            requested_at,
        })
    }

    fn next(&self, served: &Served) -> Result<Next, String> {
        let aliases = self.inner.aliases.get().map_or(&[][..], Vec::as_slice);
        match next(&served.reply, self.address(), aliases) {
            Next::Broken(why) => Err(why.to_owned()),
            other => Ok(other),
        }
    }

    /// The link, if it leads to the org that was called. An org with a custom domain may answer with links to its other
    /// name; then path and query are kept and the host that was called stays.
    async fn pinned(&self, doing: &'static str, next: Next) -> Result<Option<PageLink>, OktaError> {
        let (host, link) = match next {
            Next::At(link) => return Ok(Some(link)),
            Next::Elsewhere(host, link) => (host, link),
            Next::End | Next::Broken(_) => return Ok(None),
        };
        let asked = self.inner.aliases.get_or_try_init(|| async {
            self.organization().await.map(|organization| organization.addresses)
        });
        match asked.await {
            Ok(aliases) if aliases.contains(&host) => Ok(Some(link)),
            Err(error)
                if error.verdict() != Verdict::GiveUp && error.kind() != ErrorKind::Unreadable =>
            {
                Err(error)
            }
            _ => Err(OktaError::ForeignLink { doing, host: host.host_key() }),
        }
    }
}

fn at(after: Option<&PageLink>, first: &str) -> String {
    after.map_or(first, PageLink::as_str).to_owned()
}

fn parsed<T: DeserializeOwned>(served: &Served) -> Result<T, String> {
    wire::read(&served.reply.body).map_err(|error| error.to_string())
}

/// Turns "not found" into `None`.
fn absent<T>(read: Result<T, OktaError>) -> Result<Option<T>, OktaError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// An id that a customer typed, fit to be one part of a path.
pub(crate) fn part(doing: &'static str, id: &str) -> Result<String, OktaError> {
    let id = id.trim();
    if id.is_empty() || id.len() > 200 {
        return Err(OktaError::BadId { doing, id: id.chars().take(40).collect() });
    }
    Ok(encoded(id))
}

/// Milliseconds in UTC, as the System Log wants its times.
pub(crate) fn log_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}
