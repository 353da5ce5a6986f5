//! Pages: the frame that all have, and how one is sent.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use muster_core::access::Action;
use serde_json::json;

use super::cookies::{self, Jar};
use super::fault::Fault;
use super::site::{Site, may};
use super::words::Words;
use super::{Web, assets};

/// Where forms of a page may end besides here: a form that signs out of Okta ends there.
#[derive(Debug, Clone)]
pub(super) struct FormsLeadTo(pub(super) String);

/// What is around every page.
pub(super) struct Frame {
    pub(super) words: Words,
    pub(super) title: String,
    /// The company, where it is known.
    pub(super) company: Option<String>,
    pub(super) me: Option<Me>,
    /// Something to be said once.
    pub(super) flash: Option<String>,
    pub(super) csrf: String,
    pub(super) css: String,
    pub(super) js: String,
    pub(super) icon: String,
}

/// Who looks at it.
pub(super) struct Me {
    pub(super) name: String,
    pub(super) initials: String,
    pub(super) may_integrate: bool,
}

impl Frame {
    pub(super) fn of(site: &Site, title: String) -> Self {
        let flash = site.cookies.get(&Jar::Flash).filter(|key| FLASHES.contains(key));
        let me = site.session().map(|session| {
            let full = format!("{} {}", session.first_name, session.last_name);
            let full = full.trim();
            let name = if full.is_empty() { session.email.clone() } else { full.to_owned() };
            let may_integrate = may(session.role, Action::OpenIntegration);
            Me { initials: initials(&name), name, may_integrate }
        });
        Self {
            title,
            company: Some(site.tenant.name.clone()),
            me,
            flash: flash.map(|key| site.words.say(&format!("flash-{key}"))),
            csrf: site.csrf(),
            ..Self::bare(site.words.clone())
        }
    }

    fn bare(words: Words) -> Self {
        Self {
            title: String::new(),
            company: None,
            me: None,
            flash: None,
            csrf: String::new(),
            css: assets::path("css"),
            js: assets::path("js"),
            icon: assets::path("svg"),
            words,
        }
    }

    /// A text.
    pub(super) fn say(&self, key: &str) -> String {
        self.words.say(key)
    }

    /// A text with one value in it.
    pub(super) fn with(&self, key: &str, name: &str, value: &str) -> String {
        self.words.with(key, &[(name, value)])
    }
}

/// What can be said once on the next page. A cookie names it, so nothing else can be said.
const FLASHES: &[&str] = &[
    "password-set",
    "session-ended",
    "sessions-ended",
    "second-on",
    "second-off",
    "linked",
    "entry-okta-only",
    "entry-any",
    "break-glass-on",
    "break-glass-off",
    "limits-set",
];

fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| word.chars().next());
    let first = words.next();
    first.into_iter().chain(words.next_back()).flat_map(char::to_uppercase).collect()
}

/// Sends a page of a site.
pub(super) async fn send(site: &Site, status: StatusCode, page: &impl Template) -> Response {
    let mut response = match html(status, page) {
        Ok(response) => response,
        Err(fault) => return fault.into_response(),
    };
    let https = site.web().public_url.is_https();
    if site.browser_is_new {
        cookies::set(response.headers_mut(), https, &Jar::Browser, site.browser.text(), None);
    }
    if site.cookies.get(&Jar::Flash).is_some() {
        cookies::clear(response.headers_mut(), https, &Jar::Flash);
    }
    // Signing out, and Connect, are forms that end at Okta; browsers look at that, too.
    if site.session().is_some()
        && let Ok(connection) = site.db().connection().await
        && let Some(origin) = connection.api_url
    {
        response.extensions_mut().insert(FormsLeadTo(origin));
    }
    response
}

/// Goes to another page of the site, which says something once.
pub(super) fn to(site: &Site, path: &str, flash: Option<&'static str>) -> Response {
    let mut response = axum::response::Redirect::to(path).into_response();
    if let Some(key) = flash {
        let https = site.web().public_url.is_https();
        cookies::set(response.headers_mut(), https, &Jar::Flash, key, Some(60));
    }
    response
}

fn html(status: StatusCode, page: &impl Template) -> Result<Response, Fault> {
    let text = page.render().map_err(|error| {
        tracing::error!(%error, "a page could not be made");
        Fault::OURS
    })?;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    Ok((status, [(header::CONTENT_TYPE, kind)], text).into_response())
}

#[derive(Template)]
#[template(path = "fault.html")]
struct FaultPage {
    f: Frame,
    text: String,
    detail: Option<String>,
    contact: Option<String>,
}

/// The page of what went wrong.
pub(super) fn of_fault(web: &Web, words: Words, fault: &Fault) -> Response {
    let title = words.say(&format!("fault-{}-title", fault.key));
    let text = words.say(&format!("fault-{}-text", fault.key));
    let contact = web.0.support_contact.clone();
    let page = FaultPage {
        f: Frame { title, ..Frame::bare(words) },
        text,
        detail: fault.detail.clone(),
        contact,
    };
    html(fault.status, &page).unwrap_or_else(|fault| fault.status.into_response())
}

/// The same for programs. Source: RFC 9457.
pub(super) fn problem(words: &Words, fault: &Fault) -> Response {
    let body = json!({
        "type": format!("urn:muster:problem:{}", fault.key),
        "title": words.say(&format!("fault-{}-title", fault.key)),
        "status": fault.status.as_u16(),
        "detail": fault.detail.clone().unwrap_or_else(|| words.say(&format!("fault-{}-text", fault.key))),
    });
    let kind = HeaderValue::from_static("application/problem+json");
    (fault.status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn initials_are_of_the_first_and_last_name() {
        for (name, want) in [
            ("Ana Ito", "AI"),
            ("Cher", "C"),
            ("jean claude van damme", "JD"),
            ("ana@x.example", "A"),
            ("", ""),
            ("عمر خالد", "عخ"),
        ] {
            assert_eq!(initials(name), want, "{name}");
        }
    }

    #[test]
    fn all_that_can_be_said_has_words() {
        let words = super::super::words::Languages::read().choose(&[], None);
        for key in FLASHES {
            let key = format!("flash-{key}");
            assert_ne!(words.say(&key), key);
        }
        for key in [
            "not-found",
            "no-tenant",
            "forbidden",
            "signed-out",
            "other-site",
            "malformed",
            "too-large",
            "cookies",
            "method",
            "ours",
            "busy",
            "conflict",
        ] {
            for part in ["title", "text"] {
                let key = format!("fault-{key}-{part}");
                assert_ne!(words.say(&key), key);
            }
        }
    }
}
