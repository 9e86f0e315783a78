//! One memcached server: whether a call may go to it, and on which connection.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use super::{
    super::StoreError,
    batching::{Batcher, Delivery},
    breaker::BreakerState,
    command::{Answer, Command},
    connect_options::ConnectOptions,
    exchange::{Exchanges, Own},
    handshake::Keys,
    socket::Endpoint,
};
use crate::key::CacheKeys;

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

    /// Whether it is a proxy that spreads keys over several servers.
    pub(super) fn spreads_keys(&self) -> bool {
        self.exchanges.pool().keys() == Some(Keys::Apart)
    }

    pub(super) fn breaker(&self) -> BreakerState {
        self.exchanges.breaker().current()
    }

    /// Removes leases that no caller holds.
    pub(super) fn remove(&self, won: Vec<(CacheKeys, u64)>) {
        self.exchanges.remove(won);
    }

    /// Has `command` answered within `limit`: one deadline over connecting, sending and reading.
    pub(super) async fn run(&self, command: Command, limit: Duration) -> Answer {
        self.begin(command, Instant::now(), limit).answer().await
    }

    /// Begins `command`, whose answer is to be polled at once. Its time runs from `begun`: reading
    /// the clock costs as much as taking a connection.
    pub(super) fn begin(&self, command: Command, begun: Instant, limit: Duration) -> Begun {
        Begun(self.begin_allowed(command, begun, limit))
    }

    fn begin_allowed(
        &self,
        command: Command,
        begun: Instant,
        limit: Duration,
    ) -> Result<(By, Instant), StoreError> {
        if limit.is_zero() {
            // Nothing was sent, so this says nothing about the server.
            return Err(StoreError::Timeout);
        }
        // An explicit verb is always tried, since its caller wants this server's acknowledgement.
        if !command.is_verb() && !self.exchanges.breaker().allows() {
            return Err(StoreError::Breaker);
        }
        let until = begun + limit;
        let by = match self.exchanges.own_connection(begun) {
            Some(pooled) => By::Caller(self.exchanges.begin(command, begun, until, pooled)),
            None => By::Task(self.batcher.wait(command, until)),
        };
        Ok((by, until))
    }
}

/// A command on its way, and until when its caller waits. Small, and with no room for the command:
/// a hit's future contains it.
pub(super) struct Begun(Result<(By, Instant), StoreError>);

impl Begun {
    pub(super) async fn answer(&mut self) -> Answer {
        let (by, until) = self.0.as_mut().map_err(|error| *error)?;
        let answer = timeout_at(*until, &mut *by).await;
        answer.unwrap_or_else(|_| {
            by.time_out();
            Err(StoreError::Timeout)
        })
    }
}

/// Whose exchange answers it.
enum By {
    Caller(Own),
    Task(oneshot::Receiver<Delivery>),
}

impl By {
    fn time_out(&mut self) {
        // Time in our own queue says nothing about the server.
        if let Self::Caller(own) = self {
            own.time_out();
        }
    }
}

impl Future for By {
    type Output = Answer;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        match self.get_mut() {
            Self::Caller(own) => Pin::new(own).poll(cx),
            Self::Task(receiver) => Pin::new(receiver)
                .poll(cx)
                .map(|delivery| delivery.map_or(Err(StoreError::Closed), Delivery::take)),
        }
    }
}
