//! What a cache saves of Lambda's bill. An estimate: the request fee is not saved, because the
//! function still runs, and the price of the cache itself must be subtracted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::{intervals::median, paired::Pair};

/// The price of a function.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Price {
    /// Memory of the function, in megabytes.
    pub(crate) memory_mb: f64,
    /// Dollars per gigabyte-second. Public prices in us-east-1: 0.0000166667 on x86-64,
    /// 0.0000133334 on arm64.
    pub(crate) gb_second: f64,
}

/// What a million hits save for one function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Saving {
    pub(crate) function: String,
    pub(crate) price: Price,
    /// Billed milliseconds of a call without the cache, and of a hit. Lambda bills whole
    /// milliseconds, at least one, so a hit faster than that saves no more money.
    pub(crate) origin_ms: f64,
    pub(crate) hit_ms: f64,
    pub(crate) gb_seconds: f64,
    pub(crate) dollars: f64,
}

pub(crate) fn savings(price: &Price, pairs: &[Pair]) -> Vec<Saving> {
    let mut functions: Vec<&str> = pairs.iter().map(|pair| pair.function.as_str()).collect();
    functions.sort_unstable();
    functions.dedup();
    functions
        .into_iter()
        .filter_map(|function| saving(price, function, pairs))
        .collect()
}

fn saving(price: &Price, function: &str, pairs: &[Pair]) -> Option<Saving> {
    let of = |pick: fn(&Pair) -> f64| {
        let pairs = pairs.iter().filter(|pair| pair.function == function);
        median(pairs.map(pick))
    };
    let billed = |us: f64| (us / 1e3).ceil().max(1.0);
    let origin_ms = billed(of(|pair| pair.bypass_us.unwrap_or(pair.cold_us))?);
    let hit_ms = billed(of(|pair| pair.warm_us)?);
    let gb_seconds = price.memory_mb / 1024.0 * (origin_ms - hit_ms) / 1e3 * 1e6;
    let dollars = gb_seconds * price.gb_second;
    Some(Saving {
        function: function.to_owned(),
        price: *price,
        origin_ms,
        hit_ms,
        gb_seconds,
        dollars,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_billed_a_millisecond_however_fast() {
        let pair = Pair {
            function: "f".into(),
            cold_us: 3_000_400.0,
            warm_us: 80.0,
            ..Pair::default()
        };
        let price = Price {
            memory_mb: 512.0,
            gb_second: 0.000_016_666_7,
        };
        let saving = &savings(&price, &[pair])[0];
        assert_eq!((saving.origin_ms, saving.hit_ms), (3001.0, 1.0));
        assert!(
            (saving.gb_seconds - 1_500_000.0).abs() < 1e-6 && (saving.dollars - 25.0).abs() < 0.01,
            "{saving:?}"
        );
    }
}
