//! Any bytes are a file of weights whose tensors are no larger than it is, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mnasnet_weights::{Wanted, parse, recognise};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(state) = parse(bytes.to_vec().into()) {
        for tensor in state.tensors.values() {
            assert!(tensor.bytes().len() <= bytes.len());
            assert_eq!(tensor.shape().iter().product::<usize>() * tensor.dtype().size(), tensor.bytes().len());
        }
        let _ = recognise(&state, Wanted::default());
    }
});
