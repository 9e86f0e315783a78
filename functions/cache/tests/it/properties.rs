use larder::{Fill, Key, Outcome};
use larder_testing::Memcached;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

mod argument;
mod recorder;
mod wire;
use argument::Arg;
use recorder::Recorder;

use crate::support::{MINUTE, cache};

const TUPLES: u64 = 20_000;
const PAIRS: u64 = 200_000;

/// What a call sends: only commands of its protocol, each with the call's key as one token if it
/// has a key.
async fn framed(protocol: &str, verbs: &[&str], seed: u64) {
    println!("{protocol}: {TUPLES} argument tuples, seed {seed}");
    let server = Memcached::start();
    let recorder = Recorder::start(server.port()).await;
    let url = format!("{}?protocol={protocol}", recorder.url());
    let cache = cache(&[("CACHE_URL", &url), ("CACHE_BUDGET_MS", "10000")]);
    let mut random = SmallRng::seed_from_u64(seed);
    for n in 0..TUPLES {
        let begun = std::time::Instant::now();
        let arguments = (
            n,
            Arg::hostile(&mut random, 2),
            Arg::hostile(&mut random, 2),
        );
        let key = Key::new("framed", &arguments).unwrap();
        let value = format!("{:?}", arguments.1);
        let origin = || async { Ok::<_, ()>(value.clone()) };
        let fetched = cache.get_or_fetch(&key, &MINUTE, origin).await.unwrap();
        assert_eq!(*fetched, value);
        // A placeholder lives for 1 s at least. On a machine that stops for longer its fill is
        // refused, as it should be.
        let outcome = fetched.outcome();
        assert_eq!(
            outcome,
            Outcome::Miss(Fill::Stored),
            "{n}: {:?}",
            begun.elapsed()
        );
        if random.random_ratio(1, 4) {
            cache.invalidate(&key).await.unwrap();
        }
        let item = format!("larder:framed:{}", hex::encode(key.digest()));
        let near = ["larder:@near", "larder:@near:framed"];
        let ours = [
            item.as_str(),
            "larder:@all",
            "larder:@fn:framed",
            near[0],
            near[1],
        ];
        let sent = wire::commands(&recorder.take());
        for command in &sent {
            assert!(verbs.contains(&command.verb.as_str()), "{command:?}");
            assert!(command.keys.iter().all(|key| ours.contains(&key.as_str())));
        }
        assert!(sent.iter().any(|command| command.data.is_some()));
    }
    assert_eq!(server.stat("cmd_flush"), 0);
    assert_eq!(server.ask("get victim\r\n", "END\r\n"), "END\r\n");
}

#[tokio::test]
async fn whatever_the_arguments_are_classic_commands_are_framed() {
    let verbs = ["version", "get", "gets", "add", "cas", "delete"];
    framed("classic", &verbs, 7).await;
}

#[tokio::test]
async fn whatever_the_arguments_are_meta_commands_are_framed() {
    framed("meta", &["version", "stats", "mn", "mg", "ms", "md"], 8).await;
}

#[test]
fn two_argument_tuples_have_one_key_if_and_only_if_they_are_equal() {
    let seed = 9;
    println!("{PAIRS} pairs of argument tuples, seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let mut call = || {
        let name = ["user", "users", "use"][random.random_range(0..3)];
        let version: u32 = random.random_range(0..2);
        let length = random.random_range(0..3);
        let arguments = (0..length).map(|_| Arg::small(&mut random, 2));
        (name, version, Arg::List(arguments.collect()))
    };
    let key = |(name, version, arguments): &(&'static str, u32, Arg)| {
        Key::versioned(*name, *version, arguments).unwrap()
    };
    let mut equal = 0;
    for _ in 0..PAIRS {
        let (a, b) = (call(), call());
        assert_eq!(key(&a) == key(&b), a == b, "seed {seed}: {a:?} {b:?}");
        assert_eq!(key(&a).digest() == key(&b).digest(), a == b);
        equal += usize::from(a == b);
    }
    println!("{equal} of them equal");
    assert!(equal > 1000, "hardly a pair was equal: {equal}");
}
