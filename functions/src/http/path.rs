//! The path of a request as the routes know it, whatever kind of event carried it.

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

/// The path without the stage that API Gateway puts before it: v2 does so for a named stage, v1
/// never.
pub(crate) fn of(request: &Request) -> &str {
    // Off Lambda there is no event, and `raw_http_path` is empty.
    let path = match request.raw_http_path() {
        "" => request.uri().path(),
        raw => raw,
    };
    match stage(request) {
        Some(stage) => without_stage(path, stage),
        None => path,
    }
}

fn stage(request: &Request) -> Option<&str> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => context
            .stage
            .as_deref()
            .filter(|stage| *stage != "$default"),
        _ => None,
    }
}

fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    match path
        .strip_prefix('/')
        .and_then(|path| path.strip_prefix(stage))
    {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_taken_off_only_as_a_whole_segment() {
        for (path, expected) in [
            ("/prod/user/7", "/user/7"),
            ("/prod", "/"),
            ("/production/x", "/production/x"),
            ("/user/7", "/user/7"),
        ] {
            assert_eq!(without_stage(path, "prod"), expected);
        }
    }
}
