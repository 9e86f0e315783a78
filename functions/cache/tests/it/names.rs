//! A name with several addresses, as the system's own resolver has it: some are dead. The test runs
//! in a mount namespace with an `/etc/hosts` of its own, which an ordinary container does not allow:
//! `cargo test -p larder --test it -- --ignored names::` runs it where `unshare` may. The dialer's
//! own tests show the same everywhere, with addresses that are given.

use std::{net::SocketAddr, process::Command, time::Duration};

use larder::{Cache, Fill, Outcome, Scope};
use larder_testing::{Memcached, Port};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::support::{MINUTE, at, key, passes};

const HOSTS: &str = "\
127.0.0.1 localhost
::1 silent.test
127.0.0.1 silent.test
127.0.0.2 silent.test
127.0.0.3 refusing.test
127.0.0.2 refusing.test
";

/// Whether this process has [`HOSTS`]. If it does not, another one is started that does, and has to
/// pass.
fn has_hosts(test: &str) -> bool {
    const INSIDE: &str = "TEST_WITH_HOSTS";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let folder = tempfile::tempdir().unwrap();
    let hosts = folder.path().join("hosts");
    std::fs::write(&hosts, HOSTS).unwrap();
    let mut process = Command::new("unshare");
    process
        .args(["--map-root-user", "--mount", "sh", "-e", "-c"])
        .arg("mount --bind \"$1\" /etc/hosts; exec \"$2\" \"$3\" --exact --ignored --nocapture")
        .arg("sh")
        .arg(&hosts)
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(INSIDE, "true");
    passes(&mut process);
    false
}

/// An address from which nothing comes back: its queue is full, and nothing is taken from it.
async fn silent(address: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = socket.unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut taken = Vec::new();
    let connect = || tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address));
    while let Ok(stream) = connect().await {
        taken.push(stream.unwrap());
    }
    (listener, taken)
}

/// Passes on what comes to `address`.
async fn relay(address: SocketAddr, server: u16) {
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
}

async fn outcome(cache: &Cache, n: u64) -> Outcome {
    let (key, origin) = (key("names", n), || async move { Ok::<_, ()>(n) });
    let fetched = cache.get_or_fetch(&key, &MINUTE, origin).await.unwrap();
    fetched.outcome()
}

#[test]
#[ignore = "needs a mount namespace"]
fn a_name_with_dead_addresses_is_reached_by_the_one_that_lives() {
    if !has_hosts("names::a_name_with_dead_addresses_is_reached_by_the_one_that_lives") {
        return;
    }
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(async {
        let (server, port) = (Memcached::start(), Port::reserve());
        let at_port = |ip: &str| SocketAddr::new(ip.parse().unwrap(), port.number());
        let _six = silent(at_port("::1")).await;
        let _four = silent(at_port("127.0.0.1")).await;
        relay(at_port("127.0.0.2"), server.port()).await;
        for (place, name) in (0..).step_by(100).zip(["silent.test", "refusing.test"]) {
            let cache = at(&format!("memcached://{name}:{}", port.number()));
            for n in place..place + 20 {
                let first = outcome(&cache, n).await;
                assert_eq!(first, Outcome::Miss(Fill::Stored), "{name}");
                assert_eq!(outcome(&cache, n).await, Outcome::Hit, "{name}");
            }
            cache.flush(Scope::Name("names")).await.unwrap();
        }
    });
}
