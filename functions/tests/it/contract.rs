//! Methods, inputs and headers: one table, for the functions and for the local server.

use crate::postgres::Postgres;
use crate::request::{Request, Response};
use crate::site::{self, Site};

/// A request, the status it must get, and a part of the body.
struct Row(Request, u16, &'static str);

fn get(target: &str, status: u16, says: &'static str) -> Row {
    Row(Request::get(target), status, says)
}

fn inputs() -> Vec<Row> {
    let longest = "%C3%B1".repeat(512);
    vec![
        get("/heavy-op?param=a", 200, r#""param":"a""#),
        get("/heavy-op?param=a+b%2Bc", 200, r#""param":"a b+c""#),
        get(
            "/heavy-op?param=%C3%B1and%C3%BA%20%E2%98%95%0D%0Aflush_all",
            200,
            r#""param":"ñandú ☕\r\nflush_all""#,
        ),
        get("/heavy-op?param=%00", 200, r#""param":"\u0000""#),
        get(&format!("/heavy-op?param={longest}"), 200, "\"bytes\":1024"),
        get(
            &format!("/heavy-op?param={longest}a"),
            400,
            "longer than 1024 bytes",
        ),
        get("/heavy-op", 400, "missing"),
        get("/heavy-op?param=", 400, "empty"),
        get("/heavy-op?param=a&param=b", 400, "more than once"),
        get("/heavy-op?param=%FF", 400, "not UTF-8"),
        get("/heavy-op?param=%C3%28", 400, "not UTF-8"),
        get("/heavy-op?param=a&debug=1", 400, "unknown parameter"),
        get("/user/1", 200, r#""name":"María García""#),
        get("/user/%31", 200, r#""email":"maria.garcia@example.com""#),
        get("/user/500", 200, r#""id":500"#),
        get("/user/501", 404, "no such user"),
        get("/user/9223372036854775807", 404, "no such user"),
        get("/user/9223372036854775808", 400, "whole number"),
        get("/user/0", 400, "whole number"),
        get("/user/-1", 400, "whole number"),
        get("/user/abc", 400, "whole number"),
        get("/user/%27%20OR%201=1", 400, "whole number"),
        Row(Request::flush(""), 200, r#"{"flushed":"all"}"#),
        Row(
            Request::flush(r#"{"scope":"all"}"#),
            200,
            r#"{"flushed":"all"}"#,
        ),
        Row(
            Request::flush(r#"{"scope":"heavy-op"}"#),
            200,
            r#"{"flushed":"heavy-op"}"#,
        ),
        Row(
            Request::flush(r#"{"scope":"user"}"#),
            200,
            r#"{"flushed":"user"}"#,
        ),
        Row(
            Request::flush(r#"{"scope":{"tag":"tenant:\"ñandú\""}}"#),
            200,
            r#"{"flushed":{"tag":"tenant:\"ñandú\""}}"#,
        ),
        Row(
            Request::flush(r#"{"scope":{"tag":""}}"#),
            400,
            "a tag has 0 bytes: use 1 to 256",
        ),
        Row(
            Request::flush(&format!(r#"{{"scope":{{"tag":"{}"}}}}"#, "x".repeat(257))),
            400,
            "a tag has 257 bytes: use 1 to 256",
        ),
        Row(Request::flush(r#"{"scope":{"tags":"a"}}"#), 400, "tag"),
        Row(Request::flush(r#"{"scope":"everything"}"#), 400, "scope"),
        Row(Request::flush("{"), 400, "scope"),
        Row(Request::flush(&" ".repeat(4096)), 200, "flushed"),
        Row(Request::flush(&" ".repeat(4097)), 413, "4096 bytes"),
        Row(
            Request::get("/heavy-op?param=a").body("x".repeat(4097)),
            413,
            "4096 bytes",
        ),
        get("/", 200, "<!DOCTYPE html>"),
        get("/style.css", 200, "{"),
        get("/app.js", 200, "fetch"),
        get("/favicon.ico", 404, "no such page"),
        get("/heavy-op/", 404, "no such page"),
        get("/../Cargo.toml", 404, "no such page"),
    ]
}

async fn sites() -> [Site; 2] {
    site::both(site::variables("memory:")).await
}

#[tokio::test]
async fn inputs_are_answered_alike_on_both_sites() {
    inputs_are_answered(sites().await).await;
}

#[tokio::test]
async fn inputs_are_answered_alike_with_either_database() {
    let postgres = Postgres::start();
    let mut variables = site::variables("memory:");
    variables.push(("DATABASE_URL", postgres.master()));
    inputs_are_answered(site::both(variables).await).await;
}

async fn inputs_are_answered(sites: [Site; 2]) {
    for site in sites {
        for Row(request, status, says) in inputs() {
            let answer = site.send(&request).await;
            assert_eq!(
                answer.status,
                status,
                "{}: {request:?}: {answer:?}",
                site.name()
            );
            let body = answer.body.to_lowercase();
            assert!(
                body.contains(&says.to_lowercase()),
                "{}: {request:?}: {answer:?}",
                site.name()
            );
            check_headers(&answer);
        }
    }
}

/// The headers of every response, and the members of every problem.
fn check_headers(answer: &Response) {
    assert_eq!(
        answer.header("x-content-type-options"),
        "nosniff",
        "{answer:?}"
    );
    assert_eq!(answer.header("x-instance"), "", "{answer:?}");
    if answer.status >= 400 {
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{answer:?}"
        );
        let problem = answer.json();
        assert_eq!(problem["status"], answer.status, "{answer:?}");
        assert!(
            problem["title"].is_string()
                && problem["detail"].is_string()
                && problem["type"].is_string()
        );
    }
    if !answer.header("content-type").starts_with("text/") {
        assert_eq!(
            answer.header("cache-control"),
            "private, no-store",
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_foreign_method_is_answered_405_with_the_allowed_ones() {
    for site in sites().await {
        for (target, allowed) in [
            ("/heavy-op?param=a", "GET, HEAD"),
            ("/user/1", "GET, HEAD"),
            ("/", "GET, HEAD"),
            ("/app.js", "GET, HEAD"),
            ("/flush", "POST"),
        ] {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                let answer = site.send(&Request::new(method, target)).await;
                let is_allowed = allowed.split(", ").any(|allowed| allowed == method);
                assert_eq!(
                    answer.status == 405,
                    !is_allowed,
                    "{} {method} {target}: {answer:?}",
                    site.name()
                );
                assert_eq!(
                    answer.header("allow"),
                    if is_allowed { "" } else { allowed },
                    "{method} {target}"
                );
            }
        }
    }
}

#[tokio::test]
async fn head_answers_as_get_does_but_without_a_body() {
    for site in sites().await {
        for target in [
            "/heavy-op?param=head",
            "/user/7",
            "/user/501",
            "/user/x",
            "/",
            "/style.css",
        ] {
            site.get(target).await;
            let got = site.get(target).await;
            let head = site.send(&Request::new("HEAD", target)).await;
            assert_eq!(
                (head.status, head.body.as_str()),
                (got.status, ""),
                "{} {target}",
                site.name()
            );
            for name in [
                "content-type",
                "etag",
                "content-security-policy",
                "cache-control",
            ] {
                assert_eq!(
                    head.header(name),
                    got.header(name),
                    "{} {target} {name}",
                    site.name()
                );
            }
            assert_eq!(
                head.is_hit(),
                got.is_hit(),
                "{} {target}: {head:?} {got:?}",
                site.name()
            );
            assert!(
                head.header("content-length").parse::<usize>().unwrap() > 0,
                "{head:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_page_allows_no_inline_code_and_is_sent_once() {
    for site in sites().await {
        for (target, content_type) in [
            ("/", "text/html"),
            ("/style.css", "text/css"),
            ("/app.js", "text/javascript"),
        ] {
            let answer = site.get(target).await;
            assert_eq!(
                answer.header("content-type"),
                format!("{content_type}; charset=utf-8")
            );
            let csp = answer.header("content-security-policy");
            assert!(
                csp.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
                "{csp}"
            );
            assert!(!csp.contains("unsafe"), "{csp}");
            let again = site
                .send(&Request::get(target).header("if-none-match", answer.header("etag")))
                .await;
            assert_eq!(
                (again.status, again.body.as_str()),
                (304, ""),
                "{} {target}",
                site.name()
            );
        }
    }
}
