//! The report in sentences. Owns the words that terminal, Markdown and page share; knows nothing of layout.

use crate::analysis::check::Verdict;
use crate::analysis::format::{human_us, interval, percent, times};
use crate::analysis::paired::SpeedUp;
use crate::phases::faults::{FaultImpact, Faults};
use crate::phases::stampede::{Burst, BurstKind};
use crate::report::judgement::{Change, Compared, Comparison, SideBySide, ThresholdVerdict};
use crate::report::model::{Report, Traffic};

/// Whether cold and warm were told apart: else no speed-up is given.
pub(crate) fn speed_up_is_valid(report: &Report) -> bool {
    ["cold answers", "warm answers"].iter().all(|phase| {
        report
            .checks
            .iter()
            .any(|c| c.name.starts_with(phase) && c.verdict == Verdict::Pass)
    })
}

/// One sentence a function, or why there is none.
pub(crate) fn headlines(report: &Report) -> Vec<String> {
    if !speed_up_is_valid(report) {
        return vec![
            "No speed-up is given: cold and warm were not told apart (see the checks).".into(),
        ];
    }
    report.speed_ups.iter().map(headline).collect()
}

fn headline(speed_up: &SpeedUp) -> String {
    let SpeedUp {
        function,
        rounds,
        ratio,
        saved_us,
        origin_us,
        ..
    } = speed_up;
    let (Some(ratio), Some(saved)) = (ratio, saved_us) else {
        return format!("{function}: n/a ({rounds} rounds are too few)");
    };
    let origin = origin_us.map_or_else(String::new, |us| {
        format!("; the origin itself takes {}", human_us(us))
    });
    let (ratio, saved) = (interval(*ratio, times), interval(*saved, human_us));
    format!("{function}: a hit is {ratio} as fast as a miss and saves {saved}{origin}")
}

/// What was found, besides latencies: ratios, origin calls, what the cache costs and saves.
pub(crate) fn findings(report: &Report) -> Vec<String> {
    let effect = &report.effect;
    let ratio = effect
        .hit_ratio
        .map_or_else(|| "n/a".into(), |ratio| interval(ratio, percent));
    let counted = effect
        .counted_origin_calls
        .map_or_else(|| "not told".into(), |count| count.to_string());
    let traffic = match effect.measured_in {
        Traffic::Mixed => "of mixed traffic",
        Traffic::Rounds => "of the rounds, which choose it themselves",
    };
    let offload = effect.offload.map_or_else(|| "n/a".into(), percent);
    let mut lines = vec![
        format!("hit ratio {traffic}: {ratio}; {offload} of the requests needed no origin call"),
        format!(
            "origin calls: {} claimed by the answers, {counted} counted by the target",
            effect.claimed_origin_calls
        ),
    ];
    if let Some(cliff) = effect.hit_ratio {
        let share = percent(cliff.estimate);
        lines.push(format!(
            "percentile cliff: up to p{} requests are hits; slower ones meet the origin",
            share.trim_end_matches(" %")
        ));
    }
    lines.extend(report.speed_ups.iter().flat_map(costs));
    lines.extend(stampede(report, BurstKind::Cold, effect.stampede_factor));
    lines.extend(stampede(report, BurstKind::Expiry, effect.expiry_factor));
    lines.extend(report.savings.iter().map(|saving| {
        format!(
            "{}: a million hits save {:.0} GB-seconds, {:.2} $ (estimate: {} ms billed without the cache, {} ms for a hit, \
             {:.0} MB, {} $ a GB-second; the cache's own price is not taken off)",
            saving.function,
            saving.gb_seconds,
            saving.dollars,
            saving.origin_ms,
            saving.hit_ms,
            saving.price.memory_mb,
            saving.price.gb_second,
        )
    }));
    lines.extend(report.faults.iter().flat_map(faults));
    lines.extend(cold_functions(report));
    lines.extend(report.target.functions.iter().filter_map(|function| {
        let p50 = function.floor.as_ref()?.p50?;
        Some(format!(
            "floor: an answer of {} with neither cache nor origin takes {} at p50",
            function.name,
            human_us(p50.us)
        ))
    }));
    if let Some(p50) = report.floor.as_ref().and_then(|floor| floor.p50) {
        lines.push(format!(
            "floor: a bare memcached GET from this machine takes {} at p50",
            human_us(p50.us)
        ));
    }
    if let Some(stalest) = effect.stalest_s {
        lines.push(format!(
            "stale: {} answers, at most {stalest} s past their lifetime",
            effect.stale
        ));
    }
    lines
}

fn costs(speed_up: &SpeedUp) -> Vec<String> {
    let function = &speed_up.function;
    let server = speed_up.server_ratio.map(|ratio| {
        format!(
            "{function} by the server's own clock: {}",
            interval(ratio, times)
        )
    });
    let overhead = speed_up.overhead_us.map(|overhead| {
        let text = interval(overhead, human_us);
        if overhead.low <= 0.0 {
            return format!("{function}: a miss takes no longer than no cache, as far as can be told ({text} longer)");
        }
        let even = speed_up.break_even.map_or_else(|| "n/a".into(), percent);
        format!("{function}: a miss takes {text} longer than no cache; the cache pays above a hit ratio of {even}")
    });
    server.into_iter().chain(overhead).collect()
}

