//! Who asks: which tenant's site, which browser, who is signed in, and what they may do.
//!
//! A handler that needs a right takes it as an argument, of a type that only its extractor makes. So there is no handler that forgot to
//! ask.

use std::marker::PhantomData;
use std::ops::Deref;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{Method, header};
use muster_core::access::{Action, Relation, allows};
use muster_core::person::Role;
use muster_core::signin::ReturnTo;
use muster_core::tenant::TenantSlug;
use muster_store::sessions::Session;
use muster_store::tenants::{Tenant, TenantDb};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::cookies::{Cookies, Jar};
use super::fault::{Fault, Instead};
use super::fields::Fields;
use super::host;
use super::words::Words;
use super::{Shared, Web};
use crate::signin::{Token, Visitor};
use crate::telemetry::chain;

/// Longest name of a browser that is kept.
const AGENT_MAX: usize = 200;

/// The site of a tenant, asked for by somebody who may be anybody.
pub(super) struct Site {
    web: Web,
    db: TenantDb,
    pub(super) tenant: Tenant,
    pub(super) cookies: Cookies,
    /// Of this browser, or of one that has none yet.
    pub(super) browser: Token,
    pub(super) browser_is_new: bool,
    /// Who is signed in, if anybody is.
    session: Option<(Token, Session)>,
    pub(super) words: Words,
    pub(super) visitor: Visitor,
    pub(super) path_and_query: String,
}

impl Site {
    pub(super) fn web(&self) -> &Shared {
        &self.web.0
    }

    /// The tenant's rows. Which of them somebody may see is the business of the handler's other arguments.
    pub(super) fn db(&self) -> &TenantDb {
        &self.db
    }

    pub(super) fn slug(&self) -> &TenantSlug {
        &self.tenant.slug
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.session.as_ref().map(|(_, session)| session)
    }

    /// The value that a form of this page must show when it comes back: of the session, or of the browser before there is one.
    pub(super) fn csrf(&self) -> String {
        self.holder().derived("form")
    }

    fn holder(&self) -> &Token {
        self.session.as_ref().map_or(&self.browser, |(token, _)| token)
    }

    /// The address of this tenant, as people know it.
    pub(super) fn url(&self) -> String {
        self.web().public_url.of_tenant(self.slug().as_str())
    }
}

