//! The other half of the table: what a browser brings back that a provider never sent, or sent to say no.

use std::time::Duration;

use muster_server::clock::Clock;

use crate::support::Browser;

/// Somebody on the way to the provider and back.
#[derive(Debug, Clone)]
pub(super) struct Trip {
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) code: String,
    /// Names and holds what the browser keeps meanwhile.
    pub(super) cookie: (String, String),
}

pub(super) const PATH: &str = "/users/auth/okta/callback";

impl Trip {
    /// What a browser brings back when all is well.
    pub(super) fn back(&self) -> String {
        back(&[("state", &self.state), ("code", &self.code)])
    }

    fn back_with(&self, more: &[(&str, &str)]) -> String {
        let own = [("state", self.state.as_str())];
        back(&own.iter().chain(more).copied().collect::<Vec<_>>())
    }
}

fn back(query: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    format!("{PATH}?{query}")
}

/// What is at hand for making an answer up.
pub(super) struct Hands<'a> {
    pub(super) browser: &'a mut Browser,
    pub(super) trip: &'a Trip,
    /// Of another browser that is away too.
    pub(super) other: &'a Trip,
    pub(super) clock: &'a Clock,
}

/// One answer that is none.
pub(super) struct Callback {
    pub(super) name: &'static str,
    /// The address that the browser comes back to.
    pub(super) bring: fn(Hands<'_>) -> String,
    pub(super) code: &'static str,
    pub(super) status: u16,
    /// A part of the page.
    pub(super) shows: &'static str,
}

const AGAIN: &str = "Begin again";
const OTHER: &str = "okta_other";

pub(super) fn callbacks() -> Vec<Callback> {
    type Bring = fn(Hands<'_>) -> String;
    #[rustfmt::skip]
    let rows: [(&str, Bring, &str, u16, &str); 41] = [
        ("no parameters", |_| PATH.to_owned(), "malformed", 400, AGAIN),
        ("no state", |h| back(&[("code", &h.trip.code)]), "malformed", 400, AGAIN),
        ("state empty", |h| back(&[("state", ""), ("code", &h.trip.code)]), "state_unknown", 400, AGAIN),
        ("state of nobody", |h| back(&[("state", &"x".repeat(43)), ("code", &h.trip.code)]), "state_unknown", 400, AGAIN),
        ("state cut off", |h| back(&[("state", &h.trip.state[..16]), ("code", &h.trip.code)]), "state_unknown", 400, AGAIN),
        ("state with more after it", |h| back(&[("state", &format!("{}x", h.trip.state)), ("code", &h.trip.code)]), "state_unknown", 400, AGAIN),
        ("state that begins alike", |h| back(&[("state", &format!("{}{}", &h.trip.state[..22], &h.other.state[22..])), ("code", &h.trip.code)]), "state_unknown", 400, AGAIN),
        ("state of another browser", |h| h.other.back(), "state_unknown", 400, AGAIN),
        ("state of another browser with a code of this one", |h| back(&[("state", &h.other.state), ("code", &h.trip.code)]), "state_unknown", 400, AGAIN),
        ("the cookie of this trip under the other's name", |h| { h.browser.cookies.insert(h.other.cookie.0.clone(), h.trip.cookie.1.clone()); h.other.back() }, "state_unknown", 400, AGAIN),
        ("the other's cookie under the name of this trip", |h| { h.browser.cookies.insert(h.trip.cookie.0.clone(), h.other.cookie.1.clone()); h.trip.back() }, "state_unknown", 400, AGAIN),
        ("the cookie altered", |h| { h.browser.cookies.insert(h.trip.cookie.0.clone(), altered(&h.trip.cookie.1)); h.trip.back() }, "state_unknown", 400, AGAIN),
        ("the cookie empty", |h| { h.browser.cookies.insert(h.trip.cookie.0.clone(), String::new()); h.trip.back() }, "state_unknown", 400, AGAIN),
        ("the cookie gone", |h| { h.browser.cookies.remove(&h.trip.cookie.0); h.trip.back() }, "state_unknown", 400, AGAIN),
        ("away for too long", |h| { h.clock.advance(Duration::from_secs(30 * 60 + 1)); h.trip.back() }, "state_old", 400, AGAIN),
        ("no code", |h| h.trip.back_with(&[]), "malformed", 400, AGAIN),
        ("code empty", |h| h.trip.back_with(&[("code", "")]), "malformed", 400, AGAIN),
        ("code of 3000 characters", |h| h.trip.back_with(&[("code", &"c".repeat(3_000))]), "malformed", 400, AGAIN),
        ("code cut in two by an ampersand", |h| h.trip.back_with(&[("co", "de"), ("de", &h.trip.code)]), "malformed", 400, AGAIN),
        ("a token in place of a code", |h| h.trip.back_with(&[("id_token", "e30.e30.AA"), ("access_token", "a")]), "malformed", 400, AGAIN),
        ("iss of another", |h| h.trip.back_with(&[("code", &h.trip.code), ("iss", "https://evil.okta.com")]), "other_issuer", 400, ""),
        ("iss with a slash at its end", |h| h.trip.back_with(&[("code", &h.trip.code), ("iss", "https://fernhill.okta.com/")]), "other_issuer", 400, ""),
        ("iss empty", |h| h.trip.back_with(&[("code", &h.trip.code), ("iss", "")]), "other_issuer", 400, ""),
        ("an error of another issuer", |h| h.trip.back_with(&[("error", "access_denied"), ("iss", "https://evil.okta.com")]), "other_issuer", 400, ""),
        ("not assigned", |h| h.trip.back_with(&[("error", "access_denied"), ("error_description", "User is not assigned to the client application.")]), "okta_access_denied", 403, "You are not assigned to this app"),
        ("denied", |h| h.trip.back_with(&[("error", "access_denied"), ("error_description", "Policy evaluation failed.")]), "okta_access_denied", 403, "Okta did not let you in"),
        ("denied without a word", |h| h.trip.back_with(&[("error", "access_denied")]), "okta_access_denied", 403, "Okta did not let you in"),
        ("denied and a code", |h| h.trip.back_with(&[("error", "access_denied"), ("code", &h.trip.code)]), "okta_access_denied", 403, "Okta did not let you in"),
        ("not assigned, in a browser that did not begin", |h| back(&[("state", &h.other.state), ("error", "access_denied")]), "state_unknown", 400, AGAIN),
        ("login required", |h| h.trip.back_with(&[("error", "login_required"), ("error_description", "The client specified not to prompt.")]), "okta_login_required", 400, AGAIN),
        ("interaction required", |h| h.trip.back_with(&[("error", "interaction_required")]), "okta_interaction_required", 400, AGAIN),
        ("consent required", |h| h.trip.back_with(&[("error", "consent_required")]), "okta_consent_required", 400, AGAIN),
        ("server error", |h| h.trip.back_with(&[("error", "server_error")]), "okta_server_error", 503, ""),
        ("temporarily unavailable", |h| h.trip.back_with(&[("error", "temporarily_unavailable")]), "okta_temporarily_unavailable", 503, ""),
        ("invalid scope", |h| h.trip.back_with(&[("error", "invalid_scope"), ("error_description", "One or more scopes are not configured.")]), "okta_invalid_scope", 502, "One or more scopes are not configured."),
        ("invalid request", |h| h.trip.back_with(&[("error", "invalid_request")]), "okta_invalid_request", 502, ""),
        ("a word that nobody knows", |h| h.trip.back_with(&[("error", "teapot")]), OTHER, 502, ""),
        ("an error without a word", |h| h.trip.back_with(&[("error", "")]), OTHER, 502, ""),
        ("an error of HTML", |h| h.trip.back_with(&[("error", "<script>alert(1)</script>")]), OTHER, 502, ""),
        ("a description of HTML", |h| h.trip.back_with(&[("error", "access_denied"), ("error_description", "\"><script>alert(1)</script>' onload='x")]), "okta_access_denied", 403, "&#60;script&#62;alert(1)"),
        ("a description of 3000 characters", |h| h.trip.back_with(&[("error", "teapot"), ("error_description", &"d".repeat(3_000))]), OTHER, 502, ""),
    ];
    let row = |(name, bring, code, status, shows)| Callback { name, bring, code, status, shows };
    // A query that cannot be read is no answer at all; the page says so without a code.
    #[rustfmt::skip]
    let unread: [(&str, Bring, &str, u16, &str); 5] = [
        ("state twice", |h| format!("{}&state=x", h.trip.back()), "", 400, ""),
        ("the same state twice", |h| format!("{}&state={}", h.trip.back(), h.trip.state), "", 400, ""),
        ("code twice", |h| format!("{}&c%6Fde=x", h.trip.back()), "", 400, ""),
        ("all twice", |h| { let own = h.trip.back(); let (_, query) = own.split_once('?').expect("a query"); format!("{own}&{query}") }, "", 400, ""),
        ("code not in UTF-8", |h| format!("{PATH}?state={}&code=%FF", h.trip.state), "", 400, ""),
    ];
    rows.into_iter().chain(unread).map(row).collect()
}

/// The same text with its last letter but one turned into another.
fn altered(text: &str) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    let at = chars.len() - 2;
    chars[at] = if chars[at] == 'A' { 'B' } else { 'A' };
    chars.into_iter().collect()
}
