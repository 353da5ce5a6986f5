//! Following a listing from page to page without ever being led elsewhere.

use std::fmt;

use url::{Position, Url};

use crate::address::OktaAddress;
use crate::reply::Reply;

/// Where the next page of a listing is: path and query on the org's own host, the cursor in them opaque.
///
/// It can be stored and read back, so a run goes on where it stopped.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageLink(Box<str>);

/// A longer link is none of Okta's; those seen have about 200 characters.
const LINK_BYTES_MAX: usize = 4096;

/// Why a text is not a link to a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is not a link to a page of Okta's API")]
pub struct BadLink;

impl PageLink {
    /// Reads a stored link.
    pub fn parse(text: &str) -> Result<Self, BadLink> {
        let path = text.split('?').next().unwrap_or_default();
        let fine = text.len() <= LINK_BYTES_MAX
            && path.starts_with("/api/v1/")
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"#\\\"<>".contains(&b))
            && path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
        if fine { Ok(Self(text.into())) } else { Err(BadLink) }
    }

    /// Path and query, as they are stored and called.
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// The path alone: it says which listing this is a page of.
    pub fn path(&self) -> &str {
        self.0.split('?').next().unwrap_or_default()
    }
}

impl fmt::Display for PageLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a reply says the next page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// This was the last page.
    End,
    /// On the host that was called, or on one in the list of the org's other names.
    At(PageLink),
    /// Somewhere else: scheme, host and port, and the link it would be if that host is the same org.
    Elsewhere(OktaAddress, PageLink),
    /// The header cannot be followed.
    Broken(&'static str),
}

/// Reads the `Link` header of a reply that came from `ours`.
///
/// Okta sends each link on a header line of its own; proxies may join the lines. `aliases` are further addresses that
/// the org itself gave as its own.
pub(crate) fn next(reply: &Reply, ours: &OktaAddress, aliases: &[OktaAddress]) -> Next {
    let mut found: Option<&str> = None;
    for (url, rel) in reply.headers("link").flat_map(links) {
        if !rel.split_ascii_whitespace().any(|one| one.eq_ignore_ascii_case("next")) {
            continue;
        }
        if found.is_some_and(|other| other != url) {
            return Next::Broken("it names two different next pages");
        }
        found = Some(url);
    }
    let Some(text) = found else { return Next::End };
    let broken = Next::Broken("its next page is not a page of Okta's API");
    if text.starts_with('/') && !text.starts_with("//") {
        return PageLink::parse(text).map_or(broken, Next::At);
    }
    let Ok(url) = Url::parse(text) else { return broken };
    let Some(host) = OktaAddress::of_url(&url) else { return broken };
    let Ok(link) = PageLink::parse(&url[Position::BeforePath..Position::AfterQuery]) else {
        return broken;
    };
    if host == *ours || aliases.contains(&host) {
        Next::At(link)
    } else {
        Next::Elsewhere(host, link)
    }
}

/// The links of one header line as `(url, rel)`. Source of the grammar: RFC 8288.
fn links(line: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(start) = rest.find('<') {
        let Some(length) = rest[start + 1..].find('>') else { break };
        let url = rest[start + 1..start + 1 + length].trim();
        let (rel, after) = parameters(&rest[start + 2 + length..]);
        found.push((url, rel));
        rest = after;
    }
    found
}

