//! One line of metrics an invocation, in CloudWatch's Embedded Metric Format: what the alarms and the dashboard of template.yaml count.
//! Owns the line, and the place where a handler leaves what it is made of; must not know how a value came about.

use std::cell::Cell;
use std::future::Future;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder::{Bypass, Fill, Outcome};
use serde_json::{Map, Value, json};

tokio::task_local! {
    static TOLD: Cell<Option<Told>>;
}

/// Tells whoever meters the invocation that this task serves. Off Lambda nobody does: an answer is not to carry it there.
pub(crate) fn tell(told: Told) {
    let _ = TOLD.try_with(|place| place.set(Some(told)));
}

/// The answer of `work`, and what it told.
pub(crate) async fn listen<T>(work: impl Future<Output = T>) -> (T, Option<Told>) {
    let work = async {
        let answer = work.await;
        (answer, TOLD.with(Cell::get))
    };
    TOLD.scope(Cell::new(None), work).await
}

/// What a handler that asked the cache tells of its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Told {
    /// A value was fetched.
    Fetched(Fetched),
    /// The cache had none, and the origin failed.
    OriginFailed,
}

/// What became of one fetched value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetched {
    pub(crate) outcome: Outcome,
    pub(crate) cache: Duration,
    pub(crate) origin: Duration,
}

/// One invocation, answered.
pub(crate) struct Invocation<'a> {
    /// As CloudWatch names it in the functions' other metrics.
    pub(crate) function: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) status: u16,
    /// `None`: the cache was not asked, or it is not known what became of that.
    pub(crate) told: Option<Told>,
    pub(crate) latency: Duration,
}

impl Invocation<'_> {
    /// The line, without its end.
    pub(crate) fn line(&self) -> String {
        let (outcome, counts) = self.counts();
        let mut metrics = vec![("Requests", "Count", json!(1))];
        metrics.extend(counts.map(|(name, count)| (name, "Count", json!(u8::from(count)))));
        metrics.push(("Latency", "Milliseconds", milliseconds(self.latency)));
        if let Some(Told::Fetched(fetched)) = self.told {
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
        line.insert("function".to_owned(), self.function.into());
        line.insert("outcome".to_owned(), outcome.into());
        line.insert("status".to_owned(), self.status.into());
        line.insert("requestId".to_owned(), self.request_id.into());
        line.insert(
            "_aws".to_owned(),
            json!({
                "Timestamp": u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
                "CloudWatchMetrics": [
                    {"Namespace": "larder", "Dimensions": [["function"]], "Metrics": defined},
                    // By outcome, requests alone: each further metric of each outcome would be paid for.
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
        let (outcome, hit, origin, trouble) = match self.told {
            Some(Told::OriginFailed) => ("failed", false, true, false),
            // Such as a flush that was not acknowledged: no origin had a part in it.
            None if self.status >= 500 => ("failed", false, false, false),
            None => ("none", false, false, false),
            Some(Told::Fetched(Fetched { outcome, .. })) => {
                let (word, hit) = word(outcome);
                (
                    word,
                    hit,
                    !hit || outcome == Outcome::StaleOnError,
                    is_trouble(outcome),
                )
            }
        };
        let counts = [
            ("Lookups", self.told.is_some()),
            ("Hits", hit),
            ("OriginCalls", origin),
            ("CacheErrors", trouble),
        ];
        (outcome, counts)
    }
}

/// The outcome's name as a dimension, and whether the cache answered.
fn word(outcome: Outcome) -> (&'static str, bool) {
    match outcome {
        Outcome::Hit => ("hit", true),
        Outcome::Stale => ("stale", true),
        Outcome::StaleOnError => ("stale-on-error", true),
        Outcome::Collapsed => ("collapsed", true),
        Outcome::Miss(_) => ("miss", false),
        Outcome::Expired(_) => ("expired", false),
        Outcome::Refreshed(_) => ("refreshed", false),
        Outcome::Bypassed(_) => ("bypassed", false),
        _ => ("other", false),
    }
}

fn is_trouble(outcome: Outcome) -> bool {
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
        let told = outcome.map(|outcome| {
            Told::Fetched(Fetched {
                outcome,
                cache: Duration::from_micros(1500),
                origin: Duration::ZERO,
            })
        });
        check_told(status, told, expected);
    }

    fn check_told(status: u16, told: Option<Told>, expected: (&str, [u8; 4])) {
        let invocation = Invocation {
            function: "user",
            request_id: "id",
            status,
            told,
            latency: Duration::from_millis(2),
        };
        let line: Value = serde_json::from_str(&invocation.line()).unwrap();
        let counts = ["Lookups", "Hits", "OriginCalls", "CacheErrors"].map(|name| &line[name]);
        assert_eq!(line["outcome"], expected.0);
        assert_eq!(
            counts.map(|count| count.as_u64().unwrap() as u8),
            expected.1,
            "{line}"
        );
        assert_eq!(line["Latency"], 2.0);
        assert_eq!(
            line.get("CacheTime").is_some(),
            matches!(told, Some(Told::Fetched(_)))
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
        check_told(502, Some(Told::OriginFailed), ("failed", [1, 0, 1, 0]));
        // A flush that was not acknowledged, a panic.
        check(502, None, ("failed", [0, 0, 0, 0]));
    }
}
