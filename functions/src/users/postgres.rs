//! The users in Postgres, over at most two connections a process, which are opened on demand and
//! kept between requests.
//!
//! sqlx's own pool is not used: it tends a connection in a background task after the response, when
//! Lambda has frozen the process, and takes two more round trips a query. Here a connection is
//! taken for one query and put back only after its whole answer, so its state is always known.

use std::sync::Mutex;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Error};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::url::{Login, PostgresUrl};
use super::{Row, Schema, seed};
use crate::telemetry::timestamp;

/// An environment of Lambda serves one request at a time, or up to 16 that share these. A small
/// database accepts 80 connections.
const MAX_CONNECTIONS: usize = 2;
/// How long one query may take, including a connection.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a query on an idle connection may take: its server may have vanished without a reset.
const REUSED_TIMEOUT: Duration = Duration::from_secs(1);
/// How long to wait for a server that is just starting.
const STARTUP_WAIT: Duration = Duration::from_secs(1);
const RETRY_DELAY: Duration = Duration::from_millis(50);

pub(super) struct Postgres {
    url: PostgresUrl,
    schema: Schema,
    table_created: OnceCell<()>,
    permits: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
}

impl Postgres {
    pub(super) fn new(url: PostgresUrl, schema: Schema) -> Self {
        Self {
            url,
            schema,
            table_created: OnceCell::new(),
            permits: Semaphore::new(MAX_CONNECTIONS),
            idle: Mutex::default(),
        }
    }

    pub(super) async fn find(&self, id: i64) -> Result<Option<Row>, Error> {
        let answer = timeout(QUERY_TIMEOUT, self.query(id)).await;
        answer.unwrap_or(Err(Error::PoolTimedOut))
    }

    async fn query(&self, id: i64) -> Result<Option<Row>, Error> {
        let _permit = self.permits.acquire().await.expect("is never closed");
        if let Some(connection) = self.take_idle() {
            match timeout(REUSED_TIMEOUT, self.fetch(connection, id)).await {
                Ok(Ok(row)) => return Ok(row),
                // The connection was closed, terminated, or is silent. The other idle one probably
                // is too.
                Ok(Err(_)) | Err(_) => drop(self.take_idle()),
            }
        }
        let mut connection = connect(&self.url).await?;
        if self.schema == Schema::CreatedOnFirstUse {
            let make = async || seed::into_postgres(&mut connection).await;
            self.table_created.get_or_try_init(make).await?;
        }
        self.fetch(connection, id).await
    }

    async fn fetch(&self, mut connection: PgConnection, id: i64) -> Result<Option<Row>, Error> {
        let find = sqlx::query_as(super::FIND).bind(id);
        let row = find.fetch_optional(&mut connection).await?;
        self.idle.lock().expect("holds no panic").push(connection);
        Ok(row)
    }

    fn take_idle(&self) -> Option<PgConnection> {
        self.idle.lock().expect("holds no panic").pop()
    }
}

/// Opens a connection. While the server is starting, it tries again for a moment.
pub(super) async fn connect(url: &PostgresUrl) -> Result<PgConnection, Error> {
    let startup_limit = Instant::now() + STARTUP_WAIT;
    let until = Instant::now() + QUERY_TIMEOUT;
    loop {
        // Built for each attempt: an IAM token expires after 15 minutes.
        let options = options(url);
        match timeout_at(until, PgConnection::connect_with(&options))
            .await
            .unwrap_or(Err(Error::PoolTimedOut))
        {
            Err(error) if is_transient(&error) && Instant::now() < startup_limit => {
                sleep(RETRY_DELAY).await
            }
            result => return result,
        }
    }
}

fn options(url: &PostgresUrl) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass()
        .host(&url.host)
        .port(url.port)
        .database(&url.database)
        .username(&url.user)
        .application_name("larder")
        .ssl_mode(url.tls.mode.into());
    let options = url.tls.roots.apply(options);
    match &url.login {
        Login::Password(None) => options,
        Login::Password(Some(password)) => options.password(password),
        Login::Iam(signer) => {
            options.password(&signer.token(&url.host, url.port, &url.user, &timestamp::sigv4()))
        }
    }
}

/// Whether the next attempt may succeed in a moment.
fn is_transient(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        // The server starts or stops, or has too many connections at the moment.
        Error::Database(error) => matches!(error.code().as_deref(), Some("57P03" | "53300")),
        _ => false,
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Postgres").field(&self.url).finish()
    }
}