/// Reads `; rel="next"; …` up to the comma that ends the link: the first `rel`, and what follows.
fn parameters(text: &str) -> (String, &str) {
    let mut rel: Option<String> = None;
    let mut part = String::new();
    let mut quoted = false;
    let mut escaped = false;
    let mut end = text.len();
    let keep = |part: &mut String, rel: &mut Option<String>| {
        if let Some((name, value)) = part.split_once('=')
            && name.trim().eq_ignore_ascii_case("rel")
            && rel.is_none()
        {
            *rel = Some(value.trim().to_owned());
        }
        part.clear();
    };
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => {
                escaped = false;
                part.push(c);
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => keep(&mut part, &mut rel),
            ',' if !quoted => {
                end = index + 1;
                break;
            }
            _ => part.push(c),
        }
    }
    keep(&mut part, &mut rel);
    (rel.unwrap_or_default(), &text[end..])
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn ours() -> OktaAddress {
        OktaAddress::of_url(&Url::parse("https://acme.okta.com").expect("an URL"))
            .expect("an address")
    }

    fn after(lines: &[&str]) -> Next {
        let headers = lines.iter().map(|line| ("Link".to_owned(), (*line).to_owned())).collect();
        next(&Reply { status: 200, headers, body: Bytes::new() }, &ours(), &[])
    }

    #[test]
    fn the_next_page_is_found_however_the_header_is_written() {
        const SELF: &str = "<https://acme.okta.com/api/v1/users?limit=1>; rel=\"self\"";
        const NEXT: &str =
            "<https://acme.okta.com/api/v1/users?after=200u,a%3D;b&limit=1>; rel=\"next\"";
        let link = PageLink::parse("/api/v1/users?after=200u,a%3D;b&limit=1").expect("a link");
        let at = Next::At(link);
        for lines in [
            vec![SELF, NEXT],
            vec![NEXT],
            vec![NEXT, SELF],
            vec![&format!("{SELF}, {NEXT}")[..]],
            vec![&format!("{SELF},{NEXT}")[..]],
            // The same link twice is one link.
            vec![NEXT, NEXT],
            vec!["<https://acme.okta.com/api/v1/users?after=200u,a%3D;b&limit=1>;rel=next"],
            vec![
                "<https://acme.okta.com/api/v1/users?after=200u,a%3D;b&limit=1>; title=\"a, b; rel=self\"; REL=\"prev Next\"",
            ],
            vec![
                "< https://acme.okta.com/api/v1/users?after=200u,a%3D;b&limit=1 > ; rel = \"next\"",
            ],
            vec!["</api/v1/users?after=200u,a%3D;b&limit=1>; rel=\"next\""],
            vec![
                "<HTTPS://ACME.okta.com:443/api/v1/users?after=200u,a%3D;b&limit=1#x>; rel=\"next\"",
            ],
        ] {
            assert_eq!(after(&lines), at, "{lines:?}");
        }
        for lines in [
            vec![],
            vec![SELF],
            vec!["<>"],
            vec![""],
            vec!["rel=\"next\""],
            vec!["<https://x>; rel=\"nextish\""],
        ] {
            assert_eq!(after(&lines), Next::End, "{lines:?}");
        }
    }

    #[test]
    fn a_link_never_leads_elsewhere_unseen() {
        let elsewhere = |url: &str| match after(&[&format!("<{url}>; rel=\"next\"")]) {
            Next::Elsewhere(host, link) => format!("{} {link}", host.host_key()),
            other => format!("{other:?}"),
        };
        for (url, expected) in [
            ("https://evil.example/api/v1/users?after=1", "evil.example /api/v1/users?after=1"),
            (
                "https://acme.okta.com.evil.example/api/v1/users",
                "acme.okta.com.evil.example /api/v1/users",
            ),
            ("http://acme.okta.com/api/v1/users", "acme.okta.com:80 /api/v1/users"),
            ("https://acme.okta.com:8443/api/v1/users", "acme.okta.com:8443 /api/v1/users"),
        ] {
            assert_eq!(elsewhere(url), expected, "{url}");
        }
        for url in [
            "https://acme.okta.com@evil.example/api/v1/users",
            "https://u:p@acme.okta.com/api/v1/users",
            "//evil.example/api/v1/users",
            "ftp://acme.okta.com/api/v1/users",
            "javascript:alert(1)",
            "https://acme.okta.com/oauth2/v1/token",
            "https://acme.okta.com/api/v1/../../oauth2/v1/token",
            "/oauth2/v1/token",
            "/api/v1/../v2/users",
            "",
            "api/v1/users",
        ] {
            assert!(
                matches!(after(&[&format!("<{url}>; rel=\"next\"")]), Next::Broken(_)),
                "{url}"
            );
        }
        let long = format!("</api/v1/users?after={}>; rel=next", "x".repeat(LINK_BYTES_MAX));
        assert!(matches!(after(&[&long]), Next::Broken(_)));
        let two = ["</api/v1/users?after=1>; rel=next", "</api/v1/users?after=2>; rel=next"];
        assert!(matches!(after(&two), Next::Broken(_)));
    }

    #[test]
    fn another_name_of_the_org_is_followed_on_the_host_that_was_called() {
        let header = (
            "link".to_owned(),
            "<https://login.acme.com/api/v1/users?after=1>; rel=next".to_owned(),
        );
        let reply = Reply { status: 200, headers: vec![header], body: Bytes::new() };
        let alias = OktaAddress::of_url(&Url::parse("https://login.acme.com").expect("an URL"));
        let aliases: Vec<_> = alias.into_iter().collect();
        let found = next(&reply, &ours(), &aliases);
        assert_eq!(found, Next::At(PageLink::parse("/api/v1/users?after=1").expect("a link")));
    }

    #[test]
    fn a_stored_link_reads_back_and_nothing_else_does() {
        let link =
            PageLink::parse("/api/v1/apps/0oa1/users?expand=user&after=00u%2B1").expect("a link");
        assert_eq!(PageLink::parse(link.as_str()), Ok(link.clone()));
        assert_eq!(link.path(), "/api/v1/apps/0oa1/users");
        for bad in [
            "",
            "/",
            "/api/v1/",
            "https://acme.okta.com/api/v1/users",
            "//evil.example/api/v1/users",
            "/api/v1/users#x",
            "/api/v1/users?a b",
            "/api/v1/users\r\nx: y",
            "/api/v1//users",
            "/api/v1/./users",
            "/api/v1/../x",
            "/api/v2/users",
            "/api/v1/é",
            "/api/v1/a\\b",
            " proving",
        ] {
            assert_eq!(PageLink::parse(bad), Err(BadLink), "{bad:?}");
        }
    }
}
