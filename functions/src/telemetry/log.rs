//! The log: warnings and errors, as plain lines or, where Lambda is told to (`LoggingConfig: {LogFormat: JSON}`), one JSON object a
//! line. Owns the lines' form; must not know what is logged. Nothing logs a request's values.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::config::context as start;
use crate::telemetry::timestamp as moment;

tokio::task_local! {
    static INVOCATION: String;
}

/// Runs `work` as part of the invocation with this id: its lines carry it.
pub(crate) async fn of_invocation<F: Future>(id: String, work: F) -> F::Output {
    INVOCATION.scope(id, work).await
}

/// Logs to stderr from now on, for as long as the process lives.
pub fn begin() {
    let lines = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_max_level(LevelFilter::WARN);
    if start::environment("AWS_LAMBDA_LOG_FORMAT").as_deref() == Some("JSON") {
        lines.event_format(Json).init();
    } else {
        lines.init();
    }
}

/// `{"timestamp": RFC 3339, "level": …, "message": …, "requestId": …, "target": …, …}`, with the names that Lambda's own lines have.
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
            ("timestamp", moment::rfc3339()),
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
