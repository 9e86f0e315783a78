//! One metrics line for each invocation, in CloudWatch's Embedded Metric Format. The alarms and the
//! dashboard of template.yaml count these lines. Handlers leave the cache result in a task-local
//! slot.

use std::cell::Cell;
use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder::{Bypass, Fill, Outcome};
use serde_json::{Map, Value, json};

use crate::telemetry::invocation::InvocationTags;
use crate::telemetry::{log, timestamp};

tokio::task_local! {
    static REPORT: Cell<Option<CacheReport>>;
}

/// Records the cache result for this invocation's metrics line. Does nothing off Lambda.
pub(crate) fn record(report: CacheReport) {
    let _ = REPORT.try_with(|slot| slot.set(Some(report)));
}

/// Runs `work`, and returns its output with what it recorded.
pub(crate) async fn capture<T>(work: impl Future<Output = T>) -> (T, Option<CacheReport>) {
    let work = async {
        let answer = work.await;
        (answer, REPORT.with(Cell::get))
    };
    REPORT.scope(Cell::new(None), work).await
}

/// What a handler that called the cache reports.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CacheReport {
    /// A value was fetched.
    Fetched(CacheResult),
    /// The cache had no value, and the origin failed.
    OriginFailed,
}

/// How one value was fetched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheResult {
    pub(crate) outcome: Outcome,
    pub(crate) cache: Duration,
    pub(crate) origin: Duration,
}

/// What all metrics lines of a process have in common.
pub(crate) struct MetricsSource {
    /// The function's name, as in CloudWatch's own metrics of it.
    function: String,
    /// A level that the function's log filter lets through: Lambda drops other lines, and the
    /// alarms would have no values.
    level: &'static str,
}

impl MetricsSource {
    pub(crate) fn new(function: String) -> Self {
        Self {
            function,
            level: log::kept_level(),
        }
    }
}

/// One finished invocation.
pub(crate) struct Invocation<'a> {
    pub(crate) source: &'a MetricsSource,
    pub(crate) tags: &'a InvocationTags,
    pub(crate) status: u16,
    /// `None` if the cache was not called, or the handler did not report.
    pub(crate) cache_report: Option<CacheReport>,
    pub(crate) latency: Duration,
}

impl Invocation<'_> {
    /// The line, without its line break.
    pub(crate) fn line(&self) -> String {
        let (outcome, counts) = self.counts();
        let mut metrics = vec![("Requests", "Count", json!(1))];
        // Each metric is paid for, so none is sent where it would always be 0.
        if self.cache_report.is_some() {
            metrics.extend(counts.map(|(name, count)| (name, "Count", json!(u8::from(count)))));
        }
        if self.tags.cold_start {
            metrics.push(("ColdStart", "Count", json!(1)));
        }
        metrics.push(("Latency", "Milliseconds", milliseconds(self.latency)));
        if let Some(CacheReport::Fetched(fetched)) = self.cache_report {
            metrics.push(("CacheTime", "Milliseconds", milliseconds(fetched.cache)));
            metrics.push(("OriginTime", "Milliseconds", milliseconds(fetched.origin)));
        }
        let defined = metrics
            .iter()
            .map(|(name, unit, _)| json!({"Name": name, "Unit": unit}));
        let defined: Vec<_> = defined.collect();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let mut line: Map<String, Value> = metrics
            .into_iter()
            .map(|(name, _, value)| (name.to_owned(), value))
            .collect();
        self.tags.add_to(&mut line);
        line.insert("timestamp".to_owned(), timestamp::rfc3339().into());
        line.insert("level".to_owned(), self.source.level.into());
        line.insert("function".to_owned(), self.source.function.as_str().into());
        line.insert("outcome".to_owned(), outcome.into());
        line.insert("status".to_owned(), self.status.into());
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
                "CloudWatchMetrics": [
                    {"Namespace": "larder", "Dimensions": [["function"]], "Metrics": defined},
                    // Only requests are counted by outcome: CloudWatch charges for each metric.
                    {
                        "Namespace": "larder",
                        "Dimensions": [["function", "outcome"]],
                        "Metrics": [{"Name": "Requests", "Unit": "Count"}],
                    },
                ],
            }),
        );
        Value::Object(line).to_string()
    }

    fn counts(&self) -> (&'static str, [(&'static str, bool); 4]) {
        let (outcome, hit, origin, cache_failed) = match self.cache_report {
            Some(CacheReport::OriginFailed) => ("failed", false, true, false),
            // Such as a flush that was not acknowledged: it calls no origin.
            None if self.status >= 500 => ("failed", false, false, false),
            None => ("none", false, false, false),
            Some(CacheReport::Fetched(CacheResult { outcome, .. })) => {
                let (name, hit) = outcome_name(outcome);
                (
                    name,
                    hit,
                    !hit || outcome == Outcome::StaleOnError,
                    is_cache_failure(outcome),
                )
            }
        };
        let counts = [
            ("Lookups", true),
            ("Hits", hit),
            ("OriginCalls", origin),
            ("CacheErrors", cache_failed),
        ];
        (outcome, counts)
    }
}

