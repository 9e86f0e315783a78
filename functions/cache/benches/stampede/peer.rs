//! The rounds of other caches: four processes of one command. Each reads a key and the time of its
//! origin, and prints how often its origin was called and what its last answer took.

use std::{error::Error, process::Command, time::Duration};

use larder_testing::Memcached;

use crate::{
    CALLERS, ORIGIN, PROCESSES, Seen,
    process::{Process, START},
};

/// Fewer than for larder, since some take several times the origin's time.
const ROUNDS: usize = 3;
/// Long enough for the callers of a process to come one after the other.
const ROUND: Duration = ORIGIN.saturating_mul(CALLERS as u32);

/// Another cache, and the program for one process of its stampede.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    program: String,
    script: &'static str,
}

impl Peer {
    /// The caches for which the command line names a program.
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
            let mut command = Command::new(&self.program);
            command
                .arg(self.script)
                .args([server.port().to_string(), CALLERS.to_string()]);
            processes.push(Process::start(&mut command, START)?);
        }
        (0..ROUNDS)
            .map(|round| one(&mut processes, round))
            .collect()
    }
}

fn one(processes: &mut [Process], round: usize) -> Result<Seen, Box<dyn Error>> {
    for process in &mut *processes {
        process.tell(format_args!("key-{round} {}", ORIGIN.as_secs_f64()));
    }
    let mut seen = Seen {
        origin_calls: 0,
        last: Duration::ZERO,
    };
    for process in processes {
        let line = process.answer(ROUND)?;
        let (calls, last) = line
            .trim()
            .split_once(' ')
            .ok_or("it did not say two numbers")?;
        seen.origin_calls += calls.parse::<usize>()?;
        seen.last = seen.last.max(Duration::try_from_secs_f64(last.parse()?)?);
    }
    Ok(seen)
}
