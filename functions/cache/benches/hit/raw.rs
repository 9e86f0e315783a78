//! The lower limit: a blocking socket, a prebuilt command, an answer of known length.

use std::{
    error::Error,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{contest::Contender, row::median};

pub(crate) struct Raw {
    stream: TcpStream,
    command: Vec<u8>,
    answer: Vec<u8>,
}

impl Raw {
    /// memcached's `get` of an item that is there.
    pub(crate) fn get(port: u16, item: &str) -> Result<Self, Box<dyn Error>> {
        Self::new(port, &format!("get {item}\r\n"), "END\r\n", |answer| {
            answer.ends_with(b"\r\nEND\r\n")
        })
    }

    /// The same for all that a hit reads: the item, and the generations of its namespace and its
    /// function. What a hit costs beyond this is the cost of the library.
    pub(crate) fn get_with_generations(port: u16, item: &str) -> Result<Self, Box<dyn Error>> {
        let mut words = item.split(':');
        let (namespace, function) = words
            .next()
            .zip(words.next())
            .ok_or("a key without a name")?;
        let items = format!("{item} {namespace}:@all {namespace}:@fn:{function}");
        let whole = Self::get(port, &items)?;
        let values = whole.answer.windows(6).filter(|word| word == b"VALUE ");
        if values.count() != 3 {
            return Err(format!("not all of {items} was there").into());
        }
        Ok(whole)
    }

    /// Redis's `GET` of an item that is there.
    pub(crate) fn redis_get(port: u16, item: &str) -> Result<Self, Box<dyn Error>> {
        Self::new(port, &format!("GET {item}\r\n"), "$-1\r\n", |answer| {
            bulk(answer).is_some()
        })
    }

    /// `nothing` is the server's answer if there is no item.
    fn new(
        port: u16,
        command: &str,
        nothing: &str,
        is_whole: fn(&[u8]) -> bool,
    ) -> Result<Self, Box<dyn Error>> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(command.as_bytes())?;
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            let mut chunk = [0; 4096];
            let n = stream.read(&mut chunk)?;
            answer.extend_from_slice(&chunk[..n]);
            if n == 0 || answer == nothing.as_bytes() {
                return Err(format!("nothing was there to {command}").into());
            }
        }
        Ok(Self {
            stream,
            command: command.as_bytes().to_vec(),
            answer,
        })
    }
}

/// The content of a complete bulk string of Redis: `$3\r\nabc\r\n`.
fn bulk(answer: &[u8]) -> Option<&[u8]> {
    let head = answer.windows(2).position(|pair| pair == b"\r\n")?;
    let length: usize = std::str::from_utf8(answer[..head].strip_prefix(b"$")?)
        .ok()?
        .parse()
        .ok()?;
    let rest = &answer[head + 2..];
    (rest.len() == length + 2).then(|| &rest[..length])
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