/// The outcome's name as a dimension, and whether it counts as a hit.
fn outcome_name(outcome: Outcome) -> (&'static str, bool) {
    match outcome {
        Outcome::Hit => ("hit", true),
        Outcome::Stale => ("stale", true),
        Outcome::StaleOnError => ("stale-on-error", true),
        Outcome::StaleAfterError => ("stale-after-error", true),
        Outcome::Collapsed => ("collapsed", true),
        Outcome::Miss(_) => ("miss", false),
        Outcome::Expired(_) => ("expired", false),
        Outcome::Refreshed(_) => ("refreshed", false),
        Outcome::Passed => ("passed", false),
        Outcome::Bypassed(_) => ("bypassed", false),
        _ => ("other", false),
    }
}

fn is_cache_failure(outcome: Outcome) -> bool {
    match outcome {
        Outcome::Miss(fill) | Outcome::Expired(fill) | Outcome::Refreshed(fill) => {
            matches!(fill, Fill::Failed(_))
        }
        outcome => outcome == Outcome::Bypassed(Bypass::Breaker),
    }
}

fn milliseconds(duration: Duration) -> Value {
    json!(duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use larder::CacheFailure;

    fn check(status: u16, outcome: Option<Outcome>, expected: (&str, [u8; 4])) {
        let cache_report = outcome.map(|outcome| {
            CacheReport::Fetched(CacheResult {
                outcome,
                cache: Duration::from_micros(1500),
                origin: Duration::ZERO,
            })
        });
        check_report(status, cache_report, expected);
    }

    fn check_report(status: u16, cache_report: Option<CacheReport>, expected: (&str, [u8; 4])) {
        let invocation = Invocation {
            source: &MetricsSource::new("user".to_owned()),
            tags: &InvocationTags::default(),
            status,
            cache_report,
            latency: Duration::from_millis(2),
        };
        let line: Value = serde_json::from_str(&invocation.line()).unwrap();
        let counts = ["Lookups", "Hits", "OriginCalls", "CacheErrors"].map(|name| &line[name]);
        assert_eq!(line["outcome"], expected.0);
        assert_eq!(
            counts.map(|count| count.is_null()),
            [cache_report.is_none(); 4]
        );
        assert_eq!(
            counts.map(|count| count.as_u64().unwrap_or_default() as u8),
            expected.1,
            "{line}"
        );
        assert!(line.get("ColdStart").is_none(), "{line}");
        assert_eq!(line["Latency"], 2.0);
        assert_eq!(
            line.get("CacheTime").is_some(),
            matches!(cache_report, Some(CacheReport::Fetched(_)))
        );
    }

    #[test]
    fn each_outcome_counts_as_what_it_was() {
        check(200, Some(Outcome::Hit), ("hit", [1, 1, 0, 0]));
        check(200, Some(Outcome::Stale), ("stale", [1, 1, 0, 0]));
        check(200, Some(Outcome::Collapsed), ("collapsed", [1, 1, 0, 0]));
        check(
            200,
            Some(Outcome::StaleOnError),
            ("stale-on-error", [1, 1, 1, 0]),
        );
        check(
            200,
            Some(Outcome::StaleAfterError),
            ("stale-after-error", [1, 1, 0, 0]),
        );
        check(200, Some(Outcome::Passed), ("passed", [1, 0, 1, 0]));
        check(
            404,
            Some(Outcome::Miss(Fill::Stored)),
            ("miss", [1, 0, 1, 0]),
        );
        check(
            200,
            Some(Outcome::Expired(Fill::NotStored)),
            ("expired", [1, 0, 1, 0]),
        );
        let failed = Outcome::Miss(Fill::Failed(CacheFailure::Timeout));
        check(200, Some(failed), ("miss", [1, 0, 1, 1]));
        check(
            200,
            Some(Outcome::Bypassed(Bypass::Breaker)),
            ("bypassed", [1, 0, 1, 1]),
        );
        check(
            200,
            Some(Outcome::Bypassed(Bypass::Disabled)),
            ("bypassed", [1, 0, 1, 0]),
        );
        check(400, None, ("none", [0, 0, 0, 0]));
        check_report(
            502,
            Some(CacheReport::OriginFailed),
            ("failed", [1, 0, 1, 0]),
        );
        // A flush that was not acknowledged, or a panic.
        check(502, None, ("failed", [0, 0, 0, 0]));
    }
}
