//! Headers of an answer: those that are on every one, and how one of words and numbers is written. Must not know what they say.

use std::fmt::Arguments;
use std::io::Write as _;

use lambda_http::http::{HeaderMap, HeaderValue, header};

/// More than the longest has: three durations of 27 digits each, and what stands between them.
const ROOM: usize = 160;

/// The headers that are on every answer, whoever gives it.
pub(crate) fn guard(headers: &mut HeaderMap) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("private, no-store"));
}

/// The header that reads so, at the cost of one allocation.
pub(crate) fn written(text: Arguments<'_>) -> HeaderValue {
    let mut room = [0; ROOM];
    let mut rest = &mut room[..];
    rest.write_fmt(text).expect("a header of ours is short");
    let used = ROOM - rest.len();
    HeaderValue::from_bytes(&room[..used]).expect("words and numbers are a valid header")
}
