//! Any bytes are an image of the size that they say, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(image) = mnasnet_data::decode(bytes) {
        assert_eq!(image.pixels.len(), image.width * image.height * 3);
    }
});
