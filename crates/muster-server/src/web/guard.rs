//! What every page has: headers that keep browsers from harm, a check where forms come from, and words for what went wrong.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt as _;

use super::fault::Fault;
use super::page::{self, FormsLeadTo};
use super::{Web, host};
use crate::signin::REVOCATION_PATH;

/// Addresses that others send to. Each proves by itself who sends; none acts on a cookie.
const FROM_ELSEWHERE: [&str; 2] = [REVOCATION_PATH, "/users/auth/okta/callback"];

pub(super) async fn guard(State(web): State<Web>, request: Request, next: Next) -> Response {
    let head = Head::of(&web, &request);
    let mut response = if head.is_foreign {
        axum::response::IntoResponse::into_response(Fault::OTHER_SITE)
    } else {
        // A mistake of ours in one request must not take the connection of others with it.
        let served = AssertUnwindSafe(next.run(request)).catch_unwind().await;
        served.unwrap_or_else(|_| axum::response::IntoResponse::into_response(Fault::OURS))
    };
    if let Some(fault) = fault_of(&response) {
        response = told(&web, &head, &fault, &response);
    }
    let lead = response.extensions_mut().remove::<FormsLeadTo>();
    harden(response.headers_mut(), web.0.public_url.is_https(), lead);
    response
}

/// What must be known of a request after it was served.
struct Head {
    wants_html: bool,
    accept_language: Option<String>,
    is_foreign: bool,
}

impl Head {
    fn of(web: &Web, request: &Request) -> Self {
        let text = |name: header::HeaderName| {
            request.headers().get(name).and_then(|value| value.to_str().ok())
        };
        Self {
            wants_html: text(header::ACCEPT).is_some_and(|accept| accept.contains("text/html")),
            accept_language: text(header::ACCEPT_LANGUAGE).map(str::to_owned),
            is_foreign: is_foreign(web, request),
        }
    }
}

/// Whether something that changes things was sent from another site. Browsers say so by `Sec-Fetch-Site`, older ones by `Origin`; what is
/// no browser says neither, and has no cookies that another site could use.
fn is_foreign(web: &Web, request: &Request) -> bool {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if is_safe || FROM_ELSEWHERE.contains(&request.uri().path()) {
        return false;
    }
    let headers = request.headers();
    let mut sites = headers.get_all("sec-fetch-site").iter();
    match (sites.next().map(HeaderValue::as_bytes), sites.next()) {
        (Some(b"same-origin" | b"none"), None) => false,
        (Some(_), _) => true,
        (None, _) => match headers.get(header::ORIGIN) {
            None => false,
            Some(origin) => {
                own_origin(web, request).is_none_or(|own| origin.as_bytes() != own.as_bytes())
            }
        },
    }
}

fn own_origin(web: &Web, request: &Request) -> Option<String> {
    let shared = &web.0;
    let slug = host::tenant_of(request, &shared.public_url, &shared.trusted_proxies)?;
    Some(shared.public_url.of_tenant(slug.as_str()))
}

/// What went wrong, if the answer says that something did and nothing was said of it.
fn fault_of(response: &Response) -> Option<Arc<Fault>> {
    if let Some(fault) = response.extensions().get::<Arc<Fault>>() {
        return Some(Arc::clone(fault));
    }
    // Answers that the framework makes by itself have no type.
    let is_bare = !response.headers().contains_key(header::CONTENT_TYPE);
    let fault = match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => Fault::METHOD,
        StatusCode::BAD_REQUEST | StatusCode::URI_TOO_LONG => Fault::MALFORMED,
        _ => return None,
    };
    is_bare.then(|| Arc::new(fault))
}

fn told(web: &Web, head: &Head, fault: &Fault, before: &Response) -> Response {
    let words = web.0.languages.choose(&[None], head.accept_language.as_deref());
    let mut response = if head.wants_html {
        page::of_fault(web, words, fault)
    } else {
        page::problem(&words, fault)
    };
    for name in [header::ALLOW, header::SET_COOKIE] {
        for value in before.headers().get_all(&name) {
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    response
}

/// Source: OWASP Secure Headers; CSP level 3. Nothing but what is ours may be loaded, nobody may frame a page, and no address leaves.
fn harden(headers: &mut HeaderMap, https: bool, lead: Option<FormsLeadTo>) {
    let also = lead.map_or_else(String::new, |FormsLeadTo(origin)| format!(" {origin}"));
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
         form-action 'self'{also}; frame-ancestors 'none'; base-uri 'none'"
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    let mut put = |name: header::HeaderName, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    put(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    put(header::X_FRAME_OPTIONS, "DENY");
    put(header::REFERRER_POLICY, "same-origin");
    put(header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    put(header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    put(
        header::HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    );
    if https {
        put(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000");
    }
    // Pages are of one person; assets say otherwise themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
