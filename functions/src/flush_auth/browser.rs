//! Refuses requests that another site's page sends through a visitor's browser. It reads the
//! headers that browsers add and scripts cannot forge.

use lambda_http::http::{HeaderMap, header};

use super::forbidden;
use crate::http::problem::Problem;

/// The authority of the page that sent the request, if one did. A page of another site is refused.
pub(super) fn refuse_other_sites(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    for site in headers.get_all("sec-fetch-site") {
        if !matches!(site.as_bytes(), b"same-origin" | b"none") {
            return Err(forbidden("the request comes from another site's page"));
        }
    }
    let mut own = None;
    for origin in headers.get_all(header::ORIGIN) {
        let authority = origin.to_str().ok().and_then(authority);
        if authority.is_none() || authority != host(headers) {
            return Err(forbidden("the request comes from another origin's page"));
        }
        own = authority;
    }
    Ok(own)
}

fn host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// The `host[:port]` of `http(s)://host[:port]`; the origin `null` has none.
fn authority(origin: &str) -> Option<&str> {
    origin
        .strip_prefix("https://")
        .or_else(|| origin.strip_prefix("http://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)], passes: bool) {
        let map = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        assert_eq!(refuse_other_sites(&map).is_ok(), passes, "{headers:?}");
    }

    #[test]
    fn only_our_own_page_and_no_page_at_all_pass() {
        check(&[("host", "a.example")], true);
        check(
            &[
                ("host", "a.example"),
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://a.example"),
            ],
            true,
        );
        check(
            &[
                ("host", "a.example:9000"),
                ("origin", "http://a.example:9000"),
            ],
            true,
        );
        check(&[("host", "a.example"), ("sec-fetch-site", "none")], true);
        check(
            &[("host", "a.example"), ("sec-fetch-site", "cross-site")],
            false,
        );
        check(
            &[("host", "a.example"), ("sec-fetch-site", "same-site")],
            false,
        );
        check(
            &[("host", "a.example"), ("origin", "https://b.example")],
            false,
        );
        check(
            &[("host", "a.example"), ("origin", "https://a.example.evil")],
            false,
        );
        check(
            &[
                ("host", "a.example:9000"),
                ("origin", "http://a.example:9001"),
            ],
            false,
        );
        check(&[("host", "a.example"), ("origin", "null")], false);
        check(&[("host", "null"), ("origin", "null")], false);
        check(&[("origin", "https://a.example")], false);
        check(
            &[
                ("host", "a.example"),
                ("sec-fetch-site", "same-origin"),
                ("origin", "https://b.example"),
            ],
            false,
        );
    }
}
