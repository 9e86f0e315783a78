//! What the functions heavy-op, user, flush and page are made of. Owns HTTP, settings and the two origins; must not know
//! how anything is cached (crate `larder` does).
//!
//! # Layout
//!
//! One request's way is one file of [`routes`]: `heavy_op`, `user`, `flush`, `page`. Each is a
//! [`Handler`], an `async fn(Request) -> Response` that runs alike on Lambda, in the emulator and in
//! one local process:
//!
//! | room | owns |
//! |---|---|
//! | [`runtime`] | processes: a function's on Lambda, all handlers in one over HTTP, the migration |
//! | [`routes`] | the way from a request to its answer; one of the two origins (`heavy_op::report`) |
//! | [`flush_auth`] | who may flush |
//! | [`http`] | what routes share: methods, inputs, headers, error answers |
//! | [`users`] | the users' database: the other origin |
//! | [`telemetry`] | lines of log and of metrics |
//! | [`config`] | settings, and where we run |
//! | [`origin_calls`] | how often the origins were really called |
//!
//! Imports point down this table.

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

/// The answer to one request.
pub type Response = lambda_http::Response<lambda_http::Body>;

/// One route's way from a request to its answer; the same on Lambda and off it.
pub trait Handler: Send + Sync + 'static {
    /// Answers the request. Failures are answers too, so there is no error.
    fn handle(&self, request: Request) -> impl Future<Output = Response> + Send;

    /// What makes the first answer quicker and can be done before there is a request. May be broken off, or not be done.
    fn warm_up(&self) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}
