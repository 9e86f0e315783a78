//! Any bytes through `larder::fuzzing::packed`, which panics where a promise is broken.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| larder::fuzzing::packed(bytes));
