//! The Lambda functions heavy-op, user, flush and page: HTTP, settings and the two origins. How
//! values are cached is the business of the crate `larder`.
//!
//! # Layout
//!
//! Each route is one file of [`routes`] and one [`Handler`], an `async fn(Request) -> Response`
//! that runs unchanged on Lambda, in the emulator and in the local server. Imports point down this
//! table:
//!
//! | module | contents |
//! |---|---|
//! | [`runtime`] | processes: one function on Lambda, all handlers over HTTP, the migration |
//! | [`routes`] | one file a route; `heavy_op::report` is the first of the two origins |
//! | [`flush_auth`] | who may flush |
//! | [`http`] | what the routes share: methods, inputs, headers, error responses |
//! | [`users`] | the users' database: the second origin |
//! | [`telemetry`] | log lines and metrics lines |
//! | [`config`] | settings, and where the process runs |
//! | [`origin_calls`] | a count of the real origin calls |

pub mod config;
pub mod flush_auth;
pub mod http;
pub mod origin_calls;
pub mod routes;
pub mod runtime;
pub mod telemetry;
pub mod users;

use std::future::Future;

pub use lambda_http::Request;

/// The response to one request.
pub type Response = lambda_http::Response<lambda_http::Body>;

/// One route; the same code serves it on Lambda and off it.
pub trait Handler: Send + Sync + 'static {
    /// Answers the request. A failure is a response too, so there is no error type.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;

    /// Work that makes the first response faster and needs no request. It is optional: the caller
    /// may cancel it or skip it.
    fn warm_up(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
