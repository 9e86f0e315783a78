//! The process of another cache: it prints "ready", and answers each line with a line.
//!
//! Bounds the wait for its answers: a process that ends, hangs or prints something else is an
//! error, and does not block the benchmark.

use std::{
    error::Error,
    fmt::Display,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// Some have to load an interpreter first.
#[allow(dead_code, reason = "tests have less patience")]
pub(crate) const START: Duration = Duration::from_secs(60);

pub(crate) struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl Process {
    /// Waits until it prints "ready".
    pub(crate) fn start(command: &mut Command, patience: Duration) -> Result<Self, Box<dyn Error>> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, said) = pipes.ok_or("no pipes")?;
        let (hear, answers) = channel();
        // Reads in a separate thread, since a pipe cannot be read with a timeout. The thread ends
        // with the process.
        thread::spawn(move || {
            let mut lines = BufReader::new(said).lines().map_while(Result::ok);
            lines.try_for_each(|line| hear.send(line))
        });
        let mut process = Self {
            child,
            orders,
            answers,
        };
        match process.answer(patience)?.as_str() {
            "ready" => Ok(process),
            other => Err(format!("it said {other:?} and not that it is ready").into()),
        }
    }

    /// A process that has ended does not read this; that shows when its answer is missing.
    pub(crate) fn tell(&mut self, order: impl Display) {
        let _ = writeln!(self.orders, "{order}");
    }

    /// Its next line.
    pub(crate) fn answer(&mut self, patience: Duration) -> Result<String, Box<dyn Error>> {
        let line = self.answers.recv_timeout(patience);
        line.map_err(|error| match error {
            RecvTimeoutError::Timeout => format!("it said nothing for {patience:?}").into(),
            RecvTimeoutError::Disconnected => "it gave up".into(),
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
