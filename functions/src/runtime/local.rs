//! All handlers in one process, over HTTP/1.1: the listener, the routes and the graceful shutdown.
//! What a handler does is not known here.

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

use crate::config::context::Context;
use crate::config::settings::SettingsError;
use crate::routes::flush::FlushHandler;
use crate::routes::heavy_op::HeavyOpHandler;
use crate::routes::page::PageHandler;
use crate::routes::user::UserHandler;
use crate::users::DatabaseUrl;
use crate::{Handler, Response};

/// How long requests in progress may take once the process has been asked to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send a request's headers.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The four handlers behind one address.
pub struct Local {
    heavy_op: HeavyOpHandler,
    user: UserHandler,
    flush: FlushHandler,
    page: PageHandler,
}

impl Local {
    /// The handlers with the settings of `context`, for the users in `database`.
    pub fn new(context: &Context, database: DatabaseUrl) -> Result<Self, SettingsError> {
        Ok(Self {
            heavy_op: HeavyOpHandler::new(context)?,
            user: UserHandler::new(context, database)?,
            flush: FlushHandler::new(context)?,
            page: PageHandler::new(context)?,
        })
    }

    /// The same routes as in the emulator and on AWS. The page answers every other path with 404.
    async fn route(&self, request: Request) -> Response {
        match request.uri().path() {
            "/heavy-op" => self.heavy_op.handle(request).await,
            "/flush" => self.flush.handle(request).await,
            path if is_user(path) => self.user.handle(request).await,
            _ => self.page.handle(request).await,
        }
    }

    /// Serves until `stop` is ready, then lets the requests in progress finish.
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
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, connections.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("requests were still in progress after {SHUTDOWN_TIMEOUT:?}");
        }
    }
}

fn connect(stream: TcpStream, local: Arc<Local>, connections: &GracefulShutdown) {
    // Without it a small response waits for the acknowledgement of the previous one.
    let _ = stream.set_nodelay(true);
    let service =
        hyper::service::service_fn(move |request| connection::respond(request, Arc::clone(&local)));
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        // A client that disconnects or breaks the protocol is not our error.
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
}

/// Running out of file descriptors is temporary. Without a pause the loop would spin until it ends.
async fn pause_after(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}

/// Whether the path is `/user/` and one segment.
fn is_user(path: &str) -> bool {
    path.strip_prefix("/user/")
        .is_some_and(|id| !id.is_empty() && !id.contains('/'))
}
