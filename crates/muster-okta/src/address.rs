//! Which address may be called as an Okta org: read from what a customer typed, tidied, and guarded.
//!
//! The address is typed by a customer and called by a server that stands inside a network, with a token in hand. So
//! nothing but a public Okta org gets through: known suffixes at once, other domains after a person confirmed them,
//! and only the vendor's own list may name a loopback or private host.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Domains under which Okta hosts orgs. Source: Okta developer docs, "Okta organizations"; `.mil` and `.gov` cells
/// from Okta's own SDK validator.
pub const OKTA_SUFFIXES: [&str; 8] = [
    "okta.com",
    "oktapreview.com",
    "okta-emea.com",
    "okta-gov.com",
    "okta.mil",
    "okta-miltest.com",
    "trexcloud.com",
    "trex-govcloud.com",
];

/// Hosts of Okta that are no org.
const OKTAS_OWN: [&str; 12] = [
    "www",
    "login",
    "developer",
    "support",
    "help",
    "status",
    "trust",
    "admin",
    "accounts",
    "api",
    "devforum",
    "sec",
];

/// Endings that only exist inside networks, or nowhere.
const PRIVATE_ENDINGS: [&str; 15] = [
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "arpa",
    "onion",
    "test",
    "invalid",
    "svc",
    "alt",
];

/// Where an Okta org answers: scheme, host and port, and nothing else. Shown as `https://acme.okta.com`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OktaAddress {
    https: bool,
    /// Lower case; an IPv6 address in brackets.
    host: Box<str>,
    port: u16,
}

impl OktaAddress {
    /// Reads what a customer typed or pasted: a host, an URL, the console's URL, an issuer.
    ///
    /// A domain that is not Okta's own is taken only with `confirm_custom`; without it the error asks for that.
    pub fn parse(
        text: &str,
        extra: &ExtraHosts,
        confirm_custom: bool,
    ) -> Result<Parsed, BadAddress> {
        let mut notes = Vec::new();
        let typed = split(text, &mut notes)?;
        let mut address = canonical(&typed, &mut notes)?;
        if extra.allows(&address.host, address.port) {
            return Ok(Parsed { address, notes, kind: AddressKind::Extra });
        }
        guard_network(&typed, &address)?;
        let kind = guard_name(&mut address, confirm_custom, &mut notes)?;
        Ok(Parsed { address, notes, kind })
    }

    /// Whether calls are encrypted: always, except for a host on the vendor's own list.
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// The host, in lower case; an IPv6 address stands in brackets.
    pub const fn host(&self) -> &str {
        &self.host
    }

    /// The port, the default one included.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The host, with the port unless it is that of https: `acme.okta.com`, `127.0.0.1:8443`.
    pub fn host_key(&self) -> String {
        if self.https && self.port == 443 {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Scheme, host and port of an URL; `None` when it has none of ours, or names a user.
    pub(crate) fn of_url(url: &Url) -> Option<Self> {
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        if !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let host = url.host_str()?.trim_end_matches('.').to_ascii_lowercase();
        Some(Self { https, host: host.into(), port: url.port_or_known_default()? })
    }
}

impl fmt::Display for OktaAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.https, self.port) {
            (true, 443) => write!(f, "https://{}", self.host),
            (true, port) => write!(f, "https://{}:{port}", self.host),
            (false, 80) => write!(f, "http://{}", self.host),
            (false, port) => write!(f, "http://{}:{port}", self.host),
        }
    }
}

/// An address that may be called, and what was done to get it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The address.
    pub address: OktaAddress,
    /// What was changed, to be shown to who typed it: "removed -admin".
    pub notes: Vec<String>,
    /// Why it may be called.
    pub kind: AddressKind,
}

/// Why an address may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// It lies under one of [`OKTA_SUFFIXES`].
    OktaSuffix,
    /// The customer's own domain, which a person confirmed.
    CustomDomain,
    /// It is on the vendor's own list; see [`ExtraHosts`].
    Extra,
}

