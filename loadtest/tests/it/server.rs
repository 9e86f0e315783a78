//! An HTTP server with its own thread and connections; it stops when dropped.

use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use crate::answers::State;
use crate::character::{Character, Connections, Lie};

pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(character: Character) -> Self {
        Self::start_with(character, None)
    }

    /// The same behind TLS, as `localhost`.
    pub(crate) fn over_tls(character: Character, config: ServerConfig) -> Self {
        Self::start_with(character, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn start_with(character: Character, tls: Option<TlsAcceptor>) -> Self {
        let state = Arc::new(State::of(character));
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = socket.local_addr().unwrap();
        let (listens, listening) = std::sync::mpsc::channel();
        let url = match &tls {
            None => format!("http://{address}"),
            Some(_) => format!("https://localhost:{}", address.port()),
        };
        let (stop, stopped) = oneshot::channel();
        let shared = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = socket.listen(character.backlog).unwrap();
                listens.send(()).unwrap();
                tokio::select! {
                    () = accept(listener, tls, shared) => {}
                    _ = stopped => {}
                }
            });
        });
        listening.recv().unwrap();
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

    /// How often the origin was called in fact.
    pub(crate) fn origin_calls(&self) -> u64 {
        self.state.origin_calls()
    }

    /// A file that breaks the cache while it is there.
    pub(crate) fn outage(&self) -> String {
        self.state
            .switches
            .path()
            .join("broken")
            .display()
            .to_string()
    }

    /// A file that keeps the server from accepting connections while it is there.
    pub(crate) fn pause(&self) -> String {
        let file = self.state.switches.path().join("paused");
        file.display().to_string()
    }

    /// A file whose every byte is a restart of all processes.
    pub(crate) fn restarts(&self) -> String {
        self.state
            .switches
            .path()
            .join("restarts")
            .display()
            .to_string()
    }

    /// The number of requests that needed the cache or the origin.
    pub(crate) fn requests(&self) -> u64 {
        self.state.requests()
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

async fn accept(listener: TcpListener, tls: Option<TlsAcceptor>, state: Arc<State>) {
    let paused = state.switches.path().join("paused");
    loop {
        while paused.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (tls, state) = (tls.clone(), state.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, state).await,
                // A client that rejects the certificate goes away.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, state).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let kept = state.character.connections == Connections::Kept;
    let service = service_fn(move |request: Request<Incoming>| {
        let state = state.clone();
        async move {
            state
                .answer(&request)
                .await
                .ok_or_else(|| std::io::Error::other("reset"))
        }
    });
    // A broken connection is the client's doing, or intended by this server.
    _ = hyper::server::conn::http1::Builder::new()
        .keep_alive(kept)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
