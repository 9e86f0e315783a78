//! A function's process as Lambda treats it: deadlines, concurrent invocations, failed starts.

use std::time::Duration;

use larder_testing::Memcached;
use tokio::net::TcpListener;

use crate::event::EventSource;
use crate::program::{self, Program};
use crate::request::Request;
use crate::runtime_api::Function;
use crate::site;

#[tokio::test]
async fn a_deadline_ahead_changes_no_answer() {
    let memcached = Memcached::start();
    let function = Function::start(program::HEAVY_OP, &site::variables(&memcached.url())).await;
    let event = EventSource::HttpApi.event(&Request::get("/heavy-op?param=a"));
    for hit in [false, true] {
        let answer = function
            .invoke_within(Duration::from_secs(30), event.clone())
            .await
            .unwrap();
        let answer = EventSource::answer(&answer);
        assert_eq!((answer.status, answer.is_hit()), (200, hit), "{answer:?}");
    }
}

#[tokio::test]
async fn a_process_has_connected_to_memcached_before_its_first_invocation() {
    for binary in [program::HEAVY_OP, program::USER] {
        let memcached = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("memcached://{}", memcached.local_addr().unwrap());
        let _function = Function::start(binary, &site::variables(&url)).await;
        tokio::time::timeout(Duration::from_secs(60), memcached.accept())
            .await
            .unwrap_or_else(|_| panic!("{binary} does not connect"))
            .unwrap();
    }
}

#[tokio::test]
async fn sixteen_invocations_at_once_share_one_process_and_one_origin_call() {
    let memcached = Memcached::start();
    let mut variables = site::variables(&memcached.url());
    variables.push(("AWS_LAMBDA_MAX_CONCURRENCY", "16".to_owned()));
    variables.push(("DIAGNOSTICS", "on".to_owned()));
    let function = std::sync::Arc::new(Function::start(program::HEAVY_OP, &variables).await);
    let event = EventSource::HttpApi.event(&Request::get("/heavy-op?param=a"));
    let invocations = (0..16).map(|_| {
        let (function, event) = (std::sync::Arc::clone(&function), event.clone());
        tokio::spawn(async move { EventSource::answer(&function.invoke(event).await.unwrap()) })
    });
    for invocation in invocations.collect::<Vec<_>>() {
        let answer = invocation.await.unwrap();
        assert_eq!(
            (answer.status, answer.header("x-origin-calls")),
            (200, "1"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_panic_is_reported_and_the_process_lives_on() {
    let function = Function::start(program::USER, &site::variables("memory:")).await;
    let good = EventSource::HttpApi.event(&Request::get("/user/7"));
    // It is no valid URL, which makes lambda_http panic.
    let mut bad = good.clone();
    bad["headers"]["host"] = "not a host".into();
    for _ in 0..3 {
        assert!(function.invoke(bad.clone()).await.is_err());
        let answer = function.invoke(good.clone()).await.unwrap();
        assert_eq!(EventSource::answer(&answer).status, 200);
    }
}

#[tokio::test]
async fn sigterm_ends_a_process_cleanly() {
    let mut function = Function::start(program::HEAVY_OP, &site::variables("memory:")).await;
    let event = EventSource::HttpApi.event(&Request::get("/heavy-op?param=a"));
    assert!(function.invoke(event).await.is_ok());
    function.program.signal(rustix::process::Signal::TERM);
    assert_eq!(function.program.ended().await, Some(0));
}

#[tokio::test]
async fn a_bad_setting_ends_the_start_with_its_name() {
    for (binary, name, value) in [
        (program::HEAVY_OP, "HEAVY_OP_MS", "soon"),
        (program::HEAVY_OP, "CACHE_BUDGET_MS", "soon"),
        (program::HEAVY_OP, "CACHE_URL", "redis://localhost"),
        (program::HEAVY_OP, "CACHE_BUGDET_MS", "20"),
        (program::LOCAL, "CACHE_NAMESPACES", "a"),
        (program::FLUSH, "FLUSH_AUTH", "yes"),
        (program::FLUSH, "FLUSH_TOKEN_SHA256", "not-a-digest"),
        (program::PAGE, "DIAGNOSTICS", "1"),
        (
            program::USER,
            "DATABASE_URL",
            "mysql://user:hunter2@host/db",
        ),
        (program::LOCAL, "LISTEN", "everywhere"),
        (program::LOCAL, "HEAVY_OP_MS", "-1"),
    ] {
        let variables = [
            ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1".to_owned()),
            (name, value.to_owned()),
        ];
        let mut program = Program::start(binary, &variables);
        assert_eq!(program.ended().await, Some(1), "{name}={value}");
        assert!(
            program.stderr().contains(name),
            "{name}={value}: {}",
            program.stderr()
        );
        assert!(
            !program.stderr().contains("hunter2"),
            "{}",
            program.stderr()
        );
    }
}

#[tokio::test]
async fn sqlite_is_refused_on_lambda() {
    let variables = [
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
    ];
    let mut program = Program::start(program::USER, &variables);
    assert_eq!(program.ended().await, Some(1));
    assert!(
        program.stderr().contains("DATABASE_URL"),
        "{}",
        program.stderr()
    );
}

#[tokio::test]
async fn a_function_without_lambda_says_what_to_run_instead() {
    let mut program = Program::start(program::HEAVY_OP, &[]);
    assert_eq!(program.ended().await, Some(1));
    assert!(
        program.stderr().contains("cargo run"),
        "{}",
        program.stderr()
    );
}
