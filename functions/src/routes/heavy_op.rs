//! `GET /heavy-op?param=P`, from the request to the answer. Must not know how the report is computed or cached.

mod report;

use std::time::{Duration, Instant};

use lambda_http::Request;
use larder::Cache;

pub use report::Report;

use crate::config::context::Start;
use crate::config::settings::SettingsError;
use crate::http::cached_reply::Provenance;
use crate::http::endpoint::{Exchange, Methods};
use crate::http::query;
use crate::{Handler, Response, origin_calls};

/// The heavy operation: takes `busy`, most of it asleep.
#[larder::cached("heavy-op", ttl = "60s", skip(busy))]
async fn heavy_op(param: &str, busy: Duration) -> Report {
    origin_calls::count();
    let end = tokio::time::Instant::now() + busy;
    let report = Report::about(param).await;
    tokio::time::sleep_until(end).await;
    report
}

/// The handler.
#[derive(Debug)]
pub struct HeavyOp {
    exchange: Exchange,
    busy: Duration,
    cache: Cache,
}

impl HeavyOp {
    /// The handler with the settings of `start`.
    pub fn new(start: &Start) -> Result<Self, SettingsError> {
        let settings = &start.settings;
        Ok(Self {
            exchange: Exchange::new(Methods::Read, settings.diagnostics),
            busy: settings.heavy_op,
            cache: start.cache.clone(),
        })
    }
}

impl Handler for HeavyOp {
    async fn handle(&self, request: Request) -> Response {
        let started = Instant::now();
        let work = Box::pin(async {
            let param = query::param(request.uri().query())?;
            let report = heavy_op::fetch(&param, self.busy).await;
            Ok(Provenance::of(&report, started).reply(&*report))
        });
        self.exchange.answer(&request, work).await
    }

    /// Connects to the cache: what the first call's budget does not go into cannot keep its answer from being stored.
    async fn warm_up(&self) {
        self.cache.ping().await;
    }
}
