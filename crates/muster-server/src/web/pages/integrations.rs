//! Integrations › Okta: the connection, who signs in how, and the switch that leaves only Okta.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::access::{Action, Entry, SsoReadiness};
use muster_core::signin::{ReturnTo, SessionLimits};
use muster_store::people::PersonKey;
use serde::Deserialize;

use super::super::fault::{Fault, Instead};
use super::super::page::{self, Frame};
use super::super::site::{EnforceSso, Form, ManageConnection, May, OpenIntegration, may};
use super::okta::away;
use crate::signin::{Purpose, by_person};

#[derive(Template)]
#[template(path = "integrations.html")]
struct Integrations {
    f: Frame,
    is_on: bool,
    contact: Option<String>,
}

/// `GET /integrations`
pub(in super::super) async fn list(who: May<OpenIntegration>) -> Result<Response, Instead> {
    let page = Integrations {
        f: Frame::of(&who, who.words.say("integrations-page")),
        is_on: who.tenant.okta_enabled,
        contact: who.web().support_contact.clone(),
    };
    Ok(page::send(&who, StatusCode::OK, &page).await)
}

/// What the last round trip of the one who looks showed.
struct Shown {
    who: String,
    /// Their login and address, where they say more.
    also: Vec<String>,
    okta_user_id: String,
    at: String,
    lines: Vec<(String, bool, String)>,
    /// Whom it would link, in words.
    link: String,
    can_link: bool,
}

#[derive(Template)]
#[template(path = "okta.html")]
#[expect(clippy::struct_excessive_bools, reason = "each is one line of the page")]
struct OktaPage {
    f: Frame,
    state: String,
    state_word: &'static str,
    state_at: Option<String>,
    api_url: Option<String>,
    client_id: Option<String>,
    has_secret: bool,
    has_token: bool,
    is_complete: bool,
    redirect_connect: String,
    redirect_sign_in: String,
    initiate_login: String,
    sign_out: String,
    shown: Option<Shown>,
    is_owner: bool,
    okta_only: bool,
    ready: SsoReadiness,
    break_glass_me: bool,
    idle: i64,
    absolute: i64,
    contact: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    name: Option<String>,
    email: Option<String>,
    login: Option<String>,
    lines: Vec<(String, bool, String)>,
}

/// `GET /integrations/okta`
pub(in super::super) async fn show(who: May<OpenIntegration>) -> Result<Response, Instead> {
    if !who.tenant.okta_enabled {
        return Err(Fault::NOT_FOUND.into());
    }
    let connection = who.db().connection().await?;
    let connected = who.db().connected().await?;
    let secrets = who.db().secrets().await?;
    let has = |field: &str| secrets.iter().any(|secret| secret.field == field);
    let is_complete = connection.api_url.is_some()
        && connection.client_id.is_some()
        && has("client_secret")
        && has("api_token");
    let state_word = match (&connection.attention, &connected) {
        (Some(_), _) => "attention",
        (None, Some(_)) => "connected",
        (None, None) => "not-connected",
    };
    let by = match connected.as_ref().and_then(|state| state.by) {
        Some(id) => who.db().find_person(&PersonKey::Id(id)).await?,
        None => None,
    };
    let by = by.map_or_else(String::new, |person| person.display());
    let session = who.session();
    let slug = who.slug().as_str();
    let now = who.web().clock.now();
    let words = &who.words;
    let is_owner = may(session.role, Action::EnforceSso);
    let ready = if is_owner {
        who.db().sso_readiness(session.person, now).await?
    } else {
        SsoReadiness::default()
    };
    let state = words.with(&format!("okta-state-{state_word}"), &[("who", &by)]);
    let signin = &who.web().signin;
    let page = OktaPage {
        state,
        state_word,
        state_at: connected.map(|state| state.at.to_string()),
        has_secret: has("client_secret"),
        has_token: has("api_token"),
        is_complete,
        redirect_connect: signin.redirect_uri(slug, Purpose::Connect),
        redirect_sign_in: signin.redirect_uri(slug, Purpose::SignIn),
        initiate_login: format!("{}/users/auth/okta", who.url()),
        sign_out: format!("{}/signed-out", who.url()),
        shown: shown(&who).await?,
        is_owner,
        okta_only: who.tenant.entry == Entry::OktaOnly,
        ready,
        break_glass_me: session.break_glass,
        idle: who.tenant.session_limits.idle.as_mins(),
        absolute: who.tenant.session_limits.absolute.as_mins(),
        api_url: connection.api_url,
        client_id: connection.client_id,
        contact: who.web().support_contact.clone(),
        f: Frame::of(&who, words.say("okta-page")),
    };
    Ok(page::send(&who, StatusCode::OK, &page).await)
}

