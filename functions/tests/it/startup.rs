//! What a function's process does first. One listener plays both the Runtime API and memcached and
//! answers neither: it accepts connections in the order in which they were opened, however busy the
//! machine is.

use std::io::Read as _;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::program::{self, Program, Variables};

const TIMEOUT: Duration = Duration::from_secs(60);
const POLL: &[u8] = b"GET /2018-06-01/runtime/invocation/next ";

/// Starts `heavy-op`, which connects to nothing but a cache, as an environment of this type.
async fn start(initialization: Option<&str>) -> (Program, TcpListener) {
    let both = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = both.local_addr().unwrap();
    let mut variables: Variables = vec![
        ("AWS_LAMBDA_RUNTIME_API", address.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", "heavy-op".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
        ("CACHE_URL", format!("memcached://{address}")),
    ];
    variables
        .extend(initialization.map(|kind| ("AWS_LAMBDA_INITIALIZATION_TYPE", kind.to_owned())));
    (Program::start(program::HEAVY_OP, &variables), both)
}

async fn in_time<T>(program: &Program, work: impl Future<Output = std::io::Result<T>>) -> T {
    tokio::time::timeout(TIMEOUT, work)
        .await
        .unwrap_or_else(|_| panic!("nothing for {TIMEOUT:?}; {}", program.stderr()))
        .unwrap()
}

/// Whether the first bytes on the connection are the poll for an invocation.
async fn polls(program: &Program, mut stream: TcpStream) -> bool {
    let mut received = [0; POLL.len()];
    // The first command to memcached is shorter.
    in_time(program, stream.read(&mut received)).await;
    received == POLL
}

#[tokio::test]
async fn off_lambda_the_poll_for_an_invocation_is_sent_before_memcached_is_connected_to() {
    let (program, both) = start(None).await;
    let (first, _) = in_time(&program, both.accept()).await;
    let (second, _) = in_time(&program, both.accept()).await;
    let mut received = [0; POLL.len()];
    // Read from the kernel: tokio's own view of a socket may be out of date.
    let read = first.into_std().unwrap().read(&mut received);
    assert!(read.is_ok() && received == POLL, "{read:?}");
    assert!(!polls(&program, second).await);
}

#[tokio::test]
async fn on_lambda_a_process_connects_before_it_polls_but_does_not_wait_for_a_dead_cache() {
    for initialization in ["on-demand", "provisioned-concurrency"] {
        let (program, both) = start(Some(initialization)).await;
        let (first, _) = in_time(&program, both.accept()).await;
        // The memcached of this test never answers, and the process polls all the same.
        let begun = Instant::now();
        let (second, _) = in_time(&program, both.accept()).await;
        let waited = begun.elapsed();
        assert!(
            waited > Duration::from_millis(50) && waited < Duration::from_secs(5),
            "{initialization}: {waited:?}"
        );
        assert!(!polls(&program, first).await, "{initialization}");
        assert!(polls(&program, second).await, "{initialization}");
    }
}
