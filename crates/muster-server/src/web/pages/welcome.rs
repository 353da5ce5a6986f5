//! Setting a password by a one-time link.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::signin::{BadPassword, PASSWORD_MAX, PASSWORD_MIN};
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;

use super::super::cookies::{self, Jar};
use super::super::fault::{Fault, Instead};
use super::super::page::{self, Frame};
use super::super::site::{Form, Part, Site};
use crate::signin::{NewPassword, PasswordError, Token};

/// How long the form may be open, in seconds.
const OPEN: i64 = 3_600;

/// `GET /welcome/{token}`: takes the token out of the address, where it would stay in the history of the browser. It is not used up by
/// this: whoever only looks at links, as mail scanners do, changes nothing.
pub(in super::super) async fn arrive(site: Site, Part(token): Part) -> Result<Response, Instead> {
    let mut response = page::to(&site, "/welcome", None);
    if let Some(token) = Token::parse(&token) {
        let https = site.web().public_url.is_https();
        cookies::set(response.headers_mut(), https, &Jar::Link, token.text(), Some(OPEN));
    }
    Ok(response)
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct Welcome {
    f: Frame,
    /// Whose password it is; `None` when the link is of no use.
    email: Option<String>,
    error: Option<String>,
    least: String,
    contact: Option<String>,
}

/// `GET /welcome`
pub(in super::super) async fn show(site: Site) -> Result<Response, Instead> {
    form(&site, StatusCode::OK, None).await
}

async fn form(site: &Site, status: StatusCode, error: Option<String>) -> Result<Response, Instead> {
    let link = site.cookies.get(&Jar::Link).and_then(Token::parse);
    let person = match &link {
        Some(link) => site.web().signin.link_of(site.db(), link).await?,
        None => None,
    };
    let status = if person.is_some() { status } else { StatusCode::GONE };
    let page = Welcome {
        f: Frame::of(site, site.words.say("welcome-page")),
        email: person.map(|person| person.profile.email.shown().to_owned()),
        error,
        least: PASSWORD_MIN.to_string(),
        contact: site.web().support_contact.clone(),
    };
    Ok(page::send(site, status, &page).await)
}

/// `POST /welcome`
pub(in super::super) async fn send(request: Form<Site>) -> Result<Response, Instead> {
    let Form { who: site, mut fields } = request;
    let password = SecretString::from(fields.take("password").unwrap_or_default());
    let again = SecretString::from(fields.take("again").unwrap_or_default());
    let Some(link) = site.cookies.get(&Jar::Link).and_then(Token::parse) else {
        return form(&site, StatusCode::GONE, None).await;
    };
    let words = &site.words;
    let refused = StatusCode::UNPROCESSABLE_ENTITY;
    let same = password.expose_secret().as_bytes().ct_eq(again.expose_secret().as_bytes());
    if !bool::from(same) {
        return form(&site, refused, Some(words.say("welcome-differ"))).await;
    }
    let new = NewPassword { link: &link, password: &password };
    match site.web().signin.set_password(site.db(), &site.tenant, new, &site.visitor).await {
        Ok(_) => {
            let mut response = page::to(&site, "/sign-in", Some("password-set"));
            let https = site.web().public_url.is_https();
            cookies::clear(response.headers_mut(), https, &Jar::Link);
            Ok(response)
        }
        Err(PasswordError::NoLink) => form(&site, StatusCode::GONE, None).await,
        Err(PasswordError::Bad(bad)) => {
            let text = match bad {
                BadPassword::TooShort => {
                    words.with("welcome-short", &[("least", &PASSWORD_MIN.to_string())])
                }
                BadPassword::TooLong => {
                    words.with("welcome-long", &[("most", &PASSWORD_MAX.to_string())])
                }
                BadPassword::TooObvious => words.say("welcome-obvious"),
            };
            form(&site, refused, Some(text)).await
        }
        Err(PasswordError::TooOften(_) | PasswordError::Busy) => Err(Fault::BUSY.into()),
        Err(PasswordError::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::error!(%error, "a password could not be set");
            Err(Fault::OURS.into())
        }
    }
}
