//! One memcached server: its pool, its breaker, and one exchange from permission to account.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    super::StoreError,
    batching::Gather,
    breaker::Breaker,
    command::{Command, Reply},
    connect_options::How,
    pool::Pool,
    socket::Endpoint,
};

#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    pool: Arc<Pool>,
    breaker: Breaker,
    gather: Arc<Gather>,
}

impl Server {
    pub(super) fn new(endpoint: Endpoint, how: How) -> Self {
        let name = endpoint.to_string();
        let pool = Pool::new(endpoint, how);
        Self {
            name,
            gather: Gather::new(pool.clone()),
            pool,
            breaker: Breaker::new(),
        }
    }

    /// Runs `command`, for `limit` at most: one deadline over connecting, sending and reading.
    pub(super) async fn run(
        &self,
        command: Command<'_>,
        limit: Duration,
    ) -> Result<Reply, StoreError> {
        if limit.is_zero() {
            // Nothing was tried: that says nothing about the server.
            return Err(StoreError::Timeout);
        }
        // An explicit verb is tried in any case: its caller asked for this server's word.
        if !command.is_verb() && !self.breaker.allows() {
            return Err(StoreError::Breaker);
        }
        let begun = Instant::now();
        let until = begun + limit;
        // Boxed: a lookup is not to carry what it does not do.
        let result = match command {
            Command::Lookup(at, ask) => timeout_at(until, self.gather.look(at, ask, until)).await,
            command => timeout_at(until, Box::pin(self.pool.run(command))).await,
        };
        let result = result.unwrap_or(Err(StoreError::Timeout));
        match result {
            Ok(_) | Err(StoreError::Oversize) => self.breaker.success(begun),
            Err(_) => self.breaker.failure(),
        }
        result
    }
}
