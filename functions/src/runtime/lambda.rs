//! A function's process, on Lambda and in the emulator. Owns its start and its loop; must not know any route.

use std::convert::Infallible;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// So often what makes the first answer quicker lets the others have their turn: the question for the first invocation, sent before it,
/// needs fewer.
const YIELDS_BEFORE_WARM_UP: u8 = 4;
/// How long what makes the first answer quicker may take: twice what the cache may add to a call by default.
const WARM_UP_TIMEOUT: Duration = Duration::from_millis(100);

/// Serves invocations with the handler that `make` makes, one at a time or as many as `AWS_LAMBDA_MAX_CONCURRENCY`
/// allows, until the runtime ends the process. A bad setting ends the start with exit code 1 and its name on stderr.
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

/// One thread for one invocation at a time: a second one would only be started, and woken up. For several, one for each processor, so
/// that computing for one caller does not hold up another.
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
    });
    exit_on_sigterm()?;
    if context.host == Host::Lambda {
        // A start has a whole processor until it asks for its first invocation; then it has what its memory buys, at 256 MB a seventh,
        // and the handshakes would take the first answer's time. With provisioned concurrency it is also frozen then, for long.
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

/// Provisioned concurrency: the process started before there was a request for it.
fn is_started_ahead() -> bool {
    let kind = environment::variable("AWS_LAMBDA_INITIALIZATION_TYPE");
    kind.is_some_and(|kind| kind != "on-demand")
}

/// Lambda ends an environment that has an extension with SIGTERM, between two invocations: there is nothing to finish.
fn exit_on_sigterm() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        terminate.recv().await;
        std::process::exit(0);
    });
    Ok(())
}

/// What serves invocations.
struct Function<H> {
    handler: H,
    /// Where invocations are metered: on Lambda, where they are paid for and CloudWatch reads the lines.
    metrics: Option<MetricsSource>,
    warm: OnceCell<()>,
    /// Whether the next invocation is the one that the process was started for.
    cold: AtomicBool,
}

impl<H: Handler> Function<H> {
    /// Once, whoever asks for it first. On Lambda that is the start, which waits for it. In the emulator it runs while the process asks
    /// for its first invocation, which then waits for it.
    async fn warm_up(&self) {
        let warm = async {
            let _ = tokio::time::timeout(WARM_UP_TIMEOUT, self.handler.warm_up()).await;
        };
        self.warm.get_or_init(|| warm).await;
    }

    /// One invocation, under its id in the log; with its line of metrics where they are metered.
    async fn invoke(&self, request: Request) -> Response {
        let begun = Instant::now();
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
            // One write: lines of invocations that run side by side do not mix. Without a reader there is nobody to tell.
            let _ = std::io::stdout().write_all((invocation.line() + "\n").as_bytes());
        }
        response
    }
}

/// A line of the log in place of Rust's own, which is no JSON and may show a request's values.
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
