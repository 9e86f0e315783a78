//! What random runs hardly meet, step by step.

use super::*;

const LONG: Policy = MINUTE.near(Duration::from_secs(2));
const SHORT: Policy = MINUTE.near(Duration::from_millis(200));
const MINUTE: Policy = Policy::ttl(Duration::from_secs(60)).jitter(0);

fn paused<T>(script: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, script)
}

fn process(network: &Arc<Network>, near: Near, records_behind: bool) -> Cache {
    let store = Store::Simulated(Simulated {
        networks: vec![network.clone()],
        meta: true,
        records_behind,
        flushes_first: false,
    });
    Cache::with_near(store, Clock::or_tokio(), near, BUDGET)
}

async fn read(cache: &Cache, n: usize, policy: &Policy, truth: u64) -> u64 {
    let origin = || async { Ok::<_, ()>(truth) };
    let fetched = cache.get_or_fetch(&key(n), policy, origin).await;
    *fetched.unwrap()
}

/// A name's copies live for 200 ms, another's for 2 s. The namespace's record is lost while there
/// is a long copy, and a process adds it again by a short one. If it is settled after what that
/// takes, a flush of everything does not wait for the long copy.
fn lost_namespace(fault: Option<Fault>) -> bool {
    paused(async {
        let network = Network::new(1, false);
        let make = || process(&network, Near::on(1 << 20), false);
        let (long, short, verbs) = (make(), make(), make());
        for n in [0, 1] {
            verbs.invalidate(&key(n)).await.unwrap();
        }
        for _ in 0..4 {
            read(&short, 0, &SHORT, 0).await;
            read(&long, 1, &LONG, 0).await;
            sleep(Duration::from_millis(1100)).await;
        }
        long.forget_near();
        fault.inspect(|fault| short.shared().near.planted.plant(*fault));
        read(&long, 1, &LONG, 0).await;
        let keys = crate::key::CacheKeys::new(&long.shared().namespace, &key(0));
        network.evict(keys.near()[0].key());
        read(&short, 0, &SHORT, 0).await;
        sleep(Duration::from_millis(1010)).await;
        // It is known for a second now.
        read(&short, 0, &SHORT, 0).await;
        verbs.flush(Scope::All).await.unwrap();
        read(&long, 1, &LONG, 1).await == 0
    })
}

#[test]
fn the_namespaces_record_is_settled_when_every_copy_has_ended() {
    assert!(!lost_namespace(None));
    assert!(lost_namespace(Some(Fault::SettledByAName)));
}

/// A lookup reads the key, and then the records only when others have added them.
fn late_permission(seed: u64, records_behind: bool) -> bool {
    paused(async {
        let network = Network::new(seed, false);
        let reader = process(&network, Near::on(1 << 20), records_behind);
        let other = process(&network, Near::on(1 << 20), false);
        let off = process(&network, Near::default(), false);
        read(&off, 1, &LONG, 0).await;
        network.set(Faults {
            slow: 1000,
            ..Faults::default()
        });
        let looking = async { read(&reader, 1, &LONG, 0).await };
        let changing = async {
            // The lookup is on its way.
            sleep(Duration::from_millis(4)).await;
            network.set(Faults::default());
            off.invalidate(&key(1)).await.unwrap();
            for _ in 0..2 {
                read(&other, 1, &LONG, 1).await;
            }
        };
        tokio::join!(looking, changing);
        read(&reader, 1, &LONG, 1).await == 0
    })
}

#[test]
fn a_record_is_read_before_the_key() {
    let stale = |behind| {
        (0..40)
            .filter(|seed| late_permission(*seed, behind))
            .count()
    };
    assert_eq!(stale(false), 0);
    assert!(stale(true) > 0, "the wrong order was not noticed");
}
