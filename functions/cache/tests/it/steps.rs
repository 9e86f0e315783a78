//! A holder that is struck at every step of a miss. Each of its round trips is held up once before
//! the server gets the command, and once before the holder gets the answer; there the holder is
//! killed, or frozen and thawed at the end.

use std::{collections::BTreeSet, thread, time::Duration};

use larder::{Cache, Fetched, Scope};
use larder_testing::{
    Fault, Leg, Memcached, Noise, Proxy, Stampede,
    stampede::{Ends, Order, Round},
};
use tokio::runtime::Runtime;

use crate::{
    stampede::itself,
    support::{at, key},
};

/// Long enough for the lease to be renewed while the origin runs.
const ORDER: Order = Order {
    keys: 1,
    together: 1,
    origin: Duration::from_secs(1),
    ends: Ends::Well,
    ttl: Duration::from_secs(60),
    stale: Duration::ZERO,
    lease: Duration::from_secs(2),
    wait: Duration::from_secs(60),
};
const OTHERS: usize = 2;
const CALLERS: usize = 4;
/// How many strikes run at the same time.
const TOGETHER: usize = 2;
/// A step that was not reached by then did not occur: a busy machine may skip a renewal.
const PATIENCE: Duration = Duration::from_secs(20);
/// A machine that holds the workers up for longer lets leases end whose holders live: a renewal is
/// a third of a second before the last one that is in time.
const HELD_UP: Duration = Duration::from_millis(300);
/// How often a strike that was held up so is repeated. A fault of the code fails each time.
const TRIES: usize = 3;

/// What happens to the holder, and what the others do in the meantime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// It is killed. Others ask for the key.
    Killed,
    /// It is frozen. Others ask for the key, and then it is thawed.
    Frozen,
    /// It is frozen. The function is flushed, and then it is thawed.
    Flushed,
}

impl Blow {
    /// The origin calls that it may cost, the holder's own among them.
    fn most(self) -> usize {
        match self {
            Self::Killed | Self::Frozen => 2,
            Self::Flushed => 1,
        }
    }
}

/// One worker behind a proxy, and others that reach the server directly.
struct Scene {
    runtime: Runtime,
    proxy: Proxy,
    holder: Stampede,
    others: Stampede,
    cache: Cache,
    _server: Memcached,
}

impl Scene {
    fn new(protocol: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let server = Memcached::start();
        let proxy = runtime.block_on(Proxy::start(server.port(), 0, Fault::default()));
        let url = |url: String| format!("{url}?protocol={protocol}");
        Self {
            holder: Stampede::start(&[url(proxy.url())], 1, itself),
            others: Stampede::start(&vec![url(server.url()); OTHERS], CALLERS, itself),
            cache: at(&url(server.url())),
            runtime,
            proxy,
            _server: server,
        }
    }

    fn value(&self) -> Option<u64> {
        let (key, policy) = (key("stampede", 0), ORDER.policy());
        let peeked = self.runtime.block_on(self.cache.peek(&key, &policy));
        peeked.map(Fetched::into_inner)
    }

    /// Whether the holder reached that step.
    fn held(&self) -> bool {
        let held = async { tokio::time::timeout(PATIENCE, self.proxy.held()).await };
        self.runtime.block_on(held).is_ok()
    }
}

/// The round trips of one miss, those of a new connection included.
fn steps(protocol: &str) -> u64 {
    let mut scene = Scene::new(protocol);
    let round = scene.holder.run(ORDER);
    assert_eq!(round.origin_calls(), [1], "{round}");
    scene.proxy.exchanges()
}

/// As [`strike_once`], and again if it failed while the machine held the workers up.
fn strike(protocol: &str, step: u64, leg: Leg, blow: Blow) -> Option<usize> {
    for tries in 1.. {
        let noise = Noise::start();
        let failed = match strike_once(protocol, step, leg, blow) {
            Ok(calls) => return calls,
            Err(failed) => failed,
        };
        let held_up = noise.forgive(Duration::ZERO);
        assert!(
            tries < TRIES && held_up > HELD_UP,
            "{failed}; held up for {held_up:?}"
        );
        println!("once more, held up for {held_up:?}: {failed}");
    }
    unreachable!("the last try fails")
}

