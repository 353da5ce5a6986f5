//! Calls of event hooks as Okta makes them.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use anyhow::ensure;

use crate::http::Line;
use crate::service::time;

/// What every hook of the benchmarks shows in `Authorization`.
pub(crate) const SECRET: &str = "the-secret-of-the-bench";

/// Writes one call with one event about one person. `series` and `n` make its ids; `published` is its time as Okta writes it.
pub(crate) fn write_call(
    call: &mut Vec<u8>,
    slug: &str,
    user: &str,
    series: usize,
    n: u64,
    published: &str,
) -> anyhow::Result<()> {
    let body = format!(
        r#"{{"eventType":"com.okta.event_hook","eventTypeVersion":"1.0","cloudEventsVersion":"0.1","source":"https://bench.okta.com/api/v1/eventHooks/who10jf3dotVCGgaj4x7","eventId":"33b5bedc-ea7a-4503-{series:04}-{n:012}","data":{{"events":[{{"uuid":"2d050e48-fc0a-11ea-{series:04}-{n:012}","published":"{published}","eventType":"user.account.update_profile","version":"0","displayMessage":"Update user profile for Okta","severity":"INFO","client":{{"userAgent":{{"rawUserAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36","os":"Linux","browser":"CHROME"}},"zone":"null","device":"Computer","id":null,"ipAddress":"203.0.113.7","ipChain":[{{"ip":"203.0.113.7","version":"V4","source":null}}]}},"device":null,"actor":{{"id":"00u2yuxqc4rUOtf3J4x6","type":"User","alternateId":"admin@bench.example","displayName":"Admin","detailEntry":null}},"outcome":{{"result":"SUCCESS","reason":null}},"target":[{{"id":"{user}","type":"User","alternateId":"somebody@bench.example","displayName":"Some Body","detailEntry":null}}],"transaction":{{"type":"WEB","id":"X2iS8n2fG9uJ","detail":{{}}}},"debugContext":{{"debugData":{{"requestUri":"/api/v1/users/00u","threatSuspected":"false","changedAttributes":"title,department"}}}},"legacyEventType":"core.user.config.profile_update.success","authenticationContext":{{"authenticationProvider":null,"authenticationStep":0,"externalSessionId":"trsZmgqz3lkS7ezRi"}},"securityContext":{{}},"insertionTimestamp":null}}]}},"eventTime":"2026-11-23T12:58:52.580Z","contentType":"application/json"}}"#
    );
    call.clear();
    write!(
        call,
        "POST /webhooks/okta HTTP/1.1\r\nhost: {slug}.bench.example\r\nauthorization: {SECRET}\r\naccept: application/json\r\n\
         content-type: application/json\r\nuser-agent: Okta Hook Service v1.0.0 - who10jf3dotVCGgaj4x7\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}

/// Delivers over connections that are kept, as many as are needed at once.
pub(crate) struct Courier {
    to: SocketAddr,
    lines: Mutex<Vec<Line>>,
}

impl Courier {
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self { to, lines: Mutex::new(Vec::new()) }
    }

    /// Delivers one event and waits for the answer, which must be 204.
    pub(crate) async fn deliver(
        &self,
        slug: &str,
        user: &str,
        series: usize,
        n: u64,
    ) -> anyhow::Result<()> {
        let mut call = Vec::new();
        write_call(&mut call, slug, user, series, n, &format!("{:.3}", time()))?;
        let kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner).pop();
        // The service ends a line that was idle for long; a delivery that comes twice counts once.
        if let Some(line) = kept
            && let Ok(status) = self.over(line, &call).await
        {
            ensure!(status == 204, "not stored: {status}");
            return Ok(());
        }
        let status = self.over(Line::open(self.to).await?, &call).await?;
        ensure!(status == 204, "not stored: {status}");
        Ok(())
    }

    /// Calls over a line and keeps it for the next one.
    async fn over(&self, mut line: Line, call: &[u8]) -> anyhow::Result<u16> {
        let status = line.call(call).await?.status;
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        Ok(status)
    }
}
