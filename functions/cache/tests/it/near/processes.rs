//! Four processes with near copies, old and new deployments among them, each with readers and a
//! writer. The server is killed and restarted, answers are lost, calls are dropped, processes are
//! frozen for longer than a copy lives, wall clocks are set. No call may return a value from before
//! what was acknowledged when it began.
//!
//! What was changed and acknowledged is in a file that all share: each key is changed by one
//! process alone. `NEAR_SECONDS` makes the runs longer.

use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use larder::{
    Cache, Key, Policy, Scope,
    fuzzing::{Fault, plant, step_wall_clock},
};
use larder_testing::{Fault as Broken, Memcached, Proxy, signal};
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

const PROCESSES: usize = 4;
const KEYS: usize = 32;
const READERS: u64 = 3;
/// Each changes some of its process's keys.
const WRITERS: usize = 4;
/// The times of the two names in each process, in milliseconds.
const NEAR: [[u64; 2]; PROCESSES] = [[80, 300], [300, 80], [80, 1000], [0, 300]];
/// A value contains its key.
const KIND: u64 = 1 << 32;
/// What makes a process a worker: the settings, a line each.
const WORKER: &str = "NEAR_WORKER";

/// What was changed, and what was acknowledged, of each key.
struct Ledger(File);

impl Ledger {
    fn create(path: &Path) -> Self {
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        let file = options.open(path).unwrap();
        file.set_len(KEYS as u64 * 16).unwrap();
        Self(file)
    }

    fn open(path: &str) -> Self {
        Self(File::options().read(true).write(true).open(path).unwrap())
    }

    fn read(&self, n: usize, place: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0
            .read_exact_at(&mut bytes, n as u64 * 16 + place * 8)
            .unwrap();
        u64::from_ne_bytes(bytes)
    }

    fn write(&self, n: usize, place: u64, number: u64) {
        let at = n as u64 * 16 + place * 8;
        self.0.write_all_at(&number.to_ne_bytes(), at).unwrap();
    }

    fn truth(&self, n: usize) -> u64 {
        self.read(n, 0)
    }

    fn floor(&self, n: usize) -> u64 {
        self.read(n, 1)
    }
}

struct Worker {
    cache: Cache,
    ledger: Ledger,
    process: usize,
    until: Instant,
}

#[derive(Debug, Default)]
struct Tally {
    reads: u64,
    near: u64,
    dropped: u64,
    acknowledged: u64,
    unacknowledged: u64,
    wrong: Vec<String>,
}

impl Worker {
    fn key(n: usize) -> Key {
        Key::new(["quick", "slow"][n % 2], &(n,)).unwrap()
    }

    fn policy(&self, n: usize) -> Policy {
        let near = Duration::from_millis(NEAR[self.process][n % 2]);
        Policy::ttl(Duration::from_secs(60)).near(near)
    }

    async fn reads(&self, mut random: SmallRng) -> Tally {
        let mut tally = Tally::default();
        while Instant::now() < self.until {
            tokio::task::yield_now().await;
            let n = random.random_range(0..KEYS);
            let floor = self.ledger.floor(n);
            let origin = || async { Ok::<_, ()>(KIND * n as u64 + self.ledger.truth(n)) };
            let (key, policy) = (Self::key(n), self.policy(n));
            let call = self.cache.get_or_fetch(&key, &policy, origin);
            let patience = match random.random_ratio(1, 100) {
                true => Duration::from_micros(random.random_range(0..2000)),
                false => Duration::MAX,
            };
            let Ok(fetched) = tokio::time::timeout(patience, call).await else {
                tally.dropped += 1;
                continue;
            };
            let fetched = fetched.unwrap();
            tally.reads += 1;
            tally.near += u64::from(fetched.is_near());
            let (of, version) = (*fetched / KIND, *fetched % KIND);
            if of != n as u64 || version < floor {
                tally.wrong.push(format!(
                    "process {}, key {n}: {version} of {of} after {floor}, near {}",
                    self.process,
                    fetched.is_near()
                ));
            }
        }
        tally
    }

    async fn verbs(&self, writer: usize, mut random: SmallRng) -> Tally {
        let mut tally = Tally::default();
        let own: Vec<_> = (0..KEYS)
            .filter(|n| n / 2 % PROCESSES == self.process && n / 2 / PROCESSES == writer)
            .collect();
        while Instant::now() < self.until {
            tokio::time::sleep(Duration::from_millis(random.random_range(0..40))).await;
            if random.random_ratio(1, 6) {
                step_wall_clock(&self.cache, random.random_range(-3000..3000));
            }
            let n = own[random.random_range(0..own.len())];
            let (kind, key) = (random.random_range(0..10), Self::key(n));
            let alike = own.iter().copied().filter(|other| match kind {
                0 => true,
                1 => other % 2 == n % 2,
                _ => *other == n,
            });
            let changed: Vec<_> = alike.map(|n| (n, self.ledger.truth(n) + 1)).collect();
            for (n, version) in &changed {
                self.ledger.write(*n, 0, *version);
            }
            let done = match kind {
                0 => self.cache.flush(Scope::All).await,
                1 => self.cache.flush(Scope::Name(key.name())).await,
                2 | 3 => {
                    let value = KIND * n as u64 + self.ledger.truth(n);
                    self.cache.put(&key, &self.policy(n), &value).await
                }
                _ => self.cache.invalidate(&key).await,
            };
            if done.is_err() {
                tally.unacknowledged += 1;
                continue;
            }
            tally.acknowledged += 1;
            for (n, version) in changed {
                self.ledger.write(n, 1, version);
            }
        }
        tally
    }
}

