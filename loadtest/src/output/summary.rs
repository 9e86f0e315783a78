//! The whole run in a few lines, as other load generators end.

use crate::analysis::{format::human_bytes, format::human_us, format::percent, histogram::Summary};
use crate::report::model::Report;
use crate::thresholds::{metric::failed_of_all, selector::Selector};

/// Names and texts.
pub(crate) fn lines(report: &Report) -> Vec<(&'static str, String)> {
    let (failed, all) = failed_of_all(report, &Selector::ANY);
    let seconds = report.seconds.max(1e-3);
    let bytes: u64 = report.origin.iter().map(|phase| phase.bytes).sum();
    let share = percent(failed as f64 / all.max(1) as f64);
    let connecting = report.connecting.iter().map(|row| &row.connecting);
    let waiting = report.rows.iter().map(|row| &row.latency);
    let mut lines = vec![
        (
            "requests",
            format!(
                "{all} in {seconds:.1} s, {:.1} a second",
                all as f64 / seconds
            ),
        ),
        ("failed", format!("{share}, {failed} requests")),
        ("received", human_bytes(bytes as f64)),
    ];
    lines.extend(times(connecting).map(|text| ("connecting", text)));
    lines.extend(times(waiting).map(|text| ("waiting", text)));
    lines
}

/// Over all rows; their quantiles cannot be added up.
fn times<'a>(summaries: impl Iterator<Item = &'a Summary>) -> Option<String> {
    let (mut count, mut sum, mut max) = (0, 0.0, 0.0_f64);
    for one in summaries {
        count += one.count;
        sum += one.mean_us * one.count as f64;
        max = max.max(one.max_us);
    }
    let (mean, max) = (human_us(sum / count.max(1) as f64), human_us(max));
    (count > 0).then(|| format!("{mean} on average, {max} at most, {count} times"))
}
