//! A function's process is frozen between invocations, as Lambda freezes it, while its connections
//! to memcached die. The next invocation gets the right answer without an error, and exceeds its
//! origin's time by no more than the cache's budget.

use std::cell::Cell;
use std::time::{Duration, Instant};

use larder_testing::{Memcached, Noise};
use rustix::process::Signal;

use crate::event::EventSource;
use crate::program;
use crate::request::{Request, Response};
use crate::runtime_api::Function;
use crate::site;

const ROUNDS: u32 = 5;
/// The cache's default budget, plus slack for a busy machine.
const ALLOWED: Duration = Duration::from_millis(50 + 25);
/// The time that Lambda leaves an invocation.
const LEFT: Duration = Duration::from_secs(20);
const TIMEOUT: Duration = Duration::from_secs(30);

async fn user(memcached: &Memcached) -> Function {
    Function::start(program::USER, &site::with_default_budget(&memcached.url())).await
}

async fn invoke(function: &Function, id: u32) -> Response {
    let event = EventSource::HttpApi.event(&Request::get(format!("/user/{id}")));
    let answer = EventSource::answer(&function.invoke_within(LEFT, event).await.unwrap());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["result"]["id"], id, "{answer:?}");
    answer
}

/// Invokes until the answer comes from the cache, so that a connection is in use.
async fn warm(function: &Function, id: u32) {
    let begun = Instant::now();
    while !invoke(function, id).await.is_hit() {
        assert!(begun.elapsed() < TIMEOUT, "no hit");
    }
}

/// Thaws the process while an invocation is waiting. Returns the answer, and whether it came in
/// time.
async fn thawed(function: &Function, id: u32) -> (Response, bool) {
    let noise = Noise::start();
    let begun = Instant::now();
    let thaw = async { function.program.signal(Signal::CONT) };
    let (answer, ()) = tokio::join!(invoke(function, id), thaw);
    let origin = Duration::from_secs_f64(answer.timing("origin") / 1000.0);
    let slower = begun.elapsed().saturating_sub(origin);
    let allowed = noise.forgive(ALLOWED);
    println!("{slower:?} of {allowed:?}, {}", answer.cache_status());
    (answer, slower <= allowed)
}

/// Freezes the process `ROUNDS` times, lets `meanwhile` happen to memcached, and thaws it. Every
/// answer must be right; a round whose answer comes late on a busy machine is repeated twice.
async fn rounds(
    memcached: &mut Memcached,
    function: &Function,
    meanwhile: impl AsyncFn(&mut Memcached),
    after: impl Fn(&mut Memcached, &Response),
) {
    for id in 1..=ROUNDS {
        let mut in_time = false;
        for _ in 0..3 {
            warm(function, id).await;
            function.program.signal(Signal::STOP);
            meanwhile(memcached).await;
            let (answer, quick) = thawed(function, id).await;
            after(memcached, &answer);
            in_time = quick;
            if in_time {
                break;
            }
        }
        assert!(
            in_time,
            "three answers in a row came too late, for user {id}"
        );
    }
}

#[tokio::test]
async fn connections_that_were_closed_during_a_freeze_are_not_used() {
    let mut memcached = Memcached::start_with(&["-o", "idle_timeout=1"]);
    let function = user(&memcached).await;
    let hits = Cell::new(0);
    rounds(
        &mut memcached,
        &function,
        async |memcached| until_all_are_closed(memcached).await,
        |_, answer| hits.set(hits.get() + u32::from(answer.is_hit())),
    )
    .await;
    // A new connection fits into the budget, though not every time on a busy machine.
    assert!(hits.get() > 0);
}

/// Waits until only the connection that reads this statistic is left.
async fn until_all_are_closed(memcached: &Memcached) {
    let begun = Instant::now();
    while memcached.stat("curr_connections") > 2 {
        assert!(begun.elapsed() < TIMEOUT, "memcached closes no connection");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_memcached_that_was_restarted_during_a_freeze_is_used() {
    let mut memcached = Memcached::start();
    let function = user(&memcached).await;
    rounds(
        &mut memcached,
        &function,
        async |memcached| memcached.restart(),
        |_, answer| assert!(!answer.is_hit(), "the new one is empty"),
    )
    .await;
}

#[tokio::test]
async fn a_memcached_that_died_during_a_freeze_is_done_without() {
    let mut memcached = Memcached::start();
    let function = user(&memcached).await;
    rounds(
        &mut memcached,
        &function,
        async |memcached| memcached.kill(),
        |memcached, answer| {
            assert!(!answer.is_hit());
            memcached.restart();
        },
    )
    .await;
}
