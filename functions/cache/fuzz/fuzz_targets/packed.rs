//! Any bytes through `larder::testing::fuzz::packed`, which panics where a promise is broken.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| larder::testing::fuzz::packed(bytes));
