//! The page: `/`, `/style.css` and `/app.js`, with their headers.

use lambda_http::Request;
use lambda_http::http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};

use crate::config::context::Context;
use crate::config::settings::SettingsError;
use crate::http::endpoint::{Endpoint, Methods};
use crate::http::path;
use crate::http::problem::Problem;
use crate::{Handler, Response};

/// Allows the page's own files and its own requests; no inline code, and no frame around the page.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
                   base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One file of the page.
struct Asset {
    path: &'static str,
    content_type: &'static str,
    text: String,
    etag: HeaderValue,
}

/// The handler of the page's files.
pub struct PageHandler {
    endpoint: Endpoint,
    assets: [Asset; 3],
}

impl PageHandler {
    /// The handler with the settings of `context`.
    pub fn new(context: &Context) -> Result<Self, SettingsError> {
        Ok(Self {
            endpoint: Endpoint::new(Methods::Read, context.settings.diagnostics),
            assets: [
                Asset::new(
                    "/",
                    "text/html; charset=utf-8",
                    include_str!("../bin/page/index.html").to_owned(),
                ),
                Asset::new(
                    "/style.css",
                    "text/css; charset=utf-8",
                    include_str!("../bin/page/style.css").to_owned(),
                ),
                Asset::new(
                    "/app.js",
                    "text/javascript; charset=utf-8",
                    without_comments(include_str!("../bin/page/app.js")),
                ),
            ],
        })
    }
}

impl Handler for PageHandler {
    async fn handle(&self, request: Request) -> Response {
        let path = path::of(&request);
        let work = Box::pin(async {
            let asset = self.assets.iter().find(|asset| asset.path == path);
            let asset = asset.ok_or_else(|| Problem::not_found("there is no such page"))?;
            let asked = path::as_asked(&request);
            if asset.path == "/" && !asked.ends_with('/') {
                return Ok(redirect(asked));
            }
            Ok(asset.respond(request.headers()))
        });
        self.endpoint.respond(&request, work).await
    }
}

impl Asset {
    fn new(path: &'static str, content_type: &'static str, text: String) -> Self {
        let etag = format!("\"{}\"", hex::encode(&Sha256::digest(&text)[..16]));
        let etag =
            HeaderValue::from_str(&etag).expect("quoted hexadecimal digits are a valid header");
        Self {
            path,
            content_type,
            text,
            etag,
        }
    }

    fn respond(&self, request_headers: &HeaderMap) -> Response {
        let unchanged = etag_matches(request_headers, &self.etag);
        let mut response = Response::new(if unchanged {
            lambda_http::Body::Empty
        } else {
            self.text.as_str().into()
        });
        let headers = response.headers_mut();
        headers.insert(header::ETAG, self.etag.clone());
        // Browsers keep the file but ask each time: a deploy shows at once, for the price of one
        // 304.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(CSP),
        );
        headers.insert(
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        );
        headers.insert(
            "cross-origin-opener-policy",
            HeaderValue::from_static("same-origin"),
        );
        if unchanged {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static(self.content_type),
            );
        }
        response
    }
}

/// A script without its lines of comments: those are for the readers of the source.
fn without_comments(script: &str) -> String {
    let comment = |line: &str| {
        let line = line.trim();
        line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"))
    };
    let lines = script.split_inclusive('\n');
    lines.filter(|line| !comment(line)).collect()
}

/// Adds the slash to a stage or a base path such as `/prod`. The page uses relative URLs, which
/// without the slash would resolve beside the stage and not below it.
fn redirect(asked: &str) -> Response {
    let mut response = Response::new(lambda_http::Body::Empty);
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    // Exactly one slash at the start: two would name another host.
    if let Ok(place) = HeaderValue::from_str(&format!("/{}/", asked.trim_matches('/'))) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// Whether `If-None-Match` names this entity tag.
fn etag_matches(request_headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let values = request_headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/") == *etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(if_none_match: Option<&str>) -> Response {
        let mut headers = HeaderMap::new();
        headers.extend(if_none_match.map(|value| (header::IF_NONE_MATCH, value.parse().unwrap())));
        Asset::new("/", "text/html", "<p>".to_owned()).respond(&headers)
    }

    #[test]
    fn a_known_tag_is_answered_with_304_and_no_body() {
        let fresh = asked(None);
        let tag = fresh.headers()["etag"].to_str().unwrap();
        for known in [tag.to_owned(), format!("\"x\", W/{tag}"), "*".to_owned()] {
            let response = asked(Some(&known));
            assert_eq!(
                (response.status().as_u16(), response.body().len()),
                (304, 0),
                "{known}"
            );
            assert_eq!(response.headers()["etag"], tag);
        }
        assert_eq!(asked(Some("\"x\"")).status(), 200);
    }

    #[test]
    fn no_inline_code_is_allowed() {
        assert!(!CSP.contains("unsafe"));
        assert!(
            asked(None)
                .headers()
                .contains_key("content-security-policy")
        );
    }
}
