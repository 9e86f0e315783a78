//! The most important figures, in large type.

use crate::analysis::{format::human_us, format::or_na, format::percent, format::times};
use crate::output::{
    sentences::mean_and_tail, sentences::origin_time, sentences::speed_up_is_valid,
};
use crate::phases::{faults::FaultImpact, faults::Faults};
use crate::report::{model::Report, model::Traffic};

/// One figure: the number, what it is, and a detail.
pub(crate) struct SummaryCard {
    pub(crate) number: String,
    pub(crate) what: String,
    pub(crate) detail: String,
}

pub(crate) fn all(report: &Report) -> Vec<SummaryCard> {
    let mut cards = Vec::new();
    if speed_up_is_valid(report) {
        cards.extend(speed_ups(report));
    }
    cards.extend(hit_ratio(report));
    cards.extend(report.effect.stampede_factor.map(|factor| {
        let callers = report.bursts.iter().map(|burst| burst.callers).max();
        SummaryCard {
            number: format!("{factor:.2}"),
            what: "origin calls per cold key".into(),
            detail: format!("with {} requests at once", callers.unwrap_or_default()),
        }
    }));
    cards.extend(report.faults.as_ref().map(outage));
    cards
}

fn speed_ups(report: &Report) -> impl Iterator<Item = SummaryCard> {
    report.speed_ups.iter().filter_map(move |speed_up| {
        let (ratio, saved) = (speed_up.ratio?, human_us(speed_up.saved_us?.estimate));
        let (low, high, origin) = (times(ratio.low), times(ratio.high), origin_time(speed_up));
        let mean = mean_and_tail(report, speed_up);
        Some(SummaryCard {
            number: times(ratio.estimate),
            what: format!(
                "{}: speed of a hit against a miss, at the median",
                speed_up.function
            ),
            detail: format!("{low} to {high}; saves {saved}{mean}{origin}"),
        })
    })
}

fn hit_ratio(report: &Report) -> Option<SummaryCard> {
    let ratio = report.effect.hit_ratio?;
    let what = match report.effect.measured_in {
        Traffic::Mixed => format!("hit ratio of {}", report.whose_traffic()),
        Traffic::Rounds => "hit ratio of the rounds, which determine it".into(),
    };
    Some(SummaryCard {
        number: percent(ratio.estimate),
        what,
        detail: report
            .effect
            .ideal_hit_ratio
            .map_or_else(String::new, |ideal| {
                let (offload, ideal) = (or_na(report.effect.offload, percent), percent(ideal));
                format!("{offload} needed no origin call; {ideal} with a cache that loses nothing")
            }),
    })
}

fn outage(faults: &Faults) -> SummaryCard {
    let sum = |pick: fn(&FaultImpact) -> u64| -> u64 { faults.functions.iter().map(pick).sum() };
    let (answers, failed) = (sum(|one| one.answers), sum(|one| one.failed));
    SummaryCard {
        number: format!("{answers} of {}", answers + failed),
        what: "answered while the cache was broken".into(),
        detail: faults.recovered_s.map_or_else(
            || "there was no hit after the repair".into(),
            |seconds| format!("hits again after {}", human_us(seconds * 1e6)),
        ),
    }
}
