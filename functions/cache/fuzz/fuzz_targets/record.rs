//! Any bytes through `larder::fuzzing::record`, which panics where a promise is broken.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| larder::fuzzing::record(bytes));
