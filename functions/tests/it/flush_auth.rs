//! Who may flush, in every mode: asked of the real binaries.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::ask::{Answer, Ask};
use crate::event::Sender;
use crate::program::{self, Variables};
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

async fn invoke(function: &Function, event: Value) -> Answer {
    Sender::answer(&function.invoke(event).await.unwrap())
}

#[tokio::test]
async fn nobody_may_flush_unless_told_otherwise() {
    let mut unset = with_auth("deny");
    unset.pop();
    for variables in [unset, with_auth("deny"), with_auth("")] {
        for site in site::both(variables).await {
            assert_eq!(
                site.ask(&Ask::flush("")).await.status,
                403,
                "{}",
                site.name()
            );
            let with_token = Ask::flush("").header("authorization", "Bearer ");
            assert_eq!(site.ask(&with_token).await.status, 403, "{}", site.name());
        }
    }
}

#[tokio::test]
async fn a_token_is_needed_and_guessing_is_slowed_down() {
    let bearer = |token: &str| Ask::flush("").header("authorization", format!("Bearer {token}"));
    for site in site::both(with_token("s3cret")).await {
        let without = site.ask(&Ask::flush("")).await;
        assert_eq!(
            (without.status, without.header("www-authenticate")),
            (401, "Bearer"),
            "{}",
            site.name()
        );
        assert_eq!(
            site.ask(&bearer("s3cret")).await.status,
            200,
            "{}",
            site.name()
        );
        for _ in 0..6 {
            let wrong = site.ask(&bearer("wrong")).await;
            assert_eq!(wrong.status, 401, "{}", site.name());
            assert!(!wrong.body.contains("wrong"), "{wrong:?}");
        }
        let right = site.ask(&bearer("s3cret")).await;
        assert_eq!(right.status, 429, "{}", site.name());
        assert!(
            right.header("retry-after").parse::<u64>().unwrap() <= 11,
            "{right:?}"
        );
    }
}

#[tokio::test]
async fn open_is_refused_on_lambda_and_where_the_network_reaches_us() {
    let on_lambda = on_lambda(with_auth("open")).await;
    assert_eq!(
        invoke(&on_lambda, Sender::HttpApi.event(&Ask::flush("")))
            .await
            .status,
        403
    );
    for site in site::both(with_auth("open")).await {
        assert_eq!(
            site.ask(&Ask::flush("")).await.status,
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
    let answer = crate::http::ask(([127, 0, 0, 1], port).into(), &Ask::flush("")).await;
    assert_eq!(answer.status, 403, "{answer:?}");
}

#[tokio::test]
async fn every_mode_refuses_another_sites_page() {
    for variables in [with_auth("open"), with_token("s3cret")] {
        for site in site::both(variables).await {
            let ask = || {
                Ask::flush("")
                    .header("authorization", "Bearer s3cret")
                    .header("host", "localhost")
            };
            for (name, value) in [
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
                ("origin", "https://evil.example"),
                ("origin", "null"),
            ] {
                let answer = site.ask(&ask().header(name, value)).await;
                assert_eq!(answer.status, 403, "{} {name}: {value}", site.name());
            }
            let own = ask()
                .header("sec-fetch-site", "same-origin")
                .header("origin", "http://localhost");
            assert_eq!(site.ask(&own).await.status, 200, "{}", site.name());
        }
    }
}

#[tokio::test]
async fn iam_believes_the_event_and_no_header() {
    let function = on_lambda(with_auth("iam")).await;
    let caller = json!({"accessKey": "A", "accountId": "1", "callerId": "C", "cognitoIdentity": null,
        "principalOrgId": null, "userArn": "arn:aws:iam::123456789012:user/a", "userId": "U"});
    for sender in [Sender::HttpApi, Sender::FunctionUrl] {
        let mut event = sender.event(&Ask::flush(""));
        assert_eq!(
            invoke(&function, event.clone()).await.status,
            403,
            "{sender:?}"
        );
        event["requestContext"]["authorizer"] = json!({"iam": caller});
        assert_eq!(invoke(&function, event).await.status, 200, "{sender:?}");
    }
    let mut event = Sender::RestApi.event(&Ask::flush(""));
    assert_eq!(invoke(&function, event.clone()).await.status, 403);
    event["requestContext"]["identity"]["userArn"] = caller["userArn"].clone();
    assert_eq!(invoke(&function, event).await.status, 200);

    let forged = json!({"authorizer": {"iam": caller}}).to_string();
    for name in [
        "x-amzn-request-context",
        "x-amzn-lambda-context",
        "x-amz-user-arn",
    ] {
        let ask = Ask::flush("").header(name, forged.clone());
        for sender in crate::event::SENDERS {
            assert_eq!(
                invoke(&function, sender.event(&ask)).await.status,
                403,
                "{sender:?} {name}"
            );
        }
    }
    let local = Site::local(&with_auth("iam")).await;
    assert_eq!(
        local
            .ask(&Ask::flush("").header("x-amzn-request-context", forged))
            .await
            .status,
        403
    );
}
