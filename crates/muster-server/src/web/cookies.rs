//! Cookies: read from a request, set and taken away. All are `HttpOnly`, for this host only, and die with it.

use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use cookie::{Cookie, SameSite};

/// More bytes of cookies than any browser sends us in good order.
const BYTES_MAX: usize = 16 * 1024;

/// What a cookie is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Jar {
    /// The token of a session.
    Session,
    /// Tells one browser from another before anybody signed in.
    Browser,
    /// Between the password and the code.
    Half,
    /// A link for setting a password, so that it does not stay in the address.
    Link,
    /// What is to be said once.
    Flash,
    /// A round trip to Okta, by the name of its state.
    Flow(String),
}

impl Jar {
    fn name(&self, https: bool) -> String {
        let own = match self {
            Self::Session => "",
            Self::Browser => "-browser",
            Self::Half => "-half",
            Self::Link => "-link",
            Self::Flash => "-flash",
            Self::Flow(state) => return format!("{}muster-flow-{state}", prefix(https)),
        };
        format!("{}muster{own}", prefix(https))
    }
}

/// With this prefix a browser takes a cookie only over https, for this host and the whole of it (RFC 6265bis, 4.1.3.2).
const fn prefix(https: bool) -> &'static str {
    if https { "__Host-" } else { "" }
}

/// The cookies of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Cookies {
    held: Vec<(String, String)>,
    https: bool,
}

/// A request has more cookies than can be right.
#[derive(Debug)]
pub(super) struct TooMany;

impl Cookies {
    pub(super) fn of(headers: &HeaderMap, https: bool) -> Result<Self, TooMany> {
        let lines: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if lines.iter().map(|line| line.len()).sum::<usize>() > BYTES_MAX {
            return Err(TooMany);
        }
        let held = lines
            .into_iter()
            .flat_map(|line| line.split(|byte| *byte == b';'))
            // Cookies of other programs on this host need not be text.
            .filter_map(|pair| std::str::from_utf8(pair).ok()?.trim().split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Ok(Self { held, https })
    }

    /// The value of a cookie; of several by one name, none: one of them was put there by somebody else.
    pub(super) fn get(&self, jar: &Jar) -> Option<&str> {
        let name = jar.name(self.https);
        let mut values = self.held.iter().filter(|(held, _)| *held == name);
        let (_, value) = values.next()?;
        if values.next().is_some() { None } else { Some(value) }
    }

    /// The round trips that are under way in this browser.
    pub(super) fn flows(&self) -> impl Iterator<Item = Jar> {
        let start = Jar::Flow(String::new()).name(self.https);
        self.held.iter().filter_map(move |(name, _)| {
            name.strip_prefix(&start).map(|state| Jar::Flow(state.to_owned()))
        })
    }
}

/// Sets a cookie until it ends after so many seconds; `None` until the browser is closed.
pub(super) fn set(
    headers: &mut HeaderMap,
    https: bool,
    jar: &Jar,
    value: &str,
    seconds: Option<i64>,
) {
    let mut cookie = Cookie::build((jar.name(https), value.to_owned()))
        .path("/")
        .http_only(true)
        .secure(https)
        // Lax: a browser that comes back from Okta must bring it.
        .same_site(SameSite::Lax);
    if let Some(seconds) = seconds {
        cookie = cookie.max_age(cookie::time::Duration::seconds(seconds));
    }
    if let Ok(value) = HeaderValue::from_str(&cookie.build().to_string()) {
        headers.append(SET_COOKIE, value);
    }
}

/// Takes a cookie away.
pub(super) fn clear(headers: &mut HeaderMap, https: bool, jar: &Jar) {
    set(headers, https, jar, "", Some(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str], https: bool) -> Cookies {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).expect("a header"));
        }
        Cookies::of(&headers, https).expect("few")
    }

    #[test]
    fn a_cookie_is_read_by_its_whole_name_once() {
        let cookies =
            of(&["a=1; __Host-muster=tok; muster=other", "__Host-muster-flow-abc=x"], true);
        assert_eq!(cookies.get(&Jar::Session), Some("tok"));
        assert_eq!(cookies.flows().collect::<Vec<_>>(), [Jar::Flow("abc".into())]);
        assert_eq!(of(&["muster=other"], true).get(&Jar::Session), None);
        assert_eq!(of(&["muster=other"], false).get(&Jar::Session), Some("other"));
        assert_eq!(of(&["__Host-muster=a; __Host-muster=b"], true).get(&Jar::Session), None);
        assert_eq!(of(&["junk; ;;=; __Host-muster=a=b"], true).get(&Jar::Session), Some("a=b"));
    }

    #[test]
    fn too_many_are_refused() {
        let mut headers = HeaderMap::new();
        headers
            .append(COOKIE, HeaderValue::from_str(&"a".repeat(BYTES_MAX + 1)).expect("a header"));
        assert!(Cookies::of(&headers, true).is_err());
    }

    #[test]
    fn they_are_for_this_host_only() {
        let mut headers = HeaderMap::new();
        set(&mut headers, true, &Jar::Session, "tok", None);
        set(&mut headers, false, &Jar::Flow("s".into()), "v", Some(60));
        let lines: Vec<_> =
            headers.get_all(SET_COOKIE).iter().map(|v| v.to_str().expect("text")).collect();
        assert_eq!(
            lines,
            [
                "__Host-muster=tok; HttpOnly; SameSite=Lax; Secure; Path=/",
                "muster-flow-s=v; HttpOnly; SameSite=Lax; Path=/; Max-Age=60",
            ]
        );
    }
}
