//! `POST /flush`, from the request to the response. How a flush works and who may ask for it is not
//! known here.

use lambda_http::Request;
use lambda_http::http::{HeaderValue, StatusCode, header};
use larder::{Cache, CacheError, Scope};
use serde::Deserialize;

use crate::config::context::Context;
use crate::config::settings::SettingsError;
use crate::flush_auth::FlushAuth;
use crate::http::endpoint::{Endpoint, Methods};
use crate::http::problem::Problem;
use crate::{Handler, Response};

/// The handler of `/flush`.
pub struct FlushHandler {
    endpoint: Endpoint,
    auth: FlushAuth,
    cache: Cache,
}

impl FlushHandler {
    /// The handler with the settings and the cache of `context`.
    pub fn new(context: &Context) -> Result<Self, SettingsError> {
        Ok(Self {
            endpoint: Endpoint::new(Methods::Post, context.settings.diagnostics),
            auth: FlushAuth::new(context.settings.flush_auth.clone(), context.host),
            cache: context.cache.clone(),
        })
    }
}

impl Handler for FlushHandler {
    async fn handle(&self, request: Request) -> Response {
        let work = Box::pin(async {
            self.auth.check(&request)?;
            let name = parse_scope(request.body())?;
            let scope = if name == "all" {
                Scope::All
            } else {
                Scope::Name(name)
            };
            self.cache
                .flush(scope)
                .await
                .map_err(|error| not_flushed(&error))?;
            Ok(flushed(name))
        });
        self.endpoint.respond(&request, work).await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    scope: String,
}

/// Reads what to flush; an empty body means everything.
fn parse_scope(body: &[u8]) -> Result<&'static str, Problem> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Ok("all");
    }
    // serde would accept a list of one element as well.
    let object = body.starts_with(b"{").then_some(body);
    let scope = object
        .and_then(|object| serde_json::from_slice(object).ok())
        .map(|Body { scope }| scope);
    match scope.as_deref() {
        Some("all") => Ok("all"),
        Some("heavy-op") => Ok("heavy-op"),
        Some("user") => Ok("user"),
        _ => Err(Problem::bad_request(
            r#"the body is not {"scope": …} with "all", "heavy-op" or "user""#,
        )),
    }
}

fn flushed(name: &'static str) -> Response {
    let mut response = Response::new(format!(r#"{{"flushed":"{name}"}}"#).into());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn not_flushed(error: &CacheError) -> Problem {
    tracing::error!(%error, "not flushed");
    let servers = match error {
        CacheError::Unacknowledged(servers) => servers
            .iter()
            .map(|error| error.server().to_owned())
            .collect(),
        _ => Vec::new(),
    };
    let detail = "not every cache server acknowledged the flush";
    Problem::new(StatusCode::BAD_GATEWAY, detail).with_servers(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_one_of_three_words_and_nothing_means_all() {
        for (body, expected) in [
            ("", Some("all")),
            (" \r\n", Some("all")),
            (r#"{"scope":"all"}"#, Some("all")),
            (r#"{"scope": "heavy-op"}"#, Some("heavy-op")),
            (r#"{"scope":"user"}"#, Some("user")),
            (r#"{"scope":"users"}"#, None),
            (r#"{"scope":"ALL"}"#, None),
            (r#"{"scope":null}"#, None),
            (r#"{"scope":"all","x":1}"#, None),
            (r#"{"scope":"all","scope":"user"}"#, None),
            ("{}", None),
            (r#"["user"]"#, None),
            (r#"{"scope":{"user":null}}"#, None),
            ("all", None),
            ("\u{0}", None),
        ] {
            assert_eq!(parse_scope(body.as_bytes()).ok(), expected, "{body}");
        }
    }
}
