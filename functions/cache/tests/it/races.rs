//! Readers that fill, and writers that invalidate and flush: several tasks and caches on one
//! server. The true value of a key is a number that only grows. A read that begins after an
//! acknowledgement must not return a number from before the writer's change.

use std::{
    convert::Infallible,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use larder::{Cache, Fill, Outcome, Policy, Scope};
use larder_testing::Memcached;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use crate::support::{MINUTE, cache, key};

const KEYS: usize = 4;
const RACES: u64 = 5000;
const READERS: u64 = 6;

/// Odd keys become stale almost at once, so that refreshes race as well.
fn policy(n: usize) -> Policy {
    const QUICKLY_STALE: Policy =
        Policy::ttl(Duration::from_millis(2)).stale_while_revalidate(Duration::from_secs(60));
    if n.is_multiple_of(2) {
        MINUTE
    } else {
        QUICKLY_STALE
    }
}

/// What a writer does after it has changed the true value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verb {
    Invalidate,
    Flush,
}

/// A cache client: this library, and one that works as most programs do.
trait Client: Send + Sync + 'static {
    fn read(
        &self,
        n: usize,
        origin: impl Future<Output = u64> + Send,
    ) -> impl Future<Output = Read> + Send;
    fn forget(&self, verb: Verb, n: usize) -> impl Future<Output = bool> + Send;
}

struct Read {
    value: u64,
    /// Its fill was refused because of another caller's write in the meantime.
    refused: bool,
    from_cache: bool,
}

impl Client for Cache {
    async fn read(&self, n: usize, origin: impl Future<Output = u64> + Send) -> Read {
        let origin = async || Ok::<_, Infallible>(origin.await);
        let (key, policy) = (key("race", n as u64), policy(n));
        let Ok(fetched) = self.get_or_fetch(&key, &policy, origin).await;
        let refused = matches!(
            fetched.outcome(),
            Outcome::Miss(Fill::NotStored) | Outcome::Expired(Fill::NotStored)
        );
        let from_cache = matches!(
            fetched.outcome(),
            Outcome::Hit | Outcome::Stale | Outcome::Collapsed
        );
        Read {
            value: *fetched,
            refused,
            from_cache,
        }
    }

    async fn forget(&self, verb: Verb, n: usize) -> bool {
        match verb {
            Verb::Invalidate => self.invalidate(&key("race", n as u64)).await.is_ok(),
            Verb::Flush if n.is_multiple_of(2) => self.flush(Scope::Name("race")).await.is_ok(),
            Verb::Flush => self.flush(Scope::All).await.is_ok(),
        }
    }
}

#[derive(Debug, Default)]
struct World {
    truth: [AtomicU64; KEYS],
    /// The smallest number that a reader that begins now may get.
    floor: [AtomicU64; KEYS],
    races: AtomicU64,
    stale: AtomicU64,
    refused: AtomicU64,
    from_cache: AtomicU64,
}

impl World {
    async fn reads<C: Client>(&self, client: &C, mut random: SmallRng, races: u64) {
        while self.races.load(SeqCst) < races {
            let n = random.random_range(0..KEYS);
            let floor = self.floor[n].load(SeqCst);
            let pause = random.random_range(0..2000);
            let origin = async {
                let value = self.truth[n].load(SeqCst);
                // Most invalidations happen during this pause.
                tokio::time::sleep(Duration::from_micros(pause)).await;
                value
            };
            let read = client.read(n, origin).await;
            self.stale.fetch_add(u64::from(read.value < floor), SeqCst);
            self.refused.fetch_add(u64::from(read.refused), SeqCst);
            self.from_cache
                .fetch_add(u64::from(read.from_cache), SeqCst);
        }
    }

