//! Distinct identities have distinct entries, and distinct keys.

use std::{collections::HashMap, marker::PhantomData, pin::Pin};

use larder::Key;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use super::*;

/// A type that says its name.
trait Kind {
    const NAME: &'static str;
}

macro_rules! kinds {
    ($($name:literal: $kind:ty),*) => { $(impl Kind for $kind { const NAME: &'static str = $name; })* };
}

kinds! {
    "u8": u8, "i64": i64, "text": &'static str, "option": Option<u8>, "pair": (u8, u8),
    "list": Vec<u8>, "numbers": Vec<i64>, "array": [u8; 2], "char": char, "float": f64, "user": User
}

/// Two of one name by the kind of their type.
struct Pick<T>(PhantomData<T>);

macro_rules! free {
    ($($function:ident $name:literal)*) => {
        $(
            #[larder::cached($name, ttl = "60s", key = (a, b))]
            async fn $function<T: Kind, const N: u8>(a: i64, b: &str) -> String {
                format!("{}<{}, {N}>({a}, {b:?})", $name, T::NAME)
            }
        )*
    };
}

free!(one "free-one" two "free-two");

#[larder::cached("argument", ttl = "60s", key = a)]
async fn argument<A: Kind + Serialize + std::fmt::Debug>(a: A) -> String {
    format!("argument<{}>({a:?})", A::NAME)
}

impl<T: Kind> Pick<T> {
    #[larder::cached("inherent", ttl = "60s", key = (a, b))]
    pub(crate) async fn inherent<U: Kind>(&self, a: i64, b: &str) -> String {
        format!("inherent<{}, {}>({a}, {b:?})", T::NAME, U::NAME)
    }
}

trait Says<T: Kind, const N: u8> {
    async fn says<U: Kind>(&self, a: i64, b: &str) -> String;

    #[larder::cached("default", ttl = "60s", skip(self))]
    async fn by_default(&self, a: i64, b: &str) -> String
    where
        Self: Kind,
    {
        format!("default<{}, {}, {N}>({a}, {b:?})", Self::NAME, T::NAME)
    }
}

impl<S: Kind, T: Kind, const N: u8> Says<T, N> for Pick<S> {
    #[larder::cached("trait", ttl = "60s", key = (a, b))]
    async fn says<U: Kind>(&self, a: i64, b: &str) -> String {
        format!(
            "trait<{}, {}, {N}, {}>({a}, {b:?})",
            S::NAME,
            T::NAME,
            U::NAME
        )
    }
}

impl<T: Kind, const N: u8> Says<T, N> for u8 {
    #[larder::cached("trait-other", ttl = "60s", key = (a, b))]
    async fn says<U: Kind>(&self, a: i64, b: &str) -> String {
        format!("other<{}, {N}, {}>({a}, {b:?})", T::NAME, U::NAME)
    }
}

impl<T: Kind, const N: u8> Says<T, N> for i64 {
    async fn says<U: Kind>(&self, _: i64, _: &str) -> String {
        String::new()
    }
}

type Answer = Pin<Box<dyn Future<Output = String>>>;
/// A call that says what it is, the same without the cache, and its key if it has a companion.
struct Call {
    run: fn(i64, &'static str) -> Answer,
    key: Option<fn(i64, &'static str) -> Key>,
}

fn calls() -> Vec<Call> {
    let mut calls = Vec::new();
    macro_rules! call {
        ($run:expr) => {
            calls.push(Call {
                run: |a, b| Box::pin(async move { $run(a, b).await }),
                key: None,
            })
        };
        ($run:expr, $key:expr) => {
            calls.push(Call {
                run: |a, b| Box::pin(async move { $run(a, b).await }),
                key: Some(|a, b| $key(a, b).unwrap()),
            })
        };
    }
    macro_rules! each {
        ($($t:ty),*) => { $(
            call!(one::<$t, 1>, one::key::<$t, 1>);
            call!(one::<$t, 2>, one::key::<$t, 2>);
            call!(two::<$t, 1>, two::key::<$t, 1>);
            each!(@inner $t; u8, i64, User);
        )* };
        (@inner $t:ty; $($u:ty),*) => { $(
            call!(
                async |a, b| Pick::<$t>(PhantomData).inherent::<$u>(a, b).await,
                |a, b| Pick::<$t>(PhantomData).inherent_key::<$u>(a, b)
            );
            call!(async |a, b| Says::<$t, 1>::says::<$u>(&Pick::<u8>(PhantomData), a, b).await);
            call!(async |a, b| Says::<$t, 2>::says::<$u>(&Pick::<u8>(PhantomData), a, b).await);
            call!(async |a, b| Says::<$u, 1>::says::<u8>(&Pick::<$t>(PhantomData), a, b).await);
            call!(async |a, b| Says::<$t, 1>::says::<$u>(&7_u8, a, b).await);
            call!(async |a, b| Says::<$t, 1>::by_default(&7_u8, a, b).await);
            call!(async |a, b| Says::<$t, 2>::by_default(&7_u8, a, b).await);
            call!(async |a, b| Says::<$t, 1>::by_default(&7_i64, a, b).await);
        )* };
    }
    each!(u8, i64, Vec<u8>, User);
    macro_rules! argument {
        ($($t:ty: $from:expr),*) => { $(
            call!(
                async |a, b| argument::<$t>($from(a, b)).await,
                |a, b| argument::key::<$t>($from(a, b))
            );
        )* };
    }
    argument! {
        u8: |a: i64, _| a.unsigned_abs() as u8, i64: |a: i64, _| a, &'static str: |_, b| b,
        Option<u8>: |a: i64, _| u8::try_from(a).ok(), (u8, u8): |a: i64, _| (1, a.unsigned_abs() as u8),
        Vec<u8>: |_, b: &str| b.as_bytes().to_vec(), Vec<i64>: |a: i64, b: &str| vec![a; b.len()],
        [u8; 2]: |a: i64, _| [1, a.unsigned_abs() as u8],
        char: |_, b: &str| b.chars().next().unwrap_or('0'), f64: |a: i64, _| a as f64
    }
    calls
}

/// Every entry names its own function, types and arguments: it is read back by no other.
#[tokio::test]
async fn distinct_identities_have_distinct_keys_and_entries() {
    const PAIRS: usize = 200_000;
    let seed = std::env::var("SEED").map_or(11, |seed| seed.parse().unwrap());
    println!("{PAIRS} pairs of calls, seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let calls = calls();
    let texts = ["", "a", "b", "ab", "1", "None"];
    let mut known: HashMap<(usize, i64, &str), (String, Option<Key>)> = HashMap::new();
    let mut equal = 0;
    let cache = Cache::memory();
    with_cache(cache.clone(), async {
        for _ in 0..PAIRS {
            let mut one = async || {
                let which = random.random_range(0..calls.len());
                let (a, b) = (random.random_range(-2..3), texts[random.random_range(0..6)]);
                let answer = (calls[which].run)(a, b).await;
                let key = calls[which].key.map(|key| key(a, b));
                // What it answered the first time, when nothing could be in the cache yet.
                let first = known.entry((which, a, b));
                let first = first.or_insert_with(|| (answer.clone(), key.clone()));
                assert_eq!(*first, (answer.clone(), key.clone()), "seed {seed}");
                (answer, key)
            };
            let ((x, x_key), (y, y_key)) = (one().await, one().await);
            equal += usize::from(x == y);
            if let (Some(x_key), Some(y_key)) = (x_key, y_key) {
                assert_eq!(x == y, x_key == y_key, "seed {seed}: {x} {y}");
                assert_eq!(
                    x == y,
                    x_key.digest() == y_key.digest(),
                    "seed {seed}: {x} {y}"
                );
            }
        }
    })
    .await;
    // The first answers, all from one cache, are as many as there are identities.
    let answers: std::collections::HashSet<_> = known.values().map(|(answer, _)| answer).collect();
    let stats = cache.stats();
    println!(
        "{} calls of {} identities; {equal} pairs of equal ones",
        known.len(),
        answers.len()
    );
    assert_eq!(stats.stored, answers.len() as u64, "seed {seed}");
    assert_eq!((stats.refused, stats.unreadable), (0, 0));
    assert!(equal > 50);
}

/// Every answer is checked against the function itself, without a cache.
#[tokio::test]
async fn every_answer_is_the_functions_own() {
    let cached = Cache::memory();
    for call in calls() {
        for (a, b) in [(-2, ""), (1, "a"), (1, "1"), (2, "ab")] {
            let own = (call.run)(a, b).await;
            for _ in 0..2 {
                assert_eq!(with_cache(cached.clone(), (call.run)(a, b)).await, own);
            }
        }
    }
}
