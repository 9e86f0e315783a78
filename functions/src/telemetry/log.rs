//! The log on stderr, as plain lines, or as one JSON object a line where the function's
//! `LoggingConfig` asks for it. It writes warnings and errors, or what that configuration's level
//! lets through. No line contains a request's values.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::environment;
use crate::telemetry::invocation::InvocationTags;
use crate::telemetry::timestamp;

/// The crates whose lines follow `AWS_LAMBDA_LOG_LEVEL`. Those of others, such as a database
/// driver, could show a request's values below WARN.
const OURS: [&str; 2] = ["functions", "larder"];

tokio::task_local! {
    static INVOCATION: InvocationTags;
}

/// Runs `work`, whose log lines then carry this invocation's tags.
pub(crate) async fn in_invocation<F: Future>(tags: InvocationTags, work: F) -> F::Output {
    INVOCATION.scope(tags, work).await
}

/// Starts logging to stderr.
pub fn init() {
    let level = environment::variable(LEVEL).and_then(|level| level_filter(&level));
    let level = level.unwrap_or(LevelFilter::WARN);
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(OURS.map(|target| (target, level)));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let log = tracing_subscriber::registry().with(targets);
    if environment::variable("AWS_LAMBDA_LOG_FORMAT").as_deref() == Some("JSON") {
        log.with(lines.event_format(Json)).init();
    } else {
        log.with(lines).init();
    }
}

/// Lambda sets this from the function's `ApplicationLogLevel`, and drops each line below it.
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

fn level_filter(level: &str) -> Option<LevelFilter> {
    Some(match level.to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        "WARN" => LevelFilter::WARN,
        "ERROR" | "FATAL" => LevelFilter::ERROR,
        _ => return None,
    })
}

/// The level of a line that must be kept under every log level: INFO, or the function's own level
/// if that is more severe.
pub(crate) fn kept_level() -> &'static str {
    let level = environment::variable(LEVEL).unwrap_or_default();
    let levels = ["WARN", "ERROR", "FATAL"];
    let severe = levels
        .into_iter()
        .find(|name| level.eq_ignore_ascii_case(name));
    severe.unwrap_or("INFO")
}

/// `{"timestamp": RFC 3339, "level": …, "message": …, "requestId": …, "target": …, …}`, with the
/// names of Lambda's own log lines. Lambda treats a line without a valid timestamp or level as
/// INFO.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Fields::default();
        event.record(&mut line);
        let known = [
            ("timestamp", timestamp::rfc3339()),
            ("level", event.metadata().level().to_string()),
            ("target", event.metadata().target().to_owned()),
        ];
        for (name, value) in known {
            line.0.insert(name.to_owned(), value.into());
        }
        // Before the first invocation, and between two, there is none.
        let _ = INVOCATION.try_with(|tags| tags.add_to(&mut line.0));
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}
