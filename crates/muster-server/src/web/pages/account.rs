//! One's own page: where one is signed in, and the second factor.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::SignedDuration;

use super::super::fault::{Fault, Instead};
use super::super::page::{self, Frame};
use super::super::site::{Form, In};
use crate::signin::{SecondError, by_person};

/// A session in the list.
struct Line {
    id: String,
    is_this: bool,
    by_okta: bool,
    agent: String,
    place: String,
    began: String,
    used: String,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    f: Frame,
    sessions: Vec<Line>,
    has_password: bool,
    second_on: bool,
    codes_left: String,
}

/// `GET /account`
pub(in super::super) async fn show(who: In) -> Result<Response, Instead> {
    let session = who.session();
    let now = who.web().clock.now();
    let limits = who.tenant.session_limits;
    let sessions = who.db().sessions_of(session.person, limits, now).await?;
    let lines = sessions.into_iter().map(|one| Line {
        is_this: one.id == session.id,
        id: one.id.to_string(),
        by_okta: one.by_okta,
        agent: browser(&one.agent),
        place: one.place.unwrap_or_default(),
        began: one.began_at.to_string(),
        used: one.used_at.to_string(),
    });
    let factor = who.db().second_factor(session.person).await?;
    let confirmed = factor.filter(|factor| factor.confirmed_at.is_some());
    let page = Account {
        sessions: lines.collect(),
        has_password: who.db().password(session.person).await?.is_some(),
        second_on: confirmed.is_some(),
        codes_left: confirmed.map_or(0, |factor| factor.codes_left).to_string(),
        f: Frame::of(&who, who.words.say("account-page")),
    };
    Ok(page::send(&who, StatusCode::OK, &page).await)
}

/// What a browser calls itself, in the two words that people know.
fn browser(agent: &str) -> String {
    let has = |word: &&(&str, &str)| agent.contains(word.0);
    let program = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let system = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS", "Mac"),
        ("Linux", "Linux"),
    ];
    let name = |list: &[(&str, &'static str)]| list.iter().find(has).map(|(_, name)| *name);
    match (name(&program), name(&system)) {
        (Some(program), Some(system)) => format!("{program}, {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => agent.chars().take(40).collect(),
    }
}

/// `POST /account/sessions/end`
pub(in super::super) async fn end(form: Form<In>) -> Result<Response, Instead> {
    let Form { who, fields } = form;
    let id = fields.text("id").parse().map_err(|_| Fault::MALFORMED)?;
    who.db().end_session(who.session().person, id).await?;
    Ok(page::to(&who, "/account", Some("session-ended")))
}

/// `POST /account/sessions/end-others`
pub(in super::super) async fn end_others(form: Form<In>) -> Result<Response, Instead> {
    let who = form.who;
    who.db().end_sessions(who.session().person, Some(who.session().id)).await?;
    Ok(page::to(&who, "/account", Some("sessions-ended")))
}

#[derive(Template)]
#[template(path = "second.html")]
struct Second {
    f: Frame,
    secret: String,
    qr: String,
    error: Option<String>,
    codes: Vec<String>,
}

/// `GET /account/second-factor`
pub(in super::super) async fn show_second(who: In) -> Result<Response, Instead> {
    second(&who, StatusCode::OK, None).await
}

async fn second(who: &In, status: StatusCode, error: Option<String>) -> Result<Response, Instead> {
    let session = who.session();
    is_fresh(who).await?;
    let signin = &who.web().signin;
    let begun = signin.begin_second(who.db(), &who.tenant, session.person, &session.email).await;
    let begun = match begun {
        Ok(begun) => begun,
        Err(SecondError::Already) => return Err(Instead::Page("/account".to_owned())),
        Err(SecondError::Store(error)) => return Err(error.into()),
        Err(error) => {
            tracing::error!(%error, "a second factor could not be begun");
            return Err(Fault::OURS.into());
        }
    };
    let f = Frame::of(who, who.words.say("second-page"));
    let page = Second { f, secret: begun.secret, qr: begun.qr_svg, error, codes: Vec::new() };
    Ok(page::send(who, status, &page).await)
}

/// A second factor stands behind a password, and only who just showed that may set one: whoever sits down at an open session could lock
/// its owner out for good by it.
async fn is_fresh(who: &In) -> Result<(), Instead> {
    const FRESH: SignedDuration = SignedDuration::from_mins(15);
    let session = who.session();
    if session.by_okta || who.db().password(session.person).await?.is_none() {
        return Err(Instead::Page("/account".to_owned()));
    }
    if who.web().clock.now().duration_since(session.began_at) > FRESH {
        return Err(Fault::conflict(who.words.say("second-fresh")).into());
    }
    Ok(())
}

/// `POST /account/second-factor/codes`
pub(in super::super) async fn renew_codes(form: Form<In>) -> Result<Response, Instead> {
    let Form { who, fields } = form;
    let person = who.session().person;
    let signin = &who.web().signin;
    if !signin.shows_factor(who.db(), person, fields.text("code")).await? {
        return Err(Fault::conflict(who.words.say("code-wrong")).into());
    }
    match signin.renew_codes(who.db(), person).await {
        Ok(codes) => {
            let f = Frame::of(&who, who.words.say("codes-page"));
            let page = Second { f, secret: String::new(), qr: String::new(), error: None, codes };
            Ok(page::send(&who, StatusCode::OK, &page).await)
        }
        Err(SecondError::Store(error)) => Err(error.into()),
        Err(_) => Err(Instead::Page("/account".to_owned())),
    }
}

/// `POST /account/second-factor`
pub(in super::super) async fn confirm_second(form: Form<In>) -> Result<Response, Instead> {
    let Form { who, fields } = form;
    is_fresh(&who).await?;
    let signin = &who.web().signin;
    let person = who.session().person;
    match signin.confirm_second(who.db(), person, fields.text("code")).await {
        Ok(codes) => {
            let f = Frame::of(&who, who.words.say("codes-page"));
            let page = Second { f, secret: String::new(), qr: String::new(), error: None, codes };
            Ok(page::send(&who, StatusCode::OK, &page).await)
        }
        Err(SecondError::Wrong) => {
            let text = who.words.say("code-wrong");
            second(&who, StatusCode::UNPROCESSABLE_ENTITY, Some(text)).await
        }
        Err(SecondError::Already) => Err(Instead::Page("/account".to_owned())),
        Err(SecondError::Store(error)) => Err(error.into()),
        Err(SecondError::Broken) => Err(Fault::OURS.into()),
    }
}

/// `POST /account/second-factor/remove`
pub(in super::super) async fn remove_second(form: Form<In>) -> Result<Response, Instead> {
    let Form { who, fields } = form;
    let person = who.session().person;
    // Whoever sits at an open session must not be able to take the second factor off without having it.
    if !who.web().signin.shows_factor(who.db(), person, fields.text("code")).await? {
        return Err(Fault::conflict(who.words.say("code-wrong")).into());
    }
    let actor = person.to_string();
    let (mut ids, now) = who.web().ids();
    let but = Some(who.session().id);
    who.db().remove_second_factor(person, but, by_person(&actor), &mut ids, now).await?;
    Ok(page::to(&who, "/account", Some("second-off")))
}
