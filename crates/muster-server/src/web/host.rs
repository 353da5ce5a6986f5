//! From the host that somebody called to the tenant.

use std::net::{IpAddr, SocketAddr};

use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, Uri, header};
use muster_core::tenant::TenantSlug;

use crate::config::parse::{IpRange, PublicUrl};

/// Who called, as far as the network tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// The tenant whose host was called: exactly one label before the host of the public address. The port does not matter: links
/// are never built from it.
pub(super) fn tenant(
    parts: &Parts,
    public_url: &PublicUrl,
    trusted: &[IpRange],
) -> Option<TenantSlug> {
    let peer = parts.extensions.get::<Peer>();
    of_host(called(&parts.headers, &parts.uri, peer, trusted)?, public_url)
}

/// The same of a request that is still whole.
pub(super) fn tenant_of<B>(
    request: &Request<B>,
    public_url: &PublicUrl,
    trusted: &[IpRange],
) -> Option<TenantSlug> {
    let peer = request.extensions().get::<Peer>();
    of_host(called(request.headers(), request.uri(), peer, trusted)?, public_url)
}

fn of_host(host: &str, public_url: &PublicUrl) -> Option<TenantSlug> {
    let host = without_port(host)?.trim_end_matches('.').to_ascii_lowercase();
    let label = host.strip_suffix(public_url.host())?.strip_suffix('.')?;
    TenantSlug::parse(label).ok()
}

/// Where somebody is who called. What a proxy says of it counts only where that proxy is trusted: the last address that no trusted
/// proxy has.
pub(super) fn client(parts: &Parts, trusted: &[IpRange]) -> Option<IpAddr> {
    let Peer(mut at) = *parts.extensions.get::<Peer>()?;
    let is_trusted = |ip: IpAddr| trusted.iter().any(|range| range.contains(ip));
    let told =
        parts.headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok());
    let told: Vec<&str> = told.flat_map(|line| line.split(',')).map(str::trim).collect();
    for text in told.into_iter().rev() {
        if !is_trusted(at) {
            break;
        }
        // Some proxies write the port, too.
        let with_port = || text.parse::<SocketAddr>().map(|address| address.ip());
        let Ok(ip) = text.parse::<IpAddr>().or_else(|_| with_port()) else { break };
        at = ip.to_canonical();
    }
    Some(at)
}

/// The host that was called. What a proxy says of it counts only where that proxy is trusted.
fn called<'a>(
    headers: &'a HeaderMap,
    uri: &'a Uri,
    peer: Option<&Peer>,
    trusted: &[IpRange],
) -> Option<&'a str> {
    if peer.is_some_and(|Peer(ip)| trusted.iter().any(|range| range.contains(*ip)))
        && let Some(forwarded) = only(headers, "x-forwarded-host")
    {
        return Some(forwarded.split(',').next().unwrap_or_default().trim());
    }
    // A request with a whole address in its first line means that one.
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => only(headers, header::HOST.as_str()),
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

