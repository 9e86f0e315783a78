//! The answer: one sentence a function that says whether its cache is worth it, and why.

use crate::analysis::{
    answer::Answer, answer::Money, answer::Worth, format::human_us, format::interval,
    format::percent,
};
use crate::report::model::Report;

/// One sentence a function; none if a check has put the figures in doubt.
pub(crate) fn sentences(report: &Report) -> Vec<String> {
    let traffic = report.whose_traffic();
    report
        .answers
        .iter()
        .map(|answer| sentence(answer, traffic))
        .collect()
}

fn sentence(answer: &Answer, traffic: &str) -> String {
    let function = &answer.function;
    let verdict = match answer.worth {
        Worth::Yes => "worth it",
        Worth::No => "not worth it",
        Worth::Unclear => "cannot be told",
    };
    // Only money speaks against it then.
    let saves_time = answer.saved_us.is_some_and(|saved| saved.low > 0.0);
    let yours = match (answer.worth, saves_time) {
        (Worth::Unclear, true) => ": whether the time is worth that is for you to say",
        _ => "",
    };
    let [with, without] = [answer.with_us, answer.without_us].map(human_us);
    let saved = answer.saved_us.map_or_else(
        || " (too few rounds for an interval)".to_owned(),
        |saved| match saved.high < 0.0 {
            true => {
                let slower = saved.negated();
                format!(" ({} slower)", interval(slower, human_us))
            }
            false => format!(" ({} saved)", interval(saved, human_us)),
        },
    );
    let no_cache = match answer.miss_for_no_cache {
        true => "as a miss takes, because no call could be made without the cache",
        false => "without the cache",
    };
    let calls = answer.rate * (1.0 - answer.hit_ratio);
    let [calls, rate] = [calls, answer.rate].map(per_second);
    let money = answer.money.map_or_else(String::new, money);
    let hits = percent(answer.hit_ratio);
    format!(
        "{function}, {verdict}: at {rate} requests a second, {hits} of them hits ({traffic}), an \
         answer takes {with} on average instead of {without} {no_cache}{saved}, and the origin is \
         called {calls} times a second instead of {rate}{money}{yours}"
    )
}

fn per_second(rate: f64) -> String {
    match rate {
        rate if rate >= 10.0 => format!("{rate:.0}"),
        rate => format!("{rate:.2}"),
    }
}

fn money(money: Money) -> String {
    let saved = money.saved;
    match money.cache {
        None => format!(
            "; compute costs {saved:.2} $ a month less, before the cache's own price (--cache-price)"
        ),
        Some(cache) => {
            let left = money.left();
            let result = match left < 0.0 {
                true => format!("{:.2} $ a month more are spent", -left),
                false => format!("{left:.2} $ a month are saved"),
            };
            format!("; {result}: {saved:.2} $ less for compute, {cache:.2} $ for the cache")
        }
    }
}
