//! Headers of words and numbers. Owns the room that they are written in, which costs no allocation; must not know what they say.

use std::fmt::Arguments;
use std::io::Write as _;

use lambda_http::http::HeaderValue;

/// More than the longest: three durations of 27 digits each, and what stands between them.
const ROOM: usize = 160;

/// The header that reads so.
pub(crate) fn header(text: Arguments<'_>) -> HeaderValue {
    let mut room = [0; ROOM];
    let mut rest = &mut room[..];
    rest.write_fmt(text).expect("a header of ours is short");
    let used = ROOM - rest.len();
    HeaderValue::from_bytes(&room[..used]).expect("words and numbers are a valid header")
}
