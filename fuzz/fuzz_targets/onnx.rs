//! Any bytes are an image classifier in ONNX, or an error; what was checked is one too, and says the same. A network of bytes is made of
//! it, or is not. Weights may lie beside it, in the one file of its folder.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mnasnet_onnx::{lower, parse, parse_in};

/// The model's folder.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("mnasnet-fuzz-onnx-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("torch.onnx.data"), vec![60; 1728]).unwrap();
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = parse_in(bytes.to_vec().into(), Some(&FOLDER), None) else {
        return;
    };
    let _ = lower(&model);
    let again = parse(model.bytes.clone()).unwrap();
    assert_eq!((&again.input, &again.output, again.classes), (&model.input, &model.output, model.classes));
    assert_eq!((again.batch, again.resolution, again.most), (model.batch, model.resolution, model.most));
    assert_eq!((again.photos, again.image_bytes), (model.photos, model.image_bytes));
});
