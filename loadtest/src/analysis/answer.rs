//! Whether a cache is worth it: what an answer costs with it and without it, at the traffic that
//! was measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::{
    intervals::Interval, intervals::mean_interval, paired::Pair, savings::Price,
};

/// The traffic of one function that the answer is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Demand {
    /// Requests a second.
    pub(crate) rate: f64,
    pub(crate) hit_ratio: f64,
}

/// What the cache of one function is worth.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Answer {
    pub(crate) function: String,
    pub(crate) worth: Worth,
    /// Requests a second, and the share of them that were hits.
    pub(crate) rate: f64,
    pub(crate) hit_ratio: f64,
    /// The mean time of an answer in microseconds, over hits and misses in this traffic.
    pub(crate) with_us: f64,
    pub(crate) without_us: f64,
    /// Microseconds that the mean answer is faster with the cache; absent with one round.
    pub(crate) saved_us: Option<Interval>,
    /// Whether no call was made without the cache, so that a miss had to count as one.
    pub(crate) miss_for_no_cache: bool,
    pub(crate) money: Option<Money>,
}

/// Dollars a month of 730 hours, with this traffic all the time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Money {
    /// The compute time that is not billed.
    pub(crate) saved: f64,
    /// What the cache itself costs, if that was given.
    pub(crate) cache: Option<f64>,
}

