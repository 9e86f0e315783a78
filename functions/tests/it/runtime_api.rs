//! A fake Lambda Runtime API with a function binary behind it: `next` hands out events, `response`
//! and `error` take the results.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::program::Program;

/// The deadline that the emulator sends, in milliseconds since 1970. It is in the past.
pub(crate) const EMULATOR_DEADLINE: u64 = 600_000;

/// The trace that every invocation is part of.
pub(crate) const TRACE: &str = "1-5759e988-bd862e3fe1be46a994272793";

/// `Err` holds what the function reported to `/error`.
type Outcome = Result<Value, Value>;

/// One function: its process, and the queue of its invocations.
pub(crate) struct Function {
    pub(crate) program: Program,
    queue: mpsc::UnboundedSender<Invocation>,
    state: Arc<State>,
}

struct Invocation {
    id: String,
    deadline: u64,
    event: Value,
}

struct State {
    queued: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    pending: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
    ids: AtomicU64,
}

impl Function {
    /// Starts the binary with these variables and those of Lambda.
    pub(crate) async fn start(binary: &str, variables: &[(&'static str, String)]) -> Self {
        let (queue, queued) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            queued: queued.into(),
            pending: Mutex::default(),
            ids: AtomicU64::new(0),
        });
        let address = serve(Arc::clone(&state)).await;
        let mut all = vec![
            ("AWS_LAMBDA_RUNTIME_API", address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", "function".to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
        ];
        all.extend_from_slice(variables);
        Self {
            program: Program::start(binary, &all),
            queue,
            state,
        }
    }

    /// Invokes it as the emulator does.
    pub(crate) async fn invoke(&self, event: Value) -> Outcome {
        self.invoke_until(EMULATOR_DEADLINE, event).await
    }

    /// Invokes it with a deadline after `left`, as Lambda does.
    pub(crate) async fn invoke_within(&self, left: Duration, event: Value) -> Outcome {
        let deadline = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            + left;
        self.invoke_until(deadline.as_millis() as u64, event).await
    }

    async fn invoke_until(&self, deadline: u64, event: Value) -> Outcome {
        let id = format!(
            "invocation-{}",
            self.state.ids.fetch_add(1, Ordering::Relaxed)
        );
        let (sender, answer) = oneshot::channel();
        self.state
            .pending
            .lock()
            .unwrap()
            .insert(id.clone(), sender);
        self.queue
            .send(Invocation {
                id,
                deadline,
                event,
            })
            .unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(30), answer).await;
        answer
            .unwrap_or_else(|_| panic!("no answer in 30 s; {}", self.program.stderr()))
            .unwrap()
    }
}

async fn serve(state: Arc<State>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let state = Arc::clone(&state);
            let service =
                hyper::service::service_fn(move |request| answer(request, Arc::clone(&state)));
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service),
            );
        }
    });
    address
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request
        .uri()
        .path()
        .strip_prefix("/2018-06-01/runtime/")
        .unwrap_or_default()
        .to_owned();
    let parts: Vec<&str> = path.split('/').collect();
    Ok(match parts[..] {
        ["invocation", "next"] => next(&state).await,
        ["invocation", id, how] => {
            let body = request
                .into_body()
                .collect()
                .await
                .map(|body| body.to_bytes())
                .unwrap_or_default();
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let outcome = if how == "response" {
                Ok(body)
            } else {
                Err(body)
            };
            if let Some(sender) = state.pending.lock().unwrap().remove(id) {
                let _ = sender.send(outcome);
            }
            status(202)
        }
        _ => status(404),
    })
}

async fn next(state: &State) -> Response<Full<Bytes>> {
    let Some(invocation) = state.queued.lock().await.recv().await else {
        return status(500);
    };
    Response::builder()
        .header("lambda-runtime-aws-request-id", &invocation.id)
        .header("lambda-runtime-deadline-ms", invocation.deadline)
        .header(
            "lambda-runtime-trace-id",
            format!("Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1"),
        )
        .header(
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-west-1:123456789012:function:function",
        )
        .body(Full::new(invocation.event.to_string().into()))
        .unwrap()
}

fn status(code: u16) -> Response<Full<Bytes>> {
    Response::builder()
        .status(code)
        .body(Full::default())
        .unwrap()
}
