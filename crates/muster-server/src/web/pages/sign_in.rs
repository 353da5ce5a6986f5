//! Signing in with a password, the code after it, and signing out.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::SignedDuration;
use muster_core::access::Barred;
use muster_core::signin::ReturnTo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::SecretString;

use super::super::cookies::{self, Jar};
use super::super::fault::{Fault, Instead};
use super::super::page::{self, Frame};
use super::super::site::{Form, In, Query, Site};
use crate::signin::{Checked, Entered, PasswordError, SignInError};

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    f: Frame,
    /// The link to Okta, where the tenant has one.
    okta: Option<String>,
    return_to: String,
    email: String,
    error: Option<String>,
    with_password: bool,
}

/// `GET /sign-in`
pub(in super::super) async fn show(site: Site, Query(query): Query) -> Result<Response, Instead> {
    let to = query.get("return_to").and_then(ReturnTo::parse).unwrap_or_else(ReturnTo::home);
    if site.session().is_some() {
        return Ok(page::to(&site, to.as_str(), None));
    }
    with(&site, StatusCode::OK, &to, "", None).await
}

async fn with(
    site: &Site,
    status: StatusCode,
    to: &ReturnTo,
    email: &str,
    error: Option<String>,
) -> Result<Response, Instead> {
    let connection = site.db().connection().await?;
    let is_set =
        site.tenant.okta_enabled && connection.api_url.is_some() && connection.client_id.is_some();
    let okta = is_set.then(|| {
        let to = utf8_percent_encode(to.as_str(), NON_ALPHANUMERIC);
        format!("/users/auth/okta?return_to={to}")
    });
    let page = SignInPage {
        f: Frame::of(site, site.words.say("sign-in-page")),
        // Whoever just set a password wants to use it.
        with_password: okta.is_none()
            || error.is_some()
            || site.cookies.get(&Jar::Flash) == Some("password-set"),
        okta,
        return_to: to.as_str().to_owned(),
        email: email.to_owned(),
        error,
    };
    Ok(page::send(site, status, &page).await)
}

/// `POST /sign-in`
pub(in super::super) async fn send(form: Form<Site>) -> Result<Response, Instead> {
    let Form { who: site, mut fields } = form;
    let to = fields.get("return_to").and_then(ReturnTo::parse).unwrap_or_else(ReturnTo::home);
    let password = SecretString::from(fields.take("password").unwrap_or_default());
    let email = fields.text("email").to_owned();
    let checked = site
        .web()
        .signin
        .check_password(site.db(), &site.tenant, &email, &password, &site.browser, &site.visitor)
        .await;
    match checked {
        Ok(Checked::In(entered)) => Ok(entered_at(&site, &entered, to.as_str()).await),
        Ok(Checked::Half(half)) => {
            let to = utf8_percent_encode(to.as_str(), NON_ALPHANUMERIC);
            let mut response = page::to(&site, &format!("/sign-in/code?return_to={to}"), None);
            let https = site.web().public_url.is_https();
            cookies::set(response.headers_mut(), https, &Jar::Half, &half.sealed, Some(600));
            Ok(response)
        }
        Err(error) => {
            let (status, text) = told(&site, error)?;
            with(&site, status, &to, &email, Some(text)).await
        }
    }
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    f: Frame,
    return_to: String,
    error: Option<String>,
}

/// `GET /sign-in/code`
pub(in super::super) async fn show_code(
    site: Site,
    Query(query): Query,
) -> Result<Response, Instead> {
    let to = query.get("return_to").and_then(ReturnTo::parse).unwrap_or_else(ReturnTo::home);
    if site.cookies.get(&Jar::Half).is_none() {
        return Err(Instead::Page("/sign-in".to_owned()));
    }
    code(&site, StatusCode::OK, to.as_str(), None).await
}

async fn code(
    site: &Site,
    status: StatusCode,
    to: &str,
    error: Option<String>,
) -> Result<Response, Instead> {
    let f = Frame::of(site, site.words.say("code-page"));
    let page = CodePage { f, return_to: to.to_owned(), error };
    Ok(page::send(site, status, &page).await)
}