/// Why an address may not be called, in words for who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Nothing was typed.
    #[error("type the address of your Okta org, such as acme.okta.com")]
    Empty,
    /// Copied from a guide.
    #[error(
        "this is the placeholder of a guide; put the address of your own Okta org in its place"
    )]
    Placeholder,
    /// Not an address at all.
    #[error("this is not the address of an Okta org: {0}")]
    NotAnAddress(&'static str),
    /// Names a user, or is an e-mail address.
    #[error("an address of Okta has no user name, password or @ in it")]
    UserInfo,
    /// Neither https nor http.
    #[error("an address of Okta begins with https://, not with {0}://")]
    Scheme(String),
    /// Not encrypted.
    #[error("Okta answers at https:// only; type https:// in place of http://")]
    PlainHttp,
    /// Not the port of https.
    #[error("Okta answers at port 443 only; remove :{0}")]
    Port(u16),
    /// A number in place of a name.
    #[error("an IP address cannot be an Okta org; type its name")]
    IpLiteral,
    /// A name of a private network.
    #[error("{0} is a name of a private network, not an Okta org")]
    Private(String),
    /// A name without a dot.
    #[error("{0} is not a whole address; did you mean {0}.okta.com?")]
    SingleLabel(String),
    /// Okta's own site.
    #[error(
        "{0} is a site of Okta itself; type the address of your own org, such as acme.okta.com"
    )]
    NotAnOrg(String),
    /// An ending typed twice, or an Okta name with something after it.
    #[error("{0} only looks like an address of Okta; check its end")]
    LookAlike(String),
    /// A domain that is not Okta's: a person must say that it is theirs.
    #[error("{0} is not under okta.com; confirm that it is your own custom domain at Okta")]
    ConfirmCustom(String),
}

/// Hosts that may be called although they are loopback, private or plain http: for a simulator only.
///
/// Parsed from `MUSTER_OKTA_EXTRA_HOSTS`; empty in every real installation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtraHosts(Vec<(Box<str>, u16)>);

/// Why a list of extra hosts cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not host:port")]
pub struct BadExtraHost(String);

