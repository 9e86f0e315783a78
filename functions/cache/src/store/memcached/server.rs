//! One memcached server: its pool, its breaker, and one exchange from permission to account.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    super::StoreError,
    breaker::Breaker,
    connection::{Command, How, Reply},
    gather::Gather,
    pool::Pool,
    socket::Endpoint,
};

#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    pool: Arc<Pool>,
    breaker: Breaker,
    gather: Gather,
}

impl Server {
    pub(super) fn new(endpoint: Endpoint, how: How) -> Self {
        Self {
            name: endpoint.to_string(),
            pool: Pool::new(endpoint, how),
            breaker: Breaker::new(),
            gather: Gather::default(),
        }
    }

    /// Runs `command`, for `limit` at most: one deadline over connecting, sending and reading.
    pub(super) async fn run(
        self: &Arc<Self>,
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
            Command::Lookup(at, ask) => timeout_at(until, self.look(at, ask, until)).await,
            command => timeout_at(until, Box::pin(self.attempt(command))).await,
        };
        let result = result.unwrap_or(Err(StoreError::Timeout));
        match result {
            Ok(_) | Err(StoreError::Oversize) => self.breaker.success(begun),
            Err(_) => self.breaker.failure(),
        }
        result
    }

    pub(super) fn gather(&self) -> &Gather {
        &self.gather
    }

    /// One exchange, on whatever connection can be had.
    pub(super) async fn attempt(&self, command: Command<'_>) -> Result<Reply, StoreError> {
        let mut again = command.is_repeatable();
        loop {
            let mut lent = self.pool.take().await?;
            let used = lent.connection().used();
            let result = lent.connection().run(command).await;
            lent.put_back();
            if !(again && used && matches!(result, Err(StoreError::Closed))) {
                return result;
            }
            // The server closed the connection while it lay idle, or restarted. Once more on a new one.
            self.pool.drain();
            again = false;
        }
    }
}
