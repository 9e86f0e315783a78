//! The limit: a blocking socket, a command built beforehand, an answer of known length.

use std::{
    error::Error,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use larder::testing::Memcached;

use crate::{Contender, median};

pub(crate) struct Raw {
    stream: TcpStream,
    item: String,
    command: Vec<u8>,
    answer: Vec<u8>,
}

impl Raw {
    pub(crate) fn new(server: &Memcached, item: &str) -> Result<Self, Box<dyn Error>> {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port()))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let command = format!("get {item}\r\n").into_bytes();
        stream.write_all(&command)?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\nEND\r\n") {
            let mut chunk = [0; 4096];
            let n = stream.read(&mut chunk)?;
            answer.extend_from_slice(&chunk[..n]);
            if n == 0 || answer == b"END\r\n" {
                return Err(format!("nothing stands under {item}").into());
            }
        }
        Ok(Self {
            stream,
            item: item.to_owned(),
            command,
            answer,
        })
    }

    /// The key of what it gets.
    pub(crate) fn item(&self) -> &str {
        &self.item
    }
}

impl Contender for Raw {
    fn run(&mut self, calls: usize) -> Result<f64, Box<dyn Error>> {
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let begun = Instant::now();
            self.stream.write_all(&self.command)?;
            self.stream.read_exact(&mut self.answer)?;
            times.push(begun.elapsed().as_secs_f64());
        }
        Ok(median(times))
    }
}
