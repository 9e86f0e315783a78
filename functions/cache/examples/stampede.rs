//! A stampede to watch: many processes ask one memcached for the same cold keys, and a table shows
//! how often the origin was called.
//!
//! `cargo run -p larder --example stampede -- --help`

use std::{process::ExitCode, time::Duration};

use larder::{Cache, Key, Source};
use larder_testing::{
    Memcached, Stampede,
    stampede::{Ends, Event, Order, Round, Worker},
};

const HELP: &str = "\
Worker processes, each with many callers, ask one memcached for the same keys at the same moment.
Starts a memcached of its own on a free port and ends it again.

    --processes N      worker processes (8)
    --callers M        concurrent callers in each (8)
    --keys K           keys that each caller asks for (20)
    --together T       of which it asks for so many at a time (5)
    --origin-ms D      what one origin call takes (300)
    --lease-s L        the lease's lifetime, 2 or more (2)
    --budget-ms B      the most that cache I/O may add to one call (1000; a process of its own machine needs less than 50)
    --protocol P       classic, meta or mixed (meta)
";

struct Options {
    processes: usize,
    callers: usize,
    order: Order,
    budget: u32,
    protocols: Vec<&'static str>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let (mut processes, mut callers, mut budget, mut protocols) = (8, 8, 1000, vec!["meta"]);
        let mut order = Order {
            keys: 20,
            together: 5,
            origin: Duration::from_millis(300),
            ends: Ends::Well,
            ttl: Duration::from_secs(60),
            stale: Duration::ZERO,
            lease: Duration::from_secs(2),
            wait: Duration::from_secs(30),
        };
        while let Some(option) = words.next() {
            let word = words
                .next()
                .ok_or_else(|| format!("{option} needs a value"))?;
            let number = || match word.parse::<u32>() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{option}: {word} is not a number above 0")),
            };
            match option.as_str() {
                "--processes" => processes = number()? as usize,
                "--callers" => callers = number()? as usize,
                "--keys" => order.keys = number()?.into(),
                "--together" => order.together = number()? as usize,
                "--origin-ms" => order.origin = Duration::from_millis(number()?.into()),
                "--lease-s" => order.lease = Duration::from_secs(number()?.clamp(2, 3600).into()),
                "--budget-ms" => budget = number()?.min(10_000),
                "--protocol" => protocols = protocols_of(&word)?,
                _ => return Err(format!("{option} is not an option")),
            }
        }
        // A killed holder costs the lease's time, and then the origin's time once more.
        order.wait += order.lease + 2 * order.origin;
        Ok(Self {
            processes,
            callers,
            order,
            budget,
            protocols,
        })
    }
}

fn protocols_of(word: &str) -> Result<Vec<&'static str>, String> {
    match word {
        "classic" => Ok(vec!["classic"]),
        "meta" => Ok(vec!["meta"]),
        "mixed" => Ok(vec!["classic", "meta"]),
        _ => Err(format!(
            "--protocol: {word} is none of classic, meta and mixed"
        )),
    }
}

fn main() -> ExitCode {
    if let Some(worker) = Worker::from_env() {
        worker.run();
        return ExitCode::SUCCESS;
    }
    let words: Vec<_> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match Options::parse(words.into_iter()) {
        Ok(options) => {
            watch(&options);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}\n\n{HELP}");
            ExitCode::FAILURE
        }
    }
}

fn watch(options: &Options) {
    let server = Memcached::start();
    let url = |index: usize| {
        let protocol = options.protocols[index % options.protocols.len()];
        format!("{}?protocol={protocol}", server.url())
    };
    let urls: Vec<_> = (0..options.processes).map(url).collect();
    let itself = || {
        let path = std::env::current_exe().expect("the path of this program");
        let mut command = std::process::Command::new(path);
        command.env("CACHE_BUDGET_MS", options.budget.to_string());
        command
    };
    let mut stampede = Stampede::start(&urls, options.callers, itself);
    let (processes, callers, order) = (options.processes, options.callers, options.order);
    println!(
        "{processes} processes x {callers} callers, {} keys, an origin of {:?}, a lease of {:?}\n",
        order.keys, order.origin, order.lease
    );
    println!("{:<28}{}", "cold", stampede.run(order));
    println!("{:<28}{}", "again, from the cache", stampede.run(order));
    expire(&urls[0], order);
    println!("{:<28}{}", "past their ttl", stampede.run(order));
    let window = Order {
        stale: Duration::from_secs(60),
        ..order
    };
    expire(&urls[0], window);
    let stale = stampede.run(window);
    println!("{:<28}{stale}", "in their stale window");
    println!(
        "{:<28}{:>7} of these answers were stale, served at once",
        "",
        stale.from(Source::Stale)
    );
    if processes > 1 {
        flush(&urls[0]);
        println!("{:<28}{}", "a holder killed", killed(&mut stampede, order));
    }
}

/// Kills the first worker that calls an origin.
fn killed(stampede: &mut Stampede, order: Order) -> Round {
    let mut round = Round::new(order);
    stampede.begin(order);
    while let Some((worker, event)) = stampede.next(&mut round) {
        if matches!(event, Event::Origin(_)) {
            stampede.kill(worker);
            break;
        }
    }
    stampede.finish(&mut round);
    round
}

/// Gives every key an entry that is past its ttl.
fn expire(url: &str, order: Order) {
    let policy = Order {
        ttl: Duration::from_millis(1),
        ..order
    }
    .policy();
    with(url, async |cache| {
        for n in 0..order.keys {
            let key = Key::new("stampede", &(n,)).expect("a sound name");
            cache
                .put(&key, &policy, &0_u64)
                .await
                .expect("a server that answers");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    });
}

fn flush(url: &str) {
    with(url, async |cache| {
        cache
            .flush(larder::Scope::All)
            .await
            .expect("a server that answers")
    });
}

fn with(url: &str, work: impl AsyncFnOnce(Cache)) {
    let cache =
        Cache::builder().build_from_lookup(|name| (name == "CACHE_URL").then(|| url.to_owned()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .expect("a runtime")
        .block_on(work(cache.expect("sound settings")));
}
