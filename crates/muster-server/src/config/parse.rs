//! From the text of a variable to what it means. Each error says what is wrong with the text, for who typed it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use secrecy::SecretString;
use url::{Host, Url};

/// Where people reach the service: the base under which each tenant is a subdomain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    https: bool,
    host: String,
    /// Only where it is not the scheme's own.
    port: Option<u16>,
}

impl PublicUrl {
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text)
            .map_err(|_| shown(text, "is not an address such as https://example.com"))?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(shown(text, "must begin with https:// or http://")),
        };
        let Some(Host::Domain(host)) = url.host() else {
            return Err(shown(
                text,
                "needs a host name, because each tenant is a subdomain of it; an IP address has none",
            ));
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if host.is_empty() {
            return Err(shown(text, "has no host name"));
        }
        if !https && host != "localhost" {
            return Err(shown(text, "must be https://: plain http is for localhost only"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("an address for people has no user name or password in it".to_owned());
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(shown(text, "must end after the host and port"));
        }
        Ok(Self { https, host, port: url.port() })
    }

    /// Whether people reach it by https.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// The base host, without port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The address of a tenant: `https://acme.example.com`.
    pub fn of_tenant(&self, slug: &str) -> String {
        self.with_host(&format!("{slug}.{}", self.host))
    }

    fn with_host(&self, host: &str) -> String {
        let scheme = if self.https { "https" } else { "http" };
        match self.port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }
}

impl std::fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.with_host(&self.host))
    }
}

/// A range of IP addresses: `10.0.0.0/8`, `::1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IpRange {
    base: IpAddr,
    /// Leading bits that must agree.
    bits: u8,
}

impl IpRange {
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || shown(text, "is not an address range such as 10.0.0.0/8");
        let (base, bits) = match text.split_once('/') {
            Some((base, bits)) => (base, Some(bits.parse::<u8>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| bad())?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        if bits > width {
            return Err(bad());
        }
        let range = Self { base, bits };
        if range.network() != value(base) {
            return Err(shown(
                text,
                "has bits set behind its prefix; write the first address of the range",
            ));
        }
        Ok(range)
    }

    /// Whether `ip` lies in the range.
    pub fn contains(self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_ipv4() == self.base.is_ipv4()
            && Self { base: ip, bits: self.bits }.network() == self.network()
    }

    fn network(self) -> u128 {
        let width = if self.base.is_ipv4() { 32 } else { 128 };
        let shift = u32::from(width - self.bits);
        value(self.base).checked_shr(shift).and_then(|n| n.checked_shl(shift)).unwrap_or(0)
    }
}

impl std::fmt::Display for IpRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.bits)
    }
}

fn value(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// How the way to the mail server is kept from others' eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the first byte: `smtps://`.
    Wrapped,
    /// TLS after a greeting in plain (`STARTTLS`), and nothing is sent without it: `smtp://`.
    Required,
    /// In plain: on this very machine, or because somebody said so.
    None,
}

/// Where mail leaves. Shown without its password.
#[derive(Debug, Clone)]
pub struct SmtpUrl {
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    pub credentials: Option<(String, SecretString)>,
}

impl SmtpUrl {
    /// Reads `smtp://USER:PASSWORD@HOST:PORT` or `smtps://…`. No error repeats the text, which may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = || "must be an address that begins with smtp:// or smtps://".to_owned();
        let url = Url::parse(text).map_err(|_| wanted())?;
        let wrapped = match url.scheme() {
            "smtps" => true,
            "smtp" => false,
            _ => return Err(wanted()),
        };
        let host = match url.host_str().unwrap_or_default() {
            "" => return Err("has no host".to_owned()),
            host => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        };
        let here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
        let plain = match url.query() {
            None => here && !wrapped,
            Some("tls=none") if !wrapped => true,
            Some(_) => return Err("takes no other parameter than smtp://…?tls=none".to_owned()),
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err("must end after the host and port".to_owned());
        }
        let user = unescaped(url.username()).ok_or("has a user name that is not text")?;
        let password = unescaped(url.password().unwrap_or_default());
        let password = password.ok_or("has a password that is not text")?;
        let credentials = (!user.is_empty()).then(|| (user, SecretString::from(password)));
        if plain && !here && credentials.is_some() {
            return Err(
                "would send the password in plain through the network: leave tls=none away"
                    .to_owned(),
            );
        }
        let (tls, port) = match (wrapped, plain) {
            (true, _) => (SmtpTls::Wrapped, 465),
            (false, true) => (SmtpTls::None, 25),
            (false, false) => (SmtpTls::Required, 587),
        };
        Ok(Self { host, port: url.port().unwrap_or(port), tls, credentials })
    }
}