/// `POST /sign-in/code`
pub(in super::super) async fn send_code(form: Form<Site>) -> Result<Response, Instead> {
    let Form { who: site, fields } = form;
    let to = fields.get("return_to").and_then(ReturnTo::parse).unwrap_or_else(ReturnTo::home);
    let Some(half) = site.cookies.get(&Jar::Half) else {
        return Err(Instead::Page("/sign-in".to_owned()));
    };
    let signin = &site.web().signin;
    let typed = fields.text("code");
    let checked =
        signin.check_code(site.db(), &site.tenant, &site.browser, half, typed, &site.visitor).await;
    match checked {
        Ok(entered) => {
            let mut response = entered_at(&site, &entered, to.as_str()).await;
            let https = site.web().public_url.is_https();
            cookies::clear(response.headers_mut(), https, &Jar::Half);
            Ok(response)
        }
        Err(PasswordError::NoLink) => Err(Instead::Page("/sign-in".to_owned())),
        Err(PasswordError::Wrong) => {
            let text = site.words.say("code-wrong");
            code(&site, StatusCode::UNPROCESSABLE_ENTITY, to.as_str(), Some(text)).await
        }
        Err(error) => {
            let (status, text) = told(&site, error)?;
            code(&site, status, to.as_str(), Some(text)).await
        }
    }
}

/// What is wrong, for the one who typed it.
fn told(site: &Site, error: PasswordError) -> Result<(StatusCode, String), Fault> {
    let words = &site.words;
    let barred = |barred: Barred| match barred {
        Barred::NotYet => words.say("refused-not-yet-text"),
        Barred::Deactivated(_) => words.say("refused-deactivated-text"),
        Barred::ToConfirm => words.say("refused-to-confirm-text"),
    };
    Ok(match error {
        PasswordError::Wrong => (StatusCode::UNPROCESSABLE_ENTITY, words.say("sign-in-wrong")),
        PasswordError::TooOften(wait) => (
            StatusCode::TOO_MANY_REQUESTS,
            words.with("sign-in-wait", &[("seconds", &seconds(wait))]),
        ),
        PasswordError::Busy => (StatusCode::SERVICE_UNAVAILABLE, words.say("sign-in-busy")),
        PasswordError::OktaOnly => (StatusCode::FORBIDDEN, words.say("sign-in-okta-only")),
        PasswordError::Barred(why) | PasswordError::Session(SignInError::Barred(why)) => {
            (StatusCode::FORBIDDEN, barred(why))
        }
        PasswordError::Session(error) => {
            tracing::warn!(tenant = %site.tenant.id, code = error.code(), "a right password began no session");
            (StatusCode::FORBIDDEN, words.say("sign-in-wrong"))
        }
        PasswordError::NoLink | PasswordError::Bad(_) => return Err(Fault::MALFORMED),
        PasswordError::Store(error) => return Err(error.into()),
    })
}

fn seconds(wait: SignedDuration) -> String {
    (wait.as_secs() + 1).to_string()
}

/// Somebody is in from now on, by a session that is new whatever this browser had before.
pub(in super::super) async fn entered_at(site: &Site, entered: &Entered, to: &str) -> Response {
    let mut response = page::to(site, to, None);
    let https = site.web().public_url.is_https();
    cookies::set(response.headers_mut(), https, &Jar::Session, entered.token.text(), None);
    cookies::clear(response.headers_mut(), https, &Jar::Browser);
    // Whoever was in before in this browser is not any more.
    if let Some(before) = site.session() {
        let ended = site.db().end_session(before.person, before.id).await;
        if let Err(error) = ended {
            return Fault::from(error).into_response();
        }
    }
    response
}

/// `POST /sign-out`
pub(in super::super) async fn out(form: Form<In>) -> Result<Response, Instead> {
    let who = form.who;
    let session = who.session();
    let hint = if session.by_okta { who.db().logout_hint(session.id).await? } else { None };
    who.db().end_session(session.person, session.id).await?;
    let at_okta = match &hint {
        Some(hint) => who.web().signin.leave_url(who.db(), who.slug().as_str(), hint).await,
        None => None,
    };
    let mut response = page::to(&who, at_okta.as_deref().unwrap_or("/signed-out"), None);
    let https = who.web().public_url.is_https();
    cookies::clear(response.headers_mut(), https, &Jar::Session);
    Ok(response)
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut {
    f: Frame,
}

/// `GET /signed-out`
pub(in super::super) async fn gone(site: Site) -> Result<Response, Instead> {
    let page = SignedOut { f: Frame::of(&site, site.words.say("signed-out-page")) };
    Ok(page::send(&site, StatusCode::OK, &page).await)
}
