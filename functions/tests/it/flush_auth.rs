//! Who may flush, in every mode of the real binaries.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::event::EventSource;
use crate::program::{self, Variables};
use crate::request::{Request, Response};
use crate::runtime_api::Function;
use crate::site::{self, Site};

fn with_auth(mode: &str) -> Variables {
    let mut variables = site::variables("memory:");
    variables.retain(|(name, _)| *name != "FLUSH_AUTH");
    variables.push(("FLUSH_AUTH", mode.to_owned()));
    variables
}

fn with_token(token: &str) -> Variables {
    let mut variables = with_auth("token");
    variables.push(("FLUSH_TOKEN_SHA256", hex::encode(Sha256::digest(token))));
    variables
}

async fn on_lambda(mut variables: Variables) -> Function {
    variables.push(("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()));
    Function::start(program::FLUSH, &variables).await
}

async fn invoke(function: &Function, event: Value) -> Response {
    EventSource::answer(&function.invoke(event).await.unwrap())
}

#[tokio::test]
async fn flushing_is_denied_by_default() {
    let mut unset = with_auth("deny");
    unset.pop();
    for variables in [unset, with_auth("deny"), with_auth("")] {
        for site in site::both(variables).await {
            assert_eq!(
                site.send(&Request::flush("")).await.status,
                403,
                "{}",
                site.name()
            );
            let with_token = Request::flush("").header("authorization", "Bearer ");
            assert_eq!(site.send(&with_token).await.status, 403, "{}", site.name());
        }
    }
}

#[tokio::test]
async fn a_token_is_needed_and_only_wrong_ones_are_slowed_down() {
    let bearer =
        |token: &str| Request::flush("").header("authorization", format!("Bearer {token}"));
    for site in site::both(with_token("s3cret")).await {
        let without = site.send(&Request::flush("")).await;
        assert_eq!(
            (without.status, without.header("www-authenticate")),
            (401, "Bearer"),
            "{}",
            site.name()
        );
        assert_eq!(
            site.send(&bearer("s3cret")).await.status,
            200,
            "{}",
            site.name()
        );
        for _ in 0..6 {
            let wrong = site.send(&bearer("wrong")).await;
            assert_eq!(wrong.status, 401, "{}", site.name());
            assert!(!wrong.body.contains("wrong"), "{wrong:?}");
        }
        let wrong = site.send(&bearer("wrong")).await;
        assert_eq!(wrong.status, 429, "{}", site.name());
        assert!(
            wrong.header("retry-after").parse::<u64>().unwrap() <= 11,
            "{wrong:?}"
        );
        // A stranger cannot lock anyone out.
        let right = site.send(&bearer("s3cret")).await;
        assert_eq!(right.status, 200, "{}", site.name());
    }
}

#[tokio::test]
async fn open_is_refused_on_lambda_and_where_the_network_reaches_us() {
    let on_lambda = on_lambda(with_auth("open")).await;
    assert_eq!(
        invoke(&on_lambda, EventSource::HttpApi.event(&Request::flush("")))
            .await
            .status,
        403
    );
    for site in site::both(with_auth("open")).await {
        assert_eq!(
            site.send(&Request::flush("")).await.status,
            200,
            "{}",
            site.name()
        );
    }
    let mut exposed = with_auth("open");
    exposed.push(("LISTEN", "0.0.0.0:0".to_owned()));
    let mut exposed = program::Program::start(program::LOCAL, &exposed);
    let rest = exposed.line("larder listens at http://0.0.0.0:").await;
    let port: u16 = rest.split('/').next().unwrap().parse().unwrap();
    let answer = crate::http::send(([127, 0, 0, 1], port).into(), &Request::flush("")).await;
    assert_eq!(answer.status, 403, "{answer:?}");
}

#[tokio::test]
async fn every_mode_refuses_another_sites_page() {
    for variables in [with_auth("open"), with_token("s3cret")] {
        for site in site::both(variables).await {
            let request = || {
                Request::flush("")
                    .header("authorization", "Bearer s3cret")
                    .header("host", "localhost")
            };
            for (name, value) in [
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
                ("origin", "https://evil.example"),
                ("origin", "null"),
            ] {
                let answer = site.send(&request().header(name, value)).await;
                assert_eq!(answer.status, 403, "{} {name}: {value}", site.name());
            }
            let own = request()
                .header("sec-fetch-site", "same-origin")
                .header("origin", "http://localhost");
            assert_eq!(site.send(&own).await.status, 200, "{}", site.name());
        }
    }
}

#[tokio::test]
async fn iam_believes_the_event_and_no_header() {
    let function = on_lambda(with_auth("iam")).await;
    let caller = json!({"accessKey": "A", "accountId": "1", "callerId": "C", "cognitoIdentity": null,
        "principalOrgId": null, "userArn": "arn:aws:iam::123456789012:user/a", "userId": "U"});
    for source in [EventSource::HttpApi, EventSource::FunctionUrl] {
        let mut event = source.event(&Request::flush(""));
        assert_eq!(
            invoke(&function, event.clone()).await.status,
            403,
            "{source:?}"
        );
        event["requestContext"]["authorizer"] = json!({"iam": caller});
        assert_eq!(invoke(&function, event).await.status, 200, "{source:?}");
    }
    let mut event = EventSource::RestApi.event(&Request::flush(""));
    assert_eq!(invoke(&function, event.clone()).await.status, 403);
    event["requestContext"]["identity"]["userArn"] = caller["userArn"].clone();
    assert_eq!(invoke(&function, event).await.status, 200);

    let forged = json!({"authorizer": {"iam": caller}}).to_string();
    for name in [
        "x-amzn-request-context",
        "x-amzn-lambda-context",
        "x-amz-user-arn",
    ] {
        let request = Request::flush("").header(name, forged.clone());
        for source in crate::event::EVENT_SOURCES {
            assert_eq!(
                invoke(&function, source.event(&request)).await.status,
                403,
                "{source:?} {name}"
            );
        }
    }
    let local = Site::local(&with_auth("iam")).await;
    assert_eq!(
        local
            .send(&Request::flush("").header("x-amzn-request-context", forged))
            .await
            .status,
        403
    );
}
