//! A function's process, on Lambda and in the emulator. Owns its start and its loop; must not know any route.

use std::convert::Infallible;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lambda_http::{Request, RequestExt as _, run_concurrent, service_fn};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::OnceCell;

use crate::config::context::{self as start, Start};
use crate::config::host::Place;
use crate::config::settings::SettingsError;
use crate::http::problem;
use crate::telemetry::emf::{self, Invocation};
use crate::telemetry::log;
use crate::{Handler, Response};

/// So often what makes the first answer quicker lets the others have their turn: the question for the first invocation, sent before it,
/// needs fewer.
const TURNS: u8 = 4;
/// How long what makes the first answer quicker may take: twice what the cache may add to a call by default.
const WARM_UP: Duration = Duration::from_millis(100);

/// Serves invocations with the handler that `make` makes, one at a time or as many as `AWS_LAMBDA_MAX_CONCURRENCY`
/// allows, until the runtime ends the process. A bad setting ends the start with exit code 1 and its name on stderr.
pub fn run<H: Handler>(make: impl FnOnce(&Start) -> Result<H, SettingsError>) -> ExitCode {
    log::begin();
    log_panics();
    let result = match threads() {
        Ok(threads) => threads.block_on(serve(make)),
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
fn threads() -> std::io::Result<Runtime> {
    let at_once = start::environment("AWS_LAMBDA_MAX_CONCURRENCY");
    let several = at_once
        .and_then(|count| count.parse::<u32>().ok())
        .is_some_and(|count| count > 1);
    let mut threads = if several {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    threads.enable_all().build()
}

async fn serve<H: Handler>(
    make: impl FnOnce(&Start) -> Result<H, SettingsError>,
) -> Result<(), lambda_http::Error> {
    if start::environment("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err("this is a Lambda function; `cargo run` starts all of them locally, `cargo lambda watch` emulates Lambda".into());
    }
    larder::Cache::check_variables(start::names())?;
    let start = Start::from_lookup(start::environment, |_| {
        Place::of_function(start::environment)
    })?;
    let function = Arc::new(Function {
        handler: make(&start)?,
        meter: (start.place == Place::Lambda)
            .then(|| start::environment("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default()),
        warm: OnceCell::new(),
    });
    end_when_told()?;
    if is_frozen_before_use() {
        function.warm_up().await;
    }
    let warming = Arc::clone(&function);
    tokio::spawn(async move {
        for _ in 0..TURNS {
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

/// Provisioned concurrency: the process is frozen with its question for an invocation, and asked when it has long been thawed.
fn is_frozen_before_use() -> bool {
    let kind = start::environment("AWS_LAMBDA_INITIALIZATION_TYPE");
    kind.is_some_and(|kind| kind != "on-demand")
}

/// Lambda ends an environment that has an extension with SIGTERM, between two invocations: there is nothing to finish.
fn end_when_told() -> std::io::Result<()> {
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
    /// Its name, where invocations are metered: where somebody pays, and where there is somebody to read it.
    meter: Option<String>,
    warm: OnceCell<()>,
}

impl<H: Handler> Function<H> {
    /// Begun while the process asks for its first invocation, and waited for by that: neither waits for the other's way. A process that
    /// is frozen in between, as with provisioned concurrency, goes on where it was; what died meanwhile is given up.
    async fn warm_up(&self) {
        let warm = async {
            let _ = tokio::time::timeout(WARM_UP, self.handler.warm_up()).await;
        };
        self.warm.get_or_init(|| warm).await;
    }

    /// One invocation, under its id in the log; with its line of metrics where they are metered.
    async fn invoke(&self, request: Request) -> Response {
        let begun = Instant::now();
        self.warm_up().await;
        let context = request.lambda_context_ref();
        let id = context
            .map(|context| context.request_id.clone())
            .unwrap_or_default();
        let work = emf::listen(problem::caught(self.handler.handle(request)));
        let (response, told) = log::of_invocation(id.clone(), work).await;
        if let Some(function) = &self.meter {
            let invocation = Invocation {
                function,
                request_id: &id,
                status: response.status().as_u16(),
                told,
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
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
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
            meter: None,
            warm: OnceCell::new(),
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