impl std::fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port, .. } = self;
        f.write_str(if self.tls == SmtpTls::Wrapped { "smtps://" } else { "smtp://" })?;
        if let Some((user, _)) = &self.credentials {
            write!(f, "{user}:***@")?;
        }
        let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
        let note = if self.tls == SmtpTls::None { " (in plain)" } else { "" };
        write!(f, "{open}{host}{close}:{port}{note}")
    }
}

/// What `%40` and its like stand for; `None` when that is not text.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| after.get(..2)).flatten();
        let escaped = escaped.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8(bytes).ok()
}

pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("{}:{port}", Ipv4Addr::LOCALHOST),
        None => text.to_owned(),
    };
    numeric.parse().map_err(|_| shown(text, "is not an address and port such as 127.0.0.1:8080"))
}

pub(super) fn ranges(text: &str) -> Result<Vec<IpRange>, String> {
    words(text).map(IpRange::parse).collect()
}

pub(super) fn number(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let n = text.parse::<u64>().map_err(|_| shown(text, "is not a whole number"))?;
    if (least..=most).contains(&n) {
        Ok(n)
    } else {
        Err(format!("{n} is not between {least} and {most}"))
    }
}

/// An address where something else listens. Its value may hold a password and is not repeated.
pub(super) fn service(text: &str, schemes: &[&str]) -> Result<SecretString, String> {
    let wanted = || format!("must be an address that begins with {}", schemes.join(" or "));
    let url = Url::parse(text).map_err(|_| wanted())?;
    let fits = schemes.iter().any(|scheme| scheme.trim_end_matches("://") == url.scheme());
    if !fits {
        return Err(wanted());
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("has no host".to_owned());
    }
    Ok(SecretString::from(text))
}

pub(super) fn mail_from(text: &str) -> Result<String, String> {
    let address = match text.rsplit_once('<') {
        Some((_, rest)) => {
            rest.strip_suffix('>').ok_or_else(|| shown(text, "has < without > at its end"))?
        }
        None => text,
    };
    muster_core::person::Email::parse(address).map_err(|bad| bad.to_string())?;
    // A name with a comma in it must stand in quotes, for one.
    text.parse::<lettre::message::Mailbox>()
        .map_err(|_| shown(text, "is not a sender such as Muster <muster@example.com>"))?;
    Ok(text.to_owned())
}

pub(super) fn line(text: &str, characters_max: usize) -> Result<String, String> {
    if text.chars().any(char::is_control) {
        return Err("must be one line of text".to_owned());
    }
    if text.chars().count() > characters_max {
        return Err(format!("is longer than {characters_max} characters"));
    }
    Ok(text.to_owned())
}

pub(super) fn filter(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::builder().parse(text).map(|_| text.to_owned()).map_err(|_| {
        shown(
            text,
            "is not a level (error, warn, info, debug, trace) or a filter such as muster=debug",
        )
    })
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty())
}

