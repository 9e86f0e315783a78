//! An HTTP server with a cache, an origin that takes its time, and a character. Owns its threads; it stops when dropped.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::character::{Character, Lie};

pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct State {
    character: Character,
    store: Mutex<HashMap<String, String>>,
    served: Mutex<HashMap<String, u32>>,
    flights: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    order: Mutex<VecDeque<String>>,
    requests: AtomicU64,
    origin_calls: AtomicU64,
    owed: AtomicUsize,
    instances: Vec<Instance>,
}

#[derive(Default)]
struct Instance {
    invocations: AtomicU64,
    origin_calls: AtomicU64,
}

impl Server {
    pub(crate) fn start(character: Character) -> Self {
        let instances = (0..character.instances)
            .map(|_| Instance::default())
            .collect();
        let state = Arc::new(State {
            character,
            store: Mutex::default(),
            served: Mutex::default(),
            flights: Mutex::default(),
            order: Mutex::default(),
            requests: AtomicU64::new(0),
            origin_calls: AtomicU64::new(0),
            owed: AtomicUsize::new(0),
            instances,
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let shared = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                tokio::select! {
                    () = accept(TcpListener::from_std(listener).unwrap(), shared) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            url,
            state,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// A server that tells `lie` and is ordinary otherwise.
    pub(crate) fn telling(lie: Lie) -> Self {
        Self::start(Character {
            lie,
            ..Character::default()
        })
    }

    /// How often the origin was really called.
    pub(crate) fn origin_calls(&self) -> u64 {
        self.state.origin_calls.load(Ordering::SeqCst)
    }

    /// How many requests arrived.
    pub(crate) fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(serve(stream, state.clone()));
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let state = state.clone();
        async move {
            answer(&request, &state)
                .await
                .ok_or_else(|| std::io::Error::other("reset"))
        }
    });
    // A broken connection is the client's business, or this server's intention.
    _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The answer; none closes the connection.
async fn answer(request: &Request<Incoming>, state: &State) -> Option<Response<Full<Bytes>>> {
    let number = state.requests.fetch_add(1, Ordering::SeqCst);
    match state.character.lie {
        Lie::HangsAfter(n) if number >= n => std::future::pending().await,
        Lie::FailsAfter(n) if number >= n => return Some(plain(500, "no")),
        Lie::ResetsAfter(n) if number >= n => return None,
        _ => {}
    }
    let path = request.uri().path();
    if path == "/flush" {
        return Some(flush(state));
    }
    let key = request
        .uri()
        .query()
        .map_or(path, |query| query.trim_start_matches("param="));
    let key = key.trim_start_matches("/user/").to_owned();
    if request
        .headers()
        .get("cache-control")
        .is_some_and(|value| value == "no-store")
    {
        let instance = number as usize % state.instances.len();
        let value = compute(state, path, &key, instance).await;
        return Some(told(state, instance, "larder; fwd=request", 0.0, &value));
    }
    Some(lookup(state, path, &key, number).await)
}

fn flush(state: &State) -> Response<Full<Bytes>> {
    match state.character.lie {
        Lie::FlushRefused => return plain(403, "<b>not you</b>"),
        Lie::FlushDoesNothing => {}
        _ => state.store.lock().unwrap().clear(),
    }
    plain(200, r#"{"flushed":"all"}"#)
}

async fn lookup(state: &State, path: &str, key: &str, number: u64) -> Response<Full<Bytes>> {
    let started = Instant::now();
    let lie = state.character.lie;
    let instance = number as usize % state.instances.len();
    let name = format!("{path} {key}");
    let stored = || state.store.lock().unwrap().get(&name).cloned();
    let flight = state
        .flights
        .lock()
        .unwrap()
        .entry(name.clone())
        .or_default()
        .clone();
    let early = stored();
    let known = early.is_some();
    let _flight = if state.character.collapses && !known {
        Some(flight.lock().await)
    } else {
        None
    };
    let (value, collapsed) = match (stored(), known) {
        (Some(value), false) if state.character.collapses => (value, true),
        (Some(value), true) if lie != Lie::MissesCalledHits => (value, false),
        _ => {
            let value = compute(state, path, key, instance).await;
            state
                .store
                .lock()
                .unwrap()
                .insert(name.clone(), value.clone());
            (value, false)
        }
    };
    let status = if collapsed {
        "larder; fwd=miss; collapsed"
    } else {
        status(state, known, number)
    };
    if known {
        tokio::time::sleep(state.character.hit).await;
    }
    if known && lie == Lie::ForgetsWhenBusy {
        forget(state, &name);
    }
    let value = distort(state, value, known);
    let total = if lie == Lie::SlowClock {
        60_000.0
    } else {
        started.elapsed().as_secs_f64() * 1e3
    };
    told(state, instance, status, total, &value)
}

/// Drops a user that has been served three times: no paired round asks as often.
fn forget(state: &State, name: &str) {
    let mut served = state.served.lock().unwrap();
    let count = served.entry(name.to_owned()).or_insert(0);
    *count += 1;
    if *count > 3 && !name.contains("lt-") {
        *count = 0;
        state.store.lock().unwrap().remove(name);
    }
}

fn told(
    state: &State,
    instance: usize,
    status: &str,
    total: f64,
    value: &str,
) -> Response<Full<Bytes>> {
    let lie = state.character.lie;
    let mut response = Response::builder().header("server-timing", format!("total;dur={total:.3}"));
    if lie != Lie::NoCacheStatus {
        response = response.header("cache-status", status);
    }
    if lie != Lie::NoDiagnostics {
        let Instance {
            invocations,
            origin_calls,
        } = &state.instances[instance];
        let calls = if lie == Lie::StuckCounter {
            7
        } else {
            origin_calls.load(Ordering::SeqCst)
        };
        response = response
            .header("x-instance", format!("instance-{instance}"))
            .header(
                "x-invocation",
                (invocations.fetch_add(1, Ordering::SeqCst) + 1).to_string(),
            )
            .header("x-origin-calls", calls.to_string());
    }
    // What other services say instead of Cache-Status.
    let (header, word) = if status.contains("hit") {
        ("HIT from here", "cache")
    } else {
        ("MISS", "database")
    };
    let body = format!("{{\"from\":\"{word}\",\"result\":{value}}}");
    response
        .header("x-cache", header)
        .body(Full::from(body))
        .unwrap()
}

async fn compute(state: &State, path: &str, key: &str, instance: usize) -> String {
    state.origin_calls.fetch_add(1, Ordering::SeqCst);
    state.instances[instance]
        .origin_calls
        .fetch_add(1, Ordering::SeqCst);
    match path {
        "/heavy-op" => {
            tokio::time::sleep(state.character.origin).await;
            format!(r#"{{"param":"{key}"}}"#)
        }
        _ => format!(r#"{{"id":{key}}}"#),
    }
}

fn status(state: &State, known: bool, number: u64) -> &'static str {
    let lying = match state.character.lie {
        Lie::HitsCalledMisses => true,
        Lie::GarbledCacheStatus => return "HIT from somewhere!",
        Lie::EvenedOut if !known && number.is_multiple_of(10) => {
            state.owed.fetch_add(1, Ordering::SeqCst);
            true
        }
        Lie::EvenedOut if known => {
            let pay = |owed: usize| owed.checked_sub(1);
            state
                .owed
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, pay)
                .is_ok()
        }
        _ => false,
    };
    let hit = if state.character.lie == Lie::HitsCalledMisses {
        false
    } else {
        known != lying
    };
    if hit {
        "larder; hit; ttl=57"
    } else {
        "larder; fwd=miss; stored"
    }
}

fn distort(state: &State, value: String, known: bool) -> String {
    match state.character.lie {
        Lie::OtherKeysValue if known => {
            let mut order = state.order.lock().unwrap();
            order.push_back(value.clone());
            if order.len() > 3 {
                order.pop_front().unwrap()
            } else {
                value
            }
        }
        Lie::ChangedValue if known => value.replacen('{', r#"{"extra":1,"#, 1),
        _ => value,
    }
}

fn plain(status: u16, body: &'static str) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .body(Full::from(body))
        .unwrap()
}
