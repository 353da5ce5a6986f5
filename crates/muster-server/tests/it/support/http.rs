//! A small HTTP client that can also misbehave.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// One connection that is kept.
pub(crate) struct Client {
    stream: TcpStream,
    /// Bytes that were read beyond the last answer.
    rest: Vec<u8>,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("an option");
        Self { stream, rest: Vec::new() }
    }

    /// One call and its answer.
    pub(crate) async fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.try_call(method, path, headers, body).await.expect("an answer")
    }

    /// The same; `None` when the server hung up.
    pub(crate) async fn try_call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<Answer> {
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        // One write, as an HTTP client makes it for a small body. A server that turns somebody away by the head may hang up
        // during a large one.
        let whole = [head.as_bytes(), body].concat();
        let written = self.stream.write_all(&whole).await;
        let answer = self.read(method == "HEAD").await;
        assert!(written.is_ok() || answer.is_some() || !body.is_empty(), "{written:?}");
        answer
    }

    /// Sends bytes as they are.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("sent");
    }

    /// The next answer; `None` when the server hung up.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        self.read(false).await
    }

    async fn read(&mut self, head_only: bool) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            self.more().await?;
        };
        let head = String::from_utf8(self.rest[..end].to_vec()).expect("text");
        self.rest.drain(..end + 4);
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let length = length.filter(|_| !head_only);
        let length: usize = length.map_or(0, |(_, value)| value.parse().expect("a length"));
        while self.rest.len() < length {
            self.more().await?;
        }
        let body = self.rest.drain(..length).collect();
        let body = String::from_utf8(body).expect("text");
        Some(Answer { status: status.parse().expect("a number"), headers, body })
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => None,
            Ok(n) => {
                self.rest.extend_from_slice(&buffer[..n]);
                Some(())
            }
        }
    }
}
