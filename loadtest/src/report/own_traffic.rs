//! What caches of other sizes and lifetimes would do with the user's own traffic.

use crate::analysis::{what_if, what_if::Access};
use crate::load::traffic::OwnTraffic;
use crate::report::{model::OwnTrafficFacts, model::Sizes};

/// `means` is the mean size of the answers of each function, where the run has seen some.
pub(crate) fn facts(traffic: &OwnTraffic, means: Vec<Option<f64>>) -> OwnTrafficFacts {
    let named = traffic.requests.iter().any(|one| one.bytes.is_some());
    let seen = means.iter().any(Option::is_some);
    let sizes = match (named, seen) {
        (true, _) => Sizes::File,
        (false, true) => Sizes::Answers,
        (false, false) => Sizes::Unknown,
    };
    // The keys of each function follow those of the one before it.
    let mut first_keys = Vec::new();
    let mut keys = 0;
    for of_function in &traffic.keys {
        first_keys.push(keys);
        keys += of_function.len();
    }
    // A key without a size has the last one that it had, or the mean of its function.
    let mut last: Vec<Option<f64>> = vec![None; keys];
    let accesses = traffic.requests.iter().map(|one| {
        let key = first_keys[one.function] + one.key_index;
        let own = one.bytes.map(|bytes| bytes as f64).or(last[key]);
        last[key] = own;
        let bytes = own.or_else(|| means.get(one.function).copied().flatten());
        Access {
            at_s: one.at_s,
            key,
            bytes: match sizes {
                Sizes::Unknown => 1.0,
                _ => bytes.unwrap_or(1.0),
            },
        }
    });
    let accesses: Vec<Access> = accesses.collect();
    let skipped = traffic.skipped.iter();
    OwnTrafficFacts {
        file: traffic.name.clone(),
        replay: None,
        requests: traffic.requests.len() as u64,
        keys: traffic.key_count() as u64,
        seconds: traffic.seconds(),
        skipped: skipped.map(|(why, n)| ((*why).to_owned(), *n)).collect(),
        sizes,
        ttl_s: None,
        what_if: what_if::what_if(&accesses, traffic.timed),
    }
}
