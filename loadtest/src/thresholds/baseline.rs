//! `--baseline` and `compare`: two runs against each other. Times are judged only if both runs were
//! made on the same machine; ratios survive a slower one.

use crate::analysis::{
    format::Quantity, intervals::Interval, intervals::log_ratio_of_means, intervals::mean_interval,
    intervals::share_interval, paired::Pair,
};
use crate::load::{plan::Phase, profile::Profile};
use crate::report::{
    judgement::Change, judgement::Compared, judgement::Comparison, judgement::Direction,
    judgement::SideBySide, judgement::Values, model::Report,
};
use crate::thresholds::{metric::Metric, metric::failed_of_all, selector::Selector};

/// Whether a run with `profile` could be compared with `before`, which is known before it starts.
/// An error says why not.
pub(crate) fn check_comparable(before: &Report, profile: &Profile) -> Result<(), String> {
    let sizes = |profile: &Profile| (profile.rounds, profile.keys, profile.repeats);
    let (then, now) = (sizes(&before.profile), sizes(profile));
    if then != now {
        return Err(format!(
            "the runs differ in rounds, keys and repeats: {then:?} before, {now:?} now"
        ));
    }
    if !before.is_valid() {
        return Err(format!("the run of {} is not valid", before.started));
    }
    Ok(())
}

/// Compares `now` with `before`. An error says why they cannot be compared.
pub(crate) fn compare(
    before: &Report,
    now: &Report,
    max_regress: f64,
) -> Result<Comparison, String> {
    check_comparable(before, &now.profile)?;
    if !now.is_valid() {
        return Err(format!("the run of {} is not valid", now.started));
    }
    // By what was asked, not by what was answered: a function that has no figures any more must not
    // go unnoticed.
    let both = functions(now).filter(|function| has(before, function));
    let runs = Runs {
        before,
        now,
        max_regress,
    };
    let figures = both.flat_map(|function| runs.of_function(function));
    let figures = figures.chain(runs.of_whole_run());
    Ok(Comparison {
        baseline: before.started.clone(),
        max_regress,
        figures: figures.collect(),
        baseline_url: before.target.url.clone(),
        beside: side_by_side(before, now),
        warnings: warnings(before, now),
    })
}

fn functions(report: &Report) -> impl Iterator<Item = &str> {
    let functions = report.target.functions.iter();
    functions.map(|function| function.name.as_str())
}

fn has(report: &Report, function: &str) -> bool {
    functions(report).any(|name| name == function)
}

/// Times that differ by less are not judged: the same command on the same machine differs by as
/// much from run to run, whatever the intervals within a run say.
const SAME_US: f64 = 250.0;

/// Two runs that are compared.
struct Runs<'a> {
    before: &'a Report,
    now: &'a Report,
    max_regress: f64,
}

