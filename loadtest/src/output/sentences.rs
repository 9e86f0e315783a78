//! A report in sentences, for terminal, Markdown and HTML.

use crate::analysis::{
    check::Verdict, format::human_us, format::interval, format::or_na, format::percent,
    format::times, paired::SpeedUp, savings::Saving,
};
use crate::checks;
use crate::load::plan::Phase;
use crate::output::{answers, what_if};
use crate::phases::{
    capacity::Capacity, capacity::Ramp, capacity::RampEnd, faults::FaultImpact, faults::Faults,
    stampede::Burst, stampede::BurstKind,
};
use crate::report::{
    judgement::Change, judgement::Compared, judgement::Comparison, judgement::Direction,
    judgement::Values, model::Overall, model::Report, model::Traffic,
};
use crate::target::outcome::Outcome;

/// Why the report has its heading: the first thing that a reader should know.
pub(crate) fn reason(report: &Report) -> String {
    let of = |verdict| {
        let checks = report
            .checks
            .iter()
            .filter(move |check| check.verdict == verdict);
        let texts = checks.map(|check| format!("{}: {}", check.name, check.detail));
        texts.collect::<Vec<_>>()
    };
    let reason = match report.overall() {
        Overall::Interrupted => "stopped by the user: this is a part of the measurement".to_owned(),
        Overall::Invalid => format!(
            "the measurement contradicts itself or the target, so do not use its numbers: {}",
            of(Verdict::Fail).join("; ")
        ),
        Overall::Failed => {
            let fired = report.fired();
            let fired = fired.map(|one| format!("{}, observed {}", one.rule, one.observed));
            format!(
                "a threshold fired: {}",
                fired.collect::<Vec<_>>().join("; ")
            )
        }
        Overall::Regression => {
            let figures = report.baseline.iter().flat_map(|one| &one.figures);
            let worse = figures.filter(|figure| Comparison::is_worse(figure, report.strict));
            let worse: Vec<&str> = worse.map(|figure| figure.what.as_str()).collect();
            format!("worse than the baseline allows: {}", worse.join(", "))
        }
        Overall::Unverified => "no check failed, but the target does not count its origin calls: \
                                what the cache says could not be verified"
            .to_owned(),
        Overall::Verified => {
            "no check failed, and the target's own count of origin calls agrees".to_owned()
        }
    };
    let findings = of(Verdict::Finding);
    match (report.is_valid(), findings.is_empty()) {
        (true, false) => format!("{reason}. Findings: {}", findings.join("; ")),
        _ => reason,
    }
}

/// Whether no check has put the speed-ups in doubt: otherwise none is given.
pub(crate) fn speed_up_is_valid(report: &Report) -> bool {
    !checks::doubt_speed_ups(&report.checks)
}

/// The answer and the speed-up of each function, or why there is none.
pub(crate) fn headlines(report: &Report) -> Vec<String> {
    if !speed_up_is_valid(report) {
        return vec![
            "No speed-up is given, nor anything that follows from one: a check has put it in \
             doubt (see the checks)."
                .into(),
        ];
    }
    let headline = |speed_up| headline(report, speed_up);
    let speed_ups = report.speed_ups.iter().map(headline);
    answers::sentences(report)
        .into_iter()
        .chain(speed_ups)
        .collect()
}

fn headline(report: &Report, speed_up: &SpeedUp) -> String {
    let (function, rounds) = (&speed_up.function, speed_up.rounds);
    let (Some(ratio), Some(saved)) = (speed_up.ratio, speed_up.saved_us) else {
        return format!("{function}: n/a ({rounds} rounds are too few)");
    };
    let (ratio, saved) = (interval(ratio, times), interval(saved, human_us));
    let origin = origin_time(speed_up);
    let mean = mean_and_tail(report, speed_up);
    format!(
        "{function}: at the median, a hit is {ratio} as fast as a miss and saves {saved}{mean}{origin}"
    )
}

/// The mean, on which bills and capacity depend, and the slowest hits: parts of a sentence.
pub(crate) fn mean_and_tail(report: &Report, speed_up: &SpeedUp) -> String {
    let mean = speed_up.mean_ratio.map_or_else(String::new, |ratio| {
        format!("; at the mean {}", interval(ratio, times))
    });
    let mut rows = report.rows.iter();
    let warm = rows.find(|row| {
        row.phase == Phase::Warm && row.function == speed_up.function && row.outcome == Outcome::Hit
    });
    let p99 = warm.and_then(|row| row.latency.p99);
    let tail = p99.map_or_else(String::new, |p99| {
        format!(
            "; one hit in a hundred takes {} or longer",
            human_us(p99.us)
        )
    });
    format!("{mean}{tail}")
}

