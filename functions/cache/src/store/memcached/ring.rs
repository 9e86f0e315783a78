//! Which server holds a key: libmemcached's `KETAMA_WEIGHTED` with equal weights. Clients of other
//! languages agree with it, and a lost server only costs its share of the keys.
//!
//! 160 points for each server: MD5 of `host-i` (`host:port-i` if the port is not the default) for i
//! in 0..40, four little-endian words each. A key belongs to the first point at or after the first
//! word of its own MD5.

use md5::{Digest as _, Md5};

use super::socket::Endpoint;

const DEFAULT_PORT: u16 = 11211;
const STRINGS: u32 = 40;

#[derive(Debug)]
pub(super) struct Ring {
    points: Vec<(u32, usize)>,
}

impl Ring {
    pub(super) fn new(servers: &[Endpoint]) -> Self {
        let mut points = Vec::with_capacity(servers.len() * 160);
        for (server, endpoint) in servers.iter().enumerate() {
            for i in 0..STRINGS {
                let name = match endpoint {
                    Endpoint::Tcp {
                        host,
                        port: DEFAULT_PORT,
                    } => format!("{host}-{i}"),
                    Endpoint::Tcp { host, port } => format!("{host}:{port}-{i}"),
                    #[cfg(unix)]
                    Endpoint::Unix(path) => format!("{}-{i}", path.display()),
                };
                let digest = Md5::digest(name);
                points.extend((0..4).map(|word| (little_endian(&digest, word), server)));
            }
        }
        points.sort_unstable();
        Self { points }
    }

    /// The index of the server that holds `key`.
    pub(super) fn place(&self, key: &str) -> usize {
        let hash = little_endian(&Md5::digest(key), 0);
        let at = self.points.partition_point(|(point, _)| *point < hash);
        self.points
            .get(at)
            .or_else(|| self.points.first())
            .map_or(0, |(_, server)| *server)
    }
}

fn little_endian(digest: &[u8], word: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&digest[word * 4..word * 4 + 4]);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_where_libmemcached_puts_them() {
        let servers = [
            ("cache.0001.use1.cache.amazonaws.com", 11211),
            ("cache.0002.use1.cache.amazonaws.com", 11211),
            ("10.0.1.3", 21911),
        ];
        let servers = servers.map(|(host, port)| Endpoint::Tcp {
            host: host.to_owned(),
            port,
        });
        let ring = Ring::new(&servers);
        // user:0:profile … user:999:profile, one digit for each key, made with libmemcached 1.1.4.
        let golden = include_str!("ring/golden.txt").trim();
        assert_eq!(golden.len(), 1000);
        for (i, server) in golden.bytes().enumerate() {
            let key = format!("user:{i}:profile");
            assert_eq!(ring.place(&key), usize::from(server - b'0'), "{key}");
        }
    }

    #[test]
    fn a_lost_server_moves_its_own_keys_only() {
        let all: Vec<_> = (0..4)
            .map(|i| Endpoint::Tcp {
                host: format!("node{i}"),
                port: DEFAULT_PORT,
            })
            .collect();
        let (whole, fewer) = (Ring::new(&all), Ring::new(&all[..3]));
        for i in 0..10_000 {
            let key = i.to_string();
            let before = whole.place(&key);
            assert!(before == 3 || fewer.place(&key) == before, "{key}");
        }
    }
}
