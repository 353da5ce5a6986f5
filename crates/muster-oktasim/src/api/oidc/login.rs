//! Okta's sign-in page: here it lists people, and whoever is chosen is signed in without a password.

use http::Method;

use super::page::{escape, hidden, page};
use super::{Visit, endpoint};
use crate::api::answer::Answer;
use crate::api::exchange::Request;
use crate::ids::Kind;
use crate::state::Org;
use crate::state::keys::Server;
use crate::state::sign_in::Session;

/// How many people one page lists.
const LISTED: usize = 50;
/// Where a sign-in leads that came from nowhere.
const HOME: &str = "/app/UserHome";

impl Org {
    /// `GET /login` lists people, `POST /login` signs one of them in and goes on to where the browser came from.
    pub(super) fn login(&mut self, visit: &Visit<'_>) -> Answer {
        let from = visit.param("fromURI").filter(|from| local(from)).unwrap_or(HOME).to_owned();
        let after = visit.param("after").and_then(|after| after.parse().ok());
        if visit.method == Method::GET {
            return self.login_page(&from, None, visit.param("q"), after, 200);
        }
        let found = visit.field("who").map(|who| self.find_person(who));
        let Some(Ok(slot)) = found else { return unable() };
        let app = self.app_of(&from);
        let Some(cookie) = self.begin_session(slot, app, visit.now) else { return unable() };
        let session = Session { slot, since: visit.now };
        let answer = self.go_on(&from, session, visit);
        answer.with("set-cookie", format!("sid={cookie}; Path=/; HttpOnly; SameSite=Lax"))
    }

    /// The list of people. `from` is where the chosen one goes on to; `hint` is who stands first.
    pub(super) fn login_page(
        &self,
        from: &str,
        hint: Option<&str>,
        q: Option<&str>,
        after: Option<u32>,
        status: u16,
    ) -> Answer {
        let q = q.unwrap_or_default();
        let mut body = String::new();
        if let Some(slot) = hint.and_then(|hint| self.find_person(hint).ok()) {
            body.push_str("<h2>Continue as</h2>\n");
            body.push_str(&self.choices(&[slot], from));
        }
        let (people, more) = self.candidates(q, after.map_or(0, |after| after.saturating_add(1)));
        body.push_str(&format!(
            "<h2>Choose who you are</h2>\n<form method=\"get\" action=\"/login\" role=\"search\">{}\
             <label for=\"q\">Name or user name</label> <input id=\"q\" name=\"q\" type=\"search\" \
             value=\"{}\"> <button>Search</button></form>\n",
            hidden("fromURI", from),
            escape(q)
        ));
        if people.is_empty() {
            body.push_str("<p>Nobody is called that.</p>\n");
        }
        body.push_str(&self.choices(&people, from));
        if let (true, Some(last)) = (more, people.last()) {
            let last = last.to_string();
            let pairs = [("fromURI", from), ("q", q), ("after", last.as_str())];
            let next = super::with_query("/login", &pairs);
            body.push_str(&format!("<p><a href=\"{}\">More people</a></p>\n", escape(&next)));
        }
        page(status, "Sign in", &body)
    }

    /// Everyone whose name or user name contains the text, from a slot on, and whether there are more.
    fn candidates(&self, q: &str, from: u32) -> (Vec<u32>, bool) {
        let wanted = q.to_lowercase();
        let mut found = (0_u32..)
            .zip(&self.people)
            .skip(crate::state::index(from))
            .filter_map(|(slot, person)| Some((slot, person.as_ref()?)))
            .filter(|(_, person)| {
                let profile = &person.profile;
                wanted.is_empty()
                    || profile.full_name(&self.pool).to_lowercase().contains(&wanted)
                    || profile.text(&self.pool, "login").to_lowercase().contains(&wanted)
            })
            .map(|(slot, _)| slot);
        let people = found.by_ref().take(LISTED).collect();
        (people, found.next().is_some())
    }

    fn choices(&self, people: &[u32], from: &str) -> String {
        let rows: String = people
            .iter()
            .filter_map(|slot| {
                let person = self.person(*slot)?;
                let note = if person.status.may_sign_in() {
                    String::new()
                } else {
                    format!(" ({})", person.status)
                };
                let name = person.profile.full_name(&self.pool);
                let login = person.profile.text(&self.pool, "login");
                let button = format!("{name}, {login}{note}");
                let id = self.ids.id(Kind::User, *slot);
                Some(format!(
                    "<li><button name=\"who\" value=\"{id}\">{}</button></li>\n",
                    escape(&button)
                ))
            })
            .collect();
        format!(
            "<form method=\"post\" action=\"/login\">{}\n<ul>\n{rows}</ul>\n</form>\n",
            hidden("fromURI", from)
        )
    }

    /// Goes on where the browser came from; a request for a code is answered at once, as one by somebody who has just
    /// signed in.
    fn go_on(&mut self, from: &str, session: Session, visit: &Visit<'_>) -> Answer {
        let (path, query) = from.split_once('?').unwrap_or((from, ""));
        match endpoint(path) {
            Some((server, "authorize")) if server == Server::Org || self.settings.custom_server => {
                let request = Request::get(from);
                let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
                let asked = Visit::new(&request, path, query, visit.now);
                self.authorize_as(&asked, server, Some(session), true)
            }
            _ => Answer::redirect(from),
        }
    }

    /// The app that a request for a code is about.
    fn app_of(&self, from: &str) -> Option<u32> {
        let (_, query) = from.split_once('?')?;
        let (_, client) =
            url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "client_id")?;
        let place = self.apps.iter().position(|app| app.client_id == client)?;
        u32::try_from(place).ok()
    }
}

/// Whether an address lies on this host.
fn local(from: &str) -> bool {
    from.starts_with('/') && !from.starts_with("//") && !from.contains('\\')
}

fn unable() -> Answer {
    page(401, "Unable to sign in", "<p>Contact your administrator.</p>")
}
