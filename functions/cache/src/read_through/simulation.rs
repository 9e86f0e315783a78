//! Whole runs of many callers over two simulated servers and their network, each from one seed:
//! readers, one of them of a release without tags, a writer, cancelled calls, origins that fail or
//! outlast their lease, lost and late commands, restarts, evictions.
//!
//! Every answer is checked against what the algorithm promises: it belongs to its key, it is no
//! older than what was acknowledged before its caller came, it is within its ttl or its stale
//! window, and it comes in time. `SIMULATION_SEEDS` sets the number of runs, `SIMULATION_FIRST` the
//! first seed, which repeats a failed run.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};
use tokio::{
    task::{JoinSet, LocalSet},
    time::{Instant, sleep, timeout},
};

use super::{Call, snapshot};
use crate::{
    Cache, Key, Outcome, Policy, Scope, Source,
    clock::Clock,
    entry::Generations,
    planted::Fault,
    store::{
        Store,
        simulated::{Faults, Network, Simulated},
    },
};

const KEYS: usize = 4;
const READERS: usize = 6;
const READS: usize = 40;
const WRITES: usize = 60;
/// A value contains its key.
const KIND: u64 = 1_000_000;

const LEASE: Duration = Duration::from_secs(2);
const WAIT: Duration = Duration::from_secs(5);
/// The longest origin call: twice the lease.
const ORIGIN: Duration = Duration::from_secs(4);
/// The default, and the precision of tokio's timers.
const BUDGET: Duration = Duration::from_millis(50);
const GRAIN: Duration = Duration::from_millis(20);

const fn policy(ttl: u64) -> Policy {
    Policy::ttl(Duration::from_millis(ttl))
        .jitter(0)
        .lease(LEASE)
        .wait(WAIT)
}

const POLICIES: [Policy; KEYS] = [
    policy(60_000),
    policy(700),
    policy(500).stale_while_revalidate(Duration::from_secs(8)),
    policy(900).stale_if_error(Duration::from_secs(20)),
];

/// The tags of each key.
const TAGS: [&[&str]; KEYS] = [&["odd one"], &["x", "y"], &["x", "z", "y"], &[]];

/// As a release sees it that knows no tags.
fn untagged(n: usize) -> Key {
    Key::new(["a", "b"][n % 2], &(n,)).unwrap()
}

fn key(n: usize) -> Key {
    untagged(n).with_tags(TAGS[n]).unwrap()
}

/// For a test of the tests: the generations when a fill is written, if it is to carry those.
pub(super) fn generations_at_fill(call: &Call<'_>) -> Option<Generations> {
    let Store::Simulated(simulated) = &call.cache.store else {
        return None;
    };
    if !call.cache.planted().has(Fault::StampedAtFill) {
        return None;
    }
    let present = simulated.generations(&call.keys);
    let (generations, _) = snapshot::generations(call, &present, &mut |_| {})?;
    Some(generations)
}

/// Which rule is broken, for a test of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// Nothing, and the writer flushes tags alone, as in the runs with a broken rule of theirs.
    NothingOfTags,
    /// A server accepts every swap with any cas.
    Swaps,
    /// A flush reaches the first server alone.
    Flushes,
    Rule(Fault),
}

/// What one run has seen.
#[derive(Debug, Default)]
struct World {
    /// How often each key's value was changed, and the oldest version that a reader that comes now
    /// may get: at all, and as fresh.
    truth: [Cell<u64>; KEYS],
    floor: [Cell<u64>; KEYS],
    fresh: [Cell<u64>; KEYS],
    /// The oldest that a reader with tags may get.
    tagged: [Cell<u64>; KEYS],
    running: [Cell<u32>; KEYS],
    /// The most origin calls of one key at a time.
    most: Cell<u32>,
    ended: Cell<bool>,
    wrong: RefCell<Vec<String>>,
    tally: RefCell<Tally>,
    /// Whether the writer does nothing but flush tags.
    tags_alone: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    hit: u64,
    stale: u64,
    covered: u64,
    collapsed: u64,
    origin: u64,
    failed: u64,
    cancelled: u64,
    acknowledged: u64,
    unacknowledged: u64,
}

/// What happens besides reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// Nothing else: one origin call at a time for each key.
    Calm,
    /// A writer.
    Writes,
    /// A writer, and everything that can go wrong.
    Storm,
}

impl World {
    fn wrong(&self, what: impl Into<String>) {
        self.wrong.borrow_mut().push(what.into());
    }

    fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.borrow_mut());
    }

    /// An origin that reads the true value at its beginning.
    async fn origin(&self, n: usize, takes: Duration, fails: bool) -> Result<u64, ()> {
        struct Running<'a>(&'a Cell<u32>);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() - 1);
            }
        }
        let running = &self.running[n];
        running.set(running.get() + 1);
        self.most.set(self.most.get().max(running.get()));
        let _running = Running(running);
        let value = KIND * n as u64 + self.truth[n].get();
        sleep(takes).await;
        if fails { Err(()) } else { Ok(value) }
    }

    async fn reads(
        self: Rc<Self>,
        cache: Cache,
        knows_tags: bool,
        mut random: SmallRng,
        weather: Weather,
    ) {
        for _ in 0..READS {
            let n = random.random_range(0..KEYS);
            let pause = if random.random_ratio(1, 20) {
                3000
            } else {
                150
            };
            sleep(Duration::from_millis(random.random_range(0..pause))).await;
            let takes = match random.random_range(0..20) {
                0 => ORIGIN.mul_f64(random.random()),
                _ => Duration::from_millis(random.random_range(0..60)),
            };
            let fails = weather != Weather::Calm && random.random_ratio(1, 8);
            let (key, policy) = (if knows_tags { key(n) } else { untagged(n) }, &POLICIES[n]);
            let (mut floor, fresh) = (self.floor[n].get(), self.fresh[n].get());
            if knows_tags {
                floor = floor.max(self.tagged[n].get());
            }
            let begun = Instant::now();
            let way = random.random_range(0..100);
            let call = async {
                let origin = || self.origin(n, takes, fails);
                match way {
                    0..60 => Some(cache.get_or_fetch(&key, policy, origin).await),
                    60..80 => {
                        let origin = async |_| Ok([(n, origin().await?)]);
                        let many = cache.get_or_fetch_many([(key, n)], policy, origin);
                        let values = many.await;
                        Some(values.map(|mut values| values.remove(&n).expect("its value")))
                    }
                    80..86 if weather != Weather::Calm => {
                        Some(cache.refresh(&key, policy, origin).await)
                    }
                    _ => cache.peek(&key, policy).await.map(Ok),
                }
            };
            let patience = if weather == Weather::Storm && random.random_ratio(1, 12) {
                Duration::from_micros(random.random_range(0..30_000))
            } else {
                Duration::MAX
            };
            let Ok(answer) = timeout(patience, call).await else {
                self.count(|tally| tally.cancelled += 1);
                continue;
            };
            let took = begun.elapsed();
            if took > WAIT + ORIGIN + 2 * BUDGET + GRAIN {
                self.wrong(format!("key {n}: {took:?}"));
            }
            let fetched = match answer {
                None => continue,
                Some(Err(())) => {
                    self.count(|tally| tally.failed += 1);
                    continue;
                }
                Some(Ok(fetched)) => fetched,
            };
            let (outcome, age) = (fetched.outcome(), fetched.age());
            self.count(|tally| match outcome {
                Outcome::Hit => tally.hit += 1,
                Outcome::Stale => tally.stale += 1,
                Outcome::StaleOnError | Outcome::StaleAfterError => tally.covered += 1,
                Outcome::Collapsed => tally.collapsed += 1,
                _ => tally.origin += 1,
            });
            let (of, value) = (*fetched / KIND, *fetched % KIND);
            let stale = fetched.source() == Source::Stale;
            let floor = if stale { floor } else { floor.max(fresh) };
            let parts = &policy.parts;
            let longest = match outcome {
                Outcome::Stale => parts.ttl + parts.stale_while_revalidate,
                Outcome::StaleOnError => parts.ttl + parts.stale_if_error,
                Outcome::StaleAfterError => parts.ttl + parts.stale(),
                Outcome::Hit => parts.ttl,
                _ => Duration::MAX,
            };
            if of != n as u64 || value < floor || age > longest {
                self.wrong(format!(
                    "key {n}: {outcome:?} of key {of}, {value} after {floor}, {age:?} old"
                ));
            }
        }
    }

    /// Changes values, and invalidates them in each of the possible ways.
    async fn writes(self: Rc<Self>, cache: Cache, mut random: SmallRng) {
        for _ in 0..WRITES {
            sleep(Duration::from_millis(random.random_range(0..200))).await;
            let n = random.random_range(0..KEYS);
            let changed = |all: &mut dyn Iterator<Item = usize>| {
                all.map(|n| {
                    self.truth[n].set(self.truth[n].get() + 1);
                    (n, self.truth[n].get())
                })
                .collect::<Vec<_>>()
            };
            let key = key(n);
            let way = match self.tags_alone {
                true => 10,
                false => random.random_range(0..14),
            };
            let (changed, acknowledged, floor) = match way {
                0..4 => (
                    changed(&mut [n].into_iter()),
                    cache.invalidate(&key).await,
                    &self.floor,
                ),
                4 => (
                    changed(&mut (0..KEYS)),
                    cache.flush(Scope::All).await,
                    &self.floor,
                ),
                5 => {
                    let alike = &mut (0..KEYS).filter(|other| other % 2 == n % 2);
                    (
                        changed(alike),
                        cache.flush(Scope::Name(key.name())).await,
                        &self.floor,
                    )
                }
                6 | 7 => (
                    changed(&mut [n].into_iter()),
                    cache.expire(&key, &POLICIES[n]).await,
                    &self.fresh,
                ),
                8 | 9 => {
                    let now = changed(&mut [n].into_iter());
                    let value = KIND * n as u64 + self.truth[n].get();
                    (
                        now,
                        cache.put(&key, &POLICIES[n], &value).await,
                        &self.floor,
                    )
                }
                _ => {
                    let tag = ["x", "y", "z", "odd one"][random.random_range(0..4)];
                    let alike = &mut (0..KEYS).filter(|other| TAGS[*other].contains(&tag));
                    (
                        changed(alike),
                        cache.flush(Scope::Tag(tag)).await,
                        &self.tagged,
                    )
                }
            };
            if acknowledged.is_err() {
                self.count(|tally| tally.unacknowledged += 1);
                continue;
            }
            self.count(|tally| tally.acknowledged += 1);
            for (n, truth) in changed {
                floor[n].set(floor[n].get().max(truth));
            }
        }
    }

    async fn weather(
        self: Rc<Self>,
        networks: Vec<Arc<Network>>,
        caches: Vec<Cache>,
        mut random: SmallRng,
    ) {
        while !self.ended.get() {
            let faults = match random.random_range(0..5) {
                0 => Faults {
                    lost: 1000,
                    ..Faults::default()
                },
                1 => Faults {
                    lost: 30,
                    unanswered: 100,
                    late: 200,
                    ..Faults::default()
                },
                2 => Faults {
                    lost: 100,
                    unanswered: 30,
                    late: 30,
                    ..Faults::default()
                },
                _ => Faults::default(),
            };
            for network in &networks {
                network.set(faults);
            }
            for _ in 0..4 {
                sleep(Duration::from_millis(random.random_range(0..500))).await;
                let n = random.random_range(0..KEYS);
                let keys = crate::key::CacheKeys::new(&caches[0].shared().namespace, &key(n));
                let network = &networks[random.random_range(0..networks.len())];
                match random.random_range(0..14) {
                    0 => network.restart(),
                    1 | 2 => network.evict(keys.item()),
                    3 => network.evict(keys.marker()),
                    4 => network.evict(keys.function()),
                    5 => network.evict(keys.namespace()),
                    6 | 7 => {
                        let tags = keys.tags().iter();
                        tags.for_each(|tag| network.evict(tag.key()));
                    }
                    _ => {}
                }
            }
        }
        for network in &networks {
            network.set(Faults::default());
        }
    }
}

