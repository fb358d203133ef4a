//! Any bytes are an image classifier in ONNX, which loads and runs or says why not, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mnasnet_onnx::{Runtime, Session, parse};

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = parse(bytes.to_vec().into()) else {
        return;
    };
    // What is larger is bounded too, but too slow for many runs.
    if model.resolution > 64 || model.batch.is_some_and(|batch| batch > 4) {
        return;
    }
    if let Ok(mut session) = Session::new(&model, &Runtime::Rten, 1) {
        let mut logits = Vec::new();
        let images = vec![0.5; 3 * model.resolution * model.resolution];
        if session.run(&images, &mut logits).is_ok() {
            assert_eq!(logits.len(), model.classes);
        }
    }
});
