//! `muster okta check`: every check of the connection that needs no browser, with cause and fix.

mod app;
mod hook;
mod reach;

use clap::Args;
use muster_core::tenant::TenantSlug;
use muster_okta::OktaClient;
use muster_okta::error::{ErrorKind, OktaError};
use muster_store::TenantDb;
use muster_store::connection::OktaConnection;
use serde::Serialize;

use super::exit::{CliError, Exit};
use super::output::clean;
use super::{Context, okta_hook, subdomain, sync};
use crate::config::variables::wrap;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// The tenant's subdomain
    #[arg(value_name = "SUB", value_parser = subdomain)]
    sub: TenantSlug,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    Warn,
    Fail,
    /// Somebody must do something in Okta first.
    Waiting,
    /// It could not be asked.
    Skipped,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::Waiting => "waiting",
            Self::Skipped => "skipped",
        }
    }
}

/// What a check found.
#[derive(Debug, Serialize)]
struct Found {
    check: &'static str,
    name: &'static str,
    state: State,
    detail: String,
    fix: Option<String>,
    /// Okta refused credentials or rights: the command ends with the exit code for that.
    #[serde(skip)]
    refused: bool,
}

/// Number and name of a check.
#[derive(Debug, Clone, Copy)]
struct Name(&'static str, &'static str);

impl Name {
    fn found(self, state: State, detail: impl Into<String>, fix: Option<String>) -> Found {
        let Self(check, name) = self;
        Found { check, name, state, detail: clean(&detail.into()), fix, refused: false }
    }

    fn ok(self, detail: impl Into<String>) -> Found {
        self.found(State::Ok, detail, None)
    }

    fn warn(self, detail: impl Into<String>, fix: impl Into<String>) -> Found {
        self.found(State::Warn, detail, Some(fix.into()))
    }

    fn fail(self, detail: impl Into<String>, fix: impl Into<String>) -> Found {
        self.found(State::Fail, detail, Some(fix.into()))
    }

    fn refused(self, detail: impl Into<String>, fix: impl Into<String>) -> Found {
        Found { refused: true, ..self.fail(detail, fix) }
    }

    fn waiting(self, detail: impl Into<String>, fix: impl Into<String>) -> Found {
        self.found(State::Waiting, detail, Some(fix.into()))
    }

    fn skipped(self, detail: impl Into<String>) -> Found {
        self.found(State::Skipped, detail, None)
    }

    /// A call that did not give what it was made for, in the words for whoever set up the connection.
    fn failed(self, error: &OktaError) -> Found {
        let code = error.code().map(|code| format!(" ({code})")).unwrap_or_default();
        match error.kind() {
            ErrorKind::Credentials => self.refused(
                format!("Okta refuses the API token{code}."),
                "It was revoked, expired after 30 unused days, or its owner was deactivated. Create a new one and store it: \
                 muster okta set SUB --api-token FILE. Nobody has been deactivated.",
            ),
            ErrorKind::Rights => self.refused(
                format!("The token works but may not do this{code}."),
                "The admin who made it needs at least the role Read-only administrator.",
            ),
            ErrorKind::RateLimited => self.warn(
                format!("Okta asked us to slow down: {error}."),
                "Nothing: try again in a minute.",
            ),
            ErrorKind::Unreadable => self.fail(
                format!("What answered is not Okta: {error}."),
                "Look at proxies and firewalls on the way.",
            ),
            _ => self.fail(format!("{error}."), "Try again; if it stays, look at Okta's status page."),
        }
    }
}

/// What the checks work with.
struct Probe<'a> {
    cx: &'a Context,
    db: &'a TenantDb,
    sub: &'a str,
    connection: OktaConnection,
    client: OktaClient,
}

impl Probe<'_> {
    /// The app whose assignments say who is in.
    fn app_id(&self) -> Option<&str> {
        self.connection.app_id.as_deref().or(self.connection.client_id.as_deref())
    }

    /// Where people of this tenant reach the service.
    fn base(&self) -> String {
        self.cx.app.config.public_url.of_tenant(self.sub)
    }
}