/// The number of origin calls; `None` if the holder never reached that step. The error says what
/// went wrong.
fn strike_once(protocol: &str, step: u64, leg: Leg, blow: Blow) -> Result<Option<usize>, String> {
    let what = format!("{protocol}, {blow:?}, step {step}, {leg:?}");
    let mut scene = Scene::new(protocol);
    scene.proxy.hold(step, leg);
    let (mut struck, mut round) = (Round::new(ORDER), Round::new(ORDER));
    scene.holder.begin(ORDER);
    if !scene.held() {
        return Ok(None);
    }
    match blow {
        Blow::Killed => scene.holder.kill(0),
        Blow::Frozen | Blow::Flushed => scene.holder.freeze(0),
    }
    scene.holder.hear(&mut struck);
    let begun = struck.origin_calls() == [1];
    if blow == Blow::Flushed {
        let flushed = scene.cache.flush(Scope::All);
        scene.runtime.block_on(flushed).unwrap();
    } else {
        scene.others.begin(ORDER);
        scene.others.finish(&mut round);
        assert_eq!(round.answers(), OTHERS * CALLERS, "{what}: {round}");
        let values = round.values(0, None);
        if values.len() != 1 {
            return Err(format!(
                "{what}: {values:?}, not one value for all: {round}"
            ));
        }
    }
    let before = scene.value();
    scene.proxy.release();
    if blow != Blow::Killed {
        scene.holder.thaw(0);
    }
    scene.holder.finish(&mut struck);
    let after = scene.value();
    // No machine is slow enough for that.
    if begun && (blow == Blow::Flushed || before.is_some()) {
        let is_late = after.is_some() && after != before;
        assert!(!is_late, "{what}: a late fill is visible: {after:?}");
    }
    // The value of an origin call from after the flush may be stored.
    if (blow != Blow::Flushed || begun) && after != before {
        return Err(format!("{what}: {after:?} is there, and was {before:?}"));
    }
    let calls = struck.origin_calls()[0] + round.origin_calls()[0];
    match calls <= blow.most() {
        true => Ok(Some(calls)),
        false => Err(format!("{what}: {calls} calls")),
    }
}

/// Every step and leg, several at the same time: most of a run is spent waiting for a lease to end.
fn every_step(protocol: &str, blow: Blow) {
    let steps = steps(protocol);
    let strikes: Vec<_> = (1..=steps)
        .flat_map(|step| [(step, Leg::Command), (step, Leg::Answer)])
        .collect();
    let mut calls = Vec::new();
    for few in strikes.chunks(TOGETHER) {
        thread::scope(|scope| {
            let begun: Vec<_> = few
                .iter()
                .map(|&(step, leg)| scope.spawn(move || strike(protocol, step, leg, blow)))
                .collect();
            for (&(step, leg), strike) in few.iter().zip(begun) {
                calls.push((step, leg, strike.join().unwrap()));
            }
        });
    }
    println!("{protocol}, {blow:?}, {steps} steps, origin calls: {calls:?}");
    let most = blow.most();
    for (step, leg, calls) in &calls {
        let Some(calls) = calls else {
            assert!(*step > 4, "{leg:?} of step {step} was not come to");
            continue;
        };
        assert!(
            (1..=most).contains(calls),
            "{leg:?} of step {step}: {calls} calls"
        );
    }
    let costs: BTreeSet<_> = calls.iter().filter_map(|(_, _, calls)| *calls).collect();
    assert!(costs.contains(&most), "no blow hit the origin: {calls:?}");
}

#[test]
fn a_holder_killed_at_any_step_costs_at_most_one_more_call_with_classic() {
    every_step("classic", Blow::Killed);
}

#[test]
fn a_holder_killed_at_any_step_costs_at_most_one_more_call_with_meta() {
    every_step("meta", Blow::Killed);
}

#[test]
fn a_holder_frozen_at_any_step_stores_nothing_late_with_classic() {
    every_step("classic", Blow::Frozen);
}

#[test]
fn a_holder_frozen_at_any_step_stores_nothing_late_with_meta() {
    every_step("meta", Blow::Frozen);
}

#[test]
fn a_flush_while_a_holder_is_frozen_at_any_step_hides_its_fill_with_classic() {
    every_step("classic", Blow::Flushed);
}

#[test]
fn a_flush_while_a_holder_is_frozen_at_any_step_hides_its_fill_with_meta() {
    every_step("meta", Blow::Flushed);
}
