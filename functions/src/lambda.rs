//! A function's process, on Lambda and in the emulator. Owns its start and its loop; must not know any route.

use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use lambda_http::{Request, run_concurrent, service_fn};

use crate::Handler;
use crate::place::Place;
use crate::settings::SettingsError;
use crate::start::{self, Start};

/// How long a start may wait for what makes the first answer quicker: twice what the cache may add to a call by default.
const WARM_UP: Duration = Duration::from_millis(100);

/// Serves invocations with the handler that `make` makes, one at a time or as many as `AWS_LAMBDA_MAX_CONCURRENCY`
/// allows, until the runtime ends the process. A bad setting ends the start with exit code 1 and its name on stderr.
pub async fn run<H: Handler>(make: impl FnOnce(&Start) -> Result<H, SettingsError>) -> ExitCode {
    start::log_to_stderr();
    match serve(make).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
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
    let handler = Arc::new(make(&start)?);
    let _ = tokio::time::timeout(WARM_UP, handler.warm_up()).await;
    run_concurrent(service_fn(move |request: Request| {
        let handler = Arc::clone(&handler);
        async move { Ok::<_, Infallible>(handler.handle(request).await) }
    }))
    .await
}