/// If the environment says so, this test is a worker of the others.
#[test]
fn a_worker_reads_and_changes() {
    let Ok(told) = std::env::var(WORKER) else {
        return;
    };
    let words: Vec<_> = told.lines().collect();
    let cache = Cache::builder().url(words[0]).near(true);
    let cache = cache.budget(Duration::from_secs(2)).build().unwrap();
    let fault = Fault::NEAR
        .into_iter()
        .find(|fault| Some(&*format!("{fault:?}")) == words.get(4).copied());
    fault.inspect(|fault| plant(&cache, *fault));
    let seconds: u64 = words[3].parse().unwrap();
    let worker = Worker {
        cache,
        ledger: Ledger::open(words[1]),
        process: words[2].parse().unwrap(),
        until: Instant::now() + Duration::from_secs(seconds),
    };
    let seed = worker.process as u64 * 1000;
    let random = |n| SmallRng::seed_from_u64(seed + n);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (reads, verbs) = runtime.unwrap().block_on(async {
        let reads = (0..READERS).map(|n| worker.reads(random(n)));
        tokio::join!(
            futures_util::future::join_all(reads),
            futures_util::future::join_all(
                (0..WRITERS).map(|n| worker.verbs(n, random(50 + n as u64)))
            )
        )
    });
    for tally in reads.into_iter().chain(verbs) {
        let Tally {
            reads,
            near,
            dropped,
            acknowledged,
            unacknowledged,
            wrong,
        } = tally;
        println!(
            "\ntally {reads} {near} {dropped} {acknowledged} {unacknowledged} {}",
            wrong.len()
        );
        for wrong in wrong.iter().take(3) {
            println!("wrong {wrong}");
        }
    }
}

struct Run {
    tally: Tally,
    wrong: u64,
}

/// One run of all processes, with everything that can go wrong.
async fn run(seconds: u64, fault: Option<Fault>) -> Run {
    let mut server = Memcached::start();
    let broken = Broken {
        cut: 2,
        reset: 2,
        stall: 1,
        split: 5,
        ..Broken::default()
    };
    let proxy = Proxy::start(server.port(), 7, broken).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger");
    let ledger = Ledger::create(&path);
    let start = |process: usize| -> Child {
        let protocol = ["classic", "meta"][process % 2];
        let words = [
            format!("{}?protocol={protocol}", proxy.url()),
            path.display().to_string(),
            process.to_string(),
            seconds.to_string(),
            fault.map_or_else(String::new, |fault| format!("{fault:?}")),
        ];
        let mut command = Command::new(std::env::current_exe().unwrap());
        let own = "near::processes::a_worker_reads_and_changes";
        command.args(["--exact", own, "--nocapture"]);
        command.env(WORKER, words.join("\n")).stdout(Stdio::piped());
        command.spawn().unwrap()
    };
    let mut workers: Vec<_> = (0..PROCESSES).map(start).collect();
    let mut random = SmallRng::seed_from_u64(3);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        let pause = random.random_range(200..1000);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        match random.random_range(0..12) {
            0 => server.restart(),
            1 => {
                server.kill();
                tokio::time::sleep(Duration::from_millis(200)).await;
                server.restart();
            }
            2 | 3 => {
                let names = ["larder:@near", "larder:@near:quick", "larder:@near:slow"];
                let lost = names[random.random_range(0..3)];
                let _ = server.ask(&format!("delete {lost}\r\n"), "\r\n");
            }
            _ => {
                let frozen = &workers[random.random_range(0..PROCESSES)];
                if Instant::now() + Duration::from_secs(2) < end {
                    signal(frozen.id(), "STOP");
                    let time = random.random_range(100..1500);
                    tokio::time::sleep(Duration::from_millis(time)).await;
                    signal(frozen.id(), "CONT");
                }
            }
        }
    }
    let mut run = Run {
        tally: Tally::default(),
        wrong: 0,
    };
    for worker in workers.drain(..) {
        let output = tokio::task::spawn_blocking(|| worker.wait_with_output().unwrap());
        let output = output.await.unwrap();
        assert!(output.status.success(), "a worker failed: {output:?}");
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let Some(numbers) = line.strip_prefix("tally ") {
                let numbers = numbers.split(' ').map(|word| word.parse::<u64>().unwrap());
                let numbers: Vec<_> = numbers.collect();
                run.tally.reads += numbers[0];
                run.tally.near += numbers[1];
                run.tally.dropped += numbers[2];
                run.tally.acknowledged += numbers[3];
                run.tally.unacknowledged += numbers[4];
                run.wrong += numbers[5];
            } else if let Some(wrong) = line.strip_prefix("wrong ") {
                run.tally.wrong.push(wrong.to_owned());
            }
        }
    }
    let changed = (0..KEYS).map(|n| ledger.truth(n)).sum::<u64>();
    println!(
        "{fault:?}: {changed} changes, {} wrong, {:?}",
        run.wrong, run.tally
    );
    run
}

fn seconds(usual: u64) -> u64 {
    std::env::var("NEAR_SECONDS").map_or(usual, |word| word.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_process_serves_what_was_changed_before_an_acknowledgement() {
    let run = run(seconds(14), None).await;
    assert_eq!(run.wrong, 0, "{:#?}", run.tally.wrong);
    assert!(
        run.tally.near > 1000,
        "hardly any near copies: {:?}",
        run.tally
    );
    assert!(run.tally.acknowledged > 20, "{:?}", run.tally);
}

/// Otherwise this would show nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_rule_is_found_out_by_processes() {
    let run = run(seconds(8), Some(Fault::NoWait)).await;
    assert!(run.wrong > 0, "not noticed");
}