/// The end of a sentence about a speed-up.
pub(crate) fn origin_time(speed_up: &SpeedUp) -> String {
    speed_up.origin_us.map_or_else(String::new, |us| {
        format!("; the origin itself takes {}", human_us(us))
    })
}

/// The results besides latencies: ratios, origin calls, what the cache costs and saves.
pub(crate) fn findings(report: &Report) -> Vec<String> {
    let effect = &report.effect;
    let mut lines = ratios(report);
    lines.extend(report.own_traffic.iter().flat_map(what_if::sentences));
    lines.extend(report.speed_ups.iter().flat_map(costs));
    lines.extend(stampede(report, BurstKind::Cold, effect.stampede_factor));
    lines.extend(stampede(report, BurstKind::Expiry, effect.expiry_factor));
    lines.extend(report.capacity.iter().map(capacity));
    lines.extend(report.savings.iter().map(saving));
    lines.extend(report.faults.iter().flat_map(faults));
    lines.extend(cold_functions(report));
    lines.extend(minimum_latencies(report));
    lines.extend(effect.stalest_s.map(|stalest| {
        let stale = effect.stale;
        format!("stale: {stale} answers, at most {stalest} s past their lifetime")
    }));
    lines
}

fn ratios(report: &Report) -> Vec<String> {
    let effect = &report.effect;
    let ratio = or_na(effect.hit_ratio, |ratio| interval(ratio, percent));
    let offload = or_na(effect.offload, percent);
    let traffic = match effect.measured_in {
        Traffic::Mixed => {
            let keys: u64 = effect.functions.iter().map(|one| one.keys).sum();
            let lookups: u64 = effect.functions.iter().map(|one| one.lookups).sum();
            let whose = report.whose_traffic();
            format!("{whose} ({lookups} requests for {keys} keys, beginning with an empty cache)")
        }
        Traffic::Rounds => "the rounds, which determine it".to_owned(),
    };
    let ideal = effect.ideal_hit_ratio.map_or_else(String::new, |ideal| {
        format!(" ({} with a cache that loses nothing)", percent(ideal))
    });
    let claimed = effect.claimed_origin_calls;
    let counted = effect.counted_origin_calls;
    let counted = counted.map_or_else(|| "not".into(), |count| count.to_string());
    let mut lines = vec![
        format!(
            "hit ratio of {traffic}: {ratio}; {offload} of the requests needed no origin call{ideal}"
        ),
        format!("origin calls: {claimed} claimed by the answers, {counted} counted by the target"),
    ];
    if effect.functions.len() > 1 {
        lines.extend(effect.functions.iter().map(|one| {
            let ratio = percent(one.hits as f64 / one.lookups.max(1) as f64);
            let (function, hits, lookups) = (&one.function, one.hits, one.lookups);
            format!("hit ratio of {function} in it: {ratio}, {hits} of {lookups} requests")
        }));
    }
    lines
}

fn costs(speed_up: &SpeedUp) -> Vec<String> {
    let function = &speed_up.function;
    let server = speed_up.server_ratio.map(|ratio| {
        let ratio = interval(ratio, times);
        format!("{function} by the server's own clock: {ratio}")
    });
    let server = server.or_else(|| {
        let us = human_us(speed_up.unresolved_us()?);
        Some(format!(
            "{function} by the server's own clock: not given, because it tells {us} for a hit, \
             less than it can resolve"
        ))
    });
    let overhead = speed_up.overhead_us.map(|overhead| {
        let longer = interval(overhead, human_us);
        if overhead.high < 0.0 {
            return format!(
                "{function}: a miss seems to take less time than no cache ({longer}), which is \
                 impossible: the two did not meet the same origin"
            );
        }
        if overhead.low <= 0.0 {
            return format!("{function}: a miss takes no measurable time longer than no cache ({longer})");
        }
        if speed_up.break_even.is_some_and(|even| even >= 1.0) {
            return format!(
                "{function}: a miss takes {longer} longer than no cache, more than a hit saves: \
                 this cache cannot save time at any hit ratio"
            );
        }
        let even = or_na(speed_up.break_even, percent);
        format!("{function}: a miss takes {longer} longer than no cache; the cache pays above a hit ratio of {even}")
    });
    let origins = speed_up.origin_us.zip(speed_up.bypass_origin_us);
    let origins = origins.filter(|(cold, bypass)| (cold / bypass - 1.0).abs() > 0.1);
    let origins = origins.map(|(cold, bypass)| {
        let (cold, bypass) = (human_us(cold), human_us(bypass));
        format!(
            "{function}: the origin itself took {cold} on a miss and {bypass} without the cache; \
             the difference is not the cache's"
        )
    });
    server.into_iter().chain(overhead).chain(origins).collect()
}

