//! Other clients, each in a process of its own that is told how many calls to make and says what one took.

use std::{
    error::Error,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::contest::Contender;

pub(crate) struct Peer {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    /// Those that only get bytes, and get them from memcached.
    pub(crate) const GETTERS: [&str; 3] = ["memcache-async", "async-memcached", "memcache::exp"];

    /// `client` at the server behind `port`, and what it gets there.
    pub(crate) fn start(
        program: &Path,
        client: &str,
        port: u16,
        item: &str,
    ) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(program)
            .args([client, &port.to_string(), item])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, answers) = pipes.ok_or("no pipes")?;
        Ok(Self {
            child,
            orders,
            answers: BufReader::new(answers),
        })
    }
}

impl Contender for Peer {
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>> {
        writeln!(self.orders, "{calls}")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(answer.trim().parse()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