impl Runs<'_> {
    /// The figures of one function, the speed-up last: it is a result of the others.
    fn of_function(&self, function: &str) -> Vec<Compared> {
        let mut figures = Vec::new();
        let mut hit = None;
        if is_same_machine(self.before, self.now) {
            hit = self.time(function, "a hit", |pair| pair.warm_us);
            figures.extend(hit.clone());
            figures.extend(self.time(function, "a miss", |pair| pair.cold_us));
            figures.extend(self.overhead(function));
        }
        let mut ratio = self.speed_up(function);
        let hit_is_as_fast = hit.is_some_and(|hit| hit.change == Change::WithinLimit);
        if matches!(ratio.change, Change::Regression | Change::Inconclusive) && hit_is_as_fast {
            // With hits as fast as before, only faster misses make the ratio smaller.
            ratio.change = Change::Explained;
        }
        figures.push(ratio);
        figures
    }

    /// The values of one function, one per round.
    fn rounds(report: &Report, function: &str, pick: fn(&Pair) -> Option<f64>) -> Vec<f64> {
        let pairs = report.pairs.iter();
        let pairs = pairs.filter(|pair| pair.function == function);
        pairs.filter_map(pick).collect()
    }

    fn speed_up(&self, function: &str) -> Compared {
        let logs = |report| Self::rounds(report, function, |pair| Some(pair.ratio.ln()));
        let (before, now) = (logs(self.before), logs(self.now));
        let ratio = log_ratio_of_means(&before, &now);
        Compared {
            what: format!("speed-up of {function}"),
            ratio,
            change: match mean_interval(&before) {
                None => Change::NoData,
                Some(_) => change(ratio, 1.0 - self.max_regress),
            },
            detectable: ratio.map(detectable),
            ..Compared::default()
        }
    }

    /// `None` if the baseline does not have it.
    fn time(&self, function: &str, what: &str, pick: fn(&Pair) -> f64) -> Option<Compared> {
        let logs = |report: &Report| -> Vec<f64> {
            let pairs = report.pairs.iter().filter(|pair| pair.function == function);
            let times = pairs.map(pick).filter(|us| *us > 0.0);
            times.map(f64::ln).collect()
        };
        let (before, now) = (logs(self.before), logs(self.now));
        let before_us = mean_interval(&before)?.estimate.exp();
        let ratio = log_ratio_of_means(&before, &now);
        let limit = 1.0 + self.max_regress;
        let change = match ratio {
            None => Change::Missing,
            Some(ratio) => {
                let is_worse = |by: f64| by > limit && before_us * (by - 1.0) > SAME_US;
                match (is_worse(ratio.low), is_worse(ratio.high)) {
                    (true, _) => Change::Regression,
                    (false, true) => Change::Inconclusive,
                    (false, false) => Change::WithinLimit,
                }
            }
        };
        Some(Compared {
            what: format!("{what} of {function}"),
            ratio,
            change,
            direction: Direction::MoreIsWorse,
            detectable: ratio.map(detectable),
            values: None,
        })
    }

    /// What the cache itself costs a miss.
    fn overhead(&self, function: &str) -> Option<Compared> {
        let rounds = |report| Self::rounds(report, function, |pair| pair.overhead_us);
        let before = mean_interval(&rounds(self.before))?;
        let now = mean_interval(&rounds(self.now));
        let change = now.map_or(Change::Missing, |now| {
            let more = now.estimate - before.estimate;
            match now.low > before.high && more > SAME_US {
                true => Change::Regression,
                false => Change::WithinLimit,
            }
        });
        Some(self.by_values(
            format!("a miss over no cache, {function}"),
            change,
            Values {
                quantity: Quantity::Time,
                before: before.estimate,
                now: now.map_or(f64::NAN, |now| now.estimate),
            },
        ))
    }

    fn by_values(&self, what: String, change: Change, values: Values) -> Compared {
        Compared {
            what,
            change,
            direction: Direction::MoreIsWorse,
            values: Some(values).filter(|values| values.now.is_finite()),
            ..Compared::default()
        }
    }

    /// Stampedes and failures.
    fn of_whole_run(&self) -> Vec<Compared> {
        [self.stampede(), self.failures()]
            .into_iter()
            .flatten()
            .collect()
    }

    fn stampede(&self) -> Option<Compared> {
        let factor = |report: &Report| report.effect.stampede_factor;
        let (before, now) = (factor(self.before)?, factor(self.now)?);
        // Half a call more in a burst may be a race.
        let change = match now > before * (1.0 + self.max_regress) + 0.5 {
            true => Change::Regression,
            false => Change::WithinLimit,
        };
        let values = Values {
            quantity: Quantity::Count,
            before,
            now,
        };
        let what = "origin calls per cold key in a stampede".to_owned();
        Some(self.by_values(what, change, values))
    }

    /// Failed requests, except while the cache was broken.
    fn failures(&self) -> Option<Compared> {
        let share = |report: &Report| {
            let outage = Selector {
                phase: Some(Phase::Faults),
                ..Selector::ANY
            };
            let (failed, all) = failed_of_all(report, &Selector::ANY);
            let (in_outage, all_in_outage) = failed_of_all(report, &outage);
            share_interval(failed - in_outage, all - all_in_outage)
        };
        let (before, now) = (share(self.before)?, share(self.now)?);
        let change = match now.low > before.high {
            true => Change::Regression,
            false => Change::WithinLimit,
        };
        let values = Values {
            quantity: Quantity::Share,
            before: before.estimate,
            now: now.estimate,
        };
        Some(self.by_values("failed requests".into(), change, values))
    }
}

/// The smallest change that this interval could tell from none.
fn detectable(ratio: Interval) -> f64 {
    (ratio.high / ratio.low).sqrt() - 1.0
}

fn is_same_machine(before: &Report, now: &Report) -> bool {
    let machine = |report: &Report| {
        let machine = &report.machine;
        (machine.os.clone(), machine.cpus, machine.optimised)
    };
    machine(before) == machine(now)
}

