//! The start page of somebody who is in: themselves, as everybody here sees them.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use muster_core::rules::{ManagerMode, Rules};
use muster_store::people::PersonKey;

use super::super::fault::{Fault, Instead};
use super::super::page::{self, Frame};
use super::super::site::In;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    f: Frame,
    first_name: String,
    facts: Vec<(String, String)>,
}

/// `GET /`
pub(in super::super) async fn show(who: In) -> Result<Response, Instead> {
    let key = PersonKey::Id(who.session().person);
    // Rules that cannot be read change nothing of who somebody is; their manager is then the one of the default.
    let rules = Rules::parse(&who.db().rules().await?.body).ok();
    let mode = rules.map_or(ManagerMode::Individual, |rules| rules.manager);
    let person = who.db().person_view(mode, &key).await?.ok_or(Fault::NOT_FOUND)?;
    let words = &who.words;
    let facts = [
        (words.say("home-title"), person.title),
        (words.say("home-team"), person.team),
        (words.say("home-location"), person.location),
        (words.say("home-manager"), person.manager.map(|manager| manager.email)),
        (words.say("home-email"), Some(person.email.clone())),
    ];
    let facts = facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let first_name = if person.first_name.is_empty() { person.email } else { person.first_name };
    let page = Home { f: Frame::of(&who, words.say("home-page")), first_name, facts };
    Ok(page::send(&who, StatusCode::OK, &page).await)
}
