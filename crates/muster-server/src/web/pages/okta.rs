//! To Okta and back: sign-in, Connect, the tile, and Okta's wish to sign somebody out everywhere.

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use muster_core::id::PersonId;
use muster_core::signin::ReturnTo;

use super::super::cookies::{self, Jar};
use super::super::fault::{Fault, Instead};
use super::super::fields::{Fields, whole};
use super::super::page::{self, Frame};
use super::super::site::{ManageConnection, May, Part, Query, Site};
use super::super::told;
use super::sign_in::entered_at;
use crate::signin::{AWAY_MAX, CallbackQuery, Purpose, RevocationError, SignInError, cookie_of};
use crate::telemetry::chain;

/// Round trips under way in one browser; the oldest are forgotten for new ones.
const FLOWS_MAX: usize = 5;

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused {
    f: Frame,
    text: String,
    fix: String,
    /// What Okta said, in its own words.
    said: Option<String>,
    code: &'static str,
    again: Option<&'static str>,
    contact: Option<String>,
}

/// The page that names cause and fix, with the cause in the log too.
async fn refused(site: &Site, purpose: Purpose, error: &SignInError) -> Response {
    tracing::warn!(
        tenant = %site.tenant.id, code = error.code(), purpose = ?purpose, error = %chain(error), "a sign-in with Okta was refused"
    );
    site.web().metrics.sign_in(error.code());
    let words = &site.words;
    let name = error.page();
    let said = match error {
        SignInError::Okta { description, .. } if !description.is_empty() => {
            Some(description.clone())
        }
        _ => None,
    };
    let again = match purpose {
        Purpose::Connect => Some("/integrations/okta"),
        Purpose::SignIn if matches!(name, "deactivated" | "denied" | "needs-decision") => None,
        Purpose::SignIn => Some("/sign-in"),
    };
    let page = Refused {
        f: Frame::of(site, words.say(&format!("refused-{name}-title"))),
        text: words.say(&format!("refused-{name}-text")),
        fix: words.say(&format!("refused-{name}-fix")),
        said,
        code: error.code(),
        again,
        contact: site.web().support_contact.clone(),
    };
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::FORBIDDEN);
    page::send(site, status, &page).await
}

/// Sends a browser to Okta.
pub(super) async fn away(
    site: &Site,
    purpose: Purpose,
    back: &ReturnTo,
    login_hint: Option<&str>,
    acting: Option<PersonId>,
) -> Result<Response, Instead> {
    let signin = &site.web().signin;
    let slug = site.slug().as_str();
    let begun = match signin.begin(site.db(), slug, purpose, back, login_hint, acting).await {
        Ok(begun) => begun,
        Err(error) => return Ok(refused(site, purpose, &error).await),
    };
    let mut response = page::to(site, &begun.to, None);
    let https = site.web().public_url.is_https();
    let seconds = Some(AWAY_MAX.as_secs());
    let waiting: Vec<Jar> = site.cookies.flows().collect();
    for old in waiting.iter().take(waiting.len().saturating_sub(FLOWS_MAX - 1)) {
        cookies::clear(response.headers_mut(), https, old);
    }
    let jar = Jar::Flow(begun.name);
    cookies::set(response.headers_mut(), https, &jar, &begun.sealed, seconds);
    Ok(response)
}

/// `GET /users/auth/okta`: *Sign in with Okta*, and Okta's tile, which names its issuer.
pub(in super::super) async fn begin(site: Site, Query(query): Query) -> Result<Response, Instead> {
    if !site.tenant.okta_enabled {
        return Ok(refused(&site, Purpose::SignIn, &SignInError::NotSetUp("the integration")).await);
    }
    if let Some(iss) = query.get("iss") {
        match site.web().signin.is_own_issuer(site.db(), iss).await {
            Ok(true) => {}
            Ok(false) => {
                return Ok(refused(&site, Purpose::SignIn, &SignInError::OtherIssuer).await);
            }
            Err(error) => return Ok(refused(&site, Purpose::SignIn, &error).await),
        }
    }
    let back = query.get("return_to").and_then(ReturnTo::parse).unwrap_or_else(ReturnTo::home);
    away(&site, Purpose::SignIn, &back, query.get("login_hint"), None).await
}

fn callback(mut query: Fields) -> CallbackQuery {
    CallbackQuery {
        state: query.take("state"),
        code: query.take("code"),
        error: query.take("error"),
        error_description: query.take("error_description"),
        iss: query.take("iss"),
    }
}

/// Opens what this browser kept, judges the answer, and forgets the round trip whatever came of it.
async fn came_back(
    site: &Site,
    purpose: Purpose,
    query: &CallbackQuery,
) -> Result<crate::signin::Proven, SignInError> {
    let signin = &site.web().signin;
    let sealed =
        query.state.as_deref().and_then(|state| site.cookies.get(&Jar::Flow(cookie_of(state))));
    let flow = signin.opened(site.db(), purpose, query, sealed)?;
    signin.prove(site.db(), site.slug().as_str(), &flow, query, &site.visitor).await
}