/// The change of a figure that the baseline has.
fn change(ratio: Option<Interval>, limit: f64) -> Change {
    match ratio {
        None => Change::Missing,
        Some(ratio) if ratio.high < limit => Change::Regression,
        Some(ratio) if ratio.low < limit => Change::Inconclusive,
        Some(_) => Change::WithinLimit,
    }
}

fn warnings(before: &Report, now: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    if before.machine.os != now.machine.os || before.machine.cpus != now.machine.cpus {
        warnings.push("the two runs come from different machines".to_owned());
    }
    if before.machine.optimised != now.machine.optimised {
        warnings.push("one of the two runs was made by a debug build of this tool".to_owned());
    }
    let sides = [(before, now, "the baseline"), (now, before, "this run")];
    for (one, other, side) in sides {
        let alone = functions(one).filter(|function| !has(other, function));
        warnings.extend(alone.map(|name| format!("{name} is in {side} only: it is not compared")));
    }
    warnings
}

/// The figures of each function.
const OF_A_FUNCTION: [(&str, Metric, Selector); 5] = [
    ("a miss, p50", Metric::P50, Selector::MISS),
    ("a hit, p50", Metric::P50, Selector::HIT),
    ("a hit, p99", Metric::P99, Selector::HIT),
    ("speed-up", Metric::SPEED_UP, Selector::ANY),
    ("a miss over no cache", Metric::OVERHEAD, Selector::ANY),
];

/// The figures of the whole run.
const OF_ALL: [(&str, Metric); 4] = [
    ("hit ratio", Metric::HIT_RATIO),
    ("answers without an origin call", Metric::OFFLOAD),
    (
        "origin calls per cold key in a stampede",
        Metric::STAMPEDE_FACTOR,
    ),
    ("recovery from a broken cache", Metric::RECOVERY),
];

/// The figures that at least one of the runs has.
fn side_by_side(before: &Report, now: &Report) -> Vec<SideBySide> {
    let mut all = Vec::new();
    for function in &now.target.functions {
        for (what, metric, selector) in OF_A_FUNCTION {
            let selector = selector.for_function(&function.name);
            let what = format!("{}: {what}", function.name);
            all.push(figure_of_both((before, now), what, metric, &selector));
        }
    }
    if before.faults.is_some() || now.faults.is_some() {
        let what = "failed while the cache was broken".to_owned();
        let selector = Selector {
            phase: Some(Phase::Faults),
            ..Selector::ANY
        };
        let mut failed = figure_of_both((before, now), what, Metric::ERRORS, &selector);
        // Without an outage, zero failures would be meaningless.
        failed.before = failed.before.filter(|_| before.faults.is_some());
        failed.now = failed.now.filter(|_| now.faults.is_some());
        all.push(failed);
    }
    for (what, metric) in OF_ALL {
        let what = what.to_owned();
        all.push(figure_of_both((before, now), what, metric, &Selector::ANY));
    }
    all.retain(|one| one.before.is_some() || one.now.is_some());
    all
}

