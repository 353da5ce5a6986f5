//! A mail server on loopback: it speaks SMTP, keeps what it is given, and can be told to be difficult.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use mailin::response::{AUTH_OK, INTERNAL_ERROR, INVALID_CREDENTIALS, NO_MAILBOX, OK};
use mailin::{Action, AuthMechanism, Handler, Response, SessionBuilder};

/// A letter as it arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// Headers, an empty line, and the text as it was sent.
    pub(crate) text: String,
    /// Who signed in before sending it.
    pub(crate) user: Option<String>,
}

impl Arrived {
    /// The value of a header; it must not be folded.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// What is read of it, however it was encoded.
    pub(crate) fn body(&self) -> String {
        let (_, body) = self.text.split_once("\r\n\r\n").unwrap_or_default();
        assert!(
            self.header("Content-Transfer-Encoding").is_none_or(|how| how == "7bit"),
            "{}",
            self.text
        );
        body.replace("\r\n", "\n")
    }
}

#[derive(Default)]
struct State {
    arrived: Vec<Arrived>,
    /// Nothing is taken now.
    down: bool,
    /// Nobody of this name lives here.
    unknown: Vec<String>,
    /// User and password that must be shown.
    password: Option<(String, String)>,
}

/// The server; it ends with the test's process.
#[derive(Clone)]
pub(crate) struct PostOffice {
    state: Arc<Mutex<State>>,
    port: u16,
}

impl PostOffice {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let office = Self { state: Arc::default(), port };
        let own = office.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.serve(&stream));
            }
        });
        office
    }

    /// Its address, without user and password.
    pub(crate) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What arrived since the last time it was taken.
    pub(crate) fn take(&self) -> Vec<Arrived> {
        std::mem::take(&mut self.state().arrived)
    }

    /// From now on nothing is taken, or everything is again.
    pub(crate) fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    /// Nobody has this address.
    pub(crate) fn does_not_know(&self, email: &str) {
        self.state().unknown.push(email.to_owned());
    }

    /// Whoever sends must sign in.
    pub(crate) fn wants(&self, user: &str, password: &str) {
        self.state().password = Some((user.to_owned(), password.to_owned()));
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: &TcpStream) {
        let mut builder = SessionBuilder::new("post.example");
        if self.state().password.is_some() {
            builder.enable_auth(AuthMechanism::Plain).insecure_enable_plaintext_auth();
        }
        let counter =
            Counter { office: self.clone(), letter: Arrived::default(), bytes: Vec::new() };
        let remote = stream.peer_addr().expect("a peer").ip();
        let mut session = builder.build(remote, counter);
        let mut reader = BufReader::new(stream);
        let greeting = session.greeting().buffer().expect("a greeting");
        let mut ended = stream.write_all(&greeting).is_err();
        let mut line = Vec::new();
        while !ended {
            line.clear();
            if reader.read_until(b'\n', &mut line).unwrap_or(0) == 0 {
                return;
            }
            let answer = session.process(&line);
            if answer.action != Action::NoReply {
                let text = answer.buffer().expect("an answer");
                ended = stream.write_all(&text).is_err() || answer.action == Action::Close;
            }
        }
    }
}

/// One conversation at the counter.
struct Counter {
    office: PostOffice,
    letter: Arrived,
    bytes: Vec<u8>,
}

impl Handler for Counter {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, from: &str) -> Response {
        let user = self.letter.user.take();
        self.letter = Arrived { from: from.to_owned(), user, ..Arrived::default() };
        self.bytes.clear();
        if self.office.state().down { INTERNAL_ERROR } else { OK }
    }

    fn rcpt(&mut self, to: &str) -> Response {
        if self.office.state().unknown.iter().any(|unknown| unknown == to) {
            return NO_MAILBOX;
        }
        self.letter.to.push(to.to_owned());
        OK
    }

    fn data(&mut self, buffer: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(buffer);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.letter.text = String::from_utf8_lossy(&self.bytes).into_owned();
        self.office.state().arrived.push(self.letter.clone());
        OK
    }

    fn auth_plain(&mut self, _as_whom: &str, user: &str, password: &str) -> Response {
        let given = Some((user.to_owned(), password.to_owned()));
        if self.office.state().password != given {
            return INVALID_CREDENTIALS;
        }
        self.letter.user = Some(user.to_owned());
        AUTH_OK
    }
}
