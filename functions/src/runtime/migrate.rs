//! The function `migrate`: invoked by whoever deploys, with the master's secret as its event, `{"username": …,
//! "password": …}`. Owns the event; must not keep the secret, nor repeat it in an answer or a log.

use std::process::ExitCode;

use lambda_http::lambda_runtime::{self, Error, LambdaEvent, service_fn};
use serde_json::Value;

use crate::config::context as start;
use crate::config::settings::Settings;
use crate::telemetry::log;
use crate::users::migration::{self, Migrated};
use crate::users::{DatabaseUrl, PostgresUrl};

/// Serves invocations until the runtime ends the process. A bad setting ends the start with exit code 1.
pub async fn run() -> ExitCode {
    log::begin();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Error> {
    Settings::from_lookup(start::environment)?;
    let url = match DatabaseUrl::from_lookup(start::environment)? {
        DatabaseUrl::Postgres(url) => url,
        DatabaseUrl::Sqlite(_) => {
            return Err(
                "DATABASE_URL: only a Postgres is migrated; a SQLite file is made at first use"
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
    // Taken apart by hand: a message of serde would show what it did not expect.
    let text = |name: &str| {
        let text = event[name].as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned)
            .ok_or_else(|| format!("the event has no {name:?}: it is to be the master's secret"))
    };
    let url = url.with_login(text("username")?, text("password")?);
    Ok(migration::migrate(&url).await?)
}
