//! Other clients, each in its own process, which reads how many calls to make and prints what one
//! took.

use std::{error::Error, path::Path, process::Command, time::Duration};

use crate::{
    contest::Contender,
    process::{Process, START},
};

/// A turn takes milliseconds.
const TURN: Duration = Duration::from_secs(20);

pub(crate) struct Peer(Process);

impl Peer {
    /// The clients that only read bytes from memcached.
    pub(crate) const GETTERS: [&str; 3] = ["memcache-async", "async-memcached", "memcache::exp"];

    /// `client` on the server at `port`, and the key that it reads.
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