fn without_port(host: &str) -> Option<&str> {
    match host.rsplit_once(':') {
        None => Some(host),
        Some((name, port)) => port.bytes().all(|b| b.is_ascii_digit()).then_some(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        build: impl FnOnce(http::request::Builder) -> http::request::Builder,
        base: &str,
        trusted: &str,
    ) -> Option<String> {
        let peer = Peer("10.0.0.7".parse().expect("an address"));
        let request = build(Request::builder().uri("/webhooks/okta")).extension(peer).body(());
        let (parts, ()) = request.expect("a request").into_parts();
        let trusted: Vec<_> =
            trusted.split_whitespace().map(|r| IpRange::parse(r).expect("a range")).collect();
        let base = PublicUrl::parse(base).expect("an address");
        tenant(&parts, &base, &trusted).map(|slug| slug.to_string())
    }

    #[test]
    fn a_tenant_is_one_label_before_the_host() {
        #[rustfmt::skip]
        let cases = [
            ("acme.example.com",          "https://example.com",   Some("acme")),
            ("ACME.Example.COM",          "https://example.com",   Some("acme")),
            ("acme.example.com:443",      "https://example.com",   Some("acme")),
            ("acme.example.com:8443",     "https://example.com",   Some("acme")),
            ("acme.example.com.",         "https://example.com",   Some("acme")),
            ("acme.localhost:8080",       "http://localhost:8080", Some("acme")),
            ("acme.localhost",            "http://localhost:8080", Some("acme")),
            ("acme.learn.example.com",    "https://learn.example.com", Some("acme")),
            ("example.com",               "https://example.com",   None),
            ("a.b.example.com",           "https://example.com",   None),
            (".example.com",              "https://example.com",   None),
            ("acmeexample.com",           "https://example.com",   None),
            ("acme.example.com.evil.org", "https://example.com",   None),
            ("acme.other.com",            "https://example.com",   None),
            ("www.example.com",           "https://example.com",   None),
            ("api.example.com",           "https://example.com",   None),
            ("admin.example.com",         "https://example.com",   None),
            ("app.example.com",           "https://example.com",   None),
            ("mail.example.com",          "https://example.com",   None),
            ("static.example.com",        "https://example.com",   None),
            ("ac_me.example.com",         "https://example.com",   None),
            ("-acme.example.com",         "https://example.com",   None),
            ("acme.example.com:x",        "https://example.com",   None),
            ("acme.example.com:80:80",    "https://example.com",   None),
            ("127.0.0.1:8080",            "http://localhost:8080", None),
            ("[::1]:8080",                "http://localhost:8080", None),
            ("",                          "https://example.com",   None),
        ];
        for (host, base, want) in cases {
            let got = found(|request| request.header("host", host), base, "");
            assert_eq!(got.as_deref(), want, "{host}");
        }
    }

    #[test]
    fn only_a_trusted_proxy_may_name_another_host() {
        let forwarded = |trusted| {
            let build = |request: http::request::Builder| {
                request
                    .header("host", "acme.example.com")
                    .header("x-forwarded-host", "other.example.com, x")
            };
            found(build, "https://example.com", trusted)
        };
        assert_eq!(forwarded("").as_deref(), Some("acme"));
        assert_eq!(forwarded("192.168.0.0/16").as_deref(), Some("acme"));
        assert_eq!(forwarded("10.0.0.0/8").as_deref(), Some("other"));
    }

    #[test]
    fn where_somebody_is_counts_from_the_last_trusted_proxy() {
        let at = |trusted: &str, told: &[&str]| {
            let mut request = Request::builder().uri("/");
            for line in told {
                request = request.header("x-forwarded-for", *line);
            }
            let peer = Peer("10.0.0.7".parse().expect("an address"));
            let (parts, ()) = request.extension(peer).body(()).expect("a request").into_parts();
            let trusted: Vec<_> =
                trusted.split_whitespace().map(|r| IpRange::parse(r).expect("a range")).collect();
            client(&parts, &trusted).expect("somewhere").to_string()
        };
        assert_eq!(at("", &["192.0.2.1"]), "10.0.0.7");
        assert_eq!(at("10.0.0.0/8", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(at("10.0.0.0/8", &["6.6.6.6, 192.0.2.1, 10.0.0.9"]), "192.0.2.1");
        assert_eq!(at("10.0.0.0/8", &["6.6.6.6", "192.0.2.1"]), "192.0.2.1");
        assert_eq!(at("10.0.0.0/8", &["192.0.2.1:443"]), "192.0.2.1");
        assert_eq!(at("10.0.0.0/8", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(at("10.0.0.0/8", &["junk"]), "10.0.0.7");
        assert_eq!(at("10.0.0.0/8", &[]), "10.0.0.7");
    }

    #[test]
    fn two_hosts_are_none() {
        let twice = |request: http::request::Builder| {
            request.header("host", "acme.example.com").header("host", "other.example.com")
        };
        assert_eq!(found(twice, "https://example.com", ""), None);
        assert_eq!(found(|request| request, "https://example.com", ""), None);
        let whole = |request: http::request::Builder| {
            request.uri("http://acme.example.com/webhooks/okta").header("host", "other.example.com")
        };
        assert_eq!(found(whole, "https://example.com", "").as_deref(), Some("acme"));
    }
}
