//! Any bytes are a program that builds values, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = mnasnet_weights::pickle::Pickle::load(bytes);
});