async fn shown(who: &May<OpenIntegration>) -> Result<Option<Shown>, Instead> {
    let Some(proof) = who.db().proof(who.session().person).await? else { return Ok(None) };
    let Ok(said) = serde_json::from_str::<Said>(&proof.said) else { return Ok(None) };
    let words = &who.words;
    let holder = who.web().signin.holder_of(who.db(), &proof).await?;
    let session = who.session();
    let mine = &session.email;
    let (link, can_link) = match holder {
        Some(holder) if holder.id == session.person => (words.say("okta-link-done"), false),
        Some(holder) => {
            (words.with("okta-link-other", &[("who", holder.profile.email.shown())]), false)
        }
        None if session.is_linked => (words.say("okta-link-elsewhere"), false),
        None if session.break_glass => (words.say("okta-link-glass"), false),
        None => (words.with("okta-link-offer", &[("mine", mine)]), true),
    };
    let lines = said.lines.into_iter();
    // A name is anybody's to choose; the login and the address tell who it is.
    let mut known: Vec<String> = Vec::new();
    for part in [said.name, said.login, said.email].into_iter().flatten() {
        if !known.contains(&part) {
            known.push(part);
        }
    }
    let mut known = known.into_iter();
    let name = known.next().unwrap_or_else(|| proof.okta_user_id.to_string());
    Ok(Some(Shown {
        who: name,
        also: known.collect(),
        okta_user_id: proof.okta_user_id.to_string(),
        at: proof.at.to_string(),
        lines: lines
            .map(|(key, good, detail)| (words.say(&format!("okta-proof-{key}")), good, detail))
            .collect(),
        link,
        can_link,
    }))
}

/// `POST /integrations/okta/connect`
pub(in super::super) async fn connect(
    form: Form<May<ManageConnection>>,
) -> Result<Response, Instead> {
    let who = form.who;
    if !who.tenant.okta_enabled {
        return Err(Fault::NOT_FOUND.into());
    }
    let back = ReturnTo::parse("/integrations/okta").unwrap_or_else(ReturnTo::home);
    let acting = Some(who.session().person);
    away(&who, Purpose::Connect, &back, None, acting).await
}

/// `POST /integrations/okta/link`
pub(in super::super) async fn link(form: Form<May<ManageConnection>>) -> Result<Response, Instead> {
    let Form { who, fields } = form;
    if !who.tenant.okta_enabled {
        return Err(Fault::NOT_FOUND.into());
    }
    let shown = fields.text("okta_user");
    who.web().signin.link(who.db(), who.session().person, shown).await?;
    Ok(page::to(&who, "/integrations/okta", Some("linked")))
}

/// `POST /integrations/okta/entry`
pub(in super::super) async fn entry(form: Form<May<EnforceSso>>) -> Result<Response, Instead> {
    let Form { who, fields } = form;
    let (entry, flash) = match fields.text("entry") {
        "okta-only" if who.tenant.okta_enabled => (Entry::OktaOnly, "entry-okta-only"),
        "any" => (Entry::Any, "entry-any"),
        _ => return Err(Fault::MALFORMED.into()),
    };
    let person = who.session().person;
    let actor = person.to_string();
    let (mut ids, now) = who.web().ids();
    who.db().set_entry(entry, person, by_person(&actor), &mut ids, now).await?;
    Ok(page::to(&who, "/integrations/okta", Some(flash)))
}

/// `POST /integrations/okta/break-glass`: of oneself only.
pub(in super::super) async fn break_glass(
    form: Form<May<EnforceSso>>,
) -> Result<Response, Instead> {
    let Form { who, fields } = form;
    let (on, flash) = match fields.text("break_glass") {
        "on" => (true, "break-glass-on"),
        "off" => (false, "break-glass-off"),
        _ => return Err(Fault::MALFORMED.into()),
    };
    if on && who.session().is_linked {
        return Err(Fault::conflict(who.words.say("glass-linked")).into());
    }
    let key = PersonKey::Id(who.session().person);
    let actor = who.session().person.to_string();
    let (mut ids, now) = who.web().ids();
    who.db().set_protected(&key, on, by_person(&actor), &mut ids, now).await?;
    Ok(page::to(&who, "/integrations/okta", Some(flash)))
}

/// `POST /integrations/okta/sessions`
pub(in super::super) async fn limits(form: Form<May<EnforceSso>>) -> Result<Response, Instead> {
    let Form { who, fields } = form;
    let minutes = |name: &str| fields.text(name).trim().parse::<i64>().ok();
    let limits = minutes("idle")
        .zip(minutes("absolute"))
        .and_then(|(idle, absolute)| SessionLimits::of_minutes(idle, absolute));
    let Some(limits) = limits else {
        return Err(Fault::conflict(who.words.say("limits-bad")).into());
    };
    let actor = who.session().person.to_string();
    let (mut ids, now) = who.web().ids();
    who.db().set_session_limits(limits, by_person(&actor), &mut ids, now).await?;
    Ok(page::to(&who, "/integrations/okta", Some("limits-set")))
}
