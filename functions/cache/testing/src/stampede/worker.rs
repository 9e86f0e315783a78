//! One worker process: a cache, callers, and an origin that takes some time.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use futures_util::{StreamExt as _, future::join_all, stream};

use super::line::{DONE, Ends, Event, Order};
use larder::{Cache, Key};

/// The environment variable that makes a process a worker: the parent's address, `CACHE_URL` and
/// the number of callers, a line each.
const WORKER: &str = "STAMPEDE_WORKER";

/// A worker process as the environment describes it.
#[derive(Debug)]
pub struct Worker {
    parent: String,
    url: String,
    callers: usize,
}

impl Worker {
    /// The worker that this process was started as, if it was.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let told = std::env::var(WORKER).ok()?;
        let mut lines = told.lines().map(str::to_owned);
        let (parent, url) = (lines.next()?, lines.next()?);
        Some(Self {
            parent,
            url,
            callers: lines.next()?.parse().ok()?,
        })
    }

    pub(super) fn command(mut entry: Command, parent: &str, url: &str, callers: usize) -> Command {
        entry.env(WORKER, format!("{parent}\n{url}\n{callers}"));
        entry
    }

    /// Works through the parent's orders until the parent is gone.
    ///
    /// # Panics
    /// If the parent cannot be reached, or the cache's settings are invalid.
    pub fn run(self) {
        let parent = TcpStream::connect(&self.parent).expect("the parent");
        parent.set_nodelay(true).expect("an open connection");
        let orders = BufReader::new(parent.try_clone().expect("a second handle"));
        let (url, budget) = (self.url, std::env::var("CACHE_BUDGET_MS").ok());
        let cache = Cache::builder().build_from_lookup(|name| match name {
            "CACHE_URL" => Some(url.clone()),
            "CACHE_BUDGET_MS" => budget.clone(),
            _ => None,
        });
        let crowd = Crowd {
            cache: cache.expect("sound settings"),
            parent,
            calls: AtomicU64::new(0),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        for line in orders.lines().map_while(Result::ok) {
            let order = Order::parse(&line).expect("an order");
            runtime.block_on(join_all((0..self.callers).map(|_| crowd.caller(order))));
            crowd.say(DONE);
        }
    }
}

/// The error of an origin that was ordered to fail.
struct OriginFailed;

/// What the callers of a process share.
struct Crowd {
    cache: Cache,
    parent: TcpStream,
    calls: AtomicU64,
}

impl Crowd {
    /// One caller: all keys in order, a few at a time.
    async fn caller(&self, order: Order) {
        let asked = stream::iter(0..order.keys).map(|key| self.ask(order, key));
        asked.buffer_unordered(order.together).collect::<()>().await;
    }

    async fn ask(&self, order: Order, n: u64) {
        let key = Key::new("stampede", &(n,)).expect("a sound name");
        let begun = Instant::now();
        let result = self
            .cache
            .get_or_fetch(&key, &order.policy(), || self.origin(order, n))
            .await;
        let took = begun.elapsed();
        self.tell(match result {
            Ok(fetched) => Event::answer(n, *fetched, took, fetched.outcome()),
            Err(OriginFailed) => Event::Failed { key: n, took },
        });
    }

    /// Returns a number that no other origin call returns.
    async fn origin(&self, order: Order, n: u64) -> Result<u64, OriginFailed> {
        self.tell(Event::Origin(n));
        tokio::time::sleep(order.origin).await;
        self.tell(Event::Ended(n));
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        match order.ends {
            Ends::Well => Ok(u64::from(std::process::id()) << 32 | call),
            Ends::Failing => Err(OriginFailed),
        }
    }

    fn tell(&self, event: Event) {
        self.say(&event.to_string());
    }

    /// If the parent has ended, the event is lost, and the next order does not come.
    fn say(&self, line: &str) {
        let _ = (&self.parent).write_all(line.as_bytes());
    }
}