impl FromRequestParts<Web> for Site {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Fault> {
        let shared = &web.0;
        let slug = host::tenant(parts, &shared.public_url, &shared.trusted_proxies);
        let tenant = shared.db.tenant_by_slug(&slug.ok_or(Fault::NO_TENANT)?).await?;
        let tenant = tenant.ok_or(Fault::NO_TENANT)?;
        let db = shared.db.tenant(tenant.id);
        let https = shared.public_url.is_https();
        let cookies = Cookies::of(&parts.headers, https).map_err(|_| Fault::COOKIES)?;
        let browser = cookies.get(&Jar::Browser).and_then(Token::parse);
        let now = shared.clock.now();
        let session = match cookies.get(&Jar::Session).and_then(Token::parse) {
            None => None,
            Some(token) => {
                let found = db.session(&token.hash("session"), tenant.session_limits, now).await?;
                found.map(|session| (token, session))
            }
        };
        if let Some((_, session)) = &session
            && tenant.session_limits.is_to_be_noted(session.used_at, now)
        {
            // A page is not refused because the time of its use cannot be noted.
            if let Err(error) = db.note_session_used(session.id, now).await {
                tracing::warn!(error = %chain(&error), "the use of a session could not be noted");
            }
        }
        let text = |name: header::HeaderName| {
            parts.headers.get(name).and_then(|value| value.to_str().ok())
        };
        let own = session.as_ref().and_then(|(_, session)| session.language.as_deref());
        let words = shared.languages.choose(&[own], text(header::ACCEPT_LANGUAGE));
        let agent = text(header::USER_AGENT).unwrap_or_default().chars().take(AGENT_MAX).collect();
        let place = host::client(parts, &shared.trusted_proxies).map(|ip| ip.to_string());
        Ok(Self {
            web: web.clone(),
            db,
            tenant,
            cookies,
            browser_is_new: browser.is_none(),
            browser: browser.unwrap_or_default(),
            session,
            words,
            visitor: Visitor { agent, place },
            path_and_query: parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

/// The site with somebody who is signed in and may enter, as it was a moment ago.
pub(super) struct In {
    site: Site,
    session: Session,
}

impl In {
    pub(super) fn session(&self) -> &Session {
        &self.session
    }
}

impl Deref for In {
    type Target = Site;
    fn deref(&self) -> &Site {
        &self.site
    }
}

impl FromRequestParts<Web> for In {
    type Rejection = Instead;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Instead> {
        let site = Site::from_request_parts(parts, web).await?;
        match site.session().cloned() {
            Some(session) => Ok(Self { site, session }),
            // Whoever wanted to see a page comes back to it; whoever sent something must send it again.
            None if matches!(parts.method, Method::GET | Method::HEAD) => {
                let to = ReturnTo::parse(&site.path_and_query).unwrap_or_else(ReturnTo::home);
                if to == ReturnTo::home() {
                    return Err(Instead::Page("/sign-in".to_owned()));
                }
                let to = utf8_percent_encode(to.as_str(), NON_ALPHANUMERIC);
                Err(Instead::Page(format!("/sign-in?return_to={to}")))
            }
            None => Err(Fault::SIGNED_OUT.into()),
        }
    }
}

/// A right as a type.
pub(super) trait Right: Send + Sync {
    const ACTION: Action;
}

macro_rules! rights {
    ($($name:ident),*) => { $(
        #[derive(Debug)]
        pub(super) struct $name;
        impl Right for $name { const ACTION: Action = Action::$name; }
    )* };
}
rights!(OpenIntegration, ManageConnection, EnforceSso);

/// Somebody signed in who may do what `R` says.
pub(super) struct May<R: Right> {
    who: In,
    right: PhantomData<R>,
}

impl<R: Right> Deref for May<R> {
    type Target = In;
    fn deref(&self) -> &In {
        &self.who
    }
}

impl<R: Right> FromRequestParts<Web> for May<R> {
    type Rejection = Instead;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Instead> {
        let who = In::from_request_parts(parts, web).await?;
        if may(who.session.role, R::ACTION) {
            Ok(Self { who, right: PhantomData })
        } else {
            Err(Fault::FORBIDDEN.into())
        }
    }
}

/// Whether somebody of a role may do something that is about nobody in particular.
pub(super) fn may(role: Role, action: Action) -> bool {
    allows(role, Relation::Other, action)
}

/// A form that came from a page of ours, with who sent it.
///
/// It shows the value that its page was given: no other site can know it. The headers by which browsers tell where a form comes from
/// were looked at before ([`super::guard`]).
pub(super) struct Form<W> {
    pub(super) who: W,
    pub(super) fields: Fields,
}

/// Whoever can send a form.
pub(super) trait Sender: FromRequestParts<Web, Rejection: Into<Instead>> + Send {
    fn site(&self) -> &Site;
}

impl Sender for Site {
    fn site(&self) -> &Site {
        self
    }
}

impl Sender for In {
    fn site(&self) -> &Site {
        self
    }
}

impl<R: Right> Sender for May<R> {
    fn site(&self) -> &Site {
        self
    }
}

impl<W: Sender> FromRequest<Web> for Form<W> {
    type Rejection = Instead;

    async fn from_request(request: Request, web: &Web) -> Result<Self, Instead> {
        let (mut parts, body): (Parts, Body) = request.into_parts();
        let who = W::from_request_parts(&mut parts, web).await.map_err(Into::into)?;
        let fields = Fields::of_form(&parts.headers, body).await?;
        if !who.site().holder().derives("form", fields.text("csrf")) {
            return Err(Fault::OTHER_SITE.into());
        }
        Ok(Self { who, fields })
    }
}

/// The part of a path that a route leaves open.
pub(super) struct Part(pub(super) String);

impl FromRequestParts<Web> for Part {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Fault> {
        let part = Path::<String>::from_request_parts(parts, web).await;
        part.map(|Path(text)| Self(text)).map_err(|_| Fault::MALFORMED)
    }
}

/// The query of a request, read strictly.
pub(super) struct Query(pub(super) Fields);

impl FromRequestParts<Web> for Query {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &Web) -> Result<Self, Fault> {
        Ok(Self(Fields::parse(parts.uri.query().unwrap_or_default().as_bytes())?))
    }
}
