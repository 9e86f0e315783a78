//! What must hold for any bytes: one function for each place where bytes from outside are read.
//!
//! The fuzz targets in `fuzz/` call these, and `tests/it/corpus.rs` replays their corpus. Each
//! panics if a promise is broken. The checks themselves are beside the code that they check.

pub(crate) mod cuttings;

use crate::{Cache, entry, payload, store::memcached};

pub use crate::near::Fault;

/// Sets the wall clock by which `cache` ends near copies forward, or back.
pub fn step_wall_clock(cache: &Cache, millis: i64) {
    cache.shared().near.clocks().bent.step(millis);
}

/// Sets the clock of `cache` forward, or back: the machine's that it is on.
pub fn set_clock_ahead(cache: &Cache, millis: i64) {
    cache.shared().clock.set_ahead(millis);
}

/// Breaks one rule of near copies in `cache`: a test that does not find out shows nothing.
pub fn plant(cache: &Cache, fault: Fault) {
    cache.shared().near.planted().plant(fault);
}

/// An answer of a server with the meta protocol: however it is cut, it reads as the whole, and no
/// value is invented.
///
/// # Panics
/// If it does not.
pub fn meta_reply(bytes: &[u8]) {
    memcached::fuzz::meta_reply(bytes);
}

/// An answer of a server with the classic protocol to each kind of command, through the guard and
/// through the driver.
///
/// # Panics
/// If it reads differently when it is cut, or if a value gets through that was not asked for.
pub fn classic_reply(bytes: &[u8]) {
    memcached::fuzz::classic_reply(bytes);
}

/// A record: as it is, and with its check corrected, so that the code after the check is reached,
/// too.
///
/// # Panics
/// If it decodes to something that does not encode to the same bytes, or decodes under another key.
pub fn record(bytes: &[u8]) {
    entry::fuzz::record(bytes);
}

/// A value, decoded as several types.
///
/// # Panics
/// If a decoded value does not encode to bytes that decode to the same value.
pub fn payload(bytes: &[u8]) {
    payload::fuzz::payload(bytes);
}

/// A compressed value.
///
/// # Panics
/// If it decompresses to more than the limit, or to something that does not survive a round trip.
pub fn packed(bytes: &[u8]) {
    payload::fuzz::packed(bytes);
}
