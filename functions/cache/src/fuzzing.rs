//! What must hold for any bytes at all, one function for each place where bytes from outside are read.
//!
//! The fuzz targets in `fuzz/` call these, and `tests/it/corpus.rs` replays what they were given. Each panics where a promise is
//! broken. Owns only the entry points and the ways to cut an answer; what must hold stands beside what it is about.

pub(crate) mod cuttings;

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