fn capacity(capacity: &Capacity) -> String {
    let (function, slo) = (&capacity.function, capacity.slo);
    let with = ramp(&capacity.with_cache);
    let without = capacity.without_cache.as_ref().map_or_else(
        || "past the cache it could not be asked".to_owned(),
        |without| format!("{} without", ramp(without)),
    );
    let kept = |ramp: &Ramp| ramp.kept;
    let both = kept(&capacity.with_cache).zip(capacity.without_cache.as_ref().and_then(kept));
    let ratio = both.map_or_else(String::new, |(with, without)| {
        format!(", {} as many", times(with / without))
    });
    format!(
        "capacity of {function} within {slo}: {with} with the cache (every key stored), {without}{ratio}"
    )
}

fn ramp(ramp: &Ramp) -> String {
    let Some(kept) = ramp.kept else {
        return match ramp.ended {
            RampEnd::Target => "not one request a second".into(),
            RampEnd::Generator => "not measurable on this machine, which was too busy".into(),
            RampEnd::Time => "not measured, for lack of time".into(),
        };
    };
    match (ramp.ended, ramp.broken) {
        (RampEnd::Generator, _) => {
            format!(
                "at least {kept:.0} requests a second, all that this tool can send on this machine"
            )
        }
        (_, Some(broken)) => format!("{kept:.0} requests a second ({broken:.0} were too many)"),
        (_, None) => format!("at least {kept:.0} requests a second, as far as there was time"),
    }
}

fn saving(saving: &Saving) -> String {
    format!(
        "{}: a million hits save {:.0} GB-seconds, {:.2} $ (estimate: {} ms billed without the \
         cache, {} ms for a hit, {:.0} MB, {} $ per GB-second; without the cache's own price)",
        saving.function,
        saving.gb_seconds,
        saving.dollars,
        saving.origin_ms,
        saving.hit_ms,
        saving.price.memory_mb,
        saving.price.gb_second,
    )
}

/// `None` if there was no burst of this kind.
fn stampede(report: &Report, kind: BurstKind, factor: Option<f64>) -> Option<String> {
    let bursts = report.bursts.iter();
    let bursts: Vec<&Burst> = bursts.filter(|burst| burst.occasion == kind).collect();
    let (title, key, why_not) = match kind {
        BurstKind::Cold => (
            "stampede",
            "cold key",
            "because this target answers one request after another",
        ),
        BurstKind::Expiry => (
            "stampede at expiry",
            "expired key",
            "because requests did not overlap, or the entry had not expired",
        ),
    };
    if bursts.is_empty() {
        return None;
    }
    let stale = answered_stale(&bursts);
    let Some(factor) = factor else {
        let why_not = stale.map_or_else(|| why_not.into(), |stale| format!("because {stale}"));
        return Some(format!("{title}: not measurable, {why_not}"));
    };
    let (callers, count) = (
        bursts.iter().map(|burst| burst.callers).sum::<usize>(),
        bursts.len(),
    );
    let stale = stale.map_or_else(String::new, |stale| format!("; {stale}"));
    let overlapped = bursts.iter().filter(|burst| burst.overlapped());
    let spread = human_us(overlapped.map(|burst| burst.spread_us).fold(0.0, f64::max));
    Some(format!(
        "{title}: {factor:.2} origin calls per {key} ({callers} callers in {count} bursts, each \
         sent within {spread}){stale}"
    ))
}

