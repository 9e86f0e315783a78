//! What must hold for any bytes at all, one function for each place where bytes from outside are read.
//!
//! The fuzz targets in `fuzz/` call these, and `tests/it/corpus.rs` replays what they were given. Each panics where a promise is
//! broken. Owns only the entry points and the ways to cut an answer; what must hold stands beside what it is about.

use crate::{entry, payload, store::memcached};

/// An answer of a server that speaks the meta protocol: any cutting of it reads as the whole does, and no value is made up.
///
/// # Panics
/// If it does not.
pub fn meta_reply(bytes: &[u8]) {
    memcached::fuzz::meta_reply(bytes);
}

/// An answer of a server that speaks the classic protocol, to each kind of command, through the guard and through the driver.
///
/// # Panics
/// If a cutting is judged otherwise than the whole, or a value gets through that was not asked for.
pub fn classic_reply(bytes: &[u8]) {
    memcached::fuzz::classic_reply(bytes);
}

/// What stands under a key: as it is, and again with its check made right, so that what lies behind the check is reached too.
///
/// # Panics
/// If it reads as something that does not write back to the same bytes, or reads under another key.
pub fn record(bytes: &[u8]) {
    entry::fuzz::record(bytes);
}

/// A value, decoded as several types.
///
/// # Panics
/// If what decoded does not encode to bytes that decode to the same.
pub fn payload(bytes: &[u8]) {
    payload::fuzz::payload(bytes);
}

/// A compressed value.
///
/// # Panics
/// If it opens to more than it may, or to something that does not open again.
pub fn packed(bytes: &[u8]) {
    payload::fuzz::packed(bytes);
}

/// Ways in which `bytes` may arrive: whole, one by one, and in pieces of changing size, the same for the same bytes.
pub(crate) fn cuttings(bytes: &[u8]) -> [Vec<&[u8]>; 3] {
    let mut seed = twox_hash::XxHash3_64::oneshot(bytes);
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let length = 1 + (seed >> 59) as usize;
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    [vec![bytes], bytes.chunks(1).collect(), pieces]
}
