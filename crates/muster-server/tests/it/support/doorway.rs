//! Something that listens where the hook's door would be, and answers Okta's verification, or does not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    /// As Okta wants it.
    Right,
    /// With a page of HTML.
    Html,
}

/// It ends with the test's process.
#[derive(Clone)]
pub(crate) struct Doorway {
    port: u16,
    state: Arc<Mutex<(Answers, Vec<String>)>>,
}

impl Doorway {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(Mutex::new((Answers::Right, Vec::new())));
        let own = Arc::clone(&state);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut challenge = String::new();
                let mut secret = String::new();
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                for line in lines.take_while(|line| !line.is_empty()) {
                    let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
                    match name.to_lowercase().as_str() {
                        "x-okta-verification-challenge" => value.clone_into(&mut challenge),
                        "authorization" => value.clone_into(&mut secret),
                        _ => {}
                    }
                }
                let mut state = own.lock().unwrap_or_else(PoisonError::into_inner);
                state.1.push(secret);
                let body = match state.0 {
                    Answers::Right => format!("{{\"verification\":\"{challenge}\"}}"),
                    Answers::Html => "<html>".to_owned(),
                };
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
                );
                // Whoever asked may be gone.
                let _ = stream.write_all(format!("{head}{body}").as_bytes());
            }
        });
        Self { port, state }
    }

    /// The public URL of an installation whose door this is.
    pub(crate) fn public_url(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub(crate) fn answers(&self, how: Answers) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = how;
    }

    /// The secrets that were shown since the last time they were taken, one a call.
    pub(crate) fn take_secrets(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner).1)
    }
}
