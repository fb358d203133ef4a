//! Any bytes are an image classifier in ONNX, or an error; what was checked is one too, and says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mnasnet_onnx::parse;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = parse(bytes.to_vec().into()) else {
        return;
    };
    let again = parse(model.bytes.clone()).unwrap();
    assert_eq!((&again.input, &again.output, again.classes), (&model.input, &model.output, model.classes));
    assert_eq!((again.batch, again.resolution, again.most), (model.batch, model.resolution, model.most));
    assert_eq!((again.photos, again.image_bytes), (model.photos, model.image_bytes));
});
