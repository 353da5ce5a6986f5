//! The way to Okta: over HTTP, or within the process for simulations.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::BoxFuture;

use crate::address::{ExtraHosts, OktaAddress, forbidden_ip};
use crate::reply::Reply;
use crate::request::{Limits, Request};

/// Why no whole reply came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The host has no address, or nothing answers there, or TLS failed.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The connection or the whole call took too long.
    #[error("the call took too long")]
    Timeout,
    /// The reply broke off.
    #[error("the answer was cut short")]
    Cut,
    /// The body is larger than any that Okta sends.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// What would have been accepted.
        limit: usize,
    },
    /// We do not go there.
    #[error("the address is refused: {why}")]
    Refused {
        /// The reason, in plain words.
        why: String,
    },
    /// Anything else that went wrong on the way.
    #[error("the call failed: {0}")]
    Other(String),
}

/// Something that answers as Okta would, within this process.
pub trait Exchange: Send + Sync {
    /// Answers one call.
    fn exchange(&self, request: Request) -> BoxFuture<'_, Result<Reply, TransportError>>;
}

/// How calls reach Okta.
#[derive(Clone)]
pub enum Transport {
    /// Over HTTP.
    Http(HttpTransport),
    /// Within the process.
    InProcess(Arc<dyn Exchange>),
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http(_) => "Http",
            Self::InProcess(_) => "InProcess",
        })
    }
}

impl Transport {
    pub(crate) async fn send(
        &self,
        to: &OktaAddress,
        request: Request,
    ) -> Result<Reply, TransportError> {
        match self {
            Self::Http(http) => http.send(to, request).await,
            Self::InProcess(exchange) => exchange.exchange(request).await,
        }
    }
}

/// How [`HttpTransport`] reaches the network.
#[derive(Debug, Clone, Default)]
pub struct HttpConfig {
    /// Hosts that may be called although they are loopback or private.
    pub extra_hosts: ExtraHosts,
    /// A proxy for all calls. The environment's proxies are never used, since the guard on addresses cannot see behind
    /// them; with a proxy set here, it is the proxy that resolves names and must keep private addresses out.
    pub proxy: Option<url::Url>,
}

/// Calls over HTTPS. Clones share their connections; one serves all tenants.
///
/// Follows no redirect, uses no proxy but a configured one, resolves names to public addresses only, and gives up after
/// 5 s without a connection, and by the limits of each call.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    extra_hosts: ExtraHosts,
}

/// A host that Okta does not answer within this time is not there.
const CONNECT: Duration = Duration::from_secs(5);

impl HttpTransport {
    /// Sets up the client; nothing is called yet. Fails when the proxy or the system's certificates cannot be used.
    pub fn new(config: HttpConfig) -> Result<Self, TransportError> {
        let HttpConfig { extra_hosts, proxy } = config;
        let resolver = PublicOnly { exempt: extra_hosts.clone() };
        let mut builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .gzip(true)
            .connect_timeout(CONNECT)
            .dns_resolver(Arc::new(resolver));
        if let Some(proxy) = proxy {
            let proxy =
                reqwest::Proxy::all(proxy).map_err(|error| TransportError::Other(chain(&error)))?;
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|error| TransportError::Other(chain(&error)))?;
        Ok(Self { client, extra_hosts })
    }

    async fn send(&self, to: &OktaAddress, request: Request) -> Result<Reply, TransportError> {
        let url = self.url(to, &request.path_and_query)?;
        let Limits { body_max, time_max } = request.limits;
        let mut call =
            self.client.request(request.method, url).body(request.body).timeout(time_max);
        for (name, value) in &request.headers {
            call = call.header(name, value);
        }
        let mut response = call.send().await.map_err(|error| failed(&error))?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .map(|(name, value)| {
                (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
            })
            .collect();
        let too_large = TransportError::TooLarge { limit: body_max };
        let announced = response.content_length().unwrap_or(0);
        if announced > body_max as u64 {
            return Err(too_large);
        }
        let mut body = BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0));
        // Counted after decompression, so that a small body cannot grow without end.
        while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
            if body.len() + chunk.len() > body_max {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body: body.freeze() })
    }

    /// The URL, checked once more: a resolver is never asked about a host that is an IP address.
    fn url(&self, to: &OktaAddress, path_and_query: &str) -> Result<url::Url, TransportError> {
        let refused = |why: &str| TransportError::Refused { why: why.to_owned() };
        if !path_and_query.starts_with('/') {
            return Err(refused("the path does not begin with a slash"));
        }
        let url = url::Url::parse(&format!("{to}{path_and_query}"))
            .map_err(|_| refused("it cannot be read as an URL"))?;
        if OktaAddress::of_url(&url).as_ref() != Some(to) {
            return Err(refused("the URL leads to another host"));
        }
        let extra = self.extra_hosts.allows(to.host(), to.port());
        if !extra && !to.is_https() {
            return Err(refused("it is not https"));
        }
        if !extra && !matches!(url.host(), Some(url::Host::Domain(_))) {
            return Err(refused("it is an IP address"));
        }
        Ok(url)
    }
}

/// Resolves names as the system does, and lets only public addresses through.
struct PublicOnly {
    exempt: ExtraHosts,
}

/// A name that leads only to addresses that must not be called.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to a private address")]
struct NotPublic;

impl reqwest::dns::Resolve for PublicOnly {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let exempt = self.exempt.names(name.as_str());
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let public: Vec<SocketAddr> =
                found.iter().copied().filter(|at| exempt || !forbidden_ip(at.ip())).collect();
            if public.is_empty() && !found.is_empty() {
                return Err(NotPublic.into());
            }
            let addresses: reqwest::dns::Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

/// What an error of the HTTP client means. Its text is kept without the URL, and it never holds headers.
fn failed(error: &reqwest::Error) -> TransportError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(one) = cause {
        if one.downcast_ref::<NotPublic>().is_some() {
            return TransportError::Refused { why: NotPublic.to_string() };
        }
        cause = one.source();
    }
    if error.is_timeout() {
        TransportError::Timeout
    } else if error.is_connect() {
        TransportError::Connect(chain(error))
    } else if error.is_body() || error.is_decode() || error.is_request() {
        TransportError::Cut
    } else {
        TransportError::Other(chain(error))
    }
}

/// The causes behind an error, in one line; the error itself names the URL, so it is left out when it has a cause.
fn chain(error: &reqwest::Error) -> String {
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(one) = cause {
        texts.push(one.to_string());
        cause = one.source();
    }
    if texts.is_empty() { "the HTTP client gave no reason".to_owned() } else { texts.join(": ") }
}

#[cfg(test)]
#[path = "transport_tests.rs"]
mod tests;