    async fn writes<C: Client>(&self, client: &C, verb: Verb, mut random: SmallRng, races: u64) {
        while self.races.fetch_add(1, SeqCst) < races {
            let n = random.random_range(0..KEYS);
            let changed = if verb == Verb::Flush {
                0..KEYS
            } else {
                n..n + 1
            };
            let now: Vec<_> = changed
                .map(|n| (n, self.truth[n].fetch_add(1, SeqCst) + 1))
                .collect();
            assert!(client.forget(verb, n).await, "not acknowledged");
            for (n, truth) in now {
                self.floor[n].fetch_max(truth, SeqCst);
            }
            for _ in 0..random.random_range(0..4) {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(Duration::from_micros(random.random_range(0..500))).await;
        }
    }
}

/// Two writers and six readers, which use `clients` in turn.
async fn race<C: Client>(clients: Vec<Arc<C>>, verb: Verb, seed: u64, races: u64) -> Arc<World> {
    let world = Arc::new(World::default());
    let mut tasks = Vec::new();
    for task in 0..READERS + 2 {
        let (world, client) = (
            world.clone(),
            clients[task as usize % clients.len()].clone(),
        );
        let random = SmallRng::seed_from_u64(seed ^ (task << 32));
        tasks.push(tokio::spawn(async move {
            match task {
                0 | 1 => world.writes(&*client, verb, random, races).await,
                _ => world.reads(&*client, random, races).await,
            }
        }));
    }
    for task in tasks {
        task.await.expect("no read fails");
    }
    world
}

async fn check(protocols: &[&str], verb: Verb) {
    let server = Memcached::start();
    let seed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_micros() as u64;
    let of = |protocol: &&str| {
        let url = format!("{}?protocol={protocol}", server.url());
        Arc::new(cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "10000")]))
    };
    let world = race(protocols.iter().map(of).collect(), verb, seed, RACES).await;
    let [stale, refused, from_cache] =
        [&world.stale, &world.refused, &world.from_cache].map(|count| count.load(SeqCst));
    println!(
        "{protocols:?} {verb:?} seed {seed}: {stale} stale, {refused} late fills refused, {from_cache} from the cache"
    );
    assert_eq!(stale, 0, "seed {seed}");
    assert!(
        refused > 100 && from_cache > 20,
        "seed {seed}: {refused} refused, {from_cache} from the cache: no race"
    );
}

macro_rules! races {
    ($($name:ident: $verb:ident($($protocol:literal),+);)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            check(&[$($protocol),+], Verb::$verb).await;
        })*
    };
}

races! {
    no_fill_outlives_an_invalidation_with_classic: Invalidate("classic", "classic", "classic");
    no_fill_outlives_an_invalidation_with_meta: Invalidate("meta", "meta", "meta");
    no_fill_outlives_an_invalidation_with_both: Invalidate("classic", "meta", "meta");
    no_fill_outlives_a_flush_with_classic: Flush("classic", "classic", "classic");
    no_fill_outlives_a_flush_with_meta: Flush("meta", "meta", "meta");
    no_fill_outlives_a_flush_with_both: Flush("meta", "classic", "classic");
}

/// Get; on a miss call and set; delete to invalidate.
struct Plain(tokio::sync::Mutex<memcache_async::ascii::Protocol<tokio::net::TcpStream>>);

impl Client for Plain {
    async fn read(&self, n: usize, origin: impl Future<Output = u64> + Send) -> Read {
        let key = format!("race:{n}");
        let found = self.0.lock().await.get(&key).await;
        if let Ok(bytes) = found {
            let value = String::from_utf8(bytes).unwrap().parse().unwrap();
            return Read {
                value,
                refused: false,
                from_cache: true,
            };
        }
        let value = origin.await;
        self.0
            .lock()
            .await
            .set(&key, value.to_string().as_bytes(), 60)
            .await
            .unwrap();
        Read {
            value,
            refused: false,
            from_cache: false,
        }
    }

    async fn forget(&self, _: Verb, n: usize) -> bool {
        let mut client = self.0.lock().await;
        client.delete(&format!("race:{n}")).await.is_ok() && client.version().await.is_ok()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_harness_finds_stale_reads_in_a_plain_cache_aside() {
    let server = Memcached::start();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port()))
            .await
            .unwrap();
        stream.set_nodelay(true).unwrap();
        clients.push(Arc::new(Plain(tokio::sync::Mutex::new(
            memcache_async::ascii::Protocol::new(stream),
        ))));
    }
    let world = race(clients, Verb::Invalidate, 1, RACES / 5).await;
    let stale = world.stale.load(SeqCst);
    println!("plain cache-aside: {stale} stale");
    assert!(stale > 0, "the harness is blind");
}
