//! A function on Lambda writes one metrics line an invocation and its log as JSON, and shows no
//! argument in either.

use larder_testing::Memcached;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::event::EventSource;
use crate::program::{self, Variables};
use crate::request::Request;
use crate::runtime_api::{Function, TRACE};
use crate::site;

const SECRET: &str = "argument-of-somebody";

fn on_lambda(cache: &str) -> Variables {
    let mut variables = site::variables(cache);
    variables.retain(|(name, _)| *name != "FLUSH_AUTH");
    variables.push(("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()));
    variables.push(("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()));
    variables
}

async fn send(function: &Function, request: &Request) -> u16 {
    let answer = function
        .invoke(EventSource::HttpApi.event(request))
        .await
        .unwrap();
    EventSource::answer(&answer).status
}

fn lines(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    text.lines().map(parse).collect()
}

/// Checks a line against CloudWatch's specification of the embedded metric format.
fn check_metrics(line: &Value) {
    let aws = &line["_aws"];
    assert!(
        aws["Timestamp"].as_u64().unwrap() > 1_700_000_000_000,
        "{line}"
    );
    for directive in aws["CloudWatchMetrics"].as_array().unwrap() {
        let namespace = directive["Namespace"].as_str().unwrap();
        assert!((1..=1024).contains(&namespace.len()), "{line}");
        for set in directive["Dimensions"].as_array().unwrap() {
            let set = set.as_array().unwrap();
            assert!((1..=30).contains(&set.len()), "{line}");
            for name in set {
                let value = line[name.as_str().unwrap()].as_str().unwrap();
                assert!((1..=1024).contains(&value.len()), "{name}: {line}");
            }
        }
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()), "{line}");
        for metric in metrics {
            assert!(
                line[metric["Name"].as_str().unwrap()].is_number(),
                "{metric}: {line}"
            );
            assert!(["Count", "Milliseconds"].contains(&metric["Unit"].as_str().unwrap()));
        }
    }
}

#[tokio::test]
async fn an_invocation_is_one_line_of_metrics_by_its_outcome() {
    let memcached = Memcached::start();
    let function = Function::start(program::HEAVY_OP, &on_lambda(&memcached.url())).await;
    let target = format!("/heavy-op?param={SECRET}");
    for _ in 0..3 {
        assert_eq!(send(&function, &Request::get(&target)).await, 200);
    }
    assert_eq!(send(&function, &Request::get("/heavy-op")).await, 400);
    let output = function.program.stdout();
    assert!(!output.contains(SECRET), "{output}");
    let lines = lines(&output);
    lines.iter().for_each(check_metrics);
    let of = |name: &str| {
        lines
            .iter()
            .map(|line| line[name].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("outcome"), ["miss", "hit", "hit", "none"]);
    // Of a call that did not ask the cache nothing is counted that would be paid for and always 0.
    assert_eq!(of("Hits"), [json!(0), json!(1), json!(1), Value::Null]);
    assert_eq!(
        of("OriginCalls"),
        [json!(1), json!(0), json!(0), Value::Null]
    );
    assert_eq!(of("Lookups"), [json!(1), json!(1), json!(1), Value::Null]);
    assert_eq!(
        of("ColdStart"),
        [json!(1), Value::Null, Value::Null, Value::Null]
    );
    assert_eq!(of("cold_start"), [true, false, false, false]);
    assert_eq!(of("level"), ["INFO"; 4]);
    assert_eq!(of("service"), ["larder"; 4]);
    assert_eq!(of("xray_trace_id"), [TRACE; 4]);
    assert_eq!(of("status"), [200, 200, 200, 400]);
    assert_eq!(of("function"), ["function"; 4]);
    assert!(lines[0]["OriginTime"].as_f64().unwrap() >= 50.0, "{output}");
    let ids = of("requestId");
    assert!(
        ids.iter()
            .all(|id| id.as_str().unwrap().starts_with("invocation-")),
        "{output}"
    );
}

#[tokio::test]
async fn an_origin_that_fails_was_called_and_a_flush_that_fails_called_none() {
    let counts = async |binary, variables: Variables, request: Request| {
        let function = Function::start(binary, &variables).await;
        assert_eq!(send(&function, &request).await, 502);
        let line = lines(&function.program.stdout()).remove(0);
        assert_eq!(line["outcome"], "failed", "{line}");
        ["Lookups", "OriginCalls"].map(|name| line.get(name).cloned())
    };
    let mut user = on_lambda("memory:");
    user.push(("DATABASE_URL", "postgres://u:p@127.0.0.1:1/d".to_owned()));
    assert_eq!(
        counts(program::USER, user, Request::get("/user/7")).await,
        [Some(json!(1)), Some(json!(1))]
    );
    let token = "t";
    let mut flush = on_lambda("memcached://127.0.0.1:1");
    flush.push(("FLUSH_AUTH", "token".to_owned()));
    let digest = hex::encode(Sha256::digest(token));
    flush.push(("FLUSH_TOKEN_SHA256", digest));
    let request = Request::flush("").header("authorization", format!("Bearer {token}"));
    assert_eq!(counts(program::FLUSH, flush, request).await, [None, None]);
}

#[tokio::test]
async fn the_log_is_json_with_the_invocation_that_it_is_of() {
    // No server listens there, so the cache's failure is logged.
    let function = Function::start(program::HEAVY_OP, &on_lambda("memcached://127.0.0.1:1")).await;
    let target = format!("/heavy-op?param={SECRET}");
    assert_eq!(send(&function, &Request::get(&target)).await, 200);
    let flush = Function::start(program::FLUSH, &on_lambda("memcached://127.0.0.1:1")).await;
    assert_eq!(send(&flush, &Request::flush("")).await, 403);
    let output = function.program.stderr() + &flush.program.stderr();
    assert!(!output.contains(SECRET), "{output}");
    let lines = lines(&output);
    assert!(!lines.is_empty());
    for line in &lines {
        // RFC 3339 in UTC, such as 2026-11-26T06:29:10.123456Z.
        let timestamp = line["timestamp"].as_str().unwrap();
        let shape = timestamp.replace(|c: char| c.is_ascii_digit(), "0");
        assert_eq!(shape, "0000-00-00T00:00:00.000000Z", "{line}");
        assert!(
            ["WARN", "ERROR"].contains(&line["level"].as_str().unwrap()),
            "{line}"
        );
        assert!(!line["message"].as_str().unwrap().is_empty(), "{line}");
    }
    let mut of_the_call = lines
        .iter()
        .filter(|line| line["requestId"] == "invocation-0");
    let line = of_the_call.next().unwrap_or_else(|| panic!("{output}"));
    assert_eq!(line["service"], "larder");
    assert_eq!(line["cold_start"], true);
    assert_eq!(line["xray_trace_id"], TRACE);
    let metrics = self::lines(&function.program.stdout());
    assert_eq!(metrics[0]["CacheErrors"], 1, "{metrics:?}");
    assert_eq!(self::lines(&flush.program.stdout())[0]["outcome"], "none");
}

/// Lambda drops each line below the function's level, and takes one without a valid level and time
/// for INFO.
#[tokio::test]
async fn every_log_level_keeps_the_metrics_and_only_those_lines_that_it_lets_through() {
    let severity = |level: &str| {
        let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
        levels.iter().position(|name| *name == level).unwrap()
    };
    for level in ["DEBUG", "INFO", "WARN", "ERROR", "FATAL"] {
        let mut variables = on_lambda("memcached://127.0.0.1:1");
        variables.push(("AWS_LAMBDA_LOG_LEVEL", level.to_owned()));
        let function = Function::start(program::HEAVY_OP, &variables).await;
        let target = format!("/heavy-op?param={SECRET}");
        assert_eq!(send(&function, &Request::get(&target)).await, 200);
        let metrics = lines(&function.program.stdout());
        assert_eq!(metrics.len(), 1, "{level}");
        let timestamp = metrics[0]["timestamp"].as_str().unwrap();
        assert_eq!(timestamp.len(), "2026-11-26T06:29:10.123456Z".len());
        for line in &metrics {
            assert!(severity(line["level"].as_str().unwrap()) >= severity(level));
        }
        let output = function.program.stderr();
        assert!(!output.contains(SECRET), "{output}");
        let log = lines(&output);
        assert_eq!(
            log.iter().any(|line| line["level"] == "WARN"),
            severity(level) <= severity("WARN"),
            "{level}: {output}"
        );
        for line in log {
            assert!(
                severity(line["level"].as_str().unwrap()) >= severity(level).min(severity("ERROR"))
            );
        }
    }
}

#[tokio::test]
async fn off_lambda_nothing_is_metered() {
    let function = Function::start(program::HEAVY_OP, &site::variables("memory:")).await;
    assert_eq!(
        send(&function, &Request::get("/heavy-op?param=a")).await,
        200
    );
    assert_eq!(function.program.stdout(), "");
}