fn forget(site: &Site, query: &CallbackQuery, mut response: Response) -> Response {
    if let Some(state) = query.state.as_deref() {
        let jar = Jar::Flow(cookie_of(state));
        if site.cookies.get(&jar).is_some() {
            cookies::clear(response.headers_mut(), site.web().public_url.is_https(), &jar);
        }
    }
    response
}

/// `GET /users/auth/okta/callback`
pub(in super::super) async fn sign_in_back(
    site: Site,
    Query(query): Query,
) -> Result<Response, Instead> {
    let query = callback(query);
    if !site.tenant.okta_enabled {
        return Ok(refused(&site, Purpose::SignIn, &SignInError::NotSetUp("the integration")).await);
    }
    let entered = match came_back(&site, Purpose::SignIn, &query).await {
        Ok(proven) => {
            let entered = site.web().signin.enter(site.db(), &proven, &site.visitor).await;
            entered.map(|entered| (entered, proven.return_to))
        }
        Err(error) => Err(error),
    };
    let response = match entered {
        Ok((entered, to)) => {
            site.web().metrics.sign_in("in");
            entered_at(&site, &entered, to.as_str()).await
        }
        // The back button leads here again: whoever is in stays in, and is shown so.
        Err(SignInError::NotBegun) if site.session().is_some() => page::to(&site, "/", None),
        Err(error) => refused(&site, Purpose::SignIn, &error).await,
    };
    Ok(forget(&site, &query, response))
}

/// `POST /users/auth/okta/callback`: an app that is set to send its ID token directly. The token is not even read: anybody could have
/// it sent here (login CSRF). A sign-in of our own begins instead, which ends at once where there is a session at Okta.
pub(in super::super) async fn sent_token(site: Site) -> Result<Response, Instead> {
    if !site.tenant.okta_enabled {
        return Ok(refused(&site, Purpose::SignIn, &SignInError::NotSetUp("the integration")).await);
    }
    Ok(page::to(&site, "/users/auth/okta", None))
}

/// `GET /{locale}/okta/auth_callback`
pub(in super::super) async fn connect_back(
    who: May<ManageConnection>,
    Part(locale): Part,
    Query(query): Query,
) -> Result<Response, Instead> {
    if !is_locale(&locale) || !who.tenant.okta_enabled {
        return Err(Fault::NOT_FOUND.into());
    }
    let query = callback(query);
    let proof = match came_back(&who, Purpose::Connect, &query).await {
        // Begun by somebody else who was in in this browser then.
        Ok(proven) if proven.acting != Some(who.session().person) => Err(SignInError::NotBegun),
        Ok(proven) => {
            let (slug, acting) = (who.slug().as_str(), who.session().person);
            who.web().signin.note_proof(who.db(), slug, acting, &proven).await
        }
        Err(error) => Err(error),
    };
    let response = match proof {
        Ok(_) => page::to(&who, "/integrations/okta", None),
        Err(error) => refused(&who, Purpose::Connect, &error).await,
    };
    Ok(forget(&who, &query, response))
}

/// Whether it has the form of a language tag with or without a country: `en`, `en-US`, `zh-Hans-CN`.
fn is_locale(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    parts.next().is_some_and(|first| (2..=3).contains(&first.len()) && letters(first))
        && parts.clone().count() <= 3
        && parts.all(|part| (2..=8).contains(&part.len()) && letters(part))
}

/// Bytes of the largest request to sign somebody out.
const REVOCATION_MAX: usize = 4 * 1024;

/// `POST /users/auth/okta/global-token-revocation`
pub(in super::super) async fn revoke(
    site: Site,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Instead> {
    if !site.tenant.okta_enabled {
        return Err(Fault::NOT_FOUND.into());
    }
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    let Some(token) = token else {
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        return Ok(
            (challenge, told(StatusCode::UNAUTHORIZED, "a token is missing")).into_response()
        );
    };
    let body = whole(body, REVOCATION_MAX).await?;
    let slug = site.slug().as_str();
    let revoked = site.web().signin.revoke(site.db(), slug, token, &body).await;
    Ok(match revoked {
        Ok(sessions) => {
            tracing::info!(tenant = %site.tenant.id, sessions, "Okta had somebody signed out everywhere");
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => {
            tracing::warn!(tenant = %site.tenant.id, error = %chain(&error), "Okta could not have somebody signed out");
            match error {
                RevocationError::Malformed => told(StatusCode::BAD_REQUEST, "this cannot be read"),
                RevocationError::Refused(_) => {
                    let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
                    let answer = told(StatusCode::UNAUTHORIZED, "this token is not believed");
                    (challenge, answer).into_response()
                }
                RevocationError::Unknown => told(StatusCode::NOT_FOUND, "there is no such person"),
                RevocationError::Failed(_) => {
                    told(StatusCode::SERVICE_UNAVAILABLE, "this cannot be done now")
                }
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_well_formed_locale_will_do() {
        for (text, good) in [
            ("en-US", true),
            ("de", true),
            ("pt-BR", true),
            ("zh-Hans-CN", true),
            ("en_GB", true),
            ("fil", true),
            ("", false),
            ("e", false),
            ("english", false),
            ("en-", false),
            ("../x", false),
            ("en-US-x-y-z", false),
            ("é1", false),
        ] {
            assert_eq!(is_locale(text), good, "{text}");
        }
    }
}
