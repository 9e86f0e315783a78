//! The function `migrate`. The operator invokes it after a deploy, with the master user's secret as
//! the event: `{"username": …, "password": …}`. The secret is not kept, and appears in no response
//! and no log line.

use std::process::ExitCode;

use lambda_http::lambda_runtime::{self, Error, LambdaEvent, service_fn};
use serde_json::Value;

use crate::config::environment;
use crate::config::settings::Settings;
use crate::telemetry::log;
use crate::users::migration::{self, Migrated};
use crate::users::{DatabaseUrl, PostgresUrl};

/// Serves invocations until the runtime ends the process. An invalid setting ends the process with
/// exit code 1.
pub async fn run() -> ExitCode {
    log::init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Error> {
    Settings::from_lookup(environment::variable)?;
    let url = match DatabaseUrl::from_lookup(environment::variable)? {
        DatabaseUrl::Postgres(url) => url,
        DatabaseUrl::Sqlite(_) => {
            return Err(
                "DATABASE_URL: only Postgres needs a migration; a SQLite file is created on first use"
                    .into(),
            );
        }
    };
    let handler = |event: LambdaEvent<Value>| {
        let url = &url;
        async move { migrate(url, &event.payload).await }
    };
    lambda_runtime::run(service_fn(handler)).await
}

async fn migrate(url: &PostgresUrl, event: &Value) -> Result<Migrated, Error> {
    // Read by hand, because an error message of serde would show the unexpected value.
    let text = |name: &str| {
        let text = event[name].as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned).ok_or_else(|| {
            format!("the event has no {name:?}: pass the master user's secret as the event")
        })
    };
    let url = url.with_login(text("username")?, text("password")?);
    Ok(migration::migrate(&url).await?)
}
