//! The program as a child process that is listened to, killed, frozen and thawed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use super::gate::{Gate, Held};

/// How long a child may be silent before the test gives it up. Never part of what a test shows.
const PATIENCE: Duration = Duration::from_mins(2);

/// Where the program obeys a test (a debug build does): `tell`, `before:N`, `after:N`.
pub(super) const HOLD_AT_COMMIT: &str = "MUSTER_TEST_HOLD_AT_COMMIT";

/// Something that happened to a child or to a call of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A line on stderr.
    Said(String),
    /// Its stderr ended, and so did the child.
    Ended,
    /// The call that is kept back arrived.
    Called,
}

/// A child that runs.
pub(super) struct Running {
    child: Child,
    events: Receiver<Event>,
    said: Vec<String>,
    out: Option<JoinHandle<String>>,
}

/// What became of a child.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) out: String,
    pub(super) said: Vec<String>,
}

impl Running {
    /// Starts the program and listens to it.
    pub(super) fn start(command: Command) -> Self {
        let (teller, events) = channel();
        Self::start_told(command, teller, events)
    }

    /// Starts the program and keeps back the answer to one of its calls, by its number; [`Event::Called`] says that it came.
    pub(super) fn start_held(command: Command, gate: &Gate, call: usize) -> (Self, Held) {
        let (teller, events) = channel();
        gate.count_anew();
        let held = gate.hold(call, teller.clone());
        (Self::start_told(command, teller, events), held)
    }

    fn start_told(mut command: Command, teller: Sender<Event>, events: Receiver<Event>) -> Self {
        let spawned =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.expect("started");
        let (mut stdout, stderr) =
            (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        // Read at once: a child whose pipe is full stands still.
        let out = std::thread::spawn(move || {
            let mut out = String::new();
            stdout.read_to_string(&mut out).expect("text");
            out
        });
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if teller.send(Event::Said(line)).is_err() {
                    return;
                }
            }
            // Whoever no longer listens does not miss it.
            let _ = teller.send(Event::Ended);
        });
        Self { child, events, said: Vec::new(), out: Some(out) }
    }

    /// Waits for an event that `wanted` knows; false when the child ended before.
    pub(super) fn wait_for(&mut self, wanted: impl Fn(&Event) -> bool) -> bool {
        loop {
            let event = self.events.recv_timeout(PATIENCE);
            let event = event
                .unwrap_or_else(|_| panic!("nothing happened for long; it said {:?}", self.said));
            let found = wanted(&event);
            let ended = event == Event::Ended;
            if let Event::Said(line) = event {
                self.said.push(line);
            }
            if found || ended {
                return found;
            }
        }
    }

    /// Waits for a line that holds `text`; false when the child ended without it.
    pub(super) fn wait_for_line(&mut self, text: &str) -> bool {
        self.wait_for(|event| matches!(event, Event::Said(line) if line.contains(text)))
    }

    /// What it said so far.
    pub(super) fn said(&self) -> &[String] {
        &self.said
    }

    /// SIGKILL: the child has no say in it. True if it was still alive.
    pub(super) fn kill(mut self) -> bool {
        self.child.kill().expect("a signal");
        // No code: a signal ended it. It may also have ended by itself a moment before.
        self.child.wait().expect("its end").code().is_none()
    }

    /// SIGSTOP: it stands still wherever it is, and does not know.
    pub(super) fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub(super) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        // The standard library can only kill.
        let sent =
            Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.expect("the program `kill`").success());
    }

    /// Lets a child go on that holds at a commit.
    pub(super) fn go_on(&mut self) {
        self.child.stdin.as_mut().expect("piped").write_all(b"\n").expect("it waits for a line");
    }

    /// Waits for its own end.
    pub(super) fn end(mut self) -> Ended {
        self.wait_for(|event| *event == Event::Ended);
        let out = self.out.take().expect("taken once").join().expect("text");
        let status = self.child.wait().expect("its end");
        Ended { status, out, said: std::mem::take(&mut self.said) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nobody behind; a child that ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Insists on an exit code.
    #[track_caller]
    pub(super) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.status.code(),
            Some(code),
            "it printed\n{}\nand said {:#?}",
            self.out,
            self.said
        );
        self
    }

    /// The first JSON object that it printed.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        let line = self.out.lines().next().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|bad| panic!("{bad}: it printed {:?}", self.out))
    }
}
