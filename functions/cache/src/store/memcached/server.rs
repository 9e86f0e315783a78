//! One memcached server: whether a call may go to it, and on which connection.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    super::StoreError,
    batching::Batcher,
    command::{Answer, Command},
    connect_options::ConnectOptions,
    exchange::Exchanges,
    socket::Endpoint,
};

#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    exchanges: Arc<Exchanges>,
    batcher: Arc<Batcher>,
}

impl Server {
    pub(super) fn new(endpoint: Endpoint, connect_options: ConnectOptions) -> Self {
        let name = endpoint.to_string();
        let exchanges = Exchanges::new(endpoint, connect_options);
        Self {
            name,
            batcher: Batcher::new(exchanges.clone()),
            exchanges,
        }
    }

    /// Why the last connect to it has failed, if it has.
    pub(super) fn cause(&self) -> Option<Arc<str>> {
        self.exchanges.pool().cause()
    }

    /// Has `command` answered within `limit`: one deadline over connecting, sending and reading.
    pub(super) async fn run(&self, command: Command, limit: Duration) -> Answer {
        if limit.is_zero() {
            // Nothing was sent, so this says nothing about the server.
            return Err(StoreError::Timeout);
        }
        // An explicit verb is always tried, since its caller wants this server's acknowledgement.
        if !command.is_verb() && !self.exchanges.breaker().allows() {
            return Err(StoreError::Breaker);
        }
        let begun = Instant::now();
        let until = begun + limit;
        let Some(pooled) = self.exchanges.own_connection() else {
            return match timeout_at(until, self.batcher.wait(command, until)).await {
                Ok(Ok(told)) => told.take(),
                Ok(Err(_)) => Err(StoreError::Closed),
                // Time in our own queue says nothing about the server.
                Err(_) => Err(StoreError::Timeout),
            };
        };
        let mut own = self.exchanges.begin(command, begun, until, pooled);
        match timeout_at(until, &mut own).await {
            Ok(answer) => answer,
            Err(_) => {
                own.time_out();
                Err(StoreError::Timeout)
            }
        }
    }
}
