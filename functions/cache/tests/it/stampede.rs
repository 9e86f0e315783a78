//! Processes, not tasks: the workers are this test binary, started again as the test
//! [`a_lone_worker_calls_its_origin_once_a_key`].

use std::{
    process::Command,
    time::{Duration, Instant},
};

use larder::{Cache, Fetched, Scope, Source};
use larder_testing::{
    Memcached, Noise, Stampede,
    stampede::{Ends, Event, Order, Round, Worker},
};

use crate::support::{at, key};

const PROCESSES: usize = 8;
const CALLERS: usize = 8;
pub(crate) const ORDER: Order = Order {
    keys: 20,
    together: 5,
    origin: Duration::from_millis(300),
    ends: Ends::Well,
    ttl: Duration::from_secs(60),
    stale: Duration::ZERO,
    lease: Duration::from_secs(2),
    wait: Duration::from_secs(60),
};

/// If the environment says so, this test is a worker of the other tests.
#[test]
fn a_lone_worker_calls_its_origin_once_a_key() {
    if let Some(worker) = Worker::from_env() {
        return worker.run();
    }
    let mut crowd = Crowd::start(&["auto"], 1, 1);
    let order = Order { keys: 3, ..ORDER };
    let round = crowd.stampede.run(order);
    assert_eq!(round.origin_calls(), [1, 1, 1], "{round}");
    assert_eq!((round.answers(), round.from(Source::Origin)), (3, 3));
}

pub(crate) fn itself() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "stampede::a_lone_worker_calls_its_origin_once_a_key",
        "--nocapture",
    ]);
    // These tests count calls. They are not about the time for cache I/O, and the machine may be
    // busy.
    command.env("CACHE_BUDGET_MS", "10000");
    command
}

/// Workers, their server, and a cache for the test itself to read and flush with.
struct Crowd {
    stampede: Stampede,
    cache: Cache,
    _server: Memcached,
}

impl Crowd {
    /// The workers use `protocols` in turn.
    fn start(protocols: &[&str], processes: usize, callers: usize) -> Self {
        let server = Memcached::start();
        let url = |n: usize| {
            let protocol = protocols[n % protocols.len()];
            format!("{}?protocol={protocol}", server.url())
        };
        let urls: Vec<_> = (0..processes).map(url).collect();
        Self {
            stampede: Stampede::start(&urls, callers, itself),
            cache: at(&server.url()),
            _server: server,
        }
    }