impl ExtraHosts {
    /// Reads `host:port` entries between commas or blanks. An IPv6 address stands in brackets.
    pub fn parse(text: &str) -> Result<Self, BadExtraHost> {
        let entries =
            text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        let parsed = entries.map(|entry| {
            let bad = || BadExtraHost(entry.chars().take(80).collect());
            let (host, port) = entry.rsplit_once(':').ok_or_else(bad)?;
            let port: u16 = port.parse().ok().filter(|&port| port > 0).ok_or_else(bad)?;
            let url = Url::parse(&format!("http://{host}/")).map_err(|_| bad())?;
            let plain = url.path() == "/" && url.port().is_none() && url.username().is_empty();
            let host = url.host_str().filter(|_| plain && !host.contains('@')).ok_or_else(bad)?;
            Ok((Box::from(host), port))
        });
        parsed.collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this host and port are on the list.
    pub fn allows(&self, host: &str, port: u16) -> bool {
        self.0.iter().any(|(held, at)| *at == port && held.eq_ignore_ascii_case(host))
    }

    /// Whether this host is on the list with any port: what the resolver of names can ask.
    pub(crate) fn names(&self, host: &str) -> bool {
        self.0.iter().any(|(held, _)| held.eq_ignore_ascii_case(host))
    }
}

impl fmt::Display for ExtraHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (host, port)) in self.0.iter().enumerate() {
            write!(f, "{}{host}:{port}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// What was typed, taken apart: `https`, `acme-admin.okta.com:443`.
struct Typed {
    https: bool,
    authority: String,
}

fn split(text: &str, notes: &mut Vec<String>) -> Result<Typed, BadAddress> {
    let frame =
        |c: char| c.is_whitespace() || c.is_control() || is_invisible(c) || "\"'`<>,;".contains(c);
    let bare = text.trim_matches(frame);
    if bare.is_empty() {
        return Err(BadAddress::Empty);
    }
    if bare.len() > 2000 {
        return Err(BadAddress::NotAnAddress("it is too long"));
    }
    if bare != text {
        notes.push("removed what stood around it".into());
    }
    let lower = bare.to_ascii_lowercase();
    let placeholders = ["{", "}", "youroktadomain", "your-okta-domain", "${", "yourorg", "%7b"];
    if placeholders.iter().any(|placeholder| lower.contains(placeholder)) {
        return Err(BadAddress::Placeholder);
    }
    if bare.chars().any(|c| c.is_whitespace() || c.is_control() || is_invisible(c)) {
        return Err(BadAddress::NotAnAddress("there are blanks in it"));
    }
    if bare.contains('\\') {
        return Err(BadAddress::NotAnAddress("there is a backslash in it"));
    }
    let (https, rest) = match lower.split_once("://") {
        Some(("https", _)) => (true, &bare["https://".len()..]),
        Some(("http", _)) => (false, &bare["http://".len()..]),
        Some((scheme, _))
            if scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) =>
        {
            return Err(BadAddress::Scheme(scheme.chars().take(20).collect()));
        }
        // A "://" further behind belongs to a path or a query, which is cut off below.
        _ => {
            notes.push("added https://".into());
            (true, bare.strip_prefix("//").unwrap_or(bare))
        }
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if path.starts_with("//") || authority.eq_ignore_ascii_case("https:") {
        return Err(BadAddress::NotAnAddress("there is a :// too many in it"));
    }
    if authority.contains('@') {
        return Err(BadAddress::UserInfo);
    }
    if authority.contains('%') {
        return Err(BadAddress::NotAnAddress("there is a % in its name"));
    }
    match path {
        "" => {}
        "/" => notes.push("removed the slash at its end".into()),
        issuer if issuer.starts_with("/oauth2") => {
            notes.push(format!("removed the issuer's path {}", shortened(issuer)));
        }
        other => notes.push(format!("removed the path {}", shortened(other))),
    }
    if authority.chars().any(|c| c.is_ascii_uppercase()) {
        notes.push("put in lower case".into());
    }
    Ok(Typed { https, authority: authority.to_owned() })
}

/// The host as the network will read it: lower case, in ASCII, numbers spelled as addresses.
fn canonical(typed: &Typed, notes: &mut Vec<String>) -> Result<OktaAddress, BadAddress> {
    let scheme = if typed.https { "https" } else { "http" };
    let unreadable = BadAddress::NotAnAddress("its name cannot be read");
    let url =
        Url::parse(&format!("{scheme}://{}/", typed.authority)).map_err(|_| unreadable.clone())?;
    let mut address = OktaAddress::of_url(&url).ok_or(unreadable)?;
    if let Some(dotless) = url.host_str().and_then(|host| host.strip_suffix('.')) {
        if dotless.is_empty() || dotless.ends_with('.') {
            return Err(BadAddress::NotAnAddress("there is a dot too many in it"));
        }
        address.host = dotless.into();
        notes.push("removed the dot at its end".into());
    }
    Ok(address)
}

/// Refuses what is not a public name at the port of https.
fn guard_network(typed: &Typed, address: &OktaAddress) -> Result<(), BadAddress> {
    // Read again, so that no spelling of a number (0x7f000001, 2130706433, 127.1) passes as a name.
    match Host::parse(&address.host) {
        Ok(Host::Domain(_)) => {}
        Ok(Host::Ipv4(_) | Host::Ipv6(_)) => return Err(BadAddress::IpLiteral),
        Err(_) => return Err(BadAddress::NotAnAddress("its name cannot be read")),
    }
    let host = address.host.as_ref();
    let labels: Vec<&str> = host.split('.').collect();
    let fine = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > 253 || !labels.iter().all(fine) {
        return Err(BadAddress::NotAnAddress(
            "a name has letters, digits, hyphens and single dots",
        ));
    }
    let last = labels.last().copied().unwrap_or_default();
    if PRIVATE_ENDINGS.contains(&last) || last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(BadAddress::Private(host.to_owned()));
    }
    if labels.len() == 1 {
        return Err(BadAddress::SingleLabel(host.to_owned()));
    }
    if !typed.https {
        return Err(BadAddress::PlainHttp);
    }
    if address.port != 443 {
        return Err(BadAddress::Port(address.port));
    }
    Ok(())
}

/// Tells an org of Okta from a custom domain and from what only looks like one; takes the console's `-admin` away.
fn guard_name(
    address: &mut OktaAddress,
    confirm_custom: bool,
    notes: &mut Vec<String>,
) -> Result<AddressKind, BadAddress> {
    let host = address.host.to_string();
    let dotted = format!(".{host}.");
    if dotted.contains(".com.com.") {
        return Err(BadAddress::LookAlike(host));
    }
    for suffix in OKTA_SUFFIXES {
        if host == suffix {
            return Err(BadAddress::NotAnOrg(host));
        }
        let Some(org) = host.strip_suffix(suffix).and_then(|org| org.strip_suffix('.')) else {
            continue;
        };
        let plain = org.strip_suffix("-admin").unwrap_or(org);
        if plain.is_empty() || OKTAS_OWN.contains(&plain) {
            return Err(BadAddress::NotAnOrg(host));
        }
        if OKTA_SUFFIXES.iter().any(|other| format!(".{plain}.").contains(&format!(".{other}."))) {
            return Err(BadAddress::LookAlike(host));
        }
        if plain != org {
            if plain.ends_with(['-', '.']) {
                return Err(BadAddress::NotAnAddress("its name ends with a hyphen or a dot"));
            }
            notes.push("removed -admin, which is the address of the console only".into());
            address.host = format!("{plain}.{suffix}").into();
        }
        return Ok(AddressKind::OktaSuffix);
    }
    if OKTA_SUFFIXES.iter().any(|suffix| dotted.contains(&format!(".{suffix}."))) {
        return Err(BadAddress::LookAlike(host));
    }
    if confirm_custom {
        Ok(AddressKind::CustomDomain)
    } else {
        Err(BadAddress::ConfirmCustom(host))
    }
}

fn shortened(text: &str) -> String {
    let mut out: String = text.chars().take(40).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}

/// Characters that a copy brings along and nobody sees, or that turn a text around.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Whether a name that a customer typed must not lead here: everything but public addresses of single machines.
///
/// Asked after each resolution, so that a name cannot turn to a private address between check and call.
/// Source: the special-purpose registries of IANA (RFC 6890 and its updates).
pub fn forbidden_ip(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => forbidden_v4(v4),
        IpAddr::V6(v6) => forbidden_v6(v6),
    }
}

fn forbidden_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b)) // shared by carriers, RFC 6598
        || (a == 192 && b == 0 && c == 0) // IETF protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays, withdrawn
        || (a == 198 && (18..20).contains(&b)) // benchmarks
        || a >= 224 // multicast, reserved, broadcast
}

fn forbidden_v6(ip: Ipv6Addr) -> bool {
    let parts = ip.segments();
    // Only 2000::/3 is handed out; loopback, link-local, unique local, multicast, v4-mapped and 64:ff9b:: lie outside it.
    if parts[0] & 0xe000 != 0x2000 {
        return true;
    }
    match (parts[0], parts[1]) {
        // IETF assignments, Teredo, benchmarks and ORCHID; then documentation.
        (0x2001, second) => second < 0x200 || second == 0xdb8,
        (0x3fff, second) => second < 0x1000,
        // 6to4 carries an IPv4 address.
        (first, _) => first == 0x2002,
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
