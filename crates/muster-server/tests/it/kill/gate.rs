//! A simulated Okta behind a gate: it counts the calls, and keeps back the answer to one of them for as long as a test wants.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use muster_oktasim::{Org, OrgHandle, Reply, Request};
use muster_server::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::process::Event;

/// An org served on loopback until it is dropped.
pub(super) struct Gate {
    org: OrgHandle,
    base: String,
    book: Arc<Mutex<Book>>,
    answers: Answers,
    _server: JoinSet<()>,
}

/// Answers by what was asked. Nobody changes the org while a story is told again and again, so the simulator need not make
/// the same answer again.
type Answers = Arc<Mutex<BTreeMap<String, Reply>>>;

/// What was asked so far, and what is to be kept back.
#[derive(Default)]
struct Book {
    targets: Vec<String>,
    wanted: Option<Wanted>,
}

struct Wanted {
    call: Which,
    told: Sender<Event>,
    release: oneshot::Receiver<()>,
}

/// Which call is kept back.
enum Which {
    /// By its number.
    Number(usize),
    /// The first whose path and query hold this.
    Holding(String),
}

/// Lets the call that is kept back go on when it is dropped.
pub(super) struct Held(
    #[expect(dead_code, reason = "dropping it is the message")] oneshot::Sender<()>,
);

impl Gate {
    /// Serves an org.
    pub(super) async fn open(mut org: Org) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("its address"));
        org.base.clone_from(&base);
        let org = OrgHandle::new(org);
        let book = Arc::new(Mutex::new(Book::default()));
        let answers = Answers::default();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, org.clone(), Arc::clone(&book), Arc::clone(&answers)));
        Self { org, base, book, answers, _server: server }
    }

    /// The org; whoever changes it lets the answers be made anew by [`Self::changed`].
    pub(super) fn org(&self) -> &OrgHandle {
        &self.org
    }

    /// The org is another one than before.
    pub(super) fn changed(&self) {
        locked(&self.answers).clear();
    }

    /// Scheme, host and port.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Forgets the calls so far: the next one is number 1.
    pub(super) fn count_anew(&self) {
        *self.book() = Book::default();
    }

    /// Path and query of the calls since they were counted anew.
    pub(super) fn calls(&self) -> Vec<String> {
        self.book().targets.clone()
    }

    /// Keeps back the answer to a call, by its number, and says on `told` that it arrived.
    pub(super) fn hold(&self, call: usize, told: Sender<Event>) -> Held {
        self.keep_back(Which::Number(call), told)
    }

    /// Keeps back the answer to the next call whose path and query hold `part`. It is the answer of when the call came.
    pub(super) fn hold_next(&self, part: &str, told: Sender<Event>) -> Held {
        self.keep_back(Which::Holding(part.to_owned()), told)
    }

    fn keep_back(&self, call: Which, told: Sender<Event>) -> Held {
        let (held, release) = oneshot::channel();
        self.book().wanted = Some(Wanted { call, told, release });
        Held(held)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        locked(&self.book)
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, org: OrgHandle, book: Arc<Mutex<Book>>, answers: Answers) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        // A caller that was killed is no concern of the others.
        let (org, book, answers) = (org.clone(), Arc::clone(&book), Arc::clone(&answers));
        connections.spawn(async move { drop(converse(stream, &org, &book, &answers).await) });
        while connections.try_join_next().is_some() {}
    }
}

/// Answers the requests of one connection. All of them are GET: nothing is read behind a head.
async fn converse(
    mut stream: TcpStream,
    org: &OrgHandle,
    book: &Mutex<Book>,
    answers: &Answers,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end + 4);
        let request = request(&head);
        let release = arrive(book, &request.target);
        let known = locked(answers).get(&key(&request.target)).cloned();
        let reply = known.unwrap_or_else(|| org.handle(&request, Clock::Wall.now()));
        locked(answers).insert(key(&request.target), reply.clone());
        if let Some(release) = release {
            // An error says that the other end was dropped, which is how it lets go.
            let _ = release.await;
        }
        let mut answer = format!(
            "HTTP/1.1 {} Simulated\r\ncontent-length: {}\r\n",
            reply.status,
            reply.body.len()
        );
        for (name, value) in &reply.headers {
            answer.extend([*name, ": ", value, "\r\n"]);
        }
        answer.push_str("\r\n");
        stream.write_all(answer.as_bytes()).await?;
        stream.write_all(&reply.body).await?;
    }
}

/// What tells questions apart. The stretch of time for which the log is read is always another, and holds the same.
fn key(target: &str) -> String {
    let moving = |word: &&str| !word.starts_with("since=") && !word.starts_with("until=");
    target.split(['?', '&']).filter(moving).collect::<Vec<_>>().join("&")
}

fn arrive(book: &Mutex<Book>, target: &str) -> Option<oneshot::Receiver<()>> {
    let mut book = locked(book);
    book.targets.push(target.to_owned());
    let number = book.targets.len();
    let wanted = book.wanted.take_if(|wanted| match &wanted.call {
        Which::Number(wanted) => *wanted == number,
        Which::Holding(part) => target.contains(part.as_str()),
    })?;
    // A test that no longer listens does not want to hold either.
    wanted.told.send(Event::Called).ok().map(|()| wanted.release)
}

fn request(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let target = first.strip_prefix("GET ").and_then(|rest| rest.split(' ').next());
    let request = Request::get(target.unwrap_or_else(|| panic!("{first:?} is no GET")));
    lines
        .filter_map(|line| line.split_once(": "))
        .fold(request, |request, (name, value)| request.with(name, value))
}
