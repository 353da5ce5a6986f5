//! Traces: they arrive at a collector, and a collector that is away disturbs nothing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use crate::support::{Home, Okta, connect};

/// A collector: gives the head and the body of each call, and answers `status`.
fn collector(status: &'static str) -> (u16, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut read = Vec::new();
            let mut chunk = [0; 16 * 1024];
            let body_at = |read: &[u8]| read.windows(4).position(|four| four == b"\r\n\r\n");
            let whole = |read: &[u8]| {
                let at = body_at(read)? + 4;
                let head = String::from_utf8_lossy(&read[..at]).to_lowercase();
                let length = head.split("content-length: ").nth(1)?.lines().next()?;
                let length: usize = length.trim().parse().ok()?;
                (read.len() >= at + length).then_some((head, read[at..].to_vec()))
            };
            let call = loop {
                match stream.read(&mut chunk) {
                    Ok(0) | Err(_) => break None,
                    Ok(n) => read.extend_from_slice(&chunk[..n]),
                }
                if let Some(call) = whole(&read) {
                    break Some(call);
                }
            };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            // Whoever sent it may be gone.
            let _ = stream.write_all(answer.as_bytes());
            if let Some(call) = call
                && tell.send(call).is_err()
            {
                return;
            }
        }
    });
    (port, told)
}

fn holds(body: &[u8], text: &str) -> bool {
    body.windows(text.len()).any(|part| part == text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_traced_with_its_calls_and_without_secrets() {
    let okta = Okta::fernhill().await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    let (port, told) = collector("200 OK");
    home.set("MUSTER_OTLP_URL", &format!("http://ana:hunter2@127.0.0.1:{port}"));
    home.line("okta sync fernhill").done();
    let calls: Vec<_> = told.try_iter().collect();
    assert!(!calls.is_empty(), "everything is sent before the program ends");
    let mut all = Vec::new();
    for (head, body) in &calls {
        assert!(head.starts_with("post /v1/traces "), "{head}");
        assert!(head.contains("application/x-protobuf"), "{head}");
        assert!(head.contains("authorization: basic "), "{head}");
        all.extend_from_slice(body);
    }
    for word in ["service.name", "muster", "run", "okta", "doing", "attempt"] {
        assert!(holds(&all, word), "no {word:?} in the traces");
    }
    let token = okta.org().api_token();
    assert!(!holds(&all, &token) && !holds(&all, "@fernhill.example"), "traces name nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_disturbs_nothing_and_its_key_is_not_told() {
    let okta = Okta::fernhill().await;
    let mut home = Home::sqlite();
    connect(&mut home, &okta);
    // Nobody listens on a port that was given back; another one answers with an error.
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    let (refusing, _told) = collector("503 Service Unavailable");
    for port in [gone, refusing] {
        home.set("MUSTER_OTLP_URL", &format!("http://127.0.0.1:{port}/v1/traces?key=hunter2"));
        let done = home.line("okta sync fernhill").done();
        assert!(done.err.contains("traces do not arrive"), "{}", done.err);
        assert!(!done.err.contains("hunter2") && !done.out.contains("hunter2"), "{}", done.err);
    }
}