/// None where there was no burst of the kind.
fn stampede(report: &Report, kind: BurstKind, factor: Option<f64>) -> Option<String> {
    let bursts = report.bursts.iter();
    let bursts: Vec<&Burst> = bursts.filter(|burst| burst.occasion == kind).collect();
    let (title, key, why_not) = match kind {
        BurstKind::Cold => (
            "stampede",
            "a cold key",
            "on this target, which answers one after another",
        ),
        BurstKind::Expiry => (
            "stampede at expiry",
            "an expired key",
            "as callers did not meet or found the entry alive",
        ),
    };
    if bursts.is_empty() {
        return None;
    }
    let stale = answered_stale(&bursts);
    let Some(factor) = factor else {
        let why_not = stale.map_or_else(|| why_not.into(), |stale| format!("as {stale}"));
        return Some(format!("{title}: not measurable {why_not}"));
    };
    let callers: usize = bursts.iter().map(|burst| burst.callers).sum();
    let stale = stale.map_or_else(String::new, |stale| format!("; {stale}"));
    let met = bursts.iter().filter(|burst| burst.overlapped());
    let spread = met.map(|burst| burst.spread_us).fold(0.0, f64::max);
    Some(format!(
        "{title}: {factor:.2} origin calls {key} ({callers} callers in {} bursts, each sent within {}){stale}",
        bursts.len(),
        human_us(spread)
    ))
}

/// None where no caller was.
fn answered_stale(bursts: &[&Burst]) -> Option<String> {
    let sum = |pick: fn(&Burst) -> usize| -> usize { bursts.iter().map(|burst| pick(burst)).sum() };
    let stale = sum(|burst| burst.stale);
    let refreshed = match sum(|burst| burst.origin_calls) {
        0 => "no answer told of a refresh".into(),
        1 => "one refreshed".into(),
        several => format!("{several} refreshed"),
    };
    (stale > 0).then(|| format!("{stale} answered stale while {refreshed}"))
}

fn faults(faults: &Faults) -> Vec<String> {
    let seconds = faults.mended_s - faults.broken_s;
    let mut lines: Vec<String> = faults
        .functions
        .iter()
        .map(|impact| {
            let FaultImpact {
                function,
                answers,
                failed,
                ..
            } = impact;
            let time = impact.p50_us.zip(impact.max_us).map_or_else(
                String::new,
                |(p50, max)| format!(", {} at p50 and {} at most", human_us(p50), human_us(max)),
            );
            format!(
                "cache broken for {seconds:.1} s: {answers} of {} callers of {function} had their answer{time}",
                answers + failed
            )
        })
        .collect();
    lines.push(faults.recovered_s.map_or_else(
        || "cache mended: no hit came within the phase".into(),
        |seconds| {
            format!(
                "cache mended: the first hit was asked for {} later",
                human_us(seconds * 1e6)
            )
        },
    ));
    lines
}

fn cold_functions(report: &Report) -> Option<String> {
    let first = &report.cold_functions;
    let p50 = first.p50?;
    Some(format!(
        "cold function: the first answer of a process takes {} at p50, {} at most ({} of them, in no other figure)",
        human_us(p50.us),
        human_us(first.max_us),
        first.count
    ))
}

/// What the rules and the baseline came to.
pub(crate) fn judgements(report: &Report) -> Vec<String> {
    let rules = report.rules.iter().map(|judgement| {
        let word = match judgement.ruling {
            ThresholdVerdict::Ok => "ok",
            ThresholdVerdict::Fired => "FIRED",
            ThresholdVerdict::Inconclusive => "inconclusive",
            ThresholdVerdict::NoData => "FIRED, no data",
        };
        format!(
            "{word}: {}, observed {}",
            judgement.rule, judgement.observed
        )
    });
    rules
        .chain(report.baseline.iter().flat_map(comparison))
        .collect()
}

/// A comparison, figure by figure.
pub(crate) fn comparison(comparison: &Comparison) -> Vec<String> {
    comparison
        .figures
        .iter()
        .map(|figure| compared(comparison, figure))
        .chain(
            comparison
                .warnings
                .iter()
                .map(|warning| format!("warning: {warning}")),
        )
        .collect()
}

/// One figure of a comparison, and what it came to.
pub(crate) fn compared(comparison: &Comparison, figure: &Compared) -> String {
    let word = match figure.change {
        Change::Regression => "REGRESSION",
        Change::Missing => "REGRESSION, no data",
        Change::WithinLimit => "ok",
        Change::Inconclusive => "inconclusive",
        Change::NoData => "no data",
    };
    let (what, baseline) = (&figure.what, &comparison.baseline);
    let limit = percent(comparison.max_regress);
    match (figure.change, figure.ratio) {
        (Change::Missing, _) => {
            format!(
                "{word}: {what} was measured in {baseline}, and this run has too few rounds of it"
            )
        }
        (_, None) => format!("{word}: {what} has too few rounds in {baseline}"),
        (_, Some(ratio)) => {
            let ratio = interval(ratio, times);
            format!("{word}: {what} is {ratio} that of {baseline} (at most {limit} may be lost)")
        }
    }
}

/// A figure of both runs as texts: what it is, the baseline's, this run's.
pub(crate) fn beside(beside: &SideBySide) -> [String; 3] {
    let text = |value: Option<f64>| {
        value.map_or_else(|| "n/a".into(), |value| beside.quantity.human(value))
    };
    [beside.what.clone(), text(beside.before), text(beside.now)]
}
