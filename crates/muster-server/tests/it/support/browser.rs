//! What a browser does, as far as a server sees it: it keeps cookies, says where a form comes from, and goes where it is sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::{Answer, Client};

/// One browser. Its cookies are those of one host.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    address: SocketAddr,
    pub(crate) host: String,
    pub(crate) cookies: BTreeMap<String, String>,
    /// The value that forms of the last page show.
    pub(crate) csrf: String,
}

/// What it was shown last.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
    pub(crate) answer: Answer,
}

impl Page {
    /// The first heading.
    pub(crate) fn heading(&self) -> &str {
        let (_, rest) = self.body.split_once("<h1>").unwrap_or_default();
        rest.split("</h1>").next().unwrap_or_default().trim()
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.body.contains(text)
    }

    /// Where it leads, if it does.
    #[track_caller]
    pub(crate) fn leads(&self) -> &str {
        self.location.as_deref().unwrap_or_else(|| panic!("{} {}", self.status, self.heading()))
    }

    /// The word for support on a page that refuses.
    pub(crate) fn code(&self) -> &str {
        let (_, rest) = self.body.split_once("For support: ").unwrap_or_default();
        rest.split('<').next().unwrap_or_default().trim()
    }
}

impl Browser {
    pub(crate) fn new(address: SocketAddr, host: &str) -> Self {
        Self { address, host: host.to_owned(), cookies: BTreeMap::new(), csrf: String::new() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send("GET", path, &[("sec-fetch-site", "none")], b"").await
    }

    /// Sends a form of the page that was shown last.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let csrf = self.csrf.clone();
        let fields: Vec<(&str, &str)> =
            fields.iter().copied().chain([("csrf", csrf.as_str())]).collect();
        self.post_as("same-origin", path, &fields).await
    }

    /// Sends a form as it is, from the site that the browser says.
    pub(crate) async fn post_as(
        &mut self,
        from: &str,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Page {
        let body = form(fields);
        let headers =
            [("sec-fetch-site", from), ("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", path, &headers, body.as_bytes()).await
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Page {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let host = self.host.clone();
        let mut all = vec![
            ("host", host.as_str()),
            ("accept", "text/html"),
            ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"),
        ];
        if !cookies.is_empty() {
            all.push(("cookie", cookies.as_str()));
        }
        all.extend_from_slice(headers);
        let answer = Client::to(self.address).await.call(method, path, &all, body).await;
        self.keep(&answer);
        let body = answer.body.clone();
        if let Some((_, rest)) = body.split_once("name=\"csrf\" value=\"") {
            self.csrf = rest.split('"').next().unwrap_or_default().to_owned();
        }
        Page {
            status: answer.status,
            location: answer.header("location").map(str::to_owned),
            body,
            answer,
        }
    }

    fn keep(&mut self, answer: &Answer) {
        for (_, line) in answer.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let (pair, rest) = line.split_once(';').unwrap_or((line, ""));
            let (name, value) = pair.split_once('=').expect("a cookie");
            if rest.to_lowercase().contains("max-age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Says yes to the account that the Okta page would link.
    pub(crate) async fn link_shown(&mut self) -> Page {
        let page = self.get("/integrations/okta").await;
        let (_, rest) = page.body.split_once("name=\"okta_user\" value=\"").unwrap_or_default();
        let user = rest.split('"').next().unwrap_or_default().to_owned();
        self.post("/integrations/okta/link", &[("okta_user", &user)]).await
    }

    /// Goes on within the site until there is a page, or it is sent elsewhere.
    pub(crate) async fn go(&mut self, path: &str) -> Page {
        let mut page = self.get(path).await;
        for _ in 0..5 {
            match page.location.as_deref() {
                Some(to) if to.starts_with('/') => {
                    let to = to.to_owned();
                    page = self.get(&to).await;
                }
                _ => break,
            }
        }
        page
    }
}

/// A form's body, or a query.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        body.append_pair(name, value);
    }
    body.finish()
}
