//! Large values compressed, with LZ4's block format.
//!
//! A compressed payload begins with the length of its value. That is checked against [`MOST`], and
//! against the most that LZ4 can make of so many bytes, before anything of that length is
//! allocated.

use std::borrow::Cow;

use lz4_flex::block;

use super::PayloadError;

/// The bytes of an entry that hold its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    Plain(&'a [u8]),
    /// The value's length in four bytes, big-endian, and one block of LZ4.
    Lz4(&'a [u8]),
}

/// The longest value that is compressed, and the longest that is made of compressed bytes: 8 MiB.
pub(crate) const MOST: usize = 8 << 20;
/// One byte of LZ4 makes at most so many.
const RATIO: usize = 255;
const LENGTH: usize = 4;

impl<'a> Payload<'a> {
    pub(crate) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Plain(bytes) | Self::Lz4(bytes) => bytes,
        }
    }

    /// How many bytes the value's are, as far as the entry says so: more than it can be is not
    /// believed when it is opened.
    pub(crate) fn opened_size(self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Lz4(bytes) => bytes
                .first_chunk::<LENGTH>()
                .map_or(bytes.len(), |length| u32::from_be_bytes(*length) as usize),
        }
    }

    /// The value's bytes.
    pub(crate) fn open(self) -> Result<Cow<'a, [u8]>, PayloadError> {
        match self {
            Self::Plain(bytes) => Ok(Cow::Borrowed(bytes)),
            Self::Lz4(bytes) => decompress(bytes).map(Cow::Owned),
        }
    }
}

/// `plain`, compressed for [`Payload::Lz4`]; `None` if that is not shorter.
pub(crate) fn compress(plain: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(plain.len()).ok()?;
    if plain.len() > MOST {
        return None;
    }
    let block = block::compress(plain);
    let compressed = [&length.to_be_bytes(), &block[..]].concat();
    (compressed.len() < plain.len()).then_some(compressed)
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let wrong = |what: &str| PayloadError(format!("not what was compressed: {what}"));
    let (length, block) = bytes
        .split_first_chunk::<LENGTH>()
        .ok_or_else(|| wrong("too short"))?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > MOST.min(block.len().saturating_mul(RATIO)) {
        return Err(wrong("longer than it can be"));
    }
    let plain = block::decompress(block, length).map_err(|error| wrong(&error.to_string()))?;
    if plain.len() != length {
        return Err(wrong("shorter than announced"));
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(compressed: &[u8]) -> Result<Vec<u8>, PayloadError> {
        Payload::Lz4(compressed).open().map(Cow::into_owned)
    }

    /// Payloads that earlier releases compressed must stay readable.
    #[test]
    fn golden_bytes() {
        let golden = hex::decode("0000001e3f61626303000260616263616263").unwrap();
        assert_eq!(open(&golden).unwrap(), b"abc".repeat(10));
    }

    #[test]
    fn what_is_packed_opens_to_the_same() {
        let random: Vec<u8> = (0..5000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for plain in [
            b"x".repeat(MOST),
            b"x".repeat(40),
            b"abc".repeat(1000),
            [random.clone(), random].concat(),
        ] {
            let compressed = compress(&plain).unwrap();
            assert!(compressed.len() < plain.len());
            assert!(open(&compressed).unwrap() == plain);
        }
    }

    #[test]
    fn what_does_not_become_shorter_stays_as_it_is() {
        let random: Vec<u8> = (0..5000_u32)
            .map(|n| (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        for plain in [&b""[..], b"a", b"abcdefgh", &random, &vec![0; MOST + 1]] {
            assert_eq!(compress(plain), None, "{} bytes", plain.len());
        }
    }

    /// A mebibyte of LZ4 that would become a gigabyte; and payloads that are cut, or longer or
    /// shorter than they say.
    #[test]
    fn a_bomb_is_refused_before_it_goes_off() {
        let inside = compress(&b"x".repeat(1000)).unwrap();
        let claims = |length: u32, block: &[u8]| [&length.to_be_bytes(), block].concat();
        let block = &inside[LENGTH..];
        let bombs = [
            claims(u32::MAX, &vec![0xff; 1 << 20]),
            claims(1 << 30, &vec![0xff; 1 << 20]),
            claims(8 << 20, &[0x1f; 100]),
            claims(999, block),
            claims(1001, block),
            claims(1000, &block[..block.len() - 1]),
            claims(1000, &[block, block].concat()),
            claims(4, &[0x1f, b'x', 0xff, 0xff, 0]),
            claims(0, b""),
            vec![0, 0, 0],
            Vec::new(),
        ];
        for bomb in bombs {
            assert!(open(&bomb).is_err(), "{:02x?}", &bomb[..bomb.len().min(20)]);
        }
    }
}