pub(super) async fn run(args: Check, cx: &mut Context) -> Result<Exit, CliError> {
    let (tenant, db) = cx.tenant(&args.sub).await?;
    sync::must_be_enabled(&tenant)?;
    let sub = args.sub.as_str();
    let found = {
        let connection = db.connection().await?;
        if connection.api_url.is_none() {
            return Err(CliError::Usage(format!(
                "Okta is not connected for {sub}: the API URL is not set. Set it with: muster okta set {sub} --api-url URL"
            )));
        }
        // Two hundred people are enough to see that people are seen.
        let okta = cx.app.okta()?.with_tries(okta_hook::TRIES).with_page_size(200);
        let client = okta.probe(&db).await.map_err(|error| CliError::Run(error.into()))?;
        all(&Probe { cx, db: &db, sub, connection, client }).await?
    };
    for one in &found {
        let fix = one.fix.as_ref().map(|fix| fix.replace("SUB", sub));
        if cx.out.json {
            cx.out.object(&serde_json::json!({
                "check": one.check, "name": one.name, "state": one.state, "detail": one.detail, "fix": fix,
            }))?;
            continue;
        }
        let head = format!("{:<4}{:<8} {:<21}", one.check, one.state.word(), one.name);
        let room = cx.out.width.saturating_sub(head.len()).max(30);
        let mut start = head.as_str();
        let indent = " ".repeat(head.len());
        for line in wrap(&one.detail, room) {
            cx.out.line(format!("{start}{line}"))?;
            start = &indent;
        }
        for line in fix.iter().flat_map(|fix| wrap(&format!("→ {fix}"), room)) {
            cx.out.line(format!("{indent}{line}"))?;
        }
    }
    Ok(if found.iter().any(|one| one.refused) {
        Exit::Refused
    } else if found.iter().any(|one| one.state == State::Fail) {
        Exit::Failed
    } else {
        Exit::Done
    })
}

async fn all(probe: &Probe<'_>) -> Result<Vec<Found>, CliError> {
    let mut found = vec![reach::address(probe).await];
    let reached = found[0].state != State::Fail;
    if reached {
        found.push(reach::client(probe).await?);
        let token = reach::token(probe).await?;
        let works = token.state != State::Fail;
        found.push(token);
        if works {
            found.push(reach::people(probe).await);
            found.extend(app::checks(probe).await);
        }
    }
    // Whatever could not be asked is there all the same, so that a list always has the same lines.
    for name in
        ASKED.iter().filter(|name| !found.iter().any(|one| one.check == name.0)).collect::<Vec<_>>()
    {
        let why = if reached {
            "Not asked: the token does not work."
        } else {
            "Not asked: Okta is not reached."
        };
        found.push(name.skipped(why));
    }
    found.sort_by_key(|one| one.check);
    found.push(sign_in(probe).await?);
    let reads = found
        .iter()
        .any(|one| one.check == "C3" && one.state != State::Fail && one.state != State::Skipped);
    found.extend(hook::checks(probe, reads).await?);
    Ok(found)
}

const ADDRESS: Name = Name("C1", "Okta address");
const CLIENT: Name = Name("C2", "Client ID and secret");
const TOKEN: Name = Name("C3", "API token");
const PEOPLE: Name = Name("C4", "May list people");
const APP: Name = Name("C5", "App");
const REDIRECTS: Name = Name("C6", "Redirect URIs");
const ASSIGNED: Name = Name("C7", "People assigned");
/// C8: whether somebody went to Okta and came back, which a command cannot do.
async fn sign_in(probe: &Probe<'_>) -> Result<Found, CliError> {
    let Some(state) = probe.db.connected().await? else {
        return Ok(SIGN_IN.waiting(
            "Nobody has proved in a browser that signing in works.",
            "As an owner or admin: profile picture > Integrations > Okta > Connect to Okta.",
        ));
    };
    let at = probe.cx.out.time(state.at);
    Ok(SIGN_IN.ok(format!("Proved on {at}. Okta signs as {}.", state.issuer)))
}

const SIGN_IN: Name = Name("C8", "Sign-in round trip");
const HOOK: Name = Name("C9", "Event hook verified");
const EVENT: Name = Name("C10", "First event");
/// Those that ask Okta.
const ASKED: [Name; 7] = [ADDRESS, CLIENT, TOKEN, PEOPLE, APP, REDIRECTS, ASSIGNED];
