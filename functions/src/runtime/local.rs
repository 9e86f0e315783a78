//! All handlers in one process, over HTTP/1.1. Owns the listener, the routes and the graceful end; must not know what the
//! handlers do.

mod connection;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use lambda_http::Request;
use tokio::net::{TcpListener, TcpStream};

use crate::config::context::Start;
use crate::config::settings::SettingsError;
use crate::routes::flush::Flush;
use crate::routes::heavy_op::HeavyOp;
use crate::routes::page::Page;
use crate::routes::user::User;
use crate::users::DatabaseUrl;
use crate::{Handler, Response};

/// How long requests that are under way may still take when the process is asked to end.
const GRACE: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The four handlers behind one address.
pub struct Local {
    heavy_op: HeavyOp,
    user: User,
    flush: Flush,
    page: Page,
}

impl Local {
    /// The handlers with the settings of `start`, for the users in `database`.
    pub fn new(start: &Start, database: DatabaseUrl) -> Result<Self, SettingsError> {
        Ok(Self {
            heavy_op: HeavyOp::new(start)?,
            user: User::new(start, database)?,
            flush: Flush::new(start)?,
            page: Page::new(start)?,
        })
    }

    /// The same routes as the emulator's and the stack's; the page answers 404 for what is nobody's.
    async fn route(&self, request: Request) -> Response {
        match request.uri().path() {
            "/heavy-op" => self.heavy_op.handle(request).await,
            "/flush" => self.flush.handle(request).await,
            path if is_user(path) => self.user.handle(request).await,
            _ => self.page.handle(request).await,
        }
    }

    /// Serves until `stop` is ready, then lets the requests under way come to their end.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let local = Arc::new(self);
        let connections = GracefulShutdown::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => connect(stream, Arc::clone(&local), &connections),
                    Err(error) => pause_after(&error).await,
                },
                () = &mut stop => break,
            }
        }
        drop(listener);
        if tokio::time::timeout(GRACE, connections.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("requests were still under way after {GRACE:?}");
        }
    }
}

fn connect(stream: TcpStream, local: Arc<Local>, connections: &GracefulShutdown) {
    // Small answers must not wait for the client's acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let service =
        hyper::service::service_fn(move |request| connection::answer(request, Arc::clone(&local)));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        // A client that breaks off or talks nonsense is its own trouble.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
}

/// Too many open files pass; without a pause the loop would spin until they do.
async fn pause_after(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// `/user/` and one segment.
fn is_user(path: &str) -> bool {
    path.strip_prefix("/user/")
        .is_some_and(|id| !id.is_empty() && !id.contains('/'))
}
