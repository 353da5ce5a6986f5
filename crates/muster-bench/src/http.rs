//! A connection that is kept and used for one call after the other: the benchmarks' own cost must be small.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One connection.
pub(crate) struct Line {
    stream: TcpStream,
    answer: Vec<u8>,
}

/// What was answered.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// The values of a header; its name in lower case.
    pub(crate) fn header<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h str> {
        let head = std::str::from_utf8(self.head).unwrap_or_default();
        head.lines().filter_map(move |line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Line {
    pub(crate) async fn open(at: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(at).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::new() })
    }

    /// Sends a whole call and reads its answer, which must say its length.
    pub(crate) async fn call(&mut self, call: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(call).await?;
        self.answer.clear();
        let head = loop {
            if let Some(end) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.more().await?;
        };
        let text = std::str::from_utf8(&self.answer[..head])?.to_ascii_lowercase();
        let status =
            text.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status")?;
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(Ok(0), |length| length.trim().parse::<usize>())?;
        while self.answer.len() < head + length {
            self.more().await?;
        }
        let (head, rest) = self.answer.split_at(head);
        Ok(Answer { status, head, body: &rest[..length] })
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        let read = self.stream.read_buf(&mut self.answer).await?;
        ensure!(read > 0, "the server hung up");
        Ok(())
    }
}

/// A call with a JSON body, or none, as a whole.
pub(crate) fn json_call(
    method: &str,
    path: &str,
    host: SocketAddr,
    body: &serde_json::Value,
) -> Vec<u8> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    format!(
        "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
