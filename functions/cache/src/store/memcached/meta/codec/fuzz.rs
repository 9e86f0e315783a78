//! What must hold for any bytes that a meta server sends.

use super::*;
use crate::testing::fuzz::cuttings;

/// Everything that an answer was read as.
#[derive(Debug, PartialEq)]
struct Read {
    parsed: Vec<Parsed>,
    /// What is left over and not whole yet, or why the reading ended.
    rest: Result<Vec<u8>, StoreError>,
}

pub(crate) fn reply(bytes: &[u8]) {
    let [whole, singly, mixed] = cuttings(bytes).map(|pieces| read(&pieces));
    assert_eq!(singly, whole);
    assert_eq!(mixed, whole);
    let mut told = 0;
    for parsed in &whole.parsed {
        let tag = match parsed {
            Parsed::Value(value, tag) => {
                assert!(contains(bytes, &value.bytes), "a value that was not sent");
                told += value.bytes.len();
                Some(tag)
            }
            Parsed::Status(_, tag) => tag.as_ref(),
        };
        assert!(tag.is_none_or(|tag| contains(bytes, &tag.key)));
    }
    assert!(told <= bytes.len(), "more than was sent");
}

fn read(pieces: &[&[u8]]) -> Read {
    let (mut input, mut parsed) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match Parser::next(&mut input) {
                Ok(Some(next)) => parsed.push(next),
                Ok(None) => break,
                Err(error) => {
                    let rest = Err(error);
                    return Read { parsed, rest };
                }
            }
        }
    }
    let rest = Ok(input.to_vec());
    Read { parsed, rest }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}
