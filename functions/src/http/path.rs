//! The path of a request as the routes know it, for every kind of event.

use std::borrow::Cow;

use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

/// The path of the route that API Gateway matched, or what a greedy route (`/{proxy+}`) matched, so
/// that a base path before it does not count. Otherwise the request's own path without a stage.
pub(crate) fn of(request: &Request) -> Cow<'_, str> {
    let matched = route(request).and_then(|route| path_of_route(route, &request.path_parameters()));
    matched
        .filter(|path| path == "/" || raw(request).ends_with(path.as_ref()))
        .unwrap_or_else(|| Cow::Borrowed(without_stage_of(request)))
}

/// A parameter of the route that API Gateway matched, such as the `id` of `/user/{id}`. Events of
/// Function URLs and load balancers have none.
pub(crate) fn parameter(request: &Request, name: &str) -> Option<String> {
    request.path_parameters().first(name).map(str::to_owned)
}

/// The path that the client sent, with the stage or the base path of a custom domain, if any.
pub(crate) fn as_asked(request: &Request) -> &str {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV1(context)) => {
            context.path.as_deref().unwrap_or_else(|| raw(request))
        }
        _ => raw(request),
    }
}

/// The route's path, such as `/user/{id}`; `None` where the API sends everything to one function.
fn route(request: &Request) -> Option<&str> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => {
            let (_method, path) = context.route_key.as_deref()?.split_once(' ')?;
            Some(path)
        }
        RequestContext::ApiGatewayV1(context) => context.resource_path.as_deref(),
        _ => None,
    }
}

fn path_of_route<'a>(route: &'a str, parameters: &QueryMap) -> Option<Cow<'a, str>> {
    let Some((before, parameter)) = route.split_once('{') else {
        return Some(Cow::Borrowed(route));
    };
    let rest = parameters.first(parameter.strip_suffix("+}")?)?;
    Some(Cow::Owned(format!("{before}{rest}")))
}

fn raw(request: &Request) -> &str {
    // Off Lambda there is no event, and `raw_http_path` is empty.
    match request.raw_http_path() {
        "" => request.uri().path(),
        raw => raw,
    }
}

/// HTTP API puts a named stage before the path, REST API does not.
fn without_stage_of(request: &Request) -> &str {
    match stage(request) {
        Some(stage) => without_stage(raw(request), stage),
        None => raw(request),
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
    fn what_a_route_matched_counts_and_nothing_before_it() {
        let parameters = QueryMap::from(std::collections::HashMap::from([
            ("proxy".to_owned(), "app.js".to_owned()),
            ("id".to_owned(), "7".to_owned()),
        ]));
        for (route, expected) in [
            ("/", Some("/")),
            ("/style.css", Some("/style.css")),
            ("/{proxy+}", Some("/app.js")),
            ("/page/{proxy+}", Some("/page/app.js")),
            ("/{other+}", None),
            ("/user/{id}", None),
        ] {
            let path = path_of_route(route, &parameters);
            assert_eq!(path.as_deref(), expected, "{route}");
        }
    }

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
