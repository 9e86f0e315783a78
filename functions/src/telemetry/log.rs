//! The log: warnings and errors on stderr, as plain lines, or as one JSON object a line where the
//! function's `LoggingConfig` asks for it. No line contains a request's values.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::environment;
use crate::telemetry::timestamp;

tokio::task_local! {
    static INVOCATION: String;
}

/// Runs `work`, whose log lines then carry this invocation's id.
pub(crate) async fn in_invocation<F: Future>(id: String, work: F) -> F::Output {
    INVOCATION.scope(id, work).await
}

/// Starts logging to stderr.
pub fn init() {
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(LevelFilter::WARN);
    if environment::variable("AWS_LAMBDA_LOG_FORMAT").as_deref() == Some("JSON") {
        lines.event_format(Json).init();
    } else {
        lines.init();
    }
}

/// `{"timestamp": RFC 3339, "level": …, "message": …, "requestId": …, "target": …, …}`, with the
/// names of Lambda's own log lines.
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
        if let Ok(id) = INVOCATION.try_with(Clone::clone) {
            line.0.insert("requestId".to_owned(), id.into());
        }
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
