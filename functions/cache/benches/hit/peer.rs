//! Other clients, each in a process of its own that is told how many calls to make and says what one took.

use std::{error::Error, path::Path, process::Command, time::Duration};

use crate::{
    contest::Contender,
    process::{Process, START},
};

/// A turn takes milliseconds.
const TURN: Duration = Duration::from_secs(20);

pub(crate) struct Peer(Process);

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
        let mut command = Command::new(program);
        command.args([client, &port.to_string(), item]);
        Ok(Self(Process::start(&mut command, START)?))
    }
}

impl Contender for Peer {
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>> {
        self.0.tell(calls);
        Ok(self.0.answer(TURN)?.trim().parse()?)
    }
}