impl Money {
    /// What is left of the savings.
    pub(crate) fn left(self) -> f64 {
        self.saved - self.cache.unwrap_or(0.0)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Worth {
    /// It saves time, and no more money is spent than saved.
    #[serde(rename = "worth-it")]
    Yes,
    /// It costs time, or money for no time.
    #[serde(rename = "not-worth-it")]
    No,
    /// What it saves is less than this run can tell, or it saves time for money.
    #[default]
    #[serde(rename = "cannot-be-told")]
    Unclear,
}

const SECONDS_A_MONTH: f64 = 730.0 * 3600.0;

/// The prices that matter: of compute time, if it is billed by the call, and of the cache.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Prices<'a> {
    pub(crate) compute: Option<&'a Price>,
    /// Dollars a month: the function's share of it.
    pub(crate) cache: Option<f64>,
}

/// `None` if the function has no pairs.
pub(crate) fn answer(
    function: &str,
    pairs: &[Pair],
    demand: Demand,
    prices: &Prices<'_>,
) -> Option<Answer> {
    let rounds: Vec<Round> = pairs
        .iter()
        .filter(|pair| pair.function == function)
        .filter_map(Round::of)
        .collect();
    let mean = |pick: &dyn Fn(&Round) -> f64| {
        rounds.iter().map(pick).sum::<f64>() / rounds.len().max(1) as f64
    };
    let first = rounds.first()?;
    let with = |round: &Round| demand.mix(round.hit_us, round.miss_us);
    let saved: Vec<f64> = rounds
        .iter()
        .map(|one| one.without_us - with(one))
        .collect();
    let saved_us = mean_interval(&saved);
    let money = prices.compute.map(|price| {
        let billed = |us: f64| (us / 1e3).ceil().max(1.0);
        let without = mean(&|one| billed(one.billed_without_us));
        let with = mean(&|one| demand.mix(billed(one.billed_hit_us), billed(one.billed_miss_us)));
        let gb_seconds = (without - with) / 1e3 * price.memory_mb / 1024.0;
        Money {
            saved: gb_seconds * price.gb_second * demand.rate * SECONDS_A_MONTH,
            cache: prices.cache,
        }
    });
    Some(Answer {
        function: function.to_owned(),
        worth: worth(saved_us, money),
        rate: demand.rate,
        hit_ratio: demand.hit_ratio,
        with_us: mean(&with),
        without_us: mean(&|one| one.without_us),
        saved_us,
        miss_for_no_cache: first.miss_for_no_cache,
        money,
    })
}

fn worth(saved_us: Option<Interval>, money: Option<Money>) -> Worth {
    let Some(saved) = saved_us else {
        return Worth::Unclear;
    };
    let costs_money = money.is_some_and(|money| money.left() < 0.0);
    if saved.high < 0.0 {
        Worth::No
    } else if saved.low > 0.0 {
        // Time for money is for the reader to judge.
        match costs_money {
            true => Worth::Unclear,
            false => Worth::Yes,
        }
    } else if costs_money {
        Worth::No
    } else {
        Worth::Unclear
    }
}

impl Demand {
    /// The mean over hits and misses.
    fn mix(self, hit: f64, miss: f64) -> f64 {
        self.hit_ratio * hit + (1.0 - self.hit_ratio) * miss
    }
}

/// The mean times of one round, in microseconds.
struct Round {
    hit_us: f64,
    miss_us: f64,
    without_us: f64,
    /// By the server's own clock, where it tells all three: the way to it is not billed.
    billed_hit_us: f64,
    billed_miss_us: f64,
    billed_without_us: f64,
    miss_for_no_cache: bool,
}

impl Round {
    fn of(pair: &Pair) -> Option<Self> {
        let (hit_us, miss_us) = (pair.warm_mean_us?, pair.cold_mean_us?);
        let without_us = pair.bypass_mean_us.unwrap_or(miss_us);
        let server_without = match pair.bypass_mean_us {
            Some(_) => pair.server_bypass_mean_us,
            None => pair.server_cold_mean_us,
        };
        let server = pair
            .server_warm_mean_us
            .zip(pair.server_cold_mean_us)
            .zip(server_without);
        let ((billed_hit_us, billed_miss_us), billed_without_us) =
            server.unwrap_or(((hit_us, miss_us), without_us));
        Some(Self {
            hit_us,
            miss_us,
            without_us,
            billed_hit_us,
            billed_miss_us,
            billed_without_us,
            miss_for_no_cache: pair.bypass_mean_us.is_none(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds whose hits, misses and calls without the cache take so many microseconds.
    fn rounds(times: &[[f64; 3]]) -> Vec<Pair> {
        let pair = |[hit, miss, without]: &[f64; 3]| Pair {
            function: "f".into(),
            warm_mean_us: Some(*hit),
            cold_mean_us: Some(*miss),
            bypass_mean_us: Some(*without),
            ..Pair::default()
        };
        times.iter().map(pair).collect()
    }

    const PRICE: Price = Price {
        memory_mb: 1024.0,
        gb_second: 0.000_01,
    };

    fn asked(times: &[[f64; 3]], hit_ratio: f64, prices: &Prices<'_>) -> Answer {
        let demand = Demand {
            rate: 10.0,
            hit_ratio,
        };
        answer("f", &rounds(times), demand, prices).unwrap()
    }

    #[test]
    fn the_mean_answer_decides_and_not_a_hit() {
        let times = [[1e3, 21e3, 20e3], [1.1e3, 21e3, 20.1e3]];
        let often = asked(&times, 0.9, &Prices::default());
        assert_eq!(often.worth, Worth::Yes);
        assert!((often.with_us - 3045.0).abs() < 1.0 && often.without_us == 20_050.0);
        // Nothing is asked for twice: each answer is a miss, and takes longer than without a cache.
        assert_eq!(asked(&times, 0.0, &Prices::default()).worth, Worth::No);
        let unclear = [[1e3, 21e3, 20e3], [1e3, 21e3, 2e3]];
        assert_eq!(
            asked(&unclear, 0.5, &Prices::default()).worth,
            Worth::Unclear
        );
        assert_eq!(
            asked(&times[..1], 0.9, &Prices::default()).worth,
            Worth::Unclear
        );
    }

    #[test]
    fn the_price_of_the_cache_is_taken_off() {
        let times = [[1e3, 20e3, 20e3], [1e3, 20e3, 20.1e3]];
        let money = |cache| {
            let prices = Prices {
                compute: Some(&PRICE),
                cache: Some(cache),
            };
            asked(&times, 0.5, &prices)
        };
        // 20 or 21 ms are billed without the cache, and 10.5 with it, 26.28 million times a month.
        let cheap = money(1.0);
        let saved = cheap.money.unwrap().saved;
        assert!((saved - 2.628).abs() < 1e-6, "{saved}");
        assert_eq!(cheap.worth, Worth::Yes);
        let dear = money(100.0);
        assert_eq!(dear.worth, Worth::Unclear, "it saves time for money");
        assert!(dear.money.unwrap().left() < -97.0);
    }

    #[test]
    fn what_is_billed_is_by_the_servers_own_clock() {
        let mut pairs = rounds(&[[5e3, 9e3, 9e3], [5e3, 9e3, 9e3]]);
        for pair in &mut pairs {
            pair.server_warm_mean_us = Some(900.0);
            pair.server_cold_mean_us = Some(4000.0);
            pair.server_bypass_mean_us = Some(4000.0);
        }
        let demand = Demand {
            rate: 1.0,
            hit_ratio: 1.0,
        };
        let prices = Prices {
            compute: Some(&PRICE),
            cache: None,
        };
        let saved = answer("f", &pairs, demand, &prices)
            .unwrap()
            .money
            .unwrap()
            .saved;
        // Three milliseconds of a gigabyte, 2.628 million times.
        assert!((saved - 0.078_84).abs() < 1e-6, "{saved}");
    }
}
