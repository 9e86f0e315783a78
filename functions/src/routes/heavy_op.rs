//! `GET /heavy-op?param=P`, from the request to the response. How the report is computed and cached
//! is not known here.

mod report;

use std::time::{Duration, Instant};

use lambda_http::Request;
use larder::Cache;

pub use report::Report;

use crate::config::context::Context;
use crate::config::settings::SettingsError;
use crate::http::cached_reply::CachedReply;
use crate::http::endpoint::{Endpoint, Methods};
use crate::http::query;
use crate::{Handler, Response, origin_calls};

/// The heavy operation: it takes `duration`, most of it asleep.
///
/// After the ttl one caller refreshes while the others are answered at once: an environment of
/// Lambda serves one request at a time, so each caller that waits keeps one busy. Jitter spreads
/// the ends of keys that were filled together.
#[larder::cached(
    "heavy-op",
    ttl = "60s",
    stale_while_revalidate = "30s",
    jitter = 10,
    skip(duration)
)]
async fn heavy_op(param: &str, duration: Duration) -> Report {
    origin_calls::count();
    let end = tokio::time::Instant::now() + duration;
    let report = Report::about(param).await;
    tokio::time::sleep_until(end).await;
    report
}

/// The handler of `/heavy-op`.
#[derive(Debug)]
pub struct HeavyOpHandler {
    endpoint: Endpoint,
    duration: Duration,
    cache: Cache,
}

impl HeavyOpHandler {
    /// The handler with the settings of `context`.
    pub fn new(context: &Context) -> Result<Self, SettingsError> {
        let settings = &context.settings;
        Ok(Self {
            endpoint: Endpoint::new(Methods::Read, settings.diagnostics),
            duration: settings.heavy_op,
            cache: context.cache.clone(),
        })
    }
}

impl Handler for HeavyOpHandler {
    async fn handle(&self, request: Request) -> Response {
        let started = Instant::now();
        let work = Box::pin(async {
            let param = query::param(request.uri().query())?;
            let report = heavy_op::fetch(&param, self.duration).await;
            Ok(CachedReply::of(&report, started).json(&*report))
        });
        self.endpoint.respond(&request, work).await
    }

    /// Connects early: otherwise the handshake would use up the first call's 50 ms budget and its
    /// answer would not be stored.
    async fn warm_up(&self) {
        self.cache.ping().await;
    }
}
