//! The two ways to the same bytes. Each call is timed on its own.

use std::{
    convert::Infallible,
    error::Error,
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use larder::{Cache, Key, Policy, testing::Memcached};
use tokio::runtime::Runtime;

use crate::user::User;

const POLICY: Policy = Policy::ttl(Duration::from_secs(3600));
const ID: i64 = 7;

/// The library: key, lookup, check and decoding, on a runtime of one thread.
pub(crate) struct Hit {
    cache: Cache,
    runtime: Runtime,
}

impl Hit {
    /// Fills the cache with the user.
    pub(crate) fn new(server: &Memcached, protocol: &str) -> Result<Self, Box<dyn Error>> {
        let url = format!("{}?protocol={protocol}", server.url());
        let settings = [
            ("CACHE_URL", url.as_str()),
            ("CACHE_NAMESPACE", protocol),
            // A call that ran out of its budget would be no hit.
            ("CACHE_BUDGET_MS", "10000"),
        ];
        let cache = Cache::from_lookup(|name| {
            let found = settings.iter().find(|(setting, _)| *setting == name);
            found.map(|(_, value)| (*value).to_owned())
        })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        runtime.block_on(cache.put(&key()?, &POLICY, &User::new(ID)))?;
        Ok(Self { cache, runtime })
    }

    /// The item's key on the server.
    pub(crate) fn item(&self) -> String {
        let digest = key().map(|key| hex::encode(key.digest()));
        format!(
            "{}:user:{}",
            self.cache.namespace(),
            digest.unwrap_or_default()
        )
    }

    pub(crate) fn run(&mut self, calls: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
        let cache = &self.cache;
        self.runtime.block_on(async {
            let mut times = Vec::with_capacity(calls);
            for _ in 0..calls {
                let begun = Instant::now();
                let origin = || async { Ok::<_, Infallible>(User::new(ID)) };
                let user = cache.get_or_fetch(&key()?, &POLICY, origin).await?;
                times.push(begun.elapsed());
                if !user.is_hit() {
                    return Err(format!("no hit but {:?}", user.outcome()).into());
                }
            }
            Ok(times)
        })
    }
}

fn key() -> Result<Key, larder::KeyError> {
    Key::new("user", &(ID,))
}

/// The limit: a blocking socket, a command built beforehand, an answer of known length.
pub(crate) struct Raw {
    stream: TcpStream,
    command: Vec<u8>,
    answer: Vec<u8>,
}

impl Raw {
    pub(crate) fn new(server: &Memcached, item: &str) -> Result<Self, Box<dyn Error>> {
        let mut stream = TcpStream::connect(("127.0.0.1", server.port()))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let command = format!("get {item}\r\n").into_bytes();
        stream.write_all(&command)?;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\nEND\r\n") {
            let mut chunk = [0; 4096];
            let n = stream.read(&mut chunk)?;
            answer.extend_from_slice(&chunk[..n]);
            if n == 0 || answer == b"END\r\n" {
                return Err(format!("nothing stands under {item}").into());
            }
        }
        Ok(Self {
            stream,
            command,
            answer,
        })
    }

    pub(crate) fn run(&mut self, calls: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
        let mut times = Vec::with_capacity(calls);
        for _ in 0..calls {
            let begun = Instant::now();
            self.stream.write_all(&self.command)?;
            self.stream.read_exact(&mut self.answer)?;
            times.push(begun.elapsed());
        }
        Ok(times)
    }
}
