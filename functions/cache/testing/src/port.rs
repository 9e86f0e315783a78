//! A TCP port of one test's own.
//!
//! A port that was merely found free can be gone a moment later: the kernel hands it to the next
//! outgoing connection or to the next `bind` to port 0, and then a test talks to a stranger. So a
//! port is taken here from below the range that the kernel hands out, under a lock that every
//! process of the suite respects.

use std::{
    fs::{File, TryLockError},
    net::TcpListener,
    path::PathBuf,
};

/// Below the ports that Linux (32768) and macOS (49152) give to outgoing connections, and above
/// those of most services. `dev/servers.sh` takes its own from 20,000 on.
const RANGE: std::ops::Range<u16> = 12_000..20_000;

/// A port of 127.0.0.1 that no other test has for as long as this value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    // Closing it unlocks it, also where the process is killed.
    _lock: File,
}

impl Port {
    /// Reserves one on which nothing listens.
    ///
    /// # Panics
    /// If there is none, or if the locks cannot be written to the folder for temporary files.
    #[must_use]
    pub fn reserve() -> Self {
        // Processes begin at different places, so that they seldom try the same port.
        let width = RANGE.end - RANGE.start;
        let seed = u64::from(std::process::id()) * 7919 + next();
        let first = u16::try_from(seed % u64::from(width)).unwrap_or(0);
        (0..width)
            .map(|offset| RANGE.start + (first + offset) % width)
            .find_map(Self::try_reserve)
            .expect("a free port below 20,000")
    }

    fn try_reserve(number: u16) -> Option<Self> {
        let folder = folder();
        std::fs::create_dir_all(&folder).expect("a folder for temporary files");
        let path = folder.join(number.to_string());
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path);
        let lock = lock.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return None,
            Err(TryLockError::Error(error)) => panic!("{}: {error}", path.display()),
        }
        // Programs outside of the suite know nothing of the lock.
        TcpListener::bind(("127.0.0.1", number)).ok()?;
        Some(Self {
            number,
            _lock: lock,
        })
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }
}

/// The locks of this user: another user's files could not be opened.
fn folder() -> PathBuf {
    let user = std::env::var("USER").unwrap_or_default();
    std::env::temp_dir().join(format!("larder-test-ports-{user}"))
}

/// Counts the reservations of this process.
fn next() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static RESERVED: AtomicU64 = AtomicU64::new(0);
    RESERVED.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_given_once_and_comes_free_again() {
        let ports: Vec<_> = (0..50).map(|_| Port::reserve()).collect();
        let mut numbers: Vec<_> = ports.iter().map(Port::number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 50);
        assert!(
            numbers
                .iter()
                .all(|number| Port::try_reserve(*number).is_none())
        );
        drop(ports);
        // Another test may have taken one of them meanwhile, but not all.
        assert!(
            numbers
                .iter()
                .any(|number| Port::try_reserve(*number).is_some())
        );
    }

    #[test]
    fn the_kernel_gives_a_reserved_port_to_nobody_else() {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
        let first = range.map_or(49_152, |range| {
            range.split_whitespace().next().unwrap().parse().unwrap()
        });
        assert!(
            RANGE.end <= first,
            "ports from {first} on are given to anybody"
        );
    }

    #[test]
    fn a_port_with_a_listener_is_not_reserved() {
        let taken = Port::reserve();
        let number = taken.number();
        let _listener = TcpListener::bind(("127.0.0.1", number)).unwrap();
        drop(taken);
        assert!(Port::try_reserve(number).is_none());
    }
}
