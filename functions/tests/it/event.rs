//! A request as the events of API Gateway, ALB and Function URLs carry it, and their responses.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::request::{Request, Response};

/// The AWS service that sends the event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EventSource {
    /// API Gateway, HTTP API, payload 2.0; a Function URL's events have the same shape.
    HttpApi,
    /// The same with a stage that is not `$default`.
    HttpApiWithStage,
    /// API Gateway, REST API.
    RestApi,
    /// Application Load Balancer with single values.
    Alb,
    FunctionUrl,
}

pub(crate) const EVENT_SOURCES: [EventSource; 5] = [
    EventSource::HttpApi,
    EventSource::HttpApiWithStage,
    EventSource::RestApi,
    EventSource::Alb,
    EventSource::FunctionUrl,
];

const HOST: &str = "abc.execute-api.eu-west-1.amazonaws.com";

impl EventSource {
    /// The event that carries `request`.
    pub(crate) fn event(self, request: &Request) -> Value {
        match self {
            Self::HttpApi => v2(request, "$default", HOST),
            Self::HttpApiWithStage => v2(request, "prod", HOST),
            Self::FunctionUrl => v2(request, "$default", "abc.lambda-url.eu-west-1.on.aws"),
            Self::RestApi => v1(request),
            Self::Alb => alb(request),
        }
    }

    /// The response that a client would see.
    pub(crate) fn answer(answer: &Value) -> Response {
        assert_eq!(answer["isBase64Encoded"], json!(false), "{answer}");
        let single = answer["headers"].as_object().into_iter().flatten();
        let multi = answer["multiValueHeaders"]
            .as_object()
            .into_iter()
            .flatten();
        let text = |value: &Value| {
            value
                .as_str()
                .or_else(|| value[0].as_str())
                .unwrap_or_default()
                .to_owned()
        };
        Response {
            status: answer["statusCode"].as_u64().unwrap() as u16,
            headers: single
                .chain(multi)
                .map(|(name, value)| (name.to_lowercase(), text(value)))
                .collect(),
            body: answer["body"].as_str().unwrap_or_default().to_owned(),
        }
    }
}

/// AWS's sample event with the method, path, query and body of `request`; the rest stays as it is.
pub(crate) fn of_sample(mut sample: Value, request: &Request) -> Value {
    let many = sample.get("multiValueQueryStringParameters").is_some();
    let mut asking = if sample["version"] == "2.0" {
        v2(request, "$default", HOST)
    } else if sample["requestContext"].get("elb").is_some() {
        alb(request)
    } else {
        v1(request)
    };
    // An ALB sends either single values or lists, depending on its target group.
    if many && asking.get("multiValueQueryStringParameters").is_none() {
        let single = asking["queryStringParameters"].take();
        let lists = single.as_object().unwrap().iter();
        let lists: Map<_, _> = lists
            .map(|(name, value)| (name.clone(), json!([value])))
            .collect();
        asking["multiValueQueryStringParameters"] = lists.into();
    }
    for name in [
        "rawPath",
        "rawQueryString",
        "path",
        "httpMethod",
        "body",
        "isBase64Encoded",
    ] {
        if let Some(value) = asking.get(name) {
            sample[name] = value.clone();
        }
    }
    let members = sample.as_object_mut().unwrap();
    for name in ["queryStringParameters", "multiValueQueryStringParameters"] {
        members.remove(name);
        let asked = asking.get(name).filter(|value| !value.is_null());
        members.extend(asked.map(|value| (name.to_owned(), value.clone())));
    }
    for name in ["path", "httpMethod", "stage", "resourcePath"] {
        if let Some(value) = asking["requestContext"].get(name) {
            sample["requestContext"][name] = value.clone();
        }
    }
    if sample["requestContext"].get("http").is_some() {
        sample["requestContext"]["http"]["path"] = asking["requestContext"]["http"]["path"].clone();
        sample["requestContext"]["http"]["method"] = json!(request.method);
    }
    sample
}

fn headers(request: &Request, host: &str) -> Map<String, Value> {
    let mut headers = Map::from_iter([
        ("host".to_owned(), json!(host)),
        ("x-forwarded-proto".to_owned(), json!("https")),
    ]);
    headers.extend(
        request
            .headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value))),
    );
    headers
}

fn body(request: &Request) -> Value {
    if request.body.is_empty() {
        Value::Null
    } else {
        json!(request.body)
    }
}

fn v2(request: &Request, stage: &str, host: &str) -> Value {
    let prefix = if stage == "$default" {
        String::new()
    } else {
        format!("/{stage}")
    };
    let path = format!("{prefix}{}", request.path());
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": request.query(),
        "headers": headers(request, host),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "domainName": host,
            "domainPrefix": "abc",
            "http": {"method": request.method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
            "requestId": "id",
            "routeKey": "$default",
            "stage": stage,
            "time": "22/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1_795_348_800_000_u64
        },
        "body": body(request),
        "isBase64Encoded": false
    })
}

fn v1(request: &Request) -> Value {
    let mut multi: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs(request) {
        multi.entry(decoded(name)).or_default().push(decoded(value));
    }
    let single: Map<_, _> = multi
        .iter()
        .map(|(name, values)| (name.clone(), json!(values.last())))
        .collect();
    json!({
        "resource": "/{proxy+}",
        "path": request.path(),
        "httpMethod": request.method,
        "headers": headers(request, HOST),
        "multiValueHeaders": headers(request, HOST).into_iter().map(|(name, value)| (name, json!([value]))).collect::<Map<_, _>>(),
        "queryStringParameters": if single.is_empty() { Value::Null } else { json!(single) },
        "multiValueQueryStringParameters": if multi.is_empty() { Value::Null } else { json!(multi) },
        "pathParameters": null,
        "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc",
            "httpMethod": request.method,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "test"},
            "path": format!("/prod{}", request.path()),
            "protocol": "HTTP/1.1",
            "requestId": "id",
            "resourceId": "id",
            "resourcePath": "/{proxy+}",
            "stage": "prod"
        },
        "body": body(request),
        "isBase64Encoded": false
    })
}

/// An ALB does not decode parameters.
fn alb(request: &Request) -> Value {
    let query: Map<_, _> = pairs(request)
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    json!({
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/t/1"}},
        "httpMethod": request.method,
        "path": request.path(),
        "queryStringParameters": query,
        "headers": headers(request, "alb.example.com"),
        "body": request.body,
        "isBase64Encoded": false
    })
}

fn pairs(request: &Request) -> impl Iterator<Item = (&str, &str)> {
    request
        .query()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}
