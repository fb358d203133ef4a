//! Any bytes are an image of the size that they say, or an error.
#![no_main]

use std::sync::Once;

use libfuzzer_sys::fuzz_target;

// Panics of the image crate's decoders are caught where they are called. The fuzzer's hook would end the run before; without it all
// other panics still do.
static HOOK: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    if let Ok(image) = mnasnet_data::decode(bytes) {
        assert_eq!(image.pixels.len(), image.width * image.height * 3);
    }
});
