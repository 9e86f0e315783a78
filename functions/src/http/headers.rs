//! Headers of an answer: those that are on every one, and how one of words and numbers is written. Must not know what they say.

use std::fmt::Arguments;
use std::io::Write as _;

use lambda_http::http::{HeaderMap, HeaderValue, header};

/// More than the longest has: three durations of 27 digits each, and what stands between them.
const MAX_LENGTH: usize = 160;

/// The headers that are on every answer, whoever gives it.
pub(crate) fn set_defaults(headers: &mut HeaderMap) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("private, no-store"));
}

/// The header that reads so, at the cost of one allocation.
pub(crate) fn format_value(text: Arguments<'_>) -> HeaderValue {
    let mut buffer = [0; MAX_LENGTH];
    let mut rest = &mut buffer[..];
    rest.write_fmt(text).expect("a header of ours is short");
    let used = MAX_LENGTH - rest.len();
    HeaderValue::from_bytes(&buffer[..used]).expect("words and numbers are a valid header")
}