/// One run, to its end, and until every key can be filled again.
async fn run(seed: u64, weather: Weather, broken: Broken) -> Rc<World> {
    let world = Rc::new(World {
        tags_alone: !matches!(broken, Broken::Nothing | Broken::Swaps),
        ..World::default()
    });
    let careless = broken == Broken::Swaps;
    let networks = vec![Network::new(seed, careless), Network::new(!seed, careless)];
    let mut seeds = SmallRng::seed_from_u64(seed);
    let mut random = || SmallRng::seed_from_u64(seeds.random());
    let clock = Clock::or_tokio();
    let caches: Vec<_> = [false, true, true]
        .map(|meta| {
            let store = Simulated {
                networks: networks.clone(),
                meta,
                records_behind: false,
                flushes_first: broken == Broken::Flushes,
            };
            let cache = Cache::over(Store::Simulated(store), clock.clone());
            if let Broken::Rule(fault) = broken {
                cache.shared().planted().plant(fault);
            }
            cache
        })
        .into();
    let mut tasks = JoinSet::new();
    for reader in 0..READERS {
        let cache = caches[reader % caches.len()].clone();
        // In calm weather there is one release: two with other tags replace each other's entries.
        let knows_tags = reader > 0 || weather == Weather::Calm;
        tasks.spawn_local(world.clone().reads(cache, knows_tags, random(), weather));
    }
    if weather != Weather::Calm {
        let cache = caches[(seed % 3) as usize].clone();
        tasks.spawn_local(world.clone().writes(cache, random()));
    }
    let changing = world.clone().weather(networks, caches.clone(), random());
    let changing = (weather == Weather::Storm).then(|| tokio::task::spawn_local(changing));
    while let Some(ended) = tasks.join_next().await {
        ended.expect("no call panics");
    }
    world.ended.set(true);
    if let Some(changing) = changing {
        changing.await.expect("the weather changes");
    }
    // All leases, markers and late commands have ended by then.
    sleep(Duration::from_secs(10)).await;
    for (n, policy) in POLICIES.iter().enumerate() {
        for cache in &caches {
            let origin = || world.origin(n, Duration::ZERO, false);
            let mut last = None;
            // An item may expire on the server between a lookup and its fill, which is refused
            // then.
            for _ in 0..2 {
                let filled = cache.get_or_fetch(&key(n), policy, origin).await;
                let again = cache.get_or_fetch(&key(n), policy, origin).await;
                let hit = filled.is_ok() && again.is_ok_and(|again| again.is_hit());
                last = Some(filled).filter(|_| !hit);
                if hit {
                    break;
                }
            }
            if let Some(filled) = last {
                world.wrong(format!("key {n} can not be filled any more: {filled:?}"));
            }
        }
    }
    world
}

