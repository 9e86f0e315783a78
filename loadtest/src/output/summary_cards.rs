//! The figures that one looks for first, large. Owns which they are and their words; knows nothing of pages.

use crate::analysis::format::{human_us, percent, times};
use crate::output::sentences::speed_up_is_valid;
use crate::phases::faults::FaultImpact;
use crate::report::model::{Report, Traffic};

/// One figure: the number, what it is, and what stands beside it.
pub(crate) struct SummaryCard {
    pub(crate) number: String,
    pub(crate) what: String,
    pub(crate) detail: String,
}

/// The figures that the run allows to be told.
pub(crate) fn all(report: &Report) -> Vec<SummaryCard> {
    let mut cards = Vec::new();
    if speed_up_is_valid(report) {
        cards.extend(speed_ups(report));
    }
    let effect = &report.effect;
    cards.extend(effect.hit_ratio.map(|ratio| {
        let traffic = match effect.measured_in {
            Traffic::Mixed => "hit ratio of mixed traffic",
            Traffic::Rounds => "hit ratio of the rounds, which choose it",
        };
        SummaryCard {
            number: percent(ratio.estimate),
            what: traffic.into(),
            detail: format!("{} to {}", percent(ratio.low), percent(ratio.high)),
        }
    }));
    cards.extend(effect.stampede_factor.map(|factor| {
        let callers = report.bursts.iter().map(|burst| burst.callers).max();
        SummaryCard {
            number: format!("{factor:.2}"),
            what: "origin calls a cold key".into(),
            detail: format!("that {} ask for at once", callers.unwrap_or_default()),
        }
    }));
    cards.extend(report.faults.as_ref().map(|faults| {
        let sum =
            |pick: fn(&FaultImpact) -> u64| -> u64 { faults.functions.iter().map(pick).sum() };
        let (answers, failed) = (sum(|one| one.answers), sum(|one| one.failed));
        let recovered = faults.recovered_s.map_or_else(
            || "no hit came after it was mended".into(),
            |seconds| format!("hits again after {}", human_us(seconds * 1e6)),
        );
        SummaryCard {
            number: format!("{answers} of {}", answers + failed),
            what: "answered while the cache was broken".into(),
            detail: recovered,
        }
    }));
    cards
}

fn speed_ups(report: &Report) -> impl Iterator<Item = SummaryCard> {
    report.speed_ups.iter().filter_map(|speed_up| {
        let (ratio, saved) = (speed_up.ratio?, speed_up.saved_us?);
        let origin = speed_up.origin_us.map_or_else(String::new, |us| {
            format!("; the origin itself takes {}", human_us(us))
        });
        let (low, high) = (times(ratio.low), times(ratio.high));
        Some(SummaryCard {
            number: times(ratio.estimate),
            what: format!("{}: a hit against a miss", speed_up.function),
            detail: format!(
                "{low} to {high}; saves {}{origin}",
                human_us(saved.estimate)
            ),
        })
    })
}