fn shown(text: &str, what: &str) -> String {
    format!("{:?} {what}", text.chars().take(100).collect::<String>())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn public_urls() {
        let show =
            |text| PublicUrl::parse(text).map(|url| (url.to_string(), url.of_tenant("acme"))).ok();
        let pair = |a: &str, b: &str| Some((a.to_owned(), b.to_owned()));
        #[rustfmt::skip]
        let cases = [
            ("https://example.com",       pair("https://example.com", "https://acme.example.com")),
            ("https://Example.com/",      pair("https://example.com", "https://acme.example.com")),
            ("https://example.com:8443",  pair("https://example.com:8443", "https://acme.example.com:8443")),
            ("http://localhost:8080",     pair("http://localhost:8080", "http://acme.localhost:8080")),
            ("http://localhost",          pair("http://localhost", "http://acme.localhost")),
            ("http://example.com",        None),
            ("https://10.0.0.1",          None),
            ("https://[::1]",             None),
            ("https://example.com/learn", None),
            ("https://example.com?x=1",   None),
            ("https://u:p@example.com",   None),
            ("ftp://example.com",         None),
            ("example.com",               None),
            ("",                          None),
        ];
        for (text, want) in cases {
            assert_eq!(show(text), want, "{text:?}");
        }
    }

    #[test]
    fn mail_goes_encrypted_unless_it_stays_here() {
        let show = |text| SmtpUrl::parse(text).map(|url| url.to_string());
        #[rustfmt::skip]
        let good = [
            ("smtp://mail.acme.example",                    "smtp://mail.acme.example:587"),
            ("smtp://ana:s3cret@mail.acme.example:2525/",   "smtp://ana:***@mail.acme.example:2525"),
            ("smtps://ana%40acme:s%2Fx@mail.acme.example",  "smtps://ana@acme:***@mail.acme.example:465"),
            ("smtp://localhost",                            "smtp://localhost:25 (in plain)"),
            ("smtp://127.0.0.1:2525",                       "smtp://127.0.0.1:2525 (in plain)"),
            ("smtp://ana:s3cret@[::1]:2525",                "smtp://ana:***@[::1]:2525 (in plain)"),
            ("smtps://localhost",                           "smtps://localhost:465"),
            ("smtp://relay.internal?tls=none",              "smtp://relay.internal:25 (in plain)"),
        ];
        for (text, want) in good {
            assert_eq!(show(text).as_deref(), Ok(want), "{text}");
        }
        for (text, want) in [
            ("mail.acme.example", "must be an address"),
            ("https://mail.acme.example", "must be an address"),
            ("smtp://", "no host"),
            ("smtp://mail.acme.example/s3cret", "end after the host"),
            ("smtp://mail.acme.example?tls=s3cret", "no other parameter"),
            ("smtps://mail.acme.example?tls=none", "no other parameter"),
            ("smtp://ana:s3cret@mail.acme.example?tls=none", "in plain"),
            ("smtp://ana:%ffs3cret@mail.acme.example", "not text"),
        ] {
            let error = show(text).expect_err(text);
            assert!(error.contains(want) && !error.contains("s3cret"), "{text}: {error}");
        }
        let url = SmtpUrl::parse("smtp://ana:s%40cret@localhost").expect("an address");
        assert!(!format!("{url:?}").contains("s@cret"));
        let (user, password) = url.credentials.expect("both");
        assert_eq!((user.as_str(), password.expose_secret()), ("ana", "s@cret"));
    }

    #[test]
    fn senders() {
        for good in [
            "muster@acme.example",
            "Muster <muster@acme.example>",
            "\"Acme, Inc.\" <m@acme.example>",
        ] {
            assert_eq!(mail_from(good).as_deref(), Ok(good));
        }
        for bad in
            ["nobody", "Muster <nobody>", "Muster <m@acme.example", "Acme, Inc. <m@acme.example>"]
        {
            assert!(mail_from(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_hold_what_they_say() {
        let holds = |range: &str, ip: &str| {
            let ip = ip.parse().expect("an address");
            IpRange::parse(range).expect(range).contains(ip)
        };
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "203.0.113.9") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("10.0.0.0/8", "::ffff:10.1.2.3"), "a v4 address written as v6");
        assert!(holds("::1", "::1") && !holds("::1", "::2"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && holds("::/0", "::1"));
        for bad in ["10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/x", "ten", "10.0.0/8"] {
            assert!(IpRange::parse(bad).is_err(), "{bad}");
        }
    }
}
