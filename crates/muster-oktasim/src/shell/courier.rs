//! Calls event hooks and endpoints of global token revocation: a small HTTP/1.1 client, because nothing more is needed to reach a server on loopback.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::clock;
use crate::handle::OrgHandle;
use crate::state::hooks::{HookCall, Outcome, TIMEOUT_SECONDS};

/// How often the outbox is looked into.
const PERIOD_MS: u64 = 25;
/// The most that is read of an answer.
const ANSWER_MAX: u64 = 64 * 1024;

/// Delivers what is due, until the task is dropped. Deliveries to a slow hook do not hold up the others.
pub(super) async fn run(org: OrgHandle) {
    let mut under_way = JoinSet::new();
    loop {
        for delivery in org.take_deliveries(clock::now()) {
            let org = org.clone();
            under_way.spawn(async move {
                let outcome = call(&delivery.call).await;
                org.delivered(delivery, &outcome, clock::now());
            });
        }
        for revocation in org.take_revocations(clock::now()) {
            let org = org.clone();
            under_way.spawn(async move {
                let outcome = call(&revocation.call).await;
                org.revoked(&revocation, &outcome, clock::now());
            });
        }
        while under_way.try_join_next().is_some() {}
        clock::wait(PERIOD_MS).await;
    }
}

/// Makes one call, with Okta's timeout.
pub(super) async fn call(call: &HookCall) -> Outcome {
    match timeout(Duration::from_secs(TIMEOUT_SECONDS), exchange(call)).await {
        Err(_) => Outcome::TimedOut,
        Ok(None) => Outcome::Unreachable,
        Ok(Some((status, body))) => Outcome::Answered(status, body),
    }
}

async fn exchange(call: &HookCall) -> Option<(u16, Vec<u8>)> {
    let url = url::Url::parse(&call.uri).ok()?;
    if url.scheme() != "http" {
        return None;
    }
    let host = url.host_str()?.to_owned();
    if !matches!(host.as_str(), "localhost" | "127.0.0.1") && !host.ends_with(".localhost") {
        return None;
    }
    let port = url.port_or_known_default()?;
    // Browsers resolve `*.localhost` to loopback, resolvers often do not.
    let address =
        if host == "localhost" || host.ends_with(".localhost") { "127.0.0.1" } else { &host };
    let mut stream = TcpStream::connect((address, port)).await.ok()?;
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let method = if call.body.is_empty() { "GET" } else { "POST" };
    let mut head =
        format!("{method} {target} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n");
    for (name, value) in &call.headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    if !call.body.is_empty() {
        head.extend(["content-length: ", &call.body.len().to_string(), "\r\n"]);
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&call.body).await.ok()?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).await.ok()?;
    read(&answer)
}

/// Status and body of a whole answer.
fn read(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?.to_ascii_lowercase();
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let body = &answer[end + 4..];
    if head.lines().any(|line| line.starts_with("transfer-encoding:") && line.contains("chunked")) {
        return Some((status, joined(body)));
    }
    Some((status, body.to_vec()))
}

/// The chunks of a chunked body, put together.
fn joined(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..line])
            .ok()
            .map(|text| text.split(';').next().unwrap_or_default().trim());
        let size = size.and_then(|text| usize::from_str_radix(text, 16).ok()).unwrap_or_default();
        let Some(chunk) = rest.get(line + 2..line + 2 + size) else { break };
        if size == 0 {
            break;
        }
        body.extend_from_slice(chunk);
        rest = rest.get(line + 2 + size + 2..).unwrap_or_default();
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_whole_or_in_chunks() {
        let chunked: &[u8] =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n";
        assert_eq!(read(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((204, Vec::new())));
        assert_eq!(
            read(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"),
            Some((200, b"{}".to_vec()))
        );
        assert_eq!(read(chunked), Some((200, b"{}".to_vec())));
        assert_eq!(read(b"nonsense"), None);
    }
}
