//! The program as a child process that serves.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

/// A child that runs until it is ended; dropped, it is killed.
pub(crate) struct Program {
    child: Child,
    out: BufReader<ChildStdout>,
    said: Option<JoinHandle<Vec<String>>>,
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("started");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let err = BufReader::new(child.stderr.take().expect("piped"));
        // Read at once: a child whose pipe is full stands still.
        let said = std::thread::spawn(move || err.lines().map_while(Result::ok).collect());
        Self { child, out, said: Some(said) }
    }

    /// The next line that it prints; waits for it.
    pub(crate) fn first_line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).expect("text");
        assert!(!line.is_empty(), "it ended: {:?}", self.said.take().map(JoinHandle::join));
        line
    }

    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGSTOP: it stands still wherever it is, and does not know.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        // The standard library can only kill.
        let id = self.id().to_string();
        let sent = Command::new("kill").arg(format!("-{name}")).arg(id).status();
        assert!(sent.expect("the program `kill`").success());
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("asked").is_none()
    }

    /// SIGKILL: the child has no say in it.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a signal");
        self.child.wait().expect("its end");
    }

    /// Asks it to stop, and insists on its exit code; gives what it said.
    pub(crate) fn end_by(mut self, signal: &str, code: i32) -> Vec<String> {
        self.signal(signal);
        let status = self.child.wait().expect("its end");
        let said = self.said.take().expect("once").join().expect("text");
        assert_eq!(status.code(), Some(code), "{said:#?}");
        said
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // One that ended already cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
