//! A child process whose output is collected line by line, and which dies with its handle.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::wait::{Deadline, PATIENCE, until};

/// How a process ended, with all that it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub stdout: Vec<String>,
    pub stderr: Vec<String>,
}

impl Ended {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
}

/// Lines that a reading thread appends and tests wait for.
#[derive(Default)]
struct Lines {
    state: Mutex<Collected>,
    changed: Condvar,
}

#[derive(Default)]
struct Collected {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn collect(source: impl std::io::Read + Send + 'static) -> Arc<Self> {
        let lines = Arc::new(Self::default());
        let filled = Arc::clone(&lines);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(source);
            let mut bytes = Vec::new();
            while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
                let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
                filled.state.lock().unwrap().lines.push(line);
                filled.changed.notify_all();
                bytes.clear();
            }
            filled.state.lock().unwrap().ended = true;
            filled.changed.notify_all();
        });
        lines
    }

    fn all(&self) -> Vec<String> {
        self.state.lock().unwrap().lines.clone()
    }

    /// The first line at or after `from` that satisfies `wanted`, and the index after it; `None`
    /// when the deadline passes or the output ends without one.
    fn wait(
        &self,
        from: usize,
        deadline: Deadline,
        wanted: impl Fn(&str) -> bool,
    ) -> Option<(usize, String)> {
        let mut state = self.state.lock().unwrap();
        loop {
            let found = state.lines.iter().enumerate().skip(from).find(|(_, line)| wanted(line));
            if let Some((index, line)) = found {
                return Some((index + 1, line.clone()));
            }
            if state.ended || deadline.passed() {
                return None;
            }
            state = self.changed.wait_timeout(state, deadline.left()).unwrap().0;
        }
    }
}

/// A running child. Dropping it kills it (by its handle, so never another process).
pub struct Process {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Arc<Lines>,
    stderr: Arc<Lines>,
}

impl Process {
    /// Starts `command` with all three standard streams connected to this handle.
    pub fn spawn(name: &str, mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {name} ({command:?}): {e}"));
        Self {
            name: name.to_owned(),
            stdin: child.stdin.take(),
            stdout: Lines::collect(child.stdout.take().unwrap()),
            stderr: Lines::collect(child.stderr.take().unwrap()),
            child,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&self) -> Vec<String> {
        self.stdout.all()
    }

    pub fn stderr(&self) -> Vec<String> {
        self.stderr.all()
    }

    /// Writes one line to the child's standard input.
    pub fn write_line(&self, line: &str) {
        let mut stdin = self.stdin.as_ref().expect("standard input is open");
        let written = stdin.write_all(line.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
        written.and_then(|()| stdin.flush()).unwrap_or_else(|e| {
            panic!("{} takes no more input: {e}\n{}", self.name, self.transcript())
        });
    }

    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Waits for a line of standard output; returns it with the index of the line after it.
    pub fn stdout_line(
        &self,
        what: &str,
        from: usize,
        patience: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> (usize, String) {
        self.stdout.wait(from, Deadline::after(patience), wanted).unwrap_or_else(|| {
            panic!("{} never printed {what}; it said:\n{}", self.name, self.transcript())
        })
    }

    /// Waits for a line on standard error, where logs go.
    pub fn log_line(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let found = self.stderr.wait(0, Deadline::after(PATIENCE), wanted);
        let failed =
            || panic!("{} never logged {what}; it said:\n{}", self.name, self.transcript());
        found.unwrap_or_else(failed).1
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// SIGKILL: a crash.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by name ("TERM", "INT", "STOP", "CONT").
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([format!("-{signal}"), self.id().to_string()])
            .status()
            .expect("the kill command runs");
        assert!(status.success(), "cannot signal {}", self.name);
    }

    /// Waits until the process has ended by itself, and returns all that it said.
    pub fn ended(mut self) -> Ended {
        self.close_stdin();
        let what = format!("{} ends by itself", self.name);
        let child = &mut self.child;
        let status = until(&what, PATIENCE, || child.try_wait().expect("a child can be awaited"));
        for lines in [&self.stdout, &self.stderr] {
            lines.wait(0, Deadline::after(PATIENCE), |_| false);
        }
        Ended { status, stdout: self.stdout.all(), stderr: self.stderr.all() }
    }

    /// A number of `/proc/PID/status`: kilobytes for `VmRSS`, a count for `Threads`.
    pub fn status_number(&self, key: &str) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
        let line = text.lines().find(|line| line.starts_with(key)).expect("a known key");
        let digits: String = line.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("a number")
    }

    /// All that the process said so far, for the message of a failure.
    pub fn transcript(&self) -> String {
        format!(
            "--- standard output\n{}\n--- standard error\n{}",
            self.stdout.all().join("\n"),
            self.stderr.all().join("\n")
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("{} said:\n{}", self.name, self.transcript());
        }
    }
}