    /// Gives every key an entry that is past its ttl, with this stale window.
    async fn outdate(&self, stale: Duration) {
        let outdated = Order {
            ttl: Duration::from_millis(1),
            stale,
            ..ORDER
        };
        for n in 0..ORDER.keys {
            self.cache
                .put(&key("stampede", n), &outdated.policy(), &0_u64)
                .await
                .unwrap();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }

    async fn values(&self) -> Vec<Option<u64>> {
        let mut values = Vec::new();
        for n in 0..ORDER.keys {
            let value = self.cache.peek(&key("stampede", n), &ORDER.policy()).await;
            values.push(value.map(Fetched::into_inner));
        }
        values
    }

    /// Begins a round on cold keys and strikes the first worker that calls an origin; repeats that
    /// until it was struck during the call. Returns the worker and the keys of its unfinished
    /// origin calls.
    async fn strike(
        &mut self,
        order: Order,
        round: &mut Round,
        how: fn(&mut Stampede, usize),
    ) -> (usize, Vec<u64>) {
        for _ in 0..PROCESSES / 2 {
            self.cache.flush(Scope::All).await.unwrap();
            *round = Round::new(order);
            self.stampede.begin(order);
            let struck = loop {
                match self.stampede.next(round) {
                    Some((worker, Event::Origin(_))) => break worker,
                    Some(_) => {}
                    None => panic!("no origin was called: {round}"),
                }
            };
            how(&mut self.stampede, struck);
            self.stampede.finish(round);
            let unended = round.unended(struck);
            if !unended.is_empty() {
                return (struck, unended);
            }
            self.stampede.thaw(struck);
            self.stampede.finish(round);
        }
        panic!("no worker could be struck in time: {round}");
    }
}

async fn cold_and_expired(protocols: &[&str]) {
    let mut crowd = Crowd::start(protocols, PROCESSES, CALLERS);
    let everybody = PROCESSES * CALLERS * ORDER.keys as usize;
    let cold = crowd.stampede.run(ORDER);
    println!("{protocols:?} cold:         {cold}");
    assert_eq!(cold.origin_calls(), [1; ORDER.keys as usize], "{cold}");
    assert_eq!(cold.answers(), everybody);

    crowd.outdate(Duration::ZERO).await;
    let expired = crowd.stampede.run(ORDER);
    println!("{protocols:?} expired:      {expired}");
    assert_eq!(
        expired.origin_calls(),
        [1; ORDER.keys as usize],
        "{expired}"
    );
    assert_eq!(expired.from(Source::Stale), 0);

    let window = Order {
        stale: Duration::from_secs(60),
        ..ORDER
    };
    crowd.outdate(window.stale).await;
    let stale = crowd.stampede.run(window);
    println!("{protocols:?} stale window: {stale}");
    assert_eq!(stale.origin_calls(), [1; ORDER.keys as usize], "{stale}");
    assert!(
        stale.from(Source::Stale) > everybody / 2,
        "most are served at once: {stale}"
    );
}

async fn killed(protocols: &[&str]) {
    let mut crowd = Crowd::start(protocols, PROCESSES, CALLERS);
    let mut round = Round::new(ORDER);
    let (struck, unended) = crowd.strike(ORDER, &mut round, Stampede::kill).await;
    println!("{protocols:?} killed in {} calls: {round}", unended.len());
    for (key, calls) in (0..).zip(round.origin_calls()) {
        let expected = if unended.contains(&key) { 2 } else { 1 };
        assert_eq!(calls, expected, "key {key}, killed in {unended:?}: {round}");
        assert_eq!(round.values(key, Some(struck)).len(), 1, "key {key}");
    }
}

/// If a busy machine delays a holder for two thirds of its lease, it loses the lease as a frozen
/// holder does. Here that takes four seconds.
const FREEZING: Order = Order {
    lease: Duration::from_secs(6),
    ..ORDER
};
/// How long a holder is frozen: much longer than its lease.
const FROZEN: Duration = Duration::from_secs(9);

async fn frozen(protocols: &[&str]) {
    let mut crowd = Crowd::start(protocols, PROCESSES, CALLERS);
    let mut round = Round::new(FREEZING);
    let begun = Instant::now();
    let (struck, unended) = crowd.strike(FREEZING, &mut round, Stampede::freeze).await;
    tokio::time::sleep(FROZEN.saturating_sub(begun.elapsed())).await;
    let before = crowd.values().await;
    crowd.stampede.thaw(struck);
    crowd.stampede.finish(&mut round);
    println!("{protocols:?} frozen in {} calls: {round}", unended.len());
    assert_eq!(
        crowd.values().await,
        before,
        "a thawed holder's late fill was stored"
    );
    for (key, calls) in (0..).zip(round.origin_calls()) {
        assert!(calls <= 2, "key {key}, frozen in {unended:?}: {round}");
    }
    for key in unended {
        // The frozen worker had the lease, and one other took it over. How long the others waited
        // for it is no matter: a holder that is frozen before it could stamp its placeholder
        // leaves one of two seconds.
        let called = round.called(key);
        assert!(
            called.len() == 2 && called[0] == struck && called[1] != struck,
            "key {key} was computed by {called:?}, and {struck} was frozen: {round}"
        );
        assert!(!round.stored(key, struck), "key {key}");
        let by_others = round.values(key, Some(struck));
        assert_eq!(by_others, Vec::from_iter(before[key as usize]), "key {key}");
    }
}

async fn patient(protocols: &[&str]) {
    slow(protocols, Duration::from_secs(3)).await;
}

/// Fifteen times the lease.
async fn very_patient(protocols: &[&str]) {
    slow(protocols, Duration::from_secs(30)).await;
}

async fn slow(protocols: &[&str], origin: Duration) {
    let order = Order {
        keys: 1,
        together: 1,
        origin,
        ..ORDER
    };
    let mut crowd = Crowd::start(protocols, 4, 50);
    // A busy machine may delay one answer of 200, so the best of three runs counts. Calls are
    // counted in each.
    let mut late = Vec::new();
    for _ in 0..3 {
        crowd.cache.flush(Scope::All).await.unwrap();
        let noise = Noise::start();
        let round = crowd.stampede.run(order);
        println!("{protocols:?} 200 callers:  {round}");
        assert_eq!(
            (round.origin_calls(), round.answers()),
            (vec![1], 200),
            "{round}"
        );
        let (last, bound) = (round.waited(100), noise.forgive(order.origin.mul_f64(1.05)));
        if last <= bound {
            return;
        }
        late.push((last, bound));
    }
    panic!("the last answer came too late, and the bound: {late:?}");
}

macro_rules! crowds {
    ($($name:ident: $run:ident($($protocol:literal),+);)*) => {
        $(#[tokio::test]
        async fn $name() {
            $run(&[$($protocol),+]).await;
        })*
    };
}

crowds! {
    a_cold_or_expired_key_costs_one_call_with_classic: cold_and_expired("classic");
    a_cold_or_expired_key_costs_one_call_with_meta: cold_and_expired("meta");
    a_cold_or_expired_key_costs_one_call_with_both: cold_and_expired("classic", "meta");
    a_killed_holder_costs_one_more_call_with_classic: killed("classic");
    a_killed_holder_costs_one_more_call_with_meta: killed("meta");
    a_killed_holder_costs_one_more_call_with_both: killed("classic", "meta");
    a_frozen_holder_costs_one_more_call_and_stores_nothing_with_classic: frozen("classic");
    a_frozen_holder_costs_one_more_call_and_stores_nothing_with_meta: frozen("meta");
    a_frozen_holder_costs_one_more_call_and_stores_nothing_with_both: frozen("classic", "meta");
    two_hundred_callers_wait_hardly_longer_than_one_with_classic: patient("classic");
    two_hundred_callers_wait_hardly_longer_than_one_with_meta: patient("meta");
    two_hundred_callers_wait_hardly_longer_than_one_with_both: patient("classic", "meta");
    an_origin_of_thirty_seconds_is_called_once_with_both: very_patient("classic", "meta");
}
