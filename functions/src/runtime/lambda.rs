//! The process of one function, on Lambda and in the emulator: its start and its loop. It serves
//! any [`Handler`] and knows no route.

use std::convert::Infallible;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lambda_http::{Request, RequestExt as _, run_concurrent, service_fn};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::OnceCell;

use crate::config::context::Context;
use crate::config::environment;
use crate::config::host::Host;
use crate::config::settings::SettingsError;
use crate::http::problem;
use crate::telemetry::emf::{self, Invocation, MetricsSource};
use crate::telemetry::invocation::InvocationTags;
use crate::telemetry::log;
use crate::{Handler, Response};

/// Yields before the warm-up, so that the runtime's first poll for an invocation is sent first. The
/// poll needs fewer than four.
const YIELDS_BEFORE_WARM_UP: u8 = 4;
/// The longest that the warm-up may take: twice the cache's default budget for one call.
const WARM_UP_TIMEOUT: Duration = Duration::from_millis(100);

/// Serves invocations with the handler that `make` returns, one at a time or as many at once as
/// `AWS_LAMBDA_MAX_CONCURRENCY` allows, until the runtime ends the process. An invalid setting ends
/// the process with exit code 1 and the setting's name on stderr.
pub fn run<H: Handler>(make: impl FnOnce(&Context) -> Result<H, SettingsError>) -> ExitCode {
    log::init();
    log_panics();
    let result = match build_runtime() {
        Ok(runtime) => runtime.block_on(serve(make)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A process that serves one invocation at a time gets one thread: a second one would only cost its
/// start and wake-ups. A process that serves several gets one thread a processor, so that computing
/// for one caller does not delay another.
fn build_runtime() -> std::io::Result<Runtime> {
    let at_once = environment::variable("AWS_LAMBDA_MAX_CONCURRENCY");
    let several = at_once
        .and_then(|count| count.parse::<u32>().ok())
        .is_some_and(|count| count > 1);
    let mut runtime = if several {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    runtime.enable_all().build()
}

async fn serve<H: Handler>(
    make: impl FnOnce(&Context) -> Result<H, SettingsError>,
) -> Result<(), lambda_http::Error> {
    if environment::variable("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err("this is a Lambda function; `cargo run` starts all of them locally, `cargo lambda watch` emulates Lambda".into());
    }
    larder::Cache::check_variables(environment::names())?;
    let context = Context::from_lookup(environment::variable, |_| {
        Host::of_function(environment::variable)
    })?;
    let function = Arc::new(Function {
        handler: make(&context)?,
        metrics: (context.host == Host::Lambda).then(|| {
            let name = environment::variable("AWS_LAMBDA_FUNCTION_NAME");
            MetricsSource::new(name.unwrap_or_default())
        }),
        warm: OnceCell::new(),
        cold: AtomicBool::new(!is_started_ahead()),
        cache: context.cache.clone(),
        in_flight: AtomicUsize::new(0),
    });
    exit_on_sigterm()?;
    if context.host == Host::Lambda {
        // Until its first poll a process has a whole processor, afterwards the share that its
        // memory buys, at 256 MB a seventh: the handshakes would then slow down the first answer.
        // With provisioned concurrency Lambda also freezes the process after the poll.
        function.warm_up().await;
    }
    let warming = Arc::clone(&function);
    tokio::spawn(async move {
        for _ in 0..YIELDS_BEFORE_WARM_UP {
            tokio::task::yield_now().await;
        }
        warming.warm_up().await;
    });
    run_concurrent(service_fn(move |request: Request| {
        let function = Arc::clone(&function);
        async move { Ok::<_, Infallible>(function.invoke(request).await) }
    }))
    .await
}

/// Whether the process was started before there was a request for it, as with provisioned
/// concurrency.
fn is_started_ahead() -> bool {
    let kind = environment::variable("AWS_LAMBDA_INITIALIZATION_TYPE");
    kind.is_some_and(|kind| kind != "on-demand")
}

/// Exits on SIGTERM. Lambda sends it to an environment that has an extension, and only between two
/// invocations, so there is no work to finish.
fn exit_on_sigterm() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminate.recv().await;
        std::process::exit(0);
    });
    Ok(())
}

/// One function, ready to serve invocations.
struct Function<H> {
    handler: H,
    /// `None` off Lambda, where no metrics are written.
    metrics: Option<MetricsSource>,
    warm: OnceCell<()>,
    /// Whether the next invocation is the one that this process was started for.
    cold: AtomicBool,
    cache: larder::Cache,
    in_flight: AtomicUsize,
}

/// An invocation that is under way. When the last one ends, and before its answer goes out, the
/// near copies of the process end: Lambda may freeze it then, and a stopped guest's clocks may
/// stop, too.
struct InFlight<'a, H>(&'a Function<H>);

impl<'a, H> InFlight<'a, H> {
    fn begin(function: &'a Function<H>) -> Self {
        function.in_flight.fetch_add(1, Ordering::SeqCst);
        Self(function)
    }
}

impl<H> Drop for InFlight<'_, H> {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.cache.forget_near();
        }
    }
}

impl<H: Handler> Function<H> {
    /// Warms up once. On Lambda the start awaits this before it polls. In the emulator it runs
    /// while the process polls for its first invocation, which awaits it, so the two round trips
    /// overlap.
    async fn warm_up(&self) {
        let warm = async {
            let _ = tokio::time::timeout(WARM_UP_TIMEOUT, self.handler.warm_up()).await;
        };
        self.warm.get_or_init(|| warm).await;
    }

    /// Serves one invocation. Its log lines carry its id, and on Lambda it writes one metrics line.
    async fn invoke(&self, request: Request) -> Response {
        let begun = Instant::now();
        let _in_flight = InFlight::begin(self);
        self.warm_up().await;
        let cold_start = self.cold.swap(false, Ordering::Relaxed);
        let tags = InvocationTags::new(request.lambda_context_ref(), cold_start);
        let work = emf::capture(problem::catch_panic(self.handler.handle(request)));
        let (response, cache_report) = log::in_invocation(tags.clone(), work).await;
        if let Some(source) = &self.metrics {
            let invocation = Invocation {
                source,
                tags: &tags,
                status: response.status().as_u16(),
                cache_report,
                latency: begun.elapsed(),
            };
            // One write, so that the lines of concurrent invocations do not mix. A closed stdout
            // has no reader, so an error is ignored.
            let _ = std::io::stdout().write_all((invocation.line() + "\n").as_bytes());
        }
        response
    }
}

/// Logs a panic in place of Rust's own message, which is not JSON and may show a request's values.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        tracing::error!(location, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use lambda_http::http::StatusCode;

    use super::*;

    struct Panics;

    impl Handler for Panics {
        async fn handle(&self, request: Request) -> Response {
            panic!("at {}", request.uri());
        }
    }

    #[tokio::test]
    async fn a_handler_that_panics_has_answered_with_500() {
        let request = Request::new(lambda_http::Body::Text("secret".to_owned()));
        let function = Function {
            handler: Panics,
            metrics: None,
            warm: OnceCell::new(),
            cold: AtomicBool::new(true),
            cache: larder::Cache::null(),
            in_flight: AtomicUsize::new(0),
        };
        let response = function.invoke(request).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let lambda_http::Body::Text(body) = response.body() else {
            panic!("no text: {response:?}");
        };
        assert!(
            body.contains("the function failed") && !body.contains("secret"),
            "{body}"
        );
    }
}