/// Runs all seeds. Everything that was wrong is reported with its seed.
fn check(
    weather: Weather,
    broken: Broken,
    seeds: impl IntoIterator<Item = u64>,
) -> (Vec<String>, Tally) {
    let (mut wrong, mut sum) = (Vec::new(), Tally::default());
    for seed in seeds {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let world = LocalSet::new().block_on(&runtime, run(seed, weather, broken));
        for what in world.wrong.take() {
            wrong.push(format!("{weather:?}, seed {seed}: {what}"));
        }
        if weather == Weather::Calm && world.most.get() > 1 {
            wrong.push(format!(
                "seed {seed}: {} origin calls at a time",
                world.most.get()
            ));
        }
        let tally = *world.tally.borrow();
        for (sum, more) in [
            (&mut sum.hit, tally.hit),
            (&mut sum.stale, tally.stale),
            (&mut sum.covered, tally.covered),
            (&mut sum.collapsed, tally.collapsed),
            (&mut sum.origin, tally.origin),
            (&mut sum.failed, tally.failed),
            (&mut sum.cancelled, tally.cancelled),
            (&mut sum.acknowledged, tally.acknowledged),
            (&mut sum.unacknowledged, tally.unacknowledged),
        ] {
            *sum += more;
        }
    }
    println!("{weather:?}: {sum:?}");
    (wrong, sum)
}

fn seeds(usual: u64) -> std::ops::Range<u64> {
    let number = |name: &str| {
        let word = std::env::var(name).ok()?;
        Some(
            word.parse::<u64>()
                .unwrap_or_else(|e| panic!("{name}: {e}")),
        )
    };
    let first = number("SIMULATION_FIRST").unwrap_or(0);
    let seeds = first..first + number("SIMULATION_SEEDS").unwrap_or(usual);
    println!("seeds {seeds:?}");
    seeds
}

#[test]
fn in_calm_weather_one_origin_call_a_key_runs_at_a_time() {
    let (wrong, tally) = check(Weather::Calm, Broken::Nothing, seeds(30));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tally.collapsed > 100, "hardly anybody waited");
}

#[test]
fn no_answer_is_older_than_what_was_acknowledged() {
    let (wrong, tally) = check(Weather::Writes, Broken::Nothing, seeds(60));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        tally.stale > 50 && tally.covered > 5,
        "hardly anything was stale"
    );
}

#[test]
fn nor_is_one_in_a_storm() {
    let (wrong, tally) = check(Weather::Storm, Broken::Nothing, seeds(90));
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(
        tally.cancelled > 100 && tally.unacknowledged > 100,
        "hardly a storm"
    );
}

/// Otherwise the simulation could not detect anything.
#[test]
fn a_server_that_takes_late_fills_is_found_out() {
    let (wrong, _) = check(Weather::Writes, Broken::Swaps, 0..20);
    println!("{} wrong, such as {:?}", wrong.len(), wrong.first());
    assert!(!wrong.is_empty(), "a late fill was not noticed");
}

/// Each of these lets a value from before a flush by tag live on. The writer does nothing else.
#[test]
fn a_broken_rule_of_tags_is_found_out() {
    for broken in [
        Broken::Flushes,
        Broken::Rule(Fault::TagsNotCompared),
        Broken::Rule(Fault::StampedAtFill),
        Broken::Rule(Fault::LeaseWithoutStamp),
    ] {
        let found = (0..60).find_map(|seed| {
            let (wrong, _) = check(Weather::Writes, broken, [seed]);
            Some((seed, wrong.into_iter().next()?))
        });
        println!("{broken:?}: {found:?}");
        assert!(found.is_some(), "{broken:?} was not noticed");
    }
    let (wrong, _) = check(Weather::Writes, Broken::NothingOfTags, 0..20);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
