//! `POST /flush`, from the request to the response. How a flush works and who may ask for it is not
//! known here.

use lambda_http::Request;
use lambda_http::http::{HeaderValue, StatusCode, header};
use larder::{Cache, CacheError, Scope};
use serde::{Deserialize, Serialize};

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
            let scope = parse_scope(request.body());
            let of_cache = scope.as_ref().and_then(FlushScope::of_cache);
            let (Some(scope), Some(of_cache)) = (&scope, of_cache) else {
                return Err(Problem::bad_request(
                    r#"the body is not {"scope": …} with "all", "heavy-op", "user" or {"tag": "…"}"#,
                ));
            };
            self.cache
                .flush(of_cache)
                .await
                .map_err(|error| not_flushed(&error))?;
            Ok(flushed(scope))
        });
        self.endpoint.respond(&request, work).await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    scope: FlushScope,
}

/// What to flush, as it is in a request and in the response.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum FlushScope {
    /// `all`, or the name of a function.
    Word(String),
    Group(Group),
}

/// An object with one key. As a struct it would be read from a list as well.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Group {
    Tag(String),
}

impl FlushScope {
    /// `None` for a word that is no scope.
    fn of_cache(&self) -> Option<Scope<'_>> {
        match self {
            Self::Word(word) => match &**word {
                "all" => Some(Scope::All),
                "heavy-op" | "user" => Some(Scope::Name(word)),
                _ => None,
            },
            Self::Group(Group::Tag(tag)) => Some(Scope::Tag(tag)),
        }
    }
}

/// Reads what to flush; an empty body means everything.
fn parse_scope(body: &[u8]) -> Option<FlushScope> {
    let body = body.trim_ascii();
    if body.is_empty() {
        return Some(FlushScope::Word("all".to_owned()));
    }
    // serde would accept a list of one element as well.
    let object = body.starts_with(b"{").then_some(body);
    let Body { scope } = serde_json::from_slice(object?).ok()?;
    Some(scope)
}

fn flushed(scope: &FlushScope) -> Response {
    let body = serde_json::json!({ "flushed": scope });
    let mut response = Response::new(body.to_string().into());
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

fn not_flushed(error: &CacheError) -> Problem {
    // The tag of the request; names are ours.
    if let CacheError::Key(error) = error {
        return Problem::bad_request(error.to_string());
    }
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
    fn a_scope_is_one_of_three_words_or_a_tag_and_nothing_means_all() {
        use larder::Scope::{All, Name, Tag};
        for (body, expected) in [
            ("", Some(All)),
            (" \r\n", Some(All)),
            (r#"{"scope":"all"}"#, Some(All)),
            (r#"{"scope": "heavy-op"}"#, Some(Name("heavy-op"))),
            (r#"{"scope":"user"}"#, Some(Name("user"))),
            (r#"{"scope":{"tag":"all"}}"#, Some(Tag("all"))),
            (
                r#"{"scope":{"tag":"ñandú ☕\r\n"}}"#,
                Some(Tag("ñandú ☕\r\n")),
            ),
            (r#"{"scope":{"tag":"a","tag":"b"}}"#, None),
            (r#"{"scope":{"tag":"a","x":1}}"#, None),
            (r#"{"scope":{"tag":7}}"#, None),
            (r#"{"scope":["a"]}"#, None),
            (r#"{"tag":"a"}"#, None),
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
            let scope = parse_scope(body.as_bytes());
            let scope = scope.as_ref().and_then(FlushScope::of_cache);
            assert_eq!(scope, expected, "{body}");
        }
    }
}
