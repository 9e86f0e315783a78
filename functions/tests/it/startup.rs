//! What a function's process does first, seen by one listener that stands for the Runtime API and for memcached, and answers neither:
//! connections wait at it in the order in which they were made, however busy the machine is.

use std::io::Read as _;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::program::{self, Program, Variables};

const TIMEOUT: Duration = Duration::from_secs(60);
const QUESTION: &[u8] = b"GET /2018-06-01/runtime/invocation/next ";

/// Starts `heavy-op`, which has nothing but a cache to connect to, as an environment of this type.
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

/// Whether the first that the process says over the connection is its question for an invocation.
async fn asks(program: &Program, mut stream: TcpStream) -> bool {
    let mut said = [0; QUESTION.len()];
    // memcached is output less at first.
    in_time(program, stream.read(&mut said)).await;
    said == QUESTION
}

#[tokio::test]
async fn off_lambda_the_question_for_an_invocation_is_out_before_memcached_is_connected_to() {
    let (program, both) = start(None).await;
    let (first, _) = in_time(&program, both.accept()).await;
    let (second, _) = in_time(&program, both.accept()).await;
    let mut said = [0; QUESTION.len()];
    // Of the kernel: what tokio believes of a socket may be older than what lies there.
    let there = first.into_std().unwrap().read(&mut said);
    assert!(there.is_ok() && said == QUESTION, "{there:?}");
    assert!(!asks(&program, second).await);
}

#[tokio::test]
async fn on_lambda_a_process_connects_before_it_asks_and_waits_for_that_no_longer_than_it_must() {
    for initialization in ["on-demand", "provisioned-concurrency"] {
        let (program, both) = start(Some(initialization)).await;
        let (first, _) = in_time(&program, both.accept()).await;
        // The memcached of this test never answers, and the question comes all the same.
        let begun = Instant::now();
        let (second, _) = in_time(&program, both.accept()).await;
        let waited = begun.elapsed();
        assert!(
            waited > Duration::from_millis(50) && waited < Duration::from_secs(5),
            "{initialization}: {waited:?}"
        );
        assert!(!asks(&program, first).await, "{initialization}");
        assert!(asks(&program, second).await, "{initialization}");
    }
}