fn figure_of_both(
    (before, now): (&Report, &Report),
    what: String,
    metric: Metric,
    selector: &Selector,
) -> SideBySide {
    let value = |report| metric.observe(report, selector).first()?.value;
    SideBySide {
        what,
        quantity: metric.quantity,
        before: value(before),
        now: value(now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{model::FailureRow, test_report};

    #[test]
    fn only_a_whole_interval_beyond_the_limit_is_a_regression() {
        let ratio = |low, high| {
            Some(Interval {
                low,
                estimate: f64::midpoint(low, high),
                high,
            })
        };
        let table = [
            (ratio(0.78, 0.84), Change::Regression),
            (ratio(0.95, 1.02), Change::WithinLimit),
            (ratio(0.85, 0.95), Change::Inconclusive),
            (ratio(1.2, 1.4), Change::WithinLimit),
            (None, Change::Missing),
        ];
        for (ratio, expected) in table {
            assert_eq!(change(ratio, 0.9), expected, "{ratio:?}");
        }
    }

    /// A report whose functions have a speed-up of about ten in so many rounds.
    fn report(functions: &[(&str, usize)]) -> Report {
        let names: Vec<&str> = functions.iter().map(|(name, _)| *name).collect();
        let pairs = functions.iter().flat_map(|(name, rounds)| {
            (0..*rounds).map(|round| test_report::pair(round, name, 10.0 + round as f64 / 10.0))
        });
        Report {
            pairs: pairs.collect(),
            ..test_report::report(&names)
        }
    }

    fn changes(comparison: &Comparison) -> Vec<(&str, Change)> {
        let figures = comparison.figures.iter();
        figures
            .map(|figure| (figure.what.as_str(), figure.change))
            .collect()
    }

    #[test]
    fn a_function_that_lost_its_figures_is_as_bad_as_a_regression() {
        let before = report(&[("f", 3), ("g", 3)]);
        let lost = compare(&before, &report(&[("f", 3), ("g", 0)]), 0.1).unwrap();
        let [f, g] = ["speed-up of f", "speed-up of g"];
        assert_eq!(
            changes(&lost),
            [(f, Change::WithinLimit), (g, Change::Missing)]
        );
        assert!(lost.has_worse(false));
        // What the baseline never had cannot be missing.
        let never = compare(&report(&[("f", 3), ("g", 1)]), &before, 0.1).unwrap();
        assert_eq!(
            changes(&never),
            [(f, Change::WithinLimit), (g, Change::NoData)]
        );
        assert!(!never.has_worse(false));
    }

    /// A report whose hits and misses take so many microseconds.
    fn timed(hit: f64, miss: f64) -> Report {
        let pairs = (0..5).map(|round| Pair {
            warm_us: hit * (1.0 + 0.004 * round as f64),
            cold_us: miss * (1.0 + 0.004 * round as f64),
            ..test_report::pair(round, "f", miss / hit)
        });
        Report {
            pairs: pairs.collect(),
            ..test_report::report(&["f"])
        }
    }

    #[test]
    fn times_are_judged_by_their_direction_and_the_ratio_by_its_reason() {
        let figures = |before: &Report, now: &Report| {
            let comparison = compare(before, now, 0.1).unwrap();
            let figures = comparison.figures.iter();
            figures.map(|one| one.change).collect::<Vec<Change>>()
        };
        let before = timed(1000.0, 20_000.0);
        use Change::{Explained, Regression, WithinLimit};
        // The origin is twice as fast: that is no regression of the cache.
        let faster_origin = timed(1000.0, 10_000.0);
        assert_eq!(
            figures(&before, &faster_origin),
            [WithinLimit, WithinLimit, Explained]
        );
        // Everything takes three times as long: the ratio is the same.
        let slower = timed(3000.0, 60_000.0);
        assert_eq!(
            figures(&before, &slower),
            [Regression, Regression, WithinLimit]
        );
        let slower_hits = timed(2000.0, 20_000.0);
        assert_eq!(
            figures(&before, &slower_hits),
            [Regression, WithinLimit, Regression]
        );
        let mut elsewhere = slower;
        elsewhere.machine.cpus = 99;
        assert_eq!(
            figures(&before, &elsewhere),
            [WithinLimit],
            "another machine"
        );
    }

    #[test]
    fn stampedes_and_failures_are_judged_and_the_detectable_change_is_told() {
        let mut before = timed(1000.0, 20_000.0);
        before.effect.stampede_factor = Some(1.0);
        before.rows = vec![test_report::hits(Phase::Warm, "f", (1000, 1))];
        let mut now = before.clone();
        let changes = |now: &Report| {
            let comparison = compare(&before, now, 0.1).unwrap();
            let worse = comparison.figures.iter();
            let worse = worse.filter(|one| Comparison::is_worse(one, false));
            worse.map(|one| one.what.clone()).collect::<Vec<String>>()
        };
        assert_eq!(changes(&now), Vec::<String>::new());
        now.effect.stampede_factor = Some(32.0);
        now.failures = vec![FailureRow {
            phase: Phase::Warm,
            function: "f".into(),
            failure: "status-503".into(),
            throttled: false,
            count: 60,
        }];
        let worse = ["origin calls per cold key in a stampede", "failed requests"];
        assert_eq!(changes(&now), worse);
        let figures = compare(&before, &now, 0.1).unwrap().figures;
        let detectable = figures[0].detectable.unwrap();
        assert!((0.0..0.02).contains(&detectable), "{detectable}");
    }

    #[test]
    fn a_function_of_one_side_only_is_named() {
        let (before, now) = (
            report(&[("f", 3), ("old", 3)]),
            report(&[("new", 3), ("f", 3)]),
        );
        let comparison = compare(&before, &now, 0.1).unwrap();
        assert_eq!(
            changes(&comparison),
            [("speed-up of f", Change::WithinLimit)]
        );
        assert_eq!(
            comparison.warnings,
            [
                "old is in the baseline only: it is not compared",
                "new is in this run only: it is not compared"
            ]
        );
    }
}