/// `None` if no caller got a stale answer.
fn answered_stale(bursts: &[&Burst]) -> Option<String> {
    let sum = |pick: fn(&Burst) -> usize| -> usize { bursts.iter().map(|burst| pick(burst)).sum() };
    let stale = sum(|burst| burst.stale);
    let refreshed = match sum(|burst| burst.origin_calls) {
        0 => "no answer reported a refresh".into(),
        1 => "one refreshed".into(),
        several => format!("{several} refreshed"),
    };
    (stale > 0).then(|| format!("{stale} answered stale while {refreshed}"))
}

fn faults(faults: &Faults) -> Vec<String> {
    let seconds = faults.mended_s - faults.broken_s;
    let impact = |impact: &FaultImpact| {
        let (function, answers) = (&impact.function, impact.answers);
        let all = answers + impact.failed;
        let times = impact.p50_us.zip(impact.max_us);
        let times = times.map_or_else(String::new, |(p50, max)| {
            format!(", {} at p50 and {} at most", human_us(p50), human_us(max))
        });
        format!(
            "cache broken for {seconds:.1} s: {answers} of {all} callers of {function} got an answer{times}"
        )
    };
    let mut lines: Vec<String> = faults.functions.iter().map(impact).collect();
    lines.push(faults.recovered_s.map_or_else(
        || "cache repaired: there was no hit within the phase".into(),
        |seconds| {
            let later = human_us(seconds * 1e6);
            format!("cache repaired: the first hit was requested {later} later")
        },
    ));
    lines
}

fn cold_functions(report: &Report) -> Option<String> {
    let first = &report.cold_functions;
    let (p50, max, count) = (human_us(first.p50?.us), human_us(first.max_us), first.count);
    Some(format!(
        "cold function: the first answer of a process takes {p50} at p50, {max} at most ({count} \
         of them, in no other figure)"
    ))
}

fn minimum_latencies(report: &Report) -> Vec<String> {
    let functions = report.target.functions.iter().filter_map(|function| {
        let (name, p50) = (&function.name, function.floor.as_ref()?.p50?);
        Some((
            format!("an answer of {name} with neither cache nor origin"),
            p50,
        ))
    });
    let memcached = report.floor.as_ref().and_then(|memcached| memcached.p50);
    let memcached = memcached.map(|p50| ("a bare memcached GET from this machine".into(), p50));
    functions
        .chain(memcached)
        .map(|(what, p50)| format!("minimum latency: {what} takes {} at p50", human_us(p50.us)))
        .collect()
}

pub(crate) fn judgements(report: &Report) -> Vec<String> {
    let thresholds = report.rules.iter().map(|result| {
        let (verdict, _) = result.ruling.label();
        format!("{verdict}: {}, observed {}", result.rule, result.observed)
    });
    let baseline = report.baseline.iter().flat_map(comparison);
    thresholds.chain(baseline).collect()
}

pub(crate) fn comparison(comparison: &Comparison) -> Vec<String> {
    let figures = comparison.figures.iter();
    let figures = figures.map(|figure| compared(comparison, figure));
    let warnings = comparison.warnings.iter();
    figures
        .chain(warnings.map(|warning| format!("warning: {warning}")))
        .collect()
}

pub(crate) fn compared(comparison: &Comparison, figure: &Compared) -> String {
    let (verdict, _) = figure.change.label();
    let (what, baseline) = (&figure.what, &comparison.baseline);
    let limit = percent(comparison.max_regress);
    if let Some(Values {
        quantity,
        before,
        now,
    }) = figure.values
    {
        let [before, now] = [before, now].map(|value| quantity.human(value));
        return format!("{verdict}: {what}: {now}, and {before} in {baseline}");
    }
    let detectable = figure.detectable.map_or_else(String::new, |share| {
        format!("; {} more or less could be told", percent(share))
    });
    match (figure.change, figure.ratio) {
        (Change::Missing, _) => format!(
            "{verdict}: {what} was measured in {baseline}, and this run has too few rounds of it"
        ),
        (_, None) => format!("{verdict}: {what} has too few rounds in {baseline}"),
        (_, Some(ratio)) => {
            let ratio = interval(ratio, times);
            match figure.direction {
                Direction::LessIsWorse => format!(
                    "{verdict}: {what} is {ratio} that of {baseline} (at most {limit} may be \
                     lost{detectable})"
                ),
                Direction::MoreIsWorse => format!(
                    "{verdict}: {what} takes {ratio} as long as in {baseline} (at most {limit} \
                     more are allowed{detectable})"
                ),
            }
        }
    }
}
