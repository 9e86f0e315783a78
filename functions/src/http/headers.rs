//! The headers that every response has, and how a header of words and numbers is written.

use std::fmt::Arguments;
use std::io::Write as _;

use lambda_http::http::{HeaderMap, HeaderValue, header};

/// The longest header value: three durations of 27 digits each and the words between them take
/// less.
const MAX_LENGTH: usize = 160;

/// Adds the headers of every response.
pub(crate) fn set_defaults(headers: &mut HeaderMap) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("private, no-store"));
}

/// Formats a header value with one allocation.
pub(crate) fn format_value(text: Arguments<'_>) -> HeaderValue {
    let mut buffer = [0; MAX_LENGTH];
    let mut rest = &mut buffer[..];
    rest.write_fmt(text).expect("a header of ours is short");
    let used = MAX_LENGTH - rest.len();
    HeaderValue::from_bytes(&buffer[..used]).expect("words and numbers are a valid header")
}
