//! Other caches' rounds: four processes of one command, each of which is told a key and what its origin takes, and says how often its
//! origin was called and what its last answer took.

use std::{
    error::Error,
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use larder::testing::Memcached;

use crate::{CALLERS, ORIGIN, PROCESSES, Seen};

/// Fewer than ours, since some take several times the origin's time.
const ROUNDS: usize = 3;

/// Another cache, and the program that is one process of its stampede.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    program: String,
    script: &'static str,
}

impl Peer {
    /// Those that the command line names a program for.
    pub(crate) fn from_args() -> Vec<Self> {
        const DOGPILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/stampede.py");
        let known = [
            ("--peers", "memcache::exp's fetch", "stampede"),
            ("--dogpile", "dogpile.cache with its lock", DOGPILE),
        ];
        let found = known.map(|(flag, name, script)| {
            let program = std::env::args().skip_while(|arg| arg != flag).nth(1)?;
            Some(Self {
                name,
                program,
                script,
            })
        });
        found.into_iter().flatten().collect()
    }

    pub(crate) fn rounds(&self) -> Result<Vec<Seen>, Box<dyn Error>> {
        let server = Memcached::start();
        let mut processes = Vec::new();
        for _ in 0..PROCESSES {
            processes.push(Process::start(self, &server)?);
        }
        (0..ROUNDS)
            .map(|round| one(&mut processes, round))
            .collect()
    }
}

fn one(processes: &mut [Process], round: usize) -> Result<Seen, Box<dyn Error>> {
    for process in &mut *processes {
        writeln!(process.orders, "key-{round} {}", ORIGIN.as_secs_f64())?;
    }
    let mut seen = Seen {
        origin_calls: 0,
        last: Duration::ZERO,
    };
    for process in processes {
        let (calls, last) = process.answer()?;
        seen.origin_calls += calls;
        seen.last = seen.last.max(last);
    }
    Ok(seen)
}

struct Process {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    fn start(peer: &Peer, server: &Memcached) -> Result<Self, Box<dyn Error>> {
        let mut child = Command::new(&peer.program)
            .arg(peer.script)
            .args([server.port().to_string(), CALLERS.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (orders, answers) = pipes.ok_or("no pipes")?;
        let mut process = Self {
            child,
            orders,
            answers: BufReader::new(answers),
        };
        // It says "ready": some take long to start.
        process.line()?;
        Ok(process)
    }

    fn line(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line)
    }

    fn answer(&mut self) -> Result<(usize, Duration), Box<dyn Error>> {
        let line = self.line()?;
        let (calls, last) = line.trim().split_once(' ').ok_or("a peer gave up")?;
        Ok((calls.parse()?, Duration::from_secs_f64(last.parse()?)))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
