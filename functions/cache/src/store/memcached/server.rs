//! One memcached server: its pool, its breaker, and one exchange, permitted and accounted for.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, error::Elapsed, timeout_at};

use super::{
    super::{LookupOptions, LookupReply, StoreError},
    batching::Batcher,
    breaker::Breaker,
    command::{Command, Intent},
    connect_options::ConnectOptions,
    pool::Pool,
    socket::Endpoint,
};
use crate::key::CacheKeys;

#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    pool: Arc<Pool>,
    breaker: Breaker,
    batcher: Arc<Batcher>,
}

impl Server {
    pub(super) fn new(endpoint: Endpoint, connect_options: ConnectOptions) -> Self {
        let name = endpoint.to_string();
        let pool = Pool::new(endpoint, connect_options);
        Self {
            name,
            batcher: Batcher::new(pool.clone()),
            pool,
            breaker: Breaker::new(),
        }
    }

    /// As [`Server::run`]: one lookup, alone or batched with others.
    pub(super) async fn lookup(
        &self,
        keys: &CacheKeys,
        options: LookupOptions,
        limit: Duration,
    ) -> Result<Box<LookupReply>, StoreError> {
        let (begun, until) = self.begin(limit, Intent::Read)?;
        let result = timeout_at(until, self.batcher.lookup(keys, options, until)).await;
        self.end(begun, result)
    }

    /// One exchange, for `limit` at most: one deadline over connecting, sending and reading.
    pub(super) async fn run<C: Command>(
        &self,
        command: &C,
        limit: Duration,
    ) -> Result<C::Reply, StoreError> {
        let (begun, until) = self.begin(limit, C::INTENT)?;
        let result = timeout_at(until, self.pool.run(command)).await;
        self.end(begun, result)
    }

    fn begin(&self, limit: Duration, intent: Intent) -> Result<(Instant, Instant), StoreError> {
        if limit.is_zero() {
            // Nothing was sent, so this says nothing about the server.
            return Err(StoreError::Timeout);
        }
        if intent != Intent::Verb && !self.breaker.allows() {
            return Err(StoreError::Breaker);
        }
        let begun = Instant::now();
        Ok((begun, begun + limit))
    }

    fn end<T>(
        &self,
        begun: Instant,
        result: Result<Result<T, StoreError>, Elapsed>,
    ) -> Result<T, StoreError> {
        let result = result.unwrap_or(Err(StoreError::Timeout));
        match result {
            Ok(_) | Err(StoreError::Oversize) => self.breaker.success(begun),
            Err(_) => self.breaker.failure(),
        }
        result
    }
}
