//! Another cache's process: it says "ready", is told lines, and answers each with a line.
//!
//! Owns how long is waited for it: one that ends, hangs or says something else is an error, and never a benchmark without an end.

use std::{
    error::Error,
    fmt::Display,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

/// Some load a whole language before they are ready.
#[allow(dead_code, reason = "tests have less patience")]
pub(crate) const START: Duration = Duration::from_secs(60);

pub(crate) struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl Process {
    /// Waits until it says that it is ready.
    pub(crate) fn start(command: &mut Command, patience: Duration) -> Result<Self, Box<dyn Error>> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, said) = pipes.ok_or("no pipes")?;
        let (hear, answers) = channel();
        // A thread of its own, since a pipe can not be read for a limited time. It ends with the process.
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

    /// What is told to one that has ended goes nowhere: that is seen when it is to answer.
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
