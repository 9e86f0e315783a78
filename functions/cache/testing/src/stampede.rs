//! Many processes that ask for the same keys at the same moment, as leases are made for.
//!
//! The parent's side: it starts the workers and each round, receives every origin call and answer
//! as it happens, and can strike a worker in the middle. It does not look at leases; it counts what
//! the origins did. The workers' side is [`Worker`].

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use crate::signal;

mod line;
mod table;
mod worker;
use line::Heard;
pub use line::{Ends, Event, Order};
pub use table::Round;
pub use worker::Worker;

/// A worker that is silent for this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// Worker processes, each with its own cache.
#[derive(Debug)]
pub struct Stampede {
    workers: Vec<Process>,
    heard: Receiver<(usize, Heard)>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    orders: TcpStream,
    /// Whether it still works on the round and was not struck.
    busy: bool,
    alive: bool,
}

impl Stampede {
    /// Starts a worker for each of `urls` (each a `CACHE_URL`), with `callers` concurrent callers.
    ///
    /// `entry` makes the command of one worker: a program that begins with [`Worker::from_env`] and
    /// [`Worker::run`], such as the caller's own executable.
    ///
    /// # Panics
    /// If a worker does not start and report in time.
    #[must_use]
    pub fn start(urls: &[String], callers: usize, entry: impl Fn() -> Command) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let parent = listener.local_addr().expect("an address").to_string();
        let (sender, heard) = channel();
        let start = |(index, url): (usize, &String)| {
            let mut child = Worker::command(entry(), &parent, url, callers)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .expect("a worker process");
            // Workers start one after the other, so it is this worker that connects.
            let orders = accept(&listener, &mut child);
            listen(index, &orders, sender.clone());
            Process {
                child,
                orders,
                busy: false,
                alive: true,
            }
        };
        Self {
            workers: urls.iter().enumerate().map(start).collect(),
            heard,
        }
    }

    /// Lets every caller of every worker ask for all keys at once, and waits for the last answer.
    ///
    /// # Panics
    /// If a worker falls silent.
    pub fn run(&mut self, order: Order) -> Round {
        self.begin(order);
        let mut round = Round::new(order);
        self.finish(&mut round);
        round
    }

    /// As [`Stampede::run`], and returns at once.
    ///
    /// # Panics
    /// If a worker does not take the order.
    pub fn begin(&mut self, order: Order) {
        for worker in self.workers.iter_mut().filter(|worker| worker.alive) {
            worker
                .orders
                .write_all(order.to_string().as_bytes())
                .expect("a living worker");
            worker.busy = true;
        }
    }

    /// Waits for the next event of any worker and counts it in `round`; `None` if no worker is left
    /// at work.
    ///
    /// # Panics
    /// If the workers fall silent.
    pub fn next(&mut self, round: &mut Round) -> Option<(usize, Event)> {
        let begun = Instant::now();
        while self.workers.iter().any(|worker| worker.busy) {
            match self
                .heard
                .recv_timeout(PATIENCE.saturating_sub(begun.elapsed()))
            {
                Ok((index, Heard::Event(event))) => {
                    round.count(index, event);
                    return Some((index, event));
                }
                Ok((index, Heard::Done)) => self.workers[index].busy = false,
                Ok((index, Heard::Gone)) => {
                    assert!(!self.workers[index].alive, "worker {index} ended by itself");
                    self.workers[index].busy = false;
                }
                Err(RecvTimeoutError::Timeout) => panic!("the workers say nothing: {round}"),
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        None
    }

    /// Counts in `round` the events that have arrived, without waiting.
    pub fn hear(&mut self, round: &mut Round) {
        while let Ok((index, heard)) = self.heard.try_recv() {
            match heard {
                Heard::Event(event) => round.count(index, event),
                Heard::Done | Heard::Gone => self.workers[index].busy = false,
            }
        }
    }

    /// Counts what happens until every worker that can answer has answered. Frozen ones are not
    /// waited for.
    ///
    /// # Panics
    /// As [`Stampede::next`].
    pub fn finish(&mut self, round: &mut Round) {
        while self.next(round).is_some() {}
    }

    /// SIGKILLs a worker.
    pub fn kill(&mut self, worker: usize) {
        self.workers[worker].alive = false;
        signal(self.workers[worker].child.id(), "KILL");
        // Its last events still arrive: `next` sees the end of its connection.
    }

    /// SIGSTOPs a worker. [`Stampede::finish`] no longer waits for it.
    pub fn freeze(&mut self, worker: usize) {
        signal(self.workers[worker].child.id(), "STOP");
        self.workers[worker].busy = false;
    }

    /// SIGCONTs a worker, which is waited for again.
    pub fn thaw(&mut self, worker: usize) {
        self.workers[worker].busy = true;
        signal(self.workers[worker].child.id(), "CONT");
    }
}

impl Drop for Stampede {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // SIGKILL also ends a frozen process.
            let _ = worker.child.kill();
            let _ = worker.child.wait();
        }
    }
}

fn accept(listener: &TcpListener, child: &mut Child) -> TcpStream {
    listener.set_nonblocking(true).expect("a listener");
    let begun = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("an open connection");
                return stream;
            }
            Err(_) if begun.elapsed() > PATIENCE => panic!("a worker did not report"),
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
        let ended = child.try_wait().expect("a child");
        assert!(
            ended.is_none(),
            "a worker ended before it had reported: {ended:?}"
        );
    }
}

/// Passes on a worker's events in a separate thread, so that their time is that of arrival.
fn listen(index: usize, from: &TcpStream, to: Sender<(usize, Heard)>) {
    let lines = BufReader::new(from.try_clone().expect("a second handle")).lines();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if to.send((index, Heard::parse(&line))).is_err() {
                return;
            }
        }
        let _ = to.send((index, Heard::Gone));
    });
}
