//! The users in Postgres. Owns the connections: at most two a process, made when they are needed, and kept between
//! requests. Must not know who asks.
//!
//! No pool of sqlx: that one looks after a connection in a task of its own once the answer is out, when Lambda has
//! frozen the process, and takes two more round trips a query for it. Here a connection is taken out for a question and
//! put back only after a whole answer, so none is ever in an unknown state.

use std::sync::Mutex;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection as _, Error};
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::url::{Login, PostgresUrl};
use super::{Row, Tables, seed};
use crate::telemetry::timestamp as moment;

/// An environment of Lambda serves one request at a time, or up to 16 that share these; a small database takes 80.
const CONNECTIONS: usize = 2;
/// How long one question may take, with all that it needs.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection that has stood idle may take: its server may be gone without a word.
const REUSED: Duration = Duration::from_secs(1);
/// How long a server that is just starting is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Postgres {
    url: PostgresUrl,
    tables: Tables,
    made: OnceCell<()>,
    room: Semaphore,
    idle: Mutex<Vec<PgConnection>>,
}

impl Postgres {
    pub(super) fn at(url: PostgresUrl, tables: Tables) -> Self {
        Self {
            url,
            tables,
            made: OnceCell::new(),
            room: Semaphore::new(CONNECTIONS),
            idle: Mutex::default(),
        }
    }

    pub(super) async fn find(&self, id: i64) -> Result<Option<Row>, Error> {
        let answer = timeout(TIMEOUT, self.ask(id)).await;
        answer.unwrap_or(Err(Error::PoolTimedOut))
    }

    async fn ask(&self, id: i64) -> Result<Option<Row>, Error> {
        let _room = self.room.acquire().await.expect("is never closed");
        if let Some(connection) = self.take() {
            match timeout(REUSED, self.row(connection, id)).await {
                Ok(Ok(row)) => return Ok(row),
                // It was closed, or told to go, or nothing comes: so it is with the other one that stood idle.
                Ok(Err(_)) | Err(_) => drop(self.take()),
            }
        }
        let mut connection = connect(&self.url).await?;
        if self.tables == Tables::MadeAtFirstUse {
            let make = async || seed::into_postgres(&mut connection).await;
            self.made.get_or_try_init(make).await?;
        }
        self.row(connection, id).await
    }

    async fn row(&self, mut connection: PgConnection, id: i64) -> Result<Option<Row>, Error> {
        let find = sqlx::query_as(super::FIND).bind(id);
        let row = find.fetch_optional(&mut connection).await?;
        self.idle.lock().expect("holds no panic").push(connection);
        Ok(row)
    }

    fn take(&self) -> Option<PgConnection> {
        self.idle.lock().expect("holds no panic").pop()
    }
}

/// A new connection. A server that is just starting or restarting is given a moment.
pub(super) async fn connect(url: &PostgresUrl) -> Result<PgConnection, Error> {
    let patience = Instant::now() + PATIENCE;
    let until = Instant::now() + TIMEOUT;
    loop {
        // Made anew: a token is good for 15 minutes.
        let options = options(url);
        match timeout_at(until, PgConnection::connect_with(&options))
            .await
            .unwrap_or(Err(Error::PoolTimedOut))
        {
            Err(error) if is_passing(&error) && Instant::now() < patience => sleep(PAUSE).await,
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
            options.password(&signer.token(&url.host, url.port, &url.user, &moment::sigv4()))
        }
    }
}

/// Whether the same question may well be answered in a moment.
fn is_passing(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        // It starts or stops; it has too many connections just now.
        Error::Database(error) => matches!(error.code().as_deref(), Some("57P03" | "53300")),
        _ => false,
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Postgres").field(&self.url).finish()
    }
}
