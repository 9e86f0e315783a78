//! All routes, either as the real functions behind fake Runtime APIs or as the real local server.

use std::net::SocketAddr;

use serde_json::Value;

use crate::event::EventSource;
use crate::http;
use crate::program::{self, Program, Variables};
use crate::request::{Request, Response};
use crate::runtime_api::Function;

pub(crate) enum Site {
    Functions(Box<Functions>),
    Local(Local),
}

pub(crate) struct Functions {
    pub(crate) heavy_op: Function,
    pub(crate) user: Function,
    flush: Function,
    pub(crate) page: Function,
}

pub(crate) struct Local {
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

/// Variables with a short heavy operation, and a cache budget that is long enough on a busy
/// machine.
pub(crate) fn variables(cache_url: &str) -> Variables {
    let mut variables = with_default_budget(cache_url);
    variables.push(("CACHE_BUDGET_MS", "5000".to_owned()));
    variables
}

/// The same with the default budget.
pub(crate) fn with_default_budget(cache_url: &str) -> Variables {
    vec![
        ("CACHE_URL", cache_url.to_owned()),
        ("HEAVY_OP_MS", "50".to_owned()),
        ("FLUSH_AUTH", "open".to_owned()),
    ]
}

/// Both sites with the same variables, each in its own namespace.
pub(crate) async fn both(variables: Variables) -> [Site; 2] {
    let with_namespace = |name: &str| {
        let mut variables = variables.clone();
        variables.push(("CACHE_NAMESPACE", name.to_owned()));
        variables
    };
    [
        Site::functions(&with_namespace("as-functions")).await,
        Site::local(&with_namespace("as-local")).await,
    ]
}

impl Site {
    pub(crate) async fn functions(variables: &[(&'static str, String)]) -> Self {
        Self::Functions(Box::new(Functions {
            heavy_op: Function::start(program::HEAVY_OP, variables).await,
            user: Function::start(program::USER, variables).await,
            flush: Function::start(program::FLUSH, variables).await,
            page: Function::start(program::PAGE, variables).await,
        }))
    }

    pub(crate) async fn local(variables: &[(&'static str, String)]) -> Self {
        Self::Local(Local::start(variables).await)
    }

    pub(crate) async fn send(&self, request: &Request) -> Response {
        match self {
            Self::Functions(functions) => functions.send(EventSource::HttpApi, request).await,
            Self::Local(local) => http::send(local.address, request).await,
        }
    }

    pub(crate) async fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target)).await
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Functions(_) => "functions",
            Self::Local(_) => "local",
        }
    }
}

impl Functions {
    /// Sends the request to the function of its route.
    pub(crate) async fn send(&self, source: EventSource, request: &Request) -> Response {
        self.invoke(request, source.event(request)).await
    }

    /// Invokes the function of the request's route with this event.
    pub(crate) async fn invoke(&self, request: &Request, event: Value) -> Response {
        let function = match request.path() {
            "/heavy-op" => &self.heavy_op,
            "/flush" => &self.flush,
            path if path.starts_with("/user/") => &self.user,
            _ => &self.page,
        };
        let answer = function.invoke(event).await;
        EventSource::answer(
            &answer.unwrap_or_else(|error| {
                panic!("{request:?}: {error}; {}", function.program.stderr())
            }),
        )
    }
}

impl Local {
    /// Starts the server on a free port.
    pub(crate) async fn start(variables: &[(&'static str, String)]) -> Self {
        let mut all = vec![("LISTEN", "127.0.0.1:0".to_owned())];
        all.extend_from_slice(variables);
        Self::of(Program::start(program::LOCAL, &all)).await
    }

    /// The server that runs as `program`.
    pub(crate) async fn of(mut program: Program) -> Self {
        let rest = program.line("larder listens at http://localhost:").await;
        let port = rest.split('/').next().unwrap().parse().unwrap();
        Self {
            program,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
        }
    }

    pub(crate) async fn send(&self, request: &Request) -> Response {
        http::send(self.address, request).await
    }

    pub(crate) async fn get(&self, target: &str) -> Response {
        self.send(&Request::get(target)).await
    }
}
