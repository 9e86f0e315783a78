//! Events of API Gateway (HTTP and REST), ALB and Function URLs: the same request gets the same
//! response.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::event::{self, EVENT_SOURCES, EventSource};
use crate::request::Request;
use crate::site::{self, Functions, Site};

async fn functions() -> Box<Functions> {
    match Site::functions(&site::variables("memory:")).await {
        Site::Functions(functions) => functions,
        Site::Local(_) => unreachable!(),
    }
}

#[tokio::test]
async fn every_sender_gets_the_same_answers() {
    let functions = functions().await;
    let nasty = "/heavy-op?param=%C3%B1and%C3%BA+%E2%98%95%0D%0Aflush_all%26%2B%25";
    for source in EVENT_SOURCES {
        for (request, status, says) in [
            (
                Request::get(nasty),
                200,
                r#""param":"ñandú ☕\r\nflush_all&+%""#,
            ),
            (Request::get("/heavy-op"), 400, "missing"),
            (Request::get("/heavy-op?param="), 400, "empty"),
            (
                Request::get("/heavy-op?param=a&x=1"),
                400,
                "unknown parameter",
            ),
            (
                Request::new("DELETE", "/heavy-op?param=a"),
                405,
                "not allowed",
            ),
            (Request::get("/user/7"), 200, r#""id":7"#),
            (Request::get("/user/%37"), 200, r#""id":7"#),
            (Request::get("/user/501"), 404, "no such user"),
            (Request::get("/user/x"), 400, "whole number"),
            (Request::get("/"), 200, "<!doctype html>"),
            (Request::get("/app.js"), 200, "fetch"),
            (Request::get("/nothing"), 404, "no such page"),
            (
                Request::flush(r#"{"scope":"user"}"#),
                200,
                r#"{"flushed":"user"}"#,
            ),
            (Request::flush(&" ".repeat(4097)), 413, "4096 bytes"),
        ] {
            let answer = functions.send(source, &request).await;
            assert_eq!(answer.status, status, "{source:?} {request:?}: {answer:?}");
            assert!(
                answer.body.to_lowercase().contains(&says.to_lowercase()),
                "{source:?} {request:?}: {answer:?}"
            );
        }
        let again = functions.send(source, &Request::get(nasty)).await;
        assert!(again.is_hit(), "{source:?}: {again:?}");
    }
}

/// A custom domain may put a base path before every route, and so may a stage: HTTP API hands it
/// down in the path.
#[tokio::test]
async fn what_stands_before_a_route_does_not_count() {
    let functions = functions().await;
    let http = |prefix: &str, route: &str, path: &str, parameters: Value| {
        let mut event = EventSource::HttpApi.event(&Request::get(format!("{prefix}{path}")));
        event["routeKey"] = json!(format!("ANY {route}"));
        event["requestContext"]["routeKey"] = event["routeKey"].clone();
        event["pathParameters"] = parameters;
        event
    };
    let rest = |prefix: &str, route: &str, path: &str, parameters: Value| {
        let mut event = EventSource::RestApi.event(&Request::get(format!("{prefix}{path}")));
        event["resource"] = json!(route);
        event["requestContext"]["resourcePath"] = json!(route);
        event["requestContext"]["path"] = event["path"].clone();
        event["pathParameters"] = parameters;
        event
    };
    for prefix in ["", "/v1", "/shop/v1"] {
        for event in [
            http(prefix, "/user/{id}", "/user/7", json!({"id": "7"})),
            rest(prefix, "/user/{id}", "/user/7", json!({"id": "7"})),
            rest(prefix, "/{proxy+}", "/user/7", json!({"proxy": "user/7"})),
        ] {
            let answer = EventSource::answer(&functions.user.invoke(event.clone()).await.unwrap());
            assert_eq!(answer.status, 200, "{event}: {answer:?}");
            assert_eq!(answer.json()["result"]["id"], 7, "{event}");
        }
        for (path, says) in [
            ("/", "<!doctype html>"),
            ("/style.css", "{"),
            ("/app.js", "fetch"),
        ] {
            let proxy = json!({"proxy": path.trim_start_matches('/')});
            for event in [
                http(prefix, path, path, Value::Null),
                rest(prefix, path, path, Value::Null),
                rest(
                    prefix,
                    if path == "/" { "/" } else { "/{proxy+}" },
                    path,
                    proxy,
                ),
            ] {
                let answer =
                    EventSource::answer(&functions.page.invoke(event.clone()).await.unwrap());
                assert_eq!(answer.status, 200, "{event}: {answer:?}");
                assert!(answer.body.contains(says), "{event}");
            }
        }
    }
    // Without a slash at its end the page would look for its files beside the base path.
    for event in [
        http("/v1", "/", "", Value::Null),
        rest("/v1", "/", "", Value::Null),
        EventSource::HttpApiWithStage.event(&Request::get("")),
    ] {
        let answer = EventSource::answer(&functions.page.invoke(event.clone()).await.unwrap());
        assert_eq!(answer.status, 307, "{event}: {answer:?}");
        let place = answer.header("location");
        assert!(place == "/v1/" || place == "/prod/", "{event}: {place}");
    }
}

#[tokio::test]
async fn a_repeated_parameter_is_refused_where_the_event_shows_it() {
    let functions = functions().await;
    for source in [
        EventSource::HttpApi,
        EventSource::RestApi,
        EventSource::FunctionUrl,
    ] {
        let answer = functions
            .send(source, &Request::get("/heavy-op?param=a&param=b"))
            .await;
        assert_eq!(answer.status, 400, "{source:?}: {answer:?}");
    }
}

/// The sample events of the crate aws_lambda_events, on which lambda_http is built.
fn samples() -> PathBuf {
    // Only this platform's packages are certain to have been downloaded, to build this test.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    let mut packages = metadata["packages"].as_array().unwrap().iter();
    let package = packages
        .find(|package| package["name"] == "aws_lambda_events")
        .unwrap();
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    manifest.with_file_name("src/fixtures")
}

#[tokio::test]
async fn the_samples_of_aws_get_the_same_answers() {
    let (functions, samples) = (functions().await, samples());
    for sample in [
        "alb-lambda-target-request-headers-only",
        "alb-lambda-target-request-multivalue-headers",
        "apigw-request",
        "apigw-request-multi-value-parameters",
        "apigw-restapi-openapi-request",
        "apigw-sam-http-request",
        "apigw-sam-rest-request",
        "apigw-v2-request-iam",
        "apigw-v2-request-jwt-authorizer",
        "apigw-v2-request-lambda-authorizer",
        "apigw-v2-request-multi-value-parameters",
        "apigw-v2-request-no-authorizer",
    ] {
        let event =
            std::fs::read_to_string(samples.join(format!("example-{sample}.json"))).unwrap();
        let event: Value = serde_json::from_str(&event).unwrap();
        for (target, status, says) in [
            (
                "/heavy-op?param=%C3%B1and%C3%BA%20%E2%98%95",
                200,
                r#""param":"ñandú ☕""#,
            ),
            ("/heavy-op", 400, "missing"),
            ("/heavy-op?param=a&x=1", 400, "unknown parameter"),
            ("/user/7", 200, r#""id":7"#),
            ("/user/501", 404, "no such user"),
        ] {
            let request = Request::get(target);
            let answer = functions
                .invoke(&request, event::of_sample(event.clone(), &request))
                .await;
            assert_eq!(answer.status, status, "{sample} {target}: {answer:?}");
            assert!(answer.body.contains(says), "{sample} {target}: {answer:?}");
        }
    }
}
