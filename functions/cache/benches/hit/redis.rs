//! The Rust crate `cached` with its asynchronous Redis store, against a raw `GET` of what it keeps
//! there.

use std::{
    error::Error,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    contest::{Contender as _, Contest},
    cores,
    layout::Layout,
    peer::Peer,
    raw::Raw,
    row::Limit,
};

/// The id of the user that `peers` stores, and its key on the server.
const ID: &str = "7";
const ITEM: &str = "bench:user:7";
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn measure(layout: Layout, peers: &Path) -> Result<(), Box<dyn Error>> {
    let server = Redis::start()?;
    cores::pin(server.child.id().into(), layout.server())?;
    let mut cached = Peer::start(peers, "cached", server.port, ID)?;
    // The first call stores what the raw `GET` reads.
    cached.run(1)?;
    let mut contest = Contest::new(layout.name(), Raw::redis_get(server.port, ITEM)?);
    let what = "cached's hit, decoded, against a raw Redis GET";
    contest.enter("P1", what, Limit::Peer, cached);
    contest.report()
}

struct Redis {
    child: Child,
    port: u16,
}

impl Redis {
    /// It stores nothing on disk.
    fn start() -> Result<Self, Box<dyn Error>> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--save", ""])
            .args(["--port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let mut server = Self { child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if server.child.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                return Err("redis-server did not start".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
