//! What the functions heavy-op, user, flush and page are made of. Owns HTTP, settings and the two origins; must not know
//! how anything is cached (crate `larder` does).
//!
//! # Layout
//!
//! One request's way is one file: [`heavy_op`], [`user`], [`flush`], [`page`]. Each is a [`Handler`], an
//! `async fn(Request) -> Response` that runs alike on Lambda, in the emulator and in one local process:
//!
//! | file | owns |
//! |---|---|
//! | [`lambda`] | a function's `main` on Lambda and in the emulator |
//! | [`local`] | all handlers in one process over HTTP |
//! | [`start`], [`settings`], [`place`], [`dotenv`] | what the environment says and where we run |
//! | [`exchange`], `deadline`, `diagnostics` | what every answer has in common |
//! | [`log`], `emf` | what is told of invocations: lines of log and of metrics |
//! | `query`, `path` | what the client asked for |
//! | `provenance`, `cache_status`, `headers`, [`problem`] | what the client gets |
//! | [`flush_auth`] | who may flush |
//! | [`users`], `heavy_op::report` | the two origins |
//! | [`migrate`] | the function that makes the database ready for [`users`] |
//! | [`origin_calls`] | how often the origins were really called |

mod cache_status;
mod deadline;
mod diagnostics;
pub mod dotenv;
mod emf;
pub mod exchange;
pub mod flush;
pub mod flush_auth;
mod headers;
pub mod heavy_op;
pub mod lambda;
pub mod local;
pub mod log;
pub mod migrate;
mod moment;
pub mod origin_calls;
pub mod page;
mod path;
pub mod place;
pub mod problem;
mod provenance;
mod query;
pub mod settings;
pub mod start;
pub mod user;
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
