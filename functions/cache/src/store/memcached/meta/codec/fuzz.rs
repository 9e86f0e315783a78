//! What must hold for any bytes that a meta server sends.

use super::*;
use crate::fuzzing::cuttings::cuttings;

/// A value, its cas, for how long it is kept, and whether its command has created it.
type Fields = (Vec<u8>, Option<u64>, Option<u32>, bool);

/// One answer: its status or its value, with its key and opaque number.
#[derive(Debug, PartialEq)]
struct Decoded {
    what: Result<Status, Fields>,
    tag: Option<(Vec<u8>, u32)>,
}

impl From<Parsed<'_>> for Decoded {
    fn from(parsed: Parsed<'_>) -> Self {
        let (what, tag) = match parsed {
            Parsed::Value(value, tag) => {
                let bytes = value.bytes.to_vec();
                let what = (bytes, value.cas, value.seconds_left, value.won);
                (Err(what), Some(tag))
            }
            Parsed::Status(status, tag) => (Ok(status), tag),
        };
        let tag = tag.map(|tag| (tag.key.to_vec(), tag.opaque));
        Self { what, tag }
    }
}

/// The answers that were read.
#[derive(Debug, PartialEq)]
struct Read {
    parsed: Vec<Decoded>,
    /// The incomplete rest, or why reading ended.
    rest: Result<Vec<u8>, StoreError>,
}

pub(crate) fn reply(bytes: &[u8]) {
    let [whole, singly, mixed] = cuttings(bytes).map(|pieces| read(&pieces));
    assert_eq!(singly, whole);
    assert_eq!(mixed, whole);
    let mut decoded = 0;
    for parsed in &whole.parsed {
        if let Err((value, ..)) = &parsed.what {
            assert!(contains(bytes, value), "a value that was not sent");
            decoded += value.len();
        }
        let tag = parsed.tag.as_ref();
        assert!(tag.is_none_or(|(key, _)| contains(bytes, key)));
    }
    assert!(decoded <= bytes.len(), "more than was sent");
}

fn read(pieces: &[&[u8]]) -> Read {
    let (mut input, mut parsed) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match next(&input) {
                Ok(Some((next, length))) => {
                    parsed.push(next.into());
                    input.drain(..length);
                }
                Ok(None) => break,
                Err(error) => {
                    let rest = Err(error);
                    return Read { parsed, rest };
                }
            }
        }
    }
    let rest = Ok(input);
    Read { parsed, rest }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}
